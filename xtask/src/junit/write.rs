//! Writes one JUnit out of many: junit-report makes the document, a second pass adds what it cannot say (root totals, skipped
//! counts, properties, lines, retries), and a strict reading proves the result. Knows no run and no file.

use std::io::{self, BufWriter, Read, Write};

use junit_report::{Duration, Report, TestCase, TestCaseBuilder, TestResult, TestSuite, TestSuiteBuilder};
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

use super::read::count;
use super::sanitize::{attribute, cdata};
use crate::model::{Outcome, ReportState, Totals};

/// A case to write.
#[derive(Clone, Debug)]
pub struct OutCase {
    /// Printed name.
    pub name: String,
    /// Class: the gate, so that readers group by it.
    pub classname: String,
    /// Source file, if known.
    pub file: String,
    /// Source line, if known.
    pub line: Option<u32>,
    /// Seconds.
    pub seconds: f64,
    /// Outcome.
    pub outcome: Outcome,
    /// Type of the failure.
    pub kind: String,
    /// Message of the failure or the reason of the skip.
    pub message: String,
    /// Text of the failure.
    pub text: String,
    /// Properties in order.
    pub properties: Vec<(String, String)>,
    /// `flakyFailure` or `rerunFailure` with its message.
    pub retries: Vec<(&'static str, String)>,
}

/// A suite to write: one gate.
pub struct OutSuite<'a> {
    /// Gate id.
    pub name: String,
    /// Properties in order.
    pub properties: Vec<(String, String)>,
    /// Counts of its cases.
    pub totals: Totals,
    /// Seconds of its cases.
    pub seconds: f64,
    /// Cases; made while they are written, as a million of them would fill the memory.
    pub cases: Box<dyn Iterator<Item = OutCase> + 'a>,
}

impl OutSuite<'_> {
    /// A suite of a few cases.
    pub fn of(name: &str, cases: Vec<OutCase>, properties: Vec<(String, String)>) -> Self {
        let mut totals = Totals::default();
        for case in &cases {
            totals.add(case.outcome);
        }
        let seconds = cases.iter().map(|case| case.seconds).sum();
        Self { name: name.to_owned(), properties, totals, seconds, cases: Box::new(cases.into_iter()) }
    }
}

/// Why a document could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// junit-report or quick-xml refused.
    #[error("failed to write JUnit: {0}")]
    Xml(String),
    /// Our own document does not read back as what was meant.
    #[error("the JUnit just written does not read back: {0}")]
    Unfaithful(String),
}

/// Cases that junit-report holds at once.
const CHUNK: usize = 512;

/// The document as bytes; `wall` is the run's start, RFC 3339.
pub fn document<'a>(name: &str, wall: &str, suites: impl IntoIterator<Item = OutSuite<'a>>) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    write_document(name, wall, suites.into_iter().collect(), &mut bytes)?;
    Ok(bytes)
}

/// The same, written part by part while a strict reader beside it proves each part: a million cases are never in memory.
pub fn write_document(name: &str, wall: &str, suites: Vec<OutSuite<'_>>, out: &mut dyn Write) -> Result<(), WriteError> {
    let mut wanted = Totals::default();
    for suite in &suites {
        wanted.merge(suite.totals);
    }
    let (told, tell) = io::pipe()?;
    std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().name("proof".to_owned()).spawn_scoped(scope, move || prove(wanted, told));
        let Ok(proof) = beside else {
            return in_turn(name, wall, suites, wanted, out);
        };
        // The reader sees the end when the pipe in it is gone.
        let mut both = BufWriter::with_capacity(64 << 10, Proven { out, proof: Some(tell) });
        emit(name, wall, suites, wanted, &mut both)?;
        both.flush()?;
        drop(both);
        proof.join().unwrap_or_else(|_| Err(WriteError::Unfaithful("a bug of this program".to_owned())))
    })
}

/// The same where no thread starts: written, then read, and then given away.
fn in_turn(name: &str, wall: &str, suites: Vec<OutSuite<'_>>, wanted: Totals, out: &mut dyn Write) -> Result<(), WriteError> {
    let mut whole = Vec::new();
    emit(name, wall, suites, wanted, &mut whole)?;
    prove(wanted, &whole[..])?;
    Ok(out.write_all(&whole)?)
}

impl From<io::Error> for WriteError {
    fn from(cause: io::Error) -> Self {
        Self::Xml(cause.to_string())
    }
}

/// What is written, on its way to its reader too.
struct Proven<'a> {
    out: &'a mut dyn Write,
    proof: Option<io::PipeWriter>,
}

