//! Evaluation of the search keys that rows answer: flags, keywords, dates, sizes.
//!
//! Pure and synchronous over windows of rows: the caller reads a window, hands it in, and may yield before the next. A
//! mailbox that the view shows as it is comes as blocks, column by column, which costs a few nanoseconds a message; a view
//! with messages that others expunged comes row by row. Not here: the program around the keys (`plan`), keys on
//! positions, UIDs and \Recent (`plan` resolves them without rows), and text.
//! What must hold: a key sees nothing but the row; both ways give the same, but where a key that the program requires says no:
//! there the others may say anything.

use std::ops::Range;

use roaring::RoaringBitmap;
use trawl_store::state::rows::RowBlock;
use trawl_store::types::{Flags, MessageFacts, MessageNumber, ZonedTime};

/// What the state keys look at: one message as this session's view holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchRow {
    pub flags: Flags,
    pub internal: ZonedTime,
    /// Days since 1970-01-01 of the Date field as written; `None` without a readable one.
    pub sent_day: Option<i32>,
    /// RFC822.SIZE, bytes.
    pub size: u32,
    /// When it came into the mailbox, seconds since 1970 (RFC 8514).
    pub saved: u32,
    pub message: MessageNumber,
    /// First message of its thread.
    pub thread: MessageNumber,
}

/// One key of RFC 3501 6.4.4, RFC 9051 6.4.4, RFC 5032, RFC 8474 or RFC 8514 that a row decides alone. Days are days
/// since 1970-01-01 as written in the message, of SAVED keys in UTC, which is how FETCH SAVEDATE shows it; a message without
/// a Date field matches no SENT key.
#[derive(Clone, Debug, PartialEq)]
pub enum StateKey {
    /// All of these flags are set.
    Has(Flags),
    /// None of these flags is set.
    Lacks(Flags),
    Before(i32),
    On(i32),
    Since(i32),
    SentBefore(i32),
    SentOn(i32),
    SentSince(i32),
    SavedBefore(i32),
    SavedOn(i32),
    SavedSince(i32),
    /// It is this message (EMAILID).
    Is(MessageNumber),
    /// This is the first message of its thread (THREADID).
    InThread(MessageNumber),
    /// Strictly more bytes than this.
    Larger(u64),
    /// Strictly fewer bytes than this.
    Smaller(u64),
    /// INTERNALDATE at or before this second (RFC 5032 OLDER).
    Older(i64),
    /// INTERNALDATE at or after this second (RFC 5032 YOUNGER).
    Younger(i64),
}

/// What a message is dated and how large it is, in the form the loops compare.
#[derive(Clone, Copy, Debug)]
struct Facts {
    seconds: i64,
    /// Seconds on the clock of the zone that was written: a day begins where it divides by 86,400.
    local: i64,
    sent_day: Option<i32>,
    size: u64,
    thread: MessageNumber,
}

impl Facts {
    fn new(internal: ZonedTime, sent_day: Option<i32>, size: u32, thread: MessageNumber) -> Facts {
        let seconds = internal.seconds;
        let local = seconds + i64::from(internal.zone_minutes) * 60;
        Facts { seconds, local, sent_day, size: size.into(), thread }
    }
}

const DAY_SECONDS: i64 = 86_400;

/// The second at which a day begins.
fn midnight(day: i32) -> i64 {
    i64::from(day) * DAY_SECONDS
}

impl StateKey {
    /// Whether the mailbox's row decides it, not the facts of the message.
    pub fn is_on_row(&self) -> bool {
        matches!(self, StateKey::Has(_) | StateKey::Lacks(_) | StateKey::Is(_)) || self.saved().is_some()
    }

    fn on_flags(&self, flags: Flags) -> bool {
        match self {
            StateKey::Has(wanted) => flags.contains(*wanted),
            StateKey::Lacks(unwanted) => flags.0 & unwanted.0 == 0,
            _ => false,
        }
    }

    /// The seconds of save dates that match, of a key on them.
    fn saved(&self) -> Option<Range<i64>> {
        match *self {
            StateKey::SavedBefore(day) => Some(i64::MIN..midnight(day)),
            StateKey::SavedOn(day) => Some(midnight(day)..midnight(day) + DAY_SECONDS),
            StateKey::SavedSince(day) => Some(midnight(day)..i64::MAX),
            _ => None,
        }
    }

