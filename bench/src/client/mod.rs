//! Speaking to a server: transport, response lines with their literals, a blocking session for preparations, and what is
//! understood of responses. The driver's event loop is in `load`.

pub mod parse;
pub mod reader;
pub mod session;
pub mod transport;

pub use session::{Answer, Session};
pub use transport::{Endpoint, Transport};

use std::fmt;

/// Why a conversation ended early.
#[derive(Debug)]
pub enum Error {
    /// The connection or the name lookup failed.
    Io(std::io::Error),
    /// The server said something that is no IMAP or LMTP, or ended the conversation.
    Protocol(String),
    /// The server said NO or BAD (or a 4xx, 5xx) to something that has to work.
    Refused { sent: String, answer: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "{error}"),
            Error::Protocol(what) => write!(f, "{what}"),
            Error::Refused { sent, answer } => write!(f, "{sent}: {answer}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::Io(error)
    }
}

/// Bytes for people: at most `max` characters, without line breaks.
pub fn shown(bytes: &[u8], max: usize) -> String {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(max)
        .collect();
    text.trim_end().to_owned()
}
