//! Reads any JUnit dialect as a stream: counts elements, never attributes, and says when a document is cut, foreign or not
//! well-formed. Bounded memory whatever the size. Knows no gate.

mod attributes;
mod text;
mod tokens;

use std::io::Read;
use std::sync::Arc;

use super::decode;
use super::name::{Dialect, Named, Ordinals, printed};
use super::{Case, Summary};
use crate::model::{Outcome, ReportState, Totals};
use attributes::{Attributes, Key, Room};
pub(super) use text::is_xml_char;
use text::{Text, is_plain, legal, reference, seconds};
use tokens::{Bytes, End, Kind};

/// Reads one report and hands each case to `each`, which may take it: the next one is read into what is left.
pub fn read(source: impl Read + Send, each: &mut dyn FnMut(&mut Case)) -> std::io::Result<Summary> {
    read_as(source, Some(Ordinals::default()), each)
}

/// Reads one report and counts its cases. To tell names apart that stand twice takes memory for all of them, which this does not.
pub fn count(source: impl Read + Send) -> std::io::Result<Summary> {
    read_as(source, None, &mut |_| {})
}

fn read_as(source: impl Read + Send, ordinals: Option<Ordinals>, each: &mut dyn FnMut(&mut Case)) -> std::io::Result<Summary> {
    let decoded = decode::decode(source)?;
    let mut walk = Walk::new(decoded.notes, ordinals, each);
    if decoded.empty {
        return Ok(walk.summary(ReportState::Empty));
    }
    let mut room = Room::default();
    let ended = tokens::each(decoded.reader, &mut |kind, bytes, at| walk.token(kind, &bytes, &mut room).map_err(|fault| format!("{fault} at byte {at}")));
    let state = match ended {
        Ok(End::Whole) => walk.end(),
        Ok(End::Unreadable(cause)) => return Err(cause),
        Ok(End::Cut(fault)) => {
            walk.note(&fault);
            if walk.root_seen { ReportState::Truncated } else { ReportState::IllFormed }
        }
        Ok(End::Broken(fault)) | Err(fault) => {
            walk.note(&fault);
            ReportState::IllFormed
        }
    };
    walk.close_open_case();
    Ok(walk.summary(state))
}

/// Reads a whole report into memory.
pub fn read_all(source: impl Read + Send) -> std::io::Result<(Summary, Vec<Case>)> {
    let mut cases = Vec::new();
    let summary = read(source, &mut |case| cases.push(std::mem::take(case)))?;
    Ok((summary, cases))
}

/// What the reader is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Suites,
    Suite,
    Case,
    Result(Outcome),
    Retry,
    Other,
}

#[expect(clippy::struct_excessive_bools, reason = "independent findings about one document")]
struct Walk<'a> {
    each: &'a mut dyn FnMut(&mut Case),
    stack: Vec<Open>,
    suites: Vec<String>,
    /// The same, as cases have them.
    around: Arc<[String]>,
    dialect: Dialect,
    /// The case that is open, or what is left of the last one.
    draft: Draft,
    in_case: bool,
    suite_result: Option<Case>,
    text: Text,
    root_seen: bool,
    roots: u32,
    foreign: bool,
    strangers: bool,
    /// Names so far; none where cases are counted only.
    ordinals: Option<Ordinals>,
    totals: Totals,
    declared: Totals,
    notes: Vec<String>,
}

/// A case that is still open.
#[derive(Default)]
struct Draft {
    case: Case,
    /// The case says that it was left out on purpose (Playwright's `skip` and `fixme`).
    on_purpose: bool,
    pending: (Outcome, String, String),
    retry: String,
}

impl<'a> Walk<'a> {
    fn new(notes: Vec<String>, ordinals: Option<Ordinals>, each: &'a mut dyn FnMut(&mut Case)) -> Self {
        Self {
            each,
            stack: Vec::new(),
            suites: Vec::new(),
            around: Arc::default(),
            dialect: Dialect::Other,
            draft: Draft::default(),
            in_case: false,
            suite_result: None,
            text: Text::default(),
            root_seen: false,
            roots: 0,
            foreign: false,
            strangers: false,
            ordinals,
            totals: Totals::default(),
            declared: Totals::default(),
            notes,
        }
    }

