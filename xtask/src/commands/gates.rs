//! `gates diff`: what a change does to the gates.

use serde_json::json;

use super::scene::{Stage, status};
use super::{print, say};
use crate::cli::{AnchorArgs, Format, GatesCommand, Place};
use crate::git::short;
use crate::model::Denial;
use crate::signoff::{self, Denied, FOLDER, Names, Weighed, no};
use crate::weakening::{self, Change};

pub(super) fn run(place: &Place, command: &GatesCommand) -> anyhow::Result<u8> {
    let GatesCommand::Diff { base, format, anchor } = command;
    Ok(status(diff(place, base.as_deref(), *format, anchor)))
}

fn diff(place: &Place, base: Option<&str>, format: Format, anchor: &AnchorArgs) -> Result<(), Denied> {
    let stage = Stage::of(place)?;
    let head = stage.git.commit("HEAD")?;
    let base = if let Some(name) = base {
        stage.git.commit(name)?
    } else {
        let name = anchor.trust_ref.clone().or_else(|| stage.git.default_branch()).unwrap_or_else(|| "origin/main".to_owned());
        stage.git.commit(&name).map_err(|fault| no(Denial::Unknown, fault.0).hint("--base REF"))?
    };
    let (mut weighed, note) = match stage.scene(anchor, &head, None) {
        Ok(scene) => (signoff::weigh(&scene, Some(&base), &head, &head, names(&stage, &head)?.as_ref().map(|(old, new)| (old, new)))?, None),
        // Without a trust there is no waiver: what is weaker is told, and counts.
        Err(denied) => (plain(&stage, &base, &head)?, Some(format!("no waiver counts here: {}", denied.why))),
    };
    let policies = policies(&stage, &base, &head)?;
    weighed.changes.extend(policies);
    match format {
        Format::Json => {
            let document = json!({ "schema": 1, "base": base, "head": head, "changes": weighed.changes, "open": weighed.open, "waivers": weighed.waivers, "gone": weighed.gone, "refused": weighed.refused });
            print(&serde_json::to_string_pretty(&document).unwrap_or_default());
        }
        Format::Text => show(&weighed, &base, &head, note.as_deref()),
    }
    signoff::refuse(&weighed, &base, &head)
}

fn show(weighed: &Weighed, base: &str, head: &str, note: Option<&str>) {
    print(&format!("gates.toml from {} to {}", short(base), short(head)));
    for change in &weighed.changes {
        let state = if weighed.open.contains(change) {
            "  WANTS A WAIVER"
        } else if change.class.wants_waiver() && !change.path.starts_with("policy.") {
            "  waived"
        } else {
            ""
        };
        let shown = |value: &str| if value.is_empty() { "nothing".to_owned() } else { value.to_owned() };
        print(&format!("  {:<10} {}: {} -> {}{state}", change.class.word(), change.path, shown(&change.from), shown(&change.to)));
    }
    for case in &weighed.gone {
        print(&format!("  gone       {case}"));
    }
    if weighed.changes.is_empty() && weighed.gone.is_empty() {
        print("  nothing changed");
    }
    for why in &weighed.refused {
        say(&format!("note: {why}"));
    }
    if let Some(note) = note {
        say(&format!("note: {note}"));
    }
}

/// Changes where nobody's waiver can count.
fn plain(stage: &Stage, base: &str, head: &str) -> Result<Weighed, Denied> {
    let text = |commit: &str| -> Result<Option<String>, Denied> {
        Ok(stage.git.file(commit, &stage.manifest)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let head = text(head)?.ok_or_else(|| no(Denial::Unknown, format!("there is no {} at HEAD", stage.manifest)))?;
    let changes = weakening::gates(text(base)?.as_deref(), &head).map_err(|why| no(Denial::Unknown, why))?;
    let open = changes.iter().filter(|change| change.class.wants_waiver()).cloned().collect();
    Ok(Weighed { changes, open, ..Weighed::default() })
}

/// What became of the policy: the roots have to sign it, so it wants no waiver here.
fn policies(stage: &Stage, base: &str, head: &str) -> Result<Vec<Change>, Denied> {
    let text = |commit: &str| -> Result<Option<String>, Denied> {
        Ok(stage.git.file(commit, &format!("{FOLDER}/policy.toml"))?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    match text(head)? {
        Some(now) => weakening::policy(text(base)?.as_deref(), &now).map_err(|why| no(Denial::Unknown, why)),
        None => Ok(Vec::new()),
    }
}

/// Cases of the newest sign-offs, and of the latest run that can be evidence for the same gates.
fn names(stage: &Stage, head: &str) -> Result<Option<(Names, Names)>, Denied> {
    let gates = &stage.repository.gates;
    let Some(run) = gates.run_ids().into_iter().rev().map(|id| gates.run(&id)).find(|run| run.file("manifest.json").is_file()) else { return Ok(None) };
    let read = |name: &str| std::fs::read(run.file(name)).unwrap_or_default();
    let files = signoff::Files {
        place: run.path().display().to_string(),
        manifest: read("manifest.json"),
        report: Vec::new(),
        junit: read("junit.xml"),
        tally: Vec::new(),
    };
    let new = signoff::names(&files)?;
    let manifest = crate::evidence::Manifest::parse(&read("manifest.json")).map_err(|why| no(Denial::Invalid, format!("{}: {why}", run.path().display())))?;
    let mut old = Names::new();
    for phase in &manifest.phases {
        if let Some(sequence) = signoff::sequences(&stage.git, head, phase)?.last() {
            old.extend(signoff::names(&sequence.evidence(&stage.git)?)?);
        }
    }
    Ok((!old.is_empty()).then_some((old, new)))
}
