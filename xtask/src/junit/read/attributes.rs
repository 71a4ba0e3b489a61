//! The attributes of an element, read once and unescaped.

use quick_xml::events::BytesStart;

use super::text::{legal, reference, utf8};

/// Attributes that mean something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Name,
    Classname,
    Time,
    File,
    Line,
    Status,
    Result,
    Type,
    Message,
    Hostname,
    Tests,
    Failures,
    Errors,
    Skipped,
}

fn known(key: &[u8]) -> Option<Key> {
    Some(match key {
        b"name" => Key::Name,
        b"classname" => Key::Classname,
        b"time" => Key::Time,
        b"file" | b"filepath" => Key::File,
        b"line" | b"lineno" => Key::Line,
        b"status" => Key::Status,
        b"result" => Key::Result,
        b"type" => Key::Type,
        b"message" => Key::Message,
        b"hostname" => Key::Hostname,
        b"tests" => Key::Tests,
        b"failures" => Key::Failures,
        b"errors" => Key::Errors,
        b"skipped" | b"skips" => Key::Skipped,
        _ => return None,
    })
}

const KEYS: usize = Key::Skipped as usize + 1;

/// Room for the attributes of one element after the other.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Where values begin and end.
    places: [(usize, usize); KEYS],
    /// Which of them the element has, one bit each.
    there: u32,
    /// Values that do not stand in the element as they are.
    made: Option<String>,
}

/// The attributes of one element that mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'b> {
    room: &'b Room,
    values: &'b str,
}

impl<'b> Attributes<'b> {
    /// The value; empty where it is not there.
    pub(super) fn get(&self, key: Key) -> &'b str {
        let (begin, end) = self.room.places[key as usize];
        if self.room.has(key) { &self.values[begin..end] } else { "" }
    }

    /// The value, in `place`.
    pub(super) fn copy(&self, key: Key, place: &mut String) {
        place.clear();
        place.push_str(self.get(key));
    }
}

impl Room {
    /// Reads all attributes of an element: a bad one is never overlooked because nobody asked for it. What is odd goes to `notes`. Of two that mean
    /// the same the first counts.
    pub(super) fn read<'b>(&'b mut self, content: &'b str, name: usize, notes: &mut dyn FnMut(String)) -> Result<Attributes<'b>, String> {
        self.made = None;
        if !self.plain(content, name) {
            self.any(&BytesStart::from_content(content, name), notes)?;
        }
        Ok(Attributes { values: self.made.as_deref().unwrap_or(content), room: self })
    }

    fn has(&self, key: Key) -> bool {
        self.there & (1 << key as u32) != 0
    }

    fn add(&mut self, name: &[u8], begin: usize, end: usize) {
        if let Some(key) = known(name).filter(|key| !self.has(*key)) {
            self.there |= 1 << key as u32;
            self.places[key as usize] = (begin, end);
        }
    }

    /// Reads attributes as nearly every tool writes them: ` name="value"`, with printable ASCII and no reference. False where one is otherwise,
    /// which may be right or wrong.
    fn plain(&mut self, content: &str, name: usize) -> bool {
        self.there = 0;
        let mut rest = &content[name..];
        // One look at all of them: bytes are looked at many at a time.
        let odd = |seen: u8, byte: u8| seen | u8::from(byte < 0x20) | u8::from(byte > 0x7E) | u8::from(byte == b'&') | u8::from(byte == b'<');
        if rest.bytes().fold(0, odd) != 0 {
            return false;
        }
        let (mut names, mut count) = ([""; 12], 0);
        while let Some(begin) = rest.strip_prefix(' ') {
            let length = begin.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')).count();
            let (name, behind) = begin.split_at(length);
            let Some(value) = behind.strip_prefix("=\"").filter(|_| length > 0) else { return false };
            let Some(length) = memchr::memchr(b'"', value.as_bytes()) else { return false };
            if count == names.len() || names[..count].contains(&name) {
                return false;
            }
            names[count] = name;
            count += 1;
            let begin = content.len() - value.len();
            self.add(name.as_bytes(), begin, begin + length);
            rest = &value[length + 1..];
        }
        rest.is_empty()
    }

