//! What keeps expunged messages readable: a session's lease on a mailbox as it was at a version, and the
//! ghosts, rows that were expunged while a lease from before was held.
//!
//! Not here: the session's list of UIDs (the server's) and message content (immutable anyway). It holds: a ghost
//! lives exactly as long as some lease is older than its expunge; without leases there are none.

use crate::types::{Row, Uid};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Clone, Copy)]
struct Ghost {
    row: Row,
    /// The mailbox's version from which on the row is gone.
    gone_at: u64,
}

/// The leases and ghosts of one mailbox.
#[derive(Default)]
pub(crate) struct Views {
    /// How many leases are at each version.
    leases: RefCell<BTreeMap<u64, u32>>,
    ghosts: RefCell<BTreeMap<Uid, Ghost>>,
}

impl Views {
    pub(crate) fn lease(self: &Rc<Self>, version: u64) -> ViewLease {
        *self.leases.borrow_mut().entry(version).or_default() += 1;
        ViewLease { views: Rc::clone(self), version: Cell::new(version) }
    }

    /// Keeps the expunged rows for the leases there are; `version` is the mailbox's after the expunge.
    pub(crate) fn expunged(&self, rows: &[Row], version: u64) {
        if self.leases.borrow().is_empty() {
            return;
        }
        let mut ghosts = self.ghosts.borrow_mut();
        for row in rows {
            ghosts.insert(row.uid, Ghost { row: *row, gone_at: version });
        }
    }

    /// Whether anybody could see an expunged row.
    pub(crate) fn are_held(&self) -> bool {
        !self.leases.borrow().is_empty()
    }

    fn release(&self, version: u64) {
        let mut leases = self.leases.borrow_mut();
        if let Some(count) = leases.get_mut(&version) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&version);
            }
        }
        let oldest = leases.keys().next().copied();
        let mut ghosts = self.ghosts.borrow_mut();
        match oldest {
            None => ghosts.clear(),
            // Only the departure of the oldest lease can set ghosts free.
            Some(oldest) if oldest > version => ghosts.retain(|_, ghost| ghost.gone_at > oldest),
            Some(_) => {}
        }
    }

    #[cfg(test)]
    pub(crate) fn ghosts_len(&self) -> usize {
        self.ghosts.borrow().len()
    }
}

/// A promise that rows expunged after the lease's version can still be read. Dropping it ends the promise.
pub struct ViewLease {
    views: Rc<Views>,
    version: Cell<u64>,
}

impl ViewLease {
    /// The version of the mailbox that the view shows.
    pub fn version(&self) -> u64 {
        self.version.get()
    }

    /// The view was brought up to `version` (it holds nothing that was expunged until then). Never goes back.
    pub fn advance(&self, version: u64) {
        let before = self.version.get();
        if version > before {
            *self.views.leases.borrow_mut().entry(version).or_default() += 1;
            self.version.set(version);
            self.views.release(before);
        }
    }

    /// The row as it was when it was expunged after the lease's version; `None` when it was not.
    pub fn ghost(&self, uid: Uid) -> Option<Row> {
        let ghost = self.views.ghosts.borrow().get(&uid).copied()?;
        (ghost.gone_at > self.version.get()).then_some(ghost.row)
    }
}

impl Drop for ViewLease {
    fn drop(&mut self) {
        self.views.release(self.version.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Flags, MessageNumber, ModSeq};

    #[test]
    fn ghosts_live_as_long_as_an_older_lease() {
        let views = Rc::new(Views::default());
        let row = |uid| Row {
            uid: Uid::new(uid).unwrap(),
            message: MessageNumber(uid),
            flags: Flags::SEEN,
            modseq: ModSeq::FIRST,
            save_date: 0,
        };
        views.expunged(&[row(1)], 1);
        assert_eq!(views.ghosts_len(), 0, "nobody could see it");
        let old = views.lease(1);
        let new = views.lease(2);
        views.expunged(&[row(2)], 2);
        views.expunged(&[row(3)], 3);
        assert_eq!(old.ghost(row(2).uid), Some(row(2)));
        assert_eq!(new.ghost(row(2).uid), None, "the newer view never held it");
        assert_eq!(new.ghost(row(3).uid), Some(row(3)));
        old.advance(2);
        assert_eq!((views.ghosts_len(), old.ghost(row(3).uid)), (1, Some(row(3))));
        drop(new);
        old.advance(3);
        assert_eq!(views.ghosts_len(), 0);
        views.expunged(&[row(4)], 4);
        drop(old);
        assert_eq!(views.ghosts_len(), 0);
    }
}
