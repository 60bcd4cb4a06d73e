//! From vocabulary entries straight to their lists of documents: tables instead of tantivy's dictionary, which a needle that is
//! part of thousands of entries would walk thousands of times.
//!
//! The lists are those of [`Field::Body`] and [`Field::Head`]; a table holds where each begins. It may name more octets than a
//! list has, since pairs stand between entries; how many documents it has says where it ends.

use std::ops::ControlFlow;

use tantivy::directory::OwnedBytes;

use super::bundle::{Bundle, Numbers, Piece, Writer};
use super::inverted::{Found, Inverted};
use super::terms::Field;
use super::{BuildError, Damaged};

pub struct Direct {
    /// For each entry, and one more, where its list begins.
    body_lists: Numbers,
    body_counts: Counts,
    /// For each entry, and one more, the first of its places in the three tables below.
    head_firsts: Numbers,
    head_fields: Numbers,
    head_lists: Numbers,
    head_counts: Counts,
}

/// Numbers of documents, which are at most 2^15.
struct Counts(OwnedBytes);

impl Counts {
    #[inline]
    fn get(&self, index: u32) -> u32 {
        let at = index as usize * 2;
        let octets = self.0.as_slice().get(at..at + 2).and_then(|octets| octets.try_into().ok());
        octets.map_or(0, |octets| u32::from(u16::from_le_bytes(octets)))
    }
}

/// Makes the tables of the `entries` of a vocabulary from the finished lists.
pub fn write(inverted: &Inverted, entries: u32, out: &mut Writer) -> Result<(), BuildError> {
    let mut lists = vec![0; entries as usize + 1];
    let mut counts = vec![0; entries as usize];
    let mut next = 0;
    let mut end = 0;
    inverted.terms(Field::Body, &[], &mut |term, found| {
        // Longer terms are pairs.
        if let Ok(entry) = term.try_into().map(u32::from_be_bytes)
            && entry < entries
        {
            lists[next..=entry as usize].fill(found.start() as u32);
            counts[entry as usize] = found.frequency();
            next = entry as usize + 1;
        }
        end = found.end() as u32;
        ControlFlow::Continue(())
    })?;
    lists[next..].fill(end);
    out.numbers(Piece::BodyLists, lists);
    out.piece(Piece::BodyCounts, &octets(&counts));

    let (mut firsts, mut fields, mut lists, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut end = 0;
    inverted.terms(Field::Head, &[], &mut |term, found| {
        let number = |at: usize| {
            term.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_be_bytes)
        };
        let (Some(entry), Some(field)) = (number(0), number(4)) else { return ControlFlow::Continue(()) };
        if entry < entries {
            firsts.resize(entry as usize + 1, fields.len() as u32);
            fields.push(field);
            lists.push(found.start() as u32);
            counts.push(found.frequency());
            end = found.end() as u32;
        }
        ControlFlow::Continue(())
    })?;
    firsts.resize(entries as usize + 1, fields.len() as u32);
    lists.push(end);
    out.numbers(Piece::HeadFirsts, firsts);
    out.numbers(Piece::HeadNames, fields);
    out.numbers(Piece::HeadLists, lists);
    out.piece(Piece::HeadCounts, &octets(&counts));
    Ok(())
}

fn octets(counts: &[u32]) -> Vec<u8> {
    counts.iter().flat_map(|&count| u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes()).collect()
}

impl Direct {
    /// `entries` is the length of the vocabulary.
    pub fn open(bundle: &Bundle, entries: u32) -> Result<Direct, Damaged> {
        let direct = Direct {
            body_lists: bundle.numbers(Piece::BodyLists),
            body_counts: Counts(bundle.piece(Piece::BodyCounts)),
            head_firsts: bundle.numbers(Piece::HeadFirsts),
            head_fields: bundle.numbers(Piece::HeadNames),
            head_lists: bundle.numbers(Piece::HeadLists),
            head_counts: Counts(bundle.piece(Piece::HeadCounts)),
        };
        let places = direct.head_fields.len();
        let fits = direct.body_lists.len() == entries + 1
            && direct.head_firsts.len() == entries + 1
            && direct.head_lists.len() == places + 1;
        if fits { Ok(direct) } else { Err(Damaged("direct tables")) }
    }

    /// The list of an entry in bodies.
    #[inline]
    pub fn body(&self, entry: u32) -> Option<Found> {
        list(&self.body_lists, &self.body_counts, entry)
    }

    /// The lists of an entry in header fields and addresses: the field as in [`super::terms::head`], and the list.
    #[inline]
    pub fn head(&self, entry: u32) -> impl Iterator<Item = (u32, Found)> + '_ {
        let places = self.head_firsts.range(entry, self.head_fields.len() as usize);
        (places.start as u32..places.end as u32).filter_map(|place| {
            Some((self.head_fields.get(place)?, list(&self.head_lists, &self.head_counts, place)?))
        })
    }
}

fn list(lists: &Numbers, counts: &Counts, at: u32) -> Option<Found> {
    let count = counts.get(at);
    let octets = lists.range(at, usize::MAX);
    (count > 0).then(|| Found::at(octets, count))
}
