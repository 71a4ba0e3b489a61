//! The engine that runs containers: Docker with its compose plugin, or Podman. Finds it, and says why it cannot be used. Knows no stack's
//! meaning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::containers::{self, Container, PROJECT};
use crate::process::probe::{self, Said};
use crate::process::spawn::Spec;

/// Engines by the name that `tools = [...]` gives them.
pub const NAMES: &[&str] = &["docker", "podman"];
/// Variables that say where an engine is; a gate that names one of the engines in `tools` gets them.
pub const VARIABLES: &[&str] =
    &["DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST", "CONTAINER_CONNECTION", "CONTAINER_SSHKEY"];
/// Longest time of one question to an engine.
const ONE: Duration = Duration::from_secs(20);
/// Longest time to end a stack.
const DOWN: Duration = Duration::from_mins(2);

/// An engine that answers.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its program.
    pub exe: PathBuf,
    /// Its version.
    pub version: String,
    compose: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
}

/// The engine of a name, when it answers: a client alone runs nothing. The error says what is missing.
pub fn find(name: &str, env: &BTreeMap<String, String>, cwd: &Path) -> Result<Engine, String> {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    let exe = which::which_in(name, Some(path), cwd).map_err(|_| format!("{name} is not on this machine"))?;
    let mut engine = Engine { exe, version: String::new(), compose: Vec::new(), env: env.clone(), cwd: cwd.to_owned() };
    let format = if name == "docker" { "{{.Server.Version}}" } else { "{{.Client.Version}}" };
    let answer = engine.ask(&["version", "--format", format])?;
    if !answer.good || answer.out.trim().is_empty() {
        return Err(format!("{name}: its engine does not answer: {}", last_line(&answer)));
    }
    answer.out.trim().clone_into(&mut engine.version);
    Ok(engine)
}

/// The first engine that answers and has compose; the error names what each lacks.
pub fn with_compose(env: &BTreeMap<String, String>, cwd: &Path) -> Result<Engine, String> {
    let path = env.get("PATH").map(String::as_str).unwrap_or_default();
    let mut lacks = Vec::new();
    for name in NAMES {
        let mut engine = match find(name, env, cwd) {
            Ok(engine) => engine,
            Err(why) => {
                lacks.push(why);
                continue;
            }
        };
        if engine.ask(&["compose", "version"]).is_ok_and(|answer| answer.good) {
            engine.compose = vec![engine.exe.display().to_string(), "compose".to_owned()];
            return Ok(engine);
        }
        let alone = format!("{name}-compose");
        if let Ok(file) = which::which_in(&alone, Some(path), cwd) {
            engine.compose = vec![file.display().to_string()];
            return Ok(engine);
        }
        lacks.push(format!("{name} has neither `{name} compose` nor {alone}"));
    }
    Err(lacks.join("; "))
}

impl Engine {
    /// It is Podman: what Compose alone knows must be read elsewhere.
    pub fn is_podman(&self) -> bool {
        self.exe.file_name().is_some_and(|name| name == "podman")
    }

    fn run(&self, exe: &Path, args: Vec<String>, limit: Duration, stopped: &dyn Fn() -> bool, echo: bool) -> Result<Said, String> {
        let spec = Spec { exe: exe.to_owned(), args, env: self.env.clone(), cwd: self.cwd.clone(), user: None };
        probe::said(&spec, limit, stopped, echo)
    }

    fn ask(&self, args: &[&str]) -> Result<Said, String> {
        self.run(&self.exe, args.iter().map(|word| (*word).to_owned()).collect(), ONE, &|| false, false)
    }

    /// A command of compose about a stack.
    pub fn compose(&self, stack: &Stack<'_>, args: &[&str], limit: Duration, stopped: &dyn Fn() -> bool) -> Result<Said, String> {
        let mut words: Vec<String> = self.compose[1..].to_vec();
        words.extend(["-p".to_owned(), stack.project.to_owned(), "-f".to_owned(), stack.file.display().to_string()]);
        // podman-compose of Debian 12 has no profiles; where none are asked for it needs none.
        words.extend(stack.profiles.iter().flat_map(|profile| ["--profile".to_owned(), profile.clone()]));
        words.extend(args.iter().map(|word| (*word).to_owned()));
        self.run(Path::new(&self.compose[0]), words, limit, stopped, args.first() == Some(&"up"))
    }

    /// The containers of a stack, as the engine itself knows them.
    pub fn containers(&self, project: &str) -> Result<Vec<Container>, String> {
        let ids = self.ids(project)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let args: Vec<&str> = ["inspect", "--type", "container"].into_iter().chain(ids.iter().map(String::as_str)).collect();
        let answer = self.ask(&args)?;
        if !answer.good {
            return Err(format!("inspect: {}", last_line(&answer)));
        }
        containers::inspected(&answer.out)
    }

    fn ids(&self, project: &str) -> Result<Vec<String>, String> {
        let label = format!("label={PROJECT}={project}");
        let format = if self.is_podman() { "json" } else { "{{json .}}" };
        let answer = self.ask(&["ps", "--all", "--no-trunc", "--filter", &label, "--format", format])?;
        if !answer.good {
            return Err(format!("ps: {}", last_line(&answer)));
        }
        containers::listed(&answer.out)
    }

    /// The last lines of a container's log.
    pub fn log(&self, container: &str, lines: usize) -> String {
        let Ok(answer) = self.ask(&["logs", "--tail", &lines.to_string(), container]) else { return String::new() };
        [answer.out.trim_end(), answer.err.trim_end()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// Ends a stack with everything that belongs to it; what compose leaves is removed by the engine.
    pub fn down(&self, stack: &Stack<'_>) -> Result<(), String> {
        let answer = self.compose(stack, &["down", "--volumes", "--timeout", "1"], DOWN, &|| false)?;
        let left = self.ids(stack.project)?;
        if left.is_empty() {
            return if answer.good { Ok(()) } else { Err(last_line(&answer)) };
        }
        let args: Vec<&str> = ["rm", "--force", "--volumes"].into_iter().chain(left.iter().map(String::as_str)).collect();
        self.ask(&args)?;
        if self.ids(stack.project)?.is_empty() { Ok(()) } else { Err(format!("containers of project {} are still there", stack.project)) }
    }
}

/// A stack: a file under a name of its own, so that nobody's own stack of the same file is touched.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'a> {
    /// Project.
    pub project: &'a str,
    /// Compose file, absolute.
    pub file: &'a Path,
    /// Profiles.
    pub profiles: &'a [String],
}

/// The line that says what went wrong.
pub fn last_line(said: &Said) -> String {
    let of = |text: &str| text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
    of(&said.err).or_else(|| of(&said.out)).unwrap_or_else(|| said.end.clone())
}
