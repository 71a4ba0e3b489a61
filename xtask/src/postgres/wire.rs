//! The simple query protocol of PostgreSQL over a Unix socket: enough to make, clone and drop databases on a server of our own,
//! without a driver that every user would compile. Protocol 3.0: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest silence of the server.
const SILENCE: Duration = Duration::from_mins(5);
/// Longest message that is read.
const LONGEST: usize = 64 << 20;

/// Rows of texts; none is SQL's null.
pub type Rows = Vec<Vec<Option<String>>>;

/// A connection without a password.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
}

impl Wire {
    /// Connects through the socket of a server.
    pub(super) fn connect(socket: &Path, user: &str, database: &str) -> Result<Self, String> {
        let stream = UnixStream::connect(socket).map_err(|cause| format!("failed to connect to {}: {cause}", socket.display()))?;
        stream.set_read_timeout(Some(SILENCE)).map_err(|cause| cause.to_string())?;
        let mut wire = Self { stream };
        let mut body = 196_608_u32.to_be_bytes().to_vec(); // version 3.0
        for word in ["user", user, "database", database, "application_name", "xtask", "client_encoding", "UTF8"] {
            body.extend(word.as_bytes());
            body.push(0);
        }
        body.push(0);
        wire.send(None, &body)?;
        wire.answers()?;
        Ok(wire)
    }

    /// Runs one or more statements in one transaction and gives the rows of all of them.
    pub(super) fn run(&mut self, sql: &str) -> Result<Rows, String> {
        if sql.contains('\0') {
            return Err("a statement holds a zero byte".to_owned());
        }
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body)?;
        self.answers()
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), String> {
        let length = u32::try_from(body.len() + 4).map_err(|_| "a statement is longer than the protocol can say".to_owned())?;
        let message: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).chain(body.iter().copied()).collect();
        self.stream.write_all(&message).map_err(|cause| format!("the server is gone: {cause}"))
    }

    /// Reads until the server waits for the next statement.
    fn answers(&mut self) -> Result<Rows, String> {
        let (mut rows, mut fault) = (Rows::new(), None);
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'D' => rows.push(row(&body)),
                b'E' => {
                    fault.get_or_insert(error(&body));
                    if fault.as_ref().is_some_and(|fault| fault.contains("FATAL")) {
                        break; // it will not wait for another statement
                    }
                }
                b'R' if body != [0, 0, 0, 0] => return Err("the server asks for a password on its private socket".to_owned()),
                b'G' => self.send(Some(b'f'), b"COPY FROM stdin has no data here\0")?,
                b'Z' => break,
                _ => {} // notices, parameters, ends of statements
            }
        }
        fault.map_or(Ok(rows), Err)
    }

    fn message(&mut self) -> Result<(u8, Vec<u8>), String> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).map_err(|cause| format!("the server is gone: {cause}"))?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(format!("the server sent a message of {length} bytes"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).map_err(|cause| format!("the server is gone: {cause}"))?;
        Ok((head[0], body))
    }
}

/// A row: a count, then each value with its length before it, -1 for null.
fn row(body: &[u8]) -> Vec<Option<String>> {
    let mut values = Vec::new();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(4) {
        let length = i32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let size = usize::try_from(length).unwrap_or(0).min(after.len());
        values.push((length >= 0).then(|| String::from_utf8_lossy(&after[..size]).into_owned()));
        rest = &after[size..];
    }
    values
}

/// Severity, message, state, detail and hint of an error, in one line.
fn error(body: &[u8]) -> String {
    let field = |kind: u8| {
        let mut fields = body.split(|byte| *byte == 0).filter(|field| field.first() == Some(&kind));
        fields.next().map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    };
    let extra = |kind: u8, word: &str| field(kind).map(|text| format!("; {word}: {text}")).unwrap_or_default();
    format!(
        "{}: {} ({}){}{}",
        field(b'S').unwrap_or_default(),
        field(b'M').unwrap_or_default(),
        field(b'C').unwrap_or_default(),
        extra(b'D', "detail"),
        extra(b'H', "hint")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_errors_are_read() {
        let body = [0, 2, 0, 0, 0, 1, b'7', 255, 255, 255, 255];
        assert_eq!(row(&body), [Some("7".to_owned()), None]);
        assert_eq!(row(&body[..6]), [Some(String::new())], "a cut row is no panic");
        let body = b"SERROR\0C42P01\0Mrelation \"x\" does not exist\0\0";
        assert_eq!(error(body), "ERROR: relation \"x\" does not exist (42P01)");
    }
}
