//! The attributes of an element, read once and unescaped into rooms that the next element uses again.

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

const KEYS: usize = Key::Skipped as usize + 1;

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

/// The attributes of one element.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    rooms: [String; KEYS],
    /// Which of them the element has, one bit each.
    there: u32,
    /// Room for one that means nothing.
    other: String,
}

impl Attributes {
    /// Reads all of them: a bad one is never overlooked because nobody asked for it. What is odd goes to `notes`. Of two that mean the same
    /// the first counts.
    pub(super) fn read(&mut self, start: &BytesStart<'_>, notes: &mut dyn FnMut(String)) -> Result<(), String> {
        self.there = 0;
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
            let raw = utf8(&attribute.value)?;
            let room = match known(attribute.key.local_name().as_ref()) {
                Some(known) if self.there & (1 << known as u32) == 0 => {
                    self.there |= 1 << known as u32;
                    &mut self.rooms[known as usize]
                }
                _ => &mut self.other,
            };
            room.clear();
            unescape(raw, room, notes)?;
        }
        Ok(())
    }

    fn has(&self, key: Key) -> bool {
        self.there & (1 << key as u32) != 0
    }

    /// The value; empty where it is not there.
    pub(super) fn get(&self, key: Key) -> &str {
        if self.has(key) { &self.rooms[key as usize] } else { "" }
    }

    /// The same moved into `place`, whose room is used again.
    pub(super) fn take(&mut self, key: Key, place: &mut String) {
        place.clear();
        if self.has(key) {
            std::mem::swap(place, &mut self.rooms[key as usize]);
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
