//! What a Dockerfile starts: ENTRYPOINT and CMD of its last stage, or of the one that is asked for. Pure.

use super::file::split;

/// A command of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words; of the shell form `sh -c TEXT`.
    pub words: Vec<String>,
    /// Its line, from 1.
    pub line: u32,
}

/// What an image starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// ENTRYPOINT.
    pub entrypoint: Option<Command>,
    /// CMD.
    pub command: Option<Command>,
}

/// A stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// What it is built from: an image, or an earlier stage.
    pub base: String,
    /// Line of its FROM.
    pub line: u32,
    /// Instructions in capitals, with their lines and words.
    pub instructions: Vec<(u32, String, String)>,
}

/// The stages of a Dockerfile, the last one last.
pub fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut args: Vec<(String, String)> = Vec::new();
    for (line, instruction) in instructions(text) {
        let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((&instruction, ""));
        let word = word.to_ascii_uppercase();
        if word == "ARG" && stages.is_empty() {
            args.extend(rest.trim().split_once('=').map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())));
        } else if word == "FROM" {
            // What ARG says before the first FROM is known to every FROM.
            let known = |text: String, (name, value): &(String, String)| text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
            let rest = args.iter().fold(rest.to_owned(), known);
            let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
            let name = if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case("as")) { words.get(2).map(|name| (*name).to_owned()) } else { None };
            stages.push(Stage { name, base: words.first().copied().unwrap_or_default().to_owned(), line, instructions: Vec::new() });
        } else if let Some(stage) = stages.last_mut() {
            stage.instructions.push((line, word, rest.trim().to_owned()));
        }
    }
    stages
}

/// Who runs a stage, by itself or by the stages below it; none means root.
pub fn user<'s>(stages: &'s [Stage], stage: &'s Stage) -> Option<&'s str> {
    let said = stage.instructions.iter().rev().find(|(_, word, _)| word == "USER").map(|(_, _, rest)| rest.split(':').next().unwrap_or_default());
    match said {
        Some(user) => Some(user).filter(|user| !["root", "0"].contains(user)),
        None if ["unprivileged", "nonroot"].iter().any(|word| stage.base.contains(word)) => Some(&stage.base),
        None => below(stages, stage).and_then(|below| user(stages, below)),
    }
}

/// The stage that a stage is built from, where it is one of this file.
pub fn below<'s>(stages: &'s [Stage], stage: &Stage) -> Option<&'s Stage> {
    stages.iter().find(|below| below.name.as_deref() == Some(stage.base.as_str()) && below.line < stage.line)
}

/// An image that moves on its own: without a tag, with `latest`, or with a tag that names no version.
pub fn floats(image: &str) -> bool {
    if image.contains('@') || image == "scratch" {
        return false;
    }
    let tag = image.rsplit('/').next().unwrap_or(image).split_once(':').map(|(_, tag)| tag);
    tag.is_none_or(|tag| !tag.contains(|sign: char| sign.is_ascii_digit()))
}

/// Reads a Dockerfile. A stage has what the stage that it is built from has; of an image from elsewhere nothing is known.
pub fn started(text: &str, target: Option<&str>) -> Started {
    let mut stages: Vec<(String, Started)> = Vec::new();
    for (line, instruction) in instructions(text) {
        let (word, rest) = instruction.split_once(char::is_whitespace).unwrap_or((&instruction, ""));
        match word.to_ascii_uppercase().as_str() {
            "FROM" => {
                let words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                let base = words.first().copied().unwrap_or_default();
                let name = if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case("as")) { words.get(2).copied() } else { None };
                let from = stages.iter().find(|(known, _)| known.eq_ignore_ascii_case(base)).map(|(_, has)| has.clone()).unwrap_or_default();
                stages.push((name.map_or_else(|| format!("#{}", stages.len()), str::to_owned), from));
            }
            "ENTRYPOINT" => {
                if let Some((_, stage)) = stages.last_mut() {
                    // The engine forgets the CMD of the image below with it.
                    *stage = Started { entrypoint: Some(command(rest, line)), command: stage.command.take().filter(|cmd| cmd.line > line) };
                }
            }
            "CMD" => {
                if let Some((_, stage)) = stages.last_mut() {
                    stage.command = Some(command(rest, line));
                }
            }
            _ => {}
        }
    }
    let wanted = target.and_then(|name| stages.iter().position(|(known, _)| known.eq_ignore_ascii_case(name)));
    let index = wanted.unwrap_or(stages.len().saturating_sub(1));
    stages.into_iter().nth(index).map(|(_, stage)| stage).unwrap_or_default()
}

/// Instructions with their lines; continued lines are one.
fn instructions(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() && open.is_none() {
            continue;
        }
        let (part, goes_on) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        let (at, mut whole) = open.take().unwrap_or((number, String::new()));
        whole.push_str(part);
        if goes_on {
            whole.push(' ');
            open = Some((at, whole));
        } else {
            found.push((at, whole));
        }
    }
    found.extend(open);
    found
}

fn command(text: &str, line: u32) -> Command {
    let words = serde_json::from_str::<Vec<String>>(text.trim());
    let words = words.unwrap_or_else(|_| if text.trim().is_empty() { Vec::new() } else { vec!["sh".to_owned(), "-c".to_owned(), text.trim().to_owned()] });
    Command { words, line }
}

/// The words behind which a shell's text stands: `sh -c TEXT`, `bash -euc TEXT`.
pub fn shell_text(words: &[String]) -> Option<&str> {
    let shell = |word: &String| ["sh", "bash", "dash", "ash", "zsh"].contains(&word.rsplit('/').next().unwrap_or_default());
    let at = words.iter().position(shell)?;
    let flag = words[at + 1..].iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    words.get(at + 1 + flag + 1).map(String::as_str)
}

/// Words of a line of a shell.
pub fn words(line: &str) -> Vec<String> {
    split(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_decides() {
        let text = "FROM a AS base\nENTRYPOINT [\"./run.sh\"]\nCMD [\"x\"]\nFROM base AS prod\n# no\nCMD [\"uvicorn\", \\\n  \"app:app\"]\nFROM b\nCMD alembic upgrade head && \\\n    uvicorn app\n";
        let last = started(text, None).command.expect("a command");
        assert_eq!((last.words.join(" ").as_str(), last.line), ("sh -c alembic upgrade head &&  uvicorn app", 9));
        let prod = started(text, Some("prod"));
        assert_eq!(prod.entrypoint.expect("of the stage below").words, ["./run.sh"]);
        assert_eq!(prod.command.expect("its own").words, ["uvicorn", "app:app"]);
        assert_eq!(started("FROM a\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\n", None).command, None, "an entrypoint forgets the command before it");
        assert_eq!(started("", None), Started::default());
    }

    #[test]
    fn a_shells_text_is_found() {
        let words = |text: &str| split(text);
        assert_eq!(shell_text(&words("/bin/bash -euo pipefail -c 'a && b'")), Some("a && b"));
        assert_eq!(shell_text(&words("tini -- sh -c 'a'")), Some("a"));
        assert_eq!(shell_text(&words("uvicorn -c x")), None);
    }
}
