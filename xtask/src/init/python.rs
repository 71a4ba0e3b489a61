//! Python: pip, uv and Poetry; pytest and unittest; Django and Alembic.

use super::draft::{Draft, Gate, Runtime, list, quoted};
use super::{Tree, folder_of, id, join, name_of};

const MARKS: &[&str] = &["pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile", "manage.py", "uv.lock", "poetry.lock"];
/// Requirement files that bring what tests need, the best first.
const FOR_TESTS: &[&str] = &[
    "requirements-dev.lock",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements-test.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
];

pub(super) fn look(tree: &Tree<'_>, draft: &mut Draft) {
    let mut taken: Vec<String> = Vec::new();
    for folder in tree.folders(MARKS) {
        // A folder below another project is a part of it, unless it brings requirements of its own.
        let inner = taken.iter().any(|outer| outer.is_empty() || folder.starts_with(&format!("{outer}/")));
        let is_app = ["requirements.txt", "uv.lock", "poetry.lock", "manage.py"].iter().any(|name| tree.has(&folder, name));
        let project = tree.text(&folder, "pyproject.toml");
        let is_only_settings =
            !is_app && !project.is_empty() && !project.contains("[project]") && !project.contains("[tool.poetry]") && !has_tests(tree, &folder);
        if inner && !is_app || is_only_settings || name_of(&folder) == "docs" {
            continue;
        }
        Project::of(tree, &folder).draft(draft);
        taken.push(folder);
    }
}

fn is_test(file: &str) -> bool {
    let name = name_of(file);
    is_python(name) && (name.starts_with("test_") || name.ends_with("_test.py") || name == "tests.py")
}

fn is_python(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|ending| ending == "py")
}

fn has_tests(tree: &Tree<'_>, folder: &str) -> bool {
    let below = join(folder, "");
    tree.own().any(|file| is_test(file) && (folder.is_empty() || file.starts_with(&below)))
}

struct Project<'t> {
    tree: &'t Tree<'t>,
    folder: String,
    /// Everything that names dependencies, in small letters.
    wants: String,
}

impl<'t> Project<'t> {
    fn of(tree: &'t Tree<'t>, folder: &str) -> Self {
        let files = ["pyproject.toml", "requirements.txt", "setup.py", "setup.cfg", "Pipfile", "uv.lock", "poetry.lock"].iter().chain(FOR_TESTS);
        let wants = files.map(|name| tree.text(folder, name).to_lowercase()).collect::<Vec<_>>().join("\n");
        Self { tree, folder: folder.to_owned(), wants }
    }

