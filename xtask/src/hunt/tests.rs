use std::collections::BTreeSet;

use super::*;

/// Cases `c0` to `c29`; a case is red by a rule over the trial and the names before it.
struct Fake {
    rule: fn(&str, &[String], &Trial) -> bool,
    trials: u32,
}

impl Lab for Fake {
    fn run(&mut self, trial: &Trial) -> Result<Shown, Stop> {
        self.trials += 1;
        let all: Vec<String> = (0..30).map(|number| format!("c{number}")).collect();
        let order = match &trial.order {
            Order::AsIs => all,
            Order::Seed(seed) => shuffled(all, *seed),
            Order::Only(names, _) => names.clone(),
        };
        let red = |place: usize| if (self.rule)(&order[place], &order[..place], trial) { trial.runs } else { 0 };
        Ok(Shown { cases: order.iter().enumerate().map(|(place, case)| (case.clone(), red(place), trial.runs)).collect() })
    }

    fn can_order(&self) -> bool {
        true
    }

    fn shuffles_itself(&self) -> bool {
        false
    }

    fn say(&mut self, _text: &str) {}
}

fn found(rule: fn(&str, &[String], &Trial) -> bool) -> (Vec<Found>, u32) {
    let mut lab = Fake { rule, trials: 0 };
    let (found, stop) = hunt(&mut lab, Under::ALL, None);
    assert_eq!(stop, None);
    (found, lab.trials)
}

fn has(before: &[String], case: &str) -> bool {
    before.iter().any(|name| name == case)
}

#[test]
fn a_polluter_is_found_among_thirty() {
    let (found, trials) = found(|case, before, _| case == "c3" && has(before, "c17"));
    let [Found { case, cause: Cause::After(culprits, _) }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((case.as_str(), culprits.as_slice()), ("c3", &["c17".to_owned()][..]));
    assert!(trials < 50, "{trials}");
}

#[test]
fn two_polluters_together_are_found() {
    let (found, _) = found(|case, before, _| case == "c3" && has(before, "c17") && has(before, "c20"));
    let [Found { cause: Cause::After(culprits, _), .. }] = &found[..] else { panic!("{found:?}") };
    let culprits: BTreeSet<&str> = culprits.iter().map(String::as_str).collect();
    assert_eq!(culprits, BTreeSet::from(["c17", "c20"]));
}

#[test]
fn a_case_that_needs_another_before_it_fails_alone() {
    let (found, _) = found(|case, before, _| case == "c9" && !has(before, "c8"));
    assert_eq!(found, [Found { case: "c9".to_owned(), cause: Cause::Alone }]);
}

#[test]
fn pressure_variables_and_what_is_red_anyway_are_told_apart() {
    let (found, _) = found(|case, _, trial| match case {
        "c1" => true,
        "c2" => trial.cpu,
        "c3" => trial.io,
        "c4" => trial.variables.contains(&("TZ", "America/St_Johns")),
        _ => false,
    });
    let causes: Vec<(&str, &Cause)> = found.iter().map(|one| (one.case.as_str(), &one.cause)).collect();
    let expected = [
        ("c1", &Cause::AsItIs(3, 3)),
        ("c2", &Cause::Pressure(Under::Cpu, 10, 10)),
        ("c3", &Cause::Pressure(Under::Io, 10, 10)),
        ("c4", &Cause::Variable("TZ", "America/St_Johns")),
    ];
    assert_eq!(causes, expected);
}

#[test]
fn an_order_pair_is_found_although_it_shows_as_it_is() {
    // A plugin shuffles every run: as it is the victim is red in one of three.
    struct Shuffling(Fake);
    impl Lab for Shuffling {
        fn run(&mut self, trial: &Trial) -> Result<Shown, Stop> {
            let mut shown = self.0.run(trial)?;
            let as_it_is = trial.order == Order::AsIs;
            shown.cases.iter_mut().filter(|(case, _, _)| as_it_is && (case == "c3" || case == "c4")).for_each(|case| case.1 = 1);
            Ok(shown)
        }
        fn can_order(&self) -> bool {
            true
        }
        fn shuffles_itself(&self) -> bool {
            false
        }
        fn say(&mut self, _text: &str) {}
    }
    let mut lab = Shuffling(Fake { rule: |case, before, _| case == "c3" && has(before, "c17"), trials: 0 });
    let (found, _) = hunt(&mut lab, &[Under::Order], None);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(matches!(&found[0], Found { case, cause: Cause::After(culprits, _) } if case == "c3" && culprits == &["c17"]), "{found:?}");
    assert_eq!(found[1], Found { case: "c4".to_owned(), cause: Cause::AsItIs(1, 3) }, "what nothing explains is still told");
}

#[test]
fn a_focus_follows_one_case_only() {
    let mut lab = Fake { rule: |case, before, trial| case == "c3" && has(before, "c17") || case == "c5" && trial.cpu, trials: 0 };
    let (found, _) = hunt(&mut lab, Under::ALL, Some("c5"));
    assert_eq!(found, [Found { case: "c5".to_owned(), cause: Cause::Pressure(Under::Cpu, 10, 10) }]);
}

#[test]
fn a_seed_gives_one_order() {
    let all: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(shuffled(all.clone(), 4), shuffled(all.clone(), 4));
    assert_ne!(shuffled(all.clone(), 4), shuffled(all.clone(), 5));
    let mut back = shuffled(all.clone(), 4);
    back.sort_by_key(|name| name.parse::<u32>().unwrap_or_default());
    assert_eq!(back, all);
}
