//! What a command does, piece by piece, with the scripts that it names: which pieces migrate, which stand in a loop, and what else is done.
//! Reads the files that it names, starts nothing.

use std::path::Path;

use super::dockerfile::{self, shell_text, words};
use super::file::Service;
use crate::model::Location;

/// A program and a word behind it that together change a schema.
const MIGRATES: &[(&str, &str)] = &[
    ("alembic", "upgrade"),
    ("alembic", "stamp"),
    ("atlas", "migrate"),
    ("dbmate", "migrate"),
    ("dbmate", "up"),
    ("diesel", "migration"),
    ("drizzle-kit", "migrate"),
    ("drizzle-kit", "push"),
    ("flask", "upgrade"),
    ("flyway", "migrate"),
    ("goose", "up"),
    ("knex", "migrate:latest"),
    ("liquibase", "update"),
    ("manage.py", "migrate"),
    ("prisma", "migrate"),
    ("prisma", "push"),
    ("rails", "db:migrate"),
    ("rake", "db:migrate"),
    ("sequelize", "db:migrate"),
    ("sqlx", "migrate"),
    ("typeorm", "migration:run"),
];
/// Pieces that prepare and do nothing themselves.
const IDLE: &[&str] = &[
    "",
    ":",
    "[",
    "[[",
    "break",
    "cd",
    "continue",
    "done",
    "echo",
    "esac",
    "exit",
    "export",
    "fi",
    "from",
    "import",
    "nc",
    "pg_isready",
    "printf",
    "return",
    "set",
    "shift",
    "sleep",
    "trap",
    "true",
    "umask",
    "unset",
    "wait-for-it.sh",
    "local",
    "test",
];
/// Words before the one that is run.
const BEFORE: &[&str] = &["!", "do", "else", "elif", "exec", "if", "then", "time", "until", "while", "{", "(", "env", "nohup", "sudo", "command"];
/// Pieces that only say words.
const TALK: &[&str] = &["echo", "printf"];
const MANAGERS: &[&str] = &["npm", "pnpm", "yarn", "bun"];
/// Programs that run what stands behind them, with the words of their own that come first.
const LAUNCHERS: &[(&str, usize)] = &[
    ("tini", 0),
    ("dumb-init", 0),
    ("catatonit", 0),
    ("env", 0),
    ("exec", 0),
    ("nice", 0),
    ("nohup", 0),
    ("gosu", 1),
    ("su-exec", 1),
    ("setpriv", 0),
    ("timeout", 1),
];
/// The same, by a word of theirs.
const RUNNERS: &[(&str, &str)] = &[("poetry", "run"), ("uv", "run"), ("pipenv", "run"), ("pdm", "run"), ("bundle", "exec"), ("npm", "exec"), ("pnpm", "exec")];
/// Scripts that name scripts.
const DEEPEST: usize = 4;

/// A piece of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// As it stands there.
    pub text: String,
    /// Where.
    pub at: Location,
    /// It stands in a loop.
    pub is_looped: bool,
    /// Its words.
    pub words: Vec<String>,
    migrates: bool,
}

/// Finds a script by the word that names it: its name and its text.
type Find<'f> = dyn Fn(&str) -> Option<(String, String)> + 'f;

/// Everything that a service does.
#[derive(Debug)]
pub struct Script<'a> {
    deeds: Vec<Deed>,
    more: &'a [Vec<String>],
}

impl<'a> Script<'a> {
    /// Nothing yet; `more` are further commands that migrate.
    pub fn new(more: &'a [Vec<String>]) -> Self {
        Self { deeds: Vec::new(), more }
    }

    /// The first piece that migrates.
    pub fn first(&self) -> Option<&Deed> {
        self.deeds.iter().find(|deed| deed.migrates)
    }

    /// All pieces, in order.
    pub fn deeds(&self) -> &[Deed] {
        &self.deeds
    }

    /// Something in it migrates.
    pub fn migrates(&self) -> bool {
        self.first().is_some()
    }

    /// A piece that does something else.
    pub fn other(&self) -> Option<&Deed> {
        self.deeds.iter().find(|deed| !deed.migrates)
    }

    /// A command as words.
    pub fn add(&mut self, command: &[String], at: &Location, find: &Find<'_>) {
        self.command(command, at, false, find, 0);
    }

    fn command(&mut self, command: &[String], at: &Location, is_looped: bool, find: &Find<'_>, depth: usize) {
        let command = launched(command);
        if let Some(text) = shell_text(command) {
            self.shell(text, at, find, depth);
            return;
        }
        let Some(named) = script_of(command, find).filter(|_| depth < DEEPEST && !self.is_migration(command)) else {
            self.deed(command, at, is_looped);
            return;
        };
        let (name, text) = named;
        let inner = Location { file: name.clone(), line: 1 };
        if name.ends_with("package.json") {
            let script = package_script(command, &text);
            // The manager's own words are the script's.
            self.shell(&script.unwrap_or_default(), &inner, find, depth + 1);
        } else if is_shell(&name, &text) {
            self.lines(&text, &inner, find, depth + 1);
        } else {
            self.foreign(&text, &inner);
        }
    }

