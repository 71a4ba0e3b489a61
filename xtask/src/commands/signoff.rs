//! `signoff`: shows what is to be signed, asks, signs, and verifies what it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use time::OffsetDateTime;

use super::scene::{Stage, status, unwritten};
use super::{print, say};
use crate::cli::{Place, SignoffArgs};
use crate::evidence::sha256;
use crate::git::short;
use crate::model::Denial;
use crate::rundir::{RunDir, write_atomic};
use crate::signoff::statement::{self, Signoff};
use crate::signoff::{
    self, Accepted, Decision, Denied, Evaluated, Files, Key, NAMES, Names, Rules, SIGNOFFS, Scene, Separation, Sequence, Statement, View, Weighed, no,
};

pub(super) fn run(place: &Place, args: &SignoffArgs) -> anyhow::Result<u8> {
    Ok(status(attempt(place, args)))
}

/// Everything that is known before anybody is asked.
pub(super) struct Case<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) args: &'a SignoffArgs,
    pub(super) head: String,
    pub(super) tree: String,
    pub(super) unmerged: bool,
    pub(super) rules: Rules,
    pub(super) role: String,
    pub(super) key: Key,
    pub(super) principal: String,
    pub(super) files: Files,
    pub(super) evaluated: Evaluated,
    pub(super) bundle: Option<Vec<u8>>,
    pub(super) number: u32,
    pub(super) baseline: Option<(Sequence, Statement)>,
    pub(super) weighed: Weighed,
    pub(super) names: Option<Names>,
    pub(super) previous: Vec<Accepted>,
    pub(super) authors: BTreeSet<String>,
    pub(super) warnings: Vec<String>,
}

fn attempt(place: &Place, args: &SignoffArgs) -> Result<(), Denied> {
    let stage = Stage::of(place)?;
    let head = stage.git.commit("HEAD")?;
    let tree = clean(&stage, &head)?;
    let scene = stage.scene(&args.anchor, &head, None)?;
    signoff::names_are_allowed(&scene.git, &head)?;
    let case = collect(&stage, &scene, args, head.clone(), tree)?;
    let decision = if args.reject { Decision::Rejected } else { Decision::Approved };
    let folder = signoff::folder(&args.phase, case.number);
    let since = case.baseline.as_ref().map(|(_, statement)| signoff::commit_of(statement).to_owned());
    let view = View {
        title: args.phase.clone(),
        place: &folder,
        commit: &case.head,
        decision,
        signer: format!("{} as {}", case.principal, case.role),
        evaluated: &case.evaluated,
        weighed: &case.weighed,
        since: since.as_deref(),
        commits: scene.git.count(since.as_deref(), &case.head)?,
        authors: case.authors.iter().cloned().collect(),
        previous: &case.previous,
        added: case.names.as_ref().map_or(0, |old| added(old, &case.evaluated.inventory)),
        warnings: case.warnings.clone(),
    };
    print(signoff::text(&view).trim_end());
    confirm(args, &case.head, &head)?;
    let statement = super::statement::compose(&case, decision, since.clone(), view.commits)?;
    let paths = write(&stage, &case, &folder, &statement)?;
    finish(&stage, &case, args, &paths)
}

/// The files are the code of HEAD, whatever the index hides; gives back that code's tree.
fn clean(stage: &Stage, head: &str) -> Result<String, Denied> {
    let (now, then) = (stage.git.work_tree(head)?, stage.git.code_tree(head)?);
    if now == then {
        return Ok(then);
    }
    let hint = "commit or stash the changes; `git ls-files -v | grep '^[a-zS]'` lists files whose changes git status does not show";
    Err(no(Denial::Usage, format!("the files are not those of {}", short(head))).hint(hint))
}

