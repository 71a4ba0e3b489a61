//! What may start now: a pure structure over tasks with needs, order, stages, slots and locks; the critical path first. Knows no
//! clock and never waits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::config::LockUse;

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Tasks that must be green first.
    pub needs: Vec<usize>,
    /// Tasks that must have ended first, whatever their end.
    pub after: Vec<usize>,
    /// Opened one after the other.
    pub stage: u32,
    /// Slots.
    pub cpus: u32,
    /// Locks.
    pub locks: Vec<LockUse>,
    /// Milliseconds, known or guessed.
    pub weight: u64,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Something before it has not ended.
    Waiting,
    /// Nothing but slots and locks keeps it.
    Ready,
    /// It was handed out.
    Running,
    /// It ended, green or not.
    Ended,
    /// It will never run.
    Skipped,
}

type Ranked = (u64, Reverse<usize>);

/// Tasks and where each stands.
#[derive(Debug)]
pub struct Schedule {
    tasks: Vec<Task>,
    states: Vec<State>,
    blockers: Vec<usize>,
    dependents: Vec<Vec<(usize, bool)>>,
    rank: Vec<u64>,
    ready: BinaryHeap<Ranked>,
    locked_out: Vec<usize>,
    open: u32,
    free: u32,
    slots: u32,
    left: usize,
    /// Tasks of each stage that have neither ended nor been skipped.
    left_in: Vec<usize>,
}

impl Schedule {
    /// A schedule in which nothing has started. Needs must not form a cycle; the configuration has checked that.
    pub fn new(tasks: Vec<Task>, slots: u32) -> Self {
        let slots = slots.max(1);
        let mut dependents = vec![Vec::new(); tasks.len()];
        for (index, task) in tasks.iter().enumerate() {
            for need in &task.needs {
                dependents[*need].push((index, true));
            }
            for before in &task.after {
                dependents[*before].push((index, false));
            }
        }
        let blockers: Vec<usize> = tasks.iter().map(|task| task.needs.len() + task.after.len()).collect();
        let rank = critical_paths(&tasks, &dependents, &blockers);
        let left = tasks.len();
        let states = vec![State::Waiting; tasks.len()];
        let mut left_in = vec![0; tasks.iter().map(|task| task.stage as usize + 1).max().unwrap_or(1)];
        for task in &tasks {
            left_in[task.stage as usize] += 1;
        }
        let mut schedule =
            Self { tasks, states, blockers, dependents, rank, ready: BinaryHeap::new(), locked_out: Vec::new(), open: 0, free: slots, slots, left, left_in };
        schedule.wake_all();
        schedule
    }

    fn wake_all(&mut self) {
        for index in 0..self.tasks.len() {
            self.wake(index);
        }
    }

    fn wake(&mut self, index: usize) {
        if self.states[index] == State::Waiting && self.blockers[index] == 0 && self.tasks[index].stage <= self.open {
            self.states[index] = State::Ready;
            self.ready.push((self.rank[index], Reverse(index)));
        }
    }

    /// The next task that may start, taken. `lock` tries to take a task's locks and says whether it did. Slots are given in
    /// strict order, so that a wide task is not starved by narrow ones; a task that waits for a lock is passed over.
    pub fn start_next(&mut self, mut lock: impl FnMut(usize, &[LockUse]) -> bool) -> Option<usize> {
        while let Some((rank, Reverse(index))) = self.ready.pop() {
            if self.states[index] != State::Ready {
                continue;
            }
            let cpus = self.width(index);
            if cpus > self.free {
                self.ready.push((rank, Reverse(index)));
                return None;
            }
            if self.tasks[index].locks.is_empty() || lock(index, &self.tasks[index].locks) {
                self.free -= cpus;
                self.states[index] = State::Running;
                return Some(index);
            }
            self.locked_out.push(index);
        }
        None
    }

    fn width(&self, index: usize) -> u32 {
        self.tasks[index].cpus.clamp(1, self.slots)
    }

    /// Locks may be free again: tasks that were passed over are looked at once more.
    pub fn retry_locks(&mut self) {
        for index in std::mem::take(&mut self.locked_out) {
            self.ready.push((self.rank[index], Reverse(index)));
        }
    }

    /// Tasks that only a lock keeps.
    pub fn locked_out(&self) -> &[usize] {
        &self.locked_out
    }

