//! Entries by message number, some of them in a page, so that pages are shared and few octets are moved when one grows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entry::{self, Entry};
use crate::summary::SummaryKeys;

/// Message numbers of one page.
pub const PAGE_MESSAGES: u32 = 1024;

/// The entries of messages with numbers side by side; not all of them need be known.
#[derive(Clone, Debug)]
pub struct Page {
    /// By number within the page: where its entry is, plus 1; 0 for none.
    places: Box<[u32]>,
    known: u32,
    octets: Vec<u8>,
}

impl Default for Page {
    fn default() -> Page {
        Page { places: vec![0; PAGE_MESSAGES as usize].into(), known: 0, octets: Vec::new() }
    }
}

impl Page {
    fn place(&self, message: u32) -> usize {
        self.places[(message % PAGE_MESSAGES) as usize] as usize
    }

    pub fn has(&self, message: u32) -> bool {
        self.place(message) != 0
    }

    /// `None`: it is not known.
    pub fn get(&self, message: u32) -> Option<Entry<'_>> {
        Entry::new(self.octets.get(self.place(message).checked_sub(1)?..)?)
    }

    /// Keeps what is compared of a message; the first time counts, since a message never changes.
    pub fn insert(&mut self, message: u32, summary: &SummaryKeys<'_>) {
        let Ok(place) = u32::try_from(self.octets.len() + 1) else { return };
        let slot = &mut self.places[(message % PAGE_MESSAGES) as usize];
        if *slot == 0 {
            *slot = place;
            entry::push(summary, &mut self.octets);
            self.known += 1;
            if self.known == PAGE_MESSAGES {
                self.octets.shrink_to_fit();
            }
        }
    }

    /// How many messages are known.
    pub fn known(&self) -> u32 {
        self.known
    }

    /// Takes over the entries of another page of the same messages, as far as they are not known here and are wanted.
    pub fn absorb(&mut self, other: &Page, wanted: impl Fn(u32) -> bool) {
        for (slot, place) in (0..PAGE_MESSAGES).zip(other.places.iter()) {
            let Some(start) = (*place as usize).checked_sub(1) else { continue };
            if self.has(slot) || !wanted(slot) {
                continue;
            }
            let octets = other.octets.get(start..).unwrap_or_default();
            let entry = Entry::new(octets).and_then(|entry| octets.get(..entry.len()));
            if let Some(entry) = entry
                && let Ok(place) = u32::try_from(self.octets.len() + 1)
            {
                self.places[slot as usize] = place;
                self.octets.extend_from_slice(entry);
                self.known += 1;
            }
        }
        self.octets.shrink_to_fit();
    }

    /// What [`Page::of`] makes it of: by number within the page where its entry is, plus 1, and all entries.
    pub(super) fn parts(&self) -> (&[u32], &[u8]) {
        (&self.places, &self.octets)
    }

    pub(super) fn of(places: Box<[u32]>, octets: Vec<u8>) -> Page {
        let known = places.iter().filter(|place| **place != 0).count();
        Page { places, known: known as u32, octets }
    }

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        size_of::<Page>() + self.places.len() * 4 + self.octets.capacity()
    }
}

/// Pages by their number: that of a message by [`PAGE_MESSAGES`].
#[derive(Clone, Default, Debug)]
pub struct Pages(pub BTreeMap<u32, Arc<Page>>);

impl Pages {
    /// The entries of messages, looked up in turn; `None` for those that are not known.
    pub fn entries<'a>(
        &'a self,
        messages: impl Iterator<Item = u32> + 'a,
    ) -> impl Iterator<Item = Option<Entry<'a>>> + 'a {
        // Messages side by side are mostly of one page.
        let mut last: Option<(u32, &Page)> = None;
        messages.map(move |message| {
            let number = message / PAGE_MESSAGES;
            let page = match last {
                Some((at, page)) if at == number => page,
                _ => self.0.get(&number)?,
            };
            last = Some((number, page));
            page.get(message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::Text;
    use crate::summary::Summary;

    #[test]
    fn pages_know_what_was_kept() {
        let mut pages = Pages::default();
        for message in [5, 1023, 1024, 70_000] {
            let page = Arc::make_mut(pages.0.entry(message / PAGE_MESSAGES).or_default());
            let summary = Summary::build(format!("Subject: {message}\r\n\r\n").as_bytes()).encode();
            page.insert(message, &SummaryKeys::new(&summary).unwrap());
            page.insert(message, &SummaryKeys::default());
            assert!(page.has(message) && !page.has(message + 1));
        }
        let messages = [70_000, 5, 6, 1023, 1024, 2048];
        let subjects: Vec<Option<&[u8]>> =
            pages.entries(messages.into_iter()).map(|entry| Some(entry?.text(Text::Subject))).collect();
        let wanted: [Option<&[u8]>; 6] =
            [Some(b"70000"), Some(b"5"), None, Some(b"1023"), Some(b"1024"), None];
        assert_eq!(subjects, wanted);
    }

    #[test]
    fn a_page_takes_over_what_it_does_not_know() {
        let page = |messages: &[u32], what: &str| {
            let mut page = Page::default();
            for message in messages {
                let summary = Summary::build(format!("Subject: {what}{message}\r\n\r\n").as_bytes()).encode();
                page.insert(*message, &SummaryKeys::new(&summary).unwrap());
            }
            page
        };
        let mut into = page(&[1025, 1030], "A");
        into.absorb(&page(&[1024, 1030, 1031, 2047], "B"), |slot| slot != 7);
        let subject = |message| into.get(message).map(|entry| entry.text(Text::Subject));
        let found: Vec<Option<&[u8]>> = [1024, 1025, 1030, 1031, 2047].map(subject).to_vec();
        let wanted: [Option<&[u8]>; 5] =
            [Some(b"B1024"), Some(b"A1025"), Some(b"A1030"), None, Some(b"B2047")];
        assert_eq!((found, into.known()), (wanted.to_vec(), 4));
    }
}
