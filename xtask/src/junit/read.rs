//! Reads any JUnit dialect as a stream: counts elements, never attributes, and says when a document is cut, foreign or not
//! well-formed. Bounded memory whatever the size. Knows no gate.

use std::io::Read;

use quick_xml::events::{BytesStart, Event};

use super::decode;
use super::name::{Dialect, Named, Ordinals, printed};
use super::{Case, Summary};
use crate::model::{Outcome, ReportState, Totals};

/// Text kept of one element: this much of its head and of its tail.
const KEEP: usize = 32 << 10;

/// Reads one report and hands each case to `each`.
pub fn read(source: impl Read, each: &mut dyn FnMut(Case)) -> std::io::Result<Summary> {
    let decoded = decode::decode(source)?;
    let mut walk = Walk::new(decoded.notes, each);
    if decoded.empty {
        return Ok(walk.summary(ReportState::Empty));
    }
    let mut reader = quick_xml::Reader::from_reader(decoded.reader);
    reader.config_mut().check_comments = true;
    let mut buffer = Vec::new();
    let state = loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Eof) => break walk.end(),
            Ok(event) => {
                if let Err(fault) = walk.event(&event) {
                    walk.note(&format!("{fault} at byte {}", reader.buffer_position()));
                    break ReportState::IllFormed;
                }
            }
            Err(quick_xml::Error::Io(cause)) => return Err(std::io::Error::new(cause.kind(), cause.to_string())),
            Err(quick_xml::Error::Syntax(cause)) => {
                walk.note(&format!("{cause} at byte {}", reader.error_position()));
                // A syntax error of this reader is an element that never closes: the document was cut.
                break if walk.root_seen { ReportState::Truncated } else { ReportState::IllFormed };
            }
            Err(cause) => {
                walk.note(&format!("{cause} at byte {}", reader.error_position()));
                break ReportState::IllFormed;
            }
        }
    };
    walk.close_open_case();
    Ok(walk.summary(state))
}

/// Reads a whole report into memory.
pub fn read_all(source: impl Read) -> std::io::Result<(Summary, Vec<Case>)> {
    let mut cases = Vec::new();
    let summary = read(source, &mut |case| cases.push(case))?;
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
    SystemOut,
    Other,
}

#[expect(clippy::struct_excessive_bools, reason = "four independent findings about one document")]
struct Walk<'a> {
    each: &'a mut dyn FnMut(Case),
    stack: Vec<Open>,
    suites: Vec<String>,
    dialect: Dialect,
    case: Option<Draft>,
    suite_result: Option<Draft>,
    text: Text,
    root_seen: bool,
    roots: u32,
    foreign: bool,
    strangers: bool,
    illegal: bool,
    ordinals: Ordinals,
    totals: Totals,
    declared: Totals,
    notes: Vec<String>,
    /// Room for the attributes of the next element.
    spare: Attributes,
}

/// Attributes that mean something to us.
const NAMES: &[&str] = &[
    "name",
    "classname",
    "time",
    "file",
    "filepath",
    "line",
    "lineno",
    "status",
    "result",
    "type",
    "message",
    "hostname",
    "tests",
    "failures",
    "errors",
    "skipped",
    "skips",
];