fn collect<'a>(stage: &Stage, scene: &'a Scene<'a>, args: &'a SignoffArgs, head: String, tree: String) -> Result<Case<'a>, Denied> {
    let policy = scene.policy();
    let rules = policy.rules(&args.phase).map_err(|why| no(Denial::Usage, why))?;
    let role = args.role.clone().unwrap_or_else(|| rules.role.clone());
    let namespace = &policy.role.get(&role).ok_or_else(|| no(Denial::Usage, format!("--role {role}: the policy has no such role")))?.namespace;
    let unmerged = is_unmerged(scene, args, &head)?;
    let run = folder_of(stage, args)?;
    let (files, evaluated) = evidence(scene, args, &run, &head)?;
    same_code(scene, &evaluated, &head, &tree)?;
    let age = scene.now - evaluated.finished;
    if age > rules.max_evidence_age && !args.reject {
        let why = format!(
            "run {} ended on {}, and evidence may be {} old",
            evaluated.manifest.run,
            evaluated.manifest.finished_on,
            humantime::format_duration(rules.max_evidence_age)
        );
        return Err(no(Denial::Stale, why).hint(format!("xtask gate {} --profile release", args.phase)));
    }
    if let (Some(_), false) = (evaluated.red.first(), args.reject) {
        return Err(no(Denial::Failed, format!("run {} is not green:\n  {}", evaluated.manifest.run, evaluated.red.join("\n  ")))
            .hint("mend it and run it again; --reject puts a no on record"));
    }
    let key = signoff::key(args.key.as_deref(), &scene.git, &scene.chain.newest().signers, namespace)?;
    let principal = principal(scene, args, &key, namespace)?;
    let (number, joined) = number(stage, scene, &args.phase, &files, &principal, &head)?;
    let baseline = signoff::baseline(scene, &head, &args.phase, number)?;
    let base = baseline.as_ref().map(|(_, statement)| signoff::commit_of(statement).to_owned());
    let names = baseline.as_ref().and_then(|(sequence, _)| sequence.evidence(&scene.git).ok()).and_then(|files| signoff::names(&files).ok());
    let weighed = signoff::weigh(scene, base.as_deref(), &head, &head, names.as_ref().map(|names| (names, &evaluated.inventory)))?;
    if !args.reject {
        signoff::refuse(&weighed, base.as_deref().unwrap_or_default(), &head)?;
    }
    let config = scene.config(&head, evaluated.finished)?;
    let requires = config.phases.get(&args.phase).map(|phase| phase.requires.clone()).unwrap_or_default();
    let previous = if args.reject { Vec::new() } else { requires.iter().map(|phase| signoff::required(scene, phase, &head)).collect::<Result<Vec<_>, _>>()? };
    let bundle = bundle(scene, args, &rules, &files, &evaluated)?;
    let authors = scene.git.authors(base.as_deref(), &head)?;
    let warnings = warnings(scene, args, &rules, &principal, &authors, unmerged)?;
    Ok(Case {
        scene,
        args,
        head: joined.unwrap_or(head),
        tree,
        unmerged,
        rules,
        role,
        key,
        principal,
        files,
        evaluated,
        bundle,
        number,
        baseline,
        weighed,
        names,
        previous,
        authors,
        warnings,
    })
}

/// The commit is on the protected branch: a squash would leave its sign-off about nothing.
fn is_unmerged(scene: &Scene<'_>, args: &SignoffArgs, head: &str) -> Result<bool, Denied> {
    let Some(protected) = &scene.protected else { return Ok(false) };
    if scene.git.is_ancestor(head, protected)? {
        return Ok(false);
    }
    if args.recorded.allow_unmerged {
        return Ok(true);
    }
    let why = format!("{} is not on the protected branch ({})", short(head), scene.anchored);
    Err(no(Denial::Usage, why).hint("merge it first, or --allow-unmerged where no squash or rebase will replace it"))
}

fn folder_of(stage: &Stage, args: &SignoffArgs) -> Result<RunDir, Denied> {
    if let Some(folder) = &args.evidence {
        return RunDir::at(folder).ok_or_else(|| no(Denial::Usage, format!("--evidence {} is no folder", folder.display())));
    }
    let absent = |why: String| no(Denial::Absent, why).hint(format!("xtask gate {} --profile release", args.phase));
    stage.repository.gates.find_run(&args.run).map(|id| stage.repository.gates.run(&id)).map_err(absent)
}

