//! Evaluation of the search keys that mailbox state answers: flags, keywords, dates, sizes, sets.
//!
//! Pure and synchronous over windows of rows: the caller reads a window, hands it in, and may yield
//! before the next. Not here: the program around the keys (`plan`), and text.
//! What must hold: windows come in ascending order of position without gaps, so that each bitmap is
//! built by appending; a key sees nothing but the row.

use roaring::RoaringBitmap;
use trawl_store::types::{Flags, Uid, ZonedTime};

/// What the state keys look at: one message as this session's view holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchRow {
    pub uid: Uid,
    pub flags: Flags,
    pub internal: ZonedTime,
    /// Days since 1970-01-01 of the Date field as written; `None` without a readable one.
    pub sent_day: Option<i32>,
    /// RFC822.SIZE, bytes.
    pub size: u32,
    /// `\Recent` in this session (RFC 3501 2.3.2).
    pub recent: bool,
}

/// One key of RFC 3501 6.4.4, RFC 9051 6.4.4 or RFC 5032 that a row decides alone. Days are days
/// since 1970-01-01 as written in the message; a message without a Date field matches no SENT key.
#[derive(Clone, Debug, PartialEq)]
pub enum StateKey {
    /// Positions in the view: sequence sets, resolved.
    Positions(RoaringBitmap),
    /// UIDs: UID sets and `$`, resolved.
    Uids(RoaringBitmap),
    /// All of these flags are set.
    Has(Flags),
    /// None of these flags is set.
    Lacks(Flags),
    Recent,
    Before(i32),
    On(i32),
    Since(i32),
    SentBefore(i32),
    SentOn(i32),
    SentSince(i32),
    /// Strictly more bytes than this.
    Larger(u64),
    /// Strictly fewer bytes than this.
    Smaller(u64),
    /// INTERNALDATE at or before this second (RFC 5032 OLDER).
    Older(i64),
    /// INTERNALDATE at or after this second (RFC 5032 YOUNGER).
    Younger(i64),
}

impl StateKey {
    /// Whether the message at `position` of the view matches.
    pub fn matches(&self, position: u32, row: &SearchRow) -> bool {
        let sent = |test: &dyn Fn(i32) -> bool| row.sent_day.is_some_and(test);
        match self {
            StateKey::Positions(set) => set.contains(position),
            StateKey::Uids(set) => set.contains(row.uid.get()),
            StateKey::Has(flags) => row.flags.contains(*flags),
            StateKey::Lacks(flags) => row.flags.0 & flags.0 == 0,
            StateKey::Recent => row.recent,
            StateKey::Before(day) => row.internal.day() < *day,
            StateKey::On(day) => row.internal.day() == *day,
            StateKey::Since(day) => row.internal.day() >= *day,
            StateKey::SentBefore(day) => sent(&|at| at < *day),
            StateKey::SentOn(day) => sent(&|at| at == *day),
            StateKey::SentSince(day) => sent(&|at| at >= *day),
            StateKey::Larger(bytes) => u64::from(row.size) > *bytes,
            StateKey::Smaller(bytes) => u64::from(row.size) < *bytes,
            StateKey::Older(second) => row.internal.seconds <= *second,
            StateKey::Younger(second) => row.internal.seconds >= *second,
        }
    }
}

/// The bitmaps of several keys, filled window by window.
#[derive(Debug)]
pub struct Evaluation {
    keys: Vec<StateKey>,
    hits: Vec<RoaringBitmap>,
    scratch: Vec<u32>,
}

impl Evaluation {
    pub fn new(keys: Vec<StateKey>) -> Evaluation {
        let hits = vec![RoaringBitmap::new(); keys.len()];
        Evaluation { keys, hits, scratch: Vec::new() }
    }

    /// Nothing to evaluate: no row need be read.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Evaluates every key over `rows`, the first of which is at `first`. Rows that are no longer
    /// known are `None` and match nothing.
    pub fn window(&mut self, first: u32, rows: &[Option<SearchRow>]) {
        for (key, hits) in self.keys.iter().zip(&mut self.hits) {
            self.scratch.clear();
            self.scratch.extend(
                (first..)
                    .zip(rows)
                    .filter(|(position, row)| row.as_ref().is_some_and(|row| key.matches(*position, row)))
                    .map(|(position, _)| position),
            );
            let appended = hits.append(self.scratch.iter().copied());
            debug_assert!(appended.is_ok(), "windows come in order");
        }
    }

