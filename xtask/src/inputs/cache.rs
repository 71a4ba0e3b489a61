//! The stat cache as bytes: fixed fields one after the other and a checksum at the end, because fifty thousand entries are to be read in
//! a few milliseconds. What is damaged counts as empty.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::{Buf as _, Bytes};
use xxhash_rust::xxh3::xxh3_128;

use super::Digest;
use super::memo::{Asked, Known, Memo};
use super::rows::{Rows, Stamp};
use super::scan::Dir;

/// Version of this format.
const MAGIC: &[u8; 8] = b"inputs\x00\x02";
/// Bytes of the checksum, XXH3: it finds damage, and against forgery none would help in a folder that the forger can write to.
const CHECKSUM: usize = 16;

/// What the file holds.
#[derive(Debug, Default)]
pub(super) struct Cached {
    pub(super) dirs: BTreeMap<String, Dir>,
    pub(super) memo: Memo,
}

pub(super) fn encode(root: &Path, dirs: &BTreeMap<String, Dir>, memo: &Memo) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    text(&mut out, &root.to_string_lossy());
    number(&mut out, dirs.len() as u64);
    for (folder, dir) in dirs {
        text(&mut out, folder);
        out.extend(dir.stamp.bytes());
        text(&mut out, &dir.names);
        number(&mut out, dir.rows.len() as u64);
        dir.rows.write(&mut out);
    }
    number(&mut out, memo.lasting().count() as u64);
    for (asked, digest) in memo.lasting() {
        number(&mut out, asked.globs.len() as u64);
        for glob in &asked.globs {
            text(&mut out, glob);
        }
        out.extend(asked.except);
        text(&mut out, &digest.content);
        text(&mut out, &digest.stats);
        number(&mut out, digest.files);
    }
    let checksum = xxh3_128(&out);
    out.extend(checksum.to_le_bytes());
    out
}

pub(super) fn decode(root: &Path, bytes: Vec<u8>) -> Option<Cached> {
    let mut rest = Bytes::from(bytes);
    let checksum = rest.split_off(rest.len().checked_sub(CHECKSUM)?);
    if xxh3_128(&rest).to_le_bytes()[..] != checksum[..] || take(&mut rest, MAGIC.len())? != MAGIC[..] {
        return None;
    }
    if take_text(&mut rest)? != root.to_string_lossy() {
        return None;
    }
    let mut cached = Cached::default();
    for _ in 0..take_number(&mut rest)? {
        let folder = take_text(&mut rest)?;
        let stamp = Stamp::of_bytes(take(&mut rest, Stamp::SIZE)?.first_chunk()?);
        let names = take_text(&mut rest)?;
        let size = Rows::size(take_number(&mut rest)?)?;
        let rows = Rows::of_bytes(take(&mut rest, size)?);
        cached.dirs.insert(folder, Dir { stamp, names, rows, unseen: false }); // what was not seen has no stamp, and is listed again
    }
    for _ in 0..take_number(&mut rest)? {
        let globs = take_list(&mut rest)?;
        let except = *take(&mut rest, blake3::OUT_LEN)?.first_chunk()?;
        let [content, stats] = [take_text(&mut rest)?, take_text(&mut rest)?];
        let digest = Digest { content, stats, files: take_number(&mut rest)? };
        cached.memo.keep(Asked { globs, except }, Known { digest, is_racy: false });
    }
    rest.is_empty().then_some(cached)
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    number(out, value.len() as u64);
    out.extend(value.as_bytes());
}

/// The next bytes, shared with the whole.
fn take(rest: &mut Bytes, size: usize) -> Option<Bytes> {
    (size <= rest.len()).then(|| rest.split_to(size))
}

fn take_number(rest: &mut Bytes) -> Option<u64> {
    rest.try_get_u64_le().ok()
}

fn take_text(rest: &mut Bytes) -> Option<String> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    std::str::from_utf8(&take(rest, length)?).ok().map(str::to_owned)
}

fn take_list(rest: &mut Bytes) -> Option<Vec<String>> {
    (0..take_number(rest)?).map(|_| take_text(rest)).collect()
}