/// The kept files of a run, evaluated, and every other file of it compared with the manifest.
fn evidence(scene: &Scene<'_>, args: &SignoffArgs, run: &RunDir, head: &str) -> Result<(Files, Evaluated), Denied> {
    let read = |name: &str| {
        std::fs::read(run.file(name)).map_err(|cause| {
            let why = format!("{}: {cause}", run.file(name).display());
            no(Denial::Absent, why)
                .hint(format!("only whole runs of profile release that came to their end are evidence: xtask gate {} --profile release", args.phase))
        })
    };
    let files =
        Files { place: run.path().display().to_string(), manifest: read(NAMES[0])?, report: read(NAMES[1])?, junit: read(NAMES[2])?, tally: read(NAMES[3])? };
    let manifest = crate::evidence::Manifest::parse(&files.manifest).map_err(|why| no(Denial::Invalid, format!("{}/manifest.json: {why}", files.place)))?;
    let config = scene.config(head, statement::moment("manifest.json", "finishedOn", &manifest.finished_on)?)?;
    let evaluated = signoff::evaluate(&files, &args.phase, &config)?;
    signoff::check_folder(run, &files, &evaluated)?;
    Ok((files, evaluated))
}

/// The run was of this code; commits that only touch `.gates/` may lie between.
fn same_code(scene: &Scene<'_>, evaluated: &Evaluated, head: &str, tree: &str) -> Result<(), Denied> {
    let ran = &evaluated.manifest.commit;
    if scene.git.commit(ran).and_then(|ran| scene.git.code_tree(&ran))? == tree {
        return Ok(());
    }
    let why = format!("run {} was of {}, and the code of {} is another one", evaluated.manifest.run, short(ran), short(head));
    Err(no(Denial::Stale, why).hint("run the gates on this commit"))
}

fn principal(scene: &Scene<'_>, args: &SignoffArgs, key: &Key, namespace: &str) -> Result<String, Denied> {
    let trust = scene.chain.newest();
    let finger = key.public.fingerprint(ssh_key::HashAlg::Sha256);
    if trust.revoked.has(key.public.key_data()) {
        return Err(no(Denial::Invalid, format!("the key {finger} is revoked")).hint("sign with another key"));
    }
    let wanted = args.principal.as_ref().map(|name| name.to_lowercase());
    let mine = |line: &&signoff::Line| {
        let named = wanted.as_ref().is_none_or(|wanted| line.principals.contains(wanted));
        named && line.key.key_data() == key.public.key_data() && line.namespaces.iter().any(|one| one == namespace)
    };
    let line = trust.signers.lines.iter().find(mine);
    let unlisted = || {
        no(Denial::Invalid, format!("{} does not list the key {finger} for `{namespace}`", trust.place))
            .hint("xtask trust rotate adds a key; the roots sign it with xtask trust update")
    };
    let line = line.ok_or_else(unlisted)?;
    if !line.holds_at(scene.now) {
        return Err(no(Denial::Stale, format!("the key {finger} is not valid now (allowed_signers:{})", line.number)).hint("sign with a key that is"));
    }
    Ok(wanted.or_else(|| line.principals.first().cloned()).unwrap_or_default())
}

