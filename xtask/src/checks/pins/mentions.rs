//! Every place of a repository that names a version of a runtime, with its line and the part it plays. Knows the files, judges
//! nothing.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use globset::GlobSet;
use regex::Regex;

use crate::config::schema::RuntimeKind;
use crate::model::Location;
use crate::yaml::{self, Node};

/// A place that names a version.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    /// Runtime, where it is one of ours.
    pub(super) kind: Option<RuntimeKind>,
    /// Key or instruction.
    pub(super) what: String,
    /// The words that stand there.
    pub(super) raw: String,
    /// Where.
    pub(super) at: Location,
    /// Its part.
    pub(super) role: Role,
    /// Key that mends it.
    pub(super) mend: &'static str,
}

/// The part that a mention plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Must be the pin's version, as far as it says one.
    Mirror,
    /// A literal where the pin file could be named.
    Literal,
    /// Names a pin file.
    File,
    /// A set-up action without any version.
    PathVersion,
    /// A range of npm that must hold the pin.
    NpmRange,
    /// A requirement of PEP 440 that must hold the pin.
    PythonRange,
    /// An image without a version.
    Floating,
    /// A version that YAML reads as a number.
    FloatTrap,
    /// Something that the tools which read this file do not read alike; who reads what.
    Misread(String),
    /// The server of some service: image and tag must be the same in CI and in the stack.
    Service,
}

/// All mentions below a root, by file.
pub(super) fn all(root: &Path, excluded: &GlobSet) -> Result<Vec<Mention>, String> {
    let skipped = ["node_modules", ".git", ".gates", ".venv", "target", "dist"];
    let mut files: Vec<(String, String)> = Vec::new();
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !skipped.iter().any(|name| entry.file_name() == *name)).flatten().filter(|entry| entry.file_type().is_file()) {
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        if !excluded.is_match(&name)
            && reader_of(&name).is_some()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push((name, text));
        }
    }
    let mut found = Vec::new();
    for (name, text) in &files {
        if let Some(reader) = reader_of(name) {
            found.extend(reader(&File { name, text })?);
        }
    }
    Ok(found)
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
}

type Reader = fn(&File<'_>) -> Result<Vec<Mention>, String>;

fn reader_of(name: &str) -> Option<Reader> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let is_yaml = [".yml", ".yaml"].iter().any(|ending| base.ends_with(ending));
    if name.starts_with(".github/workflows/") && is_yaml {
        Some(workflow)
    } else if base == "Dockerfile" || base.starts_with("Dockerfile.") || base.ends_with(".Dockerfile") {
        Some(dockerfile)
    } else if is_yaml && (base.starts_with("docker-compose") || base.starts_with("compose")) {
        Some(compose)
    } else if base == "package.json" {
        Some(package_json)
    } else if [".nvmrc", ".node-version", ".python-version"].contains(&base) && name != base {
        Some(nested)
    } else if base == ".tool-versions" {
        Some(tool_versions)
    } else if base == "mise.toml" || base == ".mise.toml" {
        Some(mise)
    } else if base == "pyproject.toml" {
        Some(pyproject)
    } else if name == "README.md" {
        Some(readme)
    } else {
        None
    }
}

impl File<'_> {
    fn mention(&self, kind: Option<RuntimeKind>, what: &str, raw: &str, line: u32, role: Role, mend: &'static str) -> Mention {
        Mention { kind, what: what.to_owned(), raw: raw.to_owned(), at: Location { file: self.name.to_owned(), line }, role, mend }
    }

    fn yaml(&self) -> Result<Option<Node>, String> {
        yaml::parse(self.text).map_err(|(line, why)| format!("{}:{line}: {why}", self.name))
    }

    /// The line on which a text first stands.
    fn line_of(&self, text: &str) -> u32 {
        self.text.lines().position(|line| line.contains(text)).unwrap_or(0) as u32 + 1
    }
}

