//! The codes of one area of a message as one run, header fields put together from their templates.

use std::borrow::Cow;

use super::{Damaged, Segment};
use crate::prepare::Area;

/// Codes and literals of an area of a message.
pub struct Page<'a> {
    /// See [`super::codes`].
    pub codes: Cow<'a, [u8]>,
    /// Each followed by 0xff, in the order of their codes.
    pub literals: Cow<'a, [u8]>,
}

impl Segment {
    pub fn page(&self, doc: u32, area: Area) -> Result<Page<'_>, Damaged> {
        let slots = self.areas[area as usize].codes(doc);
        let literals = Cow::Borrowed(self.literals(doc, area));
        if area != Area::Head {
            return Ok(Page { codes: Cow::Borrowed(slots), literals });
        }
        let mut codes = Vec::with_capacity(slots.len() * 6);
        for value in self.values(doc) {
            value?.expand(&mut codes)?;
        }
        Ok(Page { codes: Cow::Owned(codes), literals })
    }
}
