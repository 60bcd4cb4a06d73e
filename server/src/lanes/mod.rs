//! What runs on the lanes: work that would hold up an executor, as `Send` data and plain functions.
//!
//! Not here: the threads and their queues (the runtime), nor anything that waits.

pub mod analyse;
pub mod inline;
pub mod search;

pub use search::{SearchError, SearchJob};
