//! Whether a document has a field of certain names whose value begins with a needle.

use super::Halt;
use super::facts::Part;
use super::in_slot::{InSlot, Walk};
use super::needle::Needle;
use super::scope::Scope;
use super::text::Text;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD};
use crate::segment::{Literals, Segment};
use crate::tokens::Class;

pub(super) struct Begins<'a> {
    segment: &'a Segment,
    /// Vocabulary entries, rising.
    names: &'a [u32],
    needle: &'a Needle,
    /// How many documents are looked at.
    docs: u32,
    /// What tells whether a token of the needle can stand in a slot, made when it is asked for.
    in_slot: Vec<Option<InSlot<'a>>>,
}

/// What tokens say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    Yes,
    No,
    /// It depends on a slot, in which this token of the needle has to stand.
    Slot(usize),
}

impl<'a> Begins<'a> {
    pub fn new(segment: &'a Segment, names: &'a [u32], needle: &'a Needle, docs: u32) -> Begins<'a> {
        Begins { segment, names, needle, docs, in_slot: (0..needle.len()).map(|_| None).collect() }
    }

    /// Whether a slot of a document may have a token of the needle.
    pub fn may_have(&mut self, token: usize, doc: u32, literals: &Literals<'_>) -> Result<bool, Halt> {
        let (segment, needle, docs) = (self.segment, self.needle, self.docs);
        // A space at the end may be the one that is left out between words.
        let Some(place) = self.in_slot.get_mut(token).filter(|_| needle.token(token) != b" ") else {
            return Ok(true);
        };
        if place.is_none() {
            let (class, octets) = (needle.class(token), needle.token(token));
            let part = Part { class, any_word: false, range: segment.vocabulary().prefix(octets) };
            *place = Some(InSlot::right(segment, Scope::Head, &part, octets, docs));
        }
        place.as_mut().map_or(Ok(true), |in_slot| in_slot.may_be_in(doc, literals))
    }

    pub fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Whether the entry is one of the names.
    pub fn is_named(&self, name: u32) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// The token of the needle that has to stand where only `rest` of the needle is left.
    fn token_of(&self, rest: &[u8]) -> usize {
        let at = self.needle.bytes().len() - rest.len();
        let starts = |token: usize| self.needle.start(token) >= at;
        let token = (0..self.needle.len()).find(|&token| starts(token)).unwrap_or(0);
        // The space between words stands for itself in no text.
        let is_space = self.needle.token(token) == b" " && token + 1 < self.needle.len();
        token + usize::from(is_space)
    }

    /// Whether the tokens of a field begin with the needle; `texts` are of its template and of its slots.
    pub fn begins(&self, texts: &mut [Text<'_>; 2]) -> Begun {
        let vocabulary = self.segment.vocabulary();
        let mut walk = Walk::new(texts[0].codes, texts[1].codes);
        let mut rest = self.needle.bytes();
        let mut after_word = false;
        while !rest.is_empty() {
            let Some(code) = walk.next() else { return Begun::No };
            let (class, token) = match code.rank {
                rank if codes::is_slot(rank) => return Begun::Slot(self.token_of(rest)),
                rank @ (LITERAL_WORD | LITERAL_SEPARATOR) => {
                    let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
                    (Some(class), texts[usize::from(code.in_slot)].literal(code.at).unwrap_or_default())
                }
                rank => {
                    let token = vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord));
                    (token.map(|(class, _)| class), token.map_or(&[][..], |(_, token)| token))
                }
            };
            let word = class == Some(Class::Word);
            let space: &[u8] = if word && after_word { b" " } else { b"" };
            after_word = word;
            // A damaged vocabulary has empty terms.
            if token.is_empty() {
                return Begun::No;
            }
            for part in [space, token] {
                let shared = part.len().min(rest.len());
                if part[..shared] != rest[..shared] {
                    return Begun::No;
                }
                rest = &rest[shared..];
            }
        }
        Begun::Yes
    }
}
