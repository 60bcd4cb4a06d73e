//! Tests at the level where the promise is made: against the real binary over TCP, and on a simulated disk.
//!
//! Not here: unit tests (they stand beside their code) and anything that measures time.

// A test that cannot get a port, a folder or an answer has failed; these helpers may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod fuzz;
pub mod script;
pub mod search;
pub mod server;
pub mod sim;
