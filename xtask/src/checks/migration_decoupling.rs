//! `migration-decoupling`: migrations are a job of their own. Looks at the commands of every service of a compose file, at their scripts and
//! Dockerfiles: nothing migrates and then serves, and nothing tries a migration again for ever. Reads files, starts nothing.

use super::{Check, Finding, Task};
use crate::compose::file::{COMPLETED, File, Service};
use crate::compose::script::{Script, started};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "migration-decoupling",
        keys: &[
            CheckKey { name: "file", kind: "string", required: true, doc: "compose file" },
            CheckKey {
                name: "code",
                kind: "list",
                required: false,
                doc: "globs of the application's sources: none of them may run migrations or create tables",
            },
            CheckKey { name: "commands", kind: "list", required: false, doc: "further commands that migrate, such as \"mytool upgrade\"" },
        ],
    },
    doc: "no service migrates before it serves, and no migration is tried for ever",
    run,
};

/// Calls by which an application changes a schema itself.
const CALLS: &[&str] =
    &["command.upgrade(", "create_all(", "runMigrations(", "migrate.latest(", "sequelize.sync(", "MigrateAsync(", "call_command(\"migrate\""];
const APART: &str =
    "give it a service of its own (restart: \"no\"), and let the others wait: depends_on: { migrate: { condition: service_completed_successfully } }";

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let name = task.text("file").unwrap_or_default();
    let file = File::read(task.root, name)?;
    let more: Vec<Vec<String>> = task.list("commands").iter().map(|command| command.split_whitespace().map(str::to_owned).collect()).collect();
    let mut findings = Vec::new();
    let mut alone = Vec::new();
    for service in &file.services {
        let script = started(task.root, &file.folder, name, service, &more)?;
        let wrong = judge(service, &script);
        if wrong.is_none() && script.migrates() {
            alone.push(service.name.clone());
        }
        let at = wrong.as_ref().and_then(|_| script.first()).map_or_else(|| Location { file: name.to_owned(), line: service.line }, |deed| deed.at.clone());
        findings.push(Finding { what: format!("service {}", service.name), at, wrong });
    }
    findings.extend(file.services.iter().flat_map(|service| early(name, service, &alone)));
    findings.extend(sources(task)?);
    Ok(findings)
}

fn judge(service: &Service, script: &Script<'_>) -> Option<(String, String)> {
    let deed = script.first()?;
    let name = &service.name;
    if deed.is_looped {
        return Some((format!("service {name} tries `{}` again until it works", deed.text), "let it fail: a loop hides the reason".to_owned()));
    }
    if let Some(other) = script.other() {
        return Some((format!("service {name} runs `{}` and then `{}`", deed.text, other.text), APART.to_owned()));
    }
    let (policy, _) = service.restart.as_ref()?;
    let bounded = policy == "no" || policy.strip_prefix("on-failure:").is_some_and(|most| most.parse::<u32>().is_ok());
    let message = format!("service {name} runs `{}`, and `restart: {policy}` tries it for ever", deed.text);
    (!bounded).then(|| (message, "restart: \"no\", or on-failure:3".to_owned()))
}

/// Services that wait for the start of a migration, and not for its end.
fn early(name: &str, service: &Service, migrations: &[String]) -> Vec<Finding> {
    let waits = service.depends.iter().filter(|(other, ..)| migrations.contains(other));
    let finding = |(other, condition, line): &(String, String, u32)| Finding {
        what: format!("service {} waits for {other}", service.name),
        at: Location { file: name.to_owned(), line: *line },
        wrong: (condition != COMPLETED).then(|| {
            let message = format!("service {} waits for `{condition}` of {other}, so that it may start before the migrations are done", service.name);
            (message, format!("depends_on: {{ {other}: {{ condition: {COMPLETED} }} }}"))
        }),
    };
    waits.map(finding).collect()
}

