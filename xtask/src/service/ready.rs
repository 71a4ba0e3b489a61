//! Ways to ask a service whether it is ready: its port, a page, a command, a line of its output. One question at a time.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use regex::Regex;

use crate::process::follow::part;
use crate::process::probe;
use crate::process::spawn::Spec;

/// Longest time of one question.
const ONE: Duration = Duration::from_secs(5);
/// Read of a log from its start.
const LOG: u64 = 4 << 20;

/// What is asked, with everything filled in.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A page answers with a status below 400.
    Http {
        /// Host and port.
        place: String,
        /// Path with its query.
        path: String,
        /// It was written down as a whole, so that somebody else may be there already.
        fixed: bool,
    },
    /// A port accepts.
    Tcp(u16),
    /// A command exits with 0.
    Exec(Spec),
    /// A line matches.
    Line(Regex),
}

impl Asked {
    /// A page by its address: a path on a port, or `http://host:port/path`.
    pub fn http(address: &str, port: u16) -> Result<Self, String> {
        if address.starts_with('/') {
            return Ok(Self::Http { place: format!("127.0.0.1:{port}"), path: address.to_owned(), fixed: false });
        }
        let rest = address.strip_prefix("http://").ok_or_else(|| format!("`{address}` is neither a path nor an http:// address"))?;
        let (place, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let place = if place.contains(':') { place.to_owned() } else { format!("{place}:80") };
        Ok(Self::Http { place, path: path.to_owned(), fixed: true })
    }

    /// Where somebody else answers who was there before.
    pub(super) fn already_answers(&self) -> Option<String> {
        match self {
            Self::Http { place, fixed: true, .. } => connect(place, ONE).ok().map(|_| place.clone()),
            Self::Http { .. } | Self::Tcp(_) | Self::Exec(_) | Self::Line(_) => None,
        }
    }

    /// Asks once; the error says what the answer was.
    pub(super) fn ask(&self, log: &File, from: u64, left: Duration) -> Result<(), String> {
        let limit = left.clamp(Duration::from_millis(10), ONE);
        match self {
            Self::Http { place, path, .. } => page(place, path, limit),
            Self::Tcp(port) => connect(&format!("127.0.0.1:{port}"), limit).map(|_| ()),
            Self::Exec(spec) => probe::output(spec, limit).map(|_| ()),
            Self::Line(pattern) => {
                let text = crate::text::strip_ansi(&part(log, from, from + LOG, LOG));
                let found = text.lines().any(|line| pattern.is_match(line));
                if found { Ok(()) } else { Err(format!("no line matches `{pattern}`")) }
            }
        }
    }
}

fn connect(place: &str, limit: Duration) -> Result<TcpStream, String> {
    let address = place.to_socket_addrs().map_err(|cause| format!("{place}: {cause}"))?.next().ok_or_else(|| format!("{place}: no address"))?;
    TcpStream::connect_timeout(&address, limit).map_err(|cause| format!("{place}: {cause}"))
}

fn page(place: &str, path: &str, limit: Duration) -> Result<(), String> {
    let mut stream = connect(place, limit)?;
    let io = |cause: std::io::Error| format!("http://{place}{path}: {cause}");
    stream.set_read_timeout(Some(limit)).map_err(io)?;
    stream.set_write_timeout(Some(limit)).map_err(io)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {place}\r\nAccept: */*\r\nConnection: close\r\n\r\n").map_err(io)?;
    let mut head = Vec::new();
    stream.take(64).read_to_end(&mut head).map_err(io)?;
    let head = String::from_utf8_lossy(&head);
    let status: u16 = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    match status {
        0 => Err(format!("http://{place}{path} does not speak HTTP")),
        200..=399 => Ok(()),
        status => Err(format!("http://{place}{path} answers {status}")),
    }
}