    /// One bitmap of view positions for each key, in the order of the keys.
    pub fn finish(self) -> Vec<RoaringBitmap> {
        self.hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(uid: u32) -> SearchRow {
        SearchRow {
            uid: Uid::new(uid).unwrap(),
            flags: Flags::SEEN,
            internal: ZonedTime { seconds: 86_400 * 10 + 3_600, zone_minutes: -120 },
            sent_day: Some(5),
            size: 1000,
            recent: false,
        }
    }

    #[test]
    fn days_are_the_days_as_written() {
        // 01:00 UTC on day 10 is 23:00 on day 9 in the zone it was written in.
        assert!(StateKey::On(9).matches(0, &row(1)));
        assert!(!StateKey::On(10).matches(0, &row(1)));
        assert!(StateKey::Before(10).matches(0, &row(1)));
        assert!(!StateKey::Before(9).matches(0, &row(1)));
        assert!(StateKey::Since(9).matches(0, &row(1)));
        assert!(!StateKey::Since(10).matches(0, &row(1)));
    }

    #[test]
    fn a_message_without_a_date_matches_no_sent_key() {
        let undated = SearchRow { sent_day: None, ..row(1) };
        for key in [StateKey::SentBefore(99), StateKey::SentOn(5), StateKey::SentSince(-99)] {
            assert!(key.matches(0, &row(1)) || key == StateKey::SentOn(4));
            assert!(!key.matches(0, &undated), "{key:?}");
        }
    }

    #[test]
    fn sizes_are_strict_and_ages_are_not() {
        assert!(!StateKey::Larger(1000).matches(0, &row(1)));
        assert!(StateKey::Larger(999).matches(0, &row(1)));
        assert!(!StateKey::Smaller(1000).matches(0, &row(1)));
        assert!(StateKey::Smaller(1001).matches(0, &row(1)));
        let at = row(1).internal.seconds;
        assert!(StateKey::Older(at).matches(0, &row(1)));
        assert!(!StateKey::Older(at - 1).matches(0, &row(1)));
        assert!(StateKey::Younger(at).matches(0, &row(1)));
        assert!(!StateKey::Younger(at + 1).matches(0, &row(1)));
    }

    fn any_row() -> impl Strategy<Value = Option<SearchRow>> {
        let known =
            (1u32..200, 0u128..8, -5i64..5, -90i16..90, prop::option::of(-3i32..3), 0u32..20, any::<bool>())
                .prop_map(|(uid, flags, half_days, zone_minutes, sent_day, size, recent)| {
                    let internal = ZonedTime { seconds: half_days * 43_200, zone_minutes };
                    let uid = Uid::new(uid).unwrap();
                    SearchRow { uid, flags: Flags(flags), internal, sent_day, size, recent }
                });
        prop::option::weighted(0.95, known)
    }

    fn any_key() -> impl Strategy<Value = StateKey> {
        prop_oneof![
            prop::collection::vec(0u32..300, 0..20)
                .prop_map(|set| StateKey::Positions(set.into_iter().collect())),
            prop::collection::vec(1u32..200, 0..20).prop_map(|set| StateKey::Uids(set.into_iter().collect())),
            (0u128..8).prop_map(|flags| StateKey::Has(Flags(flags))),
            (0u128..8).prop_map(|flags| StateKey::Lacks(Flags(flags))),
            Just(StateKey::Recent),
            (-4i32..4).prop_map(StateKey::Before),
            (-4i32..4).prop_map(StateKey::On),
            (-4i32..4).prop_map(StateKey::Since),
            (-4i32..4).prop_map(StateKey::SentBefore),
            (-4i32..4).prop_map(StateKey::SentOn),
            (-4i32..4).prop_map(StateKey::SentSince),
            (0u64..21).prop_map(StateKey::Larger),
            (0u64..21).prop_map(StateKey::Smaller),
            (-300_000i64..300_000).prop_map(StateKey::Older),
            (-300_000i64..300_000).prop_map(StateKey::Younger),
        ]
    }

    proptest! {
        #[test]
        fn windows_of_any_size_give_what_one_look_at_each_row_gives(
            rows in prop::collection::vec(any_row(), 0..300),
            keys in prop::collection::vec(any_key(), 0..5),
            window in 1usize..100,
        ) {
            let mut evaluation = Evaluation::new(keys.clone());
            let mut first = 0;
            for rows in rows.chunks(window) {
                evaluation.window(first, rows);
                first += rows.len() as u32;
            }
            for (key, hits) in keys.iter().zip(evaluation.finish()) {
                for (position, row) in (0u32..).zip(&rows) {
                    let naive = row.is_some_and(|row| key.matches(position, &row));
                    prop_assert_eq!(hits.contains(position), naive, "{:?} at {}", key, position);
                }
            }
        }
    }
}
