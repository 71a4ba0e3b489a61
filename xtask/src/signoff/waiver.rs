//! What became weaker between two commits, and which of it a signed, expiring waiver allows. A waiver is bound to both texts of gates.toml,
//! so that it cannot be used for another change.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::Scene;
use super::policy::Inventory;
use super::sign::{holds, signed_by};
use super::statement::{self, TYPE, Waiving, moment};
use super::{Denied, Policy, SIGNOFFS, no};
use crate::evidence::sha256;
use crate::git::short;
use crate::model::Denial;
use crate::weakening::{self, Change, Class};

/// Where waivers are kept, relative to the root.
pub const FOLDER: &str = ".gates/signoffs/_waivers";

/// What the cases of a phase's gates were called.
pub type Names = BTreeMap<String, BTreeSet<String>>;

/// A waiver that counts.
#[derive(Clone, Debug)]
pub struct Waived {
    /// What it says.
    pub says: Waiving,
    /// Its file.
    pub file: String,
}

/// Changes between two commits, with what allows them.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// All of them, the worst first.
    pub changes: Vec<Change>,
    /// Those that want a waiver and have none.
    pub open: Vec<Change>,
    /// Names of the waivers that were needed.
    pub waivers: Vec<String>,
    /// Cases that are gone, by gate, in words.
    pub gone: Vec<String>,
    /// Why some waivers do not count.
    pub refused: Vec<String>,
}

impl Weighed {
    /// As a statement says it.
    pub fn result(&self) -> &'static str {
        match (self.waivers.is_empty(), self.changes.iter().any(|change| change.class == Class::Bootstrap)) {
            (_, true) => "BOOTSTRAP",
            (false, false) => "WAIVED",
            (true, false) => "NONE",
        }
    }
}

/// Waivers at a commit: those that count, and why the others do not.
pub fn waivers(scene: &Scene<'_>, commit: &str) -> Result<(Vec<Waived>, Vec<String>), Denied> {
    let (mut counted, mut refused) = (Vec::new(), Vec::new());
    for entry in scene.git.list(commit, FOLDER)? {
        let Some(file) = Some(&entry.path).filter(|path| path.strip_suffix(".json").is_some()) else { continue };
        let bytes = scene.git.blob(&entry.id)?;
        let signature = scene.git.file(commit, &format!("{file}.sig"))?;
        match read(scene, file, &bytes, signature.as_deref()) {
            Ok(says) => counted.push(Waived { says, file: file.clone() }),
            Err(denied) => refused.push(denied.why),
        }
    }
    Ok((counted, refused))
}

/// A waiver that is signed by a gate owner, for this repository, and not over.
fn read(scene: &Scene<'_>, file: &str, bytes: &[u8], signature: Option<&[u8]>) -> Result<Waiving, Denied> {
    let trust = scene.chain.newest();
    let invalid = |why: String| no(Denial::Invalid, format!("{file}: {why}"));
    let role = trust.policy.role.get("gate-owner").ok_or_else(|| invalid("the policy has no [role.gate-owner]".to_owned()))?;
    let signature = signature.ok_or_else(|| invalid("it is not signed".to_owned()))?;
    let line = signed_by(&trust.signers, &trust.revoked, &role.namespace, file, bytes, signature)?;
    let waiver = statement::parse::<Waiving>(file, bytes)?;
    let says = waiver.predicate;
    let principal = says.principal.to_lowercase();
    if waiver.predicate_type != Policy::predicate_type(&role.namespace) || waiver.kind != TYPE {
        return Err(invalid(format!("it is no waiver, but `{}`", waiver.predicate_type)));
    }
    if !line.principals.contains(&principal) || !role.principals.iter().any(|one| one.to_lowercase() == principal) {
        return Err(invalid(format!("{principal} is no gate-owner of the policy, or did not sign it")));
    }
    if says.resource_uri != trust.policy.repository {
        return Err(invalid(format!("it is for {}", says.resource_uri)));
    }
    holds(line, file, moment(file, "signedOn", &says.signed_on)?, scene.now)?;
    if scene.now >= moment(file, "until", &says.until)? {
        return Err(invalid(format!("it ended on {}", says.until)));
    }
    Ok(says)
}

