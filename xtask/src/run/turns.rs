//! Turns of the loop: the thread that brings a tiding takes the loop's turn itself, so that a gate that ends and the next one that starts are no
//! wake-ups of two other threads in between. One thread at a time has the turn. Knows no tiding.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::runtime::Handle;

use super::os::lock;

thread_local! {
    /// This thread is about to take a turn: nobody need be woken for one.
    static COMING: Cell<bool> = const { Cell::new(false) };
}

/// What is driven: nothing before it begins and after it is over.
type Driven = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// The turns of one loop.
pub struct Turns {
    driven: Mutex<Driven>,
    /// There is something for the loop.
    news: AtomicBool,
    /// Threads that asked for the turn since it was free; whoever finds 0 has it.
    asked: AtomicUsize,
    over: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    main: Thread,
    tokio: Handle,
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.news.store(true, Ordering::Release);
        if !COMING.get() {
            self.main.unpark();
        }
    }
}

impl Turns {
    /// Turns of a loop that this thread will run; its timers are those of this runtime.
    pub fn new(tokio: Handle) -> Arc<Self> {
        Arc::new(Self {
            driven: Mutex::default(),
            news: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            panic: Mutex::default(),
            main: std::thread::current(),
            tokio,
        })
    }

    /// Drives the loop to its end: takes the turns that no other thread takes. A panic of any turn is one of this thread.
    pub fn run(self: &Arc<Self>, driven: impl Future<Output = ()> + Send + 'static) {
        *lock(&self.driven) = Some(Box::pin(driven));
        self.news.store(true, Ordering::Release); // whoever came before this found nothing to drive
        while !self.over.load(Ordering::Acquire) {
            self.take();
            std::thread::park();
        }
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    /// Tells something, and takes the turn that this asks for.
    pub fn bring(self: &Arc<Self>, tell: impl FnOnce()) {
        COMING.set(true);
        tell();
        COMING.set(false);
        self.take();
    }

    /// One turn, if there is news and nobody else has it. What comes meanwhile is for the main thread: this one has a gate to start.
    fn take(self: &Arc<Self>) {
        if self.asked.fetch_add(1, Ordering::AcqRel) > 0 {
            return; // whoever has the turn sees that there is more
        }
        let seen = self.asked.load(Ordering::Acquire);
        if self.news.swap(false, Ordering::AcqRel) {
            self.poll();
        }
        if self.asked.swap(0, Ordering::AcqRel) != seen {
            self.main.unpark();
        }
    }

    fn poll(self: &Arc<Self>) {
        let _inside = self.tokio.enter();
        let waker = Waker::from(Arc::clone(self));
        let mut driven = lock(&self.driven);
        let Some(future) = driven.as_mut() else { return };
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        if matches!(polled, Ok(Poll::Pending)) {
            return;
        }
        *driven = None;
        *lock(&self.panic) = polled.err();
        self.over.store(true, Ordering::Release);
        self.main.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
    }

    #[test]
    fn nothing_that_many_threads_bring_is_lost() {
        const THREADS: u64 = 4;
        const EACH: u64 = 5000;
        let runtime = runtime();
        let turns = Turns::new(runtime.handle().clone());
        let (sender, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let bringers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (turns, sender) = (Arc::clone(&turns), sender.clone());
                // Half are brought with a turn, half are only told.
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        let tell = || sender.send(number).expect("the loop listens");
                        if number % 2 == 0 { turns.bring(tell) } else { tell() }
                    }
                })
            })
            .collect();
        drop(sender);
        let (count, sum) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counted, summed) = (Arc::clone(&count), Arc::clone(&sum));
        turns.run(async move {
            while let Some(number) = inbox.recv().await {
                counted.fetch_add(1, Ordering::Relaxed);
                summed.fetch_add(number, Ordering::Relaxed);
            }
        });
        for bringer in bringers {
            bringer.join().expect("it brought all");
        }
        assert_eq!((count.load(Ordering::Relaxed), sum.load(Ordering::Relaxed)), (THREADS * EACH, THREADS * EACH * (EACH - 1) / 2));
    }

    #[test]
    fn the_thread_that_brings_takes_the_turn_itself() {
        let runtime = runtime();
        let turns = Turns::new(runtime.handle().clone());
        let (sender, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let (heard, answer) = std::sync::mpsc::channel();
        let (ready, begun) = std::sync::mpsc::channel();
        let bringer = std::thread::spawn({
            let turns = Arc::clone(&turns);
            move || {
                begun.recv().expect("the loop runs");
                // The first turn is over when the loop waits for a tiding: then nobody else has the turn.
                while turns.asked.load(Ordering::Acquire) > 0 {
                    std::thread::yield_now();
                }
                turns.bring(|| sender.send(()).expect("the loop listens"));
                (std::thread::current().id(), answer.try_recv())
            }
        });
        turns.run(async move {
            ready.send(()).expect("it waits");
            inbox.recv().await;
            heard.send(std::thread::current().id()).ok();
        });
        let (own, by) = bringer.join().expect("it came back");
        assert_eq!(by, Ok(own), "the turn was taken before `bring` returned");
    }

    #[test]
    fn clocks_wake_the_loop_and_a_panic_of_any_turn_is_one_of_the_main_thread() {
        let runtime = runtime();
        let turns = Turns::new(runtime.handle().clone());
        turns.run(async { tokio::time::sleep(Duration::from_millis(1)).await });

        let turns = Turns::new(runtime.handle().clone());
        let (sender, mut inbox) = tokio::sync::mpsc::unbounded_channel();
        let bringer = std::thread::spawn({
            let turns = Arc::clone(&turns);
            move || turns.bring(|| sender.send("broken").expect("the loop listens"))
        });
        let ended = catch_unwind(AssertUnwindSafe(|| {
            turns.run(async move {
                let word = inbox.recv().await.unwrap_or_default();
                panic!("{word}");
            });
        }));
        assert_eq!(ended.expect_err("it panicked").downcast_ref::<String>().map(String::as_str), Some("broken"));
        bringer.join().expect("the thread that brought it goes on");
    }
}
