//! Exceptions to a rule, each with what it may reach, who answers for it, and until when: they may shrink and never grow. Knows no rule.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// An exception.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it may reach.
    pub count: u64,
    /// Who answers for it.
    pub owner: String,
    /// Why there is one.
    pub reason: String,
    /// Last day, as `2027-01-31`.
    pub expires: String,
}

/// All exceptions of a file, by what they are of.
#[derive(Clone, Debug, Default)]
pub struct Ratchet {
    /// By name.
    pub exceptions: BTreeMap<String, Exception>,
    /// The file, relative to the root; empty where there is none.
    pub file: String,
    today: Option<time::Date>,
}

impl Ratchet {
    /// Reads a file of tables; without a name there are no exceptions.
    pub fn read(root: &Path, name: Option<&str>, today: time::Date) -> Result<Self, String> {
        let Some(name) = name else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(root.join(name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        let exceptions: BTreeMap<String, Exception> = toml::from_str(&text).map_err(|cause| format!("{name}: {cause}"))?;
        for (of, exception) in &exceptions {
            if exception.owner.trim().is_empty() || exception.reason.trim().is_empty() {
                return Err(format!("{name}: the exception of `{of}` has no owner or no reason"));
            }
            date(&exception.expires).ok_or_else(|| format!("{name}: `{of}` expires on `{}`, which is no date (2027-01-31)", exception.expires))?;
        }
        Ok(Self { exceptions, file: name.to_owned(), today: Some(today) })
    }

    /// What is wrong with a count, against the limit or an exception of it.
    pub fn judge(&self, of: &str, count: u64, limit: u64, unit: &str) -> Option<String> {
        let Some(exception) = self.exceptions.get(of) else {
            return (count > limit).then(|| format!("{count} {unit}, {limit} are allowed"));
        };
        let file = &self.file;
        if count > exception.count {
            return Some(format!("{count} {unit}, its exception allows {} and may not grow ({file}, {})", exception.count, exception.owner));
        }
        if count <= limit {
            return Some(format!("{count} {unit}: it needs no exception any more; take it out of {file}"));
        }
        let over = date(&exception.expires).zip(self.today).is_some_and(|(last, today)| last < today);
        over.then(|| format!("{count} {unit}, and its exception ended on {} ({file}, {})", exception.expires, exception.owner))
    }

    /// Exceptions of what is not there.
    pub fn stale<'a>(&'a self, known: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a str> + 'a {
        self.exceptions.keys().map(String::as_str).filter(move |of| !known(of))
    }
}

fn date(text: &str) -> Option<time::Date> {
    time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratchet(text: &str) -> Result<Ratchet, String> {
        let folder = tempfile::tempdir().expect("a folder");
        crate::rundir::write_atomic(&folder.path().join("r.toml"), text.as_bytes()).expect("written");
        Ratchet::read(folder.path(), Some("r.toml"), time::macros::date!(2026 - 06 - 01))
    }

    #[test]
    fn exceptions_may_shrink_and_never_grow() {
        let known = ratchet("[\"a.py\"]\ncount = 20\nowner = 'me'\nreason = 'old'\nexpires = '2026-06-01'\n").expect("good");
        let said = |of: &str, count| known.judge(of, count, 10, "lines").unwrap_or_default();
        assert_eq!((said("a.py", 20), said("a.py", 11), said("b.py", 10)), (String::new(), String::new(), String::new()));
        assert!(said("a.py", 21).contains("may not grow") && said("a.py", 10).contains("no exception any more") && said("b.py", 11).contains("10 are allowed"));
        assert_eq!(known.stale(|of| of != "a.py").collect::<Vec<_>>(), ["a.py"]);
        let over = ratchet("[\"a.py\"]\ncount = 20\nowner = 'me'\nreason = 'old'\nexpires = '2026-05-31'\n").expect("good");
        assert!(over.judge("a.py", 15, 10, "lines").expect("over").contains("ended on 2026-05-31"));
    }

    #[test]
    fn an_exception_names_owner_reason_and_end() {
        for (text, why) in [
            ("[a]\ncount = 1\nowner = ''\nreason = 'x'\nexpires = '2026-01-01'\n", "no owner"),
            ("[a]\ncount = 1\nowner = 'x'\nreason = 'x'\nexpires = 'soon'\n", "no date"),
            ("[a]\ncount = 1\n", "owner"),
            ("[a]\ncount = 1\nowner = 'x'\nreason = 'x'\nexpires = '2026-01-01'\nmore = 1\n", "more"),
        ] {
            assert!(ratchet(text).expect_err(text).contains(why), "{text}");
        }
    }
}
