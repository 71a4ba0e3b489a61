//! allowed_signers and revoked_keys as OpenSSH writes them. An option that is not known here is an error, never ignored: it could be the
//! one that restricts the key.

use ssh_key::PublicKey;
use time::OffsetDateTime;

use super::{Denied, no};
use crate::model::Denial;

/// A line of allowed_signers.
#[derive(Clone, Debug)]
pub struct Line {
    /// Number of the line.
    pub number: usize,
    /// Mail addresses.
    pub principals: Vec<String>,
    /// Namespaces that it may sign in.
    pub namespaces: Vec<String>,
    /// Not before.
    pub after: Option<OffsetDateTime>,
    /// Not from then on.
    pub before: Option<OffsetDateTime>,
    /// Key.
    pub key: PublicKey,
}

impl Line {
    /// The key may sign at this time.
    pub fn holds_at(&self, at: OffsetDateTime) -> bool {
        self.after.is_none_or(|after| after <= at) && self.before.is_none_or(|before| at < before)
    }
}

/// allowed_signers.
#[derive(Clone, Debug, Default)]
pub struct Signers {
    /// Lines in their order.
    pub lines: Vec<Line>,
}

impl Signers {
    /// From the text of the file.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Denied> {
        let text = std::str::from_utf8(bytes).map_err(|cause| no(Denial::Usage, format!("{file} is not UTF-8: {cause}")))?;
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let hint = "PRINCIPAL namespaces=\"NAME@DOMAIN\" ssh-ed25519 KEY; see ssh-keygen(1), ALLOWED SIGNERS";
            lines.push(parse_line(index + 1, line).map_err(|why| no(Denial::Usage, format!("{file}:{}: {why}", index + 1)).hint(hint))?);
        }
        Ok(Self { lines })
    }

    /// Who may use a key in a namespace.
    pub fn principal_of(&self, key: &PublicKey, namespace: &str) -> Option<&str> {
        let mine = |line: &&Line| line.key.key_data() == key.key_data() && line.namespaces.iter().any(|one| one == namespace);
        self.lines.iter().find(mine).and_then(|line| line.principals.first()).map(String::as_str)
    }
}

fn parse_line(number: usize, line: &str) -> Result<Line, String> {
    let (principals, rest) = cut(line).ok_or("it has no key")?;
    let (first, after_first) = cut(rest).ok_or("it has no key")?;
    let (options, key) = if first.contains('=') { (options(first)?, after_first) } else { (Vec::new(), rest) };
    let mut found = Line {
        number,
        principals: principals.split(',').map(str::to_lowercase).collect(),
        namespaces: Vec::new(),
        after: None,
        before: None,
        key: PublicKey::from_openssh(key).map_err(|cause| format!("the key is none that this program verifies (ed25519, sk-ed25519, ECDSA P-256): {cause}"))?,
    };
    if let Some(odd) = found.principals.iter().find(|name| name.contains(['*', '?', '!'])) {
        return Err(format!("principal `{odd}` is a pattern: name the person"));
    }
    for (name, value) in options {
        match name.as_str() {
            "namespaces" => found.namespaces = value.split(',').map(str::to_owned).collect(),
            "valid-after" => found.after = Some(moment(&value)?),
            "valid-before" => found.before = Some(moment(&value)?),
            _ => return Err(format!("option `{name}` is not known here")),
        }
    }
    if found.namespaces.is_empty() || found.namespaces.iter().any(|name| name.contains(['*', '?', '!'])) {
        return Err("it needs namespaces=\"...\" without patterns: a key without one could sign in every role".to_owned());
    }
    Ok(found)
}

/// The first word, where quotes hold blanks together, and the rest.
fn cut(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut quoted = false;
    for (at, sign) in text.char_indices() {
        match sign {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some((&text[..at], text[at..].trim_start())),
            _ => {}
        }
    }
    None
}

/// `name="value",name="value"`.
fn options(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or_else(|| format!("option `{rest}` has no value"))?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(|| format!("option `{name}` has no closing quote"))?,
            None => value.find(',').map_or((value, ""), |at| value.split_at(at)),
        };
        options.push((name.to_lowercase(), value.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
        if rest == after && !rest.is_empty() {
            return Err(format!("what is `{rest}`?"));
        }
    }
    Ok(options)
}

