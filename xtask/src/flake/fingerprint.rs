//! What failures have in common: a message without what changes from run to run, the frames of the project, and groups of cases
//! that fail in the same way at the same time. Pure text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::model::Category;

/// Frames that make a fingerprint.
const FRAMES: usize = 5;

/// Two cases of one template are one cause when they were red together in at least this share of the iterations in which either was.
const TOGETHER: f64 = 0.5;

/// A failure in two numbers that survive another run and an edit above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    /// Of category, type and template of the message.
    pub cause: u64,
    /// The same with the frames of the project.
    pub place: u64,
}

/// In the order in which they are applied: what is longer and more certain comes first.
static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let masks = [
        (r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "<uuid>"),
        (r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?", "<time>"),
        (r"\b\d{2}:\d{2}:\d{2}(?:[.,]\d+)?\b", "<time>"),
        (r"0x[0-9a-fA-F]+", "<hex>"),
        (r"node_modules/\.pnpm/[^/\s]+", "node_modules/.pnpm/<package>"),
        (r#"(?:/private)?/(?:tmp|var/folders|dev/shm)/[^\s'":)\]]+"#, "<temporary>"),
        (r"/(?:home|Users)/[^/\s]+|/root\b", "<home>"),
        (r"\b(localhost|127\.0\.0\.1|\[::1\]):\d+", "localhost:<port>"),
        (r"\b\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?|m|min|minutes?)\b", "<duration>"),
        (r"\b[0-9a-f]{8,}\b", "<hex>"),
        (r"\d+(?:\.\d+)?", "<n>"),
    ];
    masks.iter().map(|(pattern, with)| (Regex::new(pattern).expect("a constant pattern"), *with)).collect()
});

/// Names of files and functions in a line of a trace of Python or JavaScript, and what such a line must hold.
static TRACES: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    let traces = [
        (".py:", r"^(?<file>[^\s:]+\.py):\d+: (?:in (?<function>\S+)|\w)"),
        (":", r"^\s*(?:at|❯)\s+(?:(?:[a-z]+ )?(?<function>[\w$.<>]+) )?\(?(?:file://)?(?<file>[^\s()]+?):\d+(?::\d+)?\)?\s*$"),
    ];
    traces.iter().map(|(sign, pattern)| (*sign, Regex::new(pattern).expect("a constant pattern"))).collect()
});

/// Folders whose files are not the project's.
const FOREIGN: &[&str] = &["site-packages/", "node_modules/", "node:", "lib/python3", "/rustc/", "<frozen", "<string>"];

/// The first line of a message without numbers, times, addresses and places that change from run to run.
pub fn template(message: &str) -> String {
    mask(crate::text::strip_ansi(crate::text::first_line(message)))
}

fn mask(text: String) -> String {
    MASKS.iter().fold(text, |text, (mask, with)| match mask.replace_all(&text, *with) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => masked,
    })
}

/// Frames of the project in a trace, as `file:function`, the innermost last.
fn frames(text: &str) -> Vec<String> {
    let text = crate::text::without_ansi(text);
    // From the end, as the outer ones are not asked for.
    let mut frames: Vec<String> = text.lines().rev().filter_map(frame).take(FRAMES).collect();
    frames.reverse();
    frames
}

fn frame(line: &str) -> Option<String> {
    let (file, function) = python(line).or_else(|| {
        let captures = TRACES.iter().find_map(|(sign, trace)| line.contains(sign).then(|| trace.captures(line)).flatten())?;
        Some((captures.name("file")?.as_str(), captures.name("function").map_or("", |function| function.as_str())))
    })?;
    let own = !FOREIGN.iter().any(|foreign| file.contains(foreign));
    own.then(|| format!("{file}:{function}"))
}

/// `File "a.py", line 1, in f`
fn python(line: &str) -> Option<(&str, &str)> {
    let (file, rest) = line.split_once("File \"")?.1.split_once("\", line ")?;
    Some((file, rest.split_once(", in ")?.1.split_whitespace().next()?))
}

/// The fingerprint of a red case.
pub fn fingerprint(category: Category, kind: &str, message: &str, text: &str) -> Fingerprint {
    let said = if message.trim().is_empty() { crate::text::first_line(text) } else { message };
    let mut words = vec![category.word().to_owned(), kind.to_owned(), template(said)];
    let cause = digest(&words);
    words.push(mask(frames(text).join("\n")));
    Fingerprint { cause, place: digest(&words) }
}

