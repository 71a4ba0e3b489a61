//! What kind of failure a red case is, by what its report says. Every rule has a name, so that a wrong one can be found. Pure text.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use crate::model::Category;

/// A rule: its name, what it means, and words of which one must stand in the failure.
struct Rule {
    name: &'static str,
    category: Category,
    words: &'static [&'static str],
}

/// In the order in which they are tried: what says less about the test comes first.
const RULES: &[Rule] = &[
    Rule { name: "pytest-crash", category: Category::Crash, words: &["crashed while running", "Fatal Python error"] },
    Rule { name: "vitest-crash", category: Category::Crash, words: &["Worker exited unexpectedly", "[vitest-pool]"] },
    Rule { name: "playwright-crash", category: Category::Crash, words: &["worker process exited unexpectedly"] },
    Rule { name: "unreported", category: Category::Unreported, words: &["gate.unreported"] },
    Rule { name: "pytest-timeout", category: Category::Timeout, words: &["from pytest-timeout", "+++ Timeout +++"] },
    Rule { name: "vitest-timeout", category: Category::Timeout, words: &["Test timed out in ", "Hook timed out in "] },
    Rule { name: "vitest-wait", category: Category::Timeout, words: &["Matcher did not succeed in time", "vi.waitFor", "vi.waitUntil"] },
    Rule { name: "playwright-timeout", category: Category::Timeout, words: &["Test timeout of ", "\" hook timeout of ", "while waiting on the predicate"] },
    Rule { name: "timeout-error", category: Category::Timeout, words: &["TimeoutError", "ReadTimeout", "ConnectTimeout", "TimeoutExpired"] },
    Rule {
        name: "network",
        category: Category::Infra,
        words: &["ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ENOTFOUND", "Connection refused", "Connection reset", "net::ERR_", "server closed the connection"],
    },
    Rule { name: "machine", category: Category::Infra, words: &["ENOSPC", "EMFILE", "No space left on device", "Address already in use", "EADDRINUSE"] },
    Rule { name: "browser", category: Category::Infra, words: &["browserType.launch", "Target page, context or browser has been closed"] },
    Rule { name: "pytest-collection", category: Category::Collection, words: &["collection failure"] },
    Rule { name: "vitest-collection", category: Category::Collection, words: &["No test suite found", "Cannot find package", "Failed to resolve import"] },
    Rule { name: "pytest-fixture", category: Category::Fixture, words: &["failed on setup with", "failed on teardown with"] },
    Rule { name: "playwright-fixture", category: Category::Fixture, words: &["\"beforeAll\" hook", "\"afterAll\" hook"] },
    Rule { name: "assertion", category: Category::Assertion, words: &["AssertionError", "assert ", "[XPASS(strict)]", "expect.", "expect(", "panicked at "] },
];

/// The words of all rules, in their order: of two that begin at one place the earlier is found.
static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let words = RULES.iter().flat_map(|rule| rule.words);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words).expect("constant words make an automaton")
});

/// The category of a red case by its type, message and text, with the name of the rule that said so.
pub fn category(kind: &str, message: &str, text: &str) -> (Category, &'static str) {
    let text = [kind, message, text].join("\n");
    let (mut first, mut from) = (usize::MAX, 0);
    while let Some(found) = WORDS.find(Input::new(&text).range(from..)) {
        first = first.min(found.pattern().as_usize());
        from = found.start() + 1; // another one may begin inside of it
    }
    let rule = RULES.iter().flat_map(|rule| rule.words.iter().map(move |_| rule)).nth(first);
    rule.map_or((Category::Unknown, "none"), |rule| (rule.category, rule.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_tried_in_order() {
        for (kind, message, text, wanted) in [
            ("", "Failed: Timeout (>0.2s) from pytest-timeout.", "", (Category::Timeout, "pytest-timeout")),
            ("AssertionError", "expected 1 to be 2", "Caused by: Error: Matcher did not succeed in time.", (Category::Timeout, "vitest-wait")),
            ("expect.toBe", "", "Timeout 200ms exceeded while waiting on the predicate", (Category::Timeout, "playwright-timeout")),
            ("AssertionError", "assert 1 == 2", "", (Category::Assertion, "assertion")),
            ("", "failed on setup with \"E: ConnectionError\"", "Connection refused", (Category::Infra, "network")),
            ("", "failed on setup with \"ValueError\"", "", (Category::Fixture, "pytest-fixture")),
            ("", "collection failure", "", (Category::Collection, "pytest-collection")),
            ("gate.unreported", "unreported failure: exit 1", "", (Category::Unreported, "unreported")),
            ("", "worker 'gw1' crashed while running 'test_a'", "", (Category::Crash, "pytest-crash")),
            ("ValueError", "odd", "", (Category::Unknown, "none")),
        ] {
            assert_eq!(category(kind, message, text), wanted, "{kind} {message} {text}");
        }
    }

    #[test]
    fn names_of_rules_are_unique() {
        let names: std::collections::BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }

    /// The same as looking for one word after the other.
    #[test]
    fn words_that_overlap_are_all_found() {
        let words: Vec<&str> = RULES.iter().flat_map(|rule| rule.words).copied().collect();
        for seed in 0..5000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut text = String::new();
            for _ in 0..random.usize(..4) {
                let word = words[random.usize(..words.len())];
                // Words that share a part: the end of the text is cut before the next one.
                let shared = (0..=word.len().min(text.len()))
                    .rev()
                    .find(|length| text.is_char_boundary(text.len() - length) && word.starts_with(&text[text.len() - length..]));
                text.push_str(&word[shared.unwrap_or(0)..]);
                text.push_str(["", " ", "é"][random.usize(..3)]);
            }
            let wanted = RULES.iter().find(|rule| rule.words.iter().any(|word| text.contains(word)));
            assert_eq!(category("", "", &text).1, wanted.map_or("none", |rule| rule.name), "{text}");
        }
    }
}
