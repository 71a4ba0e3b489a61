//! Node.js: npm, pnpm and Yarn; scripts of package.json; Vitest, Jest, Playwright, Cypress, Prisma.

use serde_json::Value;

use super::draft::{Draft, Gate, Runtime};
use super::{Tree, folder_of, id, join};

/// A package manager: lock file, program, words that install.
const MANAGERS: &[(&str, &str, &[&str])] = &[
    ("package-lock.json", "npm", &["npm", "ci", "--no-audit", "--no-fund"]),
    ("pnpm-lock.yaml", "pnpm", &["pnpm", "install", "--frozen-lockfile"]),
    ("yarn.lock", "yarn", &["yarn", "install", "--frozen-lockfile"]),
];

pub(super) fn look(tree: &Tree<'_>, draft: &mut Draft) {
    // Folder and runtime of every project that installs; members of a workspace use its.
    let mut installed: Vec<(String, String, &'static str)> = Vec::new();
    for folder in tree.folders(&["package.json"]) {
        let Ok(package) = serde_json::from_str::<Value>(&tree.text(&folder, "package.json")) else {
            draft.notes.push(format!("{}: it is no JSON", join(&folder, "package.json")));
            continue;
        };
        let lock = MANAGERS.iter().find(|(lock, ..)| tree.has(&folder, lock));
        let outer = installed.iter().find(|(outer, ..)| outer.is_empty() || folder.starts_with(&format!("{outer}/"))).cloned();
        let (runtime, program) = match (lock, outer) {
            (None, Some((_, runtime, program))) => (runtime, program),
            (lock, _) => {
                let (runtime, program) = runtime(tree, draft, &folder, lock);
                installed.push((folder.clone(), runtime.clone(), program));
                (runtime, program)
            }
        };
        let name = id(&folder, "node");
        Package { tree, folder: &folder, manifest: &package, runtime: &runtime, program, name: &name }.gates(draft);
    }
}

fn runtime(tree: &Tree<'_>, draft: &mut Draft, folder: &str, lock: Option<&(&'static str, &'static str, &'static [&'static str])>) -> (String, &'static str) {
    let pin = tree.pin(folder, &[".nvmrc", ".node-version"]).unwrap_or_else(|| super::others::make_pin(draft, tree, "node", ".nvmrc"));
    let berry = tree.has(folder, ".yarnrc.yml");
    let (lockfiles, program, install): (Vec<String>, &'static str, Vec<&str>) = match lock {
        Some((file, "yarn", _)) if berry => (vec![join(folder, file)], "yarn", vec!["yarn", "install", "--immutable"]),
        Some((file, program, words)) => (vec![join(folder, file)], program, words.to_vec()),
        None => {
            draft.notes.push(format!("{}: there is no lock file; commit the one that `npm install` makes", join(folder, "package.json")));
            (vec![join(folder, "package.json")], "npm", vec!["npm", "install", "--no-audit", "--no-fund"])
        }
    };
    if program != "npm" {
        draft.tools.push(program.to_owned());
    }
    let id = draft.add_runtime(Runtime {
        id: id(folder, "node"),
        kind: "node",
        pin,
        cwd: folder.to_owned(),
        lockfiles,
        install: vec![install.into_iter().map(str::to_owned).collect()],
        bin: vec![join(folder, "node_modules/.bin")],
        ..Runtime::default()
    });
    (id, program)
}

struct Package<'p> {
    tree: &'p Tree<'p>,
    folder: &'p str,
    manifest: &'p Value,
    runtime: &'p str,
    program: &'static str,
    name: &'p str,
}

impl Package<'_> {
    fn wants(&self, package: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|kind| !self.manifest[*kind][package].is_null())
    }

    fn script(&self, name: &str) -> Option<&str> {
        self.manifest["scripts"][name].as_str().filter(|script| !script.contains("no test specified"))
    }

    fn gate(&self, name: &str, title: &str) -> Gate {
        Gate::new(format!("{}-{name}", self.name), title, self.name, Some(self.runtime), self.folder)
    }

    fn has_config(&self, stem: &str) -> bool {
        ["ts", "js", "mjs", "cjs", "mts"].iter().any(|ending| self.tree.has(self.folder, &format!("{stem}.{ending}")))
    }

    fn gates(&self, draft: &mut Draft) {
        if let Some(name) = ["typecheck", "type-check", "check-types", "types", "tsc"].into_iter().find(|name| self.script(name).is_some()) {
            draft.add(self.gate("typecheck", "types are right").run(&[self.program, "run", name]));
        } else if self.wants("typescript") && self.tree.has(self.folder, "tsconfig.json") {
            let build = self.tree.text(self.folder, "tsconfig.json").contains("\"references\"");
            draft.add(self.gate("typecheck", "types are right").run(if build { &["tsc", "-b", "--noEmit"] } else { &["tsc", "--noEmit"] }));
        }
        if self.script("lint").is_some() {
            draft.add(self.gate("lint", "the linter finds nothing").run(&[self.program, "run", "lint"]));
        }
        self.tests(draft);
        if self.script("build").is_some() {
            draft.add(self.gate("build", "the production build").run(&[self.program, "run", "build"]));
        }
        self.browser(draft);
        if self.tree.has(self.folder, "prisma/schema.prisma") {
            draft.add(
                self.gate("prisma", "the schema of Prisma is valid")
                    .line("env = { DATABASE_URL = \"postgresql://localhost/unused\" }")
                    .run(&["prisma", "validate"])
                    .later("Prisma downloads its engine when it is installed: where that is possible, this gate works."),
            );
        }
    }

    fn tests(&self, draft: &mut Draft) {
        let script = self.script("test");
        if self.wants("vitest") {
            let has_tests = self.tree.own().any(|file| {
                let name = super::name_of(file);
                (self.folder.is_empty() || folder_of(file).starts_with(self.folder)) && (name.contains(".test.") || name.contains(".spec."))
            });
            if has_tests {
                draft.add(self.gate("tests", "Vitest passes").line("tool = \"vitest\"").run(&["vitest", "run", "{tool.args}"]));
            } else {
                draft.notes.push(format!("{}: Vitest is there, and no tests yet (*.test.ts)", self.name));
            }
        } else if self.wants("jest") && self.wants("jest-junit") {
            let words = [self.program, "test", "--", "--ci", "--reporters=default", "--reporters=jest-junit"];
            draft.add(self.gate("tests", "Jest passes").line("env = { JEST_JUNIT_OUTPUT_FILE = \"{junit}\" }").run(&words));
        } else if script.is_some() {
            let mut gate = self.gate("tests", "the tests pass").line("env = { CI = \"true\" }").run(&[self.program, "test"]);
            if self.wants("jest") {
                "Add jest-junit to see single cases here.".clone_into(&mut gate.comment);
            }
            draft.add(gate);
        }
    }

    fn browser(&self, draft: &mut Draft) {
        if self.wants("@playwright/test") && self.has_config("playwright.config") {
            draft.add(
                self.gate("e2e", "the flows pass in a browser")
                    .line("tool = \"playwright\"")
                    .run(&["playwright", "test", "{tool.args}"])
                    .later("It needs a browser (`npx playwright install chromium`) and what it talks to: `webServer` of its configuration, or [service.X] with `services = [\"X\"]`."),
            );
        }
        if self.wants("cypress") && self.has_config("cypress.config") {
            draft.add(
                self.gate("e2e", "the flows pass in a browser")
                    .run(&["cypress", "run", "--reporter", "junit", "--reporter-options", "mochaFile={junit}"])
                    .later("It needs a browser and what it talks to: [service.X] with `services = [\"X\"]`."),
            );
        }
    }
}
