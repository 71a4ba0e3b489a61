//! Writes one JUnit out of many: junit-report makes the document, a second pass adds what it cannot say (root totals, skipped
//! counts, properties, lines, retries), and a strict reading proves the result. Knows no run and no file.

use junit_report::{Duration, Report, TestCase, TestCaseBuilder, TestResult, TestSuite, TestSuiteBuilder};
use quick_xml::events::{BytesEnd, BytesStart, Event};
use quick_xml::{Reader, Writer};

use super::read::read;
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
#[derive(Clone, Debug)]
pub struct OutSuite {
    /// Gate id.
    pub name: String,
    /// Cases.
    pub cases: Vec<OutCase>,
    /// Properties in order.
    pub properties: Vec<(String, String)>,
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

/// The document as bytes; `wall` is the run's start, RFC 3339.
pub fn document(name: &str, wall: &str, suites: &[OutSuite]) -> Result<Vec<u8>, WriteError> {
    let mut report = Report::new();
    // A time that cannot be read is the epoch: the same run always gives the same bytes.
    let wall = time::OffsetDateTime::parse(wall, &time::format_description::well_known::Rfc3339).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    for suite in suites {
        report.add_testsuite(build_suite(suite, wall));
    }
    let mut base = Vec::new();
    report.write_xml(&mut base).map_err(|cause| WriteError::Xml(cause.to_string()))?;
    let full = second_pass(name, suites, &base)?;
    prove(suites, &full)?;
    Ok(full)
}

fn build_suite(suite: &OutSuite, wall: time::OffsetDateTime) -> TestSuite {
    let mut built = TestSuiteBuilder::new(&attribute(&suite.name)).build();
    // The default would be shown by Jenkins as `testsuite/NAME.NAME`.
    built.package = String::new();
    built.timestamp = wall;
    for case in &suite.cases {
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

/// Walks suites and cases by index: junit-report writes them in the order they were added.
fn second_pass(name: &str, suites: &[OutSuite], base: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut pass = Pass { name, suites, writer: Writer::new(Vec::new()), suite: 0, case: 0 };
    let mut reader = Reader::from_reader(base);
    loop {
        match reader.read_event().map_err(|cause| WriteError::Xml(cause.to_string()))? {
            Event::Eof => break,
            event => pass.event(event).map_err(|cause| WriteError::Xml(cause.to_string()))?,
        }
    }
    let mut bytes = pass.writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

struct Pass<'a> {
    name: &'a str,
    suites: &'a [OutSuite],
    writer: Writer<Vec<u8>>,
    suite: usize,
    case: usize,
}

impl Pass<'_> {
    fn event(&mut self, event: Event<'_>) -> std::io::Result<()> {
        match event {
            Event::Start(start) => self.start(start, false),
            Event::Empty(start) => self.start(start, true),
            Event::End(end) => {
                match end.name().as_ref() {
                    b"testcase" => self.retries()?,
                    b"testsuite" => self.suite += 1,
                    _ => {}
                }
                let is_case = end.name().as_ref() == b"testcase";
                self.writer.write_event(Event::End(end))?;
                self.case += usize::from(is_case);
                Ok(())
            }
            other => self.writer.write_event(other),
        }
    }

    fn start(&mut self, start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
        match name.as_str() {
            "testsuites" => self.root(start, empty),
            "testsuite" => self.suite_start(start, empty),
            "testcase" => self.case_start(start, empty),
            "skipped" => self.skipped(start, empty),
            _ if empty => self.writer.write_event(Event::Empty(start)),
            _ => self.writer.write_event(Event::Start(start)),
        }
    }

    fn root(&mut self, mut start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        let mut all = Totals::default();
        let mut seconds = 0.0;
        for suite in self.suites {
            all.merge(totals(suite));
            seconds += suite.cases.iter().map(|case| case.seconds).sum::<f64>();
        }
        start.push_attribute(("name", attribute(self.name).as_str()));
        for (key, count) in [("tests", all.tests), ("failures", all.failures), ("errors", all.errors), ("skipped", all.skipped)] {
            start.push_attribute((key, count.to_string().as_str()));
        }
        start.push_attribute(("time", format!("{seconds:.3}").as_str()));
        self.newline()?;
        self.writer.write_event(if empty { Event::Empty(start) } else { Event::Start(start) })
    }

    fn suite_start(&mut self, mut start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        self.case = 0;
        let skipped = self.suites.get(self.suite).map_or(0, |suite| totals(suite).skipped).to_string();
        start.push_attribute(("skipped", skipped.as_str()));
        self.newline()?;
        let properties = self.suites.get(self.suite).map_or_else(Vec::new, |suite| suite.properties.clone());
        if empty && properties.is_empty() {
            self.suite += 1;
            return self.writer.write_event(Event::Empty(start));
        }
        self.writer.write_event(Event::Start(start))?;
        self.properties(&properties)?;
        if empty {
            self.suite += 1;
            self.writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
        }
        Ok(())
    }

    fn current(&self) -> Option<&OutCase> {
        self.suites.get(self.suite)?.cases.get(self.case)
    }

    fn case_start(&mut self, mut start: BytesStart<'_>, empty: bool) -> std::io::Result<()> {
        let case = self.current().cloned();
        if let Some(case) = &case
            && let Some(line) = case.line
        {
            start.push_attribute(("line", line.to_string().as_str()));
        }
        self.newline()?;
        let has_inner = case.as_ref().is_some_and(|case| !case.properties.is_empty() || !case.retries.is_empty());
        if empty && !has_inner {
            self.case += 1;
            return self.writer.write_event(Event::Empty(start));
        }
        self.writer.write_event(Event::Start(start))?;
        self.properties(&case.map(|case| case.properties).unwrap_or_default())?;
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
        self.writer.write_event(Event::Text(quick_xml::events::BytesText::from_escaped("\n")))
    }
}

fn totals(suite: &OutSuite) -> Totals {
    let mut totals = Totals::default();
    for case in &suite.cases {
        totals.add(case.outcome);
    }
    totals
}

/// Reads the document with the strict reader and compares what it says with what was meant.
fn prove(suites: &[OutSuite], bytes: &[u8]) -> Result<(), WriteError> {
    let mut wanted = Totals::default();
    for suite in suites {
        wanted.merge(totals(suite));
    }
    let summary = read(bytes, &mut |_| {}).map_err(|cause| WriteError::Unfaithful(cause.to_string()))?;
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
            let suites = [OutSuite {
                name: format!("g{text}"),
                cases: vec![case(&format!("n{text}"), Outcome::Failed, text), case("ok", Outcome::Passed, text), case("s", Outcome::Skipped, text)],
                properties: vec![("k".to_owned(), text.to_owned())],
            }];
            let bytes = document(text, "2026-01-01T00:00:00Z", &suites).unwrap_or_else(|cause| panic!("{text:?}: {cause}"));
            let (_, cases) = read_all(&bytes[..]).expect("in memory");
            assert_eq!(cases.len(), 3);
            assert_eq!(cases[0].text, crate::junit::sanitize::clean(text), "{text:?}");
            assert_eq!((cases[0].line, cases[0].file.as_str()), (Some(3), "src/a.ts"));
            assert_eq!(cases[1].retries, [("flakyFailure".to_owned(), "boom".to_owned())]);
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
