//! Searchable text of a message, as `docs/search.md` defines it.

/// Version of the extracted text; recorded in the log.
pub const VERSION: u16 = 1;
