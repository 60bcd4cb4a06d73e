//! Sorting and threading on a lane: what is arranged, and the answer.
//!
//! Not here: which messages, and where what is compared comes from (`command/arrange`). A job has everything it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trawl_index::arrange::{self, Algorithm, Criterion, Item, Order, Pages, Stopped, Wanted};

use super::SearchError;

/// See the module.
pub struct ArrangeJob {
    /// In the order of the mailbox.
    pub items: Vec<Item>,
    pub pages: Pages,
    pub how: How,
    /// Raised when the caller is gone.
    pub cancel: Arc<AtomicBool>,
}

pub enum How {
    Sort(Vec<Criterion>, Wanted),
    /// With what the items are called in the answer.
    Thread(Algorithm, Vec<u32>),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Arranged {
    /// The order of the items, as far as it was wanted.
    Order(Order),
    /// The threads as a THREAD response has them.
    Threads(Vec<u8>),
}

impl Arranged {
    /// How many threads they are.
    pub fn threads(&self) -> Option<u64> {
        let Arranged::Threads(out) = self else { return None };
        let (mut depth, mut threads) = (0u64, 0);
        for byte in out {
            match byte {
                b'(' => {
                    threads += u64::from(depth == 0);
                    depth += 1;
                }
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Some(threads)
    }

    /// Of how many messages the order is known.
    pub fn ordered(&self) -> Option<u64> {
        let Arranged::Order(order) = self else { return None };
        Some(order.known().into())
    }
}

impl ArrangeJob {
    /// Takes some ten milliseconds for 100,000 items.
    pub fn run(&self) -> Result<Arranged, SearchError> {
        let (items, pages) = (&self.items, &self.pages);
        let stop = || self.cancel.load(Ordering::Relaxed);
        let arranged = match &self.how {
            How::Sort(criteria, wanted) => {
                arrange::order(items, pages, criteria, *wanted, &stop).map(Arranged::Order)
            }
            How::Thread(algorithm, numbers) => {
                arrange::thread(items, pages, *algorithm, &stop).map(|threads| {
                    let mut out = Vec::with_capacity(items.len() * 9);
                    threads.write(|item| numbers.get(item as usize).copied().unwrap_or_default(), &mut out);
                    Arranged::Threads(out)
                })
            }
        };
        arranged.map_err(|Stopped| SearchError::Cancelled)
    }
}
