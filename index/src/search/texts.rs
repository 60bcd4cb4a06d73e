//! The texts of one area of one document, read back from codes and literals: the verification that is always exact.
//!
//! An area is a sequence of texts. Each is the mark of a text, in the head the code of its field name (behind a mark if the field is
//! nested), in the addresses the pseudo name, and then its tokens; one space between two words is left out. A token that only one
//! message has is an escape code here and stands in the literals, in the order of the escapes.

use memchr::memchr;

use super::text::TEXT_OCTET;
use crate::prepare::Area;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, NESTED, TEXT};
use crate::segment::{Damaged, Page, Segment};
use crate::tokens::Class;

const DAMAGED: Damaged = Damaged("codes");

/// Walks the texts of an area.
pub(super) struct Texts<'a> {
    segment: &'a Segment,
    area: Area,
    codes: &'a [u8],
    at: usize,
    literals: &'a [u8],
}

/// Whose text it is. Bodies have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Vocabulary entry of the field name.
    pub name: Option<u32>,
    pub nested: bool,
}

impl<'a> Texts<'a> {
    pub fn new(segment: &'a Segment, page: &'a Page<'_>, area: Area) -> Texts<'a> {
        Texts { segment, area, codes: &page.codes, at: 0, literals: page.literals.get() }
    }

    /// The next text: whose it is. Its tokens must be read or skipped before the next one.
    pub fn next(&mut self) -> Result<Option<Owner>, Damaged> {
        if self.at >= self.codes.len() {
            return Ok(None);
        }
        if self.code()? != TEXT {
            return Err(DAMAGED);
        }
        if self.area == Area::Body {
            return Ok(Some(Owner { name: None, nested: false }));
        }
        let mut rank = self.code()?;
        let nested = rank == NESTED;
        if nested {
            rank = self.code()?;
        }
        let name = self.segment.vocabulary().ord_of_rank(rank);
        Ok(Some(Owner { name, nested }))
    }

    /// Appends the tokens of the current text until it ends or `enough` octets are there.
    pub fn read(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<(), Damaged> {
        let vocabulary = self.segment.vocabulary();
        let mut after_word = false;
        while self.inside() && out.len() < enough {
            let (class, bytes) = match self.code()? {
                LITERAL_WORD => (Class::Word, self.literal()?),
                LITERAL_SEPARATOR => (Class::Separator, self.literal()?),
                rank => vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord)).ok_or(DAMAGED)?,
            };
            let word = class == Class::Word;
            if word && after_word {
                out.push(b' ');
            }
            out.extend_from_slice(bytes);
            after_word = word;
        }
        Ok(())
    }

    /// Passes over what is left of the current text.
    pub fn skip(&mut self) -> Result<(), Damaged> {
        while self.inside() {
            if matches!(self.code()?, LITERAL_WORD | LITERAL_SEPARATOR) {
                self.literal()?;
            }
        }
        Ok(())
    }

    fn inside(&self) -> bool {
        self.codes.get(self.at).is_some_and(|&octet| octet != TEXT_OCTET)
    }

    fn code(&mut self) -> Result<u32, Damaged> {
        codes::next(self.codes, &mut self.at).ok_or(DAMAGED)
    }

    fn literal(&mut self) -> Result<&'a [u8], Damaged> {
        let end = memchr(0xff, self.literals).ok_or(DAMAGED)?;
        let literal = &self.literals[..end];
        self.literals = &self.literals[end + 1..];
        Ok(literal)
    }
}