    fn wants(&self, package: &str) -> bool {
        let letter = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric() || sign == '-' || sign == '_');
        self.wants
            .match_indices(package)
            .any(|(at, _)| !letter(self.wants[..at].chars().next_back()) && !letter(self.wants[at + package.len()..].chars().next()))
    }

    fn has(&self, name: &str) -> bool {
        self.tree.has(&self.folder, name)
    }

    fn draft(&self, draft: &mut Draft) {
        let runtime = self.runtime(draft);
        let below = join(&self.folder, "");
        let tests: Vec<&str> = self.tree.own().filter(|file| is_test(file) && (self.folder.is_empty() || file.starts_with(&below))).collect();
        let gate = |name: &str, title: &str| Gate::new(format!("{runtime}-{name}"), title, &runtime, Some(&runtime), &self.folder);
        let django = self.has("manage.py");
        let pytest =
            self.wants("pytest") || tests.iter().any(|file| (self.tree.read)(file).is_some_and(|text| text.contains("pytest") || !text.contains("unittest")));
        if django {
            draft.add(gate("check", "manage.py check finds nothing").run(&["python", "manage.py", "check"]));
            draft.add(gate("migrations", "every change of a model has its migration").run(&["python", "manage.py", "makemigrations", "--check", "--dry-run"]));
        }
        if tests.is_empty() {
            draft.notes.push(format!("{}: there are no tests yet (test_*.py)", self.place()));
        } else if django && !self.wants("pytest-django") {
            draft.add(gate("tests", "the tests of Django pass").run(&["python", "manage.py", "test"]));
        } else if pytest {
            draft.add(gate("tests", "pytest passes").line("tool = \"pytest\"").run(&["pytest", "-q", "{tool.args}"]));
        } else {
            draft.add(gate("tests", "unittest passes").run(&["python", "-m", "unittest", "discover"]));
        }
        self.alembic(draft, &runtime);
    }

    fn place(&self) -> &str {
        if self.folder.is_empty() { "Python" } else { &self.folder }
    }

    fn runtime(&self, draft: &mut Draft) -> String {
        let pin = self.tree.pin(&self.folder, &[".python-version"]).unwrap_or_else(|| super::others::make_pin(draft, self.tree, "python", ".python-version"));
        let id = id(&self.folder, "python");
        let mut runtime = Runtime { id: id.clone(), kind: "python", pin, cwd: self.folder.clone(), ..Runtime::default() };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let lock = |name: &str| vec![join(&self.folder, name)];
        if self.has("uv.lock") {
            runtime.lockfiles = lock("uv.lock");
            runtime.install = vec![words(&["uv", "sync", "--frozen", "--all-groups", "--all-extras"])];
            draft.tools.push("uv".to_owned());
        } else if self.has("poetry.lock") {
            runtime.lockfiles = lock("poetry.lock");
            runtime.install = vec![words(&["poetry", "install", "--no-interaction"])];
            runtime.env.push(("POETRY_VIRTUALENVS_IN_PROJECT".to_owned(), "true".to_owned()));
            draft.tools.push("poetry".to_owned());
        } else {
            self.pip(draft, &mut runtime);
        }
        runtime.bin = vec![join(&self.folder, ".venv/bin")];
        runtime.env.push(("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()));
        draft.add_runtime(runtime)
    }

    /// A virtual environment, filled by pip.
    fn pip(&self, draft: &mut Draft, runtime: &mut Runtime) {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let exe = format!("{{{}.exe}}", runtime.id);
        runtime.install = vec![words(&[&exe, "-m", "venv", "--clear", ".venv"])];
        let pip = [".venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"];
        let mut add = |more: &[&str]| runtime.install.push(words(&[&pip[..], more].concat()));
        let own = FOR_TESTS.iter().find(|name| self.has(name));
        let files: Vec<&str> = ["requirements.txt"].into_iter().filter(|name| self.has(name)).chain(own.copied()).collect();
        let project = self.tree.text(&self.folder, "pyproject.toml");
        for file in &files {
            add(&["-r", file]);
        }
        if files.is_empty() && project.contains("[project]") {
            let extras: Vec<&str> = ["dev", "test", "tests"].into_iter().filter(|extra| project.contains(&format!("\n{extra} = ["))).collect();
            let is_group = project.contains("[dependency-groups]");
            let target = if extras.is_empty() || is_group { ".".to_owned() } else { format!(".[{}]", extras.join(",")) };
            add(&["-e", &target]);
            if is_group && !extras.is_empty() {
                draft.notes.push(format!(
                    "{}: [dependency-groups] needs pip 25.1, or uv; the packages of {} are not installed",
                    self.place(),
                    extras.join(", ")
                ));
            }
        }
        // What the tests start must be there, also where nobody wrote it down.
        if has_tests(self.tree, &self.folder) && !self.wants("pytest") && !self.has("manage.py") {
            add(&["pytest"]);
            "pytest stands in no requirement file: pin it there.".clone_into(&mut runtime.comment);
        }
        if self.has("manage.py") && !self.wants("django") {
            draft.notes.push(format!("{}: Django stands in no requirement file", self.place()));
        }
        let project = self.has("pyproject.toml").then_some("pyproject.toml");
        runtime.lockfiles = files.iter().copied().chain(project.filter(|_| files.is_empty())).map(|name| join(&self.folder, name)).collect();
    }

    /// A database of its own for every gate that wants one, where the migrations read the variable that gates set.
    fn alembic(&self, draft: &mut Draft, runtime: &str) {
        if !self.has("alembic.ini") {
            return;
        }
        let ini = join(&self.folder, "alembic.ini");
        let scripts = self.tree.text(&self.folder, "alembic.ini").lines().find_map(|line| line.trim().strip_prefix("script_location").map(str::to_owned));
        let scripts = scripts.unwrap_or_default().trim_start_matches([' ', '=']).replace("%(here)s/", "").trim().to_owned();
        let scripts = if scripts.is_empty() { "alembic".to_owned() } else { scripts };
        let env = join(&self.folder, &join(&scripts, "env.py"));
        let reads = (self.tree.read)(&env).unwrap_or_default().contains("DATABASE_URL")
            || self.tree.own().any(|file| {
                folder_of(file).starts_with(&self.folder) && is_python(file) && (self.tree.read)(file).is_some_and(|text| text.contains("DATABASE_URL"))
            });
        let scheme = ["psycopg2", "asyncpg", "psycopg"].into_iter().find(|driver| self.wants(driver)).unwrap_or("psycopg");
        let supply = format!(
            "# A PostgreSQL server for the time of a run; `databases = [\"app\"]` in a gate gives it a fresh clone, with its address in DATABASE_URL.\n\
             [service.postgres]\nkind = \"postgres\"\nversion = \"15\"\n\n[database.app]\nservice = \"postgres\"\nruntimes = [{}]\n{}alembic = {}\nmigrate = [[\"alembic\", \"upgrade\", \"head\"]]\n\
             inputs = {}\nurl-scheme = {}",
            quoted(runtime),
            if self.folder.is_empty() { String::new() } else { format!("cwd = {}\n", quoted(&self.folder)) },
            quoted(&ini),
            list(&[ini.clone(), join(&self.folder, &format!("{scripts}/**"))]),
            quoted(&format!("postgresql+{scheme}")),
        );
        let gate = Gate::new(format!("{runtime}-fresh-db"), "migrations build an empty database", runtime, Some(runtime), &self.folder)
            .line("databases = [\"app:empty\"]")
            .run(&["alembic", "upgrade", "head"]);
        if reads {
            draft.supplies.push(supply);
            draft.add(gate);
        } else {
            draft.add(gate.later(format!("{env} does not read DATABASE_URL: let it, and declare [service.postgres] and [database.app] (xtask help config).")));
        }
    }
}
