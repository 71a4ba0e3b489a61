//! Checks as steps of gates: what they ask of real services and files, and what a missing engine means.

use crate::support::{Sandbox, one_gate, outcome};
use xtask::model::Outcome;

/// A service whose health changes after some questions.
const HEALTH: &str = r#"
import http.server, json, sys
asked = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        if self.path == "/health":
            asked += 1
        late = asked < int(sys.argv[2])
        body = json.dumps({"migration": {"state": "behind" if late else "at-head"}, "asked": asked}).encode()
        self.send_response(503 if late else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

fn health(after: u32, with: &str) -> Sandbox {
    let service = format!("[service.api]\nrun = ['python3', 'health.py', '{{port}}', '{after}']\nready = {{ tcp = true }}\ngrace = '300ms'\n");
    let sandbox =
        Sandbox::new(&format!("{}{service}", one_gate(&format!("services = ['api']\ncheck = 'http'\nwith = {{ url = '{{api.url}}/health', {with} }}"))));
    sandbox.write("health.py", HEALTH);
    sandbox
}

#[test]
fn a_page_is_asked_until_it_answers_right() {
    let sandbox = health(3, "json = { 'migration.state' = 'at-head' }");
    sandbox.run(&["gate", "p"]).exits(0);
    let cases = sandbox.cases();
    assert_eq!(outcome(&cases, "g http::answers 200"), Some(Outcome::Passed), "{:?}", cases.keys());
    assert_eq!(outcome(&cases, "g http::migration.state is \"at-head\""), Some(Outcome::Passed));
}

#[test]
fn a_page_that_answers_something_else_is_told_with_what_it_says() {
    let sandbox = health(1000, "json = { 'migration.state' = 'at-head' }, timeout = '500ms'");
    sandbox.run(&["gate", "p"]).exits(1).says("answers 503, 200 is wanted");
    assert!(sandbox.read(".gates/runs/latest/junit.xml").contains("migration.state is &quot;behind&quot;"));
    let sandbox = health(0, "status = 404, timeout = '300ms'");
    sandbox.run(&["gate", "p"]).exits(1).says("answers 200, 404 is wanted");
    sandbox.run(&["check", "http", "--with", "{\"url\": \"http://127.0.0.1:1/\", \"timeout\": \"300ms\"}"]).exits(1).says("no answer");
    sandbox.run(&["check", "http", "--with", "{\"url\": \"https://example.invalid/\"}"]).exits(70).says("no http:// address");
    sandbox.run(&["check", "http", "--with", "{\"urk\": \"x\"}"]).exits(2).says("its keys: url, status, json, timeout");
    sandbox.run(&["check", "http", "--with", "{\"timeout\": \"soon\"}"]).exits(2).says("needs `url`").says("`timeout` is not a duration");
}

#[test]
fn keys_of_a_check_are_looked_at_before_anything_runs() {
    let wrong = |body: &str| Sandbox::with_gate(body).run(&["gate", "p"]).exits(2);
    wrong("check = 'http'").says("check `http` needs `url`");
    wrong("check = 'http'\nwith = { url = '{api.url}' }").says("unknown placeholder `{api.url}`");
    wrong("check = 'http'\nwith = { url = 'http://x', json = { a = '{nobody.url}' } }").says("unknown placeholder `{nobody.url}`");
    wrong("check = 'http'\nwith = { url = 'http://x', timeout = 'soon' }").says("`timeout` is not a duration");
    wrong("check = 'http'\nwith = { url = 'http://x', json = 'x' }").says("`json` is not a table");
    wrong("check = 'htpp'").says("did you mean \"http\"?");
}

#[test]
fn migrations_in_a_services_command_make_the_gate_red() {
    let sandbox = Sandbox::with_gate("check = 'migration-decoupling'\nwith = { file = 'docker-compose.yml' }");
    sandbox.write("docker-compose.yml", "services:\n  api:\n    image: a\n    command: sh -c 'alembic upgrade head && uvicorn app'\n    restart: always\n");
    sandbox.run(&["gate", "p"]).exits(1).says("docker-compose.yml:4").says("service api runs `alembic upgrade head` and then `uvicorn app`");
    sandbox.write("docker-compose.yml", "services:\n  api: {image: a, command: uvicorn app}\n");
    sandbox.run(&["gate", "p"]).exits(0);
    sandbox.write("docker-compose.yml", "services: [\n");
    sandbox.run(&["gate", "p"]).exits(70).says("docker-compose.yml");
}

#[test]
fn a_client_without_an_engine_is_a_missing_tool() {
    let mut sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['g', 'other']\n[gate.other]\nowner = 'me'\nrun = ['true']\n[gate.g]\nowner = 'me'\ntools = ['docker']\nmissing = 'skip'\n\
         check = 'compose-health'\nwith = { file = 'c.yml' }\n",
    );
    sandbox.write("c.yml", "services:\n  a: {image: x}\n");
    sandbox.script("bin/docker", "#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n");
    sandbox.script("bin/podman", "#!/bin/sh\nexit 127\n");
    sandbox.put_first_on_path("bin");
    sandbox.commit();
    sandbox.run(&["gate", "p"]).exits(0).says("docker: its engine does not answer: Cannot connect to the daemon (declared)").says("1 skipped (declared)");
    assert_eq!(sandbox.verdict("g"), "skipped");
    let told = sandbox.run(&["gate", "p", "--profile", "release", "--runs", "1"]).exits(3);
    assert!(told.stderr.contains("gate `g`: docker: its engine does not answer") && told.stderr.contains("does not allow missing = \"skip\""), "{told}");
    sandbox.run(&["doctor"]).says("its engine does not answer");
    sandbox.run(&["check", "compose-health", "--with", "{\"file\": \"c.yml\"}"]).exits(70).says("no engine: docker: its engine does not answer");
}

