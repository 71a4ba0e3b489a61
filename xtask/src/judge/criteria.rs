//! Criteria of a phase: what was seen in repeated iterations against what is allowed. Pure; the record counts.

use std::collections::BTreeMap;

use crate::flake;
use crate::model::{Criterion, Metric, Operator, Retries};
use crate::text::plural;

/// What the gates of a criterion showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Valid iterations of the gate that has fewest: ended, and neither broken nor cancelled.
    pub valid: u32,
    /// Iterations that were planned.
    pub planned: u32,
    /// Cases of an iteration.
    pub cases: u64,
    /// Cases that did not run, over all iterations.
    pub not_run: u64,
    /// Timeouts over all iterations, those of whole gates among them.
    pub timeouts: u64,
    /// Valid iterations in which a case was red, by gate and case; a gate that failed for another reason is a case of itself.
    pub red: BTreeMap<(String, String), u32>,
    /// Valid iterations with more red cases than their events name: any case may have been one of them.
    pub unnamed: u32,
    /// Numbers that the gates reported, by name: gate, iterations that reported it, the least and the most.
    pub measures: BTreeMap<String, Vec<Measured>>,
    /// The number of iterations was not fixed beforehand.
    pub open_ended: bool,
    /// What is known of attempts that tools make by themselves: the least of all reports.
    pub retries: Retries,
    /// Gates whose tools hide failed attempts.
    pub hidden_in: Vec<String>,
}

/// A measure of one gate over its valid iterations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Gate.
    pub gate: String,
    /// Its value in each valid iteration; none where it was not reported.
    pub values: Vec<Option<String>>,
}

impl Default for Observed {
    fn default() -> Self {
        let red = BTreeMap::new();
        Self {
            valid: 0,
            planned: 0,
            cases: 0,
            not_run: 0,
            timeouts: 0,
            red,
            unnamed: 0,
            measures: BTreeMap::new(),
            open_ended: false,
            retries: Retries::Off,
            hidden_in: Vec::new(),
        }
    }
}

/// Whether a criterion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// There are too few valid iterations to say.
    NotJudged,
}

/// A criterion with what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name.
    pub id: String,
    /// Whether it holds.
    pub met: Met,
    /// What was seen, as text.
    pub observed: String,
    /// The printed line.
    pub line: String,
}

/// Judges one criterion.
pub fn criterion(wanted: &Criterion, seen: &Observed) -> Finding {
    if seen.valid < wanted.over {
        let line = format!("{}: not judged: {} of {} valid iterations", wanted.title, seen.valid, wanted.over);
        return Finding { id: wanted.id.clone(), met: Met::NotJudged, observed: String::new(), line };
    }
    if !wanted.metric.is_measure() && !seen.hidden_in.is_empty() {
        // With retries that nobody sees, a case that often fails looks clean.
        let gates = seen.hidden_in.join(", ");
        let line = format!("{}: not judged: attempts not observable in {gates}: claim withheld (hint: tool and {{tool.args}})", wanted.title);
        return Finding { id: wanted.id.clone(), met: Met::NotJudged, observed: String::new(), line };
    }
    let worst = (seen.red.values().copied().max().unwrap_or(0) + seen.unnamed).min(seen.valid);
    let alpha = 1.0 - wanted.confidence.parse::<f64>().unwrap_or(1.0 - flake::ALPHA);
    let (observed, holds) = match wanted.metric {
        Metric::FlakyTimeouts => counted(seen.timeouts, &wanted.threshold),
        Metric::Flaky => counted(seen.red.values().filter(|red| **red < seen.valid).count() as u64 + u64::from(seen.unnamed), &wanted.threshold),
        Metric::MaxRate => {
            let exact = flake::upper_bound_at(worst, seen.valid, alpha);
            let rate = if seen.open_ended { flake::streak_bound(worst, seen.valid).max(exact) } else { exact };
            (format!("{rate:.4}"), wanted.threshold.parse::<f64>().is_ok_and(|max| rate <= max))
        }
        Metric::RestartLoops | Metric::DriftFalsePositives | Metric::FailedFlows | Metric::MaxLines => return measure(wanted, seen),
    };
    let bound = if seen.open_ended { flake::streak_bound(worst, seen.valid) } else { flake::upper_bound(worst, seen.valid) } * 100.0;
    let needed =
        flake::runs_needed(0.05).map(|runs| format!("; {runs} clean runs needed for <5 %")).filter(|_| worst == 0 && seen.valid < 59).unwrap_or_default();
    let retries = if seen.retries == Retries::Off { "retries off" } else { "retries as reported" };
    let evidence = format!(
        "[{}/{} runs valid, {retries}, {}, {} not run; 95 % upper bound {bound:.1} % per run{needed}]",
        seen.valid,
        seen.planned,
        plural(seen.cases, "test"),
        seen.not_run
    );
    let runs = if wanted.over > 1 || seen.valid > 1 { "consecutive runs" } else { "run" };
    let line = format!("{} over {} {runs}: {observed}   {evidence}", wanted.title, seen.valid);
    Finding { id: wanted.id.clone(), met: if holds { Met::Yes } else { Met::No }, observed, line }
}

