//! The message table of an account: message number -> facts, 24 bytes each, in copy-on-write pages.
//!
//! Not here: which mailbox holds a message. An entry stays when no mailbox refers to it any more: numbers are
//! never used again and views may still read it; compaction changes addresses here and nowhere else.

use crate::log::Address;
use crate::types::{MessageFacts, MessageNumber, ZonedTime};
use std::rc::Rc;

/// Entries in a page: what one change copies while a snapshot is held (12 KiB).
pub const PAGE_MESSAGES: usize = 512;

/// `times` holds, from the lowest bits: by how many days the Date field is before or after INTERNALDATE, its zone and its
/// seconds, which is what years of four digits need.
const DAY_BITS: u32 = 13;
const ZONE_BITS: u32 = 12;
const SECOND_BITS: u32 = 64 - DAY_BITS - ZONE_BITS;
const ZONE_OFFSET: i64 = 1 << (ZONE_BITS - 1);
/// No readable Date field.
const NO_DAY: i64 = 0;
/// Far from INTERNALDATE, as of mail that was imported without its dates: the day is in `Page::far_days`.
const FAR_DAY: i64 = 1;
/// The day itself has this.
const SAME_DAY: i64 = 1 << (DAY_BITS - 1);

#[derive(Clone, Copy)]
struct Packed {
    address: u64,
    times: i64,
    size: u32,
    thread: u32,
}

/// What a message costs in a page.
pub const PACKED_MESSAGE_BYTES: usize = size_of::<Packed>();

/// No record is at the start of segment 0: a number that was never given out.
const HOLE: Packed = Packed { address: 0, times: 0, size: 0, thread: 0 };

#[derive(Clone, Default)]
struct Page {
    messages: Vec<Packed>,
    /// By place in the page, ascending.
    far_days: Vec<(u16, i32)>,
}

impl Packed {
    /// And the day, if it has no room.
    fn new(facts: &MessageFacts) -> (Packed, Option<i32>) {
        let bound = (1 << (SECOND_BITS - 1)) - 1;
        let zone_minutes = facts.internal.zone_minutes;
        let internal = ZonedTime { seconds: facts.internal.seconds.clamp(-bound, bound), zone_minutes };
        let day = facts.sent_day.map_or(NO_DAY, |day| {
            let places = i64::from(day) - i64::from(internal.day()) + SAME_DAY;
            if (FAR_DAY + 1..1 << DAY_BITS).contains(&places) { places } else { FAR_DAY }
        });
        let zone = i64::from(zone_minutes) + ZONE_OFFSET;
        let packed = Packed {
            address: u64::from(facts.address.segment) << 32 | u64::from(facts.address.offset),
            times: (internal.seconds << ZONE_BITS | zone) << DAY_BITS | day,
            size: facts.size,
            thread: facts.thread.0,
        };
        (packed, facts.sent_day.filter(|_| day == FAR_DAY))
    }
}

impl Page {
    fn facts(&self, place: usize) -> Option<MessageFacts> {
        let packed = self.messages.get(place).filter(|packed| packed.address != 0)?;
        let zone = (packed.times >> DAY_BITS & ((1 << ZONE_BITS) - 1)) - ZONE_OFFSET;
        let seconds = packed.times >> (DAY_BITS + ZONE_BITS);
        let internal = ZonedTime { seconds, zone_minutes: zone as i16 };
        let sent_day = match packed.times & ((1 << DAY_BITS) - 1) {
            NO_DAY => None,
            FAR_DAY => {
                let at = self.far_days.binary_search_by_key(&(place as u16), |(place, _)| *place).ok();
                at.and_then(|at| self.far_days.get(at)).map(|(_, day)| *day)
            }
            places => Some(internal.day() + (places - SAME_DAY) as i32),
        };
        Some(MessageFacts {
            size: packed.size,
            internal,
            sent_day,
            address: Address { segment: (packed.address >> 32) as u32, offset: packed.address as u32 },
            thread: MessageNumber(packed.thread),
        })
    }
}

/// The messages of one account.
#[derive(Clone, Default)]
pub struct MessageTable {
    pages: Vec<Rc<Page>>,
}

impl MessageTable {
    /// The number that the next message gets.
    pub fn next(&self) -> MessageNumber {
        let full = self.pages.len().saturating_sub(1) * PAGE_MESSAGES;
        MessageNumber((full + self.pages.last().map_or(0, |page| page.messages.len())) as u32)
    }

    /// Facts of a message; `None` for numbers that were never given out.
    pub fn get(&self, number: MessageNumber) -> Option<MessageFacts> {
        let index = number.0 as usize;
        self.pages.get(index / PAGE_MESSAGES)?.facts(index % PAGE_MESSAGES)
    }

    /// Adds a message at its number, which is `next()` or above (numbers between stay holes); `false` (and nothing
    /// done) when the number is taken.
    pub fn add(&mut self, number: MessageNumber, facts: &MessageFacts) -> bool {
        if number < self.next() {
            return false;
        }
        while self.next() < number {
            self.push(HOLE, None);
        }
        let (packed, far_day) = Packed::new(facts);
        self.push(packed, far_day);
        true
    }

    fn push(&mut self, packed: Packed, far_day: Option<i32>) {
        if self.pages.last().is_none_or(|page| page.messages.len() >= PAGE_MESSAGES) {
            self.pages.reserve_exact(
                usize::from(self.pages.len() == self.pages.capacity()) * (1 + self.pages.len() / 8),
            );
            self.pages.push(Rc::default());
        }
        let Some(page) = self.pages.last_mut() else { unreachable!("a page was pushed above") };
        let Page { messages, far_days } = Rc::make_mut(page);
        far_days.extend(far_day.map(|day| (messages.len() as u16, day)));
        if messages.len() == messages.capacity() {
            messages.reserve_exact(messages.len().max(4).min(PAGE_MESSAGES - messages.len()));
        }
        messages.push(packed);
    }

    /// All messages, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = (MessageNumber, MessageFacts)> + '_ {
        self.iter_from(MessageNumber(0))
    }

    /// Messages with numbers from `from` on, ascending.
    pub fn iter_from(&self, from: MessageNumber) -> impl Iterator<Item = (MessageNumber, MessageFacts)> + '_ {
        let from = from.0 as usize;
        let first = from / PAGE_MESSAGES;
        let places = move |page: usize| if page == first { from % PAGE_MESSAGES } else { 0 };
        self.pages.iter().enumerate().skip(first).flat_map(move |(number, page)| {
            (places(number)..page.messages.len()).filter_map(move |place| {
                let facts = page.facts(place)?;
                Some((MessageNumber((number * PAGE_MESSAGES + place) as u32), facts))
            })
        })
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
                // From the year 0 to 9999.
                seconds: -62_167_219_200 + i64::from(n) * 105_189_823,
                zone_minutes: (n % 2878) as i16 - 1439,
            },
            sent_day: match n % 5 {
                0 => None,
                1 => Some(n as i32 - 700_000),
                // About as far as there is room, on either side.
                n_of_5 => {
                    let day = (-62_167_219_200 + i64::from(n) * 105_189_823).div_euclid(86_400) as i32;
                    Some(day + [-1, 0, 1][n_of_5 as usize - 2] * 4_090 + (n / 5 % 13) as i32 - 6)
                }
            },
            address: Address { segment: 1 + n, offset: u32::MAX - n },
            thread: MessageNumber(n / 2),
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
