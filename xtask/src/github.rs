//! How a job of GitHub Actions is talked to: commands in its log, files that it names, and text of others that must not act as either. Knows
//! no run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::Path;

/// The runner cuts messages here.
const MESSAGE: usize = 4096;

/// 32 hexadecimal digits that nobody could have foreseen.
pub fn token() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

/// Text that stands behind `::`: no line of it can end the command.
pub fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text of a property, where `:` and `,` end it too.
pub fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line of ours with words of others: nothing in it is taken for a command, at its begin (`::`) or anywhere (`##[`).
pub fn harmless(line: &str) -> String {
    let line = line.replace("##[", "##\u{200b}[");
    let begin = line.len() - line.trim_start().len();
    if line[begin..].starts_with("::") { format!("{}\u{200b}{}", &line[..begin], &line[begin..]) } else { line }
}

/// An annotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// `error`, `warning` or `notice`.
    pub level: &'static str,
    /// Title.
    pub title: String,
    /// What is wrong.
    pub message: String,
    /// File, from the root.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
}

impl Annotation {
    /// The command.
    pub fn command(&self) -> String {
        let mut properties = Vec::new();
        if let Some(file) = &self.file {
            properties.push(format!("file={}", property(file)));
            properties.extend(self.line.map(|line| format!("line={line}")));
        }
        properties.push(format!("title={}", property(&self.title)));
        let message: String = self.message.chars().take(MESSAGE).collect();
        format!("::{} {}::{}", self.level, properties.join(","), data(&message))
    }
}

/// The most important of a list, at most `most`; the last one says how many are left out.
pub fn capped(mut list: Vec<Annotation>, most: usize) -> Vec<Annotation> {
    let left = list.len().saturating_sub(most);
    if left > 0 {
        list.truncate(most.saturating_sub(1));
        let level = list.first().map_or("error", |first| first.level);
        let message = format!("{} more: the summary of this job names them, and junit.xml holds all", left + 1);
        list.push(Annotation { level, title: "and more".to_owned(), message, ..Annotation::default() });
    }
    list
}

/// Sets outputs of the step, where there is one.
pub fn set_outputs(ambient: &BTreeMap<String, String>, outputs: &[(&str, String)]) -> io::Result<()> {
    let Some(file) = ambient.get("GITHUB_OUTPUT").filter(|file| !file.is_empty()) else { return Ok(()) };
    let mut text = String::new();
    for (name, value) in outputs {
        let end = token();
        writeln!(text, "{name}<<{end}\n{value}\n{end}").map_err(io::Error::other)?;
    }
    append(Path::new(file), &text)
}

/// Adds to a file that the job names.
pub fn append(file: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).open(file)?.write_all(text.as_bytes())
}

/// Markdown of at most `most` bytes: cut after a line, with a word on how much is missing.
pub fn cut(markdown: &str, most: usize) -> String {
    if markdown.len() <= most {
        return markdown.to_owned();
    }
    let room = most.saturating_sub(100);
    let mut end = 0;
    for line in markdown.split_inclusive('\n') {
        if end + line.len() > room {
            break;
        }
        end += line.len();
    }
    let left = markdown[end..].lines().count();
    format!("{}\n\n{left} more lines: see summary.md of the run\n", &markdown[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_commands() {
        for text in ["::error::x", "  ::add-mask::a", "a ##[error]b", "##[group]##[error]"] {
            let shown = harmless(text);
            assert!(!shown.contains("##[") && !shown.trim_start().starts_with("::"), "{shown}");
            assert_eq!(shown.replace('\u{200b}', ""), text);
        }
        assert_eq!(harmless("a::b"), "a::b");
        let annotation = Annotation {
            level: "error",
            title: "a, b: c".to_owned(),
            message: "50 %\n::error::x".to_owned(),
            file: Some("src/a:b,c.ts".to_owned()),
            line: Some(3),
        };
        assert_eq!(annotation.command(), "::error file=src/a%3Ab%2Cc.ts,line=3,title=a%2C b%3A c::50 %25%0A::error::x");
    }

    #[test]
    fn the_last_one_says_how_many_are_left_out() {
        let list: Vec<Annotation> = (0..25).map(|number| Annotation { level: "error", title: number.to_string(), ..Annotation::default() }).collect();
        let shown = capped(list.clone(), 10);
        assert_eq!(shown.len(), 10);
        assert!(shown[9].message.starts_with("16 more"), "{}", shown[9].message);
        assert_eq!(capped(list[..10].to_vec(), 10).len(), 10);
        assert!(capped(list[..10].to_vec(), 10)[9].message.is_empty());
    }

    #[test]
    fn tokens_and_cuts() {
        assert_ne!(token(), token());
        let long = "a line\n".repeat(1000);
        let shown = cut(&long, 500);
        assert!(shown.len() <= 500 && shown.contains("more lines"), "{shown}");
        assert_eq!(cut("short\n", 500), "short\n");
    }

    #[test]
    fn an_output_has_a_delimiter_of_its_own() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("output");
        let ambient = [("GITHUB_OUTPUT".to_owned(), file.display().to_string())].into();
        set_outputs(&ambient, &[("matrix", "{\"shard\":[\"1\"]}".to_owned()), ("digest", "EOF".to_owned())]).expect("written");
        let text = std::fs::read_to_string(&file).expect("there");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1]), (6, "{\"shard\":[\"1\"]}"));
        assert!(lines[0].starts_with("matrix<<") && lines[0].ends_with(lines[2]) && lines[3] != lines[0]);
        set_outputs(&BTreeMap::new(), &[("a", String::new())]).expect("nothing to do");
    }
}
