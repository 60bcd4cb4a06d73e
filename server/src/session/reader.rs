//! Commands out of the input: the fragmenter fed by what the pump reads.
//!
//! Handlers that go on reading (APPEND's messages, the responses of AUTHENTICATE, IDLE's DONE) use the same reader, so the
//! step with the stream is kept in one place. No borrow of the fragmenter is held over an await.

use std::cell::RefCell;
use std::rc::Rc;

use super::io::{Awaited, Input};
use crate::limits::INPUT_AHEAD_BYTES_MAX;
use crate::response::output::Gone;
use crate::wire::fragment::{Event, Fragmenter, Policy};

/// Clones are the same reader.
#[derive(Clone)]
pub struct Reader {
    input: Input,
    fragmenter: Rc<RefCell<Fragmenter>>,
}

impl Reader {
    pub fn new(input: Input, policy: Policy) -> Reader {
        Reader { input, fragmenter: Rc::new(RefCell::new(Fragmenter::new(policy))) }
    }

    /// The next event; never [`Event::NeedMore`].
    pub async fn next(&self) -> Result<Event, Gone> {
        loop {
            if let Some(event) = self.poll() {
                return Ok(event);
            }
            let between = self.fragmenter.borrow().is_between_commands();
            self.input.ready(if between { Awaited::Command } else { Awaited::Rest }).await?;
        }
    }

    /// The next event that the bytes at hand make, if they do.
    pub fn poll(&self) -> Option<Event> {
        let mut fragmenter = self.fragmenter.borrow_mut();
        loop {
            match fragmenter.poll() {
                Event::NeedMore => {
                    let bytes = self.input.take(INPUT_AHEAD_BYTES_MAX);
                    if bytes.is_empty() {
                        return None;
                    }
                    fragmenter.push(&bytes);
                }
                event => return Some(event),
            }
        }
    }

    /// Waits, for as long as the client is allowed to be silent, until it has sent more.
    pub async fn more(&self) -> Result<(), Gone> {
        self.input.ready(Awaited::Command).await
    }

    /// See [`Fragmenter::expect_line`].
    pub fn expect_line(&self) {
        self.fragmenter.borrow_mut().expect_line();
    }
    /// See [`Fragmenter::accept_message`].
    pub fn accept_message(&self) {
        self.fragmenter.borrow_mut().accept_message();
    }
    /// See [`Fragmenter::skip_command`].
    pub fn skip_command(&self) {
        self.fragmenter.borrow_mut().skip_command();
    }
    pub fn set_policy(&self, policy: Policy) {
        self.fragmenter.borrow_mut().set_policy(policy);
    }

    /// Everything that was read and not used, in order.
    pub fn take_rest(&self) -> Vec<u8> {
        let mut rest = self.fragmenter.borrow_mut().take_buffered();
        rest.append(&mut self.input.take(usize::MAX));
        rest
    }
}
