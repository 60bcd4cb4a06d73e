//! The search-first IMAP server: bytes -> command -> mailbox -> response.
//!
//! The binary `trawl` is `main.rs` and `cli`; everything else is here so that tests and simulations can drive it.

pub mod auth;
pub mod config;
pub mod control;
pub mod lanes;
pub mod limits;
pub mod net;
pub mod response;
pub mod runtime;
pub mod wire;
