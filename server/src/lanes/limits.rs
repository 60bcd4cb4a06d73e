//! Bounds of work on the lanes.

/// Messages that one search worker reads at once.
pub const SEARCH_BATCH_MESSAGES_MAX: usize = 64;
/// Bytes of messages that one search worker reads at once; a larger message is read alone.
pub const SEARCH_BATCH_BYTES_MAX: u64 = 4 << 20;
/// A message up to this is analysed on the executor: well under a scheduling slice.
pub const ANALYSE_INLINE_BYTES_MAX: u64 = 64 << 10;
