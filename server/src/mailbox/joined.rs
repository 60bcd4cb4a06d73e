//! Some small mailboxes of an account as one: their messages one behind the other, for searches in many mailboxes.
//!
//! A message's *place* is where it stands in that row. Which messages a mailbox has is kept from one search to the next; UIDs and message
//! numbers never change their meaning, so that its UIDVALIDITY, its next UID and how many it has tell whether it has them still. Not here:
//! flags, which are looked at each time. What must hold: places of a mailbox follow each other in the order of its UIDs; the same
//! message can be at several places.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use roaring::RoaringBitmap;
use trawl_store::state::mailbox::Mailbox;
use trawl_store::types::{MailboxId, Uid, UidValidity};

use super::arranged::AccountKey;
use super::numbers::SequenceNumbers;
use crate::limits::{SEARCH_ROW_MAILBOXES, SEARCH_ROW_MESSAGES};

/// Among so many messages for each that is looked for, halving is faster than looking at all of them.
const HALVING_SPREAD: u64 = 16;

/// One of the mailboxes.
#[derive(Debug)]
pub struct Part {
    pub mailbox: MailboxId,
    pub uid_validity: UidValidity,
    uid_next: Uid,
    pub uids: SequenceNumbers,
    /// Of each message, by position.
    numbers: Box<[u32]>,
}

impl Part {
    /// The mailbox as it is.
    pub fn of(mailbox: &Mailbox) -> Part {
        let blocks = mailbox.blocks(0, mailbox.counts().messages);
        let mut numbers = Vec::with_capacity(mailbox.counts().messages as usize);
        blocks.for_each(|block| numbers.extend(block.messages().map(|message| message.0)));
        Part {
            mailbox: mailbox.id(),
            uid_validity: mailbox.uid_validity(),
            uid_next: mailbox.uid_next(),
            uids: SequenceNumbers::new(&mailbox.uids()),
            numbers: numbers.into(),
        }
    }

    /// Whether the mailbox has the same messages still.
    pub fn shows(&self, mailbox: &Mailbox) -> bool {
        self.uid_validity == mailbox.uid_validity()
            && self.uid_next == mailbox.uid_next()
            && self.len() == mailbox.counts().messages
    }

    pub fn len(&self) -> u32 {
        self.numbers.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The message at a position, by number.
    pub fn number(&self, position: u32) -> Option<u32> {
        self.numbers.get(position as usize).copied()
    }

    fn octets(&self) -> usize {
        size_of::<Part>() + self.numbers.len() * size_of::<u32>() + self.uids.octets()
    }
}

/// See the module.
#[derive(Default, Debug)]
pub struct Joined {
    parts: Vec<Rc<Part>>,
    /// The first place of each, ascending.
    firsts: Vec<u32>,
    len: u32,
    messages: OnceCell<RoaringBitmap>,
    /// Messages with their places, ascending; made when it is asked for the second time.
    order: OnceCell<Vec<(u32, u32)>>,
    was_asked: Cell<bool>,
}

impl Joined {
    /// One behind the other.
    pub fn new(parts: Vec<Rc<Part>>) -> Joined {
        let (mut len, mut firsts) = (0u32, Vec::with_capacity(parts.len()));
        for part in &parts {
            firsts.push(len);
            len = len.saturating_add(part.len());
        }
        Joined { parts, firsts, len, ..Joined::default() }
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn parts(&self) -> &[Rc<Part>] {
        &self.parts
    }

    /// Whether it is made of just these.
    pub fn is_of(&self, parts: &[Rc<Part>]) -> bool {
        self.parts.len() == parts.len()
            && self.parts.iter().zip(parts).all(|(part, other)| Rc::ptr_eq(part, other))
    }

    /// The messages of all of them.
    pub fn messages(&self) -> &RoaringBitmap {
        self.messages.get_or_init(|| set_of(self.numbers()))
    }

    /// The messages at some places.
    pub fn messages_at(&self, places: &RoaringBitmap) -> RoaringBitmap {
        if places.len() == u64::from(self.len) {
            return self.messages().clone();
        }
        let mut numbers = Vec::with_capacity(places.len() as usize);
        self.each_run(places, |part, run| {
            numbers.extend_from_slice(
                part.numbers.get(run.start as usize..run.end as usize).unwrap_or_default(),
            );
        });
        set_of(numbers.into_iter())
    }

    /// The places of some messages.
    pub fn places_of(&self, messages: &RoaringBitmap) -> RoaringBitmap {
        let here = self.messages() & messages;
        if here.is_empty() {
            return here;
        }
        if here.len() == self.messages().len() {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..self.len);
            return all;
        }
        let few = here.len().saturating_mul(HALVING_SPREAD) < u64::from(self.len);
        let mut found = Bits::default();
        if few && self.was_asked.replace(true) {
            let order = self.order.get_or_init(|| {
                let mut order: Vec<(u32, u32)> = self.numbers().zip(0..).collect();
                order.sort_unstable();
                order
            });
            for number in here {
                let first = order.partition_point(|(known, _)| *known < number);
                let places = order.get(first..).unwrap_or_default();
                places.iter().take_while(|(known, _)| *known == number).for_each(|(_, at)| found.set(*at));
            }
        } else {
            let wanted = Bits::of(&here);
            (0..)
                .zip(self.numbers())
                .filter(|(_, number)| wanted.get(*number))
                .for_each(|(at, _)| found.set(at));
        }
        found.into_bitmap()
    }

