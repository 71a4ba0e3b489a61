//! Characters of a report: which XML allows, what references mean, and how much of a long text is kept.

/// Text kept of one element: this much of its head and of its tail.
pub(super) const KEEP: usize = 32 << 10;

/// The characters of XML 1.0, production 2.
pub(in crate::junit) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Bytes that claim to be UTF-8.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "bytes that are not UTF-8".to_owned())
}

/// Nothing but printable ASCII and ends of lines: allowed, and found fast.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let printable = |byte: &u8| (0x20..0x80).contains(byte);
    let plain = |byte: &u8| printable(byte) || matches!(*byte, b'\t' | b'\n' | b'\r');
    bytes.chunks(128).all(|chunk| chunk.iter().fold(true, |all, byte| all & printable(byte)) || chunk.iter().all(plain))
}

/// A character that XML 1.0 forbids makes the document ill-formed for every other reader.
pub(super) fn legal(text: &str) -> Result<(), String> {
    // Nearly every stretch has only harmless bytes, and bytes are looked at many at a time; most others have ends of lines.
    let special = |seen: u8, byte: &u8| seen | u8::from(*byte < 0x20) | u8::from(*byte == 0xEF);
    let suspicious = |byte: &u8| (*byte < 0x20 && !matches!(*byte, b'\t' | b'\n' | b'\r')) || *byte == 0xEF;
    if text.as_bytes().chunks(128).all(|chunk| chunk.iter().fold(0, special) == 0 || !chunk.iter().any(suspicious)) {
        return Ok(());
    }
    match text.chars().find(|c| !is_xml_char(*c)) {
        Some(bad) => Err(format!("character U+{:04X} is not allowed in XML", u32::from(bad))),
        None => Ok(()),
    }
}

/// Appends what `&name;` stands for.
pub(super) fn reference(name: &str, out: &mut String, notes: &mut dyn FnMut(String)) -> Result<(), String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = number.strip_prefix('x').map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok());
        let sign = code.and_then(char::from_u32).filter(|c| is_xml_char(*c));
        out.push(sign.ok_or_else(|| format!("reference to invalid character &{name};"))?);
        return Ok(());
    }
    match name {
        "lt" => out.push('<'),
        "gt" => out.push('>'),
        "amp" => out.push('&'),
        "quot" => out.push('"'),
        "apos" => out.push('\''),
        other => {
            notes(format!("unknown entity &{other}; kept as it is"));
            out.push('&');
            out.push_str(other);
            out.push(';');
        }
    }
    Ok(())
}

/// Head and tail of a long text. Its rooms are used again.
#[derive(Debug, Default)]
pub(super) struct Text {
    head: String,
    tail: String,
    cut: u64,
}

impl Text {
    pub(super) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.cut = 0;
    }

    pub(super) fn push(&mut self, more: &str) {
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

    /// Moves what was kept into `place`.
    pub(super) fn take(&mut self, place: &mut String) {
        if self.cut > 0 {
            self.head.extend(["\n... ", &self.cut.to_string(), " bytes left out ...\n"]);
        }
        self.head.push_str(&self.tail);
        std::mem::swap(place, &mut self.head);
        self.clear();
    }
}

/// Seconds of a `time` attribute; commas as thousands or decimals where that is clear, nothing where it is not.
pub(super) fn seconds(text: &str) -> Option<f64> {
    if let Some(seconds) = short(text) {
        return Some(seconds);
    }
    let text = text.trim();
    let plain = |text: &str| {
        let good = text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|c| c.is_ascii_digit() || b".eE-".contains(&c));
        text.parse::<f64>().ok().filter(|value| good && value.is_finite())
    };
    match text.split_once(',') {
        None => plain(text),
        Some((_, after)) if after.contains('.') => plain(&text.replace(',', "")),
        Some((before, after)) if after.len() != 3 && !after.contains(',') => plain(&format!("{before}.{after}")),
        Some(_) => None,
    }
}

/// Digits with at most one point in them, as nearly every time is. Both numbers and their quotient are as exact as a parser's: Clinger, How to Read
/// Floating Point Numbers Accurately, 1990.
fn short(text: &str) -> Option<f64> {
    const TENS: [f64; 15] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];
    if text.len() > TENS.len() || !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (mut digits, mut behind) = (0_u64, None);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                behind = behind.map(|behind: usize| behind + 1);
            }
            b'.' if behind.is_none() => behind = Some(0),
            _ => return None,
        }
    }
    Some(digits as f64 / TENS[behind.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_left_out() {
        for (text, expected) in [("1.5", Some(1.5)), ("1,234.5", Some(1234.5)), ("0,25", Some(0.25)), ("1,234", None), ("NaN", None), ("-1", None)] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_short_number_is_what_a_parser_says() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let text: String = (0..random.usize(1..15)).map(|_| char::from(b"0123456789.0123456789"[random.usize(..21)])).collect();
            if let Some(found) = short(&text) {
                assert_eq!(text.parse::<f64>(), Ok(found), "{text}");
            }
        }
        assert_eq!(["0.001", "12", "5.", "0"].map(short), [Some(0.001), Some(12.0), Some(5.0), Some(0.0)]);
        assert_eq!(["", ".", ".5", "1.2.3", "1e3", "-1", "1234567890123456"].map(short), [None; 7]);
    }

    #[test]
    fn long_text_keeps_head_and_tail() {
        let mut text = Text::default();
        text.push("head");
        for _ in 0..40 {
            text.push(&"x".repeat(KEEP / 8));
        }
        text.push("tail");
        let mut kept = String::new();
        text.take(&mut kept);
        assert!(kept.starts_with("head") && kept.ends_with("tail") && kept.len() < 4 * KEEP, "{}", kept.len());
        text.push("next");
        text.take(&mut kept);
        assert_eq!(kept, "next");
    }

    #[test]
    fn forbidden_characters_are_found_wherever_they_stand() {
        for at in [0, 1, 255, 256, 300] {
            let text = format!("{}\u{1}{}", "x".repeat(at), "y".repeat(300));
            assert!(legal(&text).is_err(), "{at}");
            assert!(legal(&text.replace('\u{1}', "\u{FFFF}")).is_err(), "{at}");
            assert!(legal(&text.replace('\u{1}', "\u{FB01}\t\r\n")).is_ok(), "{at}");
        }
    }
}
