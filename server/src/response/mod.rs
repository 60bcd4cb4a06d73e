//! What the server says, as bytes.
//!
//! `encode` writes the terminals of the grammar and whole responses, `number_list` those that are long lists of numbers, `code` names every
//! response code, `output` is the bounded buffer they go to, and `status` the one place where an error gets its words.

pub mod code;
pub mod encode;
pub mod number_list;
pub mod output;
pub mod status;