    /// Sets the bits of the messages that match, by position; one loop for each kind of key.
    fn on_facts(&self, words: &mut [u64], known: &[(u32, Facts)]) {
        match *self {
            StateKey::Has(_)
            | StateKey::Lacks(_)
            | StateKey::Is(_)
            | StateKey::SavedBefore(_)
            | StateKey::SavedOn(_)
            | StateKey::SavedSince(_) => {}
            StateKey::Before(day) => set_where(words, known, |f| f.local < midnight(day)),
            StateKey::On(day) => {
                let (from, to) = (midnight(day), midnight(day) + DAY_SECONDS);
                set_where(words, known, |f| (from..to).contains(&f.local));
            }
            StateKey::Since(day) => set_where(words, known, |f| f.local >= midnight(day)),
            StateKey::SentBefore(day) => set_where(words, known, |f| f.sent_day.is_some_and(|at| at < day)),
            StateKey::SentOn(day) => set_where(words, known, |f| f.sent_day == Some(day)),
            StateKey::SentSince(day) => set_where(words, known, |f| f.sent_day.is_some_and(|at| at >= day)),
            StateKey::InThread(first) => set_where(words, known, |f| f.thread == first),
            StateKey::Larger(bytes) => set_where(words, known, |f| f.size > bytes),
            StateKey::Smaller(bytes) => set_where(words, known, |f| f.size < bytes),
            StateKey::Older(second) => set_where(words, known, |f| f.seconds <= second),
            StateKey::Younger(second) => set_where(words, known, |f| f.seconds >= second),
        }
    }
}

fn set_where(words: &mut [u64], known: &[(u32, Facts)], test: impl Fn(&Facts) -> bool) {
    for (position, facts) in known {
        if let Some(word) = words.get_mut((position / 64) as usize) {
            *word |= u64::from(test(facts)) << (position % 64);
        }
    }
}

/// Sets bits of positions from a first one on.
struct BitRun<'a> {
    words: &'a mut [u64],
    first: u32,
}

impl BitRun<'_> {
    /// Positions beyond the words are left out.
    fn extend<T>(&mut self, items: impl Iterator<Item = T>, test: impl Fn(T) -> bool) {
        let (mut at, mut word) = (self.first as usize, 0u64);
        for item in items {
            word |= u64::from(test(item)) << (at & 63);
            at += 1;
            if at & 63 == 0 {
                self.merge(at / 64 - 1, word);
                word = 0;
            }
        }
        if word != 0 {
            self.merge(at / 64, word);
        }
    }

    fn merge(&mut self, index: usize, word: u64) {
        if let Some(known) = self.words.get_mut(index) {
            *known |= word;
        }
    }
}

/// The positions that several keys match, found window by window.
#[derive(Debug)]
pub struct Evaluation {
    keys: Vec<StateKey>,
    words: Vec<Vec<u64>>,
    /// Keys on rows that the program requires: facts, which cost most, are looked up only where these say yes.
    required: Vec<usize>,
    /// Facts of a block, kept for its memory.
    known: Vec<(u32, Facts)>,
}

impl Evaluation {
    /// `required` are keys without which no message matches; `messages` is the size of the view, the bound of positions.
    pub fn new(keys: Vec<StateKey>, required: &[usize], messages: u32) -> Evaluation {
        let words = vec![vec![0; messages.div_ceil(64) as usize]; keys.len()];
        let on_row = |key: &usize| keys.get(*key).is_some_and(StateKey::is_on_row);
        let required = required.iter().copied().filter(on_row).collect();
        Evaluation { keys, words, required, known: Vec::new() }
    }

