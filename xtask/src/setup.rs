//! Whether the set-up of a runtime is due: a stamp over lock files, interpreter and commands that dies with the folders it made.
//! Knows files; the commands are run elsewhere.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::Runtime;
use crate::pins::Interpreter;
use crate::rundir::{GatesDir, write_atomic};

/// The state of one runtime's environment.
#[derive(Debug)]
pub struct Setup<'a> {
    root: &'a Path,
    runtime: &'a Runtime,
    stamp_file: PathBuf,
    lock_file: PathBuf,
    wanted: String,
}

impl<'a> Setup<'a> {
    /// What the environment should be made from, as it is on disk now.
    pub fn of(root: &'a Path, gates: &GatesDir, runtime: &'a Runtime, interpreter: &Interpreter) -> Result<Self, String> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for file in &runtime.lockfiles {
            let bytes = fs::read(root.join(file)).map_err(|cause| format!("failed to read lock file `{file}`: {cause}"))?;
            add(file);
            add(&blake3::hash(&bytes).to_hex());
        }
        let real = interpreter.exe.canonicalize().unwrap_or_else(|_| interpreter.exe.clone());
        add(&real.to_string_lossy());
        add(&interpreter.says.version);
        add(std::env::consts::ARCH);
        for word in runtime.install.iter().flatten() {
            add(&word.source());
        }
        add(&runtime.cwd);
        Ok(Self {
            root,
            runtime,
            stamp_file: gates.cache(&format!("setup/{}.stamp", runtime.id)),
            lock_file: gates.locks().join(format!("setup-{}", runtime.id)),
            wanted: hasher.finalize().to_hex().to_string(),
        })
    }

    /// Nothing to do: the stamp fits, and the folders it was made for are the same folders still.
    pub fn is_fresh(&self) -> bool {
        self.runtime.install.is_empty() || fs::read_to_string(&self.stamp_file).is_ok_and(|stamp| stamp == self.stamp())
    }

    /// Before the first command: a set-up that is killed leaves no stamp.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_file(&self.stamp_file) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// After the last command.
    pub fn mark(&self) -> io::Result<()> {
        write_atomic(&self.stamp_file, self.stamp().as_bytes())
    }

    fn stamp(&self) -> String {
        let folders = self.runtime.bin.iter().map(|folder| match fs::metadata(self.root.join(folder)) {
            Ok(found) => format!("{folder} {} {}", found.ino(), found.created().ok().map(|time| format!("{time:?}")).unwrap_or_default()),
            Err(_) => format!("{folder} missing"),
        });
        format!("{}\n{}\n", self.wanted, folders.collect::<Vec<_>>().join("\n"))
    }

    /// The file whose lock a set-up holds alone, and a run that uses the result shares.
    pub fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(self.lock_file.parent().unwrap_or(Path::new(".")))?;
        File::options().create(true).truncate(false).write(true).open(&self.lock_file)
    }
}
