//! Durations, sizes, counts, and the line of an output that matters: pure text. Knows no terminal and no file.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::model::Location;

/// `8.2s`, `2m14s`, `1h03m`: as short as it can be read.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=59 => format!("{:.1}s", span.as_secs_f64().min(59.9)),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The same for milliseconds, as the journal counts.
pub fn millis(count: u64) -> String {
    duration(Duration::from_millis(count))
}

/// `1 case`, `2 cases`.
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `64MiB` to bytes. Units: B, KiB, MiB, GiB.
pub fn parse_size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().ok()?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(factor)
}

/// Bytes to `64MiB`, rounded down to the largest unit that fits.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..=1023 => format!("{bytes}B"),
        1024..=1_048_575 => format!("{}KiB", bytes >> 10),
        1_048_576..=1_073_741_823 => format!("{}MiB", bytes >> 20),
        _ => format!("{:.1}GiB", bytes as f64 / f64::from(1u32 << 30)),
    }
}

/// The words closest to a mistyped one, at most edit distance a third of its length.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + word.len().max(candidate.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names in single quotes for a shell, only where it needs them.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { Cow::Borrowed(word) } else { Cow::Owned(format!("'{}'", word.replace('\'', "'\\''"))) }
}

/// The first line with text in it, trimmed.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Removes colours and cursor movements (CSI and OSC sequences).
pub fn strip_ansi(text: &str) -> String {
    without_ansi(text).into_owned()
}

/// The same, without a copy of what has none.
pub fn without_ansi(text: &str) -> Cow<'_, str> {
    // Looking for this one byte is many times as fast as looking for sequences.
    if memchr::memchr2(0x1b, 0xc2, text.as_bytes()).is_none() { Cow::Borrowed(text) } else { console::strip_ansi_codes(text) }
}

/// Text of others on our screen: control characters and the marks of workflow commands lose their power.
pub fn visible(text: &str) -> String {
    let plain = if text.contains('\u{1b}') { strip_ansi(text) } else { text.to_owned() };
    plain.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// What a line must hold for a pattern to match, and the pattern.
static PLACES: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    [
        // src/App.tsx(41,5): error TS2345
        ("(", r"([\w@./\\\[\]-]+\.[A-Za-z]{1,5})\((\d+),\d+\)"),
        // File "app/x.py", line 12
        ("File \"", r#"File "([^"]+)", line (\d+)"#),
        // src/App.tsx:41:5, tests/test_x.py:12: AssertionError, --> src/main.rs:3:4
        (":", r"([\w@./\\\[\]-]+\.[A-Za-z]{1,5}):(\d+)"),
    ]
    .iter()
    .map(|(sign, pattern)| (*sign, Regex::new(pattern).expect("the pattern is a constant that a test compiles")))
    .collect()
});

/// Finds the place in somebody's source that an output names: the first one outside of installed packages.
pub fn locate(text: &str) -> Option<Location> {
    text.lines().find_map(locate_in_line)
}

/// Finds the last such place in one file, named by its end.
pub fn locate_last_in(file: &str, text: &str) -> Option<Location> {
    if file.is_empty() {
        return None;
    }
    // Only a line that names the file can hold a place in it, but for the sign between its folders.
    if memchr::memmem::find(text.as_bytes(), file.as_bytes()).is_none() && memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return None;
    }
    let lines = text.lines().rev().filter(|line| line.contains(file) || line.contains('\\'));
    lines.filter_map(locate_in_line).find(|at| at.file.ends_with(file))
}

fn locate_in_line(line: &str) -> Option<Location> {
    // A place ends in a number behind one of these; most lines have none, and are looked at fast.
    memchr::memchr3(b':', b'(', b'"', line.as_bytes())?;
    let place = PLACES.iter().find_map(|(sign, pattern)| {
        let caught = if line.contains(sign) { pattern.captures(line)? } else { return None };
        let file = caught.get(1)?.as_str().replace('\\', "/");
        let number = caught.get(2)?.as_str().parse().ok()?;
        let source = file.rsplit('.').next().is_some_and(|ending| SOURCES.contains(&ending));
        source.then_some(Location { file, line: number })
    });
    place.filter(|found| !is_foreign(&found.file))
}

