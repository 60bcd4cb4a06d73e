//! The message table of an account: message number -> facts, 24 bytes each, in copy-on-write pages.
//!
//! Not here: which mailbox holds a message. An entry stays when no mailbox refers to it any more: numbers are
//! never used again and views may still read it; compaction changes addresses here and nowhere else.

use crate::log::Address;
use crate::types::{MessageFacts, MessageNumber, ZonedTime};
use std::rc::Rc;

/// Entries in a page: what one change copies while a snapshot is held (12 KiB).
pub const PAGE_MESSAGES: usize = 512;
const NO_SENT_DAY: i32 = i32::MIN;
/// `internal` holds seconds above these bits and the zone (plus an offset that makes it positive) in them.
const ZONE_BITS: u32 = 12;
const ZONE_OFFSET: i64 = 1 << (ZONE_BITS - 1);

#[derive(Clone, Copy)]
struct Packed {
    address: u64,
    internal: i64,
    size: u32,
    sent_day: i32,
}

/// What a message costs in a page.
pub const PACKED_MESSAGE_BYTES: usize = size_of::<Packed>();

/// No record is at the start of segment 0: a number that was never given out.
const HOLE: Packed = Packed { address: 0, internal: 0, size: 0, sent_day: NO_SENT_DAY };

impl Packed {
    fn new(facts: &MessageFacts) -> Packed {
        let seconds = facts.internal.seconds.clamp(-(1 << 50), 1 << 50);
        Packed {
            address: u64::from(facts.address.segment) << 32 | u64::from(facts.address.offset),
            internal: seconds << ZONE_BITS | (i64::from(facts.internal.zone_minutes) + ZONE_OFFSET),
            size: facts.size,
            sent_day: facts.sent_day.unwrap_or(NO_SENT_DAY),
        }
    }
    fn facts(&self) -> MessageFacts {
        let zone = (self.internal & ((1 << ZONE_BITS) - 1)) - ZONE_OFFSET;
        MessageFacts {
            size: self.size,
            internal: ZonedTime { seconds: self.internal >> ZONE_BITS, zone_minutes: zone as i16 },
            sent_day: (self.sent_day != NO_SENT_DAY).then_some(self.sent_day),
            address: Address { segment: (self.address >> 32) as u32, offset: self.address as u32 },
        }
    }
}

/// The messages of one account.
#[derive(Clone, Default)]
pub struct MessageTable {
    pages: Vec<Rc<Vec<Packed>>>,
}

impl MessageTable {
    /// The number that the next message gets.
    pub fn next(&self) -> MessageNumber {
        let full = self.pages.len().saturating_sub(1) * PAGE_MESSAGES;
        MessageNumber((full + self.pages.last().map_or(0, |page| page.len())) as u32)
    }

    /// Facts of a message; `None` for numbers that were never given out.
    pub fn get(&self, number: MessageNumber) -> Option<MessageFacts> {
        let index = number.0 as usize;
        let packed = self.pages.get(index / PAGE_MESSAGES)?.get(index % PAGE_MESSAGES)?;
        (packed.address != 0).then(|| packed.facts())
    }

    /// Adds a message at its number, which is `next()` or above (numbers between stay holes); `false` (and nothing
    /// done) when the number is taken.
    pub fn add(&mut self, number: MessageNumber, facts: &MessageFacts) -> bool {
        if number < self.next() {
            return false;
        }
        while self.next() < number {
            self.push(HOLE);
        }
        self.push(Packed::new(facts));
        true
    }

    fn push(&mut self, packed: Packed) {
        if self.pages.last().is_none_or(|page| page.len() >= PAGE_MESSAGES) {
            self.pages.reserve_exact(
                usize::from(self.pages.len() == self.pages.capacity()) * (1 + self.pages.len() / 8),
            );
            self.pages.push(Rc::new(Vec::new()));
        }
        let Some(page) = self.pages.last_mut() else { unreachable!("a page was pushed above") };
        let page = Rc::make_mut(page);
        if page.len() == page.capacity() {
            page.reserve_exact(page.len().max(4).min(PAGE_MESSAGES - page.len()));
        }
        page.push(packed);
    }

    /// All messages, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = (MessageNumber, MessageFacts)> + '_ {
        self.iter_from(MessageNumber(0))
    }

    /// Messages with numbers from `from` on, ascending.
    pub fn iter_from(&self, from: MessageNumber) -> impl Iterator<Item = (MessageNumber, MessageFacts)> + '_ {
        let from = from.0 as usize;
        let page = from / PAGE_MESSAGES;
        self.pages
            .get(page..)
            .unwrap_or_default()
            .iter()
            .flat_map(|page| page.iter())
            .zip(page * PAGE_MESSAGES..)
            .skip(from % PAGE_MESSAGES)
            .filter(|(packed, _)| packed.address != 0)
            .map(|(packed, number)| (MessageNumber(number as u32), packed.facts()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_back_and_holes_are_nothing() {
        assert_eq!(PACKED_MESSAGE_BYTES, 24);
        let mut table = MessageTable::default();
        let facts = |n: u32| MessageFacts {
            size: u32::MAX - n,
            internal: ZonedTime {
                seconds: -5_000_000_000 + i64::from(n),
                zone_minutes: (n % 2878) as i16 - 1439,
            },
            sent_day: (!n.is_multiple_of(3)).then_some(n as i32 - 700_000),
            address: Address { segment: 1 + n, offset: u32::MAX - n },
        };
        for n in (0..3000).filter(|n: &u32| !n.is_multiple_of(7)) {
            assert!(table.add(MessageNumber(n), &facts(n)));
            assert!(!table.add(MessageNumber(n), &facts(n)));
        }
        for n in 0..3000 {
            assert_eq!(table.get(MessageNumber(n)), (!n.is_multiple_of(7)).then(|| facts(n)), "{n}");
        }
        assert_eq!(table.next(), MessageNumber(3000));
        assert!(table.iter().all(|(n, known)| known == facts(n.0)));
        for from in [1, 511, 512, 2999, 3000, u32::MAX] {
            let wanted = table.iter().filter(|(number, _)| number.0 >= from);
            assert!(table.iter_from(MessageNumber(from)).eq(wanted), "{from}");
        }
        assert_eq!(table.iter().count(), (0..3000).filter(|n: &u32| !n.is_multiple_of(7)).count());
    }
}
