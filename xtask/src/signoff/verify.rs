//! Whether a phase is signed, still, for this commit. Everything is read from git's objects and evaluated again; what cannot be evaluated
//! denies.

use std::collections::BTreeSet;

use super::ask::Scene;
use super::candidate::{self, BUNDLE, INTOTO, Sequence};
use super::policy::Rules;
use super::said::{Signed, about, signed, terms_then, times};
use super::statement::{self, Decision, Previous, Signoff, Statement, moment};
use super::waiver::{refuse, weigh};
use super::{Denied, Evaluated, Policy, SIGNOFFS, approval, ci, evaluate, export, no};
use crate::evidence::sha256;
use crate::git::short;
use crate::model::Denial;

/// A sequence that holds.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Phase.
    pub phase: String,
    /// Sequence.
    pub number: u32,
    /// Its folder.
    pub place: String,
    /// The commit that was signed.
    pub commit: String,
    /// Statements that counted.
    pub statements: Vec<Statement>,
    /// Their SHA-256, sorted.
    pub digests: Vec<String>,
    /// The evidence.
    pub evaluated: Evaluated,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// What came out for a commit.
#[derive(Debug)]
pub struct Report {
    /// Phase.
    pub phase: String,
    /// Commit.
    pub commit: String,
    /// Where the trust came from.
    pub anchored: String,
    /// What was looked at, in order: place, what holds.
    pub held: Vec<(String, String)>,
    /// What a reader must know.
    pub notes: Vec<String>,
    /// Sequences that hold: the phase's own last.
    pub accepted: Vec<Accepted>,
    /// Why it does not hold.
    pub denied: Option<Denied>,
}

/// Verifies a phase for a commit.
pub fn verify(scene: &Scene<'_>, phase: &str, commit: &str) -> Report {
    let mut walk = Walk { scene, commit: commit.to_owned(), held: Vec::new(), notes: Vec::new(), accepted: Vec::new() };
    let denied = walk.all(phase).err();
    if scene.chain.unpinned {
        walk.notes.push(format!(
            "version 1 of the trust is anchored by {} alone; --trust-digest sha256:{} would pin it",
            scene.anchored,
            scene.chain.newest().digest
        ));
    }
    let Walk { held, notes, accepted, .. } = walk;
    Report { phase: phase.to_owned(), commit: commit.to_owned(), anchored: scene.anchored.clone(), held, notes, accepted, denied }
}

/// The newest sign-off of a phase that holds at a commit, for whoever requires it.
pub fn required(scene: &Scene<'_>, phase: &str, head: &str) -> Result<Accepted, Denied> {
    let mut walk = Walk { scene, commit: head.to_owned(), held: Vec::new(), notes: Vec::new(), accepted: Vec::new() };
    walk.accept(phase, None, head, false)?;
    walk.accepted.pop().ok_or_else(|| no(Denial::Prerequisite, format!("{phase} is not signed")))
}

/// The newest approved sequence before a number, by its statement alone: what the next one is compared with.
pub fn baseline(scene: &Scene<'_>, at: &str, phase: &str, before: u32) -> Result<Option<(Sequence, Statement)>, Denied> {
    let sequences = candidate::sequences(&scene.git, at, phase)?;
    for sequence in sequences.into_iter().rev().filter(|sequence| sequence.number < before) {
        let raws = sequence.statements(&scene.git)?;
        // Nobody's key need hold any more: only what was signed then is looked at.
        let approved =
            raws.iter().filter_map(|raw| statement::parse::<Signoff>(&raw.file, &raw.bytes).ok()).find(|one| one.predicate.decision == Decision::Approved);
        if let Some(statement) = approved {
            return Ok(Some((sequence, statement)));
        }
    }
    Ok(None)
}

/// The commit that a statement is about.
pub fn commit_of(statement: &Statement) -> &str {
    statement.subject.iter().find_map(|subject| subject.digest.git_commit.as_deref()).unwrap_or_default()
}