    fn note(&mut self, note: &str) {
        add_note(&mut self.notes, note.to_owned());
    }

    fn token(&mut self, kind: Kind, bytes: &Bytes<'_>, room: &mut Room) -> Result<(), String> {
        match kind {
            Kind::Start(name) => self.start(bytes.utf8()?, name, room)?,
            Kind::Empty(name) => {
                self.start(bytes.utf8()?, name, room)?;
                self.close();
            }
            Kind::End => self.close(),
            Kind::Text if matches!(self.stack.last(), Some(Open::Other)) && is_plain(bytes.raw) => {}
            Kind::Text => self.push_text(bytes.utf8()?)?,
            Kind::Reference => {
                let mut value = String::new();
                reference(bytes.utf8()?, &mut value, &mut |note| add_note(&mut self.notes, note))?;
                self.push_text(&value)?;
            }
            Kind::DocType => self.note("a document type is ignored"),
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) -> Result<(), String> {
        legal(text)?;
        match self.stack.last() {
            None if text.trim().is_empty() => {}
            None => return Err("text outside of the document".to_owned()),
            Some(Open::Result(_) | Open::Retry) => self.text.push(text),
            Some(Open::Suites | Open::Suite | Open::Case | Open::Other) => {}
        }
        Ok(())
    }

    fn start(&mut self, content: &str, name: usize, room: &mut Room) -> Result<(), String> {
        let attributes = room.read(content, name, &mut |note| add_note(&mut self.notes, note))?;
        let local = content[..name].split_once(':').map_or(&content[..name], |(_, local)| local);
        self.open(local, attributes);
        Ok(())
    }

    fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        let top = self.stack.last().copied();
        if top.is_none() {
            self.roots += 1;
            self.root_seen = true;
            self.foreign |= !["testsuites", "testsuite"].contains(&name);
            if self.roots > 1 {
                self.note("several documents in one file");
            }
        }
        let open = match (top, name) {
            (None, "testsuites") => {
                self.open_suites(attributes);
                Open::Suites
            }
            (None | Some(Open::Suites | Open::Suite), "testsuite") => {
                self.open_suite(top, attributes);
                Open::Suite
            }
            (Some(Open::Suites | Open::Suite), "testcase") => {
                self.open_case(attributes);
                Open::Case
            }
            (Some(Open::Case), "failure") => self.open_result(attributes, Outcome::Failed),
            (Some(Open::Case), "error") => self.open_result(attributes, Outcome::Error),
            (Some(Open::Case), "skipped" | "skip") => self.open_result(attributes, Outcome::Skipped),
            (Some(Open::Case), "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError") => self.open_retry(name, attributes),
            (Some(Open::Suite), "failure" | "error") => self.open_suite_result(name, attributes),
            (_, "property") => {
                self.property(attributes);
                Open::Other
            }
            (Some(Open::Suites), other) => {
                self.strangers |= other != "properties";
                Open::Other
            }
            _ => Open::Other,
        };
        if matches!(open, Open::Result(_) | Open::Retry) {
            self.text.clear();
        }
        self.stack.push(open);
    }

    fn open_suites(&mut self, attributes: Attributes<'_>) {
        match attributes.get(Key::Name) {
            "vitest tests" => self.dialect = Dialect::Vitest,
            "jest tests" => self.dialect = Dialect::Jest,
            _ => {}
        }
    }

    fn open_suite(&mut self, above: Option<Open>, attributes: Attributes<'_>) {
        let name = attributes.get(Key::Name).to_owned();
        if name == "pytest" {
            self.dialect = Dialect::Pytest;
        }
        if self.dialect == Dialect::Other && !attributes.get(Key::Hostname).is_empty() && is_playwright_file(&name) {
            self.dialect = Dialect::Playwright;
        }
        if above != Some(Open::Suite) {
            let count = |key| attributes.get(key).trim().parse().unwrap_or(0);
            let declared = Totals { tests: count(Key::Tests), failures: count(Key::Failures), errors: count(Key::Errors), skipped: count(Key::Skipped) };
            self.declared.merge(declared);
        }
        self.suites.push(name);
        self.around = self.suites.as_slice().into();
    }