    /// Nothing to evaluate: no row need be read.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Evaluates every key over `rows`, the first of which is at `first`. Rows that are no longer
    /// known are `None` and match nothing.
    pub fn rows(&mut self, first: u32, rows: &[Option<SearchRow>]) {
        let facts = |(position, row): (u32, &Option<SearchRow>)| {
            row.map(|row| (position, Facts::new(row.internal, row.sent_day, row.size, row.thread)))
        };
        let known: Vec<(u32, Facts)> = (first..).zip(rows).filter_map(facts).collect();
        for (key, words) in self.keys.iter().zip(&mut self.words) {
            let mut bits = BitRun { words, first };
            if let StateKey::Is(message) = key {
                bits.extend(rows.iter(), |row| row.is_some_and(|row| row.message == *message));
            } else if let Some(saved) = key.saved() {
                bits.extend(rows.iter(), |row| row.is_some_and(|row| saved.contains(&i64::from(row.saved))));
            } else if key.is_on_row() {
                bits.extend(rows.iter(), |row| row.is_some_and(|row| key.on_flags(row.flags)));
            } else {
                key.on_facts(words, &known);
            }
        }
    }

    /// There are so many positions from now on.
    pub fn grow(&mut self, messages: u32) {
        self.words.iter_mut().for_each(|words| words.resize(messages.div_ceil(64) as usize, 0));
    }

    /// The same over a block of the mailbox itself, whose positions are those of the view, from `start` on.
    pub fn block(
        &mut self,
        start: u32,
        block: &RowBlock<'_>,
        facts: impl Fn(MessageNumber) -> Option<MessageFacts>,
    ) {
        let first = start + block.first();
        for (key, words) in self.keys.iter().zip(&mut self.words) {
            let mut bits = BitRun { words, first };
            match key {
                // Flags that rows hold in one word.
                StateKey::Has(wanted) if wanted.0 >> 32 == 0 => {
                    let wanted = wanted.0 as u32;
                    bits.extend(block.low_flags(), |flags| flags & wanted == wanted);
                }
                StateKey::Lacks(unwanted) if unwanted.0 >> 32 == 0 => {
                    let unwanted = unwanted.0 as u32;
                    bits.extend(block.low_flags(), |flags| flags & unwanted == 0);
                }
                StateKey::Has(_) | StateKey::Lacks(_) => {
                    bits.extend(block.flags(), |flags| key.on_flags(flags));
                }
                StateKey::Is(wanted) => bits.extend(block.messages(), |message| message == *wanted),
                _ => {
                    if let Some(saved) = key.saved() {
                        bits.extend(block.save_dates(), |second| saved.contains(&i64::from(second)));
                    }
                }
            }
        }
        if self.keys.iter().all(StateKey::is_on_row) {
            return;
        }
        self.known.clear();
        let (mut at, mut open) = (usize::MAX, 0);
        for (message, position) in block.messages().zip(first..) {
            let index = (position / 64) as usize;
            if index != at {
                let word = |key: &usize| self.words[*key].get(index).copied().unwrap_or(0);
                (at, open) = (index, self.required.iter().map(word).fold(!0, |all, word| all & word));
            }
            if open >> (position % 64) & 1 == 1
                && let Some(facts) = facts(message)
            {
                let MessageFacts { internal, sent_day, size, thread, .. } = facts;
                self.known.push((position, Facts::new(internal, sent_day, size, thread)));
            }
        }
        for (key, words) in self.keys.iter().zip(&mut self.words) {
            key.on_facts(words, &self.known);
        }
    }

    /// The same over facts of messages, whose numbers are their positions; keys on rows are not evaluated.
    pub fn messages(&mut self, facts: impl Iterator<Item = (u32, MessageFacts)>) {
        self.known.clear();
        self.known.extend(facts.map(|(message, facts)| {
            let MessageFacts { internal, sent_day, size, thread, .. } = facts;
            (message, Facts::new(internal, sent_day, size, thread))
        }));
        for (key, words) in self.keys.iter().zip(&mut self.words) {
            key.on_facts(words, &self.known);
        }
    }