    /// A running task ended. Gives the tasks that will never run because it was not green, each with the task it needed.
    pub fn finished(&mut self, index: usize, green: bool) -> Vec<(usize, usize)> {
        self.free += self.width(index);
        self.states[index] = State::Ended;
        self.left -= 1;
        self.left_in[self.tasks[index].stage as usize] -= 1;
        self.retry_locks();
        let mut skipped = Vec::new();
        self.release(index, green, &mut skipped);
        skipped
    }

    fn release(&mut self, from: usize, green: bool, skipped: &mut Vec<(usize, usize)>) {
        let mut stack = vec![(from, green)];
        while let Some((index, green)) = stack.pop() {
            for (dependent, needs) in self.dependents[index].clone() {
                if needs && !green && self.skip(dependent) {
                    skipped.push((dependent, index));
                    stack.push((dependent, false));
                }
                self.blockers[dependent] -= 1;
                self.wake(dependent);
            }
        }
    }

    /// A task that has not started will not; false when it has.
    pub fn skip(&mut self, index: usize) -> bool {
        let idle = matches!(self.states[index], State::Waiting | State::Ready);
        if idle {
            // A task in the queue that is not ready any more is passed over when its turn comes.
            self.states[index] = State::Skipped;
            self.left -= 1;
            self.left_in[self.tasks[index].stage as usize] -= 1;
            self.locked_out.retain(|other| *other != index);
        }
        idle
    }

    /// A task counts as green without running. What waits for it may start.
    pub fn credit(&mut self, index: usize) {
        if self.skip(index) {
            self.states[index] = State::Ended;
            self.release(index, true, &mut Vec::new());
        }
    }

    /// A task is left out before anything starts; its dependents are skipped too.
    pub fn leave_out(&mut self, index: usize) -> Vec<(usize, usize)> {
        let mut skipped = Vec::new();
        if self.skip(index) {
            self.release(index, false, &mut skipped);
        }
        skipped
    }

    /// Nothing more will start. Gives the tasks that had not.
    pub fn halt(&mut self) -> Vec<usize> {
        (0..self.tasks.len()).filter(|index| self.skip(*index)).collect()
    }

    /// The open stage has nothing left to do, and another one is waiting.
    pub fn stage_done(&self) -> Option<u32> {
        let (open, later) = self.left_in.split_at((self.open as usize + 1).min(self.left_in.len()));
        (open.iter().sum::<usize>() == 0 && later.iter().sum::<usize>() > 0).then_some(self.open)
    }

    /// Opens the next stage.
    pub fn open_stage(&mut self) {
        self.open += 1;
        self.wake_all();
    }

    /// Every task has ended or will never run.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Where a task stands.
    pub fn state(&self, index: usize) -> State {
        self.states[index]
    }
}

