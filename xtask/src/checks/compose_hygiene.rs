//! `compose-hygiene`: the production services of a compose file carry nothing of development: no reload, nothing installed when they
//! start, no mounted sources; they have health checks, restart policies, pinned images. The development profile keeps its reload. Reads files.

use super::{Check, Finding, Task};
use crate::compose::dockerfile::{Stage, below, floats, stages, user};
use crate::compose::file::{File, Service};
use crate::compose::script::{Deed, started};
use crate::config::{CheckKey, CheckSpec};
use crate::model::Location;

/// The check.
pub const CHECK: Check = Check {
    spec: CheckSpec {
        name: "compose-hygiene",
        keys: &[
            CheckKey { name: "file", kind: "string", required: true, doc: "compose file" },
            CheckKey {
                name: "dev-profile",
                kind: "string",
                required: false,
                doc: "profile of development, which must keep its reload; default: there is none",
            },
        ],
    },
    doc: "production services carry nothing of development, and are checked, pinned and restarted",
    run,
};

/// Words by which a server watches its sources.
const RELOAD: &[&str] = &["--reload", "--watch", "nodemon", "watchfiles", "watchmedo", "--debug", "runserver"];
/// A program and its word that install.
const INSTALLS: &[(&str, &str)] = &[
    ("npm", "install"),
    ("npm", "ci"),
    ("npm", "i"),
    ("pnpm", "install"),
    ("yarn", "install"),
    ("bun", "install"),
    ("pip", "install"),
    ("pip3", "install"),
    ("uv", "sync"),
    ("uv", "pip"),
    ("poetry", "install"),
    ("bundle", "install"),
    ("composer", "install"),
    ("apt-get", "install"),
    ("apk", "add"),
];

fn run(task: &Task<'_>) -> Result<Vec<Finding>, String> {
    let name = task.text("file").unwrap_or_default();
    let file = File::read(task.root, name)?;
    let dev = task.text("dev-profile").unwrap_or_default();
    let is_dev = |service: &Service| !dev.is_empty() && service.profiles.iter().any(|profile| profile == dev);
    let mut findings = Vec::new();
    let mut reloads = false;
    for service in &file.services {
        let script = started(task.root, &file.folder, name, service, &[])?;
        if is_dev(service) {
            reloads |= script.deeds().iter().any(|deed| reload(deed).is_some());
            continue;
        }
        findings.extend(production(task, name, &file, service, script.deeds())?);
    }
    if findings.is_empty() {
        return Err(format!("{name} has no production service"));
    }
    if !dev.is_empty() {
        let wrong = (!reloads).then(|| (format!("no service of profile `{dev}` reloads"), "keep development comfortable: --reload, or vite".to_owned()));
        findings.push(Finding { what: format!("profile {dev} keeps its reload"), at: Location { file: name.to_owned(), line: 1 }, wrong });
    }
    Ok(findings)
}

fn production(task: &Task<'_>, name: &str, file: &File, service: &Service, deeds: &[Deed]) -> Result<Vec<Finding>, String> {
    let here = |line: u32| Location { file: name.to_owned(), line };
    let id = &service.name;
    let finding = |what: &str, at: Location, wrong: Option<(String, &str)>| Finding {
        what: format!("service {id} {what}"),
        at,
        wrong: wrong.map(|(why, hint)| (format!("service {id} {why}"), hint.to_owned())),
    };
    let at = |deed: Option<&Deed>| deed.map_or_else(|| here(service.line), |deed| deed.at.clone());
    let watching = deeds.iter().find(|deed| reload(deed).is_some());
    let installing = deeds.iter().find(|deed| installs(deed));
    let bind = service.binds.first();
    let one_shot = file.is_one_shot(id);
    let image = image(task, file, service)?;
    let mut findings = vec![
        finding(
            "does not reload",
            at(watching),
            watching.map(|deed| (format!("watches its sources: `{}`", deed.text), "reload belongs to the development profile")),
        ),
        finding("installs nothing when it starts", at(installing), installing.map(|deed| (format!("runs `{}`", deed.text), "install when the image is built"))),
        finding(
            "mounts no sources",
            here(bind.map_or(service.line, |(_, line)| *line)),
            bind.map(|(source, _)| (format!("mounts `{source}` of the machine"), "copy what it needs into the image; keep data in a named volume")),
        ),
        finding(
            "has a pinned image",
            here(service.line),
            service
                .image
                .as_ref()
                .filter(|image| floats(image))
                .map(|image| (format!("takes `{image}`, which moves on its own"), "name a version, or a digest")),
        ),
    ];
    if !one_shot {
        let checked = service.is_checked || image.is_checked;
        findings.push(finding(
            "has a health check",
            here(service.line),
            (!checked).then(|| ("has no health check".to_owned(), "healthcheck: { test: [...] }, so that others can wait for it")),
        ));
        let policy = service.restart.as_ref().map_or("no", |(policy, _)| policy.as_str());
        let restarted = policy != "no";
        findings.push(finding(
            "has a restart policy",
            here(service.line),
            (!restarted).then(|| ("stays down when it ends".to_owned(), "restart: unless-stopped, or on-failure:3")),
        ));
    }
    if service.build.is_some() {
        let root = service.user.as_deref().map_or(image.is_root, |user| ["root", "0"].contains(&user.split(':').next().unwrap_or_default()));
        findings.push(finding("is not root", here(service.line), root.then(|| ("runs as root".to_owned(), "USER in its Dockerfile, or user: here"))));
    }
    Ok(findings)
}