    /// One bitmap of view positions for each key, in the order of the keys.
    pub fn finish(self) -> Vec<RoaringBitmap> {
        let set = |words: Vec<u64>| {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            RoaringBitmap::from_lsb0_bytes(0, &bytes)
        };
        self.words.into_iter().map(set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trawl_store::log::Address;
    use trawl_store::state::rows::Rows;
    use trawl_store::types::{ModSeq, Row, Uid};

    fn row() -> SearchRow {
        SearchRow {
            flags: Flags::SEEN,
            internal: ZonedTime { seconds: 86_400 * 10 + 3_600, zone_minutes: -120 },
            sent_day: Some(5),
            size: 1000,
            saved: 86_400 * 20,
            message: MessageNumber(7),
            thread: MessageNumber(4),
        }
    }

    /// What a key means, said without loops.
    fn naive(key: &StateKey, row: &SearchRow) -> bool {
        let sent = |test: &dyn Fn(i32) -> bool| row.sent_day.is_some_and(test);
        match key {
            StateKey::Has(flags) => row.flags.contains(*flags),
            StateKey::Lacks(flags) => row.flags.0 & flags.0 == 0,
            StateKey::Before(day) => row.internal.day() < *day,
            StateKey::On(day) => row.internal.day() == *day,
            StateKey::Since(day) => row.internal.day() >= *day,
            StateKey::SentBefore(day) => sent(&|at| at < *day),
            StateKey::SentOn(day) => sent(&|at| at == *day),
            StateKey::SentSince(day) => sent(&|at| at >= *day),
            StateKey::SavedBefore(day) => i64::from(row.saved).div_euclid(DAY_SECONDS) < i64::from(*day),
            StateKey::SavedOn(day) => i64::from(row.saved).div_euclid(DAY_SECONDS) == i64::from(*day),
            StateKey::SavedSince(day) => i64::from(row.saved).div_euclid(DAY_SECONDS) >= i64::from(*day),
            StateKey::Is(message) => row.message == *message,
            StateKey::InThread(first) => row.thread == *first,
            StateKey::Larger(bytes) => u64::from(row.size) > *bytes,
            StateKey::Smaller(bytes) => u64::from(row.size) < *bytes,
            StateKey::Older(second) => row.internal.seconds <= *second,
            StateKey::Younger(second) => row.internal.seconds >= *second,
        }
    }

    fn found(key: StateKey, row: SearchRow) -> bool {
        let mut evaluation = Evaluation::new(vec![key], &[], 1);
        evaluation.rows(0, &[Some(row)]);
        evaluation.finish()[0].contains(0)
    }

    #[test]
    fn days_are_the_days_as_written() {
        // 01:00 UTC on day 10 is 23:00 on day 9 in the zone it was written in.
        assert!(found(StateKey::On(9), row()) && !found(StateKey::On(10), row()));
        assert!(found(StateKey::Before(10), row()) && !found(StateKey::Before(9), row()));
        assert!(found(StateKey::Since(9), row()) && !found(StateKey::Since(10), row()));
    }

    #[test]
    fn a_message_without_a_date_matches_no_sent_key() {
        let undated = SearchRow { sent_day: None, ..row() };
        for key in [StateKey::SentBefore(99), StateKey::SentOn(5), StateKey::SentSince(-99)] {
            assert!(found(key.clone(), row()));
            assert!(!found(key, undated));
        }
    }

    #[test]
    fn sizes_are_strict_and_ages_are_not() {
        assert!(!found(StateKey::Larger(1000), row()) && found(StateKey::Larger(999), row()));
        assert!(!found(StateKey::Smaller(1000), row()) && found(StateKey::Smaller(1001), row()));
        let at = row().internal.seconds;
        assert!(found(StateKey::Older(at), row()) && !found(StateKey::Older(at - 1), row()));
        assert!(found(StateKey::Younger(at), row()) && !found(StateKey::Younger(at + 1), row()));
    }

    fn any_row() -> impl Strategy<Value = Option<SearchRow>> {
        let flags = prop_oneof![4 => 0u128..8, 1 => (0u128..8).prop_map(|bits| bits << 31 | bits)];
        let known = (flags, -5i64..5, -90i16..90, prop::option::of(-3i32..3), 0u32..20, 0u32..9, 0u32..5)
            .prop_map(|(flags, half_days, zone_minutes, sent_day, size, saved, thread)| {
                let internal = ZonedTime { seconds: half_days * 43_200, zone_minutes };
                let (message, thread) = (MessageNumber(0), MessageNumber(thread));
                SearchRow {
                    flags: Flags(flags),
                    internal,
                    sent_day,
                    size,
                    saved: saved * 43_200,
                    message,
                    thread,
                }
            });
        prop::option::weighted(0.95, known)
    }

    fn any_key() -> impl Strategy<Value = StateKey> {
        let flags = || prop_oneof![3 => 0u128..8, 1 => Just(1u128 << 31), 1 => Just(1u128 << 33)];
        prop_oneof![
            flags().prop_map(|flags| StateKey::Has(Flags(flags))),
            flags().prop_map(|flags| StateKey::Lacks(Flags(flags))),
            (-4i32..4).prop_map(StateKey::Before),
            (-4i32..4).prop_map(StateKey::On),
            (-4i32..4).prop_map(StateKey::Since),
            (-4i32..4).prop_map(StateKey::SentBefore),
            (-4i32..4).prop_map(StateKey::SentOn),
            (-4i32..4).prop_map(StateKey::SentSince),
            (-1i32..6).prop_map(StateKey::SavedBefore),
            (-1i32..6).prop_map(StateKey::SavedOn),
            (-1i32..6).prop_map(StateKey::SavedSince),
            (0u32..700).prop_map(|n| StateKey::Is(MessageNumber(n))),
            (0u32..5).prop_map(|n| StateKey::InThread(MessageNumber(n))),
            (0u64..21).prop_map(StateKey::Larger),
            (0u64..21).prop_map(StateKey::Smaller),
            (-300_000i64..300_000).prop_map(StateKey::Older),
            (-300_000i64..300_000).prop_map(StateKey::Younger),
        ]
    }

    proptest! {
        #[test]
        fn windows_and_blocks_give_what_one_look_at_each_row_gives(
            mut rows in prop::collection::vec(any_row(), 0..700),
            keys in prop::collection::vec(any_key(), 0..5),
            window in 1u32..200,
            requires: bool,
        ) {
            let messages = rows.len() as u32;
            for (n, row) in (0u32..).zip(&mut rows) {
                row.iter_mut().for_each(|row| row.message = MessageNumber(n));
            }
            let mut by_rows = Evaluation::new(keys.clone(), &[], messages);
            let mut first = 0;
            for rows in rows.chunks(window as usize) {
                by_rows.rows(first, rows);
                first += rows.len() as u32;
            }
            // The message number says which row it is; facts of unknown rows are unknown here as well.
            let mut mailbox = Rows::default();
            for (n, row) in (0u32..).zip(&rows) {
                mailbox.push(&Row {
                    uid: Uid::new(n + 1).unwrap(),
                    message: MessageNumber(n),
                    flags: row.map_or(Flags::default(), |row| row.flags),
                    modseq: ModSeq::FIRST,
                    save_date: row.map_or(0, |row| row.saved),
                });
            }
            let facts = |message: MessageNumber| {
                let row = rows[message.0 as usize]?;
                let address = Address { segment: 1, offset: 0 };
                let SearchRow { size, internal, sent_day, thread, .. } = row;
                Some(MessageFacts { size, internal, sent_day, address, thread })
            };
            let required: Vec<usize> = (0..keys.len()).filter(|_| requires).take(1).collect();
            let mut by_blocks = Evaluation::new(keys.clone(), &required, messages);
            for first in (0..messages).step_by(window as usize) {
                mailbox.blocks(first, first.saturating_add(window)).for_each(|block| by_blocks.block(0, &block, facts));
            }
            let both = by_rows.finish().into_iter().zip(by_blocks.finish());
            for (key, (by_rows, by_blocks)) in keys.iter().zip(both) {
                for (position, row) in (0u32..).zip(&rows) {
                    let wanted = row.is_some_and(|row| naive(key, &row));
                    prop_assert_eq!(by_rows.contains(position), wanted, "{:?} at {}", key, position);
                    let required = required.first().is_none_or(|key| row.is_some_and(|row| naive(&keys[*key], &row)));
                    if row.is_some() && required {
                        prop_assert_eq!(by_blocks.contains(position), wanted, "{:?} at {}", key, position);
                    }
                }
            }
        }
    }
}
