//! Threads that keep processor and disk busy beside a trial. They end with the value that started them.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Busy threads a core.
const SPINNERS: usize = 2;
/// Bytes of the file that is written over and over.
const FILE: usize = 32 << 20;
const BLOCK: usize = 1 << 20;

/// Pressure that lasts as long as this value.
pub(super) struct Pressure {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    file: PathBuf,
}

impl Pressure {
    /// Starts the threads that are wanted.
    pub(super) fn start(cpu: bool, io: bool, folder: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let file = folder.join("pressure");
        let mut threads = Vec::new();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        for _ in 0..if cpu { cores * SPINNERS } else { 0 } {
            let stop = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || {
                let mut number = 1_u64;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..10_000 {
                        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                    }
                }
            }));
        }
        if io {
            let (stop, file) = (Arc::clone(&stop), file.clone());
            threads.push(std::thread::spawn(move || write_until(&stop, &file)));
        }
        Self { stop, threads, file }
    }
}

/// A disk that is full or gone ends the pressure, not the hunt.
fn write_until(stop: &AtomicBool, path: &Path) {
    let Ok(mut file) = std::fs::File::create(path) else { return };
    let block = vec![0x5A; BLOCK];
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        if file.write_all(&block).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        written += BLOCK;
        if written >= FILE {
            written = 0;
            file.seek(SeekFrom::Start(0)).ok();
        }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
        std::fs::remove_file(&self.file).ok();
    }
}
