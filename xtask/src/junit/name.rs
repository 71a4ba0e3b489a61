//! The printed name of a case, by the dialect of the tool that wrote it. Knows names only; two cases are one when their printed
//! names are equal.

use std::collections::{HashMap, HashSet};

/// Which tool wrote a report, as far as names are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `<testsuite name="pytest">`.
    Pytest,
    /// `<testsuites name="vitest tests">`.
    Vitest,
    /// A suite with a hostname whose cases are joined by ` › `.
    Playwright,
    /// `<testsuites name="jest tests">`.
    Jest,
    /// Everything else.
    #[default]
    Other,
}

/// The attributes that make a name.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Suites around the case.
    pub suites: &'a [String],
    /// Attribute `classname`.
    pub classname: &'a str,
    /// Attribute `name`.
    pub name: &'a str,
    /// Attribute `file`.
    pub file: &'a str,
}

/// The printed name, put into `out`.
pub fn printed(dialect: Dialect, case: Named<'_>, out: &mut String) {
    out.clear();
    let name = case.name.trim();
    let name = if name.is_empty() { "(no name)" } else { name };
    match dialect {
        Dialect::Pytest => pytest(case, name, out),
        Dialect::Vitest => join(case.classname, " > ", name, out),
        Dialect::Playwright => join(case.suites.last().map_or("", String::as_str), " › ", name, out),
        Dialect::Jest | Dialect::Other => {
            let class = case.classname.trim();
            let suite = case.suites.last().map_or("", String::as_str);
            join(if class.is_empty() { suite } else { class }, "::", name, out);
        }
    }
}

fn join(first: &str, by: &str, name: &str, out: &mut String) {
    if !first.is_empty() && first != name {
        out.push_str(first);
        out.push_str(by);
    }
    out.push_str(name);
}

/// xunit1 gives the file, and the class after the module: `tests/test_x.py::TestA::test_b`. xunit2 has dots only.
fn pytest(case: Named<'_>, name: &str, out: &mut String) {
    if case.file.is_empty() {
        // A module that could not be imported has no class, and its name is the module.
        return join(case.classname, "::", name, out);
    }
    let file = case.file.replace('\\', "/");
    let module = file.trim_end_matches(".py").replace('/', ".");
    let class = case.classname.strip_prefix(&module).unwrap_or("").trim_start_matches('.');
    out.push_str(&file);
    out.push_str("::");
    if !class.is_empty() {
        out.push_str(&class.replace('.', "::"));
        out.push_str("::");
    }
    out.push_str(name);
}

/// What stands for a name where many are remembered: its XXH3, 128 bits.
pub type Digest = [u8; 16];

/// The digest of a printed name.
pub fn digest(name: &str) -> Digest {
    xxhash_rust::xxh3::xxh3_128(name.as_bytes()).to_ne_bytes()
}

/// Gives equal names in one document an ordinal, except pytest's, which writes one test several times (call and teardown,
/// rerun attempts).
#[derive(Debug, Default)]
pub struct Ordinals {
    seen: HashSet<Digest>,
    /// How often those came that came again.
    again: HashMap<Digest, u32>,
}

impl Ordinals {
    /// Puts `~2` and so on behind the name of a repetition.
    pub fn unique(&mut self, dialect: Dialect, printed: &mut String) {
        if dialect == Dialect::Pytest {
            return;
        }
        let digest = digest(printed);
        if !self.seen.insert(digest) {
            let count = self.again.entry(digest).or_insert(1);
            *count += 1;
            printed.push('~');
            printed.push_str(&count.to_string());
        }
    }
}
