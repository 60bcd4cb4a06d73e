//! The set type that readers of a segment are handed.

pub use crate::bits::Bits;
