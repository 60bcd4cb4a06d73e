//! Pages as they are kept in a file from one start to the next: a group of neighbours in one run of octets, with a checksum.
//!
//! Numbers are little-endian. The title, four versions (of this form, [`crate::normalise`], [`crate::summary`], 0: two octets each), how
//! many pages there are (four); then for each its number, how many octets its entries have (four each), the places as
//! [`Page`] has them (four octets a message), and the entries; at the end a CRC-32 of all that. Everything can be made again from
//! summaries: what does not read back as it was written is nothing.

use super::page::{PAGE_MESSAGES, Page};
use crate::{normalise, summary};

/// Pages with numbers side by side that are in one file.
pub const GROUP_PAGES: u32 = 16;

const TITLE: [u8; 8] = *b"TRAWLSRT";
/// Of this form, and of that of entries.
const VERSION: u16 = 1;
const SUM: usize = 4;

/// The group of a message.
pub fn group(message: u32) -> u32 {
    message / PAGE_MESSAGES / GROUP_PAGES
}

fn head() -> Vec<u8> {
    let versions = [VERSION, normalise::VERSION, summary::VERSION, 0];
    [&TITLE[..], versions.map(u16::to_le_bytes).as_flattened()].concat()
}

/// The form of pages with their numbers.
pub fn encode(pages: &[(u32, Page)]) -> Vec<u8> {
    let octets: usize = pages.iter().map(|(_, page)| page.memory()).sum();
    let mut out = head();
    out.reserve(octets);
    out.extend_from_slice(&(pages.len() as u32).to_le_bytes());
    for (number, page) in pages {
        let (places, entries) = page.parts();
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        places.iter().for_each(|place| out.extend_from_slice(&place.to_le_bytes()));
        out.extend_from_slice(entries);
    }
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The pages that [`encode`] was given; `None`: these octets are something else.
pub fn decode(octets: &[u8]) -> Option<Vec<(u32, Page)>> {
    let (content, sum) = octets.split_at_checked(octets.len().checked_sub(SUM)?)?;
    if crc32fast::hash(content).to_le_bytes() != sum {
        return None;
    }
    let mut rest = content.strip_prefix(&head()[..])?;
    let mut pages = Vec::new();
    for _ in 0..u32_of(&mut rest)? {
        let (number, len) = (u32_of(&mut rest)?, u32_of(&mut rest)? as usize);
        let places = take(&mut rest, PAGE_MESSAGES as usize * 4)?;
        let entries = take(&mut rest, len)?;
        let (places, _) = places.as_chunks::<4>();
        let places: Box<[u32]> = places.iter().map(|place| u32::from_le_bytes(*place)).collect();
        pages.push((number, Page::of(places, entries.to_vec())));
    }
    rest.is_empty().then_some(pages)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn u32_of(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::Text;
    use crate::summary::{Summary, SummaryKeys};

    fn page(messages: &[u32]) -> Page {
        let mut page = Page::default();
        for message in messages {
            let header =
                format!("Subject: {message}\r\nMessage-ID: <{message}@x>\r\nReferences: <1@x> <2@x>\r\n\r\n");
            let summary = Summary::build(header.as_bytes()).encode();
            page.insert(*message, &SummaryKeys::new(&summary).unwrap());
        }
        page
    }

    #[test]
    fn pages_come_back() {
        let pages = [(0, page(&[0, 7, 1023])), (3, page(&[3072, 3080])), (9, Page::default())];
        let back = decode(&encode(&pages)).unwrap();
        assert_eq!(back.len(), 3);
        for ((number, before), (same, after)) in pages.iter().zip(&back) {
            assert_eq!((number, before.known()), (same, after.known()));
            for message in number * PAGE_MESSAGES..(number + 1) * PAGE_MESSAGES {
                assert_eq!(before.has(message), after.has(message));
                let told = |page: &Page| {
                    let entry = page.get(message)?;
                    let references: Vec<u64> = entry.references().collect();
                    Some((entry.text(Text::Subject).to_vec(), entry.message_id(), references))
                };
                assert_eq!(told(before), told(after));
            }
        }
        assert_eq!(back[1].1.get(3080).unwrap().text(Text::Subject), b"3080");
    }

    #[test]
    fn what_was_changed_is_nothing() {
        let octets = encode(&[(1, page(&[1024]))]);
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 4;
            assert!(decode(&changed).is_none(), "octet {at}");
            assert!(decode(&octets[..at]).is_none(), "length {at}");
        }
        assert!(decode(&[&octets[..], b"x"].concat()).is_none());
    }

    #[test]
    fn well_summed_nonsense_is_nothing() {
        let summed = |octets: &[u8]| {
            let content = [&head()[..], octets].concat();
            let sum = crc32fast::hash(&content).to_le_bytes();
            decode(&[&content[..], &sum].concat())
        };
        assert!(summed(&0u32.to_le_bytes()).is_some_and(|pages| pages.is_empty()));
        assert!(summed(&u32::MAX.to_le_bytes()).is_none());
        // Places behind the end of the entries are those of no message.
        let places = [u32::MAX; PAGE_MESSAGES as usize].map(u32::to_le_bytes);
        let numbers = [1u32, 5, 0].map(u32::to_le_bytes);
        let pages = summed(&[numbers.as_flattened(), places.as_flattened()].concat()).unwrap();
        assert!(pages[0].1.get(5 * PAGE_MESSAGES).is_none());
    }
}
