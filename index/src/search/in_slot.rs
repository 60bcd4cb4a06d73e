//! Tokens of a header field of which some stand in slots of its template, and whether a slot can hold a part at an edge of a needle.

use std::cell::OnceCell;
use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::facts::Part;
use super::scope::Scope;
use super::text::Text;
use super::{Cx, Halt};
use crate::bits::Bits;
use crate::limits::{SLOT_ENTRIES_MAX, SLOT_RANGE_MAX};
use crate::prepare::Area;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, SLOT_SEPARATOR};
use crate::segment::{Columns, Literals, Segment, may_fill, varies};
use crate::tokens::Class;

/// Documents for which all templates are gone through; for fewer, those that they have are looked at.
pub(super) const MANY: u32 = if cfg!(test) { 8 } else { 256 };
/// Vocabulary entries that are looked at, for each document, to say which documents have one in a slot.
const ENTRIES_PER_DOC: usize = 8;

/// Literals of a document that are looked at one by one; if it is asked for more, all of them are looked through.
const ASKED_ALONE: u32 = if cfg!(test) { 2 } else { 4 };

/// Octets of a token with which few documents have a literal that begins or ends so: all of these are looked through, which takes less
/// time than to find the one in the slot. A shorter one is at the edge of a literal in most documents.
const LOOKED_THROUGH_LEN: usize = 2;

/// What tells whether the slots of a document can hold an edge; found out when it is asked for.
pub(super) struct InSlot<'a> {
    segment: &'a Segment,
    scope: Scope,
    part: Part,
    /// The positions of the part's range are in the order of reversed terms.
    reversed: bool,
    token: &'a [u8],
    /// Whether a token has it.
    has: fn(&[u8], &[u8]) -> bool,
    /// How many documents are looked at.
    docs: u32,
    literal: Finder<'static>,
    /// Documents that may have such a literal; `None`: any of them.
    literals: OnceCell<Option<Bits>>,
    /// Documents with entries that vary and have it; `None` if there are too many to say.
    entries: OnceCell<Option<Bits>>,
    /// Which literals of a document are such ones: of the last document that was asked for.
    found: Vec<usize>,
    found_of: Option<u32>,
    /// How many literals of a document were looked at alone: of the last one that was asked for.
    asked: u32,
    asked_of: Option<u32>,
}

impl<'a> InSlot<'a> {
    /// A part at the left edge of a needle, of which `token` is the first token.
    pub fn left(segment: &'a Segment, scope: Scope, part: &Part, token: &'a [u8], docs: u32) -> Self {
        InSlot::new(segment, scope, part, token, [token, b"\xff"].concat(), docs)
    }

    /// A part at the right edge of a needle, of which `token` is the last token.
    pub fn right(segment: &'a Segment, scope: Scope, part: &Part, token: &'a [u8], docs: u32) -> Self {
        let in_slot = InSlot::new(segment, scope, part, token, [b"\xff", token].concat(), docs);
        InSlot { reversed: false, has: <[u8]>::starts_with, ..in_slot }
    }

    /// A whole token, and the vocabulary entry that it is, if it is one.
    pub fn whole(
        segment: &'a Segment,
        scope: Scope,
        class: Class,
        ord: Option<u32>,
        token: &'a [u8],
        docs: u32,
    ) -> Self {
        let range = ord.map_or(0..0, |ord| ord..ord.saturating_add(1));
        let part = Part { class, any_word: false, range };
        let in_slot = InSlot::new(segment, scope, &part, token, [b"\xff", token, b"\xff"].concat(), docs);
        // An entry is no literal.
        let literals = match ord {
            Some(_) => OnceCell::from(Some(Bits::new(segment.docs()))),
            None => in_slot.literals,
        };
        InSlot { reversed: false, has: |token, whole| token == whole, literals, ..in_slot }
    }

