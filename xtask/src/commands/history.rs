//! `history import` and `history export`: what happened on other machines, and the way there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{print, remember, repository, say};
use crate::cli::{ExportFormat, HistoryCommand, Place};
use crate::history::{CaseHistory, Export, Store};
use crate::model::Exit;
use crate::rundir::RunDir;
use crate::text::plural;

pub(super) fn run(place: &Place, command: &HistoryCommand) -> anyhow::Result<Exit> {
    let repository = repository(place)?;
    let mut store = match remember::caught_up(&repository) {
        Ok(store) => store,
        Err(fault) => {
            say(&format!("error: {fault}"));
            return Ok(Exit::Environment);
        }
    };
    match command {
        HistoryCommand::Import { paths } => import(&mut store, paths),
        HistoryCommand::Export { format: ExportFormat::Json } => {
            let export = store.export()?;
            print(&serde_json::to_string(&export).context("failed to write JSON")?);
            Ok(Exit::Pass)
        }
        HistoryCommand::Export { format: ExportFormat::Csv } => {
            csv(&store.tally()?);
            Ok(Exit::Pass)
        }
    }
}

/// What a place gives the history.
#[derive(Default)]
struct Found {
    runs: Vec<RunDir>,
    exports: Vec<(PathBuf, Export)>,
}

/// A place that holds neither a run nor an export is an error before anything is taken in, and so is an export that does not hold together.
fn import(store: &mut Store, paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let mut found = Found::default();
    for path in paths {
        look(path, &mut found)?;
    }
    let mut lessons = Vec::new();
    for (file, export) in &found.exports {
        lessons.extend(export.lessons().map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))?);
    }
    let (mut learned, mut known) = (0, 0);
    let mut count = |new: bool| if new { learned += 1 } else { known += 1 };
    for (place, run) in found.runs.iter().enumerate() {
        match remember::learn(run, store, place + 1 == found.runs.len() && lessons.is_empty())? {
            Some(new) => count(new),
            None => say(&format!("note: {} holds no run: its journal has no first event", run.path().display())),
        }
    }
    for lesson in &lessons {
        count(store.learn(lesson)?);
    }
    say(&format!("imported {}, {known} known already", plural(learned, "run")));
    Ok(Exit::Pass)
}

fn look(path: &Path, found: &mut Found) -> anyhow::Result<()> {
    let shown = path.display();
    if path.is_file() && path.file_name().is_some_and(|name| name != "events.jsonl") {
        found.exports.push((path.to_owned(), exported(path)?));
        return Ok(());
    }
    let folder = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    anyhow::ensure!(folder.is_dir(), "failed to find `{shown}`");
    let runs = remember::run_folders(folder);
    let exports = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_name() == "history.json");
    let exports = exports.map(|entry| Ok((entry.path().to_owned(), exported(entry.path())?))).collect::<anyhow::Result<Vec<_>>>()?;
    let hint = "a folder with .gates/runs/<id> of another machine, or the output of `history export`";
    anyhow::ensure!(runs.iter().any(remember::has_begun) || !exports.is_empty(), "there is no run and no history.json below `{shown}`\n  hint: {hint}");
    found.runs.extend(runs);
    found.exports.extend(exports);
    Ok(())
}

fn exported(file: &Path) -> anyhow::Result<Export> {
    let text = std::fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
    Export::parse(&text).map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))
}

fn csv(tally: &[CaseHistory]) {
    print("gate,owner,case,state,red,executions,upper95,category,fingerprint,trend,first_seen,last_seen");
    let cell = |text: &str| {
        // A cell that begins like a formula must not become one in a spreadsheet.
        let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    for case in tally {
        let print_ = case.print.map(|print| format!("{print:016x}")).unwrap_or_default();
        let cells = [
            cell(&case.gate),
            cell(&case.owner),
            cell(&case.case),
            case.standing.state.word().to_owned(),
            case.red.to_string(),
            case.executions.to_string(),
            format!("{:.4}", case.upper95),
            case.category.clone(),
            print_,
            case.standing.trend.to_owned(),
            case.first.clone(),
            case.last.clone(),
        ];
        print(&cells.join(","));
    }
}
