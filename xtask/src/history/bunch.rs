//! Bunches: names of cases that came together and have done nothing but pass since, many in one value, as a gate may have a million of them. A
//! case of which more is to be known leaves its bunch and gets a row.

use std::iter::Peekable;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Bytes of names in a bunch, but for one name that is longer.
const ROOM: usize = 256 << 10;

/// Bytes that a bunch may claim to hold: a damaged one must not fill the memory.
const MOST: usize = 1 << 30;

/// Gives a case a row of its own: its gate and name, the iteration before its first, and its last where it is gone.
pub(super) const ROW: &str = "INSERT INTO testcase (gate, name, since, until) VALUES (?1, ?2, ?3, ?4)";

/// Bunches on their way from who packs them to who writes them.
const AHEAD: usize = 4;

/// Adds cases to a gate that are there after an iteration.
pub(super) fn add<'n>(connection: &Connection, gate: i64, since: i64, names: impl Iterator<Item = &'n str> + Send) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO bunch (gate, since, names) VALUES (?1, ?2, ?3)")?;
    let mut packing = Packing { names: names.peekable(), raw: Vec::new() };
    let Some(first) = packing.next() else { return Ok(()) };
    insert.execute(params![gate, since, first])?;
    if packing.names.peek().is_none() {
        return Ok(());
    }
    // Many names are packed beside their being written.
    std::thread::scope(|scope| {
        let (full, filled) = std::sync::mpsc::sync_channel(AHEAD);
        let pack = move || packing.try_for_each(|packed| full.send(packed).ok()); // nobody takes them where one could not be written
        std::thread::Builder::new()
            .name("bunches".to_owned())
            .spawn_scoped(scope, pack)
            .map_err(|cause| rusqlite::Error::ToSqlConversionFailure(cause.into()))?;
        for packed in filled {
            insert.execute(params![gate, since, packed])?;
        }
        Ok(())
    })
}

/// Names, packed bunch by bunch.
struct Packing<I: Iterator> {
    names: Peekable<I>,
    raw: Vec<u8>,
}

impl<'n, I: Iterator<Item = &'n str>> Iterator for Packing<I> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        self.raw.clear();
        while self.raw.len() < ROOM
            && let Some(name) = self.names.next()
        {
            push(&mut self.raw, name);
        }
        (!self.raw.is_empty()).then(|| lz4_flex::block::compress_prepend_size(&self.raw))
    }
}

/// Hands the names of each bunch of a gate to `each`, with the last iteration without them.
pub(super) fn each(connection: &Connection, gate: i64, each: &mut dyn FnMut(i64, &str)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT since, names FROM bunch WHERE gate = ?1 ORDER BY id")?;
    let mut rows = statement.query([gate])?;
    let mut raw = Vec::new();
    while let Some(row) = rows.next()? {
        let since = row.get(0)?;
        for name in unpack(row.get_ref(1)?.as_blob()?, &mut raw)? {
            each(since, name?);
        }
    }
    Ok(())
}

/// Gives a row to every case of a bunch that `leaves`: there up to an iteration, or still.
pub(super) fn part(connection: &Connection, gate: i64, until: Option<i64>, leaves: &mut dyn FnMut(&str) -> bool) -> rusqlite::Result<()> {
    // A table is not changed while it is being read.
    let mut statement = connection.prepare_cached("SELECT id FROM bunch WHERE gate = ?1 ORDER BY id")?;
    let bunches: Vec<i64> = statement.query_map([gate], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut find = connection.prepare_cached("SELECT since, names FROM bunch WHERE id = ?1")?;
    let mut insert = connection.prepare_cached(ROW)?;
    let (mut raw, mut rest) = (Vec::new(), Vec::new());
    for id in bunches {
        let Some((since, packed)) = find.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))).optional()? else { continue };
        rest.clear();
        let mut left = false;
        for name in unpack(&packed, &mut raw)? {
            let name = name?;
            if leaves(name) {
                insert.execute(params![gate, name, since, until])?;
                left = true;
            } else {
                push(&mut rest, name);
            }
        }
        if left && rest.is_empty() {
            connection.execute("DELETE FROM bunch WHERE id = ?1", [id])?;
        } else if left {
            connection.execute("UPDATE bunch SET names = ?2 WHERE id = ?1", params![id, lz4_flex::block::compress_prepend_size(&rest)])?;
        }
    }
    Ok(())
}

/// A name with its length before it, as a name may hold any character.
fn push(raw: &mut Vec<u8>, name: &str) {
    raw.extend_from_slice(&(name.len() as u32).to_le_bytes());
    raw.extend_from_slice(name.as_bytes());
}

/// The names of a packed bunch, over room that is used again.
fn unpack<'r>(packed: &[u8], raw: &'r mut Vec<u8>) -> rusqlite::Result<impl Iterator<Item = rusqlite::Result<&'r str>>> {
    let (size, block) = lz4_flex::block::uncompressed_size(packed).map_err(damaged)?;
    if size > MOST {
        return Err(damaged(format!("a bunch of cases that claims {size} bytes")));
    }
    raw.resize(size, 0);
    let found = lz4_flex::block::decompress_into(block, raw).map_err(damaged)?;
    let mut rest: &[u8] = &raw[..found];
    Ok(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parts = rest.split_first_chunk::<4>().and_then(|(length, behind)| behind.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((name, behind)) = parts else {
            rest = &[];
            return Some(Err(damaged("a bunch of cases ends within a name")));
        };
        rest = behind;
        Some(std::str::from_utf8(name).map_err(damaged))
    }))
}

fn damaged(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, Type::Blob, cause.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(names: &[&str]) -> Vec<u8> {
        let mut raw = Vec::new();
        for name in names {
            push(&mut raw, name);
        }
        lz4_flex::block::compress_prepend_size(&raw)
    }

    fn unpacked(packed: &[u8]) -> Result<Vec<String>, String> {
        let mut raw = Vec::new();
        let names = unpack(packed, &mut raw).map_err(|cause| cause.to_string())?;
        names.map(|name| name.map(str::to_owned).map_err(|cause| cause.to_string())).collect()
    }

    #[test]
    fn names_of_any_kind_come_back() {
        let names = ["", "a", "a\nb\0c", "ä[€]", &"x".repeat(70_000)];
        assert_eq!(unpacked(&packed(&names)), Ok(names.map(str::to_owned).to_vec()));
        assert_eq!(unpacked(&packed(&[])), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_bunch_is_an_error() {
        let whole = packed(&["tests/a::first", "tests/a::second"]);
        for length in 0..whole.len() {
            assert!(unpacked(&whole[..length]).is_err(), "{length}");
        }
        let raw = [&5_u32.to_le_bytes()[..], b"four"].concat();
        assert!(unpacked(&lz4_flex::block::compress_prepend_size(&raw)).is_err_and(|why| why.contains("ends within a name")));
        assert!(unpacked(&lz4_flex::block::compress_prepend_size(b"\x02\0\0\0\xFF\xFF")).is_err_and(|why| why.contains("utf-8")));
        assert!(unpacked(&[0xFF; 8]).is_err_and(|why| why.contains("claims")));
    }
}
