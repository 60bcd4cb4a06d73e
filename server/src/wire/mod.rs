//! Bytes to commands, purely: no I/O, no time, no session.
//!
//! `fragment` finds the edges of a command in the stream, [`parse`] gives it its meaning as a value of [`ast`];
//! one parser file per family of commands, each with its ABNF and its table of cases. A bad command costs a tagged
//! BAD and never the step with the stream.

pub mod append;
pub mod ast;
mod auth;
mod context;
mod copy;
pub mod cursor;
pub mod date;
mod fetch;
pub mod flags;
pub mod fragment;
mod list;
pub mod manage;
pub mod metadata;
mod multisearch;
pub mod mutf7;
pub mod name;
mod numbers;
pub mod object_id;
pub mod print;
pub mod query;
mod search;
pub mod set;
mod sort;
mod status;
mod table;

pub use search::criteria;
pub use table::{BadCommand, parse, tag_of};

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;
