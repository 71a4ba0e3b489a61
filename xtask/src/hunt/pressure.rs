//! Processes that keep processor and disk busy beside a trial. Each has a session of its own: a kernel that shares time between
//! sessions would give a trial half of the machine against any number of threads of one other session. They end with the value
//! that started them, or when they see that their parent is gone.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::process::{Pid, Signal, getppid, setsid};

use crate::process::spawn::{self, Spec};

/// Busy processes a core.
const SPINNERS: usize = 2;
/// Bytes of the file that is written over and over.
const FILE: usize = 32 << 20;
const BLOCK: usize = 1 << 20;

/// Pressure that lasts as long as this value.
pub(super) struct Pressure {
    children: Vec<Child>,
    file: PathBuf,
}

impl Pressure {
    /// Starts what is wanted.
    pub(super) fn start(cpu: bool, io: bool, xtask: &Path, folder: &Path) -> Result<Self, String> {
        let file = folder.join("pressure");
        let mut pressure = Self { children: Vec::new(), file };
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let disk = pressure.file.display().to_string();
        for _ in 0..if cpu { cores * SPINNERS } else { 0 } {
            pressure.add(xtask, folder, vec!["__press".to_owned()])?;
        }
        if io {
            pressure.add(xtask, folder, vec!["__press".to_owned(), disk])?;
        }
        Ok(pressure)
    }

    fn add(&mut self, xtask: &Path, folder: &Path, args: Vec<String>) -> Result<(), String> {
        let spec = Spec { exe: xtask.to_owned(), args, env: BTreeMap::new(), cwd: folder.to_owned(), user: None };
        let child = spawn::start_beside(&spec).map_err(|cause| format!("failed to start pressure: {cause}"))?;
        self.children.push(child);
        Ok(())
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        for child in &mut self.children {
            spawn::signal_one(spawn::pid_of(child), Signal::KILL);
            spawn::reap(child);
        }
        std::fs::remove_file(&self.file).ok();
    }
}

/// What such a process does, until it is killed or its parent is gone: writes and syncs a file, or spins.
pub fn press(file: Option<&Path>) {
    let parent = getppid();
    setsid().ok(); // it leads a group already where it was started by hand
    if let Some(file) = file {
        write_until(parent, file).ok(); // a disk that is full or gone ends the pressure, not the hunt
    } else {
        spin_until(parent);
    }
}

fn spin_until(parent: Option<Pid>) {
    let mut number = 1_u64;
    while getppid() == parent {
        for _ in 0..10_000_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

fn write_until(parent: Option<Pid>, path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let block = vec![0x5A; BLOCK];
    let mut written = 0;
    while getppid() == parent {
        file.write_all(&block)?;
        file.sync_data()?;
        written += BLOCK;
        if written >= FILE {
            written = 0;
            file.seek(SeekFrom::Start(0))?;
        }
    }
    Ok(())
}
