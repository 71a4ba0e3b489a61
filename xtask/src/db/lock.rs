//! One at a time on a database: an advisory lock that ends with its session, and the session with this process. Knows no command.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Child;

use crate::postgres::Outside;
use crate::process::spawn;

/// The lock's number, one for every bootstrap of a database.
const KEY: i64 = 5_788_223_459_911_733_574;

/// A lock that is held.
#[derive(Debug)]
pub struct Lock {
    child: Child,
}

impl Lock {
    /// Takes it; none when somebody else has it. A client that loses its input ends, so that a killed program holds nothing.
    pub fn take(outside: &Outside) -> Result<Option<Self>, String> {
        let mut child = outside.session()?;
        let failed = |why: &str| format!("the database gives no lock: {why}");
        let question = format!("select pg_try_advisory_lock({KEY});\n");
        let written = child.stdin.as_mut().map(|input| input.write_all(question.as_bytes()).and_then(|()| input.flush()));
        written.transpose().map_err(|cause| failed(&cause.to_string()))?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or_else(|| failed("no output"))?;
        BufReader::new(output).read_line(&mut line).map_err(|cause| failed(&cause.to_string()))?;
        let lock = Self { child };
        match line.trim() {
            "t" => Ok(Some(lock)),
            "f" => Ok(None),
            other => Err(failed(if other.is_empty() { "the client ended" } else { other })),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // the client sees the end of its input, and its session is over
        spawn::reap(&mut self.child);
    }
}
