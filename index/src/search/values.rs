//! A needle of several tokens inside the values of header fields, as a judge of their templates.
//!
//! A pass over the octets of all templates leaves those in which two tokens of the needle can meet. What a template leaves to its
//! slots is looked up there, at the places that the template allows.

use std::ops::Range;

use memchr::memmem::Finder;

use super::Halt;
use super::edges::Edges;
use super::facts::{Codes, Edge, Part};
use super::fields::{Judge, Verdict};
use super::head::owner;
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::side::{entries_left, entries_right, rank_left, rank_right};
use super::text::Text;
use crate::bits::Bits;
use crate::limits::{SLOT_ENTRIES_MAX, SLOT_RANGE_MAX};
use crate::prepare::Area;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, SLOT};
use crate::segment::kernel::Twos;
use crate::segment::{Literals, Segment, Template, Value, behind, varies};

/// Why a field with slots may match: its left part may stand in one, its right part, both of them in two; or only tokens between.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const OTHER: u8 = 4;
const BOTH: u8 = 8;

/// Documents for which all templates are gone through; for fewer, those that they have are looked at.
const MANY: u32 = if cfg!(test) { 8 } else { 256 };
/// Vocabulary entries that are looked at, for each document, to say which documents have one in a slot.
const ENTRIES_PER_DOC: usize = 8;

pub(super) struct Several<'a> {
    segment: &'a Segment,
    scope: Scope,
    pattern: &'a Codes,
    edges: Edges<'a>,
    /// Ranks of the tokens between the edges, and whether a slot can hold them.
    inner: Vec<(u32, bool)>,
    left: Option<InSlot>,
    right: Option<InSlot>,
    /// Templates that may match; `None`: all of them.
    templates: Option<Bits>,
    /// Where in a template it may begin if slots decide; which of these places are of one template; and by template where among
    /// the ranges that is.
    starts: Vec<Start>,
    ranges: Vec<Range<usize>>,
    range_of: Vec<u32>,
}

/// What tells whether the slots of a document can hold an edge.
struct InSlot {
    literal: Finder<'static>,
    any_word: bool,
    /// Documents that may have such a literal; `None`: any of them.
    literals: Option<Bits>,
    /// Documents with entries that vary and have it; `None` if there are too many to say.
    entries: Option<Bits>,
    /// Which literals of a document are such ones: of the last document that was asked for.
    found: Vec<usize>,
    found_of: Option<u32>,
}

/// A token of a template.
#[derive(Clone, Copy)]
struct Start {
    /// Where its code is.
    at: usize,
    /// Slots before it.
    slots: u32,
}