    /// The message at each place.
    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.parts.iter().flat_map(|part| part.numbers.iter().copied())
    }

    /// The places, mailbox by mailbox, as runs of its positions; mailboxes and positions ascend.
    pub fn each_run(&self, places: &RoaringBitmap, mut each: impl FnMut(&Rc<Part>, Range<u32>)) {
        let mut nth = 0;
        let mut of_run = |mut from: u32, end: u32| {
            let end = end.min(self.len);
            while from < end {
                while self.end(nth) <= from {
                    nth += 1;
                }
                let (Some(part), Some(first)) = (self.parts.get(nth), self.firsts.get(nth)) else { return };
                let to = end.min(self.end(nth));
                each(part, from - first..to - first);
                from = to;
            }
        };
        if places.len() > u64::from(self.len) / 2 {
            let mut places = places.iter();
            while let Some(run) = places.next_range() {
                of_run(*run.start(), run.end().saturating_add(1));
            }
            return;
        }
        // One by one where runs are short: looking for their ends costs more.
        let mut run = 0..0;
        for place in places {
            if place != run.end {
                of_run(run.start, run.end);
                run = place..place;
            }
            run.end = place.saturating_add(1);
        }
        of_run(run.start, run.end);
    }

    fn end(&self, nth: usize) -> u32 {
        self.firsts.get(nth + 1).copied().unwrap_or(self.len)
    }

    /// With what may be made of it.
    fn octets(&self) -> usize {
        let parts: usize = self.parts.iter().map(|part| part.octets() + size_of::<(Rc<Part>, u32)>()).sum();
        parts + self.len as usize * (size_of::<(u32, u32)>() + size_of::<u32>())
    }
}

/// What is kept of an account: rows that have all of the mailboxes that were searched together last.
#[derive(Default, Debug)]
pub struct Rows {
    rows: Vec<Rc<Joined>>,
    messages: OnceCell<RoaringBitmap>,
}

impl Rows {
    pub fn iter(&self) -> impl Iterator<Item = &Rc<Joined>> {
        self.rows.iter()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The messages of all of them.
    pub fn messages(&self) -> &RoaringBitmap {
        self.messages
            .get_or_init(|| self.rows.iter().fold(RoaringBitmap::new(), |all, row| all | row.messages()))
    }
}

/// Makes rows of mailboxes, one after the other; what is kept and still right is used again.
pub struct Rower {
    kept: Option<Rc<Rows>>,
    /// Where the kept mailbox is that comes after the one that was found last, as a rule the next one.
    next: (usize, usize),
    by_id: Option<HashMap<MailboxId, Rc<Part>>>,
    parts: Vec<Rc<Part>>,
    len: u32,
    rows: Vec<Rc<Joined>>,
}

impl Rower {
    pub fn new(kept: Option<Rc<Rows>>) -> Rower {
        Rower { kept, next: (0, 0), by_id: None, parts: Vec::new(), len: 0, rows: Vec::new() }
    }

