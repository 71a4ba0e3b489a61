//! The printed name of a case, by the dialect of the tool that wrote it. Knows names only; two cases are one when their printed
//! names are equal.

use std::collections::HashMap;

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

/// The printed name.
pub fn printed(dialect: Dialect, case: Named<'_>) -> String {
    let name = case.name.trim();
    let name = if name.is_empty() { "(no name)" } else { name };
    match dialect {
        Dialect::Pytest => pytest(case, name),
        Dialect::Vitest => join(case.classname, " > ", name),
        Dialect::Playwright => join(case.suites.last().map_or("", String::as_str), " › ", name),
        Dialect::Jest | Dialect::Other => {
            let class = case.classname.trim();
            let suite = case.suites.last().map_or("", String::as_str);
            join(if class.is_empty() { suite } else { class }, "::", name)
        }
    }
}

fn join(first: &str, by: &str, name: &str) -> String {
    if first.is_empty() || first == name { name.to_owned() } else { format!("{first}{by}{name}") }
}

/// xunit1 gives the file, and the class after the module: `tests/test_x.py::TestA::test_b`. xunit2 has dots only.
fn pytest(case: Named<'_>, name: &str) -> String {
    let file = case.file.replace('\\', "/");
    if file.is_empty() {
        // A module that could not be imported has no class, and its name is the module.
        return join(case.classname, "::", name);
    }
    let module = file.trim_end_matches(".py").replace('/', ".");
    let class = case.classname.strip_prefix(&module).unwrap_or("").trim_start_matches('.');
    let name = if class.is_empty() { name.to_owned() } else { format!("{}::{name}", class.replace('.', "::")) };
    format!("{file}::{name}")
}

/// Gives equal names in one document an ordinal, except pytest's, which writes one test several times (call and teardown,
/// rerun attempts).
#[derive(Debug, Default)]
pub struct Ordinals {
    seen: HashMap<String, u32>,
}

impl Ordinals {
    /// The name, with `~2` and so on for a repetition.
    pub fn unique(&mut self, dialect: Dialect, printed: String) -> String {
        if dialect == Dialect::Pytest {
            return printed;
        }
        let count = self.seen.entry(printed.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { printed } else { format!("{printed}~{count}") }
    }
}
