//! Text of attached documents, made by processes of their own or by a Tika server.
//!
//! Files that strangers send are taken apart by libraries which their writers never meant to be attacked. So no executor and no lane of
//! this process does it, but a child ([`worker`]) that has given up everything beyond reading its standard input and writing its
//! standard output ([`lockdown`]): a hostile file costs a child, never the server.
//!
//! Which messages are looked at is [`backlog`] and [`reading`]. Not here: what documents are (`trawl_index::document`), how their text is found.

pub mod backlog;
mod child;
mod frame;
mod lockdown;
#[cfg(debug_assertions)]
mod probe;
pub mod reading;
pub mod service;
mod tika;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use child::{ChildArgs, run as run_child};
#[cfg(debug_assertions)]
pub use probe::Probe;
pub use tika::Tika;
pub use worker::{Program, Worker};

use trawl_index::document::{Failure, Kind};

use crate::config::DocumentsConfig;

/// What one document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Processor time; five times as much may pass.
    pub time: Duration,
    /// Octets that a worker may have beyond what it begins with.
    pub memory: u64,
    /// Octets of text.
    pub text: usize,
    /// Octets of a document that is looked at.
    pub size: usize,
}

/// A document whose text is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub kind: Kind,
    /// `type/subtype` as the message has it; empty if it has none.
    pub media_type: &'a str,
    /// The charset that the message names for it.
    pub charset: Option<&'a str>,
    /// Without transfer encoding.
    pub content: &'a [u8],
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `cut`: there is more in the document.
    Text {
        text: String,
        cut: bool,
    },
    Failed(Reason),
}

/// Why there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    #[error("it needs a password")]
    Encrypted,
    #[error("it is damaged")]
    Damaged,
    #[error("it is too large, or what is in it")]
    TooLarge,
    #[error("it took too long")]
    TimedOut,
    #[error("it needed too much memory")]
    OutOfMemory,
    #[error("whoever read it broke down over it")]
    Crashed,
    #[error("it is of a kind that is not read")]
    Unsupported,
    /// Nothing is known of the document.
    #[error("nobody was there to read it")]
    Unavailable,
}

impl Reason {
    const ALL: [Reason; 8] = [
        Reason::Encrypted,
        Reason::Damaged,
        Reason::TooLarge,
        Reason::TimedOut,
        Reason::OutOfMemory,
        Reason::Crashed,
        Reason::Unsupported,
        Reason::Unavailable,
    ];

    /// A number that stays the same in all versions.
    pub fn code(self) -> u8 {
        match self {
            Reason::Encrypted => 1,
            Reason::Damaged => 2,
            Reason::TooLarge => 3,
            Reason::TimedOut => 4,
            Reason::OutOfMemory => 5,
            Reason::Crashed => 6,
            Reason::Unsupported => 7,
            Reason::Unavailable => 8,
        }
    }

    pub fn from_code(code: u8) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether it is something that is seen in the document, and nothing that became of who read it.
    fn is_of_content(self) -> bool {
        matches!(self, Reason::Encrypted | Reason::Damaged | Reason::TooLarge | Reason::Unsupported)
    }

    /// Whether the same document would fail again. If not, it is to be tried again later.
    pub fn is_final(self) -> bool {
        self != Reason::Unavailable
    }
}

impl From<Failure> for Reason {
    fn from(failure: Failure) -> Reason {
        match failure {
            Failure::Encrypted => Reason::Encrypted,
            Failure::Damaged => Reason::Damaged,
            Failure::TooLarge(_) => Reason::TooLarge,
            Failure::Unsupported => Reason::Unsupported,
        }
    }
}

/// Makes texts of documents. Blocks: for threads of their own, never for an executor. What it has started ends with the thread that first
/// used it.
pub trait Extractor: Send {
    fn extract(&mut self, document: &Document<'_>) -> Outcome;

    /// What comes next is somebody else's: nothing that has read a document before may read it.
    fn turn_to_another_account(&mut self) {}
}

/// The extractor of these settings, for one thread. `stop`: raised, a worker is given up soon, as [`Reason::Unavailable`]; an answer of
/// Tika is waited for.
pub fn extractor(config: &DocumentsConfig, stop: Arc<AtomicBool>) -> Box<dyn Extractor> {
    let bounds = config.bounds();
    if config.tika.is_empty() {
        Box::new(Worker::new(Program::this(), bounds, stop))
    } else {
        Box::new(Tika::new(&config.tika, bounds))
    }
}

/// What an attachment is read as with these settings; `None`: it is not looked at. What only Tika reads is looked at without it as well, for much of
/// what is called `.doc` is RTF.
pub fn kind(config: &DocumentsConfig, media_type: &str, file_name: Option<&str>) -> Option<Kind> {
    Kind::of(media_type, file_name).filter(|_| config.enabled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_keep_their_numbers() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code(0), None);
        assert_eq!(Reason::from_code(9), None);
        assert!(Reason::Crashed.is_final() && !Reason::Unavailable.is_final());
    }
}
