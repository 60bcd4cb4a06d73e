//! A panic is the end of the process, except inside a guarded job of a lane.
//!
//! Why: a panic in a task ends that executor only and leaves the process half dead (its shards unserved, its sessions hanging). A
//! restart recovers everything that was acknowledged. Lane jobs hold nothing of a shard, so they may fail alone: hostile mail that
//! breaks a parser costs its own result.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The guarded job panicked; the hook has reported it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Panicked;

/// Makes panics outside [`guarded`] abort the process, after the usual report. Call it first in `main`.
pub fn install() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        if !GUARDED.get() {
            std::process::abort();
        }
    }));
}

/// Runs `job`; its panic is caught.
pub fn guarded<T>(job: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(job));
    GUARDED.set(outer);
    result.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarded_panic_is_a_result_and_the_guard_ends() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> i32 { panic!("expected by this test") }), Err(Panicked));
        assert!(!GUARDED.get());
    }
}
