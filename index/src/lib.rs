//! What a message says: its MIME structure, the summary that answers clients, its searchable text, and the
//! scan that defines SEARCH.
//!
//! Pure: no I/O (files of the index aside, which `account/files.rs` alone touches), no clock, no thread. Everything is `Send`, works on borrowed bytes, takes bounded stack and
//! time in proportion to the input, and never panics on any input. So it is with everything but `document`, where libraries take files
//! apart: that is for processes that may fail.
//!
//! The MIME parser is our own because every part needs its byte offsets in the stored message and because the
//! rules for broken mail are part of what SEARCH and BODYSTRUCTURE mean.

pub mod account;
pub mod arrange;
pub mod bits;
pub mod document;
pub mod extract;
pub mod limits;
pub mod mime;
mod normalise;
pub mod prepare;
mod prepared_match;
pub mod query;
pub mod scan;
pub mod search;
pub mod segment;
pub mod summary;
pub mod tokens;

pub use normalise::{Normaliser, normalise};