/// A criterion of a run whose source changed while its gates ran: what was seen is not of one code.
pub fn moved(wanted: &Criterion) -> Finding {
    let line = format!("{}: not judged: the source changed while the gates ran", wanted.title);
    Finding { id: wanted.id.clone(), met: Met::NotJudged, observed: String::new(), line }
}

/// A number that gates report: the worst value of any iteration counts, and one that is missing is never met.
fn measure(wanted: &Criterion, seen: &Observed) -> Finding {
    let name = wanted.metric.word();
    let reported = seen.measures.get(name).map(Vec::as_slice).unwrap_or_default();
    let finding = |met, observed: String, line| Finding { id: wanted.id.clone(), met, observed, line };
    let silent: Vec<&str> = reported.iter().filter(|one| one.values.iter().any(Option::is_none)).map(|one| one.gate.as_str()).collect();
    if reported.is_empty() || !silent.is_empty() {
        let who = if silent.is_empty() { wanted.gates.join(", ") } else { format!("every iteration of {}", silent.join(", ")) };
        return finding(Met::No, String::new(), format!("{}: `{name}` was not reported by {who} (hint: {{out}}/measures.json)", wanted.title));
    }
    let value = |text: &String| text.parse::<f64>().ok();
    let numbers = reported.iter().flat_map(|one| one.values.iter().flatten()).filter_map(|text| Some((value(text)?, text)));
    let worst = match wanted.operator {
        Operator::AtMost => numbers.max_by(|one, other| one.0.total_cmp(&other.0)),
        Operator::AtLeast => numbers.min_by(|one, other| one.0.total_cmp(&other.0)),
    };
    let (number, observed) = worst.map_or((f64::NAN, String::new()), |(number, text)| (number, text.clone()));
    let threshold = wanted.threshold.parse::<f64>().unwrap_or(f64::NAN);
    let holds = match wanted.operator {
        Operator::AtMost => number <= threshold,
        Operator::AtLeast => number >= threshold,
    };
    let runs = if seen.valid > 1 { format!(" over {} consecutive runs", seen.valid) } else { String::new() };
    let line = format!("{}{runs}: {observed}   [{} {}; {}/{} runs valid]", wanted.title, wanted.operator.sign(), wanted.threshold, seen.valid, seen.planned);
    finding(if holds { Met::Yes } else { Met::No }, observed, line)
}