    fn open_case(&mut self, attributes: Attributes<'_>) {
        let draft = &mut self.draft;
        let case = &mut draft.case;
        // gtest says so in attributes alone.
        case.outcome = match (attributes.get(Key::Status), attributes.get(Key::Result)) {
            ("notrun" | "disabled", _) => Outcome::NotRun,
            (_, "skipped" | "suppressed") => Outcome::Skipped,
            _ => Outcome::Passed,
        };
        case.line = attributes.get(Key::Line).trim().parse().ok();
        case.seconds = seconds(attributes.get(Key::Time));
        attributes.copy(Key::Classname, &mut case.classname);
        attributes.copy(Key::Name, &mut case.name);
        attributes.copy(Key::File, &mut case.file);
        if !Arc::ptr_eq(&case.suites, &self.around) {
            case.suites = Arc::clone(&self.around);
        }
        for text in [&mut case.kind, &mut case.message, &mut case.text, &mut draft.retry] {
            text.clear();
        }
        case.retries.clear();
        draft.on_purpose = false;
        draft.pending.0 = Outcome::Passed;
        self.in_case = true;
    }

    fn open_result(&mut self, attributes: Attributes<'_>, outcome: Outcome) -> Open {
        if self.in_case {
            let (pending, kind, message) = &mut self.draft.pending;
            *pending = outcome;
            attributes.copy(Key::Type, kind);
            attributes.copy(Key::Message, message);
        }
        Open::Result(outcome)
    }

    fn open_retry(&mut self, name: &str, attributes: Attributes<'_>) -> Open {
        if self.in_case {
            name.clone_into(&mut self.draft.retry);
            self.draft.pending.0 = Outcome::Passed;
            attributes.copy(Key::Message, &mut self.draft.pending.2);
        }
        Open::Retry
    }

    /// A class that failed to load has no case of its own: its error must not vanish.
    fn open_suite_result(&mut self, name: &str, attributes: Attributes<'_>) -> Open {
        let outcome = if name == "error" { Outcome::Error } else { Outcome::Failed };
        let message = attributes.get(Key::Message).to_owned();
        let suite = self.suites.last().cloned().unwrap_or_default();
        self.note(&format!("suite `{suite}` has an {name} of its own: {message}"));
        let suites = Arc::clone(&self.around);
        self.suite_result = Some(Case { suites, classname: suite, name: "(suite)".to_owned(), outcome, message, ..Case::default() });
        Open::Result(outcome)
    }

    fn property(&mut self, attributes: Attributes<'_>) {
        if self.in_case {
            self.draft.on_purpose |= ["skip", "fixme"].contains(&attributes.get(Key::Name));
        }
    }

    fn close(&mut self) {
        match self.stack.pop() {
            Some(Open::Suite) => {
                self.suites.pop();
                self.around = self.suites.as_slice().into();
            }
            Some(Open::Case) => self.finish_case(),
            Some(Open::Result(_)) => self.finish_result(),
            Some(Open::Retry) => {
                let mut text = String::new();
                self.text.take(&mut text);
                if self.in_case {
                    let message = std::mem::take(&mut self.draft.pending.2);
                    let message = if message.is_empty() { crate::text::first_line(&text).to_owned() } else { message };
                    self.draft.case.retries.push((std::mem::take(&mut self.draft.retry), message));
                }
            }
            Some(Open::Suites | Open::Other) | None => {}
        }
    }