    /// The text behind `sh -c`: one place.
    fn shell(&mut self, text: &str, at: &Location, find: &Find<'_>, depth: usize) {
        let mut open = 0;
        for piece in pieces(text) {
            self.piece(&piece, at, &mut open, find, depth);
        }
    }

    /// A script: every line is a place of its own.
    fn lines(&mut self, text: &str, at: &Location, find: &Find<'_>, depth: usize) {
        let mut open = 0;
        for (line, text) in whole_lines(text) {
            for piece in pieces(&text) {
                self.piece(&piece, &Location { file: at.file.clone(), line }, &mut open, find, depth);
            }
        }
    }

    fn piece(&mut self, piece: &str, at: &Location, open: &mut usize, find: &Find<'_>, depth: usize) {
        let mut command = words(piece);
        if command.first().is_some_and(|word| ["while", "until", "for"].contains(&word.as_str())) {
            *open += 1;
        }
        if command.first().is_some_and(|word| word == "done") {
            *open = open.saturating_sub(1);
        }
        let is_assigned =
            |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_'));
        let before = command.iter().take_while(|word| BEFORE.contains(&word.as_str()) || is_assigned(word)).count();
        command.drain(..before);
        // The rest of an entrypoint's script is the command that stands elsewhere.
        // A script that is sourced is run.
        if command.first().is_some_and(|word| [".", "source"].contains(&word.as_str())) {
            command.remove(0);
        }
        let Some(first) = command.first().map(String::as_str) else { return };
        let idle = IDLE.contains(&first) || first == "$@" || first == "for" || first.ends_with("wait-for-it.sh");
        // `wait-for-it.sh db:5432 -- alembic upgrade head` prepares, and then migrates.
        if idle && (TALK.contains(&first) || !self.is_migration(&command)) {
            return;
        }
        self.command(&command, at, *open > 0, find, depth);
    }

    /// A program in another language: what changes a schema is seen in it, and it is taken to do something else too.
    fn foreign(&mut self, text: &str, at: &Location) {
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim_start().starts_with(['#', '/'])) {
            let plain: String = text.chars().map(|sign| if "[](){},'\"`;".contains(sign) { ' ' } else { sign }).collect();
            let command: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
            if self.is_migration(&command) || text.contains("command.upgrade(") {
                self.deeds.push(Deed {
                    text: text.trim().to_owned(),
                    at: Location { file: at.file.clone(), line },
                    is_looped: false,
                    words: command,
                    migrates: true,
                });
            }
        }
        self.deeds.push(Deed { text: at.file.clone(), at: at.clone(), is_looped: false, words: vec![at.file.clone()], migrates: false });
    }

    fn deed(&mut self, command: &[String], at: &Location, is_looped: bool) {
        let migrates = self.is_migration(command);
        self.deeds.push(Deed { text: command.join(" "), at: at.clone(), is_looped, words: command.to_vec(), migrates });
    }

    fn is_migration(&self, command: &[String]) -> bool {
        let follows = |program: &str, word: &str| {
            let at = command.iter().position(|one| one.rsplit('/').next() == Some(program));
            at.is_some_and(|at| command[at + 1..].iter().any(|one| one == word))
        };
        let own = MIGRATES.iter().any(|(program, word)| follows(program, word));
        own || self.more.iter().any(|words| !words.is_empty() && command.windows(words.len()).any(|window| window == words))
    }
}

/// Lines of a script with their numbers, without comments; what a backslash continues is one line.
fn whole_lines(text: &str) -> Vec<(u32, String)> {
    let mut whole: Vec<(u32, String)> = Vec::new();
    let mut goes_on = false;
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim_start().starts_with('#')) {
        let (part, more) = text.strip_suffix('\\').map_or((text, false), |part| (part, true));
        match whole.last_mut().filter(|_| goes_on) {
            Some((_, open)) => *open = format!("{open} {part}"),
            None => whole.push((line, part.to_owned())),
        }
        goes_on = more;
    }
    whole
}

