//! Giving memory back: the allocator keeps what was freed until it is asked, and an idle thread never asks.
//!
//! Not here: the allocator (`main`). Each thread must ask for itself, and only when it has nothing else to do: it costs up to
//! milliseconds, and what is given back has to be faulted in again. The audited file for this one foreign function.
#![allow(unsafe_code)]

// Links the allocator, whether or not this program uses it for its own memory.
use mimalloc as _;

unsafe extern "C" {
    /// mimalloc's `mi_collect`; the crate behind the `mimalloc` crate builds and links it.
    fn mi_collect(force: bool);
}

/// Gives the memory that the calling thread does not use back to the system.
pub fn give_back() {
    // SAFETY: the function has no preconditions; it looks at the calling thread's heap and at memory that is free.
    unsafe { mi_collect(true) }
}
