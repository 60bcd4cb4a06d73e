//! Errors of the store, by whose fault they are: the disk's, the data's, the operator's, the caller's.
//!
//! Not here: what a client is told (the server maps these to IMAP in one place).

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::log::Address;

/// Why the store could not be opened or read as a whole.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// The disk refused an operation.
    #[error("{op} {path}: {source}")]
    Io { op: &'static str, path: String, source: io::Error },
    /// A file holds what no version of this program writes, and going on would lose or invent mail.
    #[error("{path}: {what}")]
    Corrupt { path: String, what: String },
    /// A file of a later format.
    #[error("{path}: format {found}, this program reads up to {known}")]
    Version { path: String, found: u32, known: u32 },
    /// A file that belongs to another store, shard or epoch.
    #[error("{path}: belongs to {found}, expected {expected}")]
    Foreign { path: String, found: String, expected: String },
    /// A change could not be committed while opening or creating.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A record that is needed could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StoreError {
    pub(crate) fn io(op: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { op, path, source }
    }
}

/// Why a commit did not happen. Everything it held is as if it had never been asked for.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum CommitError {
    /// The disk is full (ENOSPC, EDQUOT); resumes by itself when there is room.
    #[error("the disk is full")]
    Full,
    /// A write or sync failed: no more writes until a restart; reading goes on. Holds the first cause.
    #[error("the log takes no more writes since {0}")]
    Poisoned(Arc<str>),
    /// The log has been stopped.
    #[error("the log is stopped")]
    Stopped,
    /// A record larger than `limits::record_payload_bytes_max`.
    #[error("a record of {bytes} bytes is too large")]
    TooLarge { bytes: usize },
}

/// Why a record could not be read.
#[derive(thiserror::Error, Clone, Debug)]
pub enum ReadError {
    /// The disk refused.
    #[error("reading {address}: {source}")]
    Io { address: Address, source: Arc<io::Error> },
    /// The bytes there are not the record that was written.
    #[error("damaged record at {address}: {damage}")]
    Damaged { address: Address, damage: Damage },
}

/// What is wrong with the bytes at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// The segment's header is not readable in either copy, or there is no such segment.
    Segment,
    /// The record's header fails its checksum.
    Header,
    /// The payload fails its checksum.
    Payload,
    /// The file ends before the record does.
    Truncated,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Segment => "segment header unreadable",
            Damage::Header => "record header fails its checksum",
            Damage::Payload => "payload fails its checksum",
            Damage::Truncated => "file ends within the record",
        })
    }
}
