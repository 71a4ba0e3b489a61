//! `evidence`: sign-offs, their files, and what others make of them.

use serde_json::json;

use super::scene::{Stage, status, unwritten};
use super::{ambient, print, say};
use crate::cli::{EvidenceCommand, ExportArgs, Format, Place, Shown};
use crate::evidence::{self, Manifest, sha256};
use crate::model::Denial;
use crate::rundir::{RunDir, write_atomic};
use crate::signoff::{self, Decision, Denied, NAMES, SIGNOFFS, Sequence, Statement, no, statement};

pub(super) fn run(place: &Place, command: &EvidenceCommand) -> anyhow::Result<u8> {
    Ok(status(match command {
        EvidenceCommand::Check { folder } => check(folder),
        EvidenceCommand::Scan { folder } => scan(folder),
        EvidenceCommand::List { format } => Stage::of(place).and_then(|stage| list(&stage, *format)),
        EvidenceCommand::Show { phase, sequence, format } => Stage::of(place).and_then(|stage| show(&stage, phase, *sequence, *format)),
        EvidenceCommand::Explain { phase, sequence } => Stage::of(place).and_then(|stage| explain(&stage, phase, *sequence)),
        EvidenceCommand::Export(args) => Stage::of(place).and_then(|stage| export(&stage, args)),
    }))
}

fn run_in(folder: &std::path::Path) -> Result<RunDir, Denied> {
    RunDir::at(folder).filter(|_| folder.is_dir()).ok_or_else(|| no(Denial::Usage, format!("{} is no folder of a run", folder.display())))
}

fn check(folder: &std::path::Path) -> Result<(), Denied> {
    let run = run_in(folder)?;
    let file = run.file("manifest.json");
    let bytes = std::fs::read(&file).map_err(|cause| no(Denial::Absent, format!("{}: {cause}", file.display())))?;
    let manifest = Manifest::parse(&bytes).map_err(|why| no(Denial::Invalid, format!("{}: {why}", file.display())))?;
    evidence::check(&run, &manifest).map_err(|wrong| no(Denial::Invalid, format!("{}:\n  {}", folder.display(), wrong.join("\n  "))))?;
    print(&format!("{} files are those of manifest.json sha256:{}", manifest.files.len(), sha256(&bytes)));
    Ok(())
}

fn scan(folder: &std::path::Path) -> Result<(), Denied> {
    let leaks = evidence::scan(&run_in(folder)?).map_err(|why| no(Denial::Unknown, why))?;
    for leak in &leaks {
        print(&format!("{}:{}: {}", leak.file, leak.line, leak.rule));
    }
    match leaks.len() {
        0 => Ok(()),
        many => Err(no(Denial::Failed, format!("{} in {}", crate::text::plural(many as u64, "possible secret"), folder.display()))),
    }
}

/// A statement with its file and digest; nothing is verified.
type Told = (String, Statement, String);

fn statements(stage: &Stage, sequence: &Sequence) -> Result<Vec<Told>, Denied> {
    let raws = sequence.statements(&stage.git)?;
    raws.iter().map(|raw| Ok((raw.file.clone(), statement::parse(&raw.file, &raw.bytes)?, sha256(&raw.bytes)))).collect()
}

fn sequence(stage: &Stage, phase: &str, wanted: Option<u32>) -> Result<(Sequence, Vec<Told>), Denied> {
    let head = stage.git.commit("HEAD")?;
    let sequences = signoff::sequences(&stage.git, &head, phase)?;
    let found = sequences.into_iter().rev().find(|sequence| wanted.is_none_or(|wanted| wanted == sequence.number));
    let found = found.ok_or_else(|| no(Denial::Absent, format!("HEAD has no such sign-off below {SIGNOFFS}/{phase}")).hint("xtask evidence list"))?;
    let told = statements(stage, &found)?;
    if told.is_empty() { Err(no(Denial::Absent, format!("{}: nobody has signed", found.place))) } else { Ok((found, told)) }
}