/// For each task its own weight and the longest chain of weights behind it.
fn critical_paths(tasks: &[Task], dependents: &[Vec<(usize, bool)>], blockers: &[usize]) -> Vec<u64> {
    let mut open = blockers.to_vec();
    let mut order: Vec<usize> = (0..tasks.len()).filter(|index| open[*index] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for (dependent, _) in &dependents[order[next]] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                order.push(*dependent);
            }
        }
        next += 1;
    }
    let mut rank: Vec<u64> = tasks.iter().map(|task| task.weight).collect();
    for index in order.into_iter().rev() {
        let behind = dependents[index].iter().map(|(dependent, _)| rank[*dependent]).max().unwrap_or(0);
        rank[index] = tasks[index].weight + behind;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(needs: &[usize], weight: u64) -> Task {
        Task { needs: needs.to_vec(), cpus: 1, weight, ..Task::default() }
    }

    fn all(schedule: &mut Schedule) -> Vec<usize> {
        std::iter::from_fn(|| schedule.start_next(|_, _| true)).collect()
    }

    #[test]
    fn the_longest_chain_starts_first() {
        // 0 alone is heavier than 1, but 2 hangs on 1.
        let mut schedule = Schedule::new(vec![task(&[], 50), task(&[], 10), task(&[1], 60)], 1);
        assert_eq!(all(&mut schedule), [1]);
        schedule.finished(1, true);
        assert_eq!(all(&mut schedule), [2]);
        schedule.finished(2, true);
        assert_eq!(all(&mut schedule), [0]);
        schedule.finished(0, true);
        assert!(schedule.is_over());
    }

    #[test]
    fn a_red_need_skips_everything_behind_it_once() {
        let mut schedule = Schedule::new(vec![task(&[], 1), task(&[0], 1), task(&[0, 1], 1), task(&[], 1)], 4);
        assert_eq!(all(&mut schedule).len(), 2);
        let mut skipped = schedule.finished(0, false);
        skipped.sort_unstable();
        assert_eq!(skipped.iter().map(|(task, _)| *task).collect::<Vec<_>>(), [1, 2]);
        schedule.finished(3, true);
        assert!(schedule.is_over());
    }

    #[test]
    fn a_credited_task_takes_no_slot_and_frees_what_needs_it() {
        let mut schedule = Schedule::new(vec![task(&[], 1), task(&[0], 1), task(&[1], 1)], 1);
        schedule.credit(0);
        schedule.credit(1);
        assert_eq!((all(&mut schedule), schedule.state(0), schedule.is_over()), (vec![2], State::Ended, false));
        schedule.finished(2, true);
        assert!(schedule.is_over());
    }

    #[test]
    fn order_alone_does_not_skip() {
        let mut later = task(&[], 1);
        later.after = vec![0];
        let mut schedule = Schedule::new(vec![task(&[], 1), later], 2);
        assert_eq!(all(&mut schedule), [0]);
        assert_eq!(schedule.finished(0, false), []);
        assert_eq!(all(&mut schedule), [1]);
    }

    #[test]
    fn wide_tasks_wait_for_all_slots_and_are_not_starved() {
        let wide = Task { cpus: 9, weight: 100, ..Task::default() };
        let mut schedule = Schedule::new(vec![task(&[], 200), wide, task(&[], 1)], 2);
        assert_eq!(all(&mut schedule), [0], "the wide one is next, nothing overtakes it");
        schedule.finished(0, true);
        assert_eq!(all(&mut schedule), [1]);
        schedule.finished(1, true);
        assert_eq!(all(&mut schedule), [2]);
    }

    #[test]
    fn a_locked_task_is_passed_over_and_retried() {
        let mut locked = task(&[], 100);
        locked.locks = vec![LockUse { lock: "x".to_owned(), shared: false, max: 1 }];
        let mut schedule = Schedule::new(vec![locked, task(&[], 1)], 2);
        assert_eq!(schedule.start_next(|_, _| false), Some(1));
        assert_eq!(schedule.locked_out(), [0]);
        schedule.finished(1, true);
        assert_eq!(schedule.start_next(|_, _| true), Some(0));
    }

    #[test]
    fn stages_open_one_after_the_other() {
        let mut second = task(&[], 1);
        second.stage = 1;
        let mut schedule = Schedule::new(vec![task(&[], 1), second], 2);
        assert_eq!(all(&mut schedule), [0]);
        assert_eq!(schedule.stage_done(), None);
        schedule.finished(0, true);
        assert_eq!((schedule.stage_done(), schedule.is_over()), (Some(0), false));
        schedule.open_stage();
        assert_eq!(all(&mut schedule), [1]);
    }

    /// Random graphs: every task ends or is skipped exactly once, none starts before its needs, slots are never exceeded.
    #[test]
    fn random_graphs_end() {
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = move |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below.max(1)
        };
        for _ in 0..300 {
            let count = 1 + random(30);
            let slots = 1 + random(4) as u32;
            let tasks: Vec<Task> = (0..count)
                .map(|index| {
                    let mut needs: Vec<usize> = (0..random(3)).filter(|_| index > 0).map(|_| random(index)).collect();
                    needs.sort_unstable();
                    needs.dedup();
                    Task { needs, cpus: 1 + random(3) as u32, stage: 0, weight: random(9) as u64, ..Task::default() }
                })
                .collect();
            let mut schedule = Schedule::new(tasks.clone(), slots);
            let (mut running, mut ended, mut skipped) = (Vec::new(), vec![None; count], vec![false; count]);
            while !schedule.is_over() {
                while let Some(index) = schedule.start_next(|_, _| true) {
                    assert!(tasks[index].needs.iter().all(|need| ended[*need] == Some(true)), "started before its needs");
                    running.push(index);
                }
                assert!(running.iter().map(|index: &usize| tasks[*index].cpus.min(slots)).sum::<u32>() <= slots);
                assert!(!running.is_empty(), "nothing runs and nothing may start");
                let index = running.swap_remove(random(running.len()));
                let green = random(4) > 0;
                assert!(ended[index].replace(green).is_none() && !skipped[index]);
                for (lost, _) in schedule.finished(index, green) {
                    assert!(!std::mem::replace(&mut skipped[lost], true) && ended[lost].is_none());
                }
            }
            assert!((0..count).all(|index| ended[index].is_some() != skipped[index]));
        }
    }
}
