//! Mail made from a seed: realistic to servers and search, made of no one's words.
//!
//! `Corpus` yields any number of messages as a stream; message `n` of a seed is a pure function of (seed, count, size
//! profile, n), so nothing is kept between messages and memory does not grow. Words are syllables by rule plus short
//! lists of function words; nothing is copied from real mail. Sampling is written out here, so that a new version of a
//! random library never changes the output.

pub mod chance;
pub mod compose;
pub mod corpus;
pub mod dates;
pub mod headers;
pub mod mime;
pub mod output;
pub mod words;
