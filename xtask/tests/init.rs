//! A newcomer's first ten minutes: `init` in repositories that know nothing of this program, and the verdict of what it wrote.

use std::process::Command;

use crate::support::{Sandbox, Transcript, demo_tool};

/// A repository without gates.toml, and `init` in it.
fn newcomer(files: &[(&str, &str)]) -> (Sandbox, Transcript) {
    let sandbox = Sandbox::new("");
    std::fs::remove_file(sandbox.path("gates.toml")).expect("removed");
    for (name, text) in files {
        sandbox.write(name, text);
    }
    sandbox.commit();
    sandbox.write(".gitignore", ".gates/\n.venv/\nnode_modules/\ntarget/\n__pycache__/\n");
    let told = sandbox.run(&["init"]);
    (sandbox, told)
}

#[test]
fn python_and_node_are_gated_without_an_edit() {
    let package = "{\"name\": \"web\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node --test\", \"build\": \"node build.js\"}}";
    let lock = "{\"name\": \"web\", \"version\": \"1.0.0\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {\"\": {\"name\": \"web\", \"version\": \"1.0.0\"}}}";
    let (sandbox, told) = newcomer(&[
        ("api/requirements.txt", "pytest==9.0.2\n"),
        ("api/test_sum.py", "def test_sum():\n    assert 1 + 1 == 2\n"),
        ("web/package.json", package),
        ("web/package-lock.json", lock),
        ("web/build.js", "console.log('built')\n"),
        ("web/sum.test.js", "require('node:test')('sum', () => require('node:assert').equal(1 + 1, 2))\n"),
    ]);
    told.exits(0)
        .says("wrote .python-version with the version of this machine")
        .says("wrote gates.toml: 3 gates")
        .never_says("does not ignore")
        .says("gate phase1");
    sandbox.commit();
    sandbox.run(&["gate", "phase1"]).exits(0).says("3 pass");
    assert_eq!(sandbox.verdict("api-tests"), "pass");
    // It is a verdict: what is broken is red, by name and line.
    sandbox.write("api/test_sum.py", "def test_sum():\n    assert 1 + 1 == 3\n");
    sandbox.run(&["gate", "phase1"]).exits(1).says("test_sum.py::test_sum").says("api/test_sum.py:2");
    sandbox.run(&["init"]).exits(2).says("is there already");
}

#[test]
fn django_is_gated_without_an_edit() {
    let (sandbox, told) = newcomer(&[
        ("requirements.txt", "Django==5.2.8\n"),
        (
            "manage.py",
            "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\nfrom django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
        ),
        ("shop/__init__.py", ""),
        (
            "shop/settings.py",
            "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'store']\nDEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\nROOT_URLCONF = 'shop.urls'\n\
             DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}\n",
        ),
        ("shop/urls.py", "urlpatterns = []\n"),
        ("store/__init__.py", ""),
        ("store/models.py", "from django.db import models\n"),
        ("store/migrations/__init__.py", ""),
        (
            "store/tests.py",
            "from django.test import TestCase\n\nclass Home(TestCase):\n    def test_home(self):\n        self.assertEqual(self.client.get('/').status_code, 404)\n",
        ),
    ]);
    told.exits(0).says("wrote gates.toml: 3 gates");
    sandbox.commit();
    sandbox.run(&["gate", "phase1"]).exits(0).says("3 pass");
    // A change of a model without its migration.
    sandbox.write("store/models.py", "from django.db import models\n\nclass Item(models.Model):\n    name = models.CharField(max_length=9)\n");
    sandbox.run(&["gate", "phase1"]).exits(1).says("FAIL python-migrations");
}

#[test]
fn a_rust_workspace_is_gated_without_an_edit() {
    let (sandbox, told) = newcomer(&[
        ("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"core\"]\n"),
        ("core/Cargo.toml", "[package]\nname = \"core-of-it\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        ("core/src/lib.rs", "#[test]\nfn holds() {\n    assert_eq!(1 + 1, 2);\n}\n"),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n"),
    ]);
    told.exits(0).says("written as comments, with what they need: rust-clippy").never_says("wrote rust-toolchain.toml");
    sandbox.commit();
    sandbox.run(&["gate", "phase1"]).exits(0).says("2 pass");
}

#[test]
fn what_is_missing_is_said_and_nothing_is_written_on_trial() {
    let (sandbox, told) = newcomer(&[("README.md", "hello\n")]);
    told.exits(4).says("nothing that can be gated was found");
    sandbox.write("uv.lock", "pytest\n");
    sandbox.write("pyproject.toml", "[project]\nname = 'x'\n");
    sandbox.write("test_x.py", "def test_x(): pass\n");
    let path = demo_tool("demo/backend/.venv/bin/python");
    let folder = std::path::Path::new(&path).parent().expect("a folder").display().to_string();
    // Without uv on PATH.
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["init", "--check"])
        .current_dir(sandbox.root())
        .env_clear()
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .output()
        .expect("it starts");
    let (shown, said) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(output.status.code(), Some(3), "{shown}{said}");
    assert!(shown.contains("[\"uv\", \"sync\"") && said.contains("missing: `uv` is not on this machine"), "{shown}{said}");
    assert!(!sandbox.path("gates.toml").exists());
}