impl<'a> Several<'a> {
    /// For the documents `within`.
    pub fn new(
        run: &Run<'a>,
        scope: Scope,
        needle: &'a Needle,
        pattern: &'a Codes,
        within: &Bits,
    ) -> Result<Several<'a>, Halt> {
        let segment = run.segment;
        let vocabulary = segment.vocabulary();
        let docs = within.count();
        let inner: Vec<(u32, bool)> = codes::ranks(&pattern.run)
            .map(|rank| {
                let token = vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord));
                (rank, token.is_some_and(|(class, token)| varies(token, class)))
            })
            .collect();
        let left = match &pattern.left {
            Edge::Part(part) => {
                let ord = |at: u32| vocabulary.reversed(at);
                Some(InSlot::new(segment, scope, part, [needle.token(0), b"\xff"], docs, ord)?)
            }
            Edge::Whole => None,
        };
        let right = match &pattern.right {
            Edge::Part(part) => {
                let token = needle.token(needle.len() - 1);
                Some(InSlot::new(segment, scope, part, [b"\xff", token], docs, |ord| ord)?)
            }
            Edge::Whole => None,
        };
        let edges = Edges::new(segment, needle, pattern, docs);
        let range_of = vec![0; segment.templates().len() as usize];
        let mut several = Several {
            segment,
            scope,
            pattern,
            edges,
            inner,
            left,
            right,
            templates: None,
            starts: Vec::new(),
            ranges: Vec::new(),
            range_of,
        };
        if docs >= MANY {
            several.templates = several
                .rarest_meeting(needle)
                .map(|[left, right]| segment.templates().with_meeting(&left, &right));
        }
        Ok(several)
    }

    /// The two tokens side by side that fewest templates are likely to have.
    fn rarest_meeting(&self, needle: &Needle) -> Option<[Twos; 2]> {
        let vocabulary = self.segment.vocabulary();
        let templates = self.segment.templates().len();
        // How wide it is, what it is before a meeting, and behind one.
        let mut tokens: Vec<(u32, [Twos; 2])> = Vec::new();
        if let Edge::Part(part) = &self.pattern.left {
            let twos = entries_left(vocabulary, part, needle.token(0), templates);
            tokens.push((2 + u32::from(part.any_word), [twos, Twos::default()]));
        }
        for &(rank, may_vary) in &self.inner {
            let mut twos = [Twos::default(); 2];
            rank_left(rank, &mut twos[0]);
            rank_right(rank, &mut twos[1]);
            tokens.push((u32::from(may_vary), twos));
        }
        if let Edge::Part(part) = &self.pattern.right {
            let twos = entries_right(vocabulary, part);
            tokens.push((2 + u32::from(part.any_word), [Twos::default(), twos]));
        }
        let pairs = tokens.windows(2).min_by_key(|pair| pair[0].0 + pair[1].0)?;
        let [mut left, mut right] = [pairs[0].1[0], pairs[1].1[1]];
        if pairs[0].0 > 0 {
            rank_left(SLOT, &mut left);
        }
        if pairs[1].0 > 0 {
            rank_right(SLOT, &mut right);
        }
        Some([left, right])
    }

    /// The needle from one token on; `None` if it is not there whatever the slots are, else the reasons why it may be. Tokens in
    /// slots that are known are in the second of the texts.
    fn from(&mut self, doc: u32, texts: &mut [Text<'_>; 2], mut walk: Walk<'_>) -> Option<u8> {
        let mut reasons = 0;
        let mut slot = |reason: u8| reasons |= reason;
        if let Some(in_slot) = &mut self.left {
            let token = walk.next()?;
            if token.rank == SLOT {
                slot(LEFT);
            } else {
                let text = &mut texts[usize::from(token.in_slot)];
                let fits = if is_literal(token.rank) && !in_slot.any_word {
                    in_slot.is_at(doc, text, token.at)
                } else {
                    self.edges.fits_left(text, token.at)
                };
                if !fits {
                    return None;
                }
            }
        }
        for &(wanted, may_vary) in &self.inner {
            let token = walk.next()?;
            if token.rank == SLOT && may_vary {
                slot(OTHER);
            } else if token.rank != wanted {
                return None;
            }
        }
        if let Some(in_slot) = &mut self.right {
            let token = walk.next()?;
            if token.rank == SLOT {
                slot(RIGHT);
            } else {
                let text = &mut texts[usize::from(token.in_slot)];
                let fits = if is_literal(token.rank) && !in_slot.any_word {
                    in_slot.is_at(doc, text, token.at)
                } else {
                    self.edges.fits_right(text, token.at)
                };
                if !fits {
                    return None;
                }
            }
        }
        // Whatever else has to be in slots, an edge that stands in one has to be there.
        Some(match reasons & (LEFT | RIGHT) {
            0 => reasons,
            edge @ (LEFT | RIGHT) => edge,
            _ => BOTH,
        })
    }
}

