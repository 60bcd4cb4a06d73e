//! Whether a document has a field of certain names whose value begins with a needle.

use super::Halt;
use super::facts::{LITERAL_BYTES_MIN, Part};
use super::in_slot::{InSlot, Walk};
use super::needle::Needle;
use super::scope::Scope;
use super::text::Text;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, SLOT_SEPARATOR};
use crate::segment::{Literals, Segment, may_fill, varies};
use crate::tokens::Class;

pub(super) struct Begins<'a> {
    segment: &'a Segment,
    /// Vocabulary entries, rising.
    names: &'a [u32],
    needle: &'a Needle,
    wanted: Vec<Wanted>,
    /// How many documents are looked at.
    docs: u32,
    /// What tells whether a token of the needle can stand in a slot, made when it is asked for.
    in_slot: Vec<Option<InSlot<'a>>>,
}

/// What a value has to have where a token of the needle is.
struct Wanted {
    kind: Kind,
    /// The vocabulary entry that is this token.
    ord: Option<u32>,
    /// What the code of that is.
    rank: Option<u32>,
    /// Such a token can stand in a slot.
    varies: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The space that is left out between two words.
    LeftOut,
    Whole,
    /// What begins with it: the last token.
    Start,
    /// The same if it is a space that may be one that is left out.
    SpaceBehindWord,
}

/// What tokens say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    Yes,
    No,
    /// It depends on slots; in one of them this token of the needle has to stand.
    Slot(usize),
}

impl<'a> Begins<'a> {
    /// The needle is not empty.
    pub fn new(segment: &'a Segment, names: &'a [u32], needle: &'a Needle, docs: u32) -> Begins<'a> {
        let wanted = (0..needle.len()).map(|token| wanted(segment, needle, token)).collect();
        let in_slot = (0..needle.len()).map(|_| None).collect();
        Begins { segment, names, needle, wanted, docs, in_slot }
    }

    /// Whether a slot of a document may have a token of the needle.
    pub fn may_have(&mut self, token: usize, doc: u32, literals: &Literals<'_>) -> Result<bool, Halt> {
        let (segment, needle, docs) = (self.segment, self.needle, self.docs);
        let (Some(place), Some(wanted)) = (self.in_slot.get_mut(token), self.wanted.get(token)) else {
            return Ok(true);
        };
        let in_slot = place.get_or_insert_with(|| {
            let (class, octets) = (needle.class(token), needle.token(token));
            if wanted.kind == Kind::Whole {
                return InSlot::whole(segment, Scope::Head, class, wanted.ord, octets, docs);
            }
            let part = Part { class, any_word: false, range: segment.vocabulary().prefix(octets) };
            InSlot::right(segment, Scope::Head, &part, octets, docs)
        });
        in_slot.may_be_in(doc, literals)
    }

    pub fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Whether the entry is one of the names.
    pub fn is_named(&self, name: u32) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// Whether the tokens of a field begin with the needle; `texts` are of its template and of its slots.
    pub fn begins(&self, texts: &mut [Text<'_>; 2]) -> Begun {
        let mut walk = Walk::new(texts[0].codes, texts[1].codes);
        let mut slot = None;
        for (n, wanted) in self.wanted.iter().enumerate() {
            if wanted.kind == Kind::LeftOut {
                continue;
            }
            let Some(code) = walk.next() else { return Begun::No };
            let stands = match code.rank {
                rank if codes::is_slot(rank)
                    && rank != SLOT_SEPARATOR
                    && wanted.kind == Kind::SpaceBehindWord =>
                {
                    true
                }
                rank if codes::is_slot(rank) => {
                    // What is long is rare.
                    let len = |token: usize| self.needle.token(token).len();
                    if slot.is_none_or(|other| len(other) < len(n)) {
                        slot = Some(n);
                    }
                    wanted.varies && self.may_fill(n, rank)
                }
                rank @ (LITERAL_WORD | LITERAL_SEPARATOR) => {
                    let literal = texts[usize::from(code.in_slot)].literal(code.at);
                    let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
                    literal.is_some_and(|literal| self.stands(n, class, literal))
                }
                rank if wanted.kind == Kind::Whole => wanted.rank == Some(rank),
                rank => {
                    let vocabulary = self.segment.vocabulary();
                    let token = vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord));
                    token.is_some_and(|(class, token)| self.stands(n, class, token))
                }
            };
            if !stands {
                return Begun::No;
            }
        }
        slot.map_or(Begun::Yes, Begun::Slot)
    }

    /// Whether what is wanted for a token of the needle may fill a slot.
    fn may_fill(&self, n: usize, slot: u32) -> bool {
        let has = match self.wanted[n].kind {
            Kind::Whole => |token: &[u8], whole: &[u8]| token == whole,
            _ => <[u8]>::starts_with,
        };
        may_fill(slot, self.needle.class(n), self.needle.token(n), has)
    }

    /// Whether a token of a value can stand where one of the needle is.
    fn stands(&self, n: usize, class: Class, token: &[u8]) -> bool {
        let octets = self.needle.token(n);
        match self.wanted[n].kind {
            Kind::Whole => token == octets,
            Kind::SpaceBehindWord if class == Class::Word => true,
            _ => token.starts_with(octets),
        }
    }
}

fn wanted(segment: &Segment, needle: &Needle, token: usize) -> Wanted {
    let vocabulary = segment.vocabulary();
    let (class, octets, last) = (needle.class(token), needle.token(token), needle.len() - 1);
    let is_word = |token: Option<usize>| token.is_some_and(|token| needle.class(token) == Class::Word);
    let behind_word = octets == b" " && is_word(token.checked_sub(1));
    let kind = match token == last {
        true if behind_word => Kind::SpaceBehindWord,
        true if class != Class::Single => Kind::Start,
        false if behind_word && is_word(Some(token + 1)) => Kind::LeftOut,
        _ => Kind::Whole,
    };
    let ord = vocabulary.ord(octets);
    let varies = class != Class::Single
        && match (kind, ord) {
            (Kind::Whole, Some(_)) => varies(octets, class),
            (Kind::Whole, None) => octets.len() >= LITERAL_BYTES_MIN,
            _ => true,
        };
    Wanted { kind, ord, rank: ord.map(|ord| vocabulary.rank(ord)), varies }
}