    fn finish_result(&mut self) {
        if let Some(mut case) = self.suite_result.take() {
            self.text.take(&mut case.text);
            emit(&mut *self.each, (&mut self.ordinals, &mut self.totals), self.dialect, &mut case, false);
        } else if self.in_case {
            let Draft { case, pending: (outcome, kind, message), .. } = &mut self.draft;
            if *outcome > case.outcome {
                case.outcome = *outcome;
                std::mem::swap(&mut case.kind, kind);
                std::mem::swap(&mut case.message, message);
                self.text.take(&mut case.text);
            }
            *outcome = Outcome::Passed;
        }
    }

    fn finish_case(&mut self) {
        if std::mem::take(&mut self.in_case) {
            let Draft { case, on_purpose, .. } = &mut self.draft;
            emit(&mut *self.each, (&mut self.ordinals, &mut self.totals), self.dialect, case, *on_purpose);
        }
    }

    /// A case that the end of the file cuts in two is red inside a failure, and unknown, so an error, elsewhere.
    fn close_open_case(&mut self) {
        if self.in_case {
            let inside = self.draft.pending.0;
            let case = &mut self.draft.case;
            case.outcome = if inside.is_red() { inside } else { case.outcome.max(Outcome::Error) };
            "the report ends inside this case".clone_into(&mut case.message);
            self.finish_case();
        }
    }

    fn end(&mut self) -> ReportState {
        if !self.stack.is_empty() {
            self.note("the document ends before its root does");
            return ReportState::Truncated;
        }
        if !self.root_seen {
            self.note("no element in it");
            return ReportState::IllFormed;
        }
        if self.foreign || (self.strangers && self.totals.tests == 0) {
            self.note("the root is not testsuites or testsuite, or holds something else");
            return ReportState::NotJunit;
        }
        let declared_red = self.declared.failures + self.declared.errors;
        let counted_red = self.totals.failures + self.totals.errors;
        if self.declared.tests > 0 && self.totals.tests == 0 || declared_red > 0 && counted_red == 0 {
            self.note(&format!("declares {} tests and {declared_red} red ones, holds {} and {counted_red}", self.declared.tests, self.totals.tests));
            return ReportState::Mismatch;
        }
        if self.declared.tests != 0 && self.declared.tests != self.totals.tests {
            self.note(&format!("declares {} tests, holds {}", self.declared.tests, self.totals.tests));
        }
        ReportState::Valid
    }

    fn summary(self, state: ReportState) -> Summary {
        Summary { state, totals: self.totals, declared: self.declared, notes: self.notes }
    }
}

fn is_playwright_file(name: &str) -> bool {
    [".spec.", ".test."].iter().any(|part| name.contains(part))
}

/// Names a case, counts it, and hands it on.
fn emit(each: &mut dyn FnMut(&mut Case), (ordinals, totals): (&mut Option<Ordinals>, &mut Totals), dialect: Dialect, case: &mut Case, on_purpose: bool) {
    if case.outcome == Outcome::Skipped && dialect == Dialect::Playwright && !on_purpose {
        case.outcome = Outcome::NotRun;
    }
    if let Some(ordinals) = ordinals {
        printed(dialect, Named { suites: &case.suites, classname: &case.classname, name: &case.name, file: &case.file }, &mut case.printed);
        ordinals.unique(dialect, &mut case.printed);
    }
    case.dialect = dialect;
    totals.add(case.outcome);
    each(case);
}

