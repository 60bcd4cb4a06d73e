//! How long the pieces of a search waited for lanes and took, noted by the lanes themselves.
//!
//! What must hold: a piece is noted before it is done, so that whoever has the answer knows all of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// An answer from a lane, and what it cost in microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed<T> {
    pub answer: T,
    /// Until a lane began.
    pub waited: u64,
    pub worked: u64,
}

impl<T> Timed<T> {
    /// Without a lane.
    pub fn at_once(answer: T) -> Timed<T> {
        Timed { answer, waited: 0, worked: 0 }
    }
}

/// What pieces look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Segment,
    Prepared,
    Batch,
}

/// What the pieces of one kind cost; nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    pub pieces: u64,
    /// From being queued until the first of them began.
    pub waited: u64,
    /// Of all of them together.
    pub worked: u64,
}

/// See the module. Times are nanoseconds of the lanes' clock.
#[derive(Default)]
pub struct Times {
    queued: AtomicU64,
    kinds: [OfKind; 3],
}

struct OfKind {
    pieces: AtomicU64,
    began: AtomicU64,
    worked: AtomicU64,
}

impl Default for OfKind {
    fn default() -> OfKind {
        OfKind { pieces: AtomicU64::new(0), began: AtomicU64::new(u64::MAX), worked: AtomicU64::new(0) }
    }
}

impl Times {
    pub fn queued(&self, now: u64) {
        self.queued.store(now, Ordering::Relaxed);
    }

    pub fn piece(&self, kind: Kind, began: u64, worked: u64) {
        let of_kind = &self.kinds[kind as usize];
        of_kind.pieces.fetch_add(1, Ordering::Relaxed);
        of_kind.began.fetch_min(began, Ordering::Relaxed);
        of_kind.worked.fetch_add(worked, Ordering::Relaxed);
    }

    pub fn spent(&self, kind: Kind) -> Spent {
        let of_kind = &self.kinds[kind as usize];
        let pieces = of_kind.pieces.load(Ordering::Relaxed);
        if pieces == 0 {
            return Spent::default();
        }
        let began = of_kind.began.load(Ordering::Relaxed);
        let waited = began.saturating_sub(self.queued.load(Ordering::Relaxed));
        Spent { pieces, waited, worked: of_kind.worked.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_kind_are_told_together() {
        let times = Times::default();
        times.queued(100);
        times.piece(Kind::Batch, 150, 7);
        times.piece(Kind::Batch, 130, 8);
        times.piece(Kind::Prepared, 200, 1);
        assert_eq!(times.spent(Kind::Batch), Spent { pieces: 2, waited: 30, worked: 15 });
        assert_eq!(times.spent(Kind::Prepared), Spent { pieces: 1, waited: 100, worked: 1 });
        assert_eq!(times.spent(Kind::Segment), Spent::default());
    }
}