/// What changed between two commits, and what of it is not allowed. `names` are the cases before and after.
pub fn weigh(scene: &Scene<'_>, base: Option<&str>, head: &str, waivers_at: &str, names: Option<(&Names, &Names)>) -> Result<Weighed, Denied> {
    let head_text = scene.gates(head)?;
    let base_text = base.map(|base| scene.gates(base)).transpose()?;
    let unknown = |why: String| no(Denial::Unknown, why);
    let mut changes = weakening::gates(base_text.as_deref(), &head_text).map_err(unknown)?;
    let mut gone = Vec::new();
    if let Some(base) = base {
        changes.extend(objects(scene, base, head)?);
        if let Some((before, after)) = names {
            gone = inventory(before, after);
            if scene.policy().inventory == Inventory::Ratchet {
                changes.extend(gone.iter().map(|(gate, cases)| Change {
                    class: Class::Weaker,
                    path: format!("inventory.{gate}"),
                    from: cases.join("\n"),
                    to: String::new(),
                }));
            }
        }
    }
    let gone = gone.into_iter().flat_map(|(gate, cases)| cases.into_iter().map(move |case| format!("{gate}: {case}"))).collect();
    let mut weighed = Weighed { changes, gone, ..Weighed::default() };
    let wanted: Vec<Change> = weighed.changes.iter().filter(|change| change.class.wants_waiver()).cloned().collect();
    let (Some(base), Some(base_text), false) = (base, base_text, wanted.is_empty()) else { return Ok(weighed) };
    let (counted, refused) = waivers(scene, waivers_at)?;
    weighed.refused = refused;
    let (before, after) = (sha256(base_text.as_bytes()), sha256(head_text.as_bytes()));
    let authors = scene.git.authors(Some(base), head)?;
    for change in wanted {
        let covers = |waived: &&Waived| {
            let says = &waived.says;
            says.base == before
                && says.head == after
                && says.changes.iter().any(|one| (&one.path, &one.from, &one.to) == (&change.path, &change.from, &change.to))
        };
        match counted.iter().filter(covers).find(|waived| !authors.contains(&waived.says.principal.to_lowercase())) {
            Some(waived) if weighed.waivers.contains(&waived.says.id) => {}
            Some(waived) => weighed.waivers.push(waived.says.id.clone()),
            None => {
                let own = counted.iter().find(covers).map(|waived| format!("{}: {} wrote a commit of the change", waived.file, waived.says.principal));
                weighed.refused.extend(own);
                weighed.open.push(change);
            }
        }
    }
    Ok(weighed)
}

/// Pin files and what the policy calls the surface: whatever changed there cannot be ordered.
fn objects(scene: &Scene<'_>, base: &str, head: &str) -> Result<Vec<Change>, Denied> {
    let config = scene.config(head, scene.now)?;
    let pins: BTreeSet<&String> = config.runtimes.values().map(|runtime| &runtime.pin).collect();
    let named = pins.into_iter().map(|pin| ("pin", pin)).chain(scene.policy().surface.iter().map(|path| ("surface", path)));
    let mut changes = Vec::new();
    for (kind, path) in named {
        let object = |commit: &str| scene.git.object(commit, path).map(|id| id.map(|id| short(&id).to_owned()).unwrap_or_default());
        let (from, to) = (object(base)?, object(head)?);
        if from != to {
            changes.push(Change { class: Class::Opaque, path: format!("{kind}.{path}"), from, to });
        }
    }
    Ok(changes)
}

/// Cases that are gone, by gate.
fn inventory(before: &Names, after: &Names) -> Vec<(String, Vec<String>)> {
    let none = BTreeSet::new();
    let gone = |(gate, cases): (&String, &BTreeSet<String>)| {
        let gone: Vec<String> = cases.difference(after.get(gate).unwrap_or(&none)).cloned().collect();
        (!gone.is_empty()).then(|| (gate.clone(), gone))
    };
    before.iter().filter_map(gone).collect()
}

/// The denial for what is open.
pub fn refuse(weighed: &Weighed, base: &str, head: &str) -> Result<(), Denied> {
    let Some(first) = weighed.open.first() else { return Ok(()) };
    let more = if weighed.open.len() > 1 { format!(" and {} more", weighed.open.len() - 1) } else { String::new() };
    let what = format!("{} {} ({} -> {})", first.path, first.class.word(), cut(&first.from), cut(&first.to));
    let refused = weighed.refused.first().map(|why| format!("; a waiver does not count: {why}")).unwrap_or_default();
    let why = format!("gates.toml: {what}{more} between {} and {}{refused}", short(base), short(head));
    let hint = format!(
        "undo it, or a gate-owner who did not write it runs: xtask waive {} --base {} --until DATE --reason WHY; waivers lie below {SIGNOFFS}",
        first.path,
        short(base)
    );
    Err(no(Denial::Weakened, why).hint(hint))
}

/// A value for a line of text.
pub(super) fn cut(value: &str) -> String {
    let line = value.replace('\n', ", ");
    match line.char_indices().nth(60) {
        _ if line.is_empty() => "nothing".to_owned(),
        Some((at, _)) => format!("{}...", &line[..at]),
        None => line,
    }
}
