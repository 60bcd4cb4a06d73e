//! How an IMAP server is measured, and the mail it is measured with. `bench/METHOD.md` says what is measured and why.
//!
//! The flow of a run: mail (`mail`, or made by `generate`) is surveyed once, so that every right answer is known
//! (`check`); it is loaded into each server (`run`); scenarios (`scenario`) give operations to the driver (`load`),
//! which speaks through `client` and records into `record`; `process` looks at the server from outside; `report` writes
//! down what came out. Any server: nothing here knows how a certain one works, but for the layout of its files.

pub mod check;
pub mod cli;
pub mod client;
pub mod clock;
pub mod echo;
pub mod generate;
pub mod limits;
pub mod load;
pub mod mail;
pub mod plan;
pub mod process;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod server;
pub mod size;

pub use corpus::{Corpus, Flag, Generated, Options, SizeProfile};
pub use generate::{chance, compose, corpus, dates, headers, mime, output, words};