/// One finding for each file of the application's sources that changes a schema.
fn sources(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for name in task.files("code")? {
        let Ok(text) = std::fs::read_to_string(task.root.join(&name)) else { continue };
        let called = (1..).zip(text.lines()).find_map(|(line, text)| CALLS.iter().find(|call| text.contains(**call)).map(|call| (line, *call)));
        let wrong = called.map(|(_, call)| (format!("the application calls `{call}...)`"), APART.to_owned()));
        findings.push(Finding { what: format!("{name} changes no schema"), at: Location { file: name, line: called.map_or(1, |(line, _)| line) }, wrong });
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files = &'static [(&'static str, &'static str)];

    fn checked(files: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            crate::rundir::write_atomic(&path, text.as_bytes()).expect("written");
        }
        let with = serde_json::json!({"file": "c.yml"});
        let ambient = crate::pins::Ambient::default();
        let task =
            Task { root: folder.path(), with: with.as_object().expect("a table"), ambient: &ambient, today: time::macros::date!(2026 - 01 - 01), show: |_| {} };
        run(&task).expect("read").into_iter().map(|finding| (format!("{} {}", finding.what, finding.at), finding.wrong.map(|(message, _)| message))).collect()
    }

    fn wrong(files: &[(&str, &str)]) -> Vec<String> {
        checked(files).into_iter().filter_map(|(what, wrong)| Some(format!("{what}: {}", wrong?))).collect()
    }

    #[test]
    fn a_job_of_its_own_is_well() {
        let text = "services:\n  db: {image: postgres}\n  migrate:\n    image: a\n    command: [alembic, upgrade, head]\n    restart: \"no\"\n  api:\n    image: a\n    \
                    command: uvicorn app\n    restart: always\n    depends_on:\n      migrate: {condition: service_completed_successfully}\n";
        assert_eq!(checked(&[("c.yml", text)]).len(), 4);
        assert_eq!(wrong(&[("c.yml", text)]), Vec::<String>::new());
        let early = text.replace("service_completed_successfully", "service_started");
        assert!(wrong(&[("c.yml", &early)])[0].contains("before the migrations are done"));
        let forever = text.replace("restart: \"no\"", "restart: unless-stopped");
        assert_eq!(
            wrong(&[("c.yml", &forever)]),
            ["service migrate c.yml:5: service migrate runs `alembic upgrade head`, and `restart: unless-stopped` tries it for ever"]
        );
    }

    #[test]
    fn what_migrates_and_serves_is_found_wherever_it_stands() {
        let api = |rest: &str| format!("services:\n  api:\n    {rest}\n");
        let built = "build: ./api";
        let cases: &[(&str, Files, &str)] = &[
            ("image: a\n    command: sh -c 'alembic upgrade head && exec uvicorn app'", &[], "c.yml:4"),
            ("image: a\n    command: [\"bash\", \"-c\", \"set -e; python -m alembic -c x.ini upgrade head; uvicorn app\"]", &[], "c.yml:4"),
            (built, &[("api/Dockerfile", "FROM a\nCMD alembic upgrade head && uvicorn app\n")], "api/Dockerfile:2"),
            (
                built,
                &[
                    ("api/Dockerfile", "FROM a\nENTRYPOINT [\"/srv/entrypoint.sh\"]\nCMD [\"uvicorn\"]\n"),
                    ("api/docker/entrypoint.sh", "#!/bin/sh\nset -e\nalembic upgrade head\nexec \"$@\"\n"),
                ],
                "api/docker/entrypoint.sh:3",
            ),
            (
                built,
                &[
                    ("api/Dockerfile", "FROM a\nCMD [\"python\", \"start.py\"]\n"),
                    ("api/start.py", "import subprocess, uvicorn\nsubprocess.run([\"alembic\", \"upgrade\", \"head\"])\nuvicorn.run('app')\n"),
                ],
                "api/start.py:2",
            ),
            (
                built,
                &[
                    ("api/Dockerfile", "FROM a\nCMD [\"npm\", \"start\"]\n"),
                    ("api/package.json", "{\"scripts\": {\"start\": \"prisma migrate deploy && node server.js\"}}"),
                ],
                "api/package.json:1",
            ),
        ];
        for (service, files, place) in cases {
            let text = api(service);
            let all: Vec<(&str, &str)> = files.iter().copied().chain([("c.yml", text.as_str())]).collect();
            let found = wrong(&all);
            assert!(found.len() == 1 && found[0].contains(place) && found[0].contains("and then"), "{service}: {found:?}");
        }
    }

    #[test]
    fn no_launcher_and_no_spelling_hides_a_migration() {
        let docker = "FROM a\nCMD [\"sh\", \"start.sh\"]\n";
        let of = |command: &str, files: &[(&str, &str)]| {
            let compose = "services:\n  api:\n    build: ./api\n".to_owned() + if command.is_empty() { "" } else { "    command: " } + command + "\n";
            let all: Vec<(&str, &str)> = files.iter().copied().chain([("c.yml", compose.as_str()), ("api/Dockerfile", docker)]).collect();
            wrong(&all)
        };
        let python = [("api/app/start.py", "import subprocess\nsubprocess.run(['alembic', 'upgrade', 'head'])\n")];
        for command in [
            "python -m app.start",
            "tini -- python app/start.py",
            "poetry run python -m app.start",
            "uv run python app/start.py",
            "env A=1 python app/start.py",
            "gosu app python app/start.py",
        ] {
            assert!(of(command, &python)[0].contains("api/app/start.py:2"), "{command}: {:?}", of(command, &python));
        }
        let script = |text: &str| of("", &[("api/start.sh", text), ("api/more.sh", "alembic upgrade head\n")]);
        for text in [
            "alembic \\\n  upgrade head\nuvicorn app\n",
            "./wait-for-it.sh db:5432 -- alembic upgrade head\nuvicorn app\n",
            ". ./more.sh\nuvicorn app\n",
            "source more.sh\nuvicorn app\n",
        ] {
            assert!(script(text).len() == 1, "{text}: {:?}", script(text));
        }
        assert_eq!(script("echo alembic upgrade head\nuvicorn app\n"), Vec::<String>::new(), "talk changes nothing");
        let web = [("api/package.json", "{\"scripts\": {\"start\": \"prisma migrate deploy && node x\"}}")];
        for command in ["npm --prefix web run start", "npm run-script start", "yarn start"] {
            assert!(of(command, &web).len() == 1, "{command}");
        }
        let two = [("api/a/run.sh", "uvicorn app\n"), ("api/b/run.sh", "alembic upgrade head\nuvicorn app\n")];
        assert!(of("/run.sh", &two).len() == 1, "of two scripts with one name the worse is believed");
    }

    #[test]
    fn a_loop_around_a_migration_is_one_and_a_loop_before_it_is_not() {
        let with = |script: &str| {
            format!(
                "services:\n  m:\n    image: a\n    command:\n      - sh\n      - -c\n      - |\n{}",
                script.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
            )
        };
        let looped = with("until alembic upgrade head; do\n  sleep 1\ndone");
        assert!(wrong(&[("c.yml", &looped)])[0].contains("again until it works"));
        let inside = with("while true; do\n  alembic upgrade head && break\n  sleep 1\ndone");
        assert!(wrong(&[("c.yml", &inside)])[0].contains("again until it works"));
        assert_eq!(wrong(&[("c.yml", &with("until pg_isready; do\n  sleep 1\ndone\nalembic upgrade head"))]), Vec::<String>::new());
    }
}