impl InSlot {
    /// `ord` is the vocabulary entry at a position of the part's range, `edge` what a literal with it has.
    fn new(
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
        Ok(InSlot { literal, any_word: part.any_word, literals, entries, found: Vec::new(), found_of: None })
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

    /// Whether the literal that a code in the slots stands for is such a one.
    fn is_at(&mut self, doc: u32, slots: &Text<'_>, at: usize) -> bool {
        let found = self.literals_of(doc, slots.literals);
        !found.is_empty() && found.contains(&slots.number_of_literal(at))
    }

    fn may_be_in(&mut self, doc: u32, literals: &Literals<'_>) -> bool {
        self.entries.as_ref().is_none_or(|entries| entries.contains(doc))
            || !self.literals_of(doc, literals).is_empty()
    }
}

fn is_literal(rank: u32) -> bool {
    matches!(rank, LITERAL_WORD | LITERAL_SEPARATOR)
}

/// Walks the tokens of a field.
#[derive(Clone, Copy)]
struct Walk<'a> {
    template: &'a [u8],
    at: usize,
    /// What fills the slots; may be less than there are.
    slots: &'a [u8],
    slots_at: usize,
}

struct Token {
    /// [`SLOT`] for what is not known.
    rank: u32,
    /// Where its code is: in the template, or in the slots.
    at: usize,
    in_slot: bool,
}

impl<'a> Walk<'a> {
    fn new(template: &'a [u8], slots: &'a [u8]) -> Walk<'a> {
        Walk { template, at: 0, slots, slots_at: 0 }
    }

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let token = Token { at: self.at, rank: codes::next(self.template, &mut self.at)?, in_slot: false };
        if token.rank != SLOT {
            return Some(token);
        }
        let at = self.slots_at;
        let filled = codes::next(self.slots, &mut self.slots_at);
        Some(filled.map_or(token, |rank| Token { rank, at, in_slot: true }))
    }
}

impl Judge for Several<'_> {
    fn template(&mut self, number: u32, template: &Template<'_>) -> Verdict {
        let may = self.templates.as_ref().is_none_or(|templates| templates.contains(number));
        if !may || !self.scope.takes(owner(self.segment, template)) {
            return Verdict::Never;
        }
        let none = Literals::none();
        let mut texts = [Text::new(template.tokens, &none, &[]), Text::new(&[], &none, &[])];
        let first = self.starts.len();
        let mut reasons = 0;
        let mut walk = Walk::new(template.tokens, &[]);
        let mut slots = 0;
        loop {
            let begin = walk;
            let Some(token) = walk.next() else { break };
            // There are no literals in a template, so that no document is asked for.
            match self.from(u32::MAX, &mut texts, begin) {
                Some(0) => {
                    self.starts.truncate(first);
                    return Verdict::Always;
                }
                Some(more) => {
                    reasons |= more;
                    self.starts.push(Start { at: token.at, slots });
                }
                None => {}
            }
            slots += u32::from(token.rank == SLOT);
        }
        if reasons == 0 {
            return Verdict::Never;
        }
        if let Some(place) = self.range_of.get_mut(number as usize) {
            *place = self.ranges.len() as u32;
        }
        self.ranges.push(first..self.starts.len());
        Verdict::Depends(reasons)
    }

    fn may(&mut self, doc: u32, literals: &Literals<'_>, reason: u8) -> Result<bool, Halt> {
        let has = |in_slot: &mut Option<InSlot>| {
            in_slot.as_mut().is_none_or(|in_slot| in_slot.may_be_in(doc, literals))
        };
        Ok(match reason {
            LEFT => has(&mut self.left),
            RIGHT => has(&mut self.right),
            BOTH => has(&mut self.left) && has(&mut self.right),
            _ => true,
        })
    }

    fn field(&mut self, doc: u32, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        let mut texts =
            [Text::new(value.template.tokens, literals, &[]), Text::new(value.slots, literals, value.before)];
        let range = self.range_of.get(value.number as usize).and_then(|&at| self.ranges.get(at as usize));
        range.cloned().unwrap_or_default().any(|n| {
            let start = self.starts[n];
            behind(value.slots, start.slots).is_some_and(|slots_at| {
                let walk =
                    Walk { template: value.template.tokens, at: start.at, slots: value.slots, slots_at };
                self.from(doc, &mut texts, walk) == Some(0)
            })
        })
    }
}
