//! policy.toml: who may sign what, and what a sign-off must hold. Knows no key.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{Denied, no};
use crate::model::Denial;

/// policy.toml, schema 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    schema: u32,
    /// The repository that sign-offs are for.
    pub repository: String,
    /// Roles by name; `release-manager`, `gate-owner` and `root` are used where a phase names no other.
    pub role: BTreeMap<String, Role>,
    #[serde(default)]
    phase: BTreeMap<String, PhaseTable>,
    #[serde(default)]
    ci: CiTable,
    /// Files and folders whose every change is opaque: the tool itself, workflows, test harnesses.
    #[serde(default)]
    pub surface: Vec<String>,
    /// What cases that are gone mean.
    #[serde(default)]
    pub inventory: Inventory,
}

/// A role: a namespace of signatures, and who may use it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Namespace of its signatures, such as `phase-signoff.v1@example.org`.
    pub namespace: String,
    /// Mail addresses.
    pub principals: Vec<String>,
    /// How many of them must sign a change of the trust; of use for `root`.
    #[serde(default = "one")]
    pub threshold: u32,
}

fn one() -> u32 {
    1
}

/// What cases that are gone mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inventory {
    /// They are shown.
    #[default]
    Report,
    /// They are a weakening that wants a waiver.
    Ratchet,
}

/// Who may approve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separation {
    /// Anybody with the role.
    None,
    /// Nobody who wrote a commit since the last sign-off.
    #[default]
    NotAuthor,
    /// Two of them, neither of whom wrote a commit.
    TwoPerson,
}

impl Separation {
    /// As policy.toml says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::NotAuthor => "not-author",
            Self::TwoPerson => "two-person",
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseTable {
    role: Option<String>,
    threshold: Option<u32>,
    separation: Option<Separation>,
    require_ci: Option<bool>,
    max_evidence_age: Option<String>,
    expires: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CiTable {
    github: Option<Github>,
}

/// The identity of the workflow that attests evidence.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// Issuer of its tokens.
    pub issuer: Option<String>,
    /// `owner/name`.
    pub repository: String,
    /// The number of the repository, which a new one of the same name has not.
    pub repository_id: Option<String>,
    /// `owner/name/.github/workflows/FILE`.
    pub signer_workflow: String,
    /// Branch that it ran on.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// `github-hosted` refuses runners of one's own.
    pub runner: Option<String>,
}

/// What a sign-off of one phase must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Role whose signatures count.
    pub role: String,
    /// Distinct principals.
    pub threshold: u32,
    /// Who may approve.
    pub separation: Separation,
    /// The evidence must be attested by CI.
    pub require_ci: bool,
    /// Oldest evidence that may be signed.
    pub max_evidence_age: Duration,
    /// How long a sign-off holds.
    pub expires: Duration,
}

impl Policy {
    /// A policy from its text.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Denied> {
        let usage = |why: String| no(Denial::Usage, format!("{file}: {why}")).hint("docs/signoff.md has every key");
        let text = std::str::from_utf8(bytes).map_err(|cause| usage(format!("it is not UTF-8: {cause}")))?;
        let policy: Self = toml::from_str(text).map_err(|cause| usage(cause.to_string().trim_end().to_owned()))?;
        if policy.schema != 1 {
            return Err(usage(format!("schema is {}, and this program knows 1", policy.schema)));
        }
        for wanted in ["root"].into_iter().chain(policy.phase.values().filter_map(|phase| phase.role.as_deref())).chain(["release-manager"]) {
            if !policy.role.contains_key(wanted) {
                return Err(usage(format!("there is no [role.{wanted}]")));
            }
        }
        let mut namespaces: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, role) in &policy.role {
            if !role.namespace.contains('@') || role.namespace.contains([' ', ',', '*', '"', '!']) {
                return Err(usage(format!("role.{name}.namespace `{}` is not NAME@DOMAIN", role.namespace)));
            }
            if let Some(other) = namespaces.insert(&role.namespace, name) {
                return Err(usage(format!("the roles {other} and {name} have one namespace: a signature of one would count as the other's")));
            }
            if role.threshold == 0 {
                return Err(usage(format!("role.{name}.threshold is 0: nobody would have to sign")));
            }
        }
        for name in policy.phase.keys().map(String::as_str).chain(["default"]) {
            if policy.rules(name).map_err(&usage)?.threshold == 0 {
                return Err(usage(format!("phase.{name}.threshold is 0: nobody would have to sign")));
            }
        }
        Ok(policy)
    }

    /// What a sign-off of a phase must hold: the phase's own keys, else those of `default`.
    pub fn rules(&self, phase: &str) -> Result<Rules, String> {
        let empty = PhaseTable::default();
        let (own, base) = (self.phase.get(phase).unwrap_or(&empty), self.phase.get("default").unwrap_or(&empty));
        let time = |own: Option<&String>, base: Option<&String>, built_in: Duration| {
            let said = own.or(base);
            said.map_or(Ok(built_in), |text| humantime::parse_duration(text).map_err(|cause| format!("`{text}` is no time: {cause}")))
        };
        let day = Duration::from_hours(24);
        let separation = own.separation.or(base.separation).unwrap_or_default();
        let threshold = own.threshold.or(base.threshold).unwrap_or(1);
        Ok(Rules {
            role: own.role.clone().or_else(|| base.role.clone()).unwrap_or_else(|| "release-manager".to_owned()),
            threshold: if separation == Separation::TwoPerson && threshold > 0 { threshold.max(2) } else { threshold },
            separation,
            require_ci: own.require_ci.or(base.require_ci).unwrap_or(false),
            max_evidence_age: time(own.max_evidence_age.as_ref(), base.max_evidence_age.as_ref(), day * 3)?,
            expires: time(own.expires.as_ref(), base.expires.as_ref(), day * 90)?,
        })
    }

    /// The workflow that attests.
    pub fn github(&self) -> Option<&Github> {
        self.ci.github.as_ref()
    }

    /// Phases with rules of their own.
    pub fn phases(&self) -> impl Iterator<Item = &str> {
        self.phase.keys().map(String::as_str)
    }

    /// The address of a kind of statement, in the domain of the namespace that signs it.
    pub fn predicate_type(namespace: &str) -> String {
        let (name, domain) = namespace.split_once('@').unwrap_or((namespace, "localhost"));
        let (kind, version) = name.rsplit_once('.').unwrap_or((name, "v1"));
        format!("https://{domain}/attestations/{kind}/{version}")
    }
}
