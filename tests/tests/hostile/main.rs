//! Hostile and unlucky clients against the real binary: slow readers, clients that vanish, floods, and a stop among all of them.
//!
//! What must hold whatever a client does: memory stays bounded, the step with the stream is kept or the connection ends, others are served,
//! and what was acknowledged stays. No wall clock decides a test; loops that wait are bounded against hanging.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod flood;
mod logins;
mod slow;
mod stop;
mod support;
mod vanish;
