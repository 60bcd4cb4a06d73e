//! What APPEND finds out about a message before it is stored: its summary.
//!
//! Pure. Not here: threads. Small messages are read inline, since that takes less than a
//! scheduling slice; larger ones go to the analysis lane through `Core`.

use trawl_index::summary::Summary;

use crate::lanes::limits;

/// Whether `len` bytes may be analysed on an executor.
pub fn is_inline(len: u64) -> bool {
    len <= limits::ANALYSE_INLINE_BYTES_MAX
}

/// The summary of a whole message. Never fails; takes time in proportion to the message.
pub fn analyse(message: &[u8]) -> Summary {
    Summary::build(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_messages_leave_the_executor() {
        assert!(is_inline(0));
        assert!(is_inline(limits::ANALYSE_INLINE_BYTES_MAX));
        assert!(!is_inline(limits::ANALYSE_INLINE_BYTES_MAX + 1));
    }
}
