//! `image-hygiene`: an image is built from pinned images, runs as somebody, and holds nothing of development. Reads Dockerfiles, ignore files
//! and the lock files that the last stage installs.

use std::path::Path;

use super::{Check, Finding, Task};
use crate::compose::dockerfile::{Stage, below, floats, stages, user, words};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "image-hygiene",
        keys: &[
            CheckKey { name: "dockerfiles", kind: "list", required: true, doc: "globs of Dockerfiles" },
            CheckKey {
                name: "dev-packages",
                kind: "list",
                required: false,
                doc: "further packages that belong to development, beside the known test tools and linters",
            },
        ],
    },
    doc: "images are pinned, run as somebody, and hold nothing of development",
    run,
};

/// Packages of development by their names in a lock file or on a command line.
const DEVELOPMENT: &[&str] = &[
    "black",
    "coverage",
    "eslint",
    "flake8",
    "hypothesis",
    "ipython",
    "isort",
    "jest",
    "jscpd",
    "mypy",
    "nodemon",
    "pre-commit",
    "pyright",
    "pytest",
    "pytest-cov",
    "ruff",
    "tox",
    "ts-node",
    "vitest",
    "watchfiles",
];

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    let more = task.list("dev-packages");
    for name in task.files("dockerfiles")? {
        let text = std::fs::read_to_string(task.root.join(&name)).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        let stages = stages(&text);
        let Some(last) = stages.last() else { return Err(format!("{name} has no FROM")) };
        let at = |line: u32| Location { file: name.clone(), line };
        for stage in &stages {
            let own = stages.iter().any(|other| other.name.as_deref() == Some(stage.base.as_str()));
            let wrong = (!own && floats(&stage.base)).then(|| (format!("`FROM {}` moves on its own", stage.base), "name a version, or a digest".to_owned()));
            findings.push(Finding { what: format!("{name}: FROM {} is pinned", stage.base), at: at(stage.line), wrong });
        }
        let user = user(&stages, last);
        let wrong = user.is_none().then(|| ("the last stage runs as root".to_owned(), "USER after the last command that needs root".to_owned()));
        findings.push(Finding { what: format!("{name}: runs as somebody"), at: at(last.line), wrong });
        let context = Path::new(&name).parent().unwrap_or(Path::new(""));
        let ignored = task.root.join(context).join(".dockerignore").is_file();
        let wrong = (!ignored).then(|| ("there is no .dockerignore beside it: secrets and caches may end in the image".to_owned(), "write one".to_owned()));
        findings.push(Finding { what: format!("{name}: has a .dockerignore"), at: at(1), wrong });
        let found = brought(&stages, last).into_iter().find_map(|stage| development(task, context, stage, &more));
        let line = found.as_ref().map_or(last.line, |(line, _)| *line);
        let wrong = found.map(|(_, why)| (why, "install what production needs, from a lock file of its own".to_owned()));
        findings.push(Finding { what: format!("{name}: holds nothing of development"), at: at(line), wrong });
    }
    Ok(findings)
}

/// Folders that hold what was installed.
const INSTALLED: &[&str] = &["venv", "site-packages", "node_modules", "/usr/local", ".local", "/install", "/opt"];

/// The stages whose installations end in an image: the last one, those below it, and those whose installed folders are copied.
fn brought<'s>(stages: &'s [Stage], last: &'s Stage) -> Vec<&'s Stage> {
    let mut found: Vec<&Stage> = std::iter::successors(Some(last), |stage| below(stages, stage)).collect();
    let mut next = 0;
    while let Some(stage) = found.get(next).copied() {
        next += 1;
        for (_, _, rest) in stage.instructions.iter().filter(|(_, word, _)| word == "COPY") {
            let from = rest.split_whitespace().find_map(|word| word.strip_prefix("--from="));
            let source = rest.split_whitespace().find(|word| !word.starts_with("--")).unwrap_or_default();
            let copied = from.and_then(|name| stages.iter().position(|stage| stage.name.as_deref() == Some(name)).or_else(|| name.parse().ok()));
            let Some(copied) = copied.filter(|_| INSTALLED.iter().any(|folder| source.contains(folder))).and_then(|index| stages.get(index)) else { continue };
            for more in std::iter::successors(Some(copied), |stage| below(stages, stage)) {
                if !found.iter().any(|known| known.line == more.line) {
                    found.push(more);
                }
            }
        }
    }
    found
}