fn list(stage: &Stage, format: Format) -> Result<(), Denied> {
    let head = stage.git.commit("HEAD")?;
    let mut phases: Vec<String> = stage
        .git
        .list(&head, SIGNOFFS)?
        .iter()
        .filter_map(|entry| Some(entry.path.strip_prefix(SIGNOFFS)?.trim_start_matches('/').split('/').next()?.to_owned()))
        .collect();
    phases.dedup();
    let mut rows = Vec::new();
    for phase in phases.iter().filter(|phase| !phase.starts_with('_')) {
        for sequence in signoff::sequences(&stage.git, &head, phase)? {
            for (file, told, digest) in statements(stage, &sequence)? {
                let said = told.predicate;
                let decision = if said.decision == Decision::Approved { "APPROVED" } else { "REJECTED" };
                if format == Format::Text {
                    print(&format!(
                        "{phase} {:04}  {decision}  {}  {}  {}  {}",
                        said.sequence, said.signed_on, said.signer.principal, said.verdict.result, said.change.to
                    ));
                }
                rows.push(json!({ "phase": phase, "sequence": said.sequence, "decision": decision, "principal": said.signer.principal, "role": said.signer.role, "signedOn": said.signed_on,
                    "expiresOn": said.expires_on, "verdict": said.verdict.result, "commit": said.change.to, "file": file, "sha256": digest }));
            }
        }
    }
    if format == Format::Json {
        print(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else if rows.is_empty() {
        say("nothing is signed at HEAD");
    }
    Ok(())
}

fn show(stage: &Stage, phase: &str, wanted: Option<u32>, format: Shown) -> Result<(), Denied> {
    let (_, told) = sequence(stage, phase, wanted)?;
    print(
        match format {
            Shown::Markdown => signoff::markdown(&told),
            Shown::Html => signoff::html(&told),
        }
        .trim_end(),
    );
    say("note: shown, not verified; `xtask verify` says whether it holds");
    Ok(())
}

fn explain(stage: &Stage, phase: &str, wanted: Option<u32>) -> Result<(), Denied> {
    let (sequence, told) = sequence(stage, phase, wanted)?;
    let head = stage.git.commit("HEAD")?;
    let trust = signoff::Trust::at(&stage.git, &head)?;
    let role = told.first().map(|(_, statement, _)| statement.predicate.signer.role.clone()).unwrap_or_default();
    let role = trust.policy.role.get(&role).ok_or_else(|| no(Denial::Usage, format!("the policy has no [role.{role}]")))?;
    let told: Vec<(String, Statement)> = told.into_iter().map(|(file, statement, _)| (file, statement)).collect();
    let text = signoff::explain(&sequence.place, &told, &role.namespace).map_err(|cause| no(Denial::Unknown, cause.to_string()))?;
    print(text.trim_end());
    Ok(())
}

fn export(stage: &Stage, args: &ExportArgs) -> Result<(), Denied> {
    let (sequence, told) = sequence(stage, &args.phase, args.sequence)?;
    if args.checksums {
        let names = NAMES.iter().copied().chain(["evidence.intoto.json", "ci.sigstore.jsonl"]);
        let mut files = Vec::new();
        for name in names {
            files.extend(sequence.file(&stage.git, name)?.map(|bytes| (format!("{}/{name}", sequence.place), bytes)));
        }
        for raw in sequence.statements(&stage.git)? {
            files.extend([(format!("{}.sig", raw.file), raw.signature), (raw.file, raw.bytes)]);
        }
        print(signoff::checksums(&files).trim_end());
        return Ok(());
    }
    let raws = sequence.statements(&stage.git)?;
    let of = |statement: &Statement| args.of.as_ref().is_none_or(|of| statement.predicate.signer.principal == of.to_lowercase());
    let index = told
        .iter()
        .position(|(_, statement, _)| of(statement))
        .ok_or_else(|| no(Denial::Usage, format!("--of {}: nobody of that name signed {}", args.of.clone().unwrap_or_default(), sequence.place)))?;
    let head = stage.git.commit("HEAD")?;
    let trust = signoff::Trust::at(&stage.git, &head)?;
    let signer = &told[index].1.predicate.signer;
    let namespace = trust.policy.role.get(&signer.role).map(|role| role.namespace.clone()).unwrap_or_default();
    let key = signoff::key(args.key.as_deref(), &stage.git, &trust.signers, &namespace)?;
    if trust.signers.principal_of(&key.public, &namespace) != Some(signer.principal.as_str()) {
        return Err(no(
            Denial::Usage,
            format!("the key {} is not of {}, whose statement it is", key.public.fingerprint(ssh_key::HashAlg::Sha256), signer.principal),
        ));
    }
    let ambient = ambient();
    let socket = ambient.get("SSH_AUTH_SOCK").map(std::path::Path::new);
    let payload = &raws[index].bytes;
    let document = if args.dsse { signoff::dsse(payload, &key, socket)? } else { signoff::bundle(payload, &key, socket)? };
    print(&serde_json::to_string_pretty(&document).unwrap_or_default());
    if let Some(file) = &args.key_out {
        write_atomic(file, signoff::key_pem(&key.public)?.as_bytes()).map_err(|cause| unwritten(&file.display().to_string(), &cause))?;
    }
    Ok(())
}