fn workflow(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let mut found = Vec::new();
    let Some(root) = file.yaml()? else { return Ok(found) };
    for (_, job) in root.get("jobs").map(Node::entries).unwrap_or_default() {
        for (key, values) in job.get("strategy").and_then(|strategy| strategy.get("matrix")).map(Node::entries).unwrap_or_default() {
            found.extend(values.items().iter().filter(|item| is_float_trap(key, item)).filter_map(|item| trap(file, key, item)));
        }
        for (_, service) in job.get("services").map(Node::entries).unwrap_or_default() {
            found.extend(service.get("image").and_then(|node| image(file, "services image", node.text()?, node.line)));
            found.extend(service.get("image").and_then(|node| server(file, node.text()?, node.line)));
        }
        let container = job.get("container").and_then(|node| if node.text().is_some() { Some(node) } else { node.get("image") });
        found.extend(container.and_then(|node| image(file, "container", node.text()?, node.line)));
        for step in job.get("steps").map(Node::items).unwrap_or_default() {
            if let Some(uses) = step.get("uses") {
                found.extend(action(file, uses, step.get("with")));
            }
        }
    }
    Ok(found)
}

fn action(file: &File<'_>, uses: &Node, with: Option<&Node>) -> Vec<Mention> {
    let name = uses.text().unwrap_or_default();
    let (action, reference) = name.split_once('@').unwrap_or((name, ""));
    let (kind, key, file_key) = match action {
        "actions/setup-node" => (RuntimeKind::Node, "node-version", "node-version-file"),
        "actions/setup-python" => (RuntimeKind::Python, "python-version", "python-version-file"),
        "dtolnay/rust-toolchain" => {
            let toolchain = with.and_then(|with| with.get("toolchain"));
            let (raw, line) = toolchain.map_or((reference, uses.line), |node| (node.text().unwrap_or_default(), node.line));
            return vec![file.mention(Some(RuntimeKind::Rust), action, raw, line, Role::Mirror, "toolchain")];
        }
        _ => return Vec::new(),
    };
    if let Some(node) = with.and_then(|with| with.get(file_key)) {
        return vec![file.mention(Some(kind), file_key, node.text().unwrap_or_default(), node.line, Role::File, file_key)];
    }
    let Some(node) = with.and_then(|with| with.get(key)) else {
        return vec![file.mention(Some(kind), action, action, uses.line, Role::PathVersion, file_key)];
    };
    let mut found: Vec<Mention> =
        std::iter::once(node).chain(node.items()).filter(|item| is_float_trap(key, item)).filter_map(|item| trap(file, key, item)).collect();
    let expression = node.text().is_some_and(|text| text.contains("${{"));
    if found.is_empty() && !expression {
        found.push(file.mention(Some(kind), key, node.text().unwrap_or("a list"), node.line, Role::Literal, file_key));
    }
    found
}

fn is_float_trap(key: &str, node: &Node) -> bool {
    let key = key.to_ascii_lowercase();
    let names_version = ["python", "node", "rust", "version", "toolchain", "go", "ruby"].iter().any(|part| key.contains(part));
    let trapped = node.text().and_then(|text| text.split_once('.')).is_some_and(|(major, minor)| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits(major) && digits(minor) && minor.ends_with('0')
    });
    names_version && node.is_plain() && trapped
}

fn trap(file: &File<'_>, key: &str, node: &Node) -> Option<Mention> {
    Some(file.mention(None, key, node.text()?, node.line, Role::FloatTrap, ""))
}

fn compose(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let Some(root) = file.yaml()? else { return Ok(Vec::new()) };
    let services = root.get("services").map(Node::entries).unwrap_or_default();
    let images = services.iter().filter_map(|(_, service)| service.get("image"));
    let named = images.filter_map(|node| Some((node.text()?, node.line)));
    Ok(named.flat_map(|(name, line)| [image(file, "image", name, line), server(file, name, line)]).flatten().collect())
}

