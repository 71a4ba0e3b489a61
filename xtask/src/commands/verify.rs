//! `verify`: whether a phase is signed for a commit.

use serde_json::json;

use super::scene::{Stage, status};
use super::{print, say};
use crate::cli::{Format, Place, VerifyArgs};
use crate::git::short;
use crate::model::Denial;
use crate::rundir::RunDir;
use crate::signoff::{self, Denied, Report, no};

pub(super) fn run(place: &Place, args: &VerifyArgs) -> anyhow::Result<u8> {
    let report = match verified(place, args) {
        Ok(report) => report,
        Err(denied) if args.format == Format::Json => {
            let code = denied.denial.code();
            print(&serde_json::to_string_pretty(&json!({ "schema": 1, "phase": args.phase, "holds": false, "exit": code, "denial": denial(&denied) }))?);
            return Ok(code);
        }
        Err(denied) => return Ok(status(Err(denied))),
    };
    let code = report.denied.as_ref().map_or(0, |denied| denied.denial.code());
    match args.format {
        Format::Json => print(&serde_json::to_string_pretty(&document(&report, code))?),
        Format::Text => show(&report, args.at.as_deref()),
    }
    Ok(code)
}

fn verified(place: &Place, args: &VerifyArgs) -> Result<Report, Denied> {
    let stage = Stage::of(place)?;
    let commit = stage.git.commit(&args.commit)?;
    if stage.git.is_shallow() {
        return Err(
            no(Denial::Unknown, "this clone is shallow: whether a commit is an ancestor cannot be said").hint("git fetch --unshallow, or fetch-depth: 0")
        );
    }
    let scene = stage.scene(&args.anchor, &commit, args.at.as_deref())?;
    let mut report = signoff::verify(&scene, &args.phase, &commit);
    if let (Some(folder), None, Some(accepted)) = (&args.evidence, &report.denied, report.accepted.last()) {
        let sequences = signoff::sequences(&scene.git, &commit, &args.phase)?;
        let sequence = sequences.iter().find(|sequence| sequence.number == accepted.number);
        let files = sequence.ok_or_else(|| no(Denial::Absent, format!("{} is gone", accepted.place)))?.evidence(&scene.git)?;
        let run = RunDir::at(folder).ok_or_else(|| no(Denial::Usage, format!("--evidence {} is no folder of a run", folder.display())))?;
        match signoff::check_folder(&run, &files, &accepted.evaluated) {
            Ok(()) => report.held.push((folder.display().to_string(), format!("{} files are those of manifest.json", accepted.evaluated.manifest.files.len()))),
            Err(denied) => report.denied = Some(denied),
        }
    }
    Ok(report)
}

fn show(report: &Report, at: Option<&str>) {
    let mut lines = vec![format!("verify {} at {}, trust from {}", report.phase, short(&report.commit), report.anchored)];
    lines.extend(at.map(|at| format!("  as of {at}, which is not now")));
    lines.extend(report.held.iter().map(|(place, what)| format!("  ok    {place}: {what}")));
    lines.extend(report.notes.iter().map(|note| format!("  note  {note}")));
    match &report.denied {
        None => {
            let signers: Vec<String> = report
                .accepted
                .last()
                .into_iter()
                .flat_map(|one| &one.statements)
                .map(|one| format!("{} on {}", one.predicate.signer.principal, one.predicate.signed_on))
                .collect();
            lines.push(format!("HOLDS  {} signed by {}", report.phase, signers.join(", ")));
            print(&lines.join("\n"));
        }
        Some(denied) => {
            print(&lines.join("\n"));
            say(&format!("DENIED {}\nerror: {denied}", denied.denial.word()));
        }
    }
}

fn denial(denied: &Denied) -> serde_json::Value {
    json!({ "kind": denied.denial.word(), "why": denied.why, "hint": denied.hint })
}

fn document(report: &Report, code: u8) -> serde_json::Value {
    let accepted: Vec<serde_json::Value> = report.accepted.iter().map(|one| {
        json!({
            "phase": one.phase, "sequence": one.number, "commit": one.commit, "statements": one.digests,
            "signers": one.statements.iter().map(|statement| json!({ "principal": statement.predicate.signer.principal, "signedOn": statement.predicate.signed_on })).collect::<Vec<_>>(),
            "verdict": one.evaluated.verdict,
        })
    }).collect();
    json!({
        "schema": 1, "phase": report.phase, "commit": report.commit, "trust": report.anchored, "holds": code == 0, "exit": code,
        "held": report.held.iter().map(|(place, what)| json!({ "place": place, "what": what })).collect::<Vec<_>>(),
        "notes": report.notes, "accepted": accepted, "denial": report.denied.as_ref().map(denial),
    })
}
