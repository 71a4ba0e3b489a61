//! The attributes of an element, read once and unescaped into rooms that the next element uses again.

use quick_xml::events::BytesStart;

use super::text::{legal, reference};

/// Attributes that mean something to us.
fn known(key: &[u8]) -> Option<&'static str> {
    Some(match key {
        b"name" => "name",
        b"classname" => "classname",
        b"time" => "time",
        b"file" => "file",
        b"filepath" => "filepath",
        b"line" => "line",
        b"lineno" => "lineno",
        b"status" => "status",
        b"result" => "result",
        b"type" => "type",
        b"message" => "message",
        b"hostname" => "hostname",
        b"tests" => "tests",
        b"failures" => "failures",
        b"errors" => "errors",
        b"skipped" => "skipped",
        b"skips" => "skips",
        _ => return None,
    })
}

/// The attributes of one element.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    rooms: Vec<(&'static str, String)>,
    used: usize,
}

impl Attributes {
    /// Reads all of them: a bad one is never overlooked because nobody asked for it. What is odd goes to `notes`.
    pub(super) fn read(&mut self, start: &BytesStart<'_>, notes: &mut dyn FnMut(String)) -> Result<(), String> {
        self.used = 0;
        // Names of one element are compared here, without a list of them on the heap.
        let (mut keys, mut more): ([&[u8]; 24], Vec<&[u8]>) = ([&[]; 24], Vec::new());
        for (count, attribute) in start.attributes().with_checks(false).enumerate() {
            let attribute = attribute.map_err(|cause| cause.to_string())?;
            let key = attribute.key.into_inner();
            if keys[..count.min(keys.len())].contains(&key) || more.contains(&key) {
                return Err(format!("attribute `{}` stands twice", String::from_utf8_lossy(key)));
            }
            match keys.get_mut(count) {
                Some(room) => *room = key,
                None => more.push(key),
            }
            let raw = std::str::from_utf8(&attribute.value).map_err(|_| "bytes that are not UTF-8".to_owned())?;
            if self.rooms.len() == self.used {
                self.rooms.push(("", String::new()));
            }
            let (name, value) = &mut self.rooms[self.used];
            value.clear();
            unescape(raw, value, notes)?;
            if let Some(known) = known(attribute.key.local_name().as_ref()) {
                *name = known;
                self.used += 1;
            }
        }
        Ok(())
    }

    /// The first of some names in the order of the document; empty where none is there.
    pub(super) fn get(&self, wanted: &[&str]) -> &str {
        self.rooms[..self.used].iter().find(|(name, _)| wanted.contains(name)).map_or("", |(_, value)| value)
    }

    /// The same moved into `place`, whose room is used again.
    pub(super) fn take(&mut self, wanted: &[&str], place: &mut String) {
        place.clear();
        if let Some((_, value)) = self.rooms[..self.used].iter_mut().find(|(name, _)| wanted.contains(name)) {
            std::mem::swap(place, value);
        }
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
