//! The texts of documents in messages: which messages have some, in copy-on-write pages of 16 bytes an entry.
//!
//! Not here: the texts (records of the log), what a document is. It holds: entries ascend by message and by serial; a serial is never
//! used again, so that a serial with its text never changes, while a message may get other texts once they were forgotten.

use crate::log::Address;
use crate::types::MessageNumber;
use std::rc::Rc;

/// Entries in a page.
const PAGE: usize = 512;

/// A message whose documents were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DocumentEntry {
    pub message: MessageNumber,
    /// Names this text of the message in the account.
    pub serial: u32,
    /// Where its Documents record is.
    pub address: Address,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentTable {
    pages: Vec<Rc<Vec<DocumentEntry>>>,
    next_serial: u32,
    seen: MessageNumber,
}

impl Default for DocumentTable {
    fn default() -> DocumentTable {
        DocumentTable { pages: Vec::new(), next_serial: 0, seen: MessageNumber(0) }
    }
}

impl DocumentTable {
    /// Messages below were looked at: those without an entry have no documents.
    pub fn seen(&self) -> MessageNumber {
        self.seen
    }

    /// The serial that the next entry gets.
    pub fn next_serial(&self) -> u32 {
        self.next_serial
    }

    pub fn len(&self) -> usize {
        let full = self.pages.len().saturating_sub(1) * PAGE;
        full + self.pages.last().map_or(0, |page| page.len())
    }

    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    fn at(&self, place: usize) -> Option<&DocumentEntry> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    /// How many entries `before` holds for: it holds for the first ones.
    fn partition(&self, before: impl Fn(&DocumentEntry) -> bool) -> usize {
        let page = self.pages.partition_point(|page| page.last().is_some_and(&before));
        page * PAGE + self.pages.get(page).map_or(0, |page| page.partition_point(&before))
    }

    /// The entry of a message.
    pub fn get(&self, message: MessageNumber) -> Option<DocumentEntry> {
        let place = self.partition(|entry| entry.message < message);
        self.at(place).filter(|entry| entry.message == message).copied()
    }

    /// The entry with a serial.
    pub fn of_serial(&self, serial: u32) -> Option<DocumentEntry> {
        let place = self.partition(|entry| entry.serial < serial);
        self.at(place).filter(|entry| entry.serial == serial).copied()
    }

    /// All entries, ascending.
    pub fn iter(&self) -> impl Iterator<Item = DocumentEntry> + '_ {
        self.pages.iter().flat_map(|page| page.iter().copied())
    }

    /// Entries of messages from `from` on, ascending.
    pub fn of_messages_from(&self, from: MessageNumber) -> impl Iterator<Item = DocumentEntry> + '_ {
        self.iter_at(self.partition(|entry| entry.message < from))
    }

    /// Entries with serials from `from` on, ascending.
    pub fn of_serials_from(&self, from: u32) -> impl Iterator<Item = DocumentEntry> + '_ {
        self.iter_at(self.partition(|entry| entry.serial < from))
    }

    fn iter_at(&self, place: usize) -> impl Iterator<Item = DocumentEntry> + '_ {
        let pages = self.pages.iter().skip(place / PAGE);
        pages.flat_map(|page| page.iter().copied()).skip(place % PAGE)
    }

    /// Adds an entry behind all others; `false` (and nothing done) when it is not.
    pub(crate) fn add(&mut self, message: MessageNumber, serial: u32, address: Address) -> bool {
        let Some(next_serial) = serial.checked_add(1) else { return false };
        let behind = self.pages.last().and_then(|page| page.last());
        if serial < self.next_serial || behind.is_some_and(|last| last.message >= message) {
            return false;
        }
        if self.pages.last().is_none_or(|page| page.len() >= PAGE) {
            self.pages.push(Rc::default());
        }
        if let Some(page) = self.pages.last_mut() {
            Rc::make_mut(page).push(DocumentEntry { message, serial, address });
        }
        self.next_serial = next_serial;
        self.see(MessageNumber(message.0.saturating_add(1)));
        true
    }

    pub(crate) fn see(&mut self, upto: MessageNumber) {
        self.seen = self.seen.max(upto);
    }

    /// Serials below are used up; `false` when more than those are.
    pub(crate) fn raise_serial(&mut self, next: u32) -> bool {
        let fits = next >= self.next_serial;
        self.next_serial = self.next_serial.max(next);
        fits
    }

    /// There is nothing, and nothing was looked at; serials go on.
    pub(crate) fn forget(&mut self) {
        self.pages.clear();
        self.seen = MessageNumber(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_message_and_by_serial() {
        let mut table = DocumentTable::default();
        let entry = |n: u32| DocumentEntry {
            message: MessageNumber(3 * n),
            serial: n + n / 700,
            address: Address { segment: 1, offset: 8 * n },
        };
        for n in 0..2_000 {
            let DocumentEntry { message, serial, address } = entry(n);
            assert!(table.add(message, serial, address));
            assert!(!table.add(message, serial + 1, address), "the message has one");
            assert!(!table.add(MessageNumber(message.0 + 1), serial, address), "the serial is taken");
        }
        assert_eq!((table.len(), table.iter().count()), (2_000, 2_000));
        assert_eq!(
            (table.seen(), table.next_serial()),
            (MessageNumber(3 * 1_999 + 1), entry(1_999).serial + 1)
        );
        for n in 0..2_000 {
            let known = entry(n);
            assert_eq!(table.get(known.message), Some(known));
            assert_eq!(table.of_serial(known.serial), Some(known));
            assert_eq!(table.get(MessageNumber(known.message.0 + 1)), None);
        }
        assert_eq!(table.of_serial(700), None, "a serial that was lost");
        for from in [0, 1, 511, 1_535, 1_536, 1_537, 5_996, 5_997, 5_998, u32::MAX] {
            let wanted = table.iter().filter(|entry| entry.message.0 >= from);
            assert!(table.of_messages_from(MessageNumber(from)).eq(wanted), "{from}");
            let wanted = table.iter().filter(|entry| entry.serial >= from);
            assert!(table.of_serials_from(from).eq(wanted), "{from}");
        }
        let shared = table.clone();
        table.forget();
        assert!(table.is_empty() && shared.len() == 2_000);
        assert_eq!((table.seen(), table.next_serial()), (MessageNumber(0), shared.next_serial()));
        assert!(
            !table.add(MessageNumber(0), 5, entry(0).address)
                && table.add(MessageNumber(0), 5_000, entry(0).address)
        );
        assert!(!table.raise_serial(5_000) && table.raise_serial(5_001));
    }
}