#[derive(Default)]
struct Image {
    is_checked: bool,
    is_root: bool,
}

/// What the Dockerfile of a service says in the stage that it uses.
fn image(task: &Task<'_>, file: &File, service: &Service) -> Result<Image, String> {
    let Some(build) = &service.build else { return Ok(Image::default()) };
    let path = file.folder.join(&build.context).join(&build.dockerfile);
    let shown = crate::compose::script::relative(task.root, &path);
    let text = std::fs::read_to_string(&path).map_err(|cause| format!("failed to read {shown}: {cause}"))?;
    let stages = stages(&text);
    let used = build.target.as_ref().and_then(|target| stages.iter().position(|stage| stage.name.as_deref() == Some(target)));
    let Some(used) = used.or_else(|| stages.len().checked_sub(1)).map(|index| &stages[index]) else { return Err(format!("{shown} has no FROM")) };
    // What a stage does not say, the stage below it may.
    let checks = |stage: &Stage| stage.instructions.iter().any(|(_, word, rest)| word == "HEALTHCHECK" && rest != "NONE");
    let is_checked = std::iter::successors(Some(used), |stage| below(&stages, stage)).any(checks);
    Ok(Image { is_checked, is_root: user(&stages, used).is_none() })
}

fn reload(deed: &Deed) -> Option<&str> {
    let program = deed.words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    let dev_server = match program {
        "vite" => deed.words.len() == 1 || !["build", "preview"].contains(&deed.words[1].as_str()),
        "npx" => deed.words.get(1).is_some_and(|word| word == "vite") && !deed.words.iter().any(|word| word == "build" || word == "preview"),
        "next" | "nuxt" | "astro" => deed.words.get(1).is_some_and(|word| word == "dev"),
        "npm" | "pnpm" | "yarn" => deed.words.iter().any(|word| word == "dev"),
        _ => false,
    };
    let flag = deed.words.iter().find(|word| RELOAD.contains(&word.as_str()));
    flag.map(String::as_str).or_else(|| dev_server.then_some(program))
}

fn installs(deed: &Deed) -> bool {
    INSTALLS.iter().any(|(program, verb)| {
        let at = deed.words.iter().position(|word| word.rsplit('/').next() == Some(program));
        at.is_some_and(|at| deed.words[at + 1..].iter().find(|word| !word.starts_with('-')).is_some_and(|word| word == verb))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "services:\n  api:\n    build: ./api\n    restart: on-failure:3\n    healthcheck: {test: [CMD, x]}\n  api-dev:\n    build: ./api\n    profiles: [dev]\n    \
                        command: uvicorn app --reload\n    volumes: [\"./api:/srv\"]\n";
    const DOCKERFILE: &str = "FROM python:3.11\nUSER app\nCMD [\"uvicorn\", \"app\"]\n";

    fn wrong(compose: &str, dockerfile: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("api")).expect("made");
        for (name, text) in [("c.yml", compose), ("api/Dockerfile", dockerfile)] {
            crate::rundir::write_atomic(&folder.path().join(name), text.as_bytes()).expect("written");
        }
        let with = serde_json::json!({"file": "c.yml", "dev-profile": "dev"});
        let ambient = crate::pins::Ambient::default();
        let today = time::macros::date!(2026 - 01 - 01);
        let task = Task { root: folder.path(), with: with.as_object().expect("a table"), ambient: &ambient, today, show: |_| {} };
        run(&task).expect("read").into_iter().filter_map(|finding| Some(format!("{}: {}", finding.at, finding.wrong?.0))).collect()
    }

    #[test]
    fn a_clean_stack_is_clean() {
        assert_eq!(wrong(GOOD, DOCKERFILE), Vec::<String>::new());
    }

    #[test]
    fn each_habit_of_development_is_found_alone() {
        let changed = |from: &str, to: &str| {
            assert!(GOOD.contains(from));
            wrong(&GOOD.replacen(from, to, 1), DOCKERFILE)
        };
        assert_eq!(
            wrong(GOOD, &DOCKERFILE.replace("\"app\"]", "\"app\", \"--reload\"]")),
            ["api/Dockerfile:3: service api watches its sources: `uvicorn app --reload`"]
        );
        assert_eq!(wrong(GOOD, &DOCKERFILE.replace("CMD [\"uvicorn\", \"app\"]", "CMD npm ci && node app")), ["api/Dockerfile:3: service api runs `npm ci`"]);
        assert_eq!(wrong(GOOD, &DOCKERFILE.replace("USER app\n", "")), ["c.yml:2: service api runs as root"]);
        assert_eq!(changed("restart: on-failure:3", "volumes: [\"./api:/srv\"]\n    restart: always"), ["c.yml:4: service api mounts `./api` of the machine"]);
        assert_eq!(changed("restart: on-failure:3", "user: \"0:0\"\n    restart: always"), ["c.yml:2: service api runs as root"]);
        assert!(changed("build: ./api\n    restart", "image: \"a:${TAG:-latest}\"\n    restart")[0].contains("moves on its own"));
        assert_eq!(changed("    healthcheck: {test: [CMD, x]}\n", ""), ["c.yml:2: service api has no health check"]);
        assert_eq!(changed("    restart: on-failure:3\n", ""), ["c.yml:2: service api stays down when it ends"]);
        assert_eq!(changed(" --reload", ""), ["c.yml:1: no service of profile `dev` reloads"]);
        assert!(changed("build: ./api\n    restart", "image: postgres\n    restart")[0].contains("moves on its own"));
    }
}