fn counted(count: u64, max: &str) -> (String, bool) {
    (count.to_string(), max.parse::<u64>().is_ok_and(|max| count <= max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(metric: Metric, max: &str, over: u32) -> Criterion {
        let gates = vec!["g".to_owned()];
        Criterion {
            id: "c".to_owned(),
            title: "frontend flaky timeout failures".to_owned(),
            metric,
            gates,
            operator: Operator::AtMost,
            threshold: max.to_owned(),
            over,
            confidence: "0.95".to_owned(),
        }
    }

    fn seen(valid: u32, timeouts: u64, red: &[u32]) -> Observed {
        let red = red.iter().enumerate().map(|(index, count)| (("g".to_owned(), index.to_string()), *count)).collect();
        Observed { valid, planned: 10, cases: 412, timeouts, red, ..Observed::default() }
    }

    #[test]
    fn the_line_says_what_the_runs_allow() {
        let clean = criterion(&wanted(Metric::FlakyTimeouts, "0", 10), &seen(10, 0, &[]));
        assert_eq!(clean.met, Met::Yes);
        assert_eq!(
            clean.line,
            "frontend flaky timeout failures over 10 consecutive runs: 0   [10/10 runs valid, retries off, 412 tests, 0 not run; 95 % upper bound 25.9 % per run; \
             59 clean runs needed for <5 %]"
        );
        assert_eq!(criterion(&wanted(Metric::FlakyTimeouts, "0", 10), &seen(10, 1, &[1])).met, Met::No);
        let few = criterion(&wanted(Metric::FlakyTimeouts, "0", 10), &seen(1, 5, &[]));
        assert_eq!((few.met, few.line.as_str()), (Met::NotJudged, "frontend flaky timeout failures: not judged: 1 of 10 valid iterations"));
    }

    #[test]
    fn measures_are_judged_by_their_worst_value() {
        let measured = |values: &[Option<&str>]| {
            let values = values.iter().map(|value| value.map(str::to_owned)).collect();
            let measures = [("max-lines".to_owned(), vec![Measured { gate: "g".to_owned(), values }])].into();
            Observed { measures, ..seen(2, 0, &[]) }
        };
        let met = |values: &[Option<&str>], operator| criterion(&Criterion { operator, ..wanted(Metric::MaxLines, "1499", 1) }, &measured(values));
        let good = met(&[Some("900"), Some("1499")], Operator::AtMost);
        assert_eq!((good.met, good.observed.as_str()), (Met::Yes, "1499"));
        assert!(good.line.ends_with("1499   [<= 1499; 2/10 runs valid]"), "{}", good.line);
        assert_eq!(met(&[Some("900"), Some("1500")], Operator::AtMost).met, Met::No);
        assert_eq!(met(&[Some("1499"), Some("1500.5")], Operator::AtLeast).met, Met::Yes);
        assert_eq!(met(&[Some("900"), None], Operator::AtMost).met, Met::No, "an iteration that is silent is not clean");
        assert_eq!(criterion(&wanted(Metric::FailedFlows, "0", 1), &seen(1, 0, &[])).met, Met::No, "nobody reported it");
    }

    #[test]
    fn what_hides_attempts_is_not_judged() {
        let hidden = Observed { retries: Retries::Hidden, hidden_in: vec!["g".to_owned()], ..seen(10, 0, &[]) };
        let finding = criterion(&wanted(Metric::FlakyTimeouts, "0", 10), &hidden);
        assert_eq!(finding.met, Met::NotJudged);
        assert!(finding.line.contains("attempts not observable in g: claim withheld"), "{}", finding.line);
        let reported = Observed { retries: Retries::Reported, ..seen(10, 0, &[]) };
        assert!(criterion(&wanted(Metric::FlakyTimeouts, "0", 10), &reported).line.contains("retries as reported"));
    }

    #[test]
    fn rates_and_flakes_are_judged_by_the_worst_case() {
        assert_eq!(criterion(&wanted(Metric::Flaky, "1", 1), &seen(10, 0, &[1, 10])).met, Met::Yes, "one that is always red is no flake");
        assert_eq!(criterion(&wanted(Metric::Flaky, "1", 1), &seen(10, 0, &[1, 9])).met, Met::No);
        let rate = criterion(&wanted(Metric::MaxRate, "0.26", 1), &seen(10, 0, &[]));
        assert_eq!((rate.met, rate.observed.as_str()), (Met::Yes, "0.2589"));
        assert_eq!(criterion(&wanted(Metric::MaxRate, "0.26", 1), &seen(10, 0, &[1])).observed, "0.3942");
        let many = Observed { unnamed: 1, ..seen(10, 0, &[]) };
        assert_eq!(criterion(&wanted(Metric::MaxRate, "0.26", 1), &many).met, Met::No, "what is not named may be the same case");
        assert_eq!(criterion(&wanted(Metric::Flaky, "0", 1), &many).met, Met::No);
    }
}