/// The sequence to write: the newest one, where it holds the same evidence and this person has not signed it yet, with the commit that the
/// others have signed; else the next.
fn number(stage: &Stage, scene: &Scene<'_>, phase: &str, files: &Files, principal: &str, head: &str) -> Result<(u32, Option<String>), Denied> {
    let committed = signoff::sequences(&scene.git, head, phase)?.last().map_or(0, |sequence| sequence.number);
    let top = stage.repository.root.join(SIGNOFFS).join(phase);
    let names = std::fs::read_dir(&top).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let newest = names.max().unwrap_or(0).max(committed);
    let folder = stage.repository.root.join(signoff::folder(phase, newest));
    let same = std::fs::read(folder.join(NAMES[0])).is_ok_and(|bytes| bytes == files.manifest);
    let statements = std::fs::read_dir(&folder).into_iter().flatten().flatten().filter(|entry| entry.file_name().to_string_lossy().ends_with(".json"));
    let said: Vec<Signoff> =
        statements.filter_map(|entry| statement::parse::<Signoff>("", &std::fs::read(entry.path()).ok()?).ok()).map(|statement| statement.predicate).collect();
    let first = said.first().map(|one| one.change.to.clone());
    match first.filter(|_| same && said.iter().all(|one| one.decision == Decision::Approved && one.signer.principal != principal)) {
        // All of them sign one commit; what came since is below `.gates/` alone, or the code would be another one.
        Some(commit) if scene.git.code_tree(&commit)? == scene.git.code_tree(head)? => Ok((newest, Some(commit))),
        _ => Ok((newest + 1, None)),
    }
}

fn bundle(scene: &Scene<'_>, args: &SignoffArgs, rules: &Rules, files: &Files, evaluated: &Evaluated) -> Result<Option<Vec<u8>>, Denied> {
    let Some(file) = &args.bundle else {
        if rules.require_ci && !args.reject {
            let hint = "gh attestation download manifest.json, then --bundle FILE";
            return Err(no(Denial::Absent, "the policy says require_ci, and there is no --bundle").hint(hint));
        }
        return Ok(None);
    };
    let bytes = std::fs::read(file).map_err(|cause| no(Denial::Usage, format!("--bundle {}: {cause}", file.display())))?;
    if let Some(github) = scene.policy().github() {
        signoff::attested(github, &file.display().to_string(), &files.manifest, &bytes, &evaluated.manifest.commit)?;
    }
    Ok(Some(bytes))
}

fn warnings(scene: &Scene<'_>, args: &SignoffArgs, rules: &Rules, principal: &str, authors: &BTreeSet<String>, unmerged: bool) -> Result<Vec<String>, Denied> {
    let mut warnings = Vec::new();
    if authors.contains(principal) && rules.separation != Separation::None && !args.reject {
        let why = format!("{principal} wrote a commit since the last sign-off, and the policy wants somebody else");
        return Err(no(Denial::Approvals, why).hint("another principal of the role signs"));
    }
    if authors.contains(principal) {
        warnings.push(format!("SELF-APPROVED: {principal} wrote a commit since the last sign-off"));
    }
    if !rules.require_ci {
        warnings.push("UNATTESTED: nobody but the signer vouches for where the run was made".to_owned());
    }
    if unmerged {
        warnings.push("the commit is not on the protected branch yet".to_owned());
    }
    let steers = |name: &String| name.starts_with(".env") || name.contains("/.env") || name.ends_with(".cargo/config.toml");
    warnings.extend(scene.git.ignored()?.into_iter().filter(steers).map(|name| format!("{name} is ignored by git, and can steer a build")));
    Ok(warnings)
}

fn added(old: &Names, new: &BTreeMap<String, BTreeSet<String>>) -> usize {
    new.iter().map(|(gate, names)| old.get(gate).map_or(names.len(), |old| names.difference(old).count())).sum()
}

/// The person types the phase and the commit; a program names the whole commit: the signed one or HEAD, which has the same code.
fn confirm(args: &SignoffArgs, signed: &str, head: &str) -> Result<(), Denied> {
    if args.yes {
        let same = args.commit.as_deref().is_some_and(|said| said == signed || said == head);
        return if same {
            Ok(())
        } else {
            Err(no(Denial::Usage, format!("--commit {} is not HEAD, which is {head}", args.commit.as_deref().unwrap_or_default())))
        };
    }
    if !console::user_attended() {
        return Err(no(Denial::Usage, "nobody is there to confirm").hint(format!("--yes --commit {head}")));
    }
    let wanted = format!("{} {}", args.phase, short(signed));
    say(&format!("type `{wanted}` to sign"));
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|cause| no(Denial::Usage, format!("nothing can be read: {cause}")))?;
    if line.trim() == wanted { Ok(()) } else { Err(no(Denial::Usage, "nothing was signed: the words were others")) }
}