struct Walk<'a> {
    scene: &'a Scene<'a>,
    commit: String,
    held: Vec<(String, String)>,
    notes: Vec<String>,
    accepted: Vec<Accepted>,
}

impl Walk<'_> {
    fn all(&mut self, phase: &str) -> Result<(), Denied> {
        let scene = self.scene;
        if scene.git.is_shallow() {
            return Err(
                no(Denial::Unknown, "this clone is shallow: whether a commit is an ancestor cannot be said").hint("git fetch --unshallow, or fetch-depth: 0")
            );
        }
        candidate::names_are_allowed(&scene.git, &self.commit)?;
        let commit = self.commit.clone();
        self.accept(phase, None, &commit, true)
    }

    fn hold(&mut self, place: &str, what: impl Into<String>) {
        self.held.push((place.to_owned(), what.into()));
    }

    /// One phase: the sequence that its dependent names, else the newest; for the phase itself the newest one of this code.
    fn accept(&mut self, phase: &str, wanted: Option<&Previous>, head: &str, is_target: bool) -> Result<(), Denied> {
        let scene = self.scene;
        let absent = if is_target { Denial::Absent } else { Denial::Prerequisite };
        let sequences = candidate::sequences(&scene.git, &self.commit, phase)?;
        let sequence = self.choose(&sequences, phase, wanted, is_target)?;
        let Some(sequence) = sequence else {
            let why = format!("{phase} is not signed: there is nothing below {SIGNOFFS}/{phase} at {}", short(&self.commit));
            return Err(no(absent, why).hint(format!("xtask signoff {phase}, then commit {SIGNOFFS}")));
        };
        let trust = scene.chain.newest();
        let raws = sequence.statements(&scene.git)?;
        let rules = |policy: &Policy| policy.rules(phase).map_err(|why| no(Denial::Usage, why));
        let role = rules(&trust.policy)?.role;
        let signed = raws.iter().map(|raw| signed(scene, raw, &role)).collect::<Result<Vec<_>, _>>()?;
        let first = signed.first().ok_or_else(|| no(absent, format!("{}: nobody has signed", sequence.place)))?;
        self.hold(&sequence.place, format!("signatures of {}", signed.iter().map(|one| one.principal.as_str()).collect::<Vec<_>>().join(", ")));
        for one in &signed {
            about(scene, one, phase, &sequence)?;
        }
        self.not_rejected(&sequences, &sequence, &signed)?;
        let code = commit_of(&first.statement).to_owned();
        self.code(&sequence, &signed, &code, head, is_target)?;
        let evaluated = self.evidence(&sequence, &signed, phase, &code)?;
        let older = if is_target { trust } else { terms_then(scene, first)? };
        let then = rules(&older.policy)?;
        self.weaker(phase, &sequence, &code, &evaluated, is_target)?;
        self.attested(&sequence, &evaluated, &then)?;
        let since = baseline(scene, &self.commit, phase, sequence.number)?.map(|(_, statement)| commit_of(&statement).to_owned());
        let authors = scene.git.authors(since.as_deref(), &code)?;
        let principals: BTreeSet<String> = signed.iter().map(|one| one.principal.clone()).collect();
        let mut notes = approval::enough(&sequence.place, &older.policy, &then, &principals, &authors)?;
        self.hold(&sequence.place, format!("{} of {} approvals, separation {}", principals.len(), then.threshold, then.separation.word()));
        self.prerequisites(phase, first, &code, &evaluated)?;
        for one in &signed {
            times(one, &evaluated, &then, scene.now)?;
        }
        self.append_only(&code)?;
        if !then.require_ci {
            notes.push(format!("{}: UNATTESTED: the evidence is the signer's word (require_ci = false)", sequence.place));
        }
        self.notes.extend(notes.iter().cloned());
        let mut digests: Vec<String> = signed.iter().map(|one| one.digest.clone()).collect();
        digests.sort();
        let statements = signed.into_iter().map(|one| one.statement).collect();
        self.accepted.push(Accepted {
            phase: phase.to_owned(),
            number: sequence.number,
            place: sequence.place,
            commit: code,
            statements,
            digests,
            evaluated,
            notes,
        });
        Ok(())
    }

    fn choose(&self, sequences: &[Sequence], phase: &str, wanted: Option<&Previous>, is_target: bool) -> Result<Option<Sequence>, Denied> {
        if let Some(wanted) = wanted {
            let found = sequences.iter().find(|sequence| sequence.number == wanted.sequence).cloned();
            let missing = || no(Denial::Prerequisite, format!("{SIGNOFFS}/{phase}/{:04} is required, and is not at {}", wanted.sequence, short(&self.commit)));
            return found.ok_or_else(missing).map(Some);
        }
        if !is_target || sequences.is_empty() {
            return Ok(sequences.last().cloned());
        }
        let scene = self.scene;
        let code = scene.git.code_tree(&self.commit)?;
        let tree = |sequence: &Sequence| -> Result<Option<String>, Denied> {
            let raws = sequence.statements(&scene.git)?;
            Ok(raws
                .iter()
                .find_map(|raw| statement::parse::<Signoff>(&raw.file, &raw.bytes).ok()?.subject.into_iter().find_map(|subject| subject.digest.git_tree)))
        };
        for sequence in sequences.iter().rev() {
            if tree(sequence)?.as_deref() == Some(&code) {
                return Ok(Some(sequence.clone()));
            }
        }
        // The newest one is about other code; that is what its check says.
        Ok(sequences.last().cloned())
    }

    /// No rejection in this sequence or a later one, whoever's key made it: deleting a signature must not turn a no into a yes.
    fn not_rejected(&self, sequences: &[Sequence], own: &Sequence, signed: &[Signed]) -> Result<(), Denied> {
        let stale = |file: &str, who: &str| {
            no(Denial::Stale, format!("{file}: {who} rejected it")).hint("mend what was rejected, run the gates again and sign that run")
        };
        if let Some(no) = signed.iter().find(|one| one.statement.predicate.decision == Decision::Rejected) {
            return Err(stale(&no.file, &no.principal));
        }
        for later in sequences.iter().filter(|later| later.number > own.number) {
            for raw in later.statements(&self.scene.git)? {
                if let Ok(said) = statement::parse::<Signoff>(&raw.file, &raw.bytes)
                    && said.predicate.decision == Decision::Rejected
                {
                    return Err(stale(&raw.file, &said.predicate.signer.principal));
                }
            }
        }
        Ok(())
    }

    /// The signed commit is there, behind the judged one, and its code is the signed code.
    fn code(&mut self, sequence: &Sequence, signed: &[Signed], code: &str, head: &str, is_target: bool) -> Result<(), Denied> {
        let git = &self.scene.git;
        let place = &sequence.place;
        let tree = |one: &Signed| one.statement.subject.iter().find_map(|subject| subject.digest.git_tree.clone()).unwrap_or_default();
        if let Some(other) = signed.iter().find(|one| commit_of(&one.statement) != code || tree(one) != tree(&signed[0])) {
            return Err(no(Denial::Invalid, format!("{}: it is about another commit than {}", other.file, signed[0].file)));
        }
        let known =
            git.commit(code).map_err(|fault| no(Denial::Unknown, format!("{place}: the signed commit {} is not in this repository: {fault}", short(code))))?;
        if !git.is_ancestor(&known, head)? {
            return Err(no(Denial::Prerequisite, format!("{place}: the signed commit {} is not behind {}", short(code), short(head)))
                .hint("sign a commit of this branch"));
        }
        let then = git.code_tree(&known)?;
        if then != tree(&signed[0]) {
            return Err(no(Denial::Invalid, format!("{place}: the code of {} is {}, and {} was signed", short(code), short(&then), short(&tree(&signed[0])))));
        }
        let now = git.code_tree(head)?;
        if is_target && now != then {
            let phase = &signed[0].statement.predicate.phase;
            let why = format!("{place}: {} was signed, and the code of {} is another one", short(code), short(head));
            return Err(no(Denial::Stale, why).hint(format!("xtask gate {phase} --profile release, then xtask signoff {phase}")));
        }
        let of = if is_target {
            format!("the code of {} is the signed code of {}", short(head), short(code))
        } else {
            format!("{} is behind {}", short(code), short(head))
        };
        self.hold(place, of);
        Ok(())
    }

    /// Digests, and the verdict evaluated again.
    fn evidence(&mut self, sequence: &Sequence, signed: &[Signed], phase: &str, code: &str) -> Result<Evaluated, Denied> {
        let scene = self.scene;
        let place = &sequence.place;
        let files = sequence.evidence(&scene.git)?;
        let manifest = sha256(&files.manifest);
        let gates = sha256(scene.gates(code)?.as_bytes());
        for one in signed {
            let policy = &one.statement.predicate.policy;
            let invalid = |why: String| no(Denial::Invalid, format!("{}: {why}", one.file));
            if !one.statement.subject.iter().any(|subject| subject.digest.sha256.as_deref() == Some(&manifest)) {
                return Err(no(Denial::Invalid, format!("{place}/manifest.json is not the one that {} signed", one.file)));
            }
            if policy.gates.digest.sha256.as_deref() != Some(&gates) {
                return Err(invalid(format!("it names another gates.toml than {} has", short(code))));
            }
            let trust = policy.trust.digest.sha256.clone().unwrap_or_default();
            if scene.chain.by_digest(&trust).is_none() {
                let denial = if scene.chain.versions().count() == 1 { Denial::Unknown } else { Denial::Invalid };
                return Err(no(
                    denial,
                    format!("{}: it was signed under TRUST.json version {}, which is not in the chain", one.file, policy.trust.version.unwrap_or_default()),
                ));
            }
        }
        let finished =
            crate::evidence::Manifest::parse(&files.manifest).map_err(|why| no(Denial::Invalid, format!("{place}/manifest.json: {why}")))?.finished_on;
        let config = scene.config(code, moment(&format!("{place}/manifest.json"), "finishedOn", &finished)?)?;
        let evaluated = evaluate(&files, phase, &config)?;
        let ran = &evaluated.manifest.commit;
        let same = scene.git.commit(ran).and_then(|ran| scene.git.code_tree(&ran));
        let same =
            same.map_err(|fault| no(Denial::Unknown, format!("{place}/manifest.json: the commit {} that ran is not in this repository: {fault}", short(ran))))?;
        if same != scene.git.code_tree(code)? {
            return Err(no(Denial::Invalid, format!("{place}/manifest.json: the run was of the code of {}, and {} was signed", short(ran), short(code))));
        }
        if let Some(why) = evaluated.red.first() {
            return Err(no(Denial::Failed, format!("{place}: {why}")));
        }
        if let Some(one) = signed.iter().find(|one| one.statement.predicate.verdict != evaluated.verdict) {
            return Err(no(Denial::Invalid, format!("{}: its verdict is not the one that the evidence comes to", one.file)));
        }
        if sequence.file(&scene.git, INTOTO)?.is_none_or(|bytes| Some(bytes) != export::test_result(&evaluated, &manifest, &gates).ok()) {
            return Err(no(Denial::Invalid, format!("{place}/{INTOTO} is not what the evidence comes to")));
        }
        self.hold(place, format!("{} and {} evaluated again: PASSED", crate::text::plural(evaluated.verdict.gates.len() as u64, "gate"), criteria(&evaluated)));
        Ok(evaluated)
    }

    /// gates.toml was not made weaker: since the last sign-off for the phase itself, and until now for the phases that it requires.
    fn weaker(&mut self, phase: &str, sequence: &Sequence, code: &str, evaluated: &Evaluated, is_target: bool) -> Result<(), Denied> {
        let scene = self.scene;
        if !is_target {
            let weighed = weigh(scene, Some(code), &self.commit, &self.commit, None)?;
            let only_gates: Vec<_> =
                weighed.open.iter().filter(|change| !change.path.starts_with("surface.") && !change.path.starts_with("pin.")).cloned().collect();
            let gates = super::waiver::Weighed { open: only_gates, ..weighed };
            refuse(&gates, code, &self.commit.clone())?;
            self.hold(&sequence.place, format!("gates.toml was not made weaker since {}", short(code)));
            return Ok(());
        }
        let Some((before, statement)) = baseline(scene, &self.commit, phase, sequence.number)? else {
            self.notes.push(format!("{}: BOOTSTRAP: the first sign-off of {phase}, with nothing to compare gates.toml with", sequence.place));
            return Ok(());
        };
        let base = commit_of(&statement).to_owned();
        let old = before.evidence(&scene.git).and_then(|files| super::evaluate::names(&files));
        let names = old.ok();
        let weighed = weigh(scene, Some(&base), code, &self.commit, names.as_ref().map(|names| (names, &evaluated.inventory)))?;
        refuse(&weighed, &base, code)?;
        let waived = if weighed.waivers.is_empty() { String::new() } else { format!(" (waived: {})", weighed.waivers.join(", ")) };
        self.hold(&sequence.place, format!("gates.toml was not made weaker since {}{waived}", short(&base)));
        Ok(())
    }

    fn attested(&mut self, sequence: &Sequence, evaluated: &Evaluated, rules: &Rules) -> Result<(), Denied> {
        if !rules.require_ci {
            return Ok(());
        }
        let scene = self.scene;
        let place = format!("{}/{BUNDLE}", sequence.place);
        let bundle = sequence.file(&scene.git, BUNDLE)?.ok_or_else(|| no(Denial::Absent, format!("{place} is missing, and the policy says require_ci")))?;
        let github = scene.policy().github().ok_or_else(|| no(Denial::Unknown, "policy.toml says require_ci, and has no [ci.github]"))?;
        let manifest = sequence.file(&scene.git, "manifest.json")?.unwrap_or_default();
        ci::verify(github, &place, &manifest, &bundle, &evaluated.manifest.commit)?;
        self.hold(&place, format!("attested by {}", github.signer_workflow));
        Ok(())
    }

    /// Every required phase holds, at an ancestor, by exactly the sign-offs that this one names.
    fn prerequisites(&mut self, phase: &str, own: &Signed, code: &str, evaluated: &Evaluated) -> Result<(), Denied> {
        let config = self.scene.config(code, evaluated.finished)?;
        let requires = config.phases.get(phase).map(|phase| phase.requires.clone()).unwrap_or_default();
        let previous = own.statement.predicate.previous.clone();
        if let Some(other) = previous.iter().find(|one| !requires.contains(&one.phase)) {
            return Err(no(Denial::Prerequisite, format!("{}: it names a sign-off of {}, which {phase} does not require", own.file, other.phase)));
        }
        for required in &requires {
            let named = previous.iter().find(|one| one.phase == *required);
            let named = named.ok_or_else(|| no(Denial::Prerequisite, format!("{}: it names no sign-off of {required}, which {phase} requires", own.file)))?;
            self.accept(required, Some(named), code, false)?;
            let found = self.accepted.last().map(|accepted| accepted.digests.clone()).unwrap_or_default();
            if named.statements.iter().any(|wanted| !found.contains(wanted)) {
                return Err(no(Denial::Prerequisite, format!("{}: the sign-off of {required} that it names was replaced", own.file)));
            }
        }
        Ok(())
    }

    /// Since the signed commit no file of any sign-off was changed or removed.
    fn append_only(&mut self, code: &str) -> Result<(), Denied> {
        let gone = self.scene.git.taken_away(code, &self.commit, SIGNOFFS)?;
        match gone.first() {
            Some(first) => Err(no(Denial::Invalid, format!("a sign-off was changed or removed since {}: {first}", short(code)))
                .hint("bring it back from the history; sign-offs are only added")),
            None => Ok(()),
        }
    }
}

fn criteria(evaluated: &Evaluated) -> String {
    match evaluated.verdict.criteria.len() {
        1 => "1 criterion".to_owned(),
        many => format!("{many} criteria"),
    }
}
