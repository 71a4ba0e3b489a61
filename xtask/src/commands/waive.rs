//! `waive`: a gate-owner allows a weaker gate for a time.

use time::{Duration, OffsetDateTime};

use super::scene::{Stage, status, unwritten};
use super::{print, say};
use crate::cli::{Place, WaiveArgs};
use crate::evidence::sha256;
use crate::git::short;
use crate::model::Denial;
use crate::rundir::write_atomic;
use crate::signoff::statement::{self, Digest, Envelope, Subject, WaivedChange, Waiving};
use crate::signoff::{self, Denied, Names, Order, Policy, Scene, WAIVERS, no};
use crate::weakening::Change;

pub(super) fn run(place: &Place, args: &WaiveArgs) -> anyhow::Result<u8> {
    Ok(status(attempt(place, args)))
}

fn attempt(place: &Place, args: &WaiveArgs) -> Result<(), Denied> {
    let stage = Stage::of(place)?;
    let head = stage.git.commit("HEAD")?;
    let scene = stage.scene(&args.anchor, &head, None)?;
    let until = until(&args.until, scene.now)?;
    let (base, names) = base(&stage, &scene, args, &head)?;
    let weighed = signoff::weigh(&scene, Some(&base), &head, &head, names.as_ref().map(|(old, new)| (old, new)))?;
    let meant = |change: &&Change| {
        args.paths.iter().any(|path| change.path == *path || change.path.starts_with(&format!("{path}.")) || change.path.starts_with(&format!("{path}[")))
    };
    let changes: Vec<WaivedChange> =
        weighed.open.iter().filter(meant).map(|change| WaivedChange { path: change.path.clone(), from: change.from.clone(), to: change.to.clone() }).collect();
    if changes.is_empty() {
        let open: Vec<&str> = weighed.open.iter().map(|change| change.path.as_str()).collect();
        let hint = if open.is_empty() { "xtask gates diff shows every change".to_owned() } else { format!("these want a waiver: {}", open.join(", ")) };
        return Err(
            no(Denial::Usage, format!("nothing below {} wants a waiver between {} and {}", args.paths.join(", "), short(&base), short(&head))).hint(hint)
        );
    }
    let policy = scene.policy();
    let role = policy.role.get("gate-owner").ok_or_else(|| no(Denial::Usage, "the policy has no [role.gate-owner]"))?;
    let signers = &scene.chain.newest().signers;
    let key = signoff::key(args.key.as_deref(), &stage.git, signers, &role.namespace)?;
    let who = signers.principal_of(&key.public, &role.namespace).filter(|who| role.principals.iter().any(|one| one.to_lowercase() == **who));
    let who = who.ok_or_else(|| no(Denial::Approvals, format!("the key {} is of no gate-owner", key.public.fingerprint(ssh_key::HashAlg::Sha256))))?;
    if scene.git.authors(Some(&base), &head)?.contains(who) {
        return Err(no(Denial::Approvals, format!("{who} wrote a commit between {} and {}", short(&base), short(&head))).hint("another gate-owner waives it"));
    }
    let id = next(&stage);
    let digest = |commit: &str| scene.gates(commit).map(|text| sha256(text.as_bytes()));
    let waiver = Envelope {
        kind: statement::TYPE.to_owned(),
        subject: vec![Subject { name: scene.manifest.clone(), uri: None, digest: Digest::sha256(digest(&head)?) }],
        predicate_type: Policy::predicate_type(&role.namespace),
        predicate: Waiving {
            resource_uri: policy.repository.clone(),
            id: id.clone(),
            changes,
            base: digest(&base)?,
            head: digest(&head)?,
            reason: args.reason.clone(),
            ticket: args.ticket.clone(),
            until: statement::written(until),
            principal: who.to_owned(),
            signed_on: statement::written(scene.now),
        },
    };
    let name = format!("{WAIVERS}/{id}.json");
    let file = stage.repository.root.join(&name);
    write_atomic(&file, &statement::bytes(&waiver)?).map_err(|cause| unwritten(&name, &cause))?;
    stage.repository.gates.ignore().map_err(|cause| unwritten(".gates/.gitignore", &cause))?;
    if let Err(denied) = signoff::sign(&Order { key: &key, namespace: &role.namespace, file: &file, interactive: console::user_attended() }) {
        std::fs::remove_file(&file).ok(); // an unsigned waiver would only confuse
        return Err(denied);
    }
    for change in &waiver.predicate.changes {
        print(&format!("{id}  {}: {} -> {}  until {}", change.path, change.from, change.to, waiver.predicate.until));
    }
    say(&format!("next: git add {WAIVERS} && git commit"));
    Ok(())
}

/// What is compared with, and the cases before and after where a phase is named.
fn base(stage: &Stage, scene: &Scene<'_>, args: &WaiveArgs, head: &str) -> Result<(String, Option<(Names, Names)>), Denied> {
    if let Some(phase) = &args.phase {
        let last = signoff::baseline(scene, head, phase, u32::MAX)?;
        let (sequence, statement) = last.ok_or_else(|| no(Denial::Absent, format!("{phase} was never signed: there is nothing to compare with")))?;
        let old = signoff::names(&sequence.evidence(&scene.git)?)?;
        let run = stage.repository.gates.find_run("latest").map_err(|why| no(Denial::Absent, why))?;
        let run = stage.repository.gates.run(&run);
        let junit = std::fs::read(run.file("junit.xml")).map_err(|cause| no(Denial::Absent, format!("{}: {cause}", run.file("junit.xml").display())))?;
        let new =
            signoff::names(&signoff::Files { place: run.path().display().to_string(), manifest: Vec::new(), report: Vec::new(), junit, tally: Vec::new() })?;
        let gates = statement.predicate.verdict.gates.iter().map(|gate| gate.id.clone()).collect::<Vec<_>>();
        let old = old.into_iter().filter(|(gate, _)| gates.contains(gate)).collect();
        return Ok((signoff::commit_of(&statement).to_owned(), Some((old, new))));
    }
    match (&args.base, &scene.protected) {
        (Some(name), _) => Ok((scene.git.commit(name)?, None)),
        (None, Some(protected)) => Ok((protected.clone(), None)),
        (None, None) => Err(no(Denial::Usage, "nothing to compare with").hint("--base REV, or --phase PHASE for its last sign-off")),
    }
}

/// A day, a time, or a span from now on.
fn until(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, Denied> {
    let day = time::Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).map(|day| day.midnight().assume_utc() + Duration::days(1));
    let span = || humantime::parse_duration(text).ok().map(|span| now + span);
    let until = day.ok().or_else(|| statement::moment("--until", "time", text).ok()).or_else(span);
    let until = until.ok_or_else(|| no(Denial::Usage, format!("--until {text} is no day")).hint("2026-12-31, or 30days"))?;
    if until <= now { Err(no(Denial::Usage, format!("--until {text} is over"))) } else { Ok(until) }
}

/// The next free name, in the files and in the history alike: a name is never used twice.
fn next(stage: &Stage) -> String {
    let folder = stage.repository.root.join(WAIVERS);
    let number = |name: &str| name.strip_prefix("W-")?.split('.').next()?.parse::<u32>().ok();
    let here = std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| number(&entry.file_name().to_string_lossy()));
    let committed = stage.git.list("HEAD", WAIVERS).unwrap_or_default();
    let committed = committed.iter().filter_map(|entry| number(entry.path.rsplit('/').next()?));
    format!("W-{}", here.chain(committed).max().unwrap_or(0) + 1)
}
