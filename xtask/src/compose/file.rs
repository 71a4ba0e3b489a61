//! What a compose file says of its services, read without an engine: commands, restart policies, who waits for whom, with lines.

use std::path::{Path, PathBuf};

use crate::yaml::{self, Node};

/// The condition that waits for an end with 0.
pub const COMPLETED: &str = "service_completed_successfully";
const STARTED: &str = "service_started";

/// A service of a compose file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Line of its name.
    pub line: u32,
    /// Profiles; none means that it always runs.
    pub profiles: Vec<String>,
    /// `entrypoint` as words, and its line.
    pub entrypoint: Option<(Vec<String>, u32)>,
    /// `command` as words, and its line.
    pub command: Option<(Vec<String>, u32)>,
    /// `restart` or `deploy.restart_policy`, as the words of `restart`, and its line.
    pub restart: Option<(String, u32)>,
    /// Services that it depends on, with the condition and its line.
    pub depends: Vec<(String, String, u32)>,
    /// Folder of `build`, relative to the compose file, its Dockerfile and its target.
    pub build: Option<Build>,
    /// Image.
    pub image: Option<String>,
    /// It has a health check.
    pub is_checked: bool,
    /// Folders and files of the machine that it mounts, with their lines.
    pub binds: Vec<(String, u32)>,
    /// `user`.
    pub user: Option<String>,
}

/// How an image is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    /// Folder.
    pub context: String,
    /// Dockerfile, relative to the folder.
    pub dockerfile: String,
    /// Stage; the last one where none is named.
    pub target: Option<String>,
}

/// A compose file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Services in the order of the file.
    pub services: Vec<Service>,
    /// Folder of the file.
    pub folder: PathBuf,
}

impl File {
    /// Reads a file. What it takes from other files cannot be told from this one.
    pub fn read(root: &Path, name: &str) -> Result<Self, String> {
        let path = root.join(name);
        let text = std::fs::read_to_string(&path).map_err(|cause| format!("failed to read {name}: {cause}"))?;
        let tree = yaml::parse(&text).map_err(|(line, why)| format!("{name}:{line}: {why}"))?.ok_or_else(|| format!("{name} is empty"))?;
        if let Some(include) = tree.get("include") {
            return Err(format!("{name}:{}: `include` is not read\n  hint: name the included files too, each on its own", include.line));
        }
        let services = tree.get("services").ok_or_else(|| format!("{name}: there is no `services`"))?;
        let services: Result<Vec<Service>, String> = services.entries().iter().map(|(service, node)| read(name, service, node)).collect();
        Ok(Self { services: services?, folder: path.parent().unwrap_or(root).to_owned() })
    }

    /// Somebody waits for the service's end: it is meant to end.
    pub fn is_one_shot(&self, service: &str) -> bool {
        self.services.iter().any(|other| other.depends.iter().any(|(name, condition, _)| name == service && condition == COMPLETED))
    }

    /// The services that run with some profiles.
    pub fn running(&self, profiles: &[String]) -> Vec<&Service> {
        let runs = |service: &&Service| service.profiles.is_empty() || service.profiles.iter().any(|profile| profiles.contains(profile));
        self.services.iter().filter(runs).collect()
    }
}

fn read(file: &str, name: &str, node: &Node) -> Result<Service, String> {
    if let Some(extends) = node.get("extends") {
        return Err(format!("{file}:{}: `extends` is not read\n  hint: write what service {name} takes from there, or use a YAML anchor", extends.line));
    }
    let words = |key: &str| node.get(key).map(|value| (command_words(value), value.line));
    let restart = node.get("restart").and_then(|value| Some((value.text()?.to_owned(), value.line)));
    let line = node.line.saturating_sub(u32::from(!node.entries().is_empty() && !is_flow(node)));
    Ok(Service {
        name: name.to_owned(),
        line,
        profiles: node.get("profiles").map(Node::items).unwrap_or_default().iter().filter_map(Node::text).map(str::to_owned).collect(),
        entrypoint: words("entrypoint"),
        command: words("command"),
        restart: restart.or_else(|| policy(node)),
        depends: node.get("depends_on").map(depends).unwrap_or_default(),
        build: node.get("build").map(build),
        image: node.get("image").and_then(Node::text).map(str::to_owned),
        is_checked: node.get("healthcheck").is_some_and(|check| check.get("disable").and_then(Node::text) != Some("true")),
        binds: node.get("volumes").map(Node::items).unwrap_or_default().iter().filter_map(bind).collect(),
        user: node.get("user").and_then(Node::text).map(str::to_owned),
    })
}

/// A table in braces begins on the line of its name.
fn is_flow(node: &Node) -> bool {
    node.entries().windows(2).all(|pair| pair[0].1.line == pair[1].1.line) && node.entries().len() > 1
}

