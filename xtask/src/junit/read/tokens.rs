//! A report cut into tokens, batch by batch: while one thread finds them, another makes cases of those before. Knows XML, no element.

use std::io::{self, BufRead};
use std::sync::mpsc::sync_channel;

use quick_xml::events::Event;

use super::text::{is_plain, utf8};

/// Bytes of tokens in a batch, but for one token that is longer.
const BATCH: usize = 256 << 10;

/// Batches on their way between the threads.
const AHEAD: usize = 4;

/// The element of what a case printed, where it is seen at all.
const OUTPUT: &[u8] = b"system-out";

/// What a stretch of a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `<name attribute="...">`, and how long its name is.
    Start(usize),
    /// The same with `/>`.
    Empty(usize),
    /// `</name>`.
    End,
    /// Text, of a CDATA section or not.
    Text,
    /// The name in `&name;`.
    Reference,
    /// `<!DOCTYPE ...>`.
    DocType,
}

/// How the tokens of a report end.
#[derive(Debug)]
pub(super) enum End {
    /// With the report.
    Whole,
    /// Inside something that never closes, with words for it.
    Cut(String),
    /// At something that is no XML, with words for it.
    Broken(String),
    /// It could not be read further.
    Unreadable(io::Error),
}

/// Who takes tokens: kind, bytes, and the place in the report where they end.
type Take<'t, E> = dyn FnMut(Kind, Bytes<'_>, u64) -> Result<(), E> + 't;

/// The bytes of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'b> {
    /// As they stand there.
    pub(super) raw: &'b [u8],
    text: Option<&'b str>,
}

impl<'b> Bytes<'b> {
    /// The same as text.
    pub(super) fn utf8(&self) -> Result<&'b str, String> {
        self.text.map_or_else(|| utf8(self.raw), Ok)
    }
}

/// Some tokens.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The same, where they are text, as nearly always: looked at once, as most tokens are short.
    text: Option<String>,
    /// Kind, where its bytes end, and where in the report it ends.
    tokens: Vec<(Kind, usize, u64)>,
    end: Option<End>,
}

/// Gives every token to `take` until one is refused; says how they ended, or what `take` said.
pub(super) fn each<E>(source: Box<dyn BufRead + Send + '_>, take: &mut Take<'_, E>) -> Result<End, E> {
    let mut tokens = Tokens { reader: quick_xml::Reader::from_reader(source), buffer: Vec::new(), outline: Outline::default() };
    tokens.reader.config_mut().check_comments = true;
    let mut first = Batch::default();
    tokens.fill(&mut first);
    if let Some(end) = first.give(take)? {
        return Ok(end);
    }
    // It is a long one.
    let ((full, filled), (empty, emptied)) = (sync_channel(AHEAD), sync_channel(AHEAD));
    std::thread::scope(move |scope| {
        let find = move || {
            for mut batch in emptied {
                tokens.fill(&mut batch);
                let ended = batch.end.is_some();
                if full.send(batch).is_err() || ended {
                    return;
                }
            }
        };
        if let Err(cause) = std::thread::Builder::new().name("tokens".to_owned()).spawn_scoped(scope, find) {
            return Ok(End::Unreadable(cause));
        }
        for batch in std::iter::once(first).chain((1..AHEAD).map(|_| Batch::default())) {
            empty.send(batch).ok(); // it has room for them
        }
        for mut batch in filled {
            if let Some(end) = batch.give(take)? {
                return Ok(end);
            }
            empty.send(batch).ok(); // nobody waits for it behind the last one
        }
        Ok(End::Unreadable(io::Error::other("a bug of this program")))
    })
}

impl Batch {
    fn give<E>(&mut self, take: &mut Take<'_, E>) -> Result<Option<End>, E> {
        let mut begin = 0;
        let text = self.text.take();
        let raw = text.as_ref().map_or(&self.bytes[..], String::as_bytes);
        for (kind, end, at) in self.tokens.drain(..) {
            let bytes = Bytes { raw: &raw[begin..end], text: text.as_ref().and_then(|text| text.get(begin..end)) };
            take(kind, bytes, at)?;
            begin = end;
        }
        self.bytes = text.map_or_else(|| std::mem::take(&mut self.bytes), String::into_bytes);
        self.bytes.clear();
        Ok(self.end.take())
    }

    fn push(&mut self, kind: Kind, bytes: &[u8], at: u64) {
        self.bytes.extend_from_slice(bytes);
        self.tokens.push((kind, self.bytes.len(), at));
    }

    /// Ends it.
    fn seal(&mut self) {
        match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => self.text = Some(text),
            Err(other) => self.bytes = other.into_bytes(),
        }
    }
}

struct Tokens<'a> {
    reader: quick_xml::Reader<Box<dyn BufRead + Send + 'a>>,
    buffer: Vec<u8>,
    outline: Outline,
}

/// Where in a report the reader is.
#[derive(Debug, Default)]
struct Outline {
    /// Elements that are open, from a case on.
    inside: usize,
    /// Behind the start of what a case printed, which nobody has seen yet.
    in_output: bool,
    /// Behind the end of an element.
    after_end: bool,
}

