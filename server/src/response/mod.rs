//! What the server says, as bytes.
//!
//! `encode` writes the terminals of the grammar and whole responses, `code` names every response code.
//! Nothing here decides what to say.

pub mod code;
pub mod encode;
