//! Gates that are split over machines: what is judged only when all parts are there.

use crate::shards::{GATES, UP, deliver, merge, plan, repository};
use crate::support::demo_tool;

#[test]
fn counts_are_judged_when_all_parts_are_there() {
    let with = |cases: &str, expect: &str| {
        let gates = format!(
            "schema = 1\n[phase.p]\ngates = ['t']\n[gate.t]\nowner = 'me'\nshards = 4\nrun = ['sh', 'suite.sh', '{{junit}}', '{{shard.index}}', '{{shard.total}}', '{cases}', 't']\n{expect}"
        );
        let sandbox = repository(&gates, "", "");
        for shard in &plan(&sandbox, &["--shards", "4"]).shards {
            deliver(&sandbox, &shard.id, "1");
        }
        merge(&sandbox)
    };
    with("8", "expect = { min-tests = 8 }").exits(0);
    with("8", "expect = { min-tests = 9 }").exits(1).says("8 cases ran, expect.min-tests is 9");
    with("8", "expect = { min-tests = 8, cases = [{ match = 's::case 1?', min = 1 }] }").exits(1).says("0 cases match");
    with("3", "").exits(70).says("part 4/4 holds no case");
}

#[test]
fn cases_of_the_baseline_are_looked_for_in_all_parts() {
    let sandbox = repository(GATES, "", "");
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.run(&["baseline", "accept", "t"]).exits(0);
    sandbox.commit();
    for shard in &plan(&sandbox, &["--shards", "3"]).shards {
        deliver(&sandbox, &shard.id, "1");
    }
    merge(&sandbox).exits(0);
    let baseline = sandbox.read("gates.baseline");
    sandbox.write("gates.baseline", &baseline.replace("s::case 8", "s::case 8\ns::case 99"));
    sandbox.commit();
    std::fs::remove_dir_all(sandbox.path(UP)).expect("there");
    for shard in &plan(&sandbox, &["--shards", "3"]).shards {
        deliver(&sandbox, &shard.id, "1");
    }
    merge(&sandbox).exits(1).says("1 case of gates.baseline missing: s::case 99");
}

#[test]
fn real_pytest_and_vitest_run_their_parts() {
    let mut sandbox = repository(
        "schema = 1\n[phase.p]\ngates = ['py', 'js']\n[gate.py]\nowner = 'me'\ntool = 'pytest'\nrun = ['pytest', '-q', '-p', 'no:cacheprovider', '{tool.args}']\nenv = { PYTHONDONTWRITEBYTECODE = '1' }\nshards = 3\nexpect = { min-tests = 7 }\n\
         [gate.js]\nowner = 'me'\ntool = 'vitest'\nrun = ['vitest', 'run', '{tool.args}']\nshards = 3\nexpect = { min-tests = 3 }\n",
        "",
        "",
    );
    for tool in ["demo/backend/.venv/bin/pytest", "demo/frontend/node_modules/.bin/vitest"].map(demo_tool) {
        sandbox.put_first_on_path(&std::path::Path::new(&tool).parent().expect("a folder").display().to_string());
    }
    let modules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("demo/frontend/node_modules");
    std::os::unix::fs::symlink(modules, sandbox.path("node_modules")).expect("linked");
    for (file, tests) in [("test_a.py", 3), ("test_b.py", 2), ("test_c.py", 2)] {
        let text: Vec<String> = (0..tests).map(|number| format!("def test_{number}():\n    pass\n")).collect();
        sandbox.write(file, &text.concat());
    }
    for file in ["a", "b", "c"] {
        sandbox.write(&format!("{file}.test.js"), "import { expect, it } from 'vitest'\nit('works', () => expect(1).toBe(1))\n");
    }
    sandbox.commit();
    for shard in &plan(&sandbox, &["--shards", "3"]).shards {
        deliver(&sandbox, &shard.id, "1");
    }
    merge(&sandbox).exits(0);
    assert_eq!(sandbox.junit().1.tests, 10, "each once");
}

#[test]
fn what_parts_cannot_prove_together_is_broken() {
    let gates = "schema = 1\n[phase.p]\ngates = ['t']\n[gate.t]\nowner = 'me'\nshards = 2\nrun = ['sh', 'suite.sh', '{junit}', '{shard.index}', '{shard.total}', '4', 't']\n";
    let sandbox = repository(gates, "", "");
    for shard in &plan(&sandbox, &["--shards", "2"]).shards {
        deliver(&sandbox, &shard.id, "1");
    }
    merge(&sandbox).exits(0);
    let log = sandbox.files(UP).into_iter().find(|file| file.ends_with("logs/t.1.log")).expect("a log");
    std::fs::remove_file(&log).expect("there");
    merge(&sandbox).exits(70).says("logs/t.1.log is missing");

    // A number of one part would hide that of the other.
    sandbox.write("measured.sh", "sh suite.sh \"$1\" \"$2\" \"$3\" 4 t\nprintf '{\"restart-loops\": 1}' > \"$GATE_OUT/measures.json\"\n");
    let suite = sandbox.read("measured.sh");
    let measured = gates
        .replace("'suite.sh', '{junit}', '{shard.index}', '{shard.total}', '4', 't'", "'measured.sh', '{junit}', '{shard.index}', '{shard.total}', '{out}'");
    let sandbox = repository(&measured, "", "");
    sandbox.write("measured.sh", &suite);
    sandbox.commit();
    for shard in &plan(&sandbox, &["--shards", "2"]).shards {
        deliver(&sandbox, &shard.id, "1");
    }
    merge(&sandbox).exits(70).says("a gate with numbers of its own cannot be split");

    std::fs::remove_dir_all(sandbox.path(".git")).expect("there");
    sandbox.run(&["plan", "p", "--shards", "2"]).exits(2).says("several machines need one commit");
}

#[test]
fn words_behind_dashes_choose_among_the_cases() {
    let gates = "schema = 1\n[phase.p]\ngates = ['t']\n[gate.t]\nowner = 'me'\nexpect = { min-tests = 5 }\nrun = ['sh', 'suite.sh', '{junit}', '1', '1']\n";
    let sandbox = repository(gates, "", "");
    sandbox.run(&["gate", "t", "--", "2", "t"]).exits(0);
    sandbox.run(&["gate", "t", "--", "0", "t"]).exits(70).says("the report holds no case");
}
