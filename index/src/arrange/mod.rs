//! SORT and THREAD (RFC 5256, RFC 5957): what they compare of a message, and the order and the threads that follow from it.
//!
//! Pure. What is compared comes from summaries and is kept by message number in pages, which a search's threads share. Not here:
//! which messages are sorted, nor where pages are kept.

mod ends;
mod entry;
mod keys;
mod page;
pub mod saved;
mod sort;
mod thread;

pub use ends::{Order, Wanted, order};
pub use entry::{Entry, Text};
pub use page::{PAGE_MESSAGES, Page, Pages};
pub use sort::{By, Criterion, compare, sort};
pub use thread::{Algorithm, Threads, thread};

/// A message to be sorted or threaded. They are given in the order of the mailbox, which decides between equals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// The number of the message in its account, by which pages know it.
    pub message: u32,
    /// INTERNALDATE, seconds since 1970.
    pub internal: i64,
    /// RFC822.SIZE, octets.
    pub size: u32,
    /// RFC 6203 4: 1 to 100; 0 where nobody asks for it.
    pub relevancy: u8,
}

/// The caller wants no answer any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// Says that the caller is gone.
pub type Stop<'a> = &'a dyn Fn() -> bool;