impl Write for Proven<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        // A reader that gave up says itself why.
        if self.proof.as_mut().is_some_and(|proof| proof.write_all(bytes).is_err()) {
            self.proof = None;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn emit(name: &str, wall: &str, suites: Vec<OutSuite<'_>>, all: Totals, out: &mut dyn Write) -> Result<(), WriteError> {
    // A time that cannot be read is the epoch: the same run always gives the same bytes.
    let wall = time::OffsetDateTime::parse(wall, &time::format_description::well_known::Rfc3339).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let seconds: f64 = suites.iter().map(|suite| suite.seconds).sum();
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("name", attribute(name).as_str()));
    for (key, count) in [("tests", all.tests), ("failures", all.failures), ("errors", all.errors), ("skipped", all.skipped)] {
        root.push_attribute((key, count.to_string().as_str()));
    }
    root.push_attribute(("time", format!("{seconds:.3}").as_str()));
    let mut writer = Writer::new(out);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    writer.write_event(Event::Text(BytesText::from_escaped("\n")))?;
    writer.write_event(Event::Start(root))?;
    for (id, mut suite) in suites.into_iter().enumerate() {
        let mut begun = false;
        loop {
            let cases: Vec<OutCase> = suite.cases.by_ref().take(CHUNK).collect();
            if cases.is_empty() && begun {
                break;
            }
            let mut report = Report::new();
            report.add_testsuite(build_suite(&suite.name, &cases, wall));
            let mut base = Vec::new();
            report.write_xml(&mut base).map_err(|cause| WriteError::Xml(cause.to_string()))?;
            second_pass(&mut Pass { suite: &suite, id, cases: &cases, begun, writer: &mut writer, case: 0 }, &base)?;
            begun = true;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuites")))?;
    Ok(writer.write_event(Event::Text(BytesText::from_escaped("\n")))?)
}

fn build_suite(name: &str, cases: &[OutCase], wall: time::OffsetDateTime) -> TestSuite {
    let mut built = TestSuiteBuilder::new(&attribute(name)).build();
    // The default would be shown by Jenkins as `testsuite/NAME.NAME`.
    built.package = String::new();
    built.timestamp = wall;
    for case in cases {
        built.add_testcase(build_case(case));
    }
    built
}

fn build_case(case: &OutCase) -> TestCase {
    let name = attribute(&case.name);
    let took = Duration::seconds_f64(case.seconds.clamp(0.0, 1e9));
    let (kind, message) = (attribute(&case.kind), attribute(&case.message));
    let mut built = match case.outcome {
        Outcome::Passed => TestCaseBuilder::success(&name, took).build(),
        Outcome::Failed => TestCaseBuilder::failure(&name, took, &kind, &message).build(),
        Outcome::Error => TestCaseBuilder::error(&name, took, &kind, &message).build(),
        Outcome::Skipped | Outcome::NotRun => TestCaseBuilder::skipped(&name).build(),
    };
    let cause = Some(cdata(&case.text)).filter(|text| !text.is_empty());
    match &mut built.result {
        TestResult::Failure { cause: slot, .. } | TestResult::Error { cause: slot, .. } => *slot = cause,
        TestResult::Success | TestResult::Skipped | TestResult::SkippedWithCause { .. } => {}
    }
    built.classname = Some(attribute(&case.classname));
    built.filepath = Some(attribute(&case.file)).filter(|file| !file.is_empty());
    built
}

/// Walks the cases by index: junit-report writes them in the order they were added. Its declaration and its root are passed over.
fn second_pass(pass: &mut Pass<'_, '_>, base: &[u8]) -> Result<(), WriteError> {
    let mut reader = Reader::from_reader(base);
    loop {
        match reader.read_event().map_err(|cause| WriteError::Xml(cause.to_string()))? {
            Event::Eof => return Ok(()),
            event => pass.event(event).map_err(|cause| WriteError::Xml(cause.to_string()))?,
        }
    }
}

struct Pass<'a, 'w> {
    suite: &'a OutSuite<'a>,
    /// Number of the suite in the document.
    id: usize,
    cases: &'a [OutCase],
    /// The start of the suite stands already.
    begun: bool,
    writer: &'a mut Writer<&'w mut dyn Write>,
    case: usize,
}

impl Pass<'_, '_> {
    fn event(&mut self, event: Event<'_>) -> std::io::Result<()> {
        match event {
            Event::Decl(_) => Ok(()),
            Event::Start(start) => self.start(start, false),
            Event::Empty(start) => self.start(start, true),
            Event::End(end) => match end.name().as_ref() {
                b"testsuites" | b"testsuite" => Ok(()),
                b"testcase" => {
                    self.retries()?;
                    self.case += 1;
                    self.writer.write_event(Event::End(end))
                }
                _ => self.writer.write_event(Event::End(end)),
            },
            other => self.writer.write_event(other),
        }
    }

    fn start(&mut self, start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        match start.name().as_ref() {
            b"testsuites" => Ok(()),
            b"testsuite" if self.begun => Ok(()),
            b"testsuite" => self.suite_start(&start),
            b"testcase" => self.case_start(start, empty),
            b"skipped" => self.skipped(start, empty),
            _ if empty => self.writer.write_event(Event::Empty(start)),
            _ => self.writer.write_event(Event::Start(start)),
        }
    }

    /// The start of the suite with the counts of all its cases, of which junit-report has seen a few.
    fn suite_start(&mut self, start: &BytesStart<'_>) -> std::io::Result<()> {
        let Totals { tests, failures, errors, skipped } = self.suite.totals;
        let mut whole = BytesStart::new("testsuite");
        for attribute in start.attributes().flatten() {
            let counted = match attribute.key.as_ref() {
                b"id" => Some(self.id.to_string()),
                b"tests" => Some(tests.to_string()),
                b"failures" => Some(failures.to_string()),
                b"errors" => Some(errors.to_string()),
                b"time" => Some(Duration::seconds_f64(self.suite.seconds.clamp(0.0, 1e9)).as_seconds_f64().to_string()),
                _ => None,
            };
            match counted {
                Some(count) => whole.push_attribute((attribute.key.as_ref(), count.as_bytes())),
                None => whole.push_attribute(attribute),
            }
        }
        whole.push_attribute(("skipped", skipped.to_string().as_str()));
        self.newline()?;
        self.writer.write_event(Event::Start(whole))?;
        self.properties(&self.suite.properties)
    }

    fn current(&self) -> Option<&OutCase> {
        self.cases.get(self.case)
    }

    fn case_start(&mut self, mut start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        let case = self.cases.get(self.case);
        if let Some(line) = case.and_then(|case| case.line) {
            start.push_attribute(("line", line.to_string().as_str()));
        }
        self.newline()?;
        let has_inner = case.is_some_and(|case| !case.properties.is_empty() || !case.retries.is_empty());
        if empty && !has_inner {
            self.case += 1;
            return self.writer.write_event(Event::Empty(start));
        }
        self.writer.write_event(Event::Start(start))?;
        self.properties(case.map(|case| &case.properties[..]).unwrap_or_default())?;
        if empty {
            self.retries()?;
            self.case += 1;
            self.writer.write_event(Event::End(BytesEnd::new("testcase")))?;
        }
        Ok(())
    }

    fn skipped(&mut self, mut start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        let message = self.current().map(|case| attribute(&case.message)).unwrap_or_default();
        if !message.is_empty() {
            start.push_attribute(("message", message.as_str()));
        }
        self.writer.write_event(if empty { Event::Empty(start) } else { Event::Start(start) })
    }

    fn properties(&mut self, properties: &[(String, String)]) -> std::io::Result<()> {
        if properties.is_empty() {
            return Ok(());
        }
        self.writer.write_event(Event::Start(BytesStart::new("properties")))?;
        for (name, value) in properties {
            let mut property = BytesStart::new("property");
            property.push_attribute(("name", attribute(name).as_str()));
            property.push_attribute(("value", attribute(value).as_str()));
            self.writer.write_event(Event::Empty(property))?;
        }
        self.writer.write_event(Event::End(BytesEnd::new("properties")))
    }

    fn retries(&mut self) -> std::io::Result<()> {
        let retries = self.current().map(|case| case.retries.clone()).unwrap_or_default();
        for (element, message) in retries {
            let mut retry = BytesStart::new(element);
            retry.push_attribute(("message", attribute(&message).as_str()));
            self.writer.write_event(Event::Empty(retry))?;
        }
        Ok(())
    }

    fn newline(&mut self) -> std::io::Result<()> {
        self.writer.write_event(Event::Text(BytesText::from_escaped("\n")))
    }
}

/// Reads the document with the strict reader and compares what it says with what was meant.
fn prove(wanted: Totals, source: impl Read + Send) -> Result<(), WriteError> {
    let summary = count(source).map_err(|cause| WriteError::Unfaithful(cause.to_string()))?;
    let empty = wanted.tests == 0 && summary.state == ReportState::Valid;
    if (summary.state != ReportState::Valid && !empty) || summary.totals != wanted || summary.declared != wanted {
        return Err(WriteError::Unfaithful(format!("{:?}, wanted {wanted:?}: {}", summary, summary.notes.join("; "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::junit::read::read_all;

    fn case(name: &str, outcome: Outcome, text: &str) -> OutCase {
        OutCase {
            name: name.to_owned(),
            classname: "gate".to_owned(),
            file: "src/a.ts".to_owned(),
            line: Some(3),
            seconds: 0.5,
            outcome,
            kind: "AssertionError".to_owned(),
            message: text.to_owned(),
            text: text.to_owned(),
            properties: vec![("gate.runs".to_owned(), "2".to_owned())],
            retries: vec![("flakyFailure", "boom".to_owned())],
        }
    }

    #[test]
    fn every_text_survives_or_is_made_visible() {
        for text in ["plain", "]]>", "a ]]]]> b", "\u{1b}[31mred\u{1b}[0m", "\0\u{1}\u{FFFE}\u{FFFF}", "<&\"'>", "zwei\nZeilen", "ﬀ😀", "&#27;", ""] {
            let cases = vec![case(&format!("n{text}"), Outcome::Failed, text), case("ok", Outcome::Passed, text), case("s", Outcome::Skipped, text)];
            let suite = OutSuite::of(&format!("g{text}"), cases, vec![("k".to_owned(), text.to_owned())]);
            let bytes = document(text, "2026-01-01T00:00:00Z", [suite]).unwrap_or_else(|cause| panic!("{text:?}: {cause}"));
            let (_, cases) = read_all(&bytes[..]).expect("in memory");
            assert_eq!(cases.len(), 3);
            assert_eq!(cases[0].text, crate::junit::sanitize::clean(text), "{text:?}");
            assert_eq!((cases[0].line, cases[0].file.as_str()), (Some(3), "src/a.ts"));
            assert_eq!(cases[1].retries, [("flakyFailure".to_owned(), "boom".to_owned())]);
        }
    }

    #[test]
    fn one_thread_writes_what_two_do() {
        let suites = || vec![OutSuite::of("a", (0..2 * CHUNK).map(|number| case(&format!("n{number}"), Outcome::Failed, "boom")).collect(), Vec::new())];
        let (wall, wanted) = ("2026-01-01T00:00:00Z", suites()[0].totals);
        let mut alone = Vec::new();
        in_turn("d", wall, suites(), wanted, &mut alone).expect("a document");
        assert!(alone == document("d", wall, suites()).expect("a document"));
        // It is proven, too.
        let other = Totals { tests: wanted.tests + 1, ..wanted };
        assert!(matches!(in_turn("d", wall, suites(), other, &mut Vec::new()), Err(WriteError::Unfaithful(_))));
    }

    #[test]
    fn a_suite_of_several_chunks_is_one_suite() {
        for count in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let cases = (0..count).map(|number| case(&format!("n{number}"), Outcome::Passed, "")).collect();
            let suites = [OutSuite::of("a", cases, Vec::new()), OutSuite::of("b", vec![case("x", Outcome::Failed, "boom")], Vec::new())];
            let bytes = document("d", "2026-01-01T00:00:00Z", suites).expect("a document");
            let text = String::from_utf8(bytes.clone()).expect("text");
            assert_eq!((text.matches("<testsuite ").count(), text.matches("</testsuite>").count()), (2, 2));
            assert!(text.contains("id=\"1\" name=\"b\"") && text.contains(&format!("id=\"0\" name=\"a\" package=\"\" tests=\"{count}\"")), "{}", &text[..300]);
            let (_, read) = read_all(&bytes[..]).expect("in memory");
            assert_eq!(read.len(), count + 1);
            assert!(read.iter().take(count).enumerate().all(|(number, case)| case.name == format!("n{number}") && case.line == Some(3)));
        }
    }

    #[test]
    fn junit_report_still_writes_cdata_raw() {
        // The sanitizer splits `]]>` itself; were the crate to split it too, the text would change.
        let mut report = Report::new();
        let mut suite = TestSuiteBuilder::new("s").build();
        let mut case = TestCaseBuilder::failure("n", Duration::ZERO, "t", "m").build();
        if let TestResult::Failure { cause, .. } = &mut case.result {
            *cause = Some("]]>".to_owned());
        }
        suite.add_testcase(case);
        report.add_testsuite(suite);
        let mut bytes = Vec::new();
        report.write_xml(&mut bytes).expect("in memory");
        assert!(String::from_utf8_lossy(&bytes).contains("<![CDATA[]]>]]>"));
    }
}
