use super::*;
use crate::model::{CaseFact, ReportFact};

fn step(code: i32) -> StepFact {
    StepFact { step: "1".to_owned(), end: End::Code(code), accepted: vec![0], took: 5, excerpt: String::new(), at: None }
}

fn report(state: ReportState, tests: u64, failures: u64, skipped: u64) -> ReportFact {
    let case = |name: &str, outcome| CaseFact { case: name.to_owned(), outcome, message: String::new(), at: None, attempts: 0, category: None };
    ReportFact {
        step: "1".to_owned(),
        promised: "{junit}".to_owned(),
        file: None,
        state,
        note: String::new(),
        counted: Totals { tests, failures, errors: 0, skipped },
        timeouts: 0,
        flaky: Vec::new(),
        quarantined: Vec::new(),
        retries: crate::model::Retries::Reported,
        inventory: "1-a".to_owned(),
        red: (0..failures).map(|n| case(&format!("red {n}"), Outcome::Failed)).collect(),
        undeclared: (0..skipped).map(|n| case(&format!("skip {n}"), Outcome::Skipped)).collect(),
        undeclared_count: skipped,
        matched: Vec::new(),
    }
}

fn judged(code: i32, reports: Vec<ReportFact>) -> Judgement {
    let facts = AttemptFacts { steps: vec![step(code)], reports, complete: true, ..AttemptFacts::default() };
    let expect = Expect { min_tests: 1, ..Expect::default() };
    attempt(Terms { reports: !facts.reports.is_empty(), expect: &expect, timeout: 1000 }, &facts)
}

#[test]
fn exit_code_and_report_must_agree() {
    use ReportState::Valid;
    assert_eq!(judged(0, vec![report(Valid, 3, 0, 0)]).verdict, Verdict::Pass);
    assert_eq!(judged(0, vec![report(Valid, 3, 1, 0)]).verdict, Verdict::Fail);
    assert_eq!(judged(1, vec![report(Valid, 3, 1, 0)]).verdict, Verdict::Fail);
    let green_but_failed = judged(1, vec![report(Valid, 3, 0, 0)]);
    assert_eq!((green_but_failed.verdict, green_but_failed.unreported), (Verdict::Fail, true));
    assert_eq!(judged(0, Vec::new()).verdict, Verdict::Pass);
    assert_eq!(judged(1, Vec::new()).verdict, Verdict::Fail);
}

#[test]
fn what_cannot_be_read_is_broken_whatever_the_exit_code() {
    use ReportState::{Absent, Empty, IllFormed, Mismatch, NotJunit, Stale, Truncated, Unreadable};
    for state in [Absent, Empty, IllFormed, Mismatch, NotJunit, Stale, Truncated, Unreadable] {
        for code in [0, 1] {
            assert_eq!(judged(code, vec![report(state, 3, 0, 0)]).verdict, Verdict::Broken, "{state:?} with exit {code}");
        }
    }
    assert_eq!(judged(0, vec![report(ReportState::Valid, 0, 0, 0)]).verdict, Verdict::Broken, "no case at all");
}

#[test]
fn skips_count_for_nothing() {
    let all_skipped = judged(0, vec![report(ReportState::Valid, 3, 0, 3)]);
    assert_eq!(all_skipped.verdict, Verdict::Fail);
    assert!(all_skipped.why.iter().any(|why| why.contains("expect.min-tests is 1")), "{:?}", all_skipped.why);
    assert!(all_skipped.why.iter().any(|why| why.contains("3 skipped cases not declared")), "{:?}", all_skipped.why);
}

#[test]
fn stopped_attempts_never_pass() {
    let expect = Expect { min_tests: 1, ..Expect::default() };
    for (cause, verdict) in [
        (StopCause::Timeout, Verdict::Fail),
        (StopCause::LogMax, Verdict::Fail),
        (StopCause::Cancel, Verdict::Cancelled),
        (StopCause::DiskFull, Verdict::Broken),
    ] {
        let facts = AttemptFacts { steps: vec![step(0)], stopped: Some(cause), complete: true, ..AttemptFacts::default() };
        assert_eq!(attempt(Terms { reports: false, expect: &expect, timeout: 1000 }, &facts).verdict, verdict, "{cause:?}");
    }
    let cut = AttemptFacts { steps: vec![step(0)], ..AttemptFacts::default() };
    assert_eq!(attempt(Terms { reports: false, expect: &expect, timeout: 1000 }, &cut).verdict, Verdict::Broken);
}

#[test]
fn mixed_iterations_follow_the_rule() {
    let pass = judged(0, vec![report(ReportState::Valid, 3, 0, 0)]);
    let fail = judged(1, vec![report(ReportState::Valid, 3, 1, 0)]);
    let broken = judged(0, vec![report(ReportState::Absent, 0, 0, 0)]);
    let unreported = judged(1, vec![report(ReportState::Valid, 3, 0, 0)]);
    let check = |attempts: &[&Judgement], rule, verdict, label| {
        let attempts: Vec<Judgement> = attempts.iter().map(|one| (*one).clone()).collect();
        let gate = gate(&attempts, rule, &[]);
        assert_eq!((gate.verdict, gate.label), (verdict, label), "{attempts:?} {rule:?}");
    };
    check(&[&pass, &fail], FlakyRule::Warn, Verdict::Pass, Label::Flaky);
    check(&[&pass, &fail], FlakyRule::Fail, Verdict::Fail, Label::Flaky);
    check(&[&fail, &fail], FlakyRule::Pass, Verdict::Fail, Label::Failing);
    check(&[&fail], FlakyRule::Pass, Verdict::Fail, Label::Unclassified);
    check(&[&pass, &broken], FlakyRule::Pass, Verdict::Broken, Label::Flaky);
    check(&[&pass, &unreported], FlakyRule::Pass, Verdict::Fail, Label::Flaky);
    check(&[&pass, &pass], FlakyRule::Fail, Verdict::Pass, Label::Stable);
    check(&[], FlakyRule::Fail, Verdict::Skipped, Label::Unclassified);
}

#[test]
fn what_failed_before_it_could_report_failed() {
    let expect = Expect { min_tests: 1, ..Expect::default() };
    let terms = Terms { reports: true, expect: &expect, timeout: 1000 };
    let early = AttemptFacts { steps: vec![step(1)], complete: true, ..AttemptFacts::default() };
    let judged = attempt(terms, &early);
    assert_eq!((judged.verdict, judged.unreported), (Verdict::Fail, true), "{:?}", judged.why);
    let silent = AttemptFacts { steps: vec![step(0)], complete: true, ..AttemptFacts::default() };
    assert_eq!(attempt(terms, &silent).verdict, Verdict::Broken);
    let migrate = AttemptFacts { migrate: Some("x".to_owned()), complete: true, ..AttemptFacts::default() };
    assert_eq!(attempt(terms, &migrate).why, ["migrate: x"]);
    let stopped = AttemptFacts { stopped: Some(StopCause::Cancel), ..migrate };
    assert_eq!(attempt(terms, &stopped).verdict, Verdict::Cancelled, "who cancels does not find a broken migration");
}