    /// What is kept of a mailbox.
    fn kept(&mut self, mailbox: MailboxId) -> Option<Rc<Part>> {
        let kept = self.kept.as_ref()?;
        let (mut row, mut nth) = self.next;
        if kept.rows.get(row).is_some_and(|joined| nth == joined.parts.len()) {
            (row, nth) = (row + 1, 0);
        }
        let next = kept.rows.get(row).and_then(|joined| joined.parts.get(nth));
        if let Some(part) = next.filter(|part| part.mailbox == mailbox) {
            self.next = (row, nth + 1);
            return Some(Rc::clone(part));
        }
        let by_id = self.by_id.get_or_insert_with(|| {
            let parts = kept.rows.iter().flat_map(|joined| &joined.parts);
            parts.map(|part| (part.mailbox, Rc::clone(part))).collect()
        });
        by_id.get(&mailbox).cloned()
    }

    /// Puts a mailbox into the row, and says whether that took long. The row has to be ended before the next if it [`Rower::is_full`].
    pub fn push(&mut self, mailbox: &Mailbox) -> bool {
        let known = self.kept(mailbox.id()).filter(|part| part.shows(mailbox));
        let is_new = known.is_none();
        let part = known.unwrap_or_else(|| Rc::new(Part::of(mailbox)));
        self.len = self.len.saturating_add(part.len());
        self.parts.push(part);
        is_new
    }

    /// Messages that are in the row so far.
    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it has enough: the next mailbox begins another.
    pub fn is_full(&self) -> bool {
        self.parts.len() >= SEARCH_ROW_MAILBOXES || self.len >= SEARCH_ROW_MESSAGES
    }

    /// Ends the row.
    pub fn end(&mut self) {
        self.len = 0;
        let parts = std::mem::take(&mut self.parts);
        let kept = self.kept.as_ref().and_then(|kept| kept.rows.get(self.rows.len()));
        let row = match kept {
            Some(kept) if kept.is_of(&parts) => Rc::clone(kept),
            _ => Rc::new(Joined::new(parts)),
        };
        self.rows.push(row);
    }

    /// All rows, and whether there is another than what was kept.
    pub fn finish(self) -> (Rc<Rows>, bool) {
        match self.kept {
            Some(kept)
                if kept.len() == self.rows.len()
                    && kept.rows.iter().zip(&self.rows).all(|(kept, row)| Rc::ptr_eq(kept, row)) =>
            {
                (kept, false)
            }
            _ => (Rc::new(Rows { rows: self.rows, messages: OnceCell::new() }), true),
        }
    }
}

/// A set of numbers in any order.
fn set_of(numbers: impl Iterator<Item = u32>) -> RoaringBitmap {
    let mut bits = Bits::default();
    numbers.for_each(|number| bits.set(number));
    bits.into_bitmap()
}

/// A set as plain bits: what is tested and set one by one, in any order.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
}

impl Bits {
    fn of(set: &RoaringBitmap) -> Bits {
        let mut bits = Bits::default();
        bits.words.reserve(set.max().map_or(0, |last| last as usize / 64 + 1));
        set.iter().for_each(|number| bits.set(number));
        bits
    }

    fn set(&mut self, number: u32) {
        let at = (number / 64) as usize;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        if let Some(word) = self.words.get_mut(at) {
            *word |= 1 << (number % 64);
        }
    }

    fn get(&self, number: u32) -> bool {
        self.words.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn into_bitmap(self) -> RoaringBitmap {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        RoaringBitmap::from_lsb0_bytes(0, &bytes)
    }
}

/// Of which account, and which of its searches' parts: mailboxes are searched together up to a number.
pub type Key = (AccountKey, usize);

/// What is kept for the next search, of accounts of one core: the last rows of each, under a budget.
pub struct Kept {
    octets_max: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    octets: usize,
    /// Counts uses.
    now: u64,
}

struct Entry {
    rows: Rc<Rows>,
    octets: usize,
    used: u64,
}

impl Kept {
    /// To hold so many octets at most.
    pub fn new(octets_max: usize) -> Kept {
        Kept { octets_max, state: RefCell::default() }
    }

    pub fn get(&self, key: Key) -> Option<Rc<Rows>> {
        let state = &mut *self.state.borrow_mut();
        state.now += 1;
        let entry = state.entries.get_mut(&key)?;
        entry.used = state.now;
        Some(Rc::clone(&entry.rows))
    }

