//! What a job of GitHub Actions keeps of a run: annotations beside the code, the most important first, and a page of summary.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::finish::Finished;
use super::say;
use crate::config::Config;
use crate::github::{Annotation, append, capped, cut, data};
use crate::model::{Category, Label, Verdict};
use crate::pins::Ambient;
use crate::plan::Plan;
use crate::text::{locate, plural};
use crate::ui::summary::RedCase;

/// Annotations of each level that GitHub shows of a step.
const SHOWN: usize = 10;
/// GitHub shows nothing of a page above 1 MiB; what else the step wrote needs room too.
const PAGE: usize = 900 << 10;

/// This process runs in a job of GitHub Actions.
pub(super) fn is_job(ambient: &Ambient) -> bool {
    ambient.get("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Shorter values are masked in our own output alone: the runner would tear holes into every line of the job.
const LEAST: usize = 4;

/// Values of the secrets of planned gates and of their services are masked by the runner too.
pub(super) fn mask(config: &Config, plan: &Plan, ambient: &Ambient) {
    if !is_job(ambient) {
        return;
    }
    let secrets = plan.gates.iter().filter_map(|gate| config.gates.get(&gate.id)).flat_map(|gate| config.secrets_of(gate));
    let values: BTreeSet<&str> = secrets.filter_map(|name| ambient.get(&name)).flat_map(|value| value.lines()).filter(|line| line.len() >= LEAST).collect();
    for value in values {
        say(&format!("::add-mask::{}", data(value)));
    }
}

/// Prints the annotations and adds to the summary of the step.
pub(super) fn annotate(finished: &Finished, ambient: &Ambient) -> io::Result<()> {
    let (errors, warnings) = annotations(finished);
    for annotation in capped(errors, SHOWN).into_iter().chain(capped(warnings, SHOWN)) {
        say(&annotation.command());
    }
    let Some(page) = ambient.get("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else { return Ok(()) };
    append(Path::new(page), &cut(&finished.summary, PAGE))
}

/// Errors and warnings. What broke comes before what failed, what fails always before what is flaky, one of each cause.
fn annotations(finished: &Finished) -> (Vec<Annotation>, Vec<Annotation>) {
    let record = &finished.record;
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let plain = |title: &str, message: &str| Annotation { level: "error", title: title.to_owned(), message: message.to_owned(), ..Annotation::default() };
    errors.extend(finished.faults.iter().map(|fault| plain("run", fault)));
    if let Some((_, problems)) = &record.refused {
        errors.extend(problems.iter().map(|problem| plain("refused", problem)));
        return (errors, warnings);
    }
    errors.extend(record.refused_shards.iter().map(|(shard, _, why)| plain(&format!("shard {shard}"), why)));
    let states: Vec<_> = record.head.gates.iter().map(|gate| (gate, record.gate(gate))).collect();
    for (gate, state) in states.iter().filter(|(_, state)| state.verdict == Verdict::Broken) {
        errors.push(plain(&format!("{} broken", gate.id), &state.why.join("\n")));
    }
    let mut red: Vec<&RedCase> = finished.tally.red.iter().collect();
    red.sort_by_key(|case| (case.label == Label::Flaky, !case.outcome.is_red()));
    let mut causes: Vec<(String, String)> = Vec::new();
    for case in red {
        let cause = (case.gate.clone(), case.message.clone());
        if !case.message.is_empty() && case.category != Category::Timeout.word() && causes.contains(&cause) {
            continue; // the same message again says nothing new; the summary names every case
        }
        causes.push(cause);
        let allowed = states.iter().any(|(gate, state)| gate.id == case.gate && (state.verdict == Verdict::Pass || gate.advisory));
        let place = case.at.as_deref().and_then(locate);
        let annotation = Annotation {
            level: if allowed { "warning" } else { "error" },
            title: format!("{}: {}", case.gate, case.name),
            message: if case.message.is_empty() { case.outcome.word().to_owned() } else { case.message.clone() },
            file: place.as_ref().map(|place| place.file.clone()),
            line: place.map(|place| place.line),
        };
        if allowed { warnings.push(annotation) } else { errors.push(annotation) }
    }
    let named: Vec<String> = finished.tally.red.iter().map(|case| case.gate.clone()).collect();
    for (gate, state) in states.iter().filter(|(gate, state)| state.verdict == Verdict::Fail && !named.contains(&gate.id)) {
        let place = record.jobs_of(&gate.id).flat_map(|(_, job)| &job.facts.steps).find_map(|step| step.at.clone());
        let annotation =
            Annotation { file: place.as_ref().map(|place| place.file.clone()), line: place.map(|place| place.line), ..plain(&gate.id, &state.why.join("\n")) };
        if gate.advisory { warnings.push(Annotation { level: "warning", ..annotation }) } else { errors.push(annotation) }
    }
    for finding in record.head.phases.iter().flat_map(|phase| record.criteria(phase)).filter(|finding| record.is_missed(finding)) {
        errors.push(plain("criterion missed", &finding.line));
    }
    let excused = states.iter().flat_map(|(_, state)| &state.excuses).filter(|excuse| excuse.red > 0 && excuse.refused.is_none());
    warnings.extend(excused.map(|excuse| Annotation {
        level: "warning",
        ..plain("quarantine", &format!("{} was red in {}", excuse.case, plural(u64::from(excuse.red), "iteration")))
    }));
    (errors, warnings)
}
