//! A single-threaded executor in virtual time: the same seed gives the same run.
//!
//! For tests and the simulated world only. Runnable tasks are polled in an order drawn from the seed; when none
//! can run, the clock moves to the next timer. Not here: threads, I/O, fairness.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::LocalBoxFuture;
use crate::clock::SimClock;
use crate::seed::SimSeed;

/// Why [`SimExecutor::run_until`] ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SimHalt {
    /// Nothing can run and no timer waits.
    Deadlock,
    /// The halt condition became true.
    Halted,
    /// More polls than allowed by [`SimExecutor::set_polls_max`].
    Polls,
}

/// See the module. Clones are the same executor.
#[derive(Clone)]
pub struct SimExecutor {
    inner: Rc<Inner>,
}

struct Inner {
    clock: SimClock,
    seed: SimSeed,
    tasks: RefCell<BTreeMap<u64, LocalBoxFuture<'static, ()>>>,
    next: Cell<u64>,
    ready: Arc<Mutex<Vec<u64>>>,
    polls: Cell<u64>,
    polls_max: Cell<u64>,
    halt: RefCell<Option<Box<dyn Fn() -> bool>>>,
}

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        }
    }
}

/// The number of the main future of `run_until`.
const MAIN: u64 = 0;

impl SimExecutor {
    pub fn new(clock: SimClock, seed: u64) -> SimExecutor {
        SimExecutor {
            inner: Rc::new(Inner {
                clock,
                seed: SimSeed::new(seed),
                tasks: RefCell::default(),
                next: Cell::new(1),
                ready: Arc::default(),
                polls: Cell::new(0),
                polls_max: Cell::new(u64::MAX),
                halt: RefCell::new(None),
            }),
        }
    }

    /// Adds a task; it runs within `run_until`.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let id = self.inner.next.get();
        self.inner.next.set(id + 1);
        self.inner.tasks.borrow_mut().insert(id, Box::pin(task));
        self.push(id);
    }

    /// Adds a task and gives a future of its result.
    pub fn spawn_with_result<T: 'static>(
        &self,
        task: impl Future<Output = T> + 'static,
    ) -> crate::event::OneshotReceiver<T> {
        let (tx, rx) = crate::event::oneshot();
        self.spawn(async move { tx.send(task.await) });
        rx
    }

    /// `run_until` ends with `Halted` as soon as this is true (looked at after every poll).
    pub fn halt_when(&self, condition: impl Fn() -> bool + 'static) {
        *self.inner.halt.borrow_mut() = Some(Box::new(condition));
    }

    /// Bounds the polls of this executor, so that a livelock ends.
    pub fn set_polls_max(&self, polls: u64) {
        self.inner.polls_max.set(polls);
    }

    /// Tasks that have not ended.
    pub fn tasks(&self) -> usize {
        self.inner.tasks.borrow().len()
    }

    /// Drops all tasks where they stand, as a crash does.
    pub fn drop_tasks(&self) {
        // Outside the borrow: a dropped task may run code that spawns.
        let tasks = std::mem::take(&mut *self.inner.tasks.borrow_mut());
        drop(tasks);
    }

    fn push(&self, id: u64) {
        self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn pop(&self) -> Option<u64> {
        let mut ready = self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_empty() {
            return None;
        }
        let at = self.inner.seed.below(ready.len() as u64) as usize;
        Some(ready.swap_remove(at))
    }

    fn waker(&self, id: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker {
            id,
            queued: AtomicBool::new(false),
            ready: self.inner.ready.clone(),
        }))
    }

    /// Runs all tasks until `main` is done; the others stay and go on in the next call.
    ///
    /// # Errors
    /// See [`SimHalt`].
    pub fn run_until<T>(&self, main: impl Future<Output = T>) -> Result<T, SimHalt> {
        let mut main = pin!(main);
        self.push(MAIN);
        loop {
            if self.inner.halt.borrow().as_ref().is_some_and(|halt| halt()) {
                return Err(SimHalt::Halted);
            }
            let Some(id) = self.pop() else {
                if self.inner.clock.advance_to_next() {
                    continue;
                }
                return Err(SimHalt::Deadlock);
            };
            self.inner.polls.set(self.inner.polls.get() + 1);
            if self.inner.polls.get() > self.inner.polls_max.get() {
                return Err(SimHalt::Polls);
            }
            let waker = self.waker(id);
            let mut cx = Context::from_waker(&waker);
            if id == MAIN {
                if let Poll::Ready(value) = main.as_mut().poll(&mut cx) {
                    return Ok(value);
                }
                continue;
            }
            let task = self.inner.tasks.borrow_mut().remove(&id);
            if let Some(mut task) = task
                && task.as_mut().poll(&mut cx).is_pending()
            {
                self.inner.tasks.borrow_mut().insert(id, task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::types::WallTime;
    use std::time::Duration;

    #[test]
    fn tasks_interleave_by_seed_and_time_is_virtual() {
        let run = |seed| {
            let clock = SimClock::new(WallTime(0));
            let executor = SimExecutor::new(clock.clone(), seed);
            let log = Rc::new(RefCell::new(Vec::new()));
            for task in 0..4 {
                let (log, clock) = (log.clone(), clock.clone());
                executor.spawn(async move {
                    for step in 0..3 {
                        clock.sleep(Duration::from_secs(10)).await;
                        log.borrow_mut().push((task, step));
                    }
                });
            }
            executor.run_until(clock.sleep(Duration::from_secs(31))).unwrap();
            assert_eq!(executor.tasks(), 0);
            log.take()
        };
        assert_eq!(run(1), run(1));
        assert_eq!(run(1).len(), 12);
        assert!((0..20).any(|seed| run(seed) != run(1)), "the seed decides the order");
    }

    #[test]
    fn what_can_never_run_is_a_deadlock_and_not_a_hang() {
        let executor = SimExecutor::new(SimClock::new(WallTime(0)), 1);
        assert_eq!(executor.run_until(std::future::pending::<()>()), Err(SimHalt::Deadlock));
    }
}
