//! What looks like a secret: tokens of known services by their first letters, private keys, and values that something names a secret
//! and that are too mixed to be words. Knows no value; the values that gates.toml names are masked before.

use std::fs::File;
use std::io::{self, Read};

use aho_corasick::{AhoCorasick, MatchKind};

use crate::rundir::RunDir;

/// A place that looks like a secret. The value itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// File below the run's folder.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// What it looks like.
    pub rule: String,
}

/// Most places that are named.
const NAMED: usize = 20;
/// Bytes that are looked at at once.
const CHUNK: usize = 1 << 20;
/// Bytes behind a match that may belong to it.
const BEHIND: usize = 512;

/// First letters of tokens: letters, least number of characters behind them, words.
const PREFIXES: &[(&str, usize, &str)] = &[
    ("ghp_", 36, "a token of GitHub"),
    ("gho_", 36, "a token of GitHub"),
    ("ghu_", 36, "a token of GitHub"),
    ("ghs_", 36, "a token of GitHub"),
    ("ghr_", 36, "a token of GitHub"),
    ("github_pat_", 40, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("xoxb-", 20, "a token of Slack"),
    ("xoxp-", 20, "a token of Slack"),
    ("xapp-", 20, "a token of Slack"),
    ("AKIA", 16, "a key of AWS"),
    ("ASIA", 16, "a key of AWS"),
    ("AIza", 35, "a key of Google"),
    ("sk_live_", 16, "a key of Stripe"),
    ("rk_live_", 16, "a key of Stripe"),
    ("npm_", 36, "a token of npm"),
    ("pypi-AgEIcHlwaS5vcmc", 16, "a token of PyPI"),
    ("dop_v1_", 60, "a token of DigitalOcean"),
];
/// A private key in PEM.
const PEM: &str = "PRIVATE KEY-----";
/// Names of values that are secrets.
const NAMES: &[&str] = &["password", "passwd", "secret", "token", "api_key", "api-key", "apikey", "access_key", "access-key", "bearer ", "basic "];

struct Scanner {
    found: AhoCorasick,
    names: AhoCorasick,
}

impl Scanner {
    fn new() -> Result<Self, String> {
        let exact = PREFIXES.iter().map(|(prefix, ..)| *prefix).chain([PEM]);
        let build = |words: Vec<&str>, any_case: bool| {
            AhoCorasick::builder().ascii_case_insensitive(any_case).match_kind(MatchKind::LeftmostLongest).build(words).map_err(|cause| cause.to_string())
        };
        Ok(Self { found: build(exact.collect(), false)?, names: build(NAMES.to_vec(), true)? })
    }

    /// What stands in a piece of text: offset, rule.
    fn look(&self, text: &[u8]) -> Vec<(usize, &'static str)> {
        let mut leaks = Vec::new();
        for found in self.found.find_iter(text) {
            match PREFIXES.get(found.pattern().as_usize()) {
                None => leaks.push((found.start(), "a private key")),
                Some((_, least, rule)) => {
                    let starts = found.start() == 0 || !is_word(text[found.start() - 1]);
                    let long = text[found.end()..].iter().take_while(|byte| is_word(**byte) || **byte == b'-').count();
                    if starts && long >= *least && is_mixed(&text[found.end()..found.end() + long]) {
                        leaks.push((found.start(), *rule));
                    }
                }
            }
        }
        for found in self.names.find_iter(text) {
            let spaced = NAMES[found.pattern().as_usize()].ends_with(' ');
            let value = if spaced { Some(word(&text[found.end()..])) } else { value_behind(&text[found.end()..]) };
            if let Some(value) = value
                && is_random(value)
            {
                leaks.push((found.start(), "a value that is called a secret and is too mixed to be words"));
            }
        }
        leaks.sort_unstable();
        leaks
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Not the same character over and over: `AKIAXXXXXXXXXXXXXXXX` is an example.
fn is_mixed(value: &[u8]) -> bool {
    entropy(value) >= 2.5
}

/// The value behind a name: behind `=`, `:` or `value="`, with or without quotes.
fn value_behind(rest: &[u8]) -> Option<&[u8]> {
    let rest = &rest[..rest.len().min(BEHIND)];
    // The rest of the name: token_v2, passwordHash.
    let mut at = rest.iter().take_while(|byte| is_word(**byte)).count();
    let skip = |at: &mut usize, signs: &[u8]| *at += rest[*at..].iter().take_while(|byte| signs.contains(byte)).count();
    skip(&mut at, b"\"'` \\");
    if rest[at..].starts_with(b"value") {
        at += 5; // <property name="access_token" value="...">
    }
    let before = at;
    skip(&mut at, b" =:>");
    skip(&mut at, b"\"'`\\");
    if at == 0 || (at == before && before == 0) {
        return None;
    }
    Some(word(&rest[at..]))
}

/// The characters of a value.
fn word(rest: &[u8]) -> &[u8] {
    let length = rest.iter().take(BEHIND).take_while(|byte| byte.is_ascii_alphanumeric() || b"+/_-.=~".contains(byte)).count();
    &rest[..length]
}

/// At least 20 characters, digits among letters, as mixed as a generator makes them, and no path, version or digest of a file.
fn is_random(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let plain = value.iter().filter(|byte| b"/._-".contains(byte)).count();
    value.len() >= 20 && digits >= 3 && letters >= 6 && plain * 6 <= value.len() && entropy(value) >= 3.6
}

/// Shannon entropy in bits a character.
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let length = value.len().max(1) as f64;
    let share = |count: &u32| f64::from(*count) / length;
    -counts.iter().filter(|count| **count > 0).map(share).map(|share| share * share.log2()).sum::<f64>()
}

/// Looks through every file of a run. Files that are no text (pictures, archives) are looked at too: a token is as readable there.
pub fn scan(run: &RunDir) -> Result<Vec<Leak>, String> {
    let scanner = Scanner::new()?;
    let mut leaks = Vec::new();
    for entry in walkdir::WalkDir::new(run.path()).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|cause| cause.to_string())?;
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.path().strip_prefix(run.path()).unwrap_or(entry.path()).display().to_string();
        let file = File::open(entry.path()).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        scan_one(&scanner, file, &name, &mut leaks).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        if leaks.len() >= NAMED {
            leaks.truncate(NAMED);
            break;
        }
    }
    Ok(leaks)
}

