//! Time as a trait: wall time, monotonic time and timers, with a simulated twin.
//!
//! The real clock of the server (timers of its runtime) is `disk::glommio::GlommioClock`; [`SystemClock`] is for
//! tools that run nothing else meanwhile. Nothing else in the workspace asks the system for the time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::LocalBoxFuture;
use crate::types::WallTime;

/// What the store and the server know of time.
pub trait Clock {
    /// Wall time in milliseconds since 1970. May jump either way; the log makes its own never decrease.
    fn wall(&self) -> WallTime;
    /// Time since this clock was made; never decreases.
    fn monotonic(&self) -> Duration;
    /// Resolves when `duration` has passed.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}

/// System time for offline tools: `sleep` blocks the thread.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    #[allow(clippy::new_without_default, reason = "making a clock reads the time, which should be visible")]
    pub fn new() -> SystemClock {
        SystemClock { start: now_instant() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> WallTime {
        system_wall()
    }
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
    #[allow(clippy::disallowed_methods, reason = "for tools that have nothing else to run; the clock seam")]
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move { std::thread::sleep(duration) })
    }
}

/// The system's wall time; for implementations of [`Clock`] only.
#[allow(clippy::disallowed_methods, reason = "the clock seam")]
pub fn system_wall() -> WallTime {
    let now = std::time::SystemTime::now();
    let ms = match now.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    WallTime(ms)
}

/// The system's monotonic time; for implementations of [`Clock`] only.
#[allow(clippy::disallowed_methods, reason = "the clock seam")]
pub fn now_instant() -> std::time::Instant {
    std::time::Instant::now()
}

/// Virtual time: it moves only by [`SimClock::advance`], which the simulated executor calls when nothing else
/// can run.
#[derive(Clone)]
pub struct SimClock {
    inner: Rc<SimClockInner>,
}

struct SimClockInner {
    wall_start: Cell<i64>,
    elapsed: Cell<Duration>,
    next_timer: Cell<u64>,
    /// Ordered by deadline, then by creation, so that runs repeat.
    timers: RefCell<BTreeMap<(Duration, u64), Option<Waker>>>,
}

impl SimClock {
    /// A clock that starts at wall time `start`.
    pub fn new(start: WallTime) -> SimClock {
        SimClock {
            inner: Rc::new(SimClockInner {
                wall_start: Cell::new(start.0),
                elapsed: Cell::new(Duration::ZERO),
                next_timer: Cell::new(0),
                timers: RefCell::new(BTreeMap::new()),
            }),
        }
    }

    /// Moves the wall time alone (an operator or NTP sets the clock).
    pub fn shift_wall(&self, ms: i64) {
        self.inner.wall_start.set(self.inner.wall_start.get() + ms);
    }

    /// Moves time forward and fires what is due.
    pub fn advance(&self, by: Duration) {
        self.inner.elapsed.set(self.inner.elapsed.get() + by);
        let now = self.inner.elapsed.get();
        let wakers: Vec<Waker> = {
            let mut timers = self.inner.timers.borrow_mut();
            timers.range_mut(..=(now, u64::MAX)).filter_map(|(_, waker)| waker.take()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Moves to the next waiting timer; false when there is none.
    pub fn advance_to_next(&self) -> bool {
        let now = self.inner.elapsed.get();
        let next = self
            .inner
            .timers
            .borrow()
            .iter()
            .find(|(_, waker)| waker.is_some())
            .map(|((deadline, _), _)| *deadline);
        let Some(deadline) = next else { return false };
        self.advance(deadline.saturating_sub(now));
        true
    }
}

impl Clock for SimClock {
    fn wall(&self) -> WallTime {
        let elapsed = i64::try_from(self.inner.elapsed.get().as_millis()).unwrap_or(i64::MAX);
        WallTime(self.inner.wall_start.get().saturating_add(elapsed))
    }
    fn monotonic(&self) -> Duration {
        self.inner.elapsed.get()
    }
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        let id = self.inner.next_timer.get();
        self.inner.next_timer.set(id + 1);
        let key = (self.inner.elapsed.get() + duration, id);
        Box::pin(SimSleep { clock: self.clone(), key })
    }
}

struct SimSleep {
    clock: SimClock,
    key: (Duration, u64),
}

impl Future for SimSleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &self.clock.inner;
        if inner.elapsed.get() >= self.key.0 {
            return Poll::Ready(());
        }
        inner.timers.borrow_mut().insert(self.key, Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        self.clock.inner.timers.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_moves_only_when_told() {
        let clock = SimClock::new(WallTime(1_000));
        assert!(!clock.advance_to_next());
        let mut sleep = clock.sleep(Duration::from_millis(50));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        clock.advance(Duration::from_millis(49));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        assert!(clock.advance_to_next());
        assert!(sleep.as_mut().poll(&mut cx).is_ready());
        assert_eq!(clock.wall(), WallTime(1_050));
        drop(sleep);
        assert!(!clock.advance_to_next(), "a finished sleep leaves nothing behind");
    }
}
