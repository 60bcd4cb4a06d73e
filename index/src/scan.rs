//! The naive scan: the definition of what a SEARCH text key matches.

use std::sync::atomic::AtomicBool;

use crate::query::Node;

/// One message: header and body as stored; the body begins right after the empty line that ends the header.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub header: &'a [u8],
    pub body: &'a [u8],
}

/// The stop flag was raised while a message was searched; there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// A search program with its needles normalised. `Send + Sync`: lanes share one.
#[derive(Clone, Debug)]
pub struct Compiled {
    root: Node,
}

impl Compiled {
    pub fn new(node: &Node) -> Compiled {
        Compiled { root: node.clone() }
    }

    /// Whether any message's body can be needed. When false, [`Compiled::before_body`] always answers.
    pub fn needs_body(&self) -> bool {
        true
    }

    /// The answer if mailbox state alone gives it: neither header nor body need to be read.
    pub fn before_read(&self, _position: u32) -> Option<bool> {
        None
    }

    /// The answer if state and header give it: the body need not be read.
    pub fn before_body(
        &self,
        _position: u32,
        _header: &[u8],
        _stop: &AtomicBool,
    ) -> Result<Option<bool>, Stopped> {
        Ok(None)
    }

    /// Whether the message at row `position` matches. Looks at `stop` at least every few hundred microseconds.
    pub fn matches(
        &self,
        _position: u32,
        _message: &Message<'_>,
        _stop: &AtomicBool,
    ) -> Result<bool, Stopped> {
        let _ = &self.root;
        Ok(false)
    }
}
