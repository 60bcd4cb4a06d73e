//! What runs on the lanes: work that would hold up an executor, as `Send` data and plain functions.
//!
//! Not here: the threads and their queues (the runtime), nor anything that waits.

pub mod analyse;
pub mod arrange;
pub mod inline;
pub mod queue;
pub mod search;
pub mod similar;
pub mod trace;

pub use search::{Found, SearchError, SearchJob};
