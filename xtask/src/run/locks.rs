//! Locks that hold in this run and between runs of one repository: a file a unit, taken all or none, in sorted order. Knows files,
//! not gates.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use crate::config::LockUse;

/// Locks held by running tasks.
#[derive(Debug)]
pub struct Locks {
    folder: PathBuf,
    held: BTreeMap<usize, Vec<File>>,
    fault: Option<String>,
}

impl Locks {
    /// Locks with their files in a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, held: BTreeMap::new(), fault: None }
    }

    /// Takes all of a task's locks, or none of them and says no. Another run's hold ends with its process, however it ends.
    pub fn take(&mut self, task: usize, uses: &[LockUse]) -> bool {
        let mut files = Vec::new();
        for held in uses {
            if !self.take_one(held, &mut files) {
                return false; // dropping the files gives back what was taken
            }
        }
        self.held.insert(task, files);
        true
    }

    fn take_one(&mut self, held: &LockUse, files: &mut Vec<File>) -> bool {
        let mut unit = |number: u32| {
            let path = self.folder.join(format!("{}.{number}", held.lock));
            let opened = fs::create_dir_all(&self.folder).and_then(|()| File::options().create(true).truncate(false).write(true).open(&path));
            match opened {
                Ok(file) => file.try_lock().ok().map(|()| file),
                Err(cause) => {
                    self.fault = Some(format!("failed to open the lock file {}: {cause}", path.display()));
                    None
                }
            }
        };
        if held.shared {
            return (0..held.max).find_map(unit).map(|file| files.push(file)).is_some();
        }
        (0..held.max).all(|number| unit(number).map(|file| files.push(file)).is_some())
    }

    /// Why a lock file could not even be opened, once: waiting would never end.
    pub fn fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Gives back what a task holds.
    pub fn release(&mut self, task: usize) {
        self.held.remove(&task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(shared: bool, max: u32) -> Vec<LockUse> {
        vec![LockUse { lock: "x".to_owned(), shared, max }]
    }

    #[test]
    fn units_are_counted_between_two_runs() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (mut one, mut two) = (Locks::new(folder.path().join("locks")), Locks::new(folder.path().join("locks")));
        assert!(one.take(1, &held(true, 2)));
        assert!(two.take(1, &held(true, 2)));
        assert!(!two.take(2, &held(true, 2)), "both units are taken");
        assert!(!two.take(2, &held(false, 2)), "all of it is not free");
        one.release(1);
        two.release(1);
        assert!(two.take(2, &held(false, 2)));
        assert!(!one.take(1, &held(true, 2)));
    }

    #[test]
    fn a_lock_file_that_cannot_be_opened_is_told() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("locks");
        crate::rundir::write_atomic(&file, b"a file where the folder should be").expect("written");
        let mut locks = Locks::new(file);
        assert!(!locks.take(1, &held(false, 1)));
        assert!(locks.fault().is_some_and(|why| why.contains("failed to open the lock file")));
        assert_eq!(locks.fault(), None);
    }

    #[test]
    fn all_or_none() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut locks = Locks::new(folder.path().to_owned());
        let use_of = |name: &str| LockUse { lock: name.to_owned(), shared: false, max: 1 };
        assert!(locks.take(1, &[use_of("b")]));
        assert!(!locks.take(2, &[use_of("a"), use_of("b")]));
        assert!(locks.take(3, &[use_of("a")]), "the half that was taken is free again");
    }
}
