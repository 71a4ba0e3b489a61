//! The only room that knows a file name of `.gates/`: run folders, logs, reports, caches, and writing without halves.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::model::{FileRef, JobId};

/// `.gates/` of a repository.
#[derive(Clone, Debug)]
pub struct GatesDir {
    root: PathBuf,
}

impl GatesDir {
    /// The folder below a repository's root.
    pub fn new(root: &Path) -> Self {
        Self { root: root.join(".gates") }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What all runs together say of each case.
    pub fn history(&self) -> PathBuf {
        self.root.join("history.sqlite")
    }

    /// A new folder for a snapshot of a database; never pruned.
    pub fn snapshot(&self, database: &str) -> PathBuf {
        let folder = self.root.join("snapshots");
        (1..=100_000_u32).map(|number| folder.join(format!("{database}-{number}"))).find(|path| !path.exists()).unwrap_or(folder)
    }

    /// All runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// One run.
    pub fn run(&self, id: &str) -> RunDir {
        RunDir { id: id.to_owned(), path: self.runs().join(id) }
    }

    /// What nothing refers to while a run writes it: raw reports and `{out}` before they are masked and kept.
    pub fn scratch(&self, run: &str) -> PathBuf {
        self.root.join("scratch").join(run)
    }

    /// Lock files that hold between runs.
    pub fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    /// Where what a run started and must not outlive it is noted, by run and service.
    pub fn service_note(&self, run: &str, service: &str) -> PathBuf {
        self.root.join("services").join(format!("{run}.{service}.json"))
    }

    /// All such notes with their runs.
    pub fn service_notes(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(self.root.join("services")).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| Some((entry.file_name().to_string_lossy().strip_suffix(".json")?.split_once('.')?.0.to_owned(), entry.path())));
        named.filter(|(run, _)| !run.is_empty()).collect()
    }

    /// A file of the cache.
    pub fn cache(&self, name: &str) -> PathBuf {
        self.root.join("cache").join(name)
    }

    /// Makes a new run folder and points `latest` at it.
    pub fn create_run(&self, id: &str) -> io::Result<RunDir> {
        let run = self.run(id);
        fs::create_dir_all(run.path.join("logs"))?;
        self.ignore()?;
        let latest = self.runs().join("latest");
        let fresh = self.runs().join(format!(".latest-{id}"));
        #[cfg(unix)]
        std::os::unix::fs::symlink(id, &fresh)?;
        fs::rename(&fresh, &latest)?;
        Ok(run)
    }

    /// A repository that does not ignore `.gates/` yet must not commit it by accident.
    pub fn ignore(&self) -> io::Result<()> {
        let file = self.root.join(".gitignore");
        if file.exists() { Ok(()) } else { write_atomic(&file, b"*\n!.gitignore\n!/signoffs/\n!/signoffs/**\n!/trust/\n!/trust/**\n") }
    }

    /// Run ids, oldest first.
    pub fn run_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = fs::read_dir(self.runs())
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().is_dir() && !entry.path().is_symlink())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The id that a person means: `latest`, a unique prefix, or the four characters at its end.
    pub fn find_run(&self, word: &str) -> Result<String, String> {
        let ids = self.run_ids();
        if word == "latest" {
            let link = fs::read_link(self.runs().join("latest")).ok().map(|target| target.to_string_lossy().into_owned());
            return link.filter(|id| ids.contains(id)).or_else(|| ids.last().cloned()).ok_or_else(|| "there is no run yet".to_owned());
        }
        let matches: Vec<&String> = ids.iter().filter(|id| id.starts_with(word) || id.ends_with(&format!("-{word}"))).collect();
        match matches.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(format!("there is no run `{word}`")),
            many => Err(format!("`{word}` means {} runs, such as {} and {}", many.len(), many[0], many[1])),
        }
    }
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunDir {
    /// Run id.
    pub id: String,
    path: PathBuf,
}

impl RunDir {
    /// The last lines of a log, at most 4 KiB; nothing where it cannot be read.
    pub fn end_of(&self, log: &FileRef) -> String {
        const MOST: u64 = 4096;
        let read = File::open(self.file(&log.path)).and_then(|mut file| {
            file.seek(SeekFrom::Start(log.size.saturating_sub(MOST)))?;
            let mut bytes = Vec::new();
            file.take(MOST).read_to_end(&mut bytes).map(|_| bytes)
        });
        let text = String::from_utf8_lossy(&read.unwrap_or_default()).into_owned();
        // A line whose beginning is missing is none.
        let front = if log.size > MOST { text.find('\n').map_or(0, |at| at + 1) } else { 0 };
        text[front..].trim_end().to_owned()
    }

