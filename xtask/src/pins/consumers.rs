//! What each tool that reads a pin file makes of its text: the same words mean different versions to nvm, fnm, mise, setup-node, asdf, pyenv, uv,
//! setup-python and rustup. By their sources in 2026 (nvm 0.40, fnm 1.39, mise, setup-node 6, asdf-nodejs, pyenv 2.8, uv 0.13, setup-python 7,
//! rustup 1.29). Pure: what is installed is not asked.

use super::read::numbers;

/// What one tool makes of a pin file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The tool.
    pub consumer: &'static str,
    /// What it takes, or what happens instead.
    pub takes: Result<String, String>,
}

type Rule = fn(&str) -> Result<String, String>;

/// The readings of a pin file in the root.
pub fn readings(file: &str, text: &str) -> Vec<Reading> {
    let node: &[(&'static str, Rule)] = &[("nvm", nvm), ("fnm", fnm), ("mise", mise), ("setup-node", setup_node), ("asdf", asdf)];
    let python: &[(&'static str, Rule)] = &[("pyenv", pyenv), ("uv", uv), ("setup-python", setup_python)];
    let rules: &[(&'static str, Rule)] = match file {
        ".nvmrc" => node,
        // nvm does not know this file.
        ".node-version" => &node[1..],
        ".python-version" => python,
        "rust-toolchain" | "rust-toolchain.toml" => &[("rustup", rustup)],
        _ => &[],
    };
    rules.iter().map(|(consumer, rule)| Reading { consumer, takes: rule(text) }).collect()
}

/// All of them take the same.
pub fn agree(readings: &[Reading]) -> bool {
    readings.iter().all(|reading| reading.takes.is_ok()) && readings.windows(2).all(|pair| pair[0].takes == pair[1].takes)
}

fn without_comments(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// `20.1`, `v20.1.2`, or an alias in words.
fn version(word: &str, aliases: &[(&str, &str)]) -> Result<String, String> {
    if let Some((_, means)) = aliases.iter().find(|(alias, _)| *alias == word) {
        return Ok((*means).to_owned());
    }
    if let Some(numbers) = numbers(word) {
        return Ok(numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."));
    }
    Err(format!("does not understand `{word}`"))
}

/// One bare line; comments and `key=value` do not count.
fn nvm(text: &str) -> Result<String, String> {
    let lines: Vec<String> = without_comments(text).into_iter().filter(|line| !line.contains('=')).collect();
    let [line] = lines.as_slice() else { return Err(format!("wants one line, and there are {}", lines.len())) };
    if line.starts_with('\u{feff}') {
        return Err("reads the byte order mark as part of the version".to_owned());
    }
    if let Some(name) = line.strip_prefix("lts/").filter(|name| *name != "*") {
        return if name.chars().any(|c| c.is_ascii_uppercase()) {
            Err("wants the name in lower case".to_owned())
        } else {
            Ok(format!("the newest lts/{name} that is installed"))
        };
    }
    version(
        line,
        &[
            ("lts/*", "the newest LTS of its last online listing"),
            ("node", "the newest that is installed"),
            ("stable", "the newest that is installed"),
            ("system", "what is on PATH"),
        ],
    )
}

/// The whole file is one word; what is no version is cut at its dots, or taken for an alias.
fn fnm(text: &str) -> Result<String, String> {
    let word = text.trim();
    let plain = version(word, &[("lts/*", "its alias lts-latest"), ("system", "what is on PATH")]);
    let parts: Vec<&str> = word.split('.').collect();
    match (plain, parts.as_slice()) {
        (Err(_), [major, minor, _]) if numbers(major).is_some() && numbers(minor).is_some() => Ok(format!("{major}.{minor}, any patch")),
        (Err(_), _) if word.contains(char::is_whitespace) || word.contains('#') => Err("looks for an alias of that name".to_owned()),
        (Err(_), _) => Ok(format!("its alias {word}, if there is one")),
        (plain, _) => plain,
    }
}

/// Words without comments; the first counts.
fn mise(text: &str) -> Result<String, String> {
    let lines = without_comments(text);
    let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
    let first = words.first().ok_or("finds no version")?;
    version(first, &[("lts/*", "the newest LTS"), ("node", "the newest of all"), ("system", "what is on PATH")])
        .or_else(|why| if first.starts_with("lts/") { Ok((*first).to_owned()) } else { Err(why) })
}

/// The first line that is one word, comments included; an empty file means PATH.
fn setup_node(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err("takes whatever is on PATH".to_owned());
    }
    let one = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains(char::is_whitespace));
    let word = one.unwrap_or_else(|| text.trim());
    let aliases = [("lts/*", "the newest LTS major, any patch of it that is cached"), ("node", "the newest of all"), ("latest", "the newest of all")];
    version(word, &aliases).or_else(|why| if word.starts_with("lts/") { Ok(word.to_ascii_lowercase()) } else { Err(why) })
}

/// The file as it is.
fn asdf(text: &str) -> Result<String, String> {
    let word = text.trim_end_matches('\n');
    version(word, &[("lts/*", "the newest LTS that its plugin knows"), ("system", "what is on PATH")])
}

/// The first word of each line; the first line is `python`.
fn pyenv(text: &str) -> Result<String, String> {
    let lines = without_comments(text);
    let word = lines.first().and_then(|line| line.split_whitespace().next()).ok_or("finds no version")?;
    version(word.trim_start_matches("python-"), &[("system", "what is on PATH")])
}

/// One request a line; a line that is none is left out with a warning.
fn uv(text: &str) -> Result<String, String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).ok_or("finds no version")?;
    version(line.trim_start_matches('\u{feff}'), &[]).map_err(|_| "leaves the line out with a warning, and takes another Python".to_owned())
}

/// Every line is installed, and the last is `python`.
fn setup_python(text: &str) -> Result<String, String> {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or("takes whatever is on PATH, with a warning")?;
    version(line.trim_start_matches('\u{feff}'), &[])
}

/// A channel by its literal name.
fn rustup(text: &str) -> Result<String, String> {
    let channel = toml::from_str::<toml::Table>(text).ok().and_then(|table| Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned()));
    channel.or_else(|| without_comments(text).first().filter(|line| !line.contains(['[', '='])).cloned()).ok_or_else(|| "names no channel".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, text: &str) -> Vec<(&'static str, String)> {
        readings(file, text).into_iter().map(|reading| (reading.consumer, reading.takes.unwrap_or_else(|why| format!("! {why}")))).collect()
    }

    fn of(file: &str, text: &str, consumer: &str) -> String {
        read(file, text).into_iter().find(|(name, _)| *name == consumer).map(|(_, takes)| takes).unwrap_or_default()
    }

    #[test]
    fn plain_versions_are_read_alike() {
        for (file, text) in
            [(".nvmrc", "20.1.2\n"), (".nvmrc", "v20.1.2\n"), (".node-version", "20.1\n"), (".python-version", "3.11.7\n"), ("rust-toolchain", "1.95.0\n")]
        {
            assert!(agree(&readings(file, text)), "{file} {text}: {:?}", read(file, text));
        }
        assert_eq!(readings(".nvmrc", "20\n").len(), 5);
        assert_eq!(readings(".node-version", "20\n").len(), 4, "nvm does not read it");
    }

    /// Rows of the table that the tools' own code gave.
    #[test]
    fn what_is_not_plain_means_something_else_to_each() {
        let inline = "20.1.2 # iron\n";
        assert_eq!(of(".nvmrc", inline, "nvm"), "20.1.2");
        assert_eq!(of(".nvmrc", inline, "fnm"), "20.1, any patch");
        assert!(of(".nvmrc", inline, "setup-node").starts_with("! does not understand"));
        assert!(of(".nvmrc", inline, "asdf").starts_with('!'));
        let above = "# why\n20.1.2\n";
        assert_eq!((of(".nvmrc", above, "nvm"), of(".nvmrc", above, "setup-node")), ("20.1.2".to_owned(), "20.1.2".to_owned()));
        assert!(of(".nvmrc", above, "fnm").starts_with('!') && of(".nvmrc", above, "asdf").starts_with('!'));
        let tag = "#pinned\n20.1.2\n";
        assert!(of(".nvmrc", tag, "setup-node").contains("`#pinned`"), "it takes the comment for the version");
        assert_eq!(of(".nvmrc", tag, "nvm"), "20.1.2");
        assert_eq!(of(".nvmrc", "foo=bar\n20.1.2\n", "nvm"), "20.1.2");
        assert!(of(".nvmrc", "foo=bar\n20.1.2\n", "setup-node").contains("`foo=bar`"));
        assert!(of(".nvmrc", "LTS/Iron\n", "nvm").starts_with('!') && of(".nvmrc", "lts/Iron\n", "setup-node") == "lts/iron");
        assert!(of(".nvmrc", "", "setup-node").contains("PATH"));
        assert!(of(".nvmrc", "20.1.2 \n", "asdf").starts_with('!') && of(".nvmrc", "20.1.2 \n", "nvm") == "20.1.2");
        assert!(!agree(&readings(".nvmrc", "lts/*\n")), "each knows another newest");
        let two = "3.11\n3.12\n";
        assert_eq!(
            (of(".python-version", two, "pyenv"), of(".python-version", two, "uv"), of(".python-version", two, "setup-python")),
            ("3.11".to_owned(), "3.11".to_owned(), "3.12".to_owned())
        );
        assert!(of(".python-version", "3.11 # c\n", "uv").contains("takes another Python"));
        assert_eq!(of(".python-version", "3.11 # c\n", "pyenv"), "3.11");
        assert_eq!(of("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95\"\n", "rustup"), "1.95");
    }
}
