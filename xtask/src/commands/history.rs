//! `history import` and `history export`: what happened on other machines, and the way there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{print, remember, repository, say};
use crate::cli::{ExportFormat, HistoryCommand, Place};
use crate::history::{CaseHistory, Export, Lesson, Store};
use crate::model::Exit;
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

/// All or nothing: a place that holds neither a run nor an export is an error before anything is taken in.
fn import(store: &mut Store, paths: &[PathBuf]) -> anyhow::Result<Exit> {
    let mut lessons: Vec<Lesson> = Vec::new();
    for path in paths {
        lessons.extend(lessons_at(path)?);
    }
    let total = lessons.len() as u64;
    let mut learned = 0;
    for lesson in lessons {
        learned += u64::from(store.learn(&lesson)?);
    }
    say(&format!("imported {}, {} known already", plural(learned, "run"), total - learned));
    Ok(Exit::Pass)
}

fn lessons_at(path: &Path) -> anyhow::Result<Vec<Lesson>> {
    let shown = path.display();
    if path.is_file() && path.file_name().is_some_and(|name| name != "events.jsonl") {
        return exported(path);
    }
    let folder = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    anyhow::ensure!(folder.is_dir(), "failed to find `{shown}`");
    let mut lessons: Vec<Lesson> = Vec::new();
    for run in remember::run_folders(folder) {
        match remember::read(&run) {
            Some(lesson) => lessons.push(lesson),
            None => say(&format!("note: {} holds no run: its journal has no first event", run.path().display())),
        }
    }
    let exports = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_name() == "history.json");
    for export in exports {
        lessons.extend(exported(export.path())?);
    }
    let hint = "a folder with .gates/runs/<id> of another machine, or the output of `history export`";
    anyhow::ensure!(!lessons.is_empty(), "there is no run and no history.json below `{shown}`\n  hint: {hint}");
    Ok(lessons)
}

fn exported(file: &Path) -> anyhow::Result<Vec<Lesson>> {
    let text = std::fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
    let export = Export::parse(&text).map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))?;
    export.lessons().map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))
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
