//! Who answers for a release: the trust, the statement that a person signs, and whether it still holds. Knows the evidence of a run, and
//! never runs a gate.

mod agent;
mod approval;
mod ask;
mod candidate;
mod ci;
mod denied;
mod evaluate;
mod export;
mod policy;
mod said;
mod screen;
mod sign;
mod signers;
pub mod statement;
mod trust;
mod verify;
mod waiver;

pub use approval::unsatisfiable;
pub use ask::{Anchor, Scene};
pub use candidate::{Raw, Sequence, folder, names_are_allowed, sequences};
pub use ci::verify as attested;
pub use denied::{Denied, no};
pub use evaluate::{Evaluated, Files, NAMES, check_folder, evaluate, names};
pub use export::{bundle, checksums, dsse, explain, key_pem, test_result};
pub use policy::{Github, Policy, Rules, Separation};
pub use screen::{View, html, markdown, text};
pub use sign::{Key, Order, key, sign, signed_by, who};
pub use signers::{Line, Revoked, Signers};
pub use statement::{Decision, Statement, Waiver};
pub use trust::{Chain, FILES, FOLDER, Trust, TrustFile};
pub use verify::{Accepted, Report, baseline, commit_of, required, verify};
pub use waiver::{FOLDER as WAIVERS, Names, Waived, Weighed, refuse, waivers, weigh};

/// Where sign-offs are kept, relative to the root.
pub const SIGNOFFS: &str = ".gates/signoffs";
