//! Takes secrets out of text and bytes, also where they are escaped or cut in two by a read. Knows only the values.

use std::borrow::Cow;

/// Least length of a secret: shorter ones would blank ordinary words.
pub const MIN_SECRET: usize = 6;

/// The values to take out, in every spelling that tools write them in.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    needles: Vec<Vec<u8>>,
}

const STARS: &[u8] = b"***";

impl Mask {
    /// A mask for these values; empty ones are left out.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        for value in values.into_iter().filter(|value| !value.is_empty()) {
            needles.extend(spellings(value));
            // A multi-line secret is printed line by line by most tools.
            for line in value.lines().filter(|line| line.len() >= MIN_SECRET) {
                needles.extend(spellings(line));
            }
        }
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        needles.dedup();
        Self { needles }
    }

    /// Nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The bytes without secrets.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut out = stream.push(bytes);
        out.extend(stream.finish());
        out
    }

    /// A filter for bytes that come in pieces.
    pub fn stream(&self) -> MaskStream<'_> {
        MaskStream { mask: self, held: Vec::new() }
    }
}

/// Options whose next word, or whose words behind `=`, are a secret by their name.
const NAMES: &[&str] = &["password", "passwd", "passphrase", "secret", "token", "api-key", "apikey", "access-key", "credentials"];

/// A command line without what its options and addresses call a secret, whoever wrote it there.
pub fn redact(words: &[String]) -> Vec<String> {
    redacted(words.iter().map(String::as_str)).map(Cow::into_owned).collect()
}

/// The same word by word.
pub fn redacted<'w>(words: impl Iterator<Item = &'w str>) -> impl Iterator<Item = Cow<'w, str>> {
    let mut hidden = false;
    words.map(move |word| {
        if std::mem::take(&mut hidden) && !word.starts_with('-') {
            return Cow::Borrowed("***");
        }
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        match value {
            Some(_) if is_secret(name) => Cow::Owned(format!("{name}=***")),
            None if name.starts_with("--") && is_secret(name) => {
                hidden = true;
                Cow::Borrowed(word)
            }
            _ => without_password(word),
        }
    })
}

/// A name that ends in one of ours, as a word of its own, whatever the case and with `_` for `-`.
fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').as_bytes();
    let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-');
    NAMES.iter().map(|known| known.as_bytes()).any(|known| {
        let Some((front, end)) = name.len().checked_sub(known.len()).map(|at| name.split_at(at)) else { return false };
        end.iter().zip(known).all(same) && matches!(front.last(), None | Some(b'-' | b'_'))
    })
}

/// `scheme://user:password@host` without the password.
fn without_password(word: &str) -> Cow<'_, str> {
    // Almost no word has a colon, and to look for one byte is to look at all of them at once.
    let Some(at) = word.match_indices(':').map(|(at, _)| at + 3).find(|at| word[at - 3..].starts_with("://")) else { return Cow::Borrowed(word) };
    let (front, rest) = word.split_at(at);
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => Cow::Owned(format!("{front}{user}:***@{host}{tail}")),
        None => Cow::Borrowed(word),
    }
}

/// Holds back what could still become a secret until more bytes or the end arrive.
#[derive(Debug)]
pub struct MaskStream<'a> {
    mask: &'a Mask,
    held: Vec<u8>,
}

impl MaskStream<'_> {
    /// Takes bytes in and gives back those that are sure.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.drain(false)
    }

    /// The rest, when no more will come.
    pub fn finish(mut self) -> Vec<u8> {
        self.drain(true)
    }

    fn drain(&mut self, last: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while at < self.held.len() {
            let rest = &self.held[at..];
            // A longer needle that may still complete is waited for before a shorter one is taken.
            let undecided = !last && self.mask.needles.iter().any(|needle| needle.len() > rest.len() && needle.starts_with(rest));
            if undecided {
                break;
            }
            if let Some(needle) = self.mask.needles.iter().find(|needle| rest.starts_with(needle)) {
                out.extend_from_slice(STARS);
                at += needle.len();
            } else {
                out.push(rest[0]);
                at += 1;
            }
        }
        self.held.drain(..at);
        out
    }
}

fn spellings(value: &str) -> Vec<Vec<u8>> {
    let xml = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    let url: String = value.bytes().map(percent).collect();
    let mut all = vec![value.to_owned(), xml.replace('\'', "&apos;"), xml.replace('\'', "&#39;"), xml.replace("&quot;", "\""), json, url];
    all.extend(base64_cores(value.as_bytes()));
    all.into_iter().filter(|word| !word.is_empty()).map(String::into_bytes).collect()
}

fn percent(byte: u8) -> String {
    let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// The characters of the base64 text that depend on the secret alone, for each of the three ways it can be aligned inside
/// a longer text.
fn base64_cores(value: &[u8]) -> Vec<String> {
    if value.len() < MIN_SECRET {
        return Vec::new();
    }
    (0..3usize)
        .map(|shift| {
            let mut padded = vec![0u8; shift];
            padded.extend_from_slice(value);
            let encoded = base64(&padded);
            let first = (shift * 8).div_ceil(6);
            let whole = padded.len() * 8 / 6;
            encoded[first..whole].to_owned()
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().enumerate().fold(0u32, |word, (place, byte)| word | u32::from(*byte) << (16 - 8 * place));
        for place in 0..=three.len() {
            out.push(char::from(SIGNS[(word >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cut_at_any_byte_is_masked() {
        let mask = Mask::new(["hunter2-secret"]);
        let text = b"before hunter2-secret after hunter2-secre!";
        for cut in 0..text.len() {
            let mut stream = mask.stream();
            let mut out = stream.push(&text[..cut]);
            out.extend(stream.push(&text[cut..]));
            out.extend(stream.finish());
            assert_eq!(String::from_utf8_lossy(&out), "before *** after hunter2-secre!", "cut at {cut}");
        }
    }

    #[test]
    fn command_lines_lose_what_they_call_a_secret() {
        let words = ["deploy", "--db-password", "hunter2", "--api_key=abc", "TOKEN=x", "postgres://me:pw@host/db", "--tokens", "7", "http://host:80/a@b"];
        let shown = redact(&words.map(str::to_owned)).join(" ");
        assert_eq!(shown, "deploy --db-password *** --api_key=*** TOKEN=*** postgres://me:***@host/db --tokens 7 http://host:80/a@b");
    }

    #[test]
    fn escaped_spellings_are_masked() {
        let mask = Mask::new(["p<a&s\"s'w/ord"]);
        for shown in ["p&lt;a&amp;s&quot;s&apos;w/ord", "p&lt;a&amp;s&quot;s&#39;w/ord", "p<a&s\\\"s'w/ord", "p%3Ca%26s%22s%27w%2Ford"] {
            assert_eq!(mask.text(&format!("[{shown}]")), "[***]", "{shown}");
        }
    }

    #[test]
    fn base64_is_masked_at_every_alignment() {
        let secret = "correct-horse";
        let mask = Mask::new([secret]);
        for lead in ["", "a", "ab", "user:"] {
            let shown = base64(format!("{lead}{secret}").as_bytes());
            assert!(mask.text(&shown).contains("***"), "{shown}");
        }
        assert_eq!(base64(b"Man"), "TWFu");
        assert_eq!(base64(b"Ma"), "TWE");
    }
}