    /// Keeps these instead of what there was; those used least recently give way.
    pub fn put(&self, key: Key, rows: Rc<Rows>) {
        let state = &mut *self.state.borrow_mut();
        if let Some(before) = state.entries.remove(&key) {
            state.octets -= before.octets;
        }
        let octets = rows.iter().map(|row| row.octets()).sum();
        if octets > self.octets_max {
            return;
        }
        while state.octets + octets > self.octets_max {
            let oldest = state.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
            let Some(gone) = oldest.and_then(|oldest| state.entries.remove(&oldest)) else { break };
            state.octets -= gone.octets;
        }
        state.now += 1;
        state.octets += octets;
        state.entries.insert(key, Entry { rows, octets, used: state.now });
    }

    /// Octets that are held now.
    pub fn octets(&self) -> usize {
        self.state.borrow().octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trawl_store::types::{AccountId, ShardId};

    fn part(mailbox: u32, numbers: &[u32]) -> Rc<Part> {
        let uids = (1..=numbers.len() as u32).filter_map(|n| Uid::new(n * 2)).collect();
        Rc::new(Part {
            mailbox: MailboxId(mailbox),
            uid_validity: UidValidity::new(1).unwrap(),
            uid_next: Uid::MAX,
            uids: SequenceNumbers::new(&uids),
            numbers: numbers.into(),
        })
    }

    proptest! {
        #[test]
        fn places_are_those_of_a_plain_list(
            mailboxes in prop::collection::vec(prop::collection::vec(0u32..900, 0..40), 0..8),
            wanted in prop::collection::btree_set(0u32..900, 0..60),
            some in prop::collection::btree_set(0u32..300, 0..60),
        ) {
            let row = Joined::new((0..).zip(&mailboxes).map(|(n, numbers)| part(n, numbers)).collect());
            let plain: Vec<(u32, u32, u32)> = (0..)
                .zip(&mailboxes)
                .flat_map(|(n, numbers)| (0..).zip(numbers).map(move |(at, number)| (n, at, *number)))
                .collect();
            prop_assert_eq!(row.len() as usize, plain.len());
            let all: RoaringBitmap = plain.iter().map(|(_, _, number)| *number).collect();
            prop_assert_eq!(row.messages(), &all);
            let wanted: RoaringBitmap = wanted.into_iter().collect();
            let places: RoaringBitmap =
                (0..).zip(&plain).filter(|(_, one)| wanted.contains(one.2)).map(|(place, _)| place).collect();
            // In passing, and then by halving.
            for _ in 0..2 {
                prop_assert_eq!(&row.places_of(&wanted), &places);
            }
            prop_assert_eq!(&row.places_of(&all).len(), &u64::from(row.len()));
            let some: RoaringBitmap = some.into_iter().filter(|place| *place < row.len()).collect();
            let messages: RoaringBitmap = some.iter().map(|place| plain[place as usize].2).collect();
            prop_assert_eq!(row.messages_at(&some), messages);
            let mut runs = Vec::new();
            row.each_run(&some, |part, run| runs.extend(run.map(|at| (part.mailbox.0, at, part.number(at)))));
            let here = some.iter().map(|place| plain[place as usize]);
            prop_assert_eq!(runs, here.map(|(n, at, number)| (n, at, Some(number))).collect::<Vec<_>>());
        }
    }

    fn rows(parts: &[Rc<Part>]) -> Rc<Rows> {
        Rc::new(Rows { rows: vec![Rc::new(Joined::new(parts.to_vec()))], messages: OnceCell::new() })
    }

    #[test]
    fn rows_used_least_recently_give_way() {
        let key = |account| ((ShardId(0), AccountId(account)), 0);
        let one = rows(&[part(1, &[1, 2, 3]), part(2, &[4])]);
        let octets = one.iter().map(|row| row.octets()).sum::<usize>();
        let kept = Kept::new(2 * octets);
        for account in 1..=2 {
            kept.put(key(account), Rc::clone(&one));
        }
        assert!(kept.get(key(1)).is_some());
        kept.put(key(3), Rc::clone(&one));
        assert!(kept.get(key(2)).is_none() && kept.get(key(1)).is_some() && kept.get(key(3)).is_some());
        assert_eq!(kept.octets(), 2 * octets);
        // What is too large alone is not kept, nor what was there before it.
        kept.put(key(1), rows(&(0..9).map(|n| part(n, &[7; 9])).collect::<Vec<_>>()));
        assert!(kept.get(key(1)).is_none());
        assert_eq!(kept.octets(), octets);
    }
}
