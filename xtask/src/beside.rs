//! Work on several threads at once. Where the system has no thread left, the caller's own does it all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does the first beside the second, and gives what came of both. A panic of the first on its thread is for the caller to tell.
pub fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (std::thread::Result<A>, B) {
    let slot = Mutex::new(Some(first));
    let take = || slot.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it is done once");
    std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().name("beside".to_owned()).spawn_scoped(scope, || take()());
        let own = second();
        (beside.map_or_else(|_| Ok(take()()), std::thread::ScopedJoinHandle::join), own)
    })
}

/// Does the same to each of many things, on all cores (at most eight); gives what came of them in any order.
pub fn spread<'t, T: Sync, R: Send>(all: &'t [T], work: impl Fn(&'t T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    // Who is free takes the next one: a heavy one, or a core that others use too, holds up nobody else.
    let turn = || -> Vec<R> { std::iter::from_fn(|| all.get(next.fetch_add(1, Ordering::Relaxed))).map(&work).collect() };
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8).min(all.len());
    std::thread::scope(|scope| {
        let start = |_| std::thread::Builder::new().name("beside".to_owned()).spawn_scoped(scope, turn).ok();
        let others: Vec<_> = (1..threads).map_while(start).collect();
        let own = turn();
        let others = others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.into_iter().chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once() {
        let all: Vec<u32> = (0..1000).collect();
        let mut done = spread(&all, |one| one * 2);
        done.sort_unstable();
        assert_eq!(done, (0..2000).step_by(2).collect::<Vec<u32>>());
        assert_eq!(spread(&[] as &[u32], |one| *one), [] as [u32; 0]);
    }

    #[test]
    fn both_are_done_and_each_can_wait_for_the_other() {
        let (told, heard) = std::sync::mpsc::channel();
        let (heard, told) = both(move || heard.recv(), move || told.send(7));
        assert_eq!((heard.expect("no panic"), told), (Ok(7), Ok(())));
    }

    #[test]
    fn a_panic_is_not_lost() {
        let (panicked, own) = both(|| panic!("on purpose"), || 7);
        assert_eq!((panicked.is_err(), own), (true, 7));
    }
}
