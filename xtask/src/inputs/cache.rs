//! The stat cache as bytes: fixed fields one after the other and a digest at the end, because fifty thousand entries are to be read in
//! a few milliseconds. What is damaged counts as empty.

use std::collections::BTreeMap;
use std::path::Path;

use super::scan::{Dir, Entry, Kind, Stamp};

/// Version of this format.
const MAGIC: &[u8; 8] = b"inputs\x00\x01";
const DIGEST: usize = 32;

pub(super) fn encode(root: &Path, dirs: &BTreeMap<String, Dir>) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    text(&mut out, &root.to_string_lossy());
    number(&mut out, dirs.len() as u64);
    for (folder, dir) in dirs {
        text(&mut out, folder);
        out.extend(dir.stamp.bytes());
        text(&mut out, &dir.names);
        number(&mut out, dir.entries.len() as u64);
        for entry in &dir.entries {
            out.extend(entry.at.to_le_bytes());
            out.extend(entry.length.to_le_bytes());
            out.push(match entry.kind {
                Kind::File => 0,
                Kind::Program => 1,
                Kind::Folder => 2,
                Kind::Other => 3,
            });
            // A hash that was taken too soon proves nothing later.
            let hash = entry.hash.filter(|_| !entry.is_racy);
            out.push(u8::from(hash.is_some()));
            out.extend(entry.stamp.bytes());
            out.extend(hash.unwrap_or_default());
        }
    }
    let digest = blake3::hash(&out);
    out.extend(digest.as_bytes());
    out
}

pub(super) fn decode(root: &Path, bytes: &[u8]) -> Option<BTreeMap<String, Dir>> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if blake3::hash(body).as_bytes() != digest {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    if take_text(&mut rest)? != root.to_string_lossy() {
        return None;
    }
    let mut dirs = BTreeMap::new();
    for _ in 0..take_number(&mut rest)? {
        let folder = take_text(&mut rest)?.to_owned();
        let stamp = take_stamp(&mut rest)?;
        let names = take_text(&mut rest)?.to_owned();
        let count = take_number(&mut rest)? as usize;
        let mut entries = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            let at = u32::from_le_bytes(*take(&mut rest)?);
            let length = u16::from_le_bytes(*take(&mut rest)?);
            names.get(at as usize..at as usize + usize::from(length))?;
            let [kind, has_hash] = *take(&mut rest)?;
            let kind = match kind {
                0 => Kind::File,
                1 => Kind::Program,
                2 => Kind::Folder,
                _ => Kind::Other,
            };
            let stamp = take_stamp(&mut rest)?;
            let hash = *take::<32>(&mut rest)?;
            entries.push(Entry { at, length, kind, stamp, hash: (has_hash == 1).then_some(hash), is_racy: false });
        }
        dirs.insert(folder, Dir { stamp, names, entries, unseen: false }); // what was not seen has no stamp, and is listed again
    }
    rest.is_empty().then_some(dirs)
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    number(out, value.len() as u64);
    out.extend(value.as_bytes());
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (front, back) = rest.split_first_chunk::<N>()?;
    *rest = back;
    Some(front)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(|bytes| u64::from_le_bytes(*bytes))
}

fn take_text<'b>(rest: &mut &'b [u8]) -> Option<&'b str> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (front, back) = rest.split_at_checked(length)?;
    *rest = back;
    std::str::from_utf8(front).ok()
}

fn take_stamp(rest: &mut &[u8]) -> Option<Stamp> {
    let [size, modified, changed, inode] = [take_number(rest)?, take_number(rest)?, take_number(rest)?, take_number(rest)?];
    Some(Stamp { size, modified, changed, inode })
}
