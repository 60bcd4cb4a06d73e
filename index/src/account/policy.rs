//! When a tail becomes a segment, and which segments become one. Pure.
//!
//! What must hold: an account of n messages has few segments, each message is written a few times only (once when it is
//! built, about twice more by merges), no segment grows beyond its bounds, and segments stay in the order of their messages.
//!
//! A segment's *weight* is how much of the largest allowed segment it is, by live messages or by text, whichever is more.
//! Levels are powers of [`FANOUT`] below 1: a run of neighbours that are small for a level is merged once together they
//! fill it.

use super::bounds::Bounds;
use crate::limits::{
    INDEX_BUILD_BYTES, INDEX_BUILD_MESSAGES, INDEX_BUILD_PRESSED_MESSAGES, SEGMENT_MESSAGES_MAX,
    SEGMENTS_WAITING_MAX,
};

/// What the policy knows of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    pub docs: u32,
    /// Bytes of normalised text.
    pub text: u64,
    /// Documents whose message is in no mailbox any more.
    pub dead: u32,
}

/// Messages that no segment covers yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TailSize {
    pub messages: u64,
    /// Octets as stored.
    pub bytes: u64,
    /// There is no memory for their texts.
    pub pressed: bool,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Nothing,
    /// Make a segment of the tail.
    Build,
    /// Make one segment of these neighbours: positions in the list, never empty. One alone is written again without its dead
    /// messages.
    Merge(std::ops::Range<usize>),
}

/// Segments of one level that make one of the next.
const FANOUT: f64 = 8.0;
/// The lowest level: what it merges is smaller than a build of [`INDEX_BUILD_MESSAGES`] usually is.
const LEVELS: i32 = 3;
/// Part of a level that counts as full: merging earlier would write messages more often.
const FULL: f64 = 7.0 / 8.0;
/// Neighbours below the level at which they are merged even if they do not fill it: bounds their number.
const RUN_MAX: usize = 24;

/// The next step for an account with this tail and these segments, oldest first.
pub fn next(tail: TailSize, segments: &[Size], bounds: Bounds) -> Step {
    let least = if tail.pressed { INDEX_BUILD_PRESSED_MESSAGES } else { INDEX_BUILD_MESSAGES };
    let build = tail.messages >= least || tail.messages > 0 && tail.bytes >= INDEX_BUILD_BYTES;
    // A tail is searched more slowly than many segments, so it goes first; but not for ever.
    if build && segments.len() < SEGMENTS_WAITING_MAX {
        return Step::Build;
    }
    match merge(segments, bounds) {
        Some(range) => Step::Merge(range),
        None if build => Step::Build,
        None => Step::Nothing,
    }
}

fn weight(size: &Size, bounds: Bounds) -> f64 {
    let live = f64::from(size.docs.saturating_sub(size.dead));
    let share = if size.docs == 0 { 0.0 } else { live / f64::from(size.docs) };
    (live / SEGMENT_MESSAGES_MAX as f64).max(size.text as f64 * share / bounds.text() as f64)
}

fn merge(segments: &[Size], bounds: Bounds) -> Option<std::ops::Range<usize>> {
    let weights: Vec<f64> = segments.iter().map(|size| weight(size, bounds)).collect();
    for level in (0..=LEVELS).rev() {
        let full = FANOUT.powi(-level);
        for run in runs(&weights, full / 2.0) {
            if let Some(range) = pack(&weights, run, full, level == LEVELS) {
                return Some(range);
            }
        }
    }
    segments
        .iter()
        .position(|size| size.docs > 0 && u64::from(size.dead) * 2 > u64::from(size.docs))
        .map(|at| at..at + 1)
}

/// The longest ranges of neighbours below `limit`, of two or more.
fn runs(weights: &[f64], limit: f64) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for at in 0..=weights.len() {
        if weights.get(at).is_none_or(|weight| *weight >= limit) {
            if at - start >= 2 {
                found.push(start..at);
            }
            start = at + 1;
        }
    }
    found
}