const SOURCES: &[&str] = &[
    "py", "ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts", "rs", "go", "java", "kt", "rb", "c", "cc", "cpp", "h", "hpp", "cs", "sql", "sh", "toml",
    "json", "yml", "yaml", "css", "html", "vue", "svelte",
];

fn is_foreign(file: &str) -> bool {
    ["node_modules/", "site-packages/", "/lib/python", "node:internal", "/rustc/"].iter().any(|part| file.contains(part))
}

static ALARM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i-u)(\berror\b|error TS\d+|Error:|\bfailed\b|\bfatal\b|panicked at|cannot |could not |no such file|not found|Exception)")
        .expect("the pattern is a constant that a test compiles")
});

static REASON: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?i-u)(could not |cannot |error:|no such file|not found|is not )").expect("the pattern is a constant that a test compiles"));

/// The line of a failed log that says most: the first one that names an error and a place, else the first that gives a reason, else
/// the first that names an error, else the last one with text.
pub fn excerpt(log: &str) -> (String, Option<Location>) {
    let clean = strip_ansi(log);
    let lines: Vec<&str> = clean.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let alarming = |line: &&&str| ALARM.is_match(line);
    let placed = |line: &&&str| locate_in_line(line).is_some();
    let found = lines
        .iter()
        .filter(alarming)
        .find(placed)
        .or_else(|| lines.iter().find(|line| REASON.is_match(line)))
        .or_else(|| lines.iter().find(alarming))
        .or_else(|| lines.last())
        .copied()
        .unwrap_or("");
    let at = locate(found).or_else(|| locate(&clean));
    (found.chars().take(300).collect(), at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_short() {
        let check = |ms, expected: &str| assert_eq!(millis(ms), expected);
        check(0, "0.0s");
        check(8_240, "8.2s");
        check(134_000, "2m14s");
        check(3_780_000, "1h03m");
    }

    #[test]
    fn sizes_have_binary_units_only() {
        assert_eq!(parse_size("64MiB"), Some(64 << 20));
        assert_eq!(parse_size("64MB"), None);
        assert_eq!(parse_size("64"), None);
        assert_eq!(parse_size("99999999999GiB"), None);
    }

    #[test]
    fn places_are_found_in_every_tools_words() {
        let check = |line: &str, expected: &str| assert_eq!(locate(line).map(|at| at.to_string()).as_deref(), Some(expected), "{line}");
        check("src/App.tsx(41,5): error TS2345: x", "src/App.tsx:41");
        check("  File \"app/service.py\", line 12, in f", "app/service.py:12");
        check("tests/test_x.py:12: AssertionError", "tests/test_x.py:12");
        check(" ❯ src/pages/Inventory.test.tsx:33:10", "src/pages/Inventory.test.tsx:33");
        check("  --> xtask/src/main.rs:3:4", "xtask/src/main.rs:3");
        assert_eq!(locate("node_modules/x/index.js:3:4"), None);
        assert_eq!(locate("at 10.0.0.1:80 and 12.30:45"), None);
    }

    #[test]
    fn the_excerpt_prefers_an_error_with_a_place() {
        let log = "> tsc\nwarning: x\nsrc/a.ts(3,1): error TS1: bad\nnpm error code 2\n";
        let (line, at) = excerpt(log);
        assert_eq!(line, "src/a.ts(3,1): error TS1: bad");
        assert_eq!(at.map(|at| at.line), Some(3));
    }

    #[test]
    fn a_reason_is_better_than_the_news_of_a_failure() {
        let log = "building\n\u{2717} Build failed in 348ms\nCould not resolve '../lib/x' in src/a.tsx\n  [ src/a.tsx:5:43 ]\n";
        let (line, at) = excerpt(log);
        assert_eq!(line, "Could not resolve '../lib/x' in src/a.tsx");
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some("src/a.tsx:5"));
    }

    #[test]
    fn mistyped_words_find_their_neighbour() {
        assert_eq!(closest("timout", ["timeout", "grace"]), Some("timeout"));
        assert_eq!(closest("zzz", ["timeout", "grace"]), None);
    }
}
