//! What a search did, for `trawl explain`: per segment and key what was chosen, how many messages were left, and how long it took.
//!
//! Without a trace nothing is written and no clock is read.

use std::cell::RefCell;
use std::fmt::{self, Write};

use crate::limits::TRACE_STEPS_MAX;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Nesting in the program.
    pub depth: usize,
    pub what: String,
    /// Messages looked at, and those left.
    pub before: u32,
    pub after: u32,
    pub nanos: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..self.depth {
            f.write_str("  ")?;
        }
        let micros = self.nanos / 1000;
        write!(f, "{}: {} -> {} in {micros} us", self.what, self.before, self.after)
    }
}

/// Collects steps. The clock gives nanoseconds from any fixed point.
pub struct Trace<'a> {
    clock: &'a dyn Fn() -> u64,
    steps: RefCell<Vec<Step>>,
}

impl<'a> Trace<'a> {
    pub fn new(clock: &'a dyn Fn() -> u64) -> Trace<'a> {
        Trace { clock, steps: RefCell::default() }
    }

    /// The steps so far, in the order in which they ended; what one consists of stands before it, deeper.
    pub fn take(&self) -> Vec<Step> {
        self.steps.take()
    }

    pub(super) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(super) fn add(&self, step: Step) {
        let mut steps = self.steps.borrow_mut();
        if steps.len() < TRACE_STEPS_MAX {
            steps.push(step);
        }
    }
}

/// A needle as it is shown: what cannot be printed is escaped, a long one is cut.
pub(super) fn shown(needle: &[u8]) -> String {
    let text = String::from_utf8_lossy(needle);
    let mut out = String::with_capacity(text.len().min(80) + 2);
    out.push('"');
    for c in text.chars().take(64) {
        let _ = write!(out, "{}", c.escape_debug());
    }
    out.push_str(if text.chars().nth(64).is_some() { "...\"" } else { "\"" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_is_bounded_and_printable() {
        assert_eq!(shown(b"A \"B\"\n"), "\"A \\\"B\\\"\\n\"");
        assert_eq!(shown("x".repeat(1000).as_bytes()), format!("\"{}...\"", "x".repeat(64)));
    }

    #[test]
    fn steps_are_bounded() {
        let clock = || 0;
        let trace = Trace::new(&clock);
        let step = Step { depth: 1, what: "all".into(), before: 3, after: 2, nanos: 2500 };
        for _ in 0..TRACE_STEPS_MAX + 5 {
            trace.add(step.clone());
        }
        let steps = trace.take();
        assert_eq!(steps.len(), TRACE_STEPS_MAX);
        assert_eq!(steps[0].to_string(), "  all: 3 -> 2 in 2 us");
    }
}
