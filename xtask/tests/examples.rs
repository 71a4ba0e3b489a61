//! The example of every check in docs/checks.md runs: green where all is well, and red, with the place, once one thing is not.

use crate::support::{demo_tool, example};

/// What a check's example needs around it, and what turns it red.
struct World {
    before: &'static str,
    files: Vec<(&'static str, String)>,
    breaks: (&'static str, String),
    told: &'static str,
}

const COMPOSE: &str = "services:\n  api:\n    image: api:1.4\n    command: uvicorn app:app\n    restart: always\n    healthcheck: {test: [\"CMD\", \"true\"]}\n\
                       \x20 web:\n    image: web:2\n    profiles: [dev]\n    command: npm run dev -- --watch\n    volumes: [\".:/src\"]\n";
const HEALTH: &str = "import http.server, json, sys\nclass Handler(http.server.BaseHTTPRequestHandler):\n    def do_GET(self):\n        body = json.dumps({'migration': {'state': STATE}}).encode()\n\
                      \x20       self.send_response(200)\n        self.end_headers()\n        self.wfile.write(body)\nhttp.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n";
const APP: &str = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/sales', tags=['sales'])\ndef sales():\n    return []\n@app.get('/ping', tags=['health'])\ndef ping():\n    return {}\n";
const TESTS: &str =
    "from fastapi.testclient import TestClient\nfrom app import app\nclient = TestClient(app)\ndef test_one():\n    assert client.get('/sales').json() == []\n";
const FLOWS: &str = "import { test, expect } from '@playwright/test'\n";

fn files(list: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    list.iter().map(|(name, text)| (*name, (*text).to_owned())).collect()
}

const DOCKERFILE: &str = "FROM python:3.11-slim\nUSER app\nCOPY app app\n";

fn of(before: &'static str, list: &[(&'static str, &str)], breaks: (&'static str, &str), told: &'static str) -> World {
    World { before, files: files(list), breaks: (breaks.0, breaks.1.to_owned()), told }
}

fn world(check: &str) -> World {
    match check {
        "http" => of(
            "[service.api]\nrun = ['python3', 'api.py', '{port}']\nready = { tcp = true }\ngrace = '300ms'\n",
            &[("api.py", &HEALTH.replace("STATE", "'at-head'"))],
            ("api.py", &HEALTH.replace("STATE", "'behind'")),
            "migration.state is \"behind\"",
        ),
        "migration-decoupling" => of(
            "",
            &[("docker-compose.yml", COMPOSE), ("backend/app/main.py", "app = 1\n")],
            ("docker-compose.yml", &COMPOSE.replace("uvicorn app:app", "sh -c 'alembic upgrade head && uvicorn app:app'")),
            "docker-compose.yml:4",
        ),
        "compose-hygiene" => of(
            "",
            &[("docker-compose.yml", COMPOSE)],
            ("docker-compose.yml", &COMPOSE.replace("uvicorn app:app", "uvicorn app:app --reload")),
            "docker-compose.yml:4",
        ),
        "image-hygiene" => of(
            "",
            &[("backend/Dockerfile", DOCKERFILE), ("backend/.dockerignore", ".venv\n")],
            ("backend/Dockerfile", &format!("{DOCKERFILE}RUN pip install httpx2\n")),
            "backend/Dockerfile:4",
        ),
        "pins" => of(
            "[runtime.python]\npin = '.python-version'\n",
            &[(".python-version", "3.11.7\n"), ("Dockerfile", DOCKERFILE)],
            ("Dockerfile", "FROM python:3.9-slim\n"),
            "Dockerfile:1",
        ),
        other => world_of_reports(other),
    }
}

/// Checks that read sources, or what other tools have reported.
fn world_of_reports(check: &str) -> World {
    match check {
        "size-budget" => of(
            "",
            &[("backend/app/a.py", "a = 1\n"), ("frontend/src/a.ts", "export {}\n"), ("size.toml", "")],
            ("backend/app/a.py", &"a = 1\n".repeat(1500)),
            "backend/app/a.py",
        ),
        "exception-budget" => of(
            "",
            &[("pyproject.toml", "[tool.ruff.lint]\nselect = [\"BLE\", \"E722\", \"S110\", \"S112\"]\n"), ("backend/app/a.py", "a = 1\n")],
            ("backend/app/a.py", "try:\n    a = 1\nexcept:\n    a = 2\n"),
            "backend/app/a.py:3",
        ),
        "flow-coverage" => {
            let all = format!("{FLOWS}for (const flow of ['purchases', 'sales']) test(`whole @${{flow}}`, () => expect(1).toBe(1))\n");
            let smoke = format!("{FLOWS}test('login', () => expect(1).toBe(1))\n");
            of("", &[("smoke.spec.ts", &smoke), ("all.spec.ts", &all)], ("all.spec.ts", &all.replace(", 'sales'", "")), "sales")
        }
        "route-matrix" => of(
            "[[gate.route-matrix.steps]]\nname = 'tests'\ntool = 'pytest'\nrun = ['pytest', '-q', '-p', 'gates_recorder', '{tool.args}']\nenv = { PYTHONPATH = '{recorder}:.' }\n\
             [[gate.route-matrix.steps]]\nname = 'openapi'\nshell = 'mkdir -p backend && python -c \"import app, json; print(json.dumps(app.app.openapi()))\" > backend/openapi.json'\n",
            &[("app.py", APP), ("test_app.py", &format!("{TESTS}def test_two():\n    assert client.get('/sales').status_code == 200\n"))],
            ("test_app.py", TESTS),
            "GET /sales is reached by 1 test, the least is 2",
        ),
        "duplication" => {
            // Twenty files that have nothing in common, and one that is there twice.
            let line = |file: usize, line: usize| format!("export const v{file}_{line} = {}\n", file * 1000 + line * 7);
            let unlike = |file: usize| (0..12).map(|number| line(file, number)).collect::<Vec<_>>().concat();
            let copied = "export function total(rows: number[], rate: number) {\n  let sum = 0\n  for (const row of rows) {\n    if (row > 10) sum += row * rate\n    else sum -= row / rate\n\
                          \x20   if (sum > 100) return sum - 100\n  }\n  return sum * 2 + rows.length\n}\n";
            let files = (0..20).map(|file| (&*format!("src/file{file}.ts").leak(), if file == 4 { copied.to_owned() } else { unlike(file) }));
            World { before: "", files: files.collect(), breaks: ("src/file3.ts", copied.to_owned()), told: "src/file3.ts" }
        }
        other => panic!("docs/checks.md has an example of `{other}` that no test runs"),
    }
}

#[test]
fn every_example_of_the_documentation_runs() {
    let tools = ["demo/backend/.venv/bin/ruff", "demo/frontend/node_modules/.bin/jscpd", "demo/e2e/node_modules/.bin/playwright"].map(demo_tool);
    for check in xtask::checks::CHECKS {
        let example = example(check.spec.name);
        for key in check.spec.keys {
            assert!(example.section.contains(key.name), "docs/checks.md says nothing of key `{}` of {}", key.name, check.spec.name);
        }
        // A stack needs an engine: tests/engine.rs runs it. Here it is read.
        if check.spec.name == "compose-health" {
            example.sandbox("").run(&["plan", "p"]).exits(0);
            continue;
        }
        let world = world(check.spec.name);
        let mut sandbox = example.sandbox(world.before);
        for tool in &tools {
            sandbox.put_first_on_path(&std::path::Path::new(tool).parent().expect("a folder").display().to_string());
        }
        if check.spec.name == "flow-coverage" {
            let modules = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("demo/e2e/node_modules");
            std::os::unix::fs::symlink(modules, sandbox.path("node_modules")).expect("linked");
        }
        for (name, text) in &world.files {
            sandbox.write(name, text);
        }
        sandbox.run(&["gate", "p"]).exits(0);
        sandbox.write(world.breaks.0, &world.breaks.1);
        sandbox.run(&["gate", "p"]).exits(1).says(world.told);
        assert_eq!(sandbox.verdict(&example.gate), "fail");
    }
}
