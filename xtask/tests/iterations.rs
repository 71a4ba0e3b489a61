//! Gates that run more than once: places, labels, rates, and what the reports say of them.

use crate::support::{Sandbox, one_gate, outcome};
use xtask::model::Outcome;

#[test]
fn iterations_have_places_of_their_own_and_labels() {
    let script = "mkdir -p \"$GATE_OUT\"; echo $GATE_ITERATION > \"$GATE_OUT/n\"; f='<failure message=\"odd\"/>'; [ $((GATE_ITERATION % 2)) = 1 ] || f=''\n\
                  echo \"<testsuite><testcase classname='k' name='flaky'>$f</testcase><testcase classname='k' name='stable'/><testcase classname='k' name='bad'><failure/></testcase></testsuite>\" > \"$GATE_JUNIT\"; exit 1";
    let sandbox = Sandbox::with_gate(&format!("shell = '''{script}'''"));
    sandbox
        .run(&["gate", "p", "--runs", "4"])
        .exits(1)
        .says("4 of 4 iterations failed")
        .says("flaky 1 · failing 1")
        .says("stable 1")
        .says("52.7 %")
        .says("flaky 2/4, unknown, at most 90.2 % a run");
    for iteration in 1..=4 {
        assert_eq!(sandbox.read(&format!(".gates/runs/latest/out/g.{iteration}/n")).trim(), iteration.to_string());
    }
    let cases = sandbox.cases();
    assert_eq!(cases.len(), 3, "one case an identity, whatever the number of iterations");
    assert_eq!(cases["g k::flaky"].retries.len(), 2);
    let flaky = sandbox.report()["gates"][0]["not_stable"].as_array().expect("a list").iter().find(|case| case["name"] == "k::flaky").cloned();
    let flaky = flaky.expect("it is not stable");
    assert_eq!((flaky["red"].as_u64(), flaky["ran"].as_u64(), flaky["upper95"].as_str()), (Some(2), Some(4), Some("0.9024")));
    assert_eq!(outcome(&cases, "g k::flaky"), Some(Outcome::Passed), "under flaky = \"warn\"");
    assert_eq!(outcome(&cases, "g k::bad"), Some(Outcome::Failed));
}

#[test]
fn a_flaky_gate_follows_the_profile() {
    let gate = one_gate("shell = '[ $GATE_ITERATION != 2 ]'");
    let sandbox = Sandbox::new(&format!("{gate}[profile.strict]\nflaky = 'fail'\n[profile.lenient]\nflaky = 'pass'\n"));
    sandbox.run(&["gate", "p", "--runs", "3", "--profile", "strict"]).exits(1).says("1 of 3 iterations failed");
    sandbox.run(&["gate", "p", "--runs", "3", "--profile", "lenient"]).exits(0).says("FLAKY");
    assert_eq!(sandbox.report()["gates"][0]["label"], "flaky");
}

#[test]
fn release_wants_a_clean_tree_and_ten_iterations() {
    let sandbox = Sandbox::with_gate("run = ['true']");
    sandbox.run(&["gate", "p", "--profile", "release"]).exits(0).says("10/10 iterations passed");
    sandbox.write("new.txt", "x");
    sandbox.run(&["gate", "p", "--profile", "release"]).exits(3).says("uncommitted changes");
}

#[test]
fn causes_and_fingerprints_tell_failures_apart_as_far_as_they_are_other_ones() {
    let red = |name: &str, seconds: u32, frame: &str| {
        format!("<testcase name='{name}'><failure type='Slow' message='took {seconds} s'>a.py:{seconds}: in {frame}</failure></testcase>")
    };
    // One fails as the other does, elsewhere in the file, with another number; the third in another function; the last in another way.
    let cases = [red("one", 3, "f"), red("same", 41, "f"), red("near", 3, "g"), red("far", 3, "f").replace("took", "lost")].concat();
    let sandbox = Sandbox::with_gate("run = ['sh', '-c', 'cp cases.xml \"$0\"; exit 1', '{junit}']");
    sandbox.write("cases.xml", &format!("<testsuite>{cases}</testsuite>"));
    sandbox.run(&["gate", "p", "--runs", "2"]).exits(1);
    let report = sandbox.read(".gates/runs/latest/junit.xml");
    let of = |name: &str| {
        let case = report.split("<testcase ").find(|case| case.contains(&format!("name=\"{name}\""))).expect("it is there");
        let value = |key: &str| case.split_once(&format!("name=\"{key}\" value=\"")).expect("a property").1.split('"').next().expect("a value").to_owned();
        [value("gate.cause"), value("gate.fingerprint")]
    };
    let [one, same, near, far] = ["one", "same", "near", "far"].map(of);
    assert_eq!(one, same);
    assert_eq!((one[0] == near[0], one[1] == near[1]), (true, false), "{one:?} {near:?}");
    assert_eq!((one[0] == far[0], one[1] == far[1]), (false, false), "{one:?} {far:?}");
}
