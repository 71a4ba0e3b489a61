//! `size-budget`: no source file has more lines than the budget, but for named exceptions that may shrink and never grow.

use super::{Check, Finding, Task};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;
use crate::ratchet::Ratchet;
use crate::rundir::add_measure;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "size-budget",
        keys: &[
            CheckKey { name: "max-lines", kind: "integer", required: true, doc: "most lines of a file" },
            CheckKey { name: "paths", kind: "list", required: true, doc: "globs of the files" },
            CheckKey { name: "ratchet", kind: "string", required: false, doc: "file of exceptions: a table a path with count, owner, reason, expires" },
        ],
    },
    doc: "no source file grows past a budget; exceptions may only shrink",
    run,
};

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let limit = task.integer("max-lines").unwrap_or_default();
    let ratchet = Ratchet::read(task.root, task.text("ratchet"), task.today)?;
    let files = task.files("paths")?;
    let mut most = 0;
    let mut findings = Vec::new();
    for name in &files {
        let bytes = std::fs::read(task.root.join(name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        let lines = lines(&bytes);
        most = most.max(lines);
        let wrong =
            ratchet.judge(name, lines, limit, "lines").map(|why| (format!("{name} has {why}"), "split it into modules with seams of their own".to_owned()));
        let line = if wrong.is_some() { u32::try_from(limit.min(lines)).unwrap_or(1) } else { 1 };
        findings.push(Finding { what: name.clone(), at: Location { file: name.clone(), line: line.max(1) }, wrong });
    }
    for stale in ratchet.stale(|of| files.iter().any(|name| name == of)) {
        let wrong = (format!("the exception of {stale} is of no file that is looked at"), format!("take it out of {}", ratchet.file));
        findings.push(Finding { what: stale.to_owned(), at: Location { file: ratchet.file.clone(), line: 1 }, wrong: Some(wrong) });
    }
    if let Some(out) = task.ambient.get("GATE_OUT") {
        add_measure(std::path::Path::new(out), "max-lines", most).map_err(|cause| format!("failed to write a measure: {cause}"))?;
    }
    Ok(findings)
}

/// Lines as an editor counts them: a last one without an end counts.
fn lines(bytes: &[u8]) -> u64 {
    let ends = bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
    ends + u64::from(bytes.last().is_some_and(|byte| *byte != b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        assert_eq!([&b""[..], b"a", b"a\n", b"a\nb", b"\n\n"].map(lines), [0, 1, 1, 2, 2]);
    }
}
