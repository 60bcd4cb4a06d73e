//! What a search did, collected from the lanes that worked on it; for `trawl explain`.

use std::sync::{Mutex, PoisonError};

use trawl_index::bits::Bits;
use trawl_index::search::{Halt, Step, Trace};

/// Nanoseconds from any fixed point.
pub type Nanos = Box<dyn Fn() -> u64 + Send + Sync>;

/// What was done with one segment.
#[derive(Clone, Debug)]
pub struct SegmentTrace {
    pub segment: usize,
    /// Messages that could match before text was looked at, and that do.
    pub before: u32,
    pub after: u32,
    pub nanos: u64,
    pub steps: Vec<Step>,
}

/// See the module.
pub struct SearchTrace {
    clock: Nanos,
    segments: Mutex<Vec<SegmentTrace>>,
}

impl SearchTrace {
    pub fn new(clock: Nanos) -> SearchTrace {
        SearchTrace { clock, segments: Mutex::default() }
    }

    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Runs the search of one segment and notes what it did.
    pub fn of_segment(
        &self,
        segment: usize,
        before: u32,
        run: impl FnOnce(&Trace<'_>) -> Result<Bits, Halt>,
    ) -> Result<Bits, Halt> {
        let trace = Trace::new(&self.clock);
        let start = self.now();
        let found = run(&trace);
        let nanos = self.now().saturating_sub(start);
        let after = found.as_ref().map_or(0, Bits::count);
        let done = SegmentTrace { segment, before, after, nanos, steps: trace.take() };
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        found
    }

    /// What was done so far, by segment.
    pub fn take(&self) -> Vec<SegmentTrace> {
        let mut segments = std::mem::take(&mut *self.segments.lock().unwrap_or_else(PoisonError::into_inner));
        segments.sort_by_key(|done| done.segment);
        segments
    }
}