/// Writes and signs; what could not be signed is taken away again.
fn write(stage: &Stage, case: &Case<'_>, folder: &str, statement: &Statement) -> Result<Vec<String>, Denied> {
    let root = &stage.repository.root;
    let who = signoff::who(&case.principal, |name| root.join(folder).join(format!("signoff.{name}.json")).exists());
    let file = format!("{folder}/signoff.{who}.json");
    let gates = statement.predicate.policy.gates.digest.sha256.clone().unwrap_or_default();
    let result = signoff::test_result(&case.evaluated, &sha256(&case.files.manifest), &gates)?;
    let mut parts: Vec<(String, Vec<u8>)> = NAMES
        .iter()
        .map(|name| format!("{folder}/{name}"))
        .zip([&case.files.manifest, &case.files.report, &case.files.junit, &case.files.tally].map(Clone::clone))
        .collect();
    parts.push((format!("{folder}/evidence.intoto.json"), result));
    parts.extend(case.bundle.iter().map(|bytes| (format!("{folder}/ci.sigstore.jsonl"), bytes.clone())));
    let fresh = !root.join(folder).exists();
    parts.push((file.clone(), statement::bytes(statement)?));
    let leaks =
        parts.iter().map(|(name, bytes)| crate::evidence::scan_text(name, bytes)).collect::<Result<Vec<_>, _>>().map_err(|why| no(Denial::Unknown, why))?;
    if let Some(leak) = leaks.iter().flatten().next() {
        return Err(no(Denial::Failed, format!("{}:{} would publish what looks like a secret: {}", leak.file, leak.line, leak.rule)));
    }
    stage.repository.gates.ignore().map_err(|cause| unwritten(".gates/.gitignore", &cause))?;
    for (name, bytes) in &parts {
        write_atomic(&root.join(name), bytes).map_err(|cause| unwritten(name, &cause))?;
    }
    let order =
        signoff::Order { key: &case.key, namespace: &case.scene.policy().role[&case.role].namespace, file: &root.join(&file), interactive: !case.args.yes };
    let signed = signoff::sign(&order).and_then(|signature| checked(case, &file, &root.join(&file), &signature));
    if let Err(denied) = signed {
        // Nothing half is left: the folder is new, or only our own statement is.
        let removed = if fresh { std::fs::remove_dir_all(root.join(folder)) } else { std::fs::remove_file(root.join(&file)) };
        removed.ok();
        return Err(denied);
    }
    Ok(parts.into_iter().map(|(name, _)| name).chain([format!("{file}.sig")]).collect())
}

/// What was written is read back and verified with the trust that others will use.
fn checked(case: &Case<'_>, file: &str, statement: &PathBuf, signature: &PathBuf) -> Result<(), Denied> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|cause| unwritten(&path.display().to_string(), &cause));
    let trust = case.scene.chain.newest();
    let namespace = &trust.policy.role[&case.role].namespace;
    signoff::signed_by(&trust.signers, &trust.revoked, namespace, file, &read(statement)?, &read(signature)?).map(|_| ())
}

fn finish(stage: &Stage, case: &Case<'_>, args: &SignoffArgs, paths: &[String]) -> Result<(), Denied> {
    let phase = &args.phase;
    let statement = paths.last().map(|name| name.trim_end_matches(".sig")).unwrap_or_default();
    say(&format!("wrote {statement} and its signature; it holds until {}", statement::written(OffsetDateTime::now_utc() + case.rules.expires)));
    if args.recorded.commit_evidence {
        let what = if args.reject { "rejected" } else { "approved" };
        let commit = stage.git.commit_only(&[SIGNOFFS.to_owned()], &format!("sign-off: {phase} {:04} {what} by {}", case.number, case.principal))?;
        say(&format!("committed it as {}", short(&commit)));
    } else {
        say(&format!("next: git add {SIGNOFFS} && git commit, then `xtask verify {phase}`"));
    }
    Ok(())
}
