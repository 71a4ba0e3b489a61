//! gates.baseline: the cases that each gate once had, committed beside gates.toml, so that a test that vanishes is noticed. Knows names,
//! no reports.

use std::collections::{BTreeMap, BTreeSet};

/// Its name, beside gates.toml.
pub const FILE: &str = "gates.baseline";

const HEAD: &str = "# The cases of each gate. One that is gone fails its gate; `xtask baseline accept GATE` writes this file.\n";

/// Names of cases by gate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By gate.
    pub gates: BTreeMap<String, BTreeSet<String>>,
}

impl Baseline {
    /// Reads the file's text. The error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut gates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut gate: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let fault = |why: &str| format!("{FILE}:{}: {why}", index + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(id) = line.strip_prefix('[') {
                let id = id.strip_suffix(']').ok_or_else(|| fault("`[` without `]`"))?;
                gates.entry(id.to_owned()).or_default();
                gate = Some(id.to_owned());
                continue;
            }
            let own = gate.as_ref().and_then(|gate| gates.get_mut(gate)).ok_or_else(|| fault("a case before the first [GATE]"))?;
            own.insert(unescape(line).ok_or_else(|| fault("`\\` before something else than n, r, \\, [ or #"))?);
        }
        Ok(Self { gates })
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        for (gate, cases) in &self.gates {
            text.extend(["\n[", gate, "]\n"]);
            for case in cases {
                text.push_str(&escape(case));
                text.push('\n');
            }
        }
        text
    }
}

/// A name on one line that is neither a comment nor a gate.
fn escape(name: &str) -> String {
    let mut out = String::new();
    for (place, c) in name.chars().enumerate() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            '[' | '#' if place == 0 => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

fn unescape(line: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                c @ ('\\' | '[' | '#') => c,
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let names = ["a::b", "[x]", "# not a comment", "two\nlines\\n", " spaces ", "é › ü"];
        let baseline =
            Baseline { gates: [("g".to_owned(), names.iter().map(|name| (*name).to_owned()).collect()), ("empty".to_owned(), BTreeSet::new())].into() };
        assert_eq!(Baseline::parse(&baseline.render()), Ok(baseline));
        assert_eq!(Baseline::parse(""), Ok(Baseline::default()));
    }

    #[test]
    fn faults_have_a_line() {
        assert_eq!(Baseline::parse("# x\ncase").expect_err("no gate"), "gates.baseline:2: a case before the first [GATE]");
        assert_eq!(Baseline::parse("[g").expect_err("open"), "gates.baseline:1: `[` without `]`");
        assert!(Baseline::parse("[g]\na\\t").expect_err("escape").starts_with("gates.baseline:2"));
    }
}
