//! What is found out about a message before it is stored: its summary.
//!
//! Pure but for the budget. Not here: threads. Small messages are read inline, since that takes less than a
//! scheduling slice; larger ones go to the analysis lane through `Core`. What must hold: a message that
//! breaks the analysis is stored all the same, with a summary that says little.

use std::cell::Cell;
use std::rc::Rc;

use trawl_index::summary::Summary;
use trawl_store::event::Event;

use crate::limits;
use crate::runtime::panics::guarded;

/// Whether `len` bytes may be analysed on an executor.
pub fn is_inline(len: u64) -> bool {
    len <= limits::ANALYSE_INLINE_BYTES_MAX
}

/// The encoded summary of a whole message. Takes time in proportion to the message.
pub fn analyse(message: &[u8]) -> Vec<u8> {
    guarded(|| Summary::build(message).encode()).unwrap_or_else(|_| minimal(message).encode())
}

/// A summary that tells nothing but sizes: all of the message is one text.
fn minimal(message: &[u8]) -> Summary {
    let size = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let header_len = u32::try_from(trawl_index::mime::header_end(message)).unwrap_or(u32::MAX);
    let text = &message[(header_len as usize).min(message.len())..];
    let lines = memchr::memchr_iter(b'\n', text).count();
    let body =
        format!("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" {} {lines})", size.saturating_sub(header_len));
    let extended = format!(
        "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" {} {lines} NIL NIL NIL NIL)",
        size.saturating_sub(header_len)
    );
    Summary {
        size,
        header_len,
        envelope: b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)".to_vec(),
        body: body.into_bytes(),
        body_structure: extended.into_bytes(),
        ..Summary::default()
    }
}

/// Bytes of messages that wait to be analysed, or to be sorted, or of results that are kept up to date, over all connections of a core.
/// Clones are the same budget.
///
/// What a connection takes in does not bound its memory by itself; this does for all of them together.
#[derive(Clone)]
pub struct Budget {
    all: u64,
    left: Rc<Cell<u64>>,
    freed: Event,
}

impl Budget {
    pub fn new(all: u64) -> Budget {
        Budget { all, left: Rc::new(Cell::new(all)), freed: Event::new() }
    }

    /// Waits until `bytes` are free, and holds them until the result is dropped. More than the whole budget waits for
    /// all of it.
    pub async fn take(&self, bytes: u64) -> Held {
        let bytes = bytes.min(self.all);
        self.freed.until(|| self.left.get() >= bytes).await;
        self.left.set(self.left.get() - bytes);
        Held { budget: self.clone(), bytes }
    }

    /// Holds nothing yet: see [`Held::resize`].
    pub fn none(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

/// Bytes taken from a [`Budget`].
pub struct Held {
    budget: Budget,
    bytes: u64,
}

impl Held {
    /// Holds so many bytes from now on; `false`: there are not so many free, and nothing changes.
    pub fn resize(&mut self, bytes: u64) -> bool {
        let Some(left) = (self.budget.left.get() + self.bytes).checked_sub(bytes) else { return false };
        self.budget.left.set(left);
        if std::mem::replace(&mut self.bytes, bytes) > bytes {
            self.budget.freed.notify();
        }
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.left.set(self.budget.left.get() + self.bytes);
        self.budget.freed.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    #[test]
    fn large_messages_leave_the_executor() {
        assert!(is_inline(0));
        assert!(is_inline(limits::ANALYSE_INLINE_BYTES_MAX));
        assert!(!is_inline(limits::ANALYSE_INLINE_BYTES_MAX + 1));
    }

    #[test]
    fn the_least_summary_is_about_the_whole_message() {
        let summary = minimal(b"A: b\r\n\r\none\r\ntwo\r\n");
        assert_eq!((summary.size, summary.header_len), (18, 8));
        assert_eq!(summary.body, b"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" 10 2)");
    }

    #[test]
    fn who_wants_more_than_is_left_waits() {
        let budget = Budget::new(100);
        block_on(async {
            let first = budget.take(90).await;
            let second = budget.take(10).await;
            let mut third = Box::pin(budget.take(1));
            assert!(poll_once(&mut third).await.is_none());
            drop(second);
            assert!(poll_once(&mut third).await.is_some());
            let mut whole = Box::pin(budget.take(u64::MAX));
            assert!(poll_once(&mut whole).await.is_none());
            drop(first);
            assert!(poll_once(&mut whole).await.is_some());
        });
    }

    #[test]
    fn what_is_held_can_grow_and_shrink() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.none(), budget.none());
        assert!(one.resize(60) && !other.resize(41) && other.resize(40));
        assert!(!one.resize(61) && one.resize(10) && other.resize(90) && !other.resize(91));
        drop(one);
        assert!(other.resize(100));
    }
}