/// The recorder in a real pytest on a real application: a route counts when a passed test reached it.
#[test]
fn routes_are_covered_by_tests_that_really_reach_them() {
    let mut sandbox = Sandbox::new(
        "schema = 1\n[phase.p]\ngates = ['g']\n[gate.g]\nowner = 'me'\n[[gate.g.steps]]\nname = 'tests'\nrun = ['pytest', '-q', '-p', 'gates_recorder', '--junitxml', '{junit}']\n\
         env = { PYTHONPATH = '{recorder}:.' }\n[[gate.g.steps]]\nname = 'openapi'\nshell = 'python -c \"import app, json; print(json.dumps(app.app.openapi()))\" > openapi.json'\n\
         [[gate.g.steps]]\nname = 'matrix'\ncheck = 'route-matrix'\nwith = { openapi = 'openapi.json', hits = '{out}', owners = { things = 'me' } }\n",
    );
    let python = std::path::PathBuf::from(crate::support::demo_tool("demo/backend/.venv/bin/python"));
    sandbox.put_first_on_path(&python.parent().expect("a folder").display().to_string());
    sandbox.write(
        "app.py",
        "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/things/{name}')\ndef one(name: str):\n    return name\n@app.post('/things')\ndef add():\n    return {}\n",
    );
    let tests = "from fastapi.testclient import TestClient\nfrom app import app\nclient = TestClient(app)\ndef test_one():\n    assert client.get('/things/a').status_code == 200\n\
                 def test_a_path_that_only_looks_alike():\n    assert client.put('/things').status_code == 405\n";
    sandbox.write("test_app.py", tests);
    sandbox
        .run(&["gate", "p"])
        .exits(1)
        .says("POST /things is reached by 0 tests, the least is 1")
        .says("app.py:6")
        .never_says("GET /things/{name} is reached");
    assert!(sandbox.read(".gates/runs/latest/out/g.1/route-matrix.md").contains("| things | me | GET /things/{name} | 1 |"));
    sandbox.write("test_app.py", &format!("{tests}def test_add():\n    assert client.post('/things').status_code == 200\n"));
    sandbox.run(&["gate", "p"]).exits(0);
}

#[test]
fn places_of_a_check_are_seen_from_the_root_wherever_its_gate_works() {
    let sandbox = Sandbox::with_gate("cwd = 'sub'\ncheck = 'size-budget'\nwith = { max-lines = 1, paths = ['sub/*.py'] }");
    sandbox.write("sub/big.py", "a\nb\n");
    sandbox.run(&["gate", "p"]).exits(1).says(" sub/big.py:1").never_says("sub/sub");
}

#[test]
fn a_check_that_looks_at_nothing_is_broken() {
    let sandbox = Sandbox::with_gate("check = 'size-budget'\nwith = { max-lines = 1, paths = [] }");
    sandbox.run(&["gate", "p"]).exits(70).says("looked at nothing");
    sandbox.run(&["check", "size-budget", "--with", "{\"max-lines\": 1, \"paths\": []}"]).exits(70).says("looked at nothing");
}