/// The same thing once, and not too many of them.
fn add_note(notes: &mut Vec<String>, note: String) {
    if notes.len() < 20 && !notes.contains(&note) {
        notes.push(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> (ReportState, Totals) {
        let (summary, _) = read_all(text.as_bytes()).expect("in memory");
        (summary.state, summary.totals)
    }

    #[test]
    fn the_worst_child_wins() {
        let (_, cases) =
            read_all(&b"<testsuite name='s'><testcase name='a'><skipped/><failure message='m'>t</failure></testcase></testsuite>"[..]).expect("read");
        assert_eq!(cases[0].outcome, Outcome::Failed);
        assert_eq!((cases[0].message.as_str(), cases[0].text.as_str()), ("m", "t"));
    }

    #[test]
    fn what_is_not_junit_is_never_valid() {
        for (text, expected) in [
            ("", ReportState::Empty),
            ("   ", ReportState::IllFormed),
            ("hello", ReportState::IllFormed),
            ("<html><body/></html>", ReportState::NotJunit),
            ("<testsuites><suite/></testsuites>", ReportState::NotJunit),
            ("<testsuite tests='3'></testsuite>", ReportState::Mismatch),
            ("<testsuite tests='1' failures='1'><testcase name='a'/></testsuite>", ReportState::Mismatch),
            ("<testsuite><testcase name='a'/>", ReportState::Truncated),
            ("<testsuite><testcase name='a\u{1b}'/></testsuite>", ReportState::IllFormed),
            ("<testsuite><testcase name='&#27;'/></testsuite>", ReportState::IllFormed),
            ("<testsuite/>junk", ReportState::IllFormed),
            ("<testsuite><testcase></testsuite>", ReportState::IllFormed),
        ] {
            assert_eq!(state(text).0, expected, "{text}");
        }
    }

    #[test]
    fn utf16_is_decoded_not_skipped() {
        let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?><testsuite><testcase name='ä'/></testsuite>";
        let mut bytes = vec![0xFF, 0xFE];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        let (summary, cases) = read_all(&bytes[..]).expect("read");
        assert_eq!((summary.state, cases[0].name.as_str()), (ReportState::Valid, "ä"));
        assert_eq!(state(text).0, ReportState::Valid, "a lie about UTF-16 is only noted");
    }

    #[test]
    fn a_suite_that_failed_to_load_is_a_red_case() {
        assert_eq!(state("<testsuite name='s'><error message='boom'/></testsuite>").1.errors, 1);
    }

    /// A document of elements that mostly close in their order.
    fn any_document(random: &mut fastrand::Rng) -> String {
        let openers =
            ["testsuite name='s'", "testcase name='a'", "system-out", "system-out", "system-err", "system-out a='&#1;'", "failure message='m'", "odd"];
        let pieces =
            ["text", "\n", " \n ", "\u{c}", "&amp;", "&#1;", "\u{1}", "ä", "<![CDATA[x]]>", "<!-- c -->", "<testcase name='b'/>", "<skipped/>", "<error/>"];
        let (mut text, mut open) = ("<testsuites>".to_owned(), vec!["testsuites"]);
        for _ in 0..random.usize(..14) {
            match random.u8(..10) {
                0..4 => {
                    let opener = openers[random.usize(..openers.len())];
                    text.extend(["<", opener, ">"]);
                    open.push(opener.split(' ').next().unwrap_or_default());
                }
                4..8 => {
                    let kinds = if random.bool() { 2 } else { pieces.len() };
                    text.push_str(pieces[random.usize(..kinds)]);
                }
                _ => text.extend(open.pop().map(|name| format!("</{name}>"))),
            }
        }
        if random.u8(..6) > 0 {
            text.extend(open.iter().rev().map(|name| format!("</{name}>")));
        }
        text
    }

    /// What a test printed is the same as any element without a meaning, though most of it is never looked at again.
    #[test]
    fn output_is_passed_over_without_a_trace() {
        let mut valid = 0;
        for seed in 0..30_000 {
            let text = any_document(&mut fastrand::Rng::with_seed(seed));
            let other = text.replace("system-out", "printed-it").replace("system-err", "printed-to");
            let (one, two) = (read_all(text.as_bytes()).expect("in memory"), read_all(other.as_bytes()).expect("in memory"));
            let same = |summary: &Summary| {
                summary.notes.iter().map(|note| note.replace("system-out", "printed-it").replace("system-err", "printed-to")).collect::<Vec<_>>()
            };
            assert_eq!((one.0.state, same(&one.0), &one.1), (two.0.state, same(&two.0), &two.1), "seed {seed}: {text}");
            valid += u32::from(one.0.state == ReportState::Valid && text.contains("<system-out>text</system-out>"));
        }
        assert!(valid > 20, "{valid}");
    }
}