/// The first neighbours of a run that fill a level (or, at the lowest one, are many); what lies behind may still grow.
fn pack(
    weights: &[f64],
    run: std::ops::Range<usize>,
    full: f64,
    lowest: bool,
) -> Option<std::ops::Range<usize>> {
    let (mut start, mut sum) = (run.start, 0.0);
    for at in run.clone() {
        if sum + weights[at] > full {
            if at - start >= 2 {
                return Some(start..at);
            }
            (start, sum) = (at, 0.0);
        }
        sum += weights[at];
        if at + 1 - start >= 2 && (sum >= full * FULL || lowest && at + 1 - start >= FANOUT as usize) {
            return Some(start..at + 1);
        }
    }
    if run.len() < RUN_MAX {
        return None;
    }
    // Many, and still not enough of them to fill the level: the lightest neighbours.
    let window = FANOUT as usize;
    let sum = |at: &usize| weights[*at..at + window].iter().sum::<f64>();
    (run.start..=run.end - window)
        .filter(|at| sum(at) <= full)
        .min_by(|a, b| sum(a).total_cmp(&sum(b)))
        .map(|at| at..at + window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::INDEX_BATCH_MESSAGES_MAX;

    /// An account as the indexing sees it: messages come, steps are done as the policy says.
    #[derive(Default)]
    struct Account {
        bounds: Bounds,
        tail: Vec<(u64, u64)>,
        tail_bytes: u64,
        segments: Vec<Size>,
        messages: u64,
        written: u64,
        most: usize,
    }

    impl Account {
        fn arrive(&mut self, raw: u64, text: u64) {
            self.tail.push((raw, text));
            self.tail_bytes += raw;
            self.messages += 1;
        }

        fn work(&mut self) {
            loop {
                let tail =
                    TailSize { messages: self.tail.len() as u64, bytes: self.tail_bytes, pressed: false };
                match next(tail, &self.segments, self.bounds) {
                    Step::Nothing => break,
                    Step::Build => {
                        let (mut n, mut text) = (0, 0);
                        for (_, t) in self.tail.iter().take(INDEX_BATCH_MESSAGES_MAX) {
                            if n > 0 && text + t > self.bounds.batch_text() {
                                break;
                            }
                            (n, text) = (n + 1, text + t);
                        }
                        self.tail_bytes -= self.tail.drain(..n).map(|(raw, _)| raw).sum::<u64>();
                        self.segments.push(Size { docs: n as u32, text, dead: 0 });
                        self.written += n as u64;
                    }
                    Step::Merge(range) => {
                        assert!(!range.is_empty() && range.end <= self.segments.len());
                        let merged = self.segments[range.clone()].iter().fold(Size::default(), |a, b| Size {
                            docs: a.docs + b.docs - b.dead,
                            text: a.text + b.text * u64::from(b.docs - b.dead) / u64::from(b.docs.max(1)),
                            dead: 0,
                        });
                        assert!(
                            merged.docs as usize <= SEGMENT_MESSAGES_MAX && merged.text <= self.bounds.text()
                        );
                        self.written += u64::from(merged.docs);
                        self.segments.splice(range, [merged]);
                    }
                }
                self.most = self.most.max(self.segments.len());
            }
        }

        fn amplification(&self) -> f64 {
            self.written as f64 / self.messages as f64
        }
    }

    #[test]
    fn a_million_messages_one_by_one() {
        let mut account = Account::default();
        for n in 0..1_000_000u64 {
            let size = 1_000 + n * 7919 % 9_000;
            account.arrive(size, size / 2);
            account.work();
        }
        eprintln!(
            "{} segments, at most {}, each message written {:.2} times",
            account.segments.len(),
            account.most,
            account.amplification()
        );
        assert!(account.segments.len() <= 50 && account.most <= 60);
        assert!(account.amplification() <= 3.0);
        assert!(account.tail.len() < INDEX_BUILD_MESSAGES as usize);
    }

    #[test]
    fn a_million_messages_at_once() {
        let mut account = Account::default();
        for n in 0..1_000_000u64 {
            let size = 1_000 + n * 7919 % 9_000;
            account.arrive(size, size / 2);
        }
        account.work();
        eprintln!(
            "{} segments, at most {}, each message written {:.2} times",
            account.segments.len(),
            account.most,
            account.amplification()
        );
        assert!(account.segments.len() <= 50 && account.most <= SEGMENTS_WAITING_MAX + 1);
        assert!(account.amplification() <= 2.1);
    }

    /// Sizes of messages and of what arrives between two looks vary without any order.
    #[test]
    fn any_mixture_stays_bounded() {
        let mut state = 1u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut worst = 0.0f64;
        for _ in 0..60 {
            let bounds = Bounds::of_memory(random(3 << 30));
            let mut account = Account { bounds, ..Account::default() };
            let largest = 1 << random(24);
            let burst = 1 + random(15);
            let mut total = 0u64;
            while account.messages < 120_000 && total < 40_000_000_000 {
                for _ in 0..1 << random(burst) {
                    let raw = 300 + random(largest);
                    total += raw;
                    account.arrive(raw, raw >> random(8));
                }
                account.work();
            }
            let text: u64 = account.segments.iter().map(|size| size.text).sum();
            let whole =
                (account.messages / SEGMENT_MESSAGES_MAX as u64 + text / account.bounds.text()) as usize;
            assert!(
                account.segments.len() <= 2 * whole + 40,
                "{} segments, {whole} full ones",
                account.segments.len()
            );
            worst = worst.max(account.amplification());
        }
        eprintln!("each message written at most {worst:.2} times");
        assert!(worst <= 4.0);
    }

    #[test]
    fn dead_messages_are_dropped_in_time() {
        let full = Size { docs: SEGMENT_MESSAGES_MAX as u32, text: 1 << 20, dead: 0 };
        let half_dead = Size { dead: full.docs / 2 + 1, ..full };
        let next = |segments: &[Size]| super::next(TailSize::default(), segments, Bounds::default());
        assert_eq!(next(&[full, full]), Step::Nothing);
        assert_eq!(next(&[full, half_dead, full]), Step::Merge(1..2));
        assert_eq!(next(&[half_dead, half_dead]), Step::Merge(0..2), "two halves make a whole");
        assert_eq!(next(&[Size { dead: full.docs, ..full }]), Step::Merge(0..1));
        assert_eq!(next(&[]), Step::Nothing);
    }

    #[test]
    fn a_tail_is_built_by_number_or_by_bytes() {
        for (messages, bytes, expected) in [
            (INDEX_BUILD_MESSAGES, 1, Step::Build),
            (INDEX_BUILD_MESSAGES - 1, INDEX_BUILD_BYTES - 1, Step::Nothing),
            (1, INDEX_BUILD_BYTES, Step::Build),
            (0, INDEX_BUILD_BYTES, Step::Nothing),
        ] {
            assert_eq!(next(TailSize { messages, bytes, pressed: false }, &[], Bounds::default()), expected);
        }
        let pressed = |messages| next(TailSize { messages, bytes: 1, pressed: true }, &[], Bounds::default());
        assert_eq!(pressed(INDEX_BUILD_PRESSED_MESSAGES - 1), Step::Nothing);
        assert_eq!(pressed(INDEX_BUILD_PRESSED_MESSAGES), Step::Build);
    }
}