fn dockerfile(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let mut found = Vec::new();
    let mut stages: Vec<String> = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = index as u32 + 1;
        match words.first().map(|word| word.to_ascii_uppercase()).as_deref() {
            Some("FROM") => {
                let name = words.iter().skip(1).find(|word| !word.starts_with("--")).copied().unwrap_or_default();
                if !stages.iter().any(|stage| stage == name) {
                    found.extend(image(file, "FROM", name, number));
                }
                let stage = words.iter().position(|word| word.eq_ignore_ascii_case("as")).and_then(|at| words.get(at + 1));
                stages.extend(stage.map(|stage| (*stage).to_owned()));
            }
            Some("ARG") => {
                let (name, value) = words.get(1).and_then(|word| word.split_once('=')).unwrap_or_default();
                let kind = match name {
                    "NODE_VERSION" => Some(RuntimeKind::Node),
                    "PYTHON_VERSION" => Some(RuntimeKind::Python),
                    "RUST_VERSION" => Some(RuntimeKind::Rust),
                    _ => None,
                };
                found.extend(kind.map(|kind| file.mention(Some(kind), &format!("ARG {name}"), value.trim_matches('"'), number, Role::Mirror, "")));
            }
            _ => {}
        }
        // `curl https://deb.nodesource.com/setup_20.x | bash`
        let script = line.split_once("nodesource.com/setup_").and_then(|(_, rest)| rest.split_once(".x")).map(|(major, _)| major);
        found.extend(script.map(|major| file.mention(Some(RuntimeKind::Node), "NodeSource setup", major, number, Role::Mirror, "")));
    }
    Ok(found)
}

/// A pin file below the root: who works there gets its version.
fn nested(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let kind = if file.name.ends_with(".python-version") { RuntimeKind::Python } else { RuntimeKind::Node };
    let lines = file.text.lines().enumerate().map(|(index, line)| (index as u32 + 1, line.split('#').next().unwrap_or_default().trim()));
    let version = lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| file.mention(Some(kind), "pin file", line, number, Role::Mirror, ""));
    Ok(version.collect())
}

fn kind_of(tool: &str) -> Option<RuntimeKind> {
    match tool {
        "node" | "nodejs" => Some(RuntimeKind::Node),
        "python" => Some(RuntimeKind::Python),
        "rust" => Some(RuntimeKind::Rust),
        _ => None,
    }
}

/// asdf and mise take the first version of a line; setup-node takes the file for one version without a comment, and makes something else of the rest.
fn tool_versions(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let number = index as u32 + 1;
        let (plain, comment) = line.split_once('#').map_or((line, false), |(plain, _)| (plain, true));
        let words: Vec<&str> = plain.split_whitespace().collect();
        let Some((kind, version)) = words.first().and_then(|tool| kind_of(tool)).zip(words.get(1)) else { continue };
        found.push(file.mention(Some(kind), words[0], version, number, Role::Mirror, ""));
        if words.len() > 2 {
            let why = format!("asdf and mise take {version}, and setup-node does not understand the line");
            found.push(file.mention(Some(kind), words[0], &words[1..].join(" "), number, Role::Misread(why), ""));
        } else if comment {
            let why = format!("asdf and mise take {version}, and setup-node may take a word of the comment");
            found.push(file.mention(Some(kind), words[0], line.trim(), number, Role::Misread(why), ""));
        }
    }
    Ok(found)
}

/// `[tools]`: a version, a table with one, or a list of which the first counts.
fn mise(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let document: toml::Table = toml::from_str(file.text).map_err(|cause| format!("{}: {}", file.name, cause.message()))?;
    let mut found = Vec::new();
    for (tool, value) in document.get("tools").and_then(toml::Value::as_table).into_iter().flatten() {
        let Some(kind) = kind_of(tool) else { continue };
        let version = |value: &toml::Value| value.as_str().or_else(|| value.get("version").and_then(toml::Value::as_str)).map(str::to_owned);
        let line = file.text.lines().position(|line| line.trim_start().trim_start_matches('"').starts_with(tool.as_str())).unwrap_or(0) as u32 + 1;
        let list = value.as_array().map(|list| list.iter().filter_map(version).collect::<Vec<_>>());
        let Some(first) = list.as_ref().map_or_else(|| version(value), |list| list.first().cloned()) else { continue };
        found.push(file.mention(Some(kind), tool, &first, line, Role::Mirror, ""));
        if list.is_some() && kind == RuntimeKind::Node {
            let why = format!("mise takes {first}, and setup-node takes whatever is on PATH");
            found.push(file.mention(Some(kind), tool, "a list", line, Role::Misread(why), ""));
        } else if tool == "nodejs" {
            let why = format!("mise takes {first}, and setup-node reads `[tools]` as the version");
            found.push(file.mention(Some(kind), tool, "nodejs", line, Role::Misread(why), ""));
        }
    }
    Ok(found)
}