/// The first command of the stage that installs something of development.
fn development(task: &Task<'_>, context: &Path, stage: &Stage, more: &[String]) -> Option<(u32, String)> {
    let is_dev = |name: &str| DEVELOPMENT.contains(&name) || more.iter().any(|own| own == name);
    let commands = stage.instructions.iter().filter(|(_, word, _)| word == "RUN");
    let pieces = commands.flat_map(|(line, _, rest)| rest.split(['&', ';', '|']).map(|piece| (*line, words(piece))).collect::<Vec<_>>());
    for (line, command) in pieces {
        let has = |word: &str| command.iter().any(|one| one.rsplit('/').next() == Some(word));
        let installs = ["install", "ci", "add", "sync"].iter().any(|verb| has(verb));
        if !installs {
            continue;
        }
        let shown = command.join(" ");
        let npm = ["npm", "pnpm", "yarn"].iter().any(|program| has(program))
            && !command.iter().any(|word| ["--omit=dev", "--production", "--prod", "-g"].contains(&word.as_str()));
        let uv = has("uv") && has("sync") && !command.iter().any(|word| word == "--no-dev");
        let poetry = has("poetry") && !command.iter().any(|word| ["--only", "--without", "--only=main"].contains(&word.as_str()));
        if npm || uv || poetry {
            return Some((line, format!("`{shown}` installs what development needs, too")));
        }
        if let Some(package) = command.iter().map(|word| package(word)).find(|name| is_dev(name)) {
            return Some((line, format!("`{shown}` installs {package}")));
        }
        for file in command.windows(2).filter(|pair| ["-r", "--requirement"].contains(&pair[0].as_str())).map(|pair| &pair[1]) {
            let lock = task.root.join(context).join(file.trim_start_matches("./"));
            let Ok(text) = std::fs::read_to_string(&lock) else { continue };
            let listed = text.lines().filter(|line| !line.starts_with([' ', '#', '-'])).map(package);
            if let Some(package) = listed.into_iter().find(|name| is_dev(name)) {
                return Some((line, format!("`{shown}` installs {package}, which {file} lists")));
            }
        }
    }
    None
}

/// The name in `pytest==9.0`, `pytest[x]>=1`.
fn package(word: &str) -> &str {
    word.split(|sign: char| "=<>~![;@ ".contains(sign)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(dockerfile: &str, lock: &str, ignored: bool) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, text: &str| crate::rundir::write_atomic(&folder.path().join(name), text.as_bytes()).expect("written");
        put("Dockerfile", dockerfile);
        put("requirements.lock", lock);
        if ignored {
            put(".dockerignore", "*\n");
        }
        let with = serde_json::json!({"dockerfiles": ["Dockerfile"], "dev-packages": ["mytool"]});
        let ambient = crate::pins::Ambient::default();
        let today = time::macros::date!(2026 - 01 - 01);
        let task = Task { root: folder.path(), with: with.as_object().expect("a table"), ambient: &ambient, today, show: |_| {} };
        run(&task).expect("read").into_iter().filter_map(|finding| Some(format!("{}: {}", finding.at, finding.wrong?.0))).collect()
    }

    const GOOD: &str =
        "FROM node:20.1 AS build\nRUN npm ci\nFROM python:3.11.7-slim\nCOPY requirements.lock ./\nRUN pip install -r requirements.lock && rm x\nUSER app\n";
    const LOCK: &str = "fastapi==1.0 \\\n    --hash=sha256:0\n    # via pytest\n";

    #[test]
    fn each_fault_is_found_alone() {
        assert_eq!(wrong(GOOD, LOCK, true), Vec::<String>::new());
        assert!(wrong(GOOD, LOCK, false)[0].contains("no .dockerignore"));
        assert_eq!(wrong(&GOOD.replace("USER app\n", ""), LOCK, true), ["Dockerfile:3: the last stage runs as root"]);
        assert!(wrong(&GOOD.replace("python:3.11.7-slim", "python:slim"), LOCK, true)[0].contains("moves on its own"));
        assert!(wrong(&GOOD.replace("node:20.1 AS", "node AS"), LOCK, true)[0].starts_with("Dockerfile:1"));
        assert_eq!(
            wrong(GOOD, &format!("{LOCK}pytest==9.0\n"), true),
            ["Dockerfile:5: `pip install -r requirements.lock` installs pytest, which requirements.lock lists"]
        );
        assert!(wrong(&GOOD.replace("rm x", "pip install mytool==1"), LOCK, true)[0].contains("installs mytool"));
        assert!(wrong(&GOOD.replace("rm x", "npm ci"), LOCK, true)[0].contains("too"));
        assert_eq!(wrong(&GOOD.replace("rm x", "npm ci --omit=dev"), LOCK, true), Vec::<String>::new());
        // What another stage installed ends in the image too, when it is built upon or its folder is copied; what it built does not.
        let dev = "FROM a:1 AS base\nRUN pip install pytest\n";
        assert!(wrong(&format!("{dev}FROM base\nUSER app\n"), LOCK, true)[0].starts_with("Dockerfile:2: `pip install pytest`"));
        assert!(wrong(&format!("{dev}FROM b:1\nCOPY --from=base /srv/.venv /srv/.venv\nUSER app\n"), LOCK, true)[0].contains("pytest"));
        assert_eq!(wrong(&format!("{dev}FROM b:1\nCOPY --from=base /srv/dist /srv\nUSER app\n"), LOCK, true), Vec::<String>::new());
        assert_eq!(wrong("ARG V=3.11\nFROM a:${V}\nUSER app\n", LOCK, true), Vec::<String>::new());
        assert!(wrong("ARG V\nFROM a:$V\nUSER app\n", LOCK, true)[0].contains("moves on its own"));
    }
}
