//! What runs on the lanes: work that would hold up an executor, as `Send` data and plain functions.
//!
//! Not here: the threads and their queues (the runtime), nor anything that waits.

pub mod analyse;
pub mod arrange;
pub mod entries;
pub mod inline;
pub mod queue;
pub mod search;
pub mod similar;
pub mod times;
pub mod trace;

pub use search::{Found, SearchError, SearchJob};
pub use times::Timed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raises the flag that stops a job when nobody waits for it any more.
pub struct CancelOnDrop(pub Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
