//! Time as the driver sees it: nanoseconds on the monotonic clock since the process asked first. The only place of this
//! crate that reads a clock.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

#[allow(clippy::disallowed_methods, reason = "a measuring program is no part of the simulated world")]
fn instant() -> std::time::Instant {
    std::time::Instant::now()
}

static START: OnceLock<std::time::Instant> = OnceLock::new();

/// Nanoseconds since the first call.
pub fn now() -> u64 {
    let start = *START.get_or_init(instant);
    u64::try_from(instant().duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

/// Wall time, for the heads of reports and histogram logs only.
#[allow(clippy::disallowed_methods, reason = "a measuring program is no part of the simulated world")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Waits on this thread.
#[allow(clippy::disallowed_methods, reason = "no executor here")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Nanoseconds of a duration.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
