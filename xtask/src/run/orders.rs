//! What the loop orders, and the launcher threads that take it. A thread that has just ended a task comes by itself: for it nobody is woken, and
//! no thread is started. Knows no process.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::os::{Control, lock};
use crate::model::JobId;

/// One order.
#[derive(Debug)]
pub(super) enum Order {
    /// An attempt of a gate.
    Attempt(usize, JobId, Arc<Control>),
    /// A set-up of a runtime.
    Install(usize, String, Arc<Control>),
    /// The run is over: nothing of it is needed any more.
    Rest,
}

/// What an order still needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A thread more, which counts as coming.
    Thread,
    /// There is a thread for it.
    Nothing,
}

#[derive(Debug, Default)]
struct Orders {
    queued: VecDeque<Order>,
    /// Threads that sleep until there is one.
    waiting: usize,
    /// Threads that are about to look.
    coming: usize,
}

/// Orders that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Queue {
    orders: Mutex<Orders>,
    more: Condvar,
}

impl Queue {
    /// Leaves an order, and wakes a thread where none comes by itself.
    pub(super) fn push(&self, order: Order) -> Wanted {
        let mut orders = lock(&self.orders);
        orders.queued.push_back(order);
        let count = orders.queued.len();
        if count > orders.coming + orders.waiting {
            orders.coming += 1;
            return Wanted::Thread;
        }
        if count > orders.coming {
            self.more.notify_one();
        }
        Wanted::Nothing
    }

    /// The thread that was wanted did not start: the order is for whoever ends a task next.
    pub(super) fn did_not_start(&self) {
        lock(&self.orders).coming -= 1;
    }

    /// An order that nobody has taken.
    pub(super) fn withdraw(&self) -> Option<Order> {
        lock(&self.orders).queued.pop_front()
    }

    /// This thread will look for an order as soon as it has told the end of its task.
    pub(super) fn come(&self) {
        lock(&self.orders).coming += 1;
    }

    /// The next order, once there is one, for a thread that was coming.
    pub(super) fn take(&self) -> Order {
        let mut orders = lock(&self.orders);
        orders.coming -= 1;
        loop {
            if let Some(order) = orders.queued.pop_front() {
                return order;
            }
            orders.waiting += 1;
            orders = self.more.wait(orders).unwrap_or_else(PoisonError::into_inner);
            orders.waiting -= 1;
        }
    }

    /// Tells this many threads that there is nothing more.
    pub(super) fn rest(&self, threads: usize) {
        lock(&self.orders).queued.extend((0..threads).map(|_| Order::Rest));
        self.more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(task: usize) -> Order {
        Order::Install(task, "python".to_owned(), Arc::default())
    }

    fn taken(queue: &Queue) -> Option<usize> {
        match queue.take() {
            Order::Attempt(task, ..) | Order::Install(task, ..) => Some(task),
            Order::Rest => None,
        }
    }

    #[test]
    fn a_thread_is_started_only_when_none_comes_or_waits() {
        let queue = Queue::default();
        assert_eq!((queue.push(install(1)), queue.push(install(2))), (Wanted::Thread, Wanted::Thread), "nobody is there");
        assert_eq!((taken(&queue), taken(&queue)), (Some(1), Some(2)), "in their order");
        queue.come();
        assert_eq!((queue.push(install(3)), queue.push(install(4))), (Wanted::Nothing, Wanted::Thread), "one comes, and then nobody");
        assert_eq!((taken(&queue), taken(&queue)), (Some(3), Some(4)));
        assert_eq!(queue.push(install(5)), Wanted::Thread);
        queue.did_not_start();
        queue.come();
        assert_eq!(taken(&queue), Some(5), "whoever comes next takes what is left");
        assert_eq!(queue.push(install(6)), Wanted::Thread);
        queue.did_not_start();
        assert!(matches!(queue.withdraw(), Some(Order::Install(6, ..))) && queue.withdraw().is_none(), "where nobody comes it is taken back");
    }

    #[test]
    fn who_waits_is_woken_and_at_the_end_everybody_rests() {
        let queue = Arc::new(Queue::default());
        let threads: Vec<_> = (0..3)
            .map(|_| {
                queue.come();
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || {
                    let mut tasks = 0;
                    while taken(&queue).is_some() {
                        tasks += 1;
                        queue.come();
                    }
                    tasks
                })
            })
            .collect();
        for task in 0..100 {
            if queue.push(install(task)) == Wanted::Thread {
                queue.did_not_start();
            }
        }
        queue.rest(3);
        assert_eq!(threads.into_iter().map(|thread| thread.join().expect("it rests")).sum::<usize>(), 100);
    }
}
