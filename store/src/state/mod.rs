//! What the log says, in memory: accounts, mailboxes, messages. Pure and synchronous.
//!
//! Not here: the log, the disk, waiting. Everything in it is durable: operations are applied (`apply`) only after
//! their commit was synced; what is queued is known to `head` alone.

pub mod account;
pub mod annotations;
pub(crate) mod apply;
pub mod documents;
pub mod expunged;
pub(crate) mod head;
pub mod mailbox;
pub mod messages;
pub mod names;
pub mod ops;
pub mod rows;
pub mod thread;
pub mod view;
