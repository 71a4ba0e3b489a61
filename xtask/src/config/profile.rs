//! Profiles: the three built in, inheritance, and the rule that release may only be tightened. Knows no command line.

use std::collections::BTreeMap;

use super::resolve::Report;
use super::schema::{self, FlakyWord, GatesToml, ProfileMissing, ProfilePins, ReuseWord, UnjudgedWord};
use crate::model::FlakyRule;

/// What a missing tool means in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRule {
    /// As each gate declares.
    AsDeclared,
    /// Always a failure.
    Fail,
}

/// A profile with nothing left open but the number of cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// Iterations of a gate whose phase and table are silent.
    pub runs: u32,
    /// Slots; none = the number of cores.
    pub jobs: Option<u32>,
    /// What a mixed result does.
    pub flaky: FlakyRule,
    /// What a missing tool means.
    pub missing: MissingRule,
    /// What a criterion that cannot be judged yet means.
    pub unjudged: UnjudgedWord,
    /// Every pin must match exactly.
    pub exact_pins: bool,
    /// Uncommitted changes refuse the run.
    pub clean_tree: bool,
    /// Start nothing after the first gate that is not green.
    pub fail_fast: bool,
    /// A gate of which nothing has changed since it last passed does not run again.
    pub reuse: ReuseWord,
}

fn built_in(name: &str) -> Option<Profile> {
    let local = Profile {
        name: name.to_owned(),
        runs: 1,
        jobs: None,
        flaky: FlakyRule::Warn,
        missing: MissingRule::AsDeclared,
        unjudged: UnjudgedWord::Ignore,
        exact_pins: false,
        clean_tree: false,
        fail_fast: false,
        reuse: ReuseWord::Never,
    };
    match name {
        "local" | "ci" => Some(local),
        "release" => Some(Profile {
            runs: 10,
            flaky: FlakyRule::Fail,
            missing: MissingRule::Fail,
            unjudged: UnjudgedWord::Fail,
            exact_pins: true,
            clean_tree: true,
            ..local
        }),
        _ => None,
    }
}

/// All profiles by name.
pub(super) fn resolve(said: &GatesToml, report: &mut Report<'_>) -> BTreeMap<String, Profile> {
    let mut parents: BTreeMap<&str, Vec<&str>> = [("local", Vec::new()), ("ci", vec!["local"]), ("release", vec!["ci"])].into();
    for (name, profile) in &said.profile {
        if let Some(parent) = &profile.inherits {
            let built_in = ["local", "ci", "release"].map(|name| (name.to_owned(), true));
            let known: BTreeMap<String, bool> = built_in.into_iter().chain(said.profile.keys().map(|name| (name.clone(), true))).collect();
            if report.known(&["profile", name, "inherits"], "profile", parent, &known) {
                parents.insert(name, vec![parent]);
            }
        } else if built_in(name).is_none() {
            parents.insert(name, Vec::new()); // what is built into local, not what this file makes of it
        }
    }
    if let Some(cycle) = super::resolve::find_cycle(&parents) {
        report.push(&["profile", &cycle[0]], format!("profiles inherit from each other: {}", cycle.join(" -> ")), "take one `inherits` out");
        return BTreeMap::new();
    }
    let profiles: BTreeMap<String, Profile> = parents.keys().map(|name| ((*name).to_owned(), build(name, said, &parents))).collect();
    if let Some(release) = profiles.get("release") {
        tighten(release, report);
    }
    profiles
}

fn build(name: &str, said: &GatesToml, parents: &BTreeMap<&str, Vec<&str>>) -> Profile {
    let base = parents.get(name).and_then(|list| list.first()).map(|parent| build(parent, said, parents));
    let mut profile = match (base, built_in(name)) {
        // What a built-in profile itself sets is stronger than what it inherits.
        (Some(base), Some(own)) if name == "release" => Profile { jobs: base.jobs, fail_fast: base.fail_fast, runs: own.runs.max(base.runs), ..own },
        (Some(base), _) => Profile { name: name.to_owned(), ..base },
        (None, Some(own)) => own,
        (None, None) => built_in("local").map(|local| Profile { name: name.to_owned(), ..local }).expect("local is built in"),
    };
    if let Some(over) = said.profile.get(name) {
        overlay(&mut profile, over);
    }
    profile
}

fn overlay(profile: &mut Profile, over: &schema::Profile) {
    profile.runs = over.runs.unwrap_or(profile.runs);
    profile.jobs = over.jobs.or(profile.jobs);
    profile.clean_tree = over.clean_tree.unwrap_or(profile.clean_tree);
    profile.fail_fast = over.fail_fast.unwrap_or(profile.fail_fast);
    profile.flaky = over.flaky.map_or(profile.flaky, |word| match word {
        FlakyWord::Pass => FlakyRule::Pass,
        FlakyWord::Warn => FlakyRule::Warn,
        FlakyWord::Fail => FlakyRule::Fail,
    });
    profile.missing = over.missing.map_or(profile.missing, |word| match word {
        ProfileMissing::AsDeclared => MissingRule::AsDeclared,
        ProfileMissing::Fail => MissingRule::Fail,
    });
    profile.unjudged = over.unjudged.unwrap_or(profile.unjudged);
    profile.reuse = over.reuse.unwrap_or(profile.reuse);
    profile.exact_pins = over.pins.map_or(profile.exact_pins, |word| word == ProfilePins::Exact);
}

fn tighten(release: &Profile, report: &mut Report<'_>) {
    let weaker = [
        ("runs", release.runs < 10, "runs = 10 or more"),
        ("flaky", release.flaky != FlakyRule::Fail, "flaky = \"fail\""),
        ("missing", release.missing != MissingRule::Fail, "missing = \"fail\""),
        ("unjudged", release.unjudged != UnjudgedWord::Fail, "unjudged = \"fail\""),
        ("pins", !release.exact_pins, "pins = \"exact\""),
        ("clean-tree", !release.clean_tree, "clean-tree = true"),
        ("reuse", release.reuse != ReuseWord::Never, "reuse = \"never\""),
    ];
    for (key, is_weaker, wanted) in weaker {
        if is_weaker {
            report.push(
                &["profile", "release", key],
                format!("profile release may only be tightened, and `{key}` weakens it"),
                format!("{wanted}, or leave it out"),
            );
        }
    }
}