/// A mount of the machine's own file system: `./src:/srv`, or the long form; a named volume is none.
fn bind(node: &Node) -> Option<(String, u32)> {
    let long = node.get("type").and_then(Node::text) == Some("bind");
    let source = if long { node.get("source")?.text()? } else { node.text()?.split_once(':')?.0 };
    (long || source.starts_with(['.', '/', '~', '$'])).then(|| (source.to_owned(), node.line))
}

/// As a list it means that the other was started, no more.
fn depends(node: &Node) -> Vec<(String, String, u32)> {
    let listed = node.items().iter().filter_map(|item| Some((item.text()?.to_owned(), STARTED.to_owned(), item.line)));
    let condition = |one: &Node| one.get("condition").and_then(Node::text).unwrap_or(STARTED).to_owned();
    listed.chain(node.entries().iter().map(|(other, one)| (other.clone(), condition(one), one.line))).collect()
}

fn build(node: &Node) -> Build {
    let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    Build {
        context: node.text().map(str::to_owned).or_else(|| text("context")).unwrap_or_else(|| ".".to_owned()),
        dockerfile: text("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned()),
        target: text("target"),
    }
}

/// `deploy.restart_policy` in the words of `restart`.
fn policy(node: &Node) -> Option<(String, u32)> {
    let policy = node.get("deploy")?.get("restart_policy")?;
    let attempts = policy.get("max_attempts").and_then(Node::text);
    let word = match (policy.get("condition").and_then(Node::text).unwrap_or("any"), attempts) {
        ("none", _) => "no".to_owned(),
        (_, Some(attempts)) => format!("on-failure:{attempts}"),
        ("on-failure", None) => "on-failure".to_owned(),
        _ => "always".to_owned(),
    };
    Some((word, policy.line))
}

/// The words of a command: a list as it stands, a text as the engine would split it.
pub fn command_words(node: &Node) -> Vec<String> {
    match node.text() {
        Some(text) => split(text),
        None => node.items().iter().filter_map(Node::text).map(str::to_owned).collect(),
    }
}

/// Words of a line, with quotes and backslashes as a shell reads them; nothing is expanded.
pub fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut open) = (Vec::new(), String::new(), None, false);
    let mut signs = text.chars();
    while let Some(sign) = signs.next() {
        match (quote, sign) {
            (Some(end), sign) if sign == end => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(sign), true),
            (None | Some('"'), '\\') => word.extend(signs.next()),
            (None, sign) if sign.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, sign) => word.push(sign),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_its_services_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "x: &api {restart: on-failure:3, build: {context: ./api, target: prod}}\nservices:\n  migrate:\n    image: a\n    command: alembic upgrade head\n  api:\n    <<: *api\n    \
                    depends_on:\n      migrate: {condition: service_completed_successfully}\n  dev: {image: a, profiles: [dev], deploy: {restart_policy: {condition: any}}}\n";
        crate::rundir::write_atomic(&folder.path().join("c.yml"), text.as_bytes()).expect("written");
        let file = File::read(folder.path(), "c.yml").expect("read");
        assert!(file.is_one_shot("migrate") && !file.is_one_shot("api"));
        let names = |profiles: &[String]| file.running(profiles).iter().map(|service| service.name.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!((names(&[]).as_str(), names(&["dev".to_owned()]).as_str()), ("migrate api", "migrate api dev"));
        assert_eq!(file.services[0].command.as_ref().expect("there").0, ["alembic", "upgrade", "head"]);
        assert_eq!(file.services.iter().map(|service| service.line).collect::<Vec<_>>(), [3, 6, 10]);
        assert_eq!(file.services[1].restart.as_ref().expect("merged").0, "on-failure:3");
        assert_eq!(file.services[1].build.as_ref().and_then(|build| build.target.clone()).as_deref(), Some("prod"));
        assert_eq!(file.services[2].restart.as_ref().expect("there").0, "always");
    }

    #[test]
    fn what_stands_elsewhere_is_not_guessed() {
        let folder = tempfile::tempdir().expect("a folder");
        for text in ["include: [other.yml]\nservices: {}\n", "services:\n  a:\n    extends: {service: b}\n", "services: [", "", "a: 1\n"] {
            crate::rundir::write_atomic(&folder.path().join("c.yml"), text.as_bytes()).expect("written");
            let why = File::read(folder.path(), "c.yml").expect_err(text);
            assert!(why.contains("c.yml"), "{why}");
        }
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split("sh -c 'a && b' \"c \\\" d\" e\\ f ''"), ["sh", "-c", "a && b", "c \" d", "e f", ""]);
    }
}
