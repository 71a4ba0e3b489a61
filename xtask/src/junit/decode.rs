//! Bytes of a report to UTF-8: byte order marks, declared encodings, and the lies about them. Knows no element.

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// A report in another encoding than UTF-8 is decoded whole, up to this size.
const DECODE_MAX: u64 = 64 << 20;

/// A reader of UTF-8 and what was odd on the way.
pub struct Decoded<'a> {
    /// UTF-8, or bytes that claim to be.
    pub reader: Box<dyn BufRead + Send + 'a>,
    /// What was odd.
    pub notes: Vec<String>,
    /// There is not one byte.
    pub empty: bool,
}

/// Looks at the first bytes and gives a reader of UTF-8.
pub fn decode<'a>(source: impl Read + Send + 'a) -> io::Result<Decoded<'a>> {
    let (head, mut reader) = peek(BufReader::with_capacity(256 << 10, source))?;
    let empty = head.is_empty();
    let mut notes = Vec::new();
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(&head).filter(|(encoding, _)| *encoding != encoding_rs::UTF_8) {
        return transcode(reader, encoding, notes);
    }
    let skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    if let Some(label) = declared(&head[skip..]) {
        match encoding_rs::Encoding::for_label(label.as_bytes()) {
            None => notes.push(format!("unknown encoding `{label}`, read as UTF-8")),
            Some(encoding) if encoding == encoding_rs::UTF_8 => {}
            // The declaration itself was readable as ASCII, so these are not two-byte units.
            Some(encoding) if !encoding.is_ascii_compatible() => notes.push(format!("declares {label} and is not: read as UTF-8")),
            Some(encoding) => return transcode(reader, encoding, notes),
        }
    }
    reader.consume(skip);
    Ok(Decoded { reader, notes, empty })
}

/// Bytes in which a declaration stands.
const HEAD: usize = 256;

/// The first bytes, and a reader that gives them again.
fn peek<'a>(mut reader: BufReader<impl Read + Send + 'a>) -> io::Result<(Vec<u8>, Box<dyn BufRead + Send + 'a>)> {
    if let Some(head) = reader.fill_buf()?.get(..HEAD).map(<[u8]>::to_vec) {
        return Ok((head, Box::new(reader)));
    }
    // It is short, or comes in drops.
    let mut head = Vec::with_capacity(HEAD);
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(reader))))
}

fn transcode<'a>(source: impl Read, encoding: &'static encoding_rs::Encoding, mut notes: Vec<String>) -> io::Result<Decoded<'a>> {
    let mut bytes = Vec::new();
    source.take(DECODE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DECODE_MAX {
        return Err(io::Error::other(format!("a report in {} is over 64 MiB; write it in UTF-8", encoding.name())));
    }
    let (text, _, lossy) = encoding.decode(&bytes);
    if lossy {
        notes.push(format!("bytes that are not {}", encoding.name()));
    }
    Ok(Decoded { reader: Box::new(Cursor::new(text.into_owned().into_bytes())), notes, empty: false })
}

fn declared(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?.to_owned();
    let after = declaration.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start().to_owned();
    let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    after[1..].split(quote).next().map(str::to_owned)
}