    /// Reads attributes of any kind.
    fn any(&mut self, start: &BytesStart<'_>, notes: &mut dyn FnMut(String)) -> Result<(), String> {
        self.there = 0;
        let (mut made, mut keys): (String, Vec<&[u8]>) = (String::new(), Vec::new());
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|cause| cause.to_string())?;
            let key = attribute.key.into_inner();
            if keys.contains(&key) {
                return Err(format!("attribute `{}` stands twice", String::from_utf8_lossy(key)));
            }
            keys.push(key);
            let begin = made.len();
            unescape(utf8(&attribute.value)?, &mut made, notes)?;
            self.add(attribute.key.local_name().as_ref(), begin, made.len());
        }
        self.made = Some(made);
        Ok(())
    }
}

fn unescape(text: &str, out: &mut String, notes: &mut dyn FnMut(String)) -> Result<(), String> {
    legal(text)?;
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'&', b'<', rest.as_bytes()) {
        if rest.as_bytes()[at] == b'<' {
            return Err("`<` in an attribute".to_owned());
        }
        out.push_str(&rest[..at]);
        let end = rest[at..].find(';').ok_or("`&` without `;` in an attribute")?;
        reference(&rest[at + 1..at + end], out, notes)?;
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Key; 5] = [Key::Name, Key::Time, Key::File, Key::Tests, Key::Message];

    fn told(text: &str, name: usize, room: &mut Room) -> Result<Vec<(Key, String)>, String> {
        let attributes = room.read(text, name, &mut |_| ())?;
        Ok(ALL.iter().filter(|key| attributes.room.has(**key)).map(|key| (*key, attributes.get(*key).to_owned())).collect())
    }

    /// Elements of every kind of writing, made of pieces, are the same whether the fast way was tried or not.
    #[test]
    fn the_fast_way_says_what_the_other_says() {
        let pieces = [
            " ",
            " ",
            "\t",
            "",
            "name",
            "time",
            "x",
            "a:name",
            "=",
            "=\"v\"",
            "=\"\"",
            "='v'",
            "=\"a&amp;b\"",
            "=\"a<b\"",
            "=\"ä\"",
            "=\"a\tb\"",
            "=\"\u{1}\"",
            "\"",
            " name=\"1\"",
            " file=\"2\"",
        ];
        let (mut fast, name, mut room) = (0, "n:testcase".len(), Room::default());
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let text: String = (0..random.usize(..6)).map(|_| pieces[random.usize(..pieces.len())]).collect();
            let text = format!("n:testcase{text}");
            let mut other = Room::default();
            let wanted = other.any(&BytesStart::from_content(text.as_str(), name), &mut |_| ()).map(|()| {
                let attributes = Attributes { values: other.made.as_deref().unwrap_or_default(), room: &other };
                ALL.iter().filter(|key| other.has(**key)).map(|key| (*key, attributes.get(*key).to_owned())).collect::<Vec<_>>()
            });
            assert_eq!(told(&text, name, &mut room), wanted, "{text:?}");
            fast += u32::from(Room::default().plain(&text, name));
        }
        assert!(fast > 1000, "{fast}");
    }

    #[test]
    fn values_are_found_by_what_they_mean() {
        let mut room = Room::default();
        let mut read = |text: &str| told(text, text.find(' ').unwrap_or(text.len()), &mut room).expect("good ones");
        let found = read("testsuite name=\"s\" odd=\"-\" tests=\"1\" filepath=\"a\" file=\"b\"");
        assert_eq!(found, [(Key::Name, "s".to_owned()), (Key::File, "a".to_owned()), (Key::Tests, "1".to_owned())]);
        assert_eq!(read("x:testcase name='a&#33;' odd=\"1\" time=\"2\""), [(Key::Name, "a!".to_owned()), (Key::Time, "2".to_owned())]);
        assert_eq!(read("skipped"), []);
    }
}
