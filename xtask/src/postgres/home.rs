//! Where a server of our own lives: a folder outside of the repository, in memory where there is room, with a short path, owned by
//! a user that PostgreSQL accepts. Also ends and removes what a dead run left there.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::process::{spawn, tree};

/// Longest path of a socket, in bytes: `sun_path` less its final zero.
const LONGEST: usize = 107;
/// Free bytes that make memory the place to be.
const ROOM_IN_MEMORY: u64 = 1 << 30;
/// Free bytes without which a disk is not tried.
const ROOM: u64 = 256 << 20;
/// Time for an immediate shutdown.
const QUIT: Duration = Duration::from_secs(3);
/// First letters of the folder's name; nothing else is ever removed.
const PREFIX: &str = "xt-";

/// The user that a server runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id and group id; none for the user that we are.
    pub ids: Option<(u32, u32)>,
}

impl User {
    /// Ourselves, or an unprivileged user where we are root.
    pub fn choose() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].iter().find_map(|name| ids(&passwd, name));
        let hint = "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody\n  hint: useradd --system postgres";
        found.map(|ids| Self { ids: Some(ids) }).ok_or_else(|| hint.to_owned())
    }
}

fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The folder of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The folder itself.
    pub base: PathBuf,
}

impl Home {
    /// A new folder in the first place that suits: memory, then the places for temporary files.
    pub fn create(tmp: Option<&str>, user: User) -> Result<Self, String> {
        let mut why = Vec::new();
        let places = [Some("/dev/shm"), tmp, Some("/tmp"), Some("/var/tmp")];
        for place in places.into_iter().flatten().map(Path::new) {
            match Self::create_in(place, user) {
                Ok(home) => return Ok(home),
                Err(cause) => why.push(format!("{}: {cause}", place.display())),
            }
        }
        Err(format!("no place for a database server\n  {}\n  hint: free some space, or name a short TMPDIR", why.join("\n  ")))
    }

    fn create_in(place: &Path, user: User) -> Result<Self, String> {
        let wanted = if place == Path::new("/dev/shm") { ROOM_IN_MEMORY } else { ROOM };
        let free = rustix::fs::statvfs(place).map(|found| found.f_bavail.saturating_mul(found.f_frsize)).map_err(|cause| cause.to_string())?;
        if free < wanted {
            return Err(format!("{} MiB free, {} MiB wanted", free >> 20, wanted >> 20));
        }
        if user.ids.is_some() && !others_may_enter(place) {
            return Err("the server's user may not enter it".to_owned());
        }
        // A name that never comes again: an old note must not mean the folder of another run.
        let base = place.join(format!("{PREFIX}{}", &super::random()?[..12]));
        DirBuilder::new().mode(0o711).create(&base).map_err(|cause| format!("failed to create a folder in it: {cause}"))?;
        let home = Self { base };
        if let Err(cause) = home.furnish(user) {
            fs::remove_dir_all(&home.base).ok();
            return Err(cause);
        }
        Ok(home)
    }

    fn furnish(&self, user: User) -> Result<(), String> {
        let longest = self.socket(u16::MAX).as_os_str().len();
        if longest > LONGEST {
            return Err(format!("the path of its socket would have {longest} bytes, more than {LONGEST}"));
        }
        // The umask may have taken from the mode: the server's user must get through.
        let io = |cause: std::io::Error| cause.to_string();
        fs::set_permissions(&self.base, fs::Permissions::from_mode(0o711)).map_err(io)?;
        for folder in [self.cluster(), self.sockets()] {
            DirBuilder::new().mode(0o700).create(&folder).map_err(io)?;
            if let Some((uid, gid)) = user.ids {
                std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).map_err(io)?;
            }
        }
        Ok(())
    }

    /// A folder that an earlier run has noted; none when it cannot be one of ours.
    pub fn noted(base: &str) -> Option<Self> {
        let base = PathBuf::from(base);
        let ours = base.is_absolute() && base.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        (ours && base.join("s").is_dir()).then_some(Self { base })
    }

    /// The data directory.
    pub fn cluster(&self) -> PathBuf {
        self.base.join("d")
    }

    /// Folder of the socket.
    pub fn sockets(&self) -> PathBuf {
        self.base.join("s")
    }

    /// The socket that a server on a port makes.
    pub fn socket(&self, port: u16) -> PathBuf {
        self.sockets().join(format!(".s.PGSQL.{port}"))
    }

    /// Id of the server that runs here now: a number in a file is not enough, its folder must be this one.
    pub fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        let at_home = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == self.cluster());
        at_home.then_some(pid)
    }

    /// Ends a server that is not our child, and removes its folder.
    pub fn end(&self) {
        if let Some(pid) = self.postmaster().and_then(Pid::from_raw) {
            spawn::signal_one(pid, Signal::QUIT);
            let until = Instant::now() + QUIT;
            while self.postmaster().is_some_and(|pid| !tree::is_zombie(pid)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if self.postmaster().is_some() {
                tree::kill(pid.as_raw_nonzero().get());
            }
        }
        self.remove();
    }

    /// Removes the folder, and the segment of shared memory that a killed server leaves behind.
    pub fn remove(&self) {
        if let Some(segment) = self.segment() {
            let spec = spawn::Spec {
                exe: PathBuf::from("/usr/bin/ipcrm"),
                args: vec!["-m".to_owned(), segment],
                env: std::collections::BTreeMap::new(),
                cwd: PathBuf::from("/"),
                user: None,
            };
            crate::process::probe::output(&spec, QUIT).ok(); // a few bytes stay if it cannot
        }
        // Processes of a server that was killed see its end a moment later, and write until then.
        let until = Instant::now() + QUIT;
        while fs::remove_dir_all(&self.base).is_err() && self.base.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Id of the segment: the second number of line 7 of postmaster.pid, which only a server that was killed leaves.
    fn segment(&self) -> Option<String> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        let id = text.lines().nth(6)?.split_whitespace().nth(1)?.to_owned();
        id.chars().all(|c| c.is_ascii_digit()).then_some(id)
    }
}

/// Everybody may pass through a folder and all above it.
pub fn others_may_enter(folder: &Path) -> bool {
    folder.ancestors().all(|part| fs::metadata(part).is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let deep = folder.path().join("x".repeat(120));
        fs::create_dir(&deep).expect("created");
        let why = Home::create_in(&deep, User { ids: None }).expect_err("too long");
        assert!(why.contains("more than 107"), "{why}");
        assert_eq!(fs::read_dir(&deep).expect("listed").count(), 0);
        let home = Home::create(deep.to_str(), User { ids: None }).expect("another place is found");
        assert!(home.socket(5432).as_os_str().len() <= LONGEST);
        assert_eq!(home.postmaster(), None);
        home.end();
        assert!(!home.base.exists());
    }

    #[test]
    fn only_our_own_folders_are_ours() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(Home::noted(folder.path().to_str().expect("UTF-8")), None);
        assert_eq!(Home::noted("xt-1"), None);
        fs::create_dir_all(folder.path().join("xt-1/s")).expect("created");
        assert!(Home::noted(folder.path().join("xt-1").to_str().expect("UTF-8")).is_some());
    }

    #[test]
    fn users_are_read_from_passwd() {
        let passwd = "root:x:0:0::/:/bin/sh\npostgres:x:101:104:a,,,:/var:/bin/sh\n";
        assert_eq!(ids(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids(passwd, "nobody"), None);
    }
}