    /// A run folder that lies somewhere else.
    pub fn at(path: &Path) -> Option<Self> {
        let id = path.file_name()?.to_string_lossy().into_owned();
        Some(Self { id, path: path.to_owned() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// A file of the run by its name in a `FileRef`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Name of an attempt's log.
    pub fn log_name(job: &JobId) -> String {
        format!("logs/{job}.log")
    }

    /// Name of the log of a service's instance.
    pub fn service_log(instance: &str) -> String {
        format!("logs/services/{instance}.log")
    }

    /// Name of the log of a template's commands.
    pub fn database_log(database: &str, state: &str) -> String {
        format!("logs/databases/{database}.{state}.log")
    }

    /// Name of a kept report.
    pub fn junit_name(job: &JobId, file: &str) -> String {
        format!("junit/{job}/{file}")
    }

    /// Name of a kept file of `{out}` or an artifact.
    pub fn out_name(job: &JobId, file: &str) -> String {
        format!("out/{job}/{file}")
    }
}

/// The part of a run id that screens show.
pub fn short(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id)
}

/// Writes under a temporary name, syncs, renames: a reader sees the old file or the new one, never a half.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// The same for what is made part by part.
pub fn write_atomic_with(path: &Path, make: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|file| {
        let mut file = BufWriter::with_capacity(64 << 10, file);
        make(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    });
    if let Err(cause) = written.and_then(|()| fs::rename(&temporary, path)) {
        fs::remove_file(&temporary).ok();
        return Err(cause);
    }
    Ok(())
}

/// A digest that is being computed.
#[derive(Clone)]
pub enum Digest {
    /// Cryptographic.
    Blake3(Box<blake3::Hasher>),
    /// As fast as memory: for logs. Whoever could forge it could as well rewrite the journal that holds it.
    Xxh3(Box<xxhash_rust::xxh3::Xxh3>),
}

impl Digest {
    /// For reports and kept files.
    pub fn blake3() -> Self {
        Self::Blake3(Box::default())
    }

    /// For logs.
    pub fn xxh3() -> Self {
        Self::Xxh3(Box::default())
    }

    /// Takes bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Self::Xxh3(hasher) => hasher.update(bytes),
        }
    }

    /// The digest with its algorithm in front.
    pub fn finish(&self) -> String {
        match self {
            Self::Blake3(hasher) => format!("blake3:{}", hasher.finalize().to_hex()),
            Self::Xxh3(hasher) => format!("xxh3:{:032x}", hasher.digest128()),
        }
    }
}

/// The reference of a file as it is now.
pub fn file_ref(path: &Path, name: &str) -> io::Result<FileRef> {
    reference(path, name, Digest::blake3())
}

/// The reference of a file by the time of its last change, without a look at its bytes.
pub fn changed_ref(file: &File, name: &str) -> io::Result<FileRef> {
    let found = file.metadata()?;
    let changed = found.modified()?.duration_since(std::time::UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(FileRef { path: name.to_owned(), size: found.len(), digest: format!("changed:{}", changed.as_nanos()) })
}

fn reference(path: &Path, name: &str, mut hasher: Digest) -> io::Result<FileRef> {
    let mut file = File::open(path)?;
    let mut size = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
    Ok(FileRef { path: name.to_owned(), size, digest: hasher.finish() })
}

/// The file in an attempt's folder in which a gate reports numbers.
pub const MEASURES: &str = "measures.json";

/// Adds to a number that a gate reports.
pub fn add_measure(out: &Path, name: &str, more: u64) -> io::Result<()> {
    let file = out.join(MEASURES);
    let mut measures: serde_json::Map<String, serde_json::Value> = match std::fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => serde_json::Map::new(),
        Err(cause) => return Err(cause),
    };
    let known = measures.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    measures.insert(name.to_owned(), (known + more).into());
    std::fs::create_dir_all(out)?;
    write_atomic(&file, &serde_json::to_vec(&measures)?)
}

/// A file of a run that is compared with what the journal says of it while it is read.
pub struct Checked<'w> {
    file: File,
    wanted: &'w FileRef,
    hasher: Digest,
    size: u64,
}

impl<'w> Checked<'w> {
    /// Opens it.
    pub fn open(run: &RunDir, wanted: &'w FileRef) -> Result<Self, String> {
        let hasher = if wanted.digest.starts_with("xxh3:") { Digest::xxh3() } else { Digest::blake3() };
        let file = File::open(run.file(&wanted.path)).map_err(|cause| unread(wanted, &cause))?;
        Ok(Self { file, wanted, hasher, size: 0 })
    }

    /// Reads what is left of it, and says why it is not what the journal says, where it is not.
    pub fn finish(mut self) -> Result<(), String> {
        let found = if self.wanted.digest.starts_with("changed:") { changed_ref(&self.file, &self.wanted.path) } else { self.found() };
        match found {
            Ok(found) if found == *self.wanted => Ok(()),
            Ok(_) => Err(format!("{} was changed after the run", self.wanted.path)),
            Err(cause) => Err(unread(self.wanted, &cause)),
        }
    }

    fn found(&mut self) -> io::Result<FileRef> {
        let mut buffer = vec![0; 64 << 10];
        while self.read(&mut buffer)? > 0 {}
        Ok(FileRef { path: self.wanted.path.clone(), size: self.size, digest: self.hasher.finish() })
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

fn unread(file: &FileRef, cause: &io::Error) -> String {
    if cause.kind() == io::ErrorKind::NotFound { format!("{} is missing", file.path) } else { format!("failed to read {}: {cause}", file.path) }
}

/// A file that is no longer what the journal says.
pub fn check_ref(run: &RunDir, wanted: &FileRef) -> Result<(), String> {
    Checked::open(run, wanted)?.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_found_by_prefix_and_by_their_end() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let gates = GatesDir::new(folder.path());
        for id in ["20260101-000000-aaaa", "20260101-000001-bbbb"] {
            gates.create_run(id).expect("created");
        }
        assert_eq!(gates.find_run("latest").as_deref(), Ok("20260101-000001-bbbb"));
        assert_eq!(gates.find_run("aaaa").as_deref(), Ok("20260101-000000-aaaa"));
        assert!(gates.find_run("2026").is_err_and(|why| why.contains("means 2 runs")));
        assert!(gates.find_run("x").is_err());
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let run = GatesDir::new(folder.path()).create_run("r").expect("created");
        write_atomic(&run.file("logs/a.log"), b"one").expect("written");
        let wanted = file_ref(&run.file("logs/a.log"), "logs/a.log").expect("read");
        assert_eq!(check_ref(&run, &wanted), Ok(()));
        write_atomic(&run.file("logs/a.log"), b"two").expect("written");
        assert!(check_ref(&run, &wanted).is_err_and(|why| why.contains("was changed")));
    }
}