impl Tokens<'_> {
    fn fill(&mut self, batch: &mut Batch) {
        self.find(batch);
        batch.seal();
    }

    fn find(&mut self, batch: &mut Batch) {
        while batch.bytes.len() < BATCH && batch.end.is_none() {
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer);
            if self.outline.passes(&event) {
                continue;
            }
            if std::mem::take(&mut self.outline.in_output) {
                // It is more than plain text.
                batch.push(Kind::Start(OUTPUT.len()), OUTPUT, self.reader.buffer_position());
            }
            let (kind, bytes): (Kind, &[u8]) = match &event {
                Ok(Event::Start(start)) => (Kind::Start(start.name().as_ref().len()), start),
                Ok(Event::Empty(start)) => (Kind::Empty(start.name().as_ref().len()), start),
                Ok(Event::End(_)) => (Kind::End, &[]),
                Ok(Event::Text(text)) => (Kind::Text, text),
                Ok(Event::CData(text)) => (Kind::Text, text),
                Ok(Event::GeneralRef(name)) => (Kind::Reference, name),
                Ok(Event::DocType(_)) => (Kind::DocType, &[]),
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => continue,
                Ok(Event::Eof) => {
                    batch.end = Some(End::Whole);
                    return;
                }
                Err(cause) => {
                    let words = format!("{cause} at byte {}", self.reader.error_position());
                    batch.end = Some(match cause {
                        quick_xml::Error::Io(cause) => End::Unreadable(io::Error::new(cause.kind(), cause.to_string())),
                        // A syntax error of this reader is an element that never closes: the document was cut.
                        quick_xml::Error::Syntax(_) => End::Cut(words),
                        _ => End::Broken(words),
                    });
                    return;
                }
            };
            batch.push(kind, bytes, self.reader.buffer_position());
        }
    }
}

impl Outline {
    /// Follows where the reader is, and says what nobody needs to see: plain text that a case printed, with its element, and the room between elements.
    /// Most of a report may be that.
    fn passes(&mut self, event: &Result<Event<'_>, quick_xml::Error>) -> bool {
        let after_end = std::mem::take(&mut self.after_end);
        match event {
            Ok(Event::Start(start)) => {
                let output = self.inside == 1 && !self.in_output && matches!(&**start, b"system-out" | b"system-err");
                self.inside += usize::from(self.inside > 0 || start.name().as_ref() == b"testcase");
                self.in_output |= output;
                output
            }
            Ok(Event::End(_)) => {
                self.inside = self.inside.saturating_sub(1);
                self.after_end = true;
                std::mem::take(&mut self.in_output)
            }
            Ok(Event::Empty(_)) => {
                self.after_end = true;
                false
            }
            Ok(Event::Text(text)) => (self.in_output || after_end && self.inside == 0 && text.trim_ascii().is_empty()) && is_plain(text),
            Ok(Event::CData(text)) => self.in_output && is_plain(text),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    /// A report that fills several batches.
    fn long() -> String {
        let case = |number: u32| format!("<testcase name='{number}'>text &amp; <![CDATA[more]]></testcase>\n");
        let cases = (0..20_000).map(case).collect::<Vec<_>>().concat();
        assert!(cases.len() > 3 * BATCH);
        format!("<testsuite>{cases}</testsuite>")
    }

    fn source(text: &str) -> Box<dyn BufRead + Send + '_> {
        Box::new(text.as_bytes())
    }

    #[test]
    fn a_long_report_is_what_its_parts_are() {
        let text = long();
        let (mut starts, mut bytes, mut last) = (0, 0, 0);
        let ended = each::<()>(source(&text), &mut |kind, token, at| {
            assert!(at > last, "tokens come in their order");
            (starts, bytes, last) = (starts + u32::from(kind == Kind::Start(8)), bytes + token.raw.len(), at);
            Ok(())
        });
        assert!(matches!(ended, Ok(End::Whole)), "{ended:?}");
        assert_eq!((starts, last), (20_000, text.len() as u64));
        let names: usize = (0..20_000).map(|number: u32| number.to_string().len()).sum();
        assert_eq!(bytes, "testsuite".len() + 20_000 * ("testcase name=''".len() + "text amp more".len()) + names);
    }

    #[test]
    fn whoever_refuses_a_token_ends_it_wherever_that_is() {
        let text = long();
        for refused in [1, 1000, 30_000, 90_000] {
            let mut count = 0;
            let ended = each(source(&text), &mut |_, _, _| {
                count += 1;
                if count == refused { Err(count) } else { Ok(()) }
            });
            assert_eq!(ended.err(), Some(refused));
        }
    }

    #[test]
    fn a_fault_far_inside_is_told_as_what_it_is() {
        let text = long();
        let far = text.len() - 1000;
        let cut = each::<()>(source(&text[..text.rfind("<testcase").expect("one") + 5]), &mut |_, _, _| Ok(()));
        assert!(matches!(cut, Ok(End::Cut(_))), "{cut:?}");
        let broken = text[..far].to_owned() + "</nobody>" + &text[far..];
        let broken = each::<()>(source(&broken), &mut |_, _, _| Ok(()));
        assert!(matches!(broken, Ok(End::Broken(_))), "{broken:?}");
        let gone = BufReader::new(text.as_bytes().chain(Gone));
        let gone = each::<()>(Box::new(gone), &mut |_, _, _| Ok(()));
        assert!(matches!(gone, Ok(End::Unreadable(_))), "{gone:?}");
    }

    /// A file that cannot be read further.
    struct Gone;

    impl Read for Gone {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
}