    fn new(
        segment: &'a Segment,
        scope: Scope,
        part: &Part,
        token: &'a [u8],
        literal: Vec<u8>,
        docs: u32,
    ) -> InSlot<'a> {
        let literal = Finder::new(&literal).into_owned();
        let (literals, entries, found) = Default::default();
        InSlot {
            segment,
            scope,
            part: part.clone(),
            reversed: true,
            token,
            has: <[u8]>::ends_with,
            docs,
            literal,
            literals,
            entries,
            found,
            found_of: None,
            asked: 0,
            asked_of: None,
        }
    }

    fn literals(&self) -> Option<&Bits> {
        let find = || {
            let mut docs = Bits::full(self.segment.docs());
            self.segment.literal_candidates(Area::Head, self.token, &mut docs);
            docs
        };
        self.literals.get_or_init(|| (self.docs >= MANY).then(find)).as_ref()
    }

    fn entries(&self) -> Result<Option<&Bits>, Halt> {
        if self.entries.get().is_none() {
            let found = self.find_entries()?;
            return Ok(self.entries.get_or_init(|| found).as_ref());
        }
        Ok(self.entries.get().and_then(Option::as_ref))
    }

    fn find_entries(&self) -> Result<Option<Bits>, Halt> {
        let (part, docs, vocabulary) = (&self.part, self.docs as usize, self.segment.vocabulary());
        if self.docs < MANY || part.any_word || part.range.len() > SLOT_RANGE_MAX.min(docs * ENTRIES_PER_DOC)
        {
            return Ok(None);
        }
        let ord = |at: u32| if self.reversed { vocabulary.reversed(at) } else { at };
        let all: Vec<u32> = part.range.clone().map(ord).collect();
        let mut ords = Vec::new();
        vocabulary.for_tokens(&all, |ord, class, token| ords.extend(varies(token, class).then_some(ord)));
        if ords.len() > SLOT_ENTRIES_MAX.min(docs / 2) {
            return Ok(None);
        }
        let mut found = Bits::new(self.segment.docs());
        let field = self.scope.field_of_words();
        let mut lists = self.segment.lists(field);
        self.segment.try_for_entries(field, &ords, |ord| {
            self.scope.lists(self.segment, ord, &mut |list| lists.or_into(list, &mut found))?;
            Ok::<_, Halt>(ControlFlow::Continue(()))
        })?;
        Ok(Some(found))
    }

    /// How many documents [`InSlot::docs`] looks at, about; `None` if it says nothing.
    pub fn breadth(&self) -> Result<Option<u32>, Halt> {
        let known = self.entries()?.is_some();
        Ok(self.literals().map(Bits::count).filter(|_| known))
    }

    /// Documents of `within` that may have it in a slot.
    pub fn docs(&self, cx: Cx<'_>, within: &Bits) -> Result<Bits, Halt> {
        let mut found = self.entries()?.unwrap_or(within).clone();
        found.and(within);
        let mut literals = self.literals().unwrap_or(within).clone();
        literals.and(within);
        if self.token.len() < LOOKED_THROUGH_LEN {
            found.or(&literals);
            return Ok(found);
        }
        literals.and_not(&found);
        let all: Vec<u32> = literals.iter().collect();
        self.segment.search_literals(&all, Area::Head, &self.literal, &Columns::default(), |doc, have| {
            if have {
                found.insert(doc);
            }
            cx.check()
        })?;
        Ok(found)
    }

    /// Whether vocabulary entries and the signature of literals say that a document may have it in a slot.
    pub fn is_candidate(&self, doc: u32) -> Result<bool, Halt> {
        let by_literals = self.literals().is_none_or(|docs| docs.contains(doc));
        Ok(by_literals || self.entries()?.is_none_or(|entries| entries.contains(doc)))
    }

    /// Whether it may stand in a slot of this kind.
    pub fn is_slot(&self, rank: u32) -> bool {
        self.part.any_word && rank != SLOT_SEPARATOR || may_fill(rank, self.part.class, self.token, self.has)
    }

    /// Which literals of the document are such ones, rising.
    fn literals_of(&mut self, doc: u32, literals: &Literals<'_>) -> &[usize] {
        if self.found_of != Some(doc) {
            self.found_of = Some(doc);
            self.found.clear();
            if self.literals().is_none_or(|docs| docs.contains(doc)) {
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
        let stands = if matches!(token.rank, LITERAL_WORD | LITERAL_SEPARATOR) && !self.part.any_word {
            self.is_at(doc, text, token.at)
        } else {
            fits(text, token.at)
        };
        stands.then_some(false)
    }

    /// Whether the literal that a code in the slots stands for is such a one.
    fn is_at(&mut self, doc: u32, slots: &Text<'_>, at: usize) -> bool {
        if self.literals().is_some_and(|docs| !docs.contains(doc)) {
            return false;
        }
        if self.asked_of != Some(doc) {
            (self.asked_of, self.asked) = (Some(doc), 0);
        }
        if self.asked < ASKED_ALONE {
            self.asked += 1;
            let (before, behind) = slots.literals_beside(at, self.segment.slots(doc));
            return slots.literals.nth_has(before, behind, self.literal.needle());
        }
        let found = self.literals_of(doc, slots.literals);
        !found.is_empty() && found.contains(&slots.number_of_literal(at))
    }

    /// Whether a slot of the document may hold it.
    pub fn may_be_in(&mut self, doc: u32, literals: &Literals<'_>) -> Result<bool, Halt> {
        let by_entries = self.entries()?.is_none_or(|entries| entries.contains(doc));
        Ok(by_entries || !self.literals_of(doc, literals).is_empty())
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