/// What a launcher launches: `tini -- python start.py` is `python start.py`.
fn launched(command: &[String]) -> &[String] {
    let program = command.first().map(|word| word.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
    let own = LAUNCHERS.iter().find(|(name, _)| *name == program).map(|(_, words)| *words);
    let runs = RUNNERS.iter().any(|(name, verb)| *name == program && command.get(1).is_some_and(|word| word == verb));
    let Some(own) = own.or(runs.then_some(1)) else { return command };
    if let Some(dashes) = command.iter().position(|word| word == "--") {
        return launched(&command[dashes + 1..]);
    }
    let rest = &command[1..];
    let flags = rest.iter().take_while(|word| word.starts_with('-') || word.contains('=')).count();
    let rest = rest.get(flags + own..).unwrap_or_default();
    if rest.is_empty() { command } else { launched(rest) }
}

/// Everything that a service starts: entrypoint and command, of the compose file, else of the image, with the scripts that they name.
pub fn started<'m>(root: &Path, folder: &Path, name: &str, service: &Service, more: &'m [Vec<String>]) -> Result<Script<'m>, String> {
    let mut script = Script::new(more);
    let own = |words: &Option<(Vec<String>, u32)>| words.clone().map(|(words, line)| (words, Location { file: name.to_owned(), line }));
    let (mut entrypoint, mut command) = (own(&service.entrypoint), own(&service.command));
    let context = service.build.as_ref().map(|build| folder.join(&build.context));
    if let (Some(build), Some(context)) = (&service.build, &context) {
        let path = context.join(&build.dockerfile);
        let shown = relative(root, &path);
        let text = std::fs::read_to_string(&path).map_err(|cause| format!("failed to read {shown}: {cause}"))?;
        let image = dockerfile::started(&text, build.target.as_deref());
        let of = |one: Option<dockerfile::Command>| one.map(|one| (one.words, Location { file: shown.clone(), line: one.line }));
        // An entrypoint of the compose file forgets the image's command.
        command = command.or_else(|| if entrypoint.is_some() { None } else { of(image.command) });
        entrypoint = entrypoint.or_else(|| of(image.entrypoint));
    }
    for (words, at) in [entrypoint, command].into_iter().flatten() {
        script.add(&words, &at, &|word| context.as_deref().or(Some(folder)).and_then(|folder| find(root, folder, word)));
    }
    Ok(script)
}

/// A path as seen from the root.
pub fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// A script of the build's folder that a command names: by its path, else by its name.
fn find(root: &Path, folder: &Path, word: &str) -> Option<(String, String)> {
    let read = |path: &Path| Some((relative(root, path), std::fs::read_to_string(path).ok()?));
    let inner = word.trim_start_matches("./").trim_start_matches('/');
    if inner.is_empty() || word.starts_with('-') {
        return None;
    }
    let direct = folder.join(inner);
    if direct.is_file() {
        return read(&direct);
    }
    let base = Path::new(inner).file_name()?;
    Path::new(base).extension()?;
    let is_ours = |entry: &walkdir::DirEntry| !["node_modules", ".git", ".venv", "target"].contains(&entry.file_name().to_string_lossy().as_ref());
    let found = walkdir::WalkDir::new(folder).max_depth(6).into_iter().filter_entry(is_ours).flatten();
    let mut found = found.filter(|entry| entry.file_type().is_file() && entry.file_name() == base);
    let first = found.next()?;
    // Of several with one name the one that may change a schema is taken: nobody can tell which ends in the image.
    let suspect = |text: &str| MIGRATES.iter().any(|(program, _)| text.contains(program));
    let other = found.filter_map(|entry| read(entry.path())).find(|(_, text)| suspect(text));
    read(first.path()).filter(|(_, text)| suspect(text) || other.is_none()).or(other)
}

/// The script that a command runs: its program, or the first argument of an interpreter that is a file; of a package manager its manifest.
fn script_of(command: &[String], find: &Find<'_>) -> Option<(String, String)> {
    let program = command.first()?;
    if MANAGERS.contains(&program.as_str()) {
        return find("package.json").filter(|(_, text)| package_script(command, text).is_some());
    }
    let interpreters = ["python", "python3", "node", "ruby", "sh", "bash", "dash"];
    if !interpreters.contains(&program.rsplit('/').next().unwrap_or_default()) {
        return find(program);
    }
    // `python -m app.start` is a file too.
    if let Some(module) = command.iter().position(|word| word == "-m").and_then(|at| command.get(at + 1)) {
        let path = module.replace('.', "/");
        return find(&format!("{path}.py")).or_else(|| find(&format!("{path}/__main__.py")));
    }
    find(command.iter().skip(1).find(|word| !word.starts_with('-'))?)
}

fn package_script(command: &[String], manifest: &str) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_str(manifest).ok()?;
    let scripts = manifest.get("scripts")?;
    // The first word that names one: a folder behind `--prefix`, `run` and `run-script` do not.
    command.iter().skip(1).find_map(|word| scripts.get(word)?.as_str()).map(str::to_owned)
}

fn is_shell(name: &str, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    std::path::Path::new(name).extension().is_some_and(|ending| ending == "sh") || first.starts_with("#!") && first.ends_with("sh")
}

/// The commands of a text: what stands between `;`, `&`, `|` and line ends, outside of quotes.
fn pieces(text: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut quote) = (Vec::new(), String::new(), None);
    for sign in text.chars() {
        match (quote, sign) {
            (None, ';' | '&' | '|' | '\n') => pieces.push(std::mem::take(&mut piece)),
            (None, '\'' | '"') => {
                quote = Some(sign);
                piece.push(sign);
            }
            (Some(end), sign) => {
                if sign == end {
                    quote = None;
                }
                piece.push(sign);
            }
            (None, sign) => piece.push(sign),
        }
    }
    pieces.push(piece);
    pieces.into_iter().map(|piece| piece.trim().to_owned()).filter(|piece| !piece.is_empty()).collect()
}