/// An image that is no runtime of ours: what serves the tests must be what serves the stack.
fn server(file: &File<'_>, name: &str, line: u32) -> Option<Mention> {
    let base = name.rsplit('/').next().unwrap_or(name);
    let (repository, tag) = base.split_once(':').unwrap_or((base, ""));
    let plain = !name.contains('@') && !name.contains('$') && !name.is_empty() && kind_of(repository).is_none();
    plain.then(|| file.mention(None, repository, tag, line, Role::Service, ""))
}

/// Tags without a version that name no build of anybody's own.
const FLAVOURS: [&str; 10] = ["latest", "alpine", "slim", "bookworm", "bullseye", "trixie", "stable", "mainline", "lts", "edge"];

/// An image with its tag. `scratch`, digests and names that a variable makes say nothing.
fn image(file: &File<'_>, what: &str, name: &str, line: u32) -> Option<Mention> {
    if name.is_empty() || name == "scratch" || name.contains('@') || name.contains('$') {
        return None;
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    let (repository, tag) = base.split_once(':').unwrap_or((base, ""));
    let kind = match repository {
        "node" => Some(RuntimeKind::Node),
        "python" => Some(RuntimeKind::Python),
        "rust" => Some(RuntimeKind::Rust),
        _ => None,
    };
    let version = tag.split('-').next().unwrap_or_default();
    let what = format!("{what} {repository}");
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        // An image of our own that a workflow builds has no version to compare.
        let known = kind.is_some() || tag.is_empty() || FLAVOURS.contains(&tag);
        return known.then(|| file.mention(kind, &what, name, line, Role::Floating, ""));
    }
    kind.map(|kind| file.mention(Some(kind), &what, version, line, Role::Mirror, ""))
}

fn package_json(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let document: serde_json::Value = serde_json::from_str(file.text).map_err(|cause| format!("{}: {cause}", file.name))?;
    let mut found = Vec::new();
    if let Some(range) = document["engines"]["node"].as_str() {
        found.push(file.mention(Some(RuntimeKind::Node), "engines.node", range, file.line_of(range), Role::NpmRange, ""));
    }
    let runtime = &document["devEngines"]["runtime"];
    for runtime in runtime.as_array().map_or_else(|| std::slice::from_ref(runtime), Vec::as_slice) {
        if let (Some("node"), Some(range)) = (runtime["name"].as_str(), runtime["version"].as_str()) {
            found.push(file.mention(Some(RuntimeKind::Node), "devEngines.runtime", range, file.line_of(range), Role::NpmRange, ""));
        }
    }
    if let Some(version) = document["volta"]["node"].as_str() {
        found.push(file.mention(Some(RuntimeKind::Node), "volta.node", version, file.line_of(version), Role::Mirror, ""));
    }
    Ok(found)
}

fn pyproject(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let document: toml::Table = toml::from_str(file.text).map_err(|cause| format!("{}: {}", file.name, cause.message()))?;
    let requires = document.get("project").and_then(|project| project.get("requires-python")).and_then(toml::Value::as_str);
    let mention = |range| file.mention(Some(RuntimeKind::Python), "requires-python", range, file.line_of("requires-python"), Role::PythonRange, "");
    Ok(requires.map(mention).into_iter().collect())
}

static README: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(Python|Node(?:\.js)?|Rust)\s+v?(\d+\.\d+(?:\.\d+)?)\b").expect("the pattern is a constant that a test compiles"));

/// Set-up instructions that name a version.
fn readme(file: &File<'_>) -> Result<Vec<Mention>, String> {
    let mut found = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for caught in README.captures_iter(line) {
            let (name, version) = (&caught[1], &caught[2]);
            let kind = match name {
                "Python" => RuntimeKind::Python,
                "Rust" => RuntimeKind::Rust,
                _ => RuntimeKind::Node,
            };
            found.push(file.mention(Some(kind), name, version, index as u32 + 1, Role::Mirror, ""));
        }
    }
    Ok(found)
}