/// The same of a text.
pub fn scan_text(name: &str, text: &[u8]) -> Result<Vec<Leak>, String> {
    let mut leaks = Vec::new();
    scan_one(&Scanner::new()?, text, name, &mut leaks).map_err(|cause| cause.to_string())?;
    Ok(leaks)
}

fn scan_one(scanner: &Scanner, mut source: impl Read, name: &str, leaks: &mut Vec<Leak>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let (mut held, mut line) = (0, 1);
    loop {
        let count = source.read(&mut buffer[held..])?;
        let end = held + count;
        // What stands near the end is looked at again with what follows it.
        let sure = if count == 0 { end } else { end.saturating_sub(BEHIND) };
        let mut from = 0;
        for (at, rule) in scanner.look(&buffer[..end]).into_iter().filter(|(at, _)| *at < sure) {
            line += newlines(&buffer[from..at]);
            from = at;
            let leak = Leak { file: name.to_owned(), line, rule: rule.to_owned() };
            if leaks.last() != Some(&leak) {
                leaks.push(leak);
            }
        }
        if count == 0 || leaks.len() >= NAMED {
            return Ok(());
        }
        line += newlines(&buffer[from..sure]);
        buffer.copy_within(sure..end, 0);
        held = end - sure;
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<(u64, String)> {
        scan_text("f", text.as_bytes()).expect("scanned").into_iter().map(|leak| (leak.line, leak.rule)).collect()
    }

    #[test]
    fn tokens_keys_and_named_values_are_found() {
        let token = format!("{}{}", "ghp", "_16C7e42F292c6912E7710c838347Ae178B4a");
        assert_eq!(rules(&format!("a\nb {token}\n")), [(2, "a token of GitHub".to_owned())]);
        assert_eq!(rules("-----BEGIN OPENSSH PRIVATE KEY-----\n").len(), 1);
        for text in [
            "<property name=\"access_token\" value=\"q8Zr2LmX0pVt6KdY1nBs\"/>",
            "API_KEY=q8Zr2LmX0pVt6KdY1nBs",
            "\"password\": \"q8Zr2LmX0pVt6KdY1nBs\"",
            "Authorization: Bearer q8Zr2LmX0pVt6KdY1nBs",
            "{\\\"secret\\\":\\\"q8Zr2LmX0pVt6KdY1nBs\\\"}",
        ] {
            assert_eq!(rules(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn words_paths_and_masks_are_none() {
        for text in [
            "token: ***",
            "password must be at least 20 characters long",
            "tests/test_token_refresh.py::test_a_secret_is_not_shown_12",
            "secret = src/lib/tokens/refresh/session/index.test.ts",
            "AKIAXXXXXXXXXXXXXXXX",
            "tokenize aaaaaaaaaaaaaaaaaaaaaaaaaaaaa1234",
            "{{ secrets.DEPLOY_TOKEN }}",
        ] {
            assert_eq!(rules(text), [], "{text}");
        }
    }

    #[test]
    fn a_secret_across_two_reads_is_found_once_on_its_line() {
        for lead in (CHUNK - 60..CHUNK + 10).step_by(9).chain([CHUNK - BEHIND - 1, CHUNK - BEHIND]) {
            let text = format!("{}\npassword=q8Zr2LmX0pVt6KdY1nBs\n", "x".repeat(lead));
            assert_eq!(rules(&text).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2], "{lead}");
        }
    }
}
