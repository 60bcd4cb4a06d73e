//! Search through the index against the scan: what is searched, what is asked, and who is right.
//!
//! `texts` and `compose` make mail that is hard to index, `archives` reads real mail, `queries` cuts needles out of it,
//! `oracle` says what they match, `world` is where it all happens, `run` counts. What must hold: the oracle shares nothing with the index but extraction and
//! normalisation, and everything follows from a seed.

pub mod archives;
pub mod compose;
pub mod oracle;
pub mod queries;
pub mod run;
mod shrink;
mod supply;
pub mod texts;
pub mod world;
