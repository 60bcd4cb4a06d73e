//! The codes of one area of a message as one run, header fields put together from their templates; and its literals.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use memchr::memmem::Finder;

use super::{Bits, Columns, Damaged, Segment, kernel, packed};
use crate::prepare::Area;

/// Codes and literals of an area of a message.
pub struct Page<'a> {
    /// See [`super::codes`].
    pub codes: Cow<'a, [u8]>,
    pub literals: Literals<'a>,
}

/// The literals of an area of a message, unpacked when they are asked for.
pub struct Literals<'a> {
    packed: &'a [u8],
    unpacked: OnceCell<Vec<u8>>,
}

impl Literals<'_> {
    /// Those of no message.
    pub fn none() -> Literals<'static> {
        Literals { packed: &[], unpacked: OnceCell::new() }
    }

    /// Each followed by 0xff, in the order of their codes.
    pub fn get(&self) -> &[u8] {
        let all = match packed::plain(self.packed) {
            Some(plain) => plain,
            None => self.unpacked.get_or_init(|| packed::unpack(self.packed)),
        };
        all.get(1..).unwrap_or_default()
    }

    /// Which of them have such octets, rising.
    pub fn which(&self, octets: &Finder<'_>, out: &mut Vec<usize>) {
        packed::which(self.packed, octets, out);
    }

    /// Whether the literal before which there are so many has octets at its start, with 0xff before them, or at its end, with 0xff behind
    /// them; `behind` are those behind it.
    pub fn nth_has(&self, before: usize, behind: usize, octets: &[u8]) -> bool {
        packed::nth_has(self.packed, before, behind, octets)
    }

    /// Whether some octets are among them: a part of one, perhaps with 0xff before or behind. Does not unpack them.
    pub fn have(&self, octets: &Finder<'_>) -> bool {
        packed::has(self.packed, octets)
    }
}

/// What is read of each of many documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// The codes of an area.
    Codes(Area),
    /// Header fields, and their literals.
    FieldsAndLiterals,
}

/// Documents whose literals are looked up at once: these places lie anywhere, and are waited for together.
const PLACES: usize = 64;
/// Documents whose literals are on their way from memory while those of one are searched.
const AHEAD: usize = 4;

impl Segment {
    /// Says of each document, which rise, whether such octets are among its literals of an area: a part of one, perhaps with 0xff before
    /// or behind. Long ones are only looked at where `columns` say that it may be, which [`Segment::literal_candidates`] has returned for
    /// it, or which are all by default. Ends early if `each` does.
    pub fn search_literals<E>(
        &self,
        docs: &[u32],
        area: Area,
        octets: &Finder<'_>,
        columns: &Columns,
        mut each: impl FnMut(u32, bool) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut literals = [&[][..]; PLACES];
        // Which of these documents, and where in its literals.
        let mut looked_at: Vec<(usize, Range<usize>)> = Vec::with_capacity(PLACES);
        // Of the columns that continue documents, those of documents before.
        let mut passed = 0;
        for docs in docs.chunks(PLACES) {
            looked_at.clear();
            docs.iter().for_each(|&doc| self.areas[area as usize].literal_offsets.prefetch(doc));
            for (n, &doc) in docs.iter().enumerate() {
                literals[n] = self.areas[area as usize].literals(doc);
                // Columns of header fields hold addresses as well.
                let is_long = area == Area::Body
                    && self
                        .body_signature
                        .parts_of(doc, columns, &mut passed, |part| looked_at.push((n, part)));
                if !is_long {
                    looked_at.push((n, 0..usize::MAX));
                }
            }
            let octets_of = |(n, part): &(usize, Range<usize>)| packed::about(literals[*n], part);
            if self.ahead.asks() {
                looked_at.iter().flat_map(octets_of).for_each(|octets| self.ahead.will_need(octets));
            }
            let prefetch = |part| octets_of(part).into_iter().for_each(kernel::prefetch);
            looked_at.iter().take(AHEAD).for_each(prefetch);
            let mut next = 0;
            for (n, &doc) in docs.iter().enumerate() {
                let mut has = false;
                while let Some((_, part)) = looked_at.get(next).filter(|(of, _)| *of == n) {
                    looked_at.get(next + AHEAD).into_iter().for_each(prefetch);
                    has = has || packed::has_in(literals[n], octets, part.clone());
                    next += 1;
                }
                each(doc, has)?;
            }
        }
        Ok(())
    }

    /// Leaves of some documents those that `keep` wants, which reads something of them: that of the next ones is on its way from memory
    /// meanwhile. Ends early if `keep` does.
    pub fn try_retain<E>(
        &self,
        docs: &mut Bits,
        reads: Reads,
        mut keep: impl FnMut(u32) -> Result<bool, E>,
    ) -> Result<(), E> {
        let all: Vec<u32> = docs.iter().collect();
        for some in all.chunks(PLACES) {
            if self.ahead.asks() {
                some.iter().for_each(|&doc| self.read(doc, reads, |octets| self.ahead.will_need(octets)));
            }
            some.iter().take(AHEAD).for_each(|&doc| self.read(doc, reads, kernel::prefetch));
            for (n, &doc) in some.iter().enumerate() {
                if let Some(&next) = some.get(n + AHEAD) {
                    self.read(next, reads, kernel::prefetch);
                }
                if !keep(doc)? {
                    docs.remove(doc);
                }
            }
        }
        Ok(())
    }

    /// What is read of a document.
    #[inline]
    fn read(&self, doc: u32, reads: Reads, each: impl Fn(&[u8])) {
        let (area, literals) = match reads {
            Reads::Codes(area) => (area, false),
            Reads::FieldsAndLiterals => (Area::Head, true),
        };
        each(self.areas[area as usize].codes(doc));
        if area == Area::Head {
            each(self.templates.numbers_of(doc));
        }
        if literals {
            each(self.areas[area as usize].literals(doc));
        }
    }

    pub fn page(&self, doc: u32, area: Area) -> Result<Page<'_>, Damaged> {
        let slots = self.areas[area as usize].codes(doc);
        let codes = if area == Area::Head {
            let mut codes = Vec::with_capacity(slots.len() * 6);
            for value in self.fields(doc) {
                value?.expand(&mut codes)?;
            }
            Cow::Owned(codes)
        } else {
            Cow::Borrowed(slots)
        };
        Ok(Page { codes, literals: self.literals(doc, area) })
    }

    pub fn literals(&self, doc: u32, area: Area) -> Literals<'_> {
        Literals { packed: self.areas[area as usize].literals(doc), unpacked: OnceCell::new() }
    }
}