/// Words with their lengths, so that no two lists of words look alike.
fn digest(words: &[String]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for word in words {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    hasher.digest()
}

/// Groups failures by cause: those of one template that were mostly red together. Each item is a cause and the iterations (or any
/// other occasions) in which it was red; the answer gives each item the number of its group, from 0 in the order of first sight.
pub fn groups(items: &[(u64, BTreeSet<u64>)]) -> Vec<usize> {
    let mut by_cause: BTreeMap<u64, Vec<(usize, &BTreeSet<u64>)>> = BTreeMap::new();
    let mut count = 0;
    let mut answer = Vec::with_capacity(items.len());
    for (cause, occasions) in items {
        let known = by_cause.entry(*cause).or_default();
        let near = known.iter().find(|(_, others)| together(occasions, others) >= TOGETHER).map(|(group, _)| *group);
        let group = near.unwrap_or_else(|| {
            count += 1;
            known.push((count - 1, occasions));
            count - 1
        });
        answer.push(group);
    }
    answer
}

/// Jaccard's index of two sets.
fn together(one: &BTreeSet<u64>, other: &BTreeSet<u64>) -> f64 {
    let both = one.intersection(other).count();
    let either = one.len() + other.len() - both;
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_lose_what_changes() {
        for (message, wanted) in [
            ("Test timed out in 5000ms.", "Test timed out in <duration>."),
            ("user 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone", "user <uuid> gone"),
            ("at 2026-01-02T03:04:05.678Z", "at <time>"),
            ("connect ECONNREFUSED 127.0.0.1:45231", "connect ECONNREFUSED localhost:<port>"),
            ("no such file: '/tmp/pytest-of-x/pytest-3/a.db'", "no such file: '<temporary>'"),
            ("object at 0x7f3a9c", "object at <hex>"),
            ("assert 3 == 4\n + where", "assert <n> == <n>"),
            ("commit deadbeef01 in /Users/x/work", "commit <hex> in <home>/work"),
            ("expected 'draft' to be 'sold'", "expected 'draft' to be 'sold'"),
            ("\u{1b}[31mred\u{1b}[0m 7", "red <n>"),
        ] {
            assert_eq!(template(message), wanted, "{message}");
        }
    }

    #[test]
    fn frames_are_those_of_the_project() {
        let python = "tests/test_a.py:12: in test_resume\n    call()\n/v/lib/python3.11/site-packages/x.py:3: in call\napp/store.py:40: ValueError";
        assert_eq!(frames(python), ["tests/test_a.py:test_resume", "app/store.py:"]);
        let plain = "  File \"/v/site-packages/x.py\", line 3, in call\n  File \"app/a.py\", line 12, in <module>\n    f()\n  File \"app/b.py\", line 3, in f\nValueError: odd";
        assert_eq!(frames(plain), ["app/a.py:<module>", "app/b.py:f"]);
        let script =
            "Error: x\n    at resume (/w/src/draft.ts:3:4)\n    at node:internal/x:1:2\n ❯ src/a.test.ts:9:1\n    at new run (/w/node_modules/v/i.js:1:1)";
        assert_eq!(frames(script), ["/w/src/draft.ts:resume", "src/a.test.ts:"]);
    }

    #[test]
    fn a_fingerprint_survives_edits_and_tells_causes_apart() {
        let of = |message: &str, text: &str| fingerprint(Category::Timeout, "Error", message, text);
        let one = of("timed out in 5000ms", "a.py:12: in f");
        assert_eq!(one, of("timed out in 200ms", "a.py:99: in f"), "other numbers and lines");
        let other = of("timed out in 5000ms", "a.py:12: in g");
        assert_eq!((one.cause, one.place == other.place), (other.cause, false), "another function");
        assert_ne!(one.cause, of("connection lost", "a.py:12: in f").cause);
        assert_ne!(fingerprint(Category::Infra, "Error", "timed out in 1s", "").cause, of("timed out in 1s", "").cause);
    }

    #[test]
    fn what_fails_together_in_one_way_is_one_cause() {
        let set = |items: &[u64]| items.iter().copied().collect::<BTreeSet<u64>>();
        let items = [(7, set(&[1, 2, 3])), (7, set(&[1, 2])), (7, set(&[8, 9])), (9, set(&[1, 2, 3])), (7, set(&[9]))];
        assert_eq!(groups(&items), [0, 0, 1, 2, 1]);
    }
}
