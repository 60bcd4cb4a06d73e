//! The search-first IMAP server: bytes -> command -> mailbox -> response.
//!
//! The flow in ten lines:
//!
//! 1. `runtime` accepts a connection on a core, does TLS, and calls [`session::run`] with a stream and a [`core::Core`].
//! 2. The pump ([`session::io`]) moves bytes between the stream and bounded buffers, whatever else happens.
//! 3. `wire::fragment` finds the edges of a command in the input, `wire::parse` its meaning (`wire::ast`).
//! 4. [`command::TABLE`] says in which states it is allowed and which handler runs it.
//! 5. The handler reads the account's state, which is in memory and durable, and asks the store for changes.
//! 6. Text is searched on lanes ([`lanes`]), through indexes that others keep ([`indexing`]); the session only waits.
//! 7. Untagged responses go to [`response::output::Output`]; a slow reader stops the handler there.
//! 8. [`mailbox::sync`] tells what other sessions did, by this session's own sequence numbers ([`mailbox::view`]).
//! 9. [`response::status`] makes the tagged OK, NO or BAD of the handler's result.
//! 10. LOGIN on another core's account, STARTTLS and LOGOUT end `run`; the runtime does what its outcome says.
//!
//! The binary `trawl` is `main.rs` and `cli`; everything else is here so that tests and simulations can drive it.

pub mod auth;
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod core;
pub mod documents;
pub mod indexing;
pub mod lanes;
pub mod limits;
pub mod mailbox;
pub mod net;
pub mod observe;
pub mod response;
pub mod runtime;
pub mod session;
pub mod sim;
pub mod wire;