/// The attributes of one element, unescaped.
#[derive(Debug, Default)]
struct Attributes(Vec<(&'static str, String)>);

impl Attributes {
    /// The first of some names in the order of the document, taken; empty where none is there.
    fn take(&mut self, wanted: &[&str]) -> String {
        self.0.iter_mut().find(|(name, _)| wanted.contains(name)).map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }
}

/// A case that is still open.
struct Draft {
    case: Case,
    /// The case says that it was left out on purpose (Playwright's `skip` and `fixme`).
    on_purpose: bool,
    pending: (Outcome, String, String),
    retry: String,
}

impl<'a> Walk<'a> {
    fn new(notes: Vec<String>, each: &'a mut dyn FnMut(Case)) -> Self {
        Self {
            each,
            stack: Vec::new(),
            suites: Vec::new(),
            dialect: Dialect::Other,
            case: None,
            suite_result: None,
            text: Text::default(),
            root_seen: false,
            roots: 0,
            foreign: false,
            strangers: false,
            illegal: false,
            ordinals: Ordinals::default(),
            totals: Totals::default(),
            declared: Totals::default(),
            notes,
            spare: Attributes::default(),
        }
    }

    fn note(&mut self, note: &str) {
        if self.notes.len() < 20 && !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(start),
            Event::Empty(start) => {
                self.start(start)?;
                self.close();
                Ok(())
            }
            Event::End(_) => {
                self.close();
                Ok(())
            }
            Event::Text(text) => self.characters(text),
            Event::CData(text) => self.characters(text),
            Event::GeneralRef(name) => {
                let name = std::str::from_utf8(name).map_err(|_| "bytes that are not UTF-8".to_owned())?.to_owned();
                let value = self.reference(&name)?;
                self.push_text(&value)
            }
            Event::DocType(_) => {
                self.note("a document type is ignored");
                Ok(())
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn characters(&mut self, bytes: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are not UTF-8".to_owned())?;
        self.push_text(text)
    }

    fn push_text(&mut self, text: &str) -> Result<(), String> {
        self.legal(text)?;
        match self.stack.last() {
            None if text.trim().is_empty() => {}
            None => return Err("text outside of the document".to_owned()),
            Some(Open::Result(_) | Open::Retry | Open::SystemOut) => self.text.push(text),
            Some(Open::Suites | Open::Suite | Open::Case | Open::Other) => {}
        }
        Ok(())
    }

    /// A character that XML 1.0 forbids makes the document ill-formed for every other reader.
    fn legal(&mut self, text: &str) -> Result<(), String> {
        // Nearly every text has only harmless bytes, and bytes are looked at many at a time.
        let suspicious = |byte: u8| (byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0xEF;
        if !text.as_bytes().chunks(64).any(|chunk| chunk.iter().filter(|byte| suspicious(**byte)).count() > 0) {
            return Ok(());
        }
        match text.chars().find(|c| !is_xml_char(*c)) {
            Some(bad) => {
                self.illegal = true;
                Err(format!("character U+{:04X} is not allowed in XML", u32::from(bad)))
            }
            None => Ok(()),
        }
    }

    fn reference(&mut self, name: &str) -> Result<String, String> {
        if let Some(number) = name.strip_prefix('#') {
            let code = number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
            let sign = code.and_then(char::from_u32).filter(|c| is_xml_char(*c));
            return sign.map(String::from).ok_or_else(|| format!("reference to invalid character &{name};"));
        }
        Ok(match name {
            "lt" => "<".to_owned(),
            "gt" => ">".to_owned(),
            "amp" => "&".to_owned(),
            "quot" => "\"".to_owned(),
            "apos" => "'".to_owned(),
            other => {
                self.note(&format!("unknown entity &{other}; kept as it is"));
                format!("&{other};")
            }
        })
    }

    /// All attributes, read once: a bad one is never overlooked because nobody asked for it.
    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<Attributes, String> {
        let mut all = std::mem::take(&mut self.spare);
        all.0.clear();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|cause| cause.to_string())?;
            let value = self.unescape(&attribute.value)?;
            let key = attribute.key.local_name();
            all.0.extend(NAMES.iter().find(|name| name.as_bytes() == key.as_ref()).map(|name| (*name, value)));
        }
        Ok(all)
    }

    fn unescape(&mut self, raw: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(raw).map_err(|_| "bytes that are not UTF-8".to_owned())?;
        if text.contains('<') {
            return Err("`<` in an attribute".to_owned());
        }
        self.legal(text)?;
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            let end = rest[at..].find(';').ok_or("`&` without `;` in an attribute")?;
            out.push_str(&self.reference(&rest[at + 1..at + end])?);
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        let mut attributes = self.attributes(start)?;
        self.open(start, &mut attributes);
        self.spare = attributes;
        Ok(())
    }

    fn open(&mut self, start: &BytesStart<'_>, attributes: &mut Attributes) {
        let local = start.local_name();
        let name = std::str::from_utf8(local.as_ref()).unwrap_or_default();
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
                self.open_suite(attributes, top);
                Open::Suite
            }
            (Some(Open::Suites | Open::Suite), "testcase") => {
                self.open_case(attributes);
                Open::Case
            }
            (Some(Open::Case), "failure") => self.open_result(attributes, Outcome::Failed),
            (Some(Open::Case), "error") => self.open_result(attributes, Outcome::Error),
            (Some(Open::Case), "skipped" | "skip") => self.open_result(attributes, Outcome::Skipped),
            (Some(Open::Case), "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError") => self.open_retry(attributes, name),
            (Some(Open::Case | Open::Suite), "system-out") => Open::SystemOut,
            (Some(Open::Suite), "failure" | "error") => self.open_suite_result(attributes, name),
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
        if matches!(open, Open::Result(_) | Open::Retry | Open::SystemOut) {
            self.text = Text::default();
        }
        self.stack.push(open);
    }

    fn open_suites(&mut self, attributes: &mut Attributes) {
        match attributes.take(&["name"]).as_str() {
            "vitest tests" => self.dialect = Dialect::Vitest,
            "jest tests" => self.dialect = Dialect::Jest,
            _ => {}
        }
    }

    fn open_suite(&mut self, attributes: &mut Attributes, above: Option<Open>) {
        let name = attributes.take(&["name"]);
        if name == "pytest" {
            self.dialect = Dialect::Pytest;
        }
        if self.dialect == Dialect::Other && !attributes.take(&["hostname"]).is_empty() && is_playwright_file(&name) {
            self.dialect = Dialect::Playwright;
        }
        if above != Some(Open::Suite) {
            let mut count = |names: &[&str]| attributes.take(names).trim().parse().unwrap_or(0);
            let declared =
                Totals { tests: count(&["tests"]), failures: count(&["failures"]), errors: count(&["errors"]), skipped: count(&["skipped", "skips"]) };
            self.declared.merge(declared);
        }
        self.suites.push(name);
    }

    fn open_case(&mut self, attributes: &mut Attributes) {
        // gtest says so in attributes alone.
        let left_out = match (attributes.take(&["status"]).as_str(), attributes.take(&["result"]).as_str()) {
            ("notrun" | "disabled", _) => Outcome::NotRun,
            (_, "skipped" | "suppressed") => Outcome::Skipped,
            _ => Outcome::Passed,
        };
        let case = Case {
            suites: self.suites.clone(),
            classname: attributes.take(&["classname"]),
            name: attributes.take(&["name"]),
            file: attributes.take(&["file", "filepath"]),
            line: attributes.take(&["line", "lineno"]).trim().parse().ok(),
            seconds: seconds(&attributes.take(&["time"])),
            outcome: left_out,
            kind: String::new(),
            message: String::new(),
            text: String::new(),
            retries: Vec::new(),
            system_out: String::new(),
            printed: String::new(),
            dialect: Dialect::Other,
        };
        self.case = Some(Draft { case, on_purpose: false, pending: (Outcome::Passed, String::new(), String::new()), retry: String::new() });
    }

    fn open_result(&mut self, attributes: &mut Attributes, outcome: Outcome) -> Open {
        let (kind, message) = (attributes.take(&["type"]), attributes.take(&["message"]));
        if let Some(draft) = &mut self.case {
            draft.pending = (outcome, kind, message);
        }
        Open::Result(outcome)
    }

    fn open_retry(&mut self, attributes: &mut Attributes, name: &str) -> Open {
        let message = attributes.take(&["message"]);
        if let Some(draft) = &mut self.case {
            name.clone_into(&mut draft.retry);
            draft.pending = (Outcome::Passed, String::new(), message);
        }
        Open::Retry
    }

    /// A class that failed to load has no case of its own: its error must not vanish.
    fn open_suite_result(&mut self, attributes: &mut Attributes, name: &str) -> Open {
        let outcome = if name == "error" { Outcome::Error } else { Outcome::Failed };
        let message = attributes.take(&["message"]);
        let suite = self.suites.last().cloned().unwrap_or_default();
        self.note(&format!("suite `{suite}` has an {name} of its own: {message}"));
        self.suite_result = Some(Draft {
            case: Case {
                suites: self.suites.clone(),
                classname: suite,
                name: "(suite)".to_owned(),
                file: String::new(),
                line: None,
                seconds: None,
                outcome,
                kind: String::new(),
                message,
                text: String::new(),
                retries: Vec::new(),
                system_out: String::new(),
                printed: String::new(),
                dialect: Dialect::Other,
            },
            on_purpose: false,
            pending: (outcome, String::new(), String::new()),
            retry: String::new(),
        });
        Open::Result(outcome)
    }

    fn property(&mut self, attributes: &mut Attributes) {
        let name = attributes.take(&["name"]);
        if let Some(draft) = &mut self.case {
            draft.on_purpose |= ["skip", "fixme"].contains(&name.as_str());
        }
    }

    fn close(&mut self) {
        match self.stack.pop() {
            Some(Open::Suite) => {
                self.suites.pop();
            }
            Some(Open::Case) => self.finish_case(),
            Some(Open::Result(_)) => self.finish_result(),
            Some(Open::Retry) => {
                let text = std::mem::take(&mut self.text).take();
                if let Some(draft) = &mut self.case {
                    let message = std::mem::take(&mut draft.pending.2);
                    let message = if message.is_empty() { crate::text::first_line(&text).to_owned() } else { message };
                    draft.case.retries.push((std::mem::take(&mut draft.retry), message));
                }
            }
            Some(Open::SystemOut) => {
                let text = std::mem::take(&mut self.text).take();
                if let Some(draft) = &mut self.case {
                    draft.case.system_out = text;
                }
            }
            Some(Open::Suites | Open::Other) | None => {}
        }
    }

    fn finish_result(&mut self) {
        let text = std::mem::take(&mut self.text).take();
        if let Some(mut draft) = self.suite_result.take() {
            draft.case.text = text;
            self.emit(draft);
        } else if let Some(draft) = &mut self.case {
            let (outcome, kind, message) = std::mem::take(&mut draft.pending);
            if outcome > draft.case.outcome {
                draft.case.outcome = outcome;
                draft.case.kind = kind;
                draft.case.message = message;
                draft.case.text = text;
            }
        }
    }

    fn finish_case(&mut self) {
        if let Some(draft) = self.case.take() {
            self.emit(draft);
        }
    }

    fn emit(&mut self, draft: Draft) {
        let mut case = draft.case;
        if case.outcome == Outcome::Skipped && self.dialect == Dialect::Playwright && !draft.on_purpose {
            case.outcome = Outcome::NotRun;
        }
        let named = Named { suites: &case.suites, classname: &case.classname, name: &case.name, file: &case.file };
        let name = printed(self.dialect, named);
        case.printed = self.ordinals.unique(self.dialect, name);
        case.dialect = self.dialect;
        self.totals.add(case.outcome);
        (self.each)(case);
    }

    /// A case that the end of the file cuts in two is red inside a failure, and unknown, so an error, elsewhere.
    fn close_open_case(&mut self) {
        if let Some(mut draft) = self.case.take() {
            let inside = draft.pending.0;
            draft.case.outcome = if inside.is_red() { inside } else { draft.case.outcome.max(Outcome::Error) };
            "the report ends inside this case".clone_into(&mut draft.case.message);
            self.emit(draft);
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

/// Head and tail of a long text.
#[derive(Debug, Default)]
struct Text {
    head: String,
    tail: String,
    cut: u64,
}

impl Text {
    fn push(&mut self, more: &str) {
        if self.head.len() + more.len() <= KEEP && self.tail.is_empty() {
            self.head.push_str(more);
            return;
        }
        self.tail.push_str(more);
        if self.tail.len() > 2 * KEEP {
            let mut from = self.tail.len() - KEEP;
            while !self.tail.is_char_boundary(from) {
                from += 1;
            }
            self.cut += from as u64;
            self.tail.drain(..from);
        }
    }

    fn take(self) -> String {
        if self.cut == 0 { self.head + &self.tail } else { format!("{}\n... {} bytes left out ...\n{}", self.head, self.cut, self.tail) }
    }
}

/// The characters of XML 1.0, production 2.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

fn is_playwright_file(name: &str) -> bool {
    [".spec.", ".test."].iter().any(|part| name.contains(part))
}

/// Seconds of a `time` attribute; commas as thousands or decimals where that is clear, nothing where it is not.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = |text: &str| {
        let good = text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || ".eE-".contains(c));
        text.parse::<f64>().ok().filter(|value| good && value.is_finite())
    };
    match text.split_once(',') {
        None => plain(text),
        Some((_, after)) if after.contains('.') => plain(&text.replace(',', "")),
        Some((before, after)) if after.len() != 3 && !after.contains(',') => plain(&format!("{before}.{after}")),
        Some(_) => None,
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

    #[test]
    fn times_are_read_or_left_out() {
        for (text, expected) in [("1.5", Some(1.5)), ("1,234.5", Some(1234.5)), ("0,25", Some(0.25)), ("1,234", None), ("NaN", None), ("-1", None)] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn long_text_keeps_head_and_tail() {
        let mut text = Text::default();
        text.push("head");
        for _ in 0..40 {
            text.push(&"x".repeat(KEEP / 8));
        }
        text.push("tail");
        let kept = text.take();
        assert!(kept.starts_with("head") && kept.ends_with("tail") && kept.len() < 4 * KEEP, "{}", kept.len());
    }
}
