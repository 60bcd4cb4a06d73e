//! The codes of one area of a message as one run, header fields put together from their templates; and its literals.

use std::borrow::Cow;
use std::cell::OnceCell;

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

    /// Whether some octets are among them: a part of one, perhaps with 0xff before or behind. Does not unpack them.
    pub fn have(&self, octets: &Finder<'_>) -> bool {
        packed::has(self.packed, octets)
    }
}

/// Documents whose literals are looked up at once: these places lie anywhere, and are waited for together.
const PLACES: usize = 64;
/// Documents whose literals are on their way from memory while those of one are searched.
const AHEAD: usize = 4;

impl Segment {
    /// Says of each document whether such octets are among its literals of an area: a part of one, perhaps with 0xff before
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
        let mut places = [&[][..]; PLACES];
        for docs in docs.chunks(PLACES) {
            let places = &mut places[..docs.len()];
            for (place, &doc) in places.iter_mut().zip(docs) {
                *place = self.areas[area as usize].literals(doc);
            }
            if self.ahead.is_cold() {
                places.iter().for_each(|packed| self.ahead.will_need(packed));
            }
            places.iter().take(AHEAD).for_each(|packed| kernel::prefetch(packed));
            for (n, &doc) in docs.iter().enumerate() {
                if let Some(next) = places.get(n + AHEAD) {
                    kernel::prefetch(next);
                }
                // Columns of header fields hold addresses as well.
                let parts =
                    if area == Area::Body { self.body_signature.parts_of(doc, columns) } else { None };
                let has = match parts {
                    Some(parts) => parts.into_iter().any(|part| packed::has_in(places[n], octets, part)),
                    None => packed::has(places[n], octets),
                };
                each(doc, has)?;
            }
        }
        Ok(())
    }

    /// Leaves of some documents those that `keep` wants, which looks at their codes in an area: those of the next ones are on their way
    /// from memory meanwhile. Ends early if `keep` does.
    pub fn try_retain<E>(
        &self,
        docs: &mut Bits,
        area: Area,
        mut keep: impl FnMut(u32) -> Result<bool, E>,
    ) -> Result<(), E> {
        let all: Vec<u32> = docs.iter().collect();
        for some in all.chunks(PLACES) {
            if self.ahead.is_cold() {
                some.iter().for_each(|&doc| self.will_read(doc, area));
            }
            for (n, &doc) in some.iter().enumerate() {
                if let Some(&next) = some.get(n + AHEAD) {
                    kernel::prefetch(self.areas[area as usize].codes(next));
                }
                if !keep(doc)? {
                    docs.remove(doc);
                }
            }
        }
        Ok(())
    }

    fn will_read(&self, doc: u32, area: Area) {
        self.ahead.will_need(self.areas[area as usize].codes(doc));
        if area == Area::Head {
            self.ahead.will_need(self.templates.numbers_of(doc));
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