/// `YYYYMMDD` or `YYYYMMDDHHMM[SS]`, with `Z` for UTC. Without it OpenSSH means local time, which is another time elsewhere.
fn moment(text: &str) -> Result<OffsetDateTime, String> {
    let digits = text.strip_suffix(['Z', 'z']).ok_or_else(|| format!("time `{text}` has no Z at its end: it would mean another time on another machine"))?;
    let padded = match digits.len() {
        8 => format!("{digits}000000"),
        12 => format!("{digits}00"),
        14 => digits.to_owned(),
        _ => return Err(format!("time `{text}` is not YYYYMMDDHHMMSSZ")),
    };
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]");
    time::PrimitiveDateTime::parse(&padded, format).map(time::PrimitiveDateTime::assume_utc).map_err(|cause| format!("time `{text}`: {cause}"))
}

/// revoked_keys: one key a line.
#[derive(Clone, Debug, Default)]
pub struct Revoked {
    keys: Vec<PublicKey>,
}

impl Revoked {
    /// From the text of the file. A binary list of revocations is not read here, and what is not read cannot pass.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Denied> {
        if bytes.starts_with(b"SSHKRL") {
            return Err(no(Denial::Unknown, format!("{file} is a binary list of revocations")).hint("one public key a line; ssh-keygen takes that too"));
        }
        let text = std::str::from_utf8(bytes).map_err(|cause| no(Denial::Usage, format!("{file} is not UTF-8: {cause}")))?;
        let lines = text.lines().enumerate().map(|(index, line)| (index, line.trim())).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parse = |(index, line): (usize, &str)| {
            PublicKey::from_openssh(line).map_err(|cause| no(Denial::Usage, format!("{file}:{}: {cause}", index + 1)).hint("one public key a line"))
        };
        Ok(Self { keys: lines.map(parse).collect::<Result<_, _>>()? })
    }

    /// The key is revoked.
    pub fn has(&self, key: &ssh_key::public::KeyData) -> bool {
        self.keys.iter().any(|revoked| revoked.key_data() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti alice";

    fn parse(text: &str) -> Result<Signers, String> {
        Signers::parse("allowed_signers", text.as_bytes()).map_err(|denied| denied.why)
    }

    #[test]
    fn lines_are_read_as_openssh_writes_them() {
        let signers = parse(&format!("# people\n\nA@x.example,b@x.example namespaces=\"s.v1@x,t.v1@x\",valid-before=\"20270101Z\" {KEY}\n")).expect("read");
        let line = &signers.lines[0];
        assert_eq!((line.number, line.principals.clone()), (3, vec!["a@x.example".to_owned(), "b@x.example".to_owned()]));
        assert!(line.holds_at(time::macros::datetime!(2026-12-31 23:59:59 UTC)) && !line.holds_at(time::macros::datetime!(2027-01-01 0:00 UTC)));
        assert_eq!(signers.principal_of(&line.key, "git"), None);
        assert_eq!(signers.principal_of(&line.key, "s.v1@x"), Some("a@x.example"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (line, word) in [
            (format!("a@x {KEY}"), "needs namespaces"),
            (format!("a@x namespaces=\"*\" {KEY}"), "needs namespaces"),
            (format!("*@x namespaces=\"n@x\" {KEY}"), "is a pattern"),
            (format!("a@x cert-authority,namespaces=\"n@x\" {KEY}"), "not known here"),
            (format!("a@x namespaces=\"n@x\",max-uses=3 {KEY}"), "not known here"),
            (format!("a@x namespaces=\"n@x\",valid-after=20260101 {KEY}"), "no Z"),
            ("a@x namespaces=\"n@x\" ssh-rsa AAAA".to_owned(), "none that this program verifies"),
            ("a@x".to_owned(), "no key"),
        ] {
            let why = parse(&line).expect_err("refused");
            assert!(why.starts_with("allowed_signers:1: ") && why.contains(word), "{line}: {why}");
        }
    }

    #[test]
    fn a_binary_list_of_revocations_passes_nothing() {
        assert_eq!(Revoked::parse("revoked_keys", b"SSHKRL\n\0x").expect_err("unread").denial, Denial::Unknown);
        let revoked = Revoked::parse("revoked_keys", format!("# none of these\n{KEY}\n").as_bytes()).expect("read");
        assert!(revoked.has(PublicKey::from_openssh(KEY).expect("a key").key_data()));
    }
}
