//! The clock of a core: monotonic time of all cores counts from one start, because throttles and caches are shared by them.

use std::time::{Duration, Instant};

use trawl_store::LocalBoxFuture;
use trawl_store::clock::{Clock, system_wall};
use trawl_store::types::WallTime;

/// The base of monotonic time. `Send`: every core makes its clock from the same one.
#[derive(Clone, Copy)]
pub struct ProcessStart(Instant);

/// See the module. Its timers are the executor's.
pub struct CoreClock(ProcessStart);

impl ProcessStart {
    /// Now.
    #[allow(clippy::disallowed_methods, reason = "the clock seam of the server")]
    pub fn now() -> ProcessStart {
        ProcessStart(Instant::now())
    }
}

impl ProcessStart {
    /// Nanoseconds since then.
    pub fn nanos(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl CoreClock {
    pub fn new(start: ProcessStart) -> CoreClock {
        CoreClock(start)
    }
}

impl Clock for CoreClock {
    fn wall(&self) -> WallTime {
        system_wall()
    }
    fn monotonic(&self) -> Duration {
        self.0.0.elapsed()
    }
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(glommio::timer::sleep(duration))
    }
}
