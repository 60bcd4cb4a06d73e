//! Giving memory back: the allocator keeps what was freed until it is asked, and an idle thread never asks.
//!
//! Not here: the allocator (`main`). Each thread must ask for itself, and only when it has nothing else to do: it costs up to
//! milliseconds, and what is given back has to be faulted in again. The audited file for these two foreign functions.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};

use crate::limits::MEMORY_KEPT_MS;

// Links the allocator, whether or not this program uses it for its own memory.
use mimalloc as _;

unsafe extern "C" {
    /// mimalloc's `mi_collect`; the crate behind the `mimalloc` crate builds and links it.
    fn mi_collect(force: bool);

    /// mimalloc's `mi_option_set`; an option is a number of its `mi_option_t`.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay`, milliseconds; the same number in versions 2 and 3.
const PURGE_DELAY: c_int = 15;

/// Has the allocator keep what was freed a little longer than it does by itself: what one segment of an index was built in is what
/// the next one is built in some seconds later, and the kernel would clear it in between.
///
/// To be called before there are other threads.
pub fn keep_longer() {
    // SAFETY: the option exists and takes any number; it is written before another thread reads it.
    unsafe { mi_option_set(PURGE_DELAY, MEMORY_KEPT_MS) }
}

/// Gives the memory that the calling thread does not use back to the system.
pub fn give_back() {
    // SAFETY: the function has no preconditions; it looks at the calling thread's heap and at memory that is free.
    unsafe { mi_collect(true) }
}
