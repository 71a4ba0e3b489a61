//! What documents show works: every command is understood, every gates.toml in them is valid.

use std::path::{Path, PathBuf};

use clap::Parser as _;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let docs = std::fs::read_dir(root.join("docs")).expect("there").flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]).collect();
    found.sort();
    found
}

/// Blocks of a document between fences: language, first line's number, text.
fn blocks(text: &str) -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => open = Some((language.to_owned(), number + 2, String::new())),
            (None, Some((_, _, block))) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A command line of a shell as words: without what a shell would do with it.
fn words(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start_matches("$ ").split(" # ").next()?.split(" && ").next()?.trim();
    let line = line.strip_prefix("exec ").unwrap_or(line);
    let rest = line.strip_prefix("cargo xtask").or_else(|| line.strip_prefix("xtask")).filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    let rest = rest.split([';', '>', '|']).next()?.replace("\"$SHA\"", "HEAD").replace("sha256:...", "sha256:0");
    Some(std::iter::once("xtask".to_owned()).chain(shlex::split(&rest)?).collect())
}

#[test]
fn every_command_is_one() {
    let (mut findings, mut seen) = (Vec::new(), 0);
    for path in documents() {
        let text = std::fs::read_to_string(&path).expect("readable");
        for (language, first, block) in blocks(&text).into_iter().filter(|(language, ..)| ["", "sh", "bash", "console"].contains(&language.as_str())) {
            for (number, line) in block.lines().enumerate() {
                let Some(words) = words(line.trim()) else { continue };
                seen += 1;
                if let Err(cause) = xtask::cli::Cli::try_parse_from(&words)
                    && cause.exit_code() != 0
                {
                    findings.push(format!(
                        "{}:{} ({language}): {line}: {}",
                        path.display(),
                        first + number,
                        cause.to_string().lines().next().unwrap_or_default()
                    ));
                }
            }
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert!(seen > 30, "{seen} commands were seen");
}

#[test]
fn every_recipe_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("docs/recipes.md");
    let text = std::fs::read_to_string(path).expect("readable");
    let recipes: Vec<String> = blocks(&text).into_iter().filter(|(language, ..)| language == "toml").map(|(_, _, block)| block).collect();
    assert!(recipes.len() >= 4);
    for recipe in recipes {
        let caller = xtask::config::Caller { elsewhere: true, ..xtask::config::Caller::default() };
        let problems = xtask::config::parse(Path::new("."), "docs/recipes.md", &recipe, caller).err().unwrap_or_default();
        assert!(problems.is_empty(), "{}\n{recipe}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
