//! Tokens of a header field of which some stand in slots of its template, and whether a slot can hold a part at an edge of a needle.

use memchr::memmem::Finder;

use super::facts::Part;
use super::scope::Scope;
use super::text::Text;
use super::{Cx, Halt};
use crate::bits::Bits;
use crate::limits::{SLOT_ENTRIES_MAX, SLOT_RANGE_MAX};
use crate::prepare::Area;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, SLOT_WORD};
use crate::segment::{Literals, Segment, varies};
use crate::tokens::Class;

/// Documents for which all templates are gone through; for fewer, those that they have are looked at.
pub(super) const MANY: u32 = if cfg!(test) { 8 } else { 256 };
/// Vocabulary entries that are looked at, for each document, to say which documents have one in a slot.
const ENTRIES_PER_DOC: usize = 8;

/// What tells whether the slots of a document can hold an edge.
pub(super) struct InSlot {
    literal: Finder<'static>,
    class: Class,
    any_word: bool,
    /// Documents that may have such a literal; `None`: any of them.
    literals: Option<Bits>,
    /// Documents with entries that vary and have it; `None` if there are too many to say.
    entries: Option<Bits>,
    /// Which literals of a document are such ones: of the last document that was asked for.
    found: Vec<usize>,
    found_of: Option<u32>,
}

impl InSlot {
    /// `ord` is the vocabulary entry at a position of the part's range, `edge` what a literal with it has.
    pub fn new(
        segment: &Segment,
        scope: Scope,
        part: &Part,
        edge: [&[u8]; 2],
        docs: u32,
        ord: impl Fn(u32) -> u32,
    ) -> Result<InSlot, Halt> {
        let vocabulary = segment.vocabulary();
        let may_vary = |ord: u32| vocabulary.token(ord).is_some_and(|(class, token)| varies(token, class));
        let docs_of = |ords: Vec<u32>| {
            let mut found = Bits::new(segment.docs());
            let mut lists = segment.lists(scope.field_of_words());
            for ord in ords {
                scope.lists(segment, ord, &mut |list| lists.or_into(list, &mut found))?;
            }
            Ok::<Bits, Halt>(found)
        };
        let many = docs >= MANY;
        let few_entries =
            many && !part.any_word && part.range.len() <= SLOT_RANGE_MAX.min(docs as usize * ENTRIES_PER_DOC);
        let entries = few_entries
            .then(|| part.range.clone().map(ord).filter(|&ord| may_vary(ord)).collect::<Vec<u32>>())
            .filter(|ords| ords.len() <= SLOT_ENTRIES_MAX.min(docs as usize / 2))
            .map(docs_of)
            .transpose()?;
        let literals = many.then(|| {
            let mut docs = Bits::full(segment.docs());
            let token = if edge[0] == b"\xff" { edge[1] } else { edge[0] };
            segment.literal_candidates(Area::Head, token, &mut docs);
            docs
        });
        let literal = Finder::new(&edge.concat()).into_owned();
        Ok(InSlot {
            literal,
            class: part.class,
            any_word: part.any_word,
            literals,
            entries,
            found: Vec::new(),
            found_of: None,
        })
    }

    /// How many documents [`InSlot::docs`] looks at, about; `None` if it says nothing.
    pub fn breadth(&self) -> Option<u32> {
        let known = !self.any_word && self.entries.is_some();
        self.literals.as_ref().map(Bits::count).filter(|_| known)
    }

    /// Documents of `within` that may have it in a slot.
    pub fn docs(&self, segment: &Segment, cx: Cx<'_>, within: &Bits) -> Result<Bits, Halt> {
        let mut found = self.entries.clone().unwrap_or_else(|| within.clone());
        let mut literals = self.literals.clone().unwrap_or_else(|| within.clone());
        literals.and(within);
        literals.and_not(&found);
        let all: Vec<u32> = literals.iter().collect();
        segment.search_literals(&all, Area::Head, &self.literal, |doc, have| {
            if have {
                found.insert(doc);
            }
            cx.check()
        })?;
        Ok(found)
    }

    /// Whether it may stand in a slot of this kind.
    pub fn is_slot(&self, rank: u32) -> bool {
        match rank {
            SLOT_WORD => self.class == Class::Word || self.any_word,
            _ => self.class == Class::Separator,
        }
    }

    /// Which literals of the document are such ones, rising.
    fn literals_of(&mut self, doc: u32, literals: &Literals<'_>) -> &[usize] {
        if self.found_of != Some(doc) {
            self.found_of = Some(doc);
            self.found.clear();
            if self.literals.as_ref().is_none_or(|docs| docs.contains(doc)) {
                literals.which(&self.literal, &mut self.found);
            }
        }
        &self.found
    }

    /// Whether it depends on a slot that it stands where a token is; `None` if it does not. `fits` says of a code that it does.
    pub fn stands_at(
        &mut self,
        token: &Token,
        doc: u32,
        texts: &mut [Text<'_>; 2],
        fits: impl FnOnce(&mut Text<'_>, usize) -> bool,
    ) -> Option<bool> {
        if codes::is_slot(token.rank) {
            return self.is_slot(token.rank).then_some(true);
        }
        let text = &mut texts[usize::from(token.in_slot)];
        let stands = if matches!(token.rank, LITERAL_WORD | LITERAL_SEPARATOR) && !self.any_word {
            self.is_at(doc, text, token.at)
        } else {
            fits(text, token.at)
        };
        stands.then_some(false)
    }

    /// Whether the literal that a code in the slots stands for is such a one.
    fn is_at(&mut self, doc: u32, slots: &Text<'_>, at: usize) -> bool {
        let found = self.literals_of(doc, slots.literals);
        !found.is_empty() && found.contains(&slots.number_of_literal(at))
    }

    /// Whether a slot of the document may hold it.
    pub fn may_be_in(&mut self, doc: u32, literals: &Literals<'_>) -> bool {
        self.entries.as_ref().is_none_or(|entries| entries.contains(doc))
            || !self.literals_of(doc, literals).is_empty()
    }
}

/// Walks the tokens of a field.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub template: &'a [u8],
    pub at: usize,
    /// What fills the slots; may be less than there are.
    pub slots: &'a [u8],
    pub slots_at: usize,
}

pub(super) struct Token {
    /// A slot for what is not known.
    pub rank: u32,
    /// Where its code is: in the template, or in the slots.
    pub at: usize,
    pub in_slot: bool,
}

impl<'a> Walk<'a> {
    /// From the first token on.
    pub fn new(template: &'a [u8], slots: &'a [u8]) -> Walk<'a> {
        Walk { template, at: 0, slots, slots_at: 0 }
    }

    #[inline]
    pub fn next(&mut self) -> Option<Token> {
        let token = Token { at: self.at, rank: codes::next(self.template, &mut self.at)?, in_slot: false };
        if !codes::is_slot(token.rank) {
            return Some(token);
        }
        let at = self.slots_at;
        let filled = codes::next(self.slots, &mut self.slots_at);
        Some(filled.map_or(token, |rank| Token { rank, at, in_slot: true }))
    }
}
