//! What is known of the names of a folder: rows of one size, one after the other, as they stand in the file of the stat cache. They share
//! its bytes, and nothing is copied of a folder in which nothing changed.

use bytes::Bytes;

/// What a stat says of the content: if it is the same, so is the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: u64,
    pub(super) changed: u64,
    pub(super) inode: u64,
}

impl Stamp {
    /// Bytes of one.
    pub(super) const SIZE: usize = 32;

    /// The younger of its two times.
    pub(super) fn newest(&self) -> u64 {
        self.modified.max(self.changed)
    }

    pub(super) fn bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (slot, value) in bytes.chunks_exact_mut(8).zip([self.size, self.modified, self.changed, self.inode]) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    pub(super) fn of_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let mut numbers = [0; 4];
        for (number, part) in numbers.iter_mut().zip(bytes.as_chunks().0) {
            *number = u64::from_le_bytes(*part);
        }
        let [size, modified, changed, inode] = numbers;
        Self { size, modified, changed, inode }
    }
}

/// What a name of a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file, or a link to one.
    File,
    /// A file that may be executed.
    Program,
    /// A folder.
    Folder,
    /// Anything else: a socket, a link to a folder or to nothing.
    Other,
}

/// A name of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its name begins among those of its folder, and how long it is.
    pub(super) at: u32,
    pub(super) length: u16,
    pub(super) kind: Kind,
    pub(super) stamp: Stamp,
    /// Of the content; none before somebody wanted it.
    pub(super) hash: Option<[u8; 32]>,
    /// It was read so soon after it was written that another write might not show.
    pub(super) is_racy: bool,
}

/// Bytes of a row: place and length of the name, kind, state of the hash, stamp, hash.
const ROW: usize = 4 + 2 + 1 + 1 + Stamp::SIZE + 32;

impl Entry {
    fn row(&self) -> [u8; ROW] {
        let mut row = [0; ROW];
        row[..4].copy_from_slice(&self.at.to_le_bytes());
        row[4..6].copy_from_slice(&self.length.to_le_bytes());
        row[6] = match self.kind {
            Kind::File => 0,
            Kind::Program => 1,
            Kind::Folder => 2,
            Kind::Other => 3,
        };
        row[7] = u8::from(self.hash.is_some()) << u8::from(self.is_racy);
        row[8..40].copy_from_slice(&self.stamp.bytes());
        row[40..].copy_from_slice(&self.hash.unwrap_or_default());
        row
    }

    fn of_row(row: &[u8; ROW]) -> Self {
        let parts = row[8..].as_chunks().0;
        let kind = match row[6] {
            0 => Kind::File,
            1 => Kind::Program,
            2 => Kind::Folder,
            _ => Kind::Other,
        };
        Self {
            at: u32::from_le_bytes([row[0], row[1], row[2], row[3]]),
            length: u16::from_le_bytes([row[4], row[5]]),
            kind,
            stamp: Stamp::of_bytes(&parts[0]),
            hash: (row[7] != 0).then(|| parts[1]),
            is_racy: row[7] == 2,
        }
    }
}

/// The names of a folder, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows(Bytes);

impl Rows {
    /// Rows as they stand in a file.
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Bytes of so many rows.
    pub(super) fn size(count: u64) -> Option<usize> {
        usize::try_from(count).ok()?.checked_mul(ROW)
    }

    /// Appends them as they may be believed later: a hash that was taken too soon proves nothing.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.iter().any(|entry| entry.is_racy) {
            let kept = self.iter().map(|entry| if entry.is_racy { Entry { hash: None, is_racy: false, ..entry } } else { entry });
            out.extend(kept.flat_map(|entry| entry.row()));
        } else {
            out.extend_from_slice(&self.0);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len() / ROW
    }

    pub(super) fn get(&self, index: usize) -> Option<Entry> {
        self.0.as_chunks().0.get(index).map(Entry::of_row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.0.as_chunks().0.iter().map(Entry::of_row)
    }
}

impl FromIterator<Entry> for Rows {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().flat_map(|entry| entry.row()).collect::<Vec<u8>>().into())
    }
}
