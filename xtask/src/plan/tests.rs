use std::path::Path;

use super::*;

const FILE: &str = r#"
schema = 1
[phase.zero]
gates = ["a"]
[phase.one]
requires = ["zero"]
gates = ["c", "b"]
runs = 2
[gate.a]
owner = "me"
run = ["true"]
[gate.b]
owner = "me"
run = ["true"]
needs = ["d"]
[gate.c]
owner = "me"
run = ["true"]
runs = 3
[gate.d]
owner = "me"
run = ["true"]
"#;

fn make(request: Request) -> Result<Plan, String> {
    let config = crate::config::parse(Path::new("/nowhere"), "gates.toml", FILE, crate::config::Caller::default()).expect("valid");
    plan(&config, &config.profiles["local"], &Request { jobs: 2, ..request })
}

fn words(targets: &[&str]) -> Vec<String> {
    targets.iter().map(|word| (*word).to_owned()).collect()
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.gates.iter().map(|gate| format!("{}x{}", gate.id, gate.runs)).collect()
}

#[test]
fn required_phases_run_first_and_needs_are_pulled_in() {
    let plan = make(Request { targets: words(&["one"]), ..Request::default() }).expect("planned");
    assert_eq!(plan.phases.iter().map(|phase| (phase.id.as_str(), phase.asked)).collect::<Vec<_>>(), [("zero", false), ("one", true)]);
    assert_eq!(ids(&plan), ["ax1", "cx3", "bx2", "dx1"]);
    assert_eq!(plan.gates[3].needed_by, ["b"]);
    assert_eq!(plan.partial, None);
    assert_eq!(plan.stages, [None, Some("zero".to_owned())]);
}

#[test]
fn alone_and_credits_put_required_phases_aside() {
    let plan = make(Request { targets: words(&["one"]), alone: true, ..Request::default() }).expect("planned");
    assert_eq!((ids(&plan), plan.aside), (words(&["cx3", "bx2", "dx1"]), vec![("zero".to_owned(), None)]));
    let credited = [("zero".to_owned(), "run7".to_owned())].into();
    let plan = make(Request { targets: words(&["one"]), credited, ..Request::default() }).expect("planned");
    assert_eq!(plan.aside, [("zero".to_owned(), Some("run7".to_owned()))]);
}

#[test]
fn narrowed_runs_say_so() {
    let partial = |request| make(request).expect("planned").partial;
    assert_eq!(partial(Request { targets: words(&["a"]), ..Request::default() }).as_deref(), Some("single gates"));
    assert_eq!(partial(Request { targets: words(&["one"]), skip: words(&["b"]), ..Request::default() }).as_deref(), Some("--skip b"));
    assert_eq!(partial(Request { targets: words(&["one"]), runs: Some(1), ..Request::default() }).as_deref(), Some("--runs 1 where 2 are due"));
    assert_eq!(partial(Request { targets: words(&["one"]), runs: Some(5), ..Request::default() }), None);
}

#[test]
fn the_command_line_wins_over_gate_phase_and_profile() {
    let plan = make(Request { targets: words(&["one"]), runs: Some(4), ..Request::default() }).expect("planned");
    assert_eq!(ids(&plan), ["ax4", "cx4", "bx4", "dx4"]);
}

#[test]
fn a_later_iteration_needs_the_same_one_and_follows_its_own() {
    let plan = make(Request { targets: words(&["one"]), ..Request::default() }).expect("planned");
    let at = |gate: &str, iteration| plan.work.iter().position(|work| *work == Work::Gate(JobId { gate: gate.to_owned(), iteration })).expect("planned");
    let second = &plan.tasks[at("b", 2)];
    assert_eq!(second.needs, [at("d", 1)]);
    assert_eq!(second.after, [at("b", 1)]);
}

#[test]
fn a_report_in_a_fixed_place_is_held_alone() {
    let text = FILE.replace("[gate.a]\n", "[gate.a]\njunit = ['out.xml']\n");
    let config = crate::config::parse(Path::new("/nowhere"), "gates.toml", &text, crate::config::Caller::default()).expect("valid");
    let request = Request { targets: words(&["zero", "b"]), jobs: 2, ..Request::default() };
    let plan = plan(&config, &config.profiles["local"], &request).expect("planned");
    let held: Vec<Vec<String>> = plan.tasks.iter().map(|task| lock_words(&task.locks)).filter(|locks| !locks.is_empty()).collect();
    assert_eq!(held, [["reports:a"]]);
}

#[test]
fn unknown_names_are_refused_with_a_neighbour() {
    assert!(make(Request { targets: words(&["on"]), ..Request::default() }).expect_err("unknown").contains("did you mean `one`?"));
    assert!(make(Request { targets: words(&["one"]), extra: words(&["-k"]), ..Request::default() }).is_err());
}
