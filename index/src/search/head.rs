//! What a header field has to be to match, as judges of templates: a needle of several tokens inside a value, a needle at the start
//! of a value, a literal with a needle inside.

use memchr::memmem::Finder;

use super::Halt;
use super::begins::Begins;
use super::facts::{Codes, Edge, Part};
use super::fields::{Judge, Verdict};
use super::run::Run;
use super::scope::Scope;
use super::text::Text;
use super::texts::Owner;
use super::verify::Verifier;
use crate::bits::Bits;
use crate::limits::{SLOT_ENTRIES_MAX, SLOT_RANGE_MAX};
use crate::prepare::Area;
use crate::segment::codes::{self, SLOT};
use crate::segment::kernel::count_literals;
use crate::segment::{Literals, Segment, Template, Value, varies};

/// The field's name and level.
fn owner(segment: &Segment, template: &Template<'_>) -> Owner {
    Owner { name: segment.vocabulary().ord_of_rank(template.name), nested: template.nested }
}

/// Why a field with slots may match: its left part may stand in one, its right part, both of them in two; or only tokens between.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const OTHER: u8 = 4;
const BOTH: u8 = 8;

/// A needle of several tokens in the values of a scope.
pub(super) struct Several<'a> {
    segment: &'a Segment,
    scope: Scope,
    verifier: Verifier<'a>,
    pattern: &'a Codes,
    /// Ranks of the tokens between the edges, and whether a slot can hold them.
    inner: Vec<(u32, bool)>,
    left: Option<InSlot>,
    right: Option<InSlot>,
}

/// What tells whether the slots of a document can hold an edge.
struct InSlot {
    literal: Finder<'static>,
    /// Documents that may have such a literal.
    literals: Bits,
    /// Documents with entries that vary and have it; `None` if there are too many to say.
    entries: Option<Bits>,
}

impl<'a> Several<'a> {
    pub fn new(
        run: &Run<'a>,
        scope: Scope,
        verifier: Verifier<'a>,
        pattern: &'a Codes,
        edges: [&[u8]; 2],
    ) -> Result<Several<'a>, Halt> {
        let segment = run.segment;
        let vocabulary = segment.vocabulary();
        let may_vary = |ord: u32| vocabulary.token(ord).is_some_and(|(class, token)| varies(token, class));
        let inner = codes::ranks(&pattern.run)
            .map(|rank| (rank, vocabulary.ord_of_rank(rank).is_some_and(may_vary)))
            .collect();
        let in_slot =
            |part: &Part, edge: &[u8], literal: Vec<u8>, ord: &dyn Fn(u32) -> u32| -> Result<InSlot, Halt> {
                let mut ords: Vec<u32> = Vec::new();
                let few = !part.any_word && part.range.len() <= SLOT_RANGE_MAX;
                if few {
                    ords.extend(part.range.clone().map(ord).filter(|&ord| may_vary(ord)));
                }
                let mut entries = None;
                if few && ords.len() <= SLOT_ENTRIES_MAX {
                    let mut found = Bits::new(segment.docs());
                    let mut lists = segment.lists(scope.field_of_words());
                    for ord in ords {
                        scope.lists(segment, ord, &mut |list| lists.or_into(list, &mut found))?;
                    }
                    entries = Some(found);
                }
                let mut literals = Bits::full(segment.docs());
                segment.literal_candidates(Area::Head, edge, &mut literals);
                Ok(InSlot { literal: Finder::new(&literal).into_owned(), literals, entries })
            };
        let left = match &pattern.left {
            Edge::Part(part) => {
                let literal = [edges[0], b"\xff"].concat();
                Some(in_slot(part, edges[0], literal, &|at| vocabulary.reversed(at))?)
            }
            Edge::Whole => None,
        };
        let right = match &pattern.right {
            Edge::Part(part) => Some(in_slot(part, edges[1], [b"\xff", edges[1]].concat(), &|ord| ord)?),
            Edge::Whole => None,
        };
        Ok(Several { segment, scope, verifier, pattern, inner, left, right })
    }

    /// The needle from one token on; `None` if it is not there whatever the slots are, else the reasons why it may be. Tokens in
    /// slots that are known are in the second of the texts.
    fn from(&self, texts: &mut [Text<'_>; 2], tokens: &[Token]) -> Option<u8> {
        let mut reasons = 0;
        let mut slot = |reason: u8| reasons |= reason;
        let mut rest = tokens.iter();
        if matches!(self.pattern.left, Edge::Part(_)) {
            let token = rest.next()?;
            if token.rank == SLOT {
                slot(LEFT);
            } else if !self.verifier.fits_left(&mut texts[usize::from(token.in_slot)], token.place) {
                return None;
            }
        }
        for &(wanted, may_vary) in &self.inner {
            let token = rest.next()?;
            if token.rank == SLOT && may_vary {
                slot(OTHER);
            } else if token.rank != wanted {
                return None;
            }
        }
        if matches!(self.pattern.right, Edge::Part(_)) {
            let token = rest.next()?;
            if token.rank == SLOT {
                slot(RIGHT);
            } else if !self.verifier.fits_right(&mut texts[usize::from(token.in_slot)], token.place) {
                return None;
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

/// A token of a field.
#[derive(Clone, Copy)]
struct Token {
    /// [`SLOT`] for what is not known.
    rank: u32,
    /// Where its code is: in the template, or in the slots.
    place: usize,
    in_slot: bool,
}

/// The tokens of a template; those of its slots as far as `slots` go.
fn tokens(template: &Template<'_>, slots: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(template.tokens.len());
    let (mut at, mut slots_at) = (0, 0);
    while at < template.tokens.len() {
        let place = at;
        let Some(rank) = codes::next(template.tokens, &mut at) else { break };
        let token = Token { rank, place, in_slot: false };
        let slot = slots_at;
        tokens.push(match rank {
            SLOT => codes::next(slots, &mut slots_at).map_or(token, |rank| Token {
                rank,
                place: slot,
                in_slot: true,
            }),
            _ => token,
        });
    }
    tokens
}

impl Judge for Several<'_> {
    fn template(&self, template: &Template<'_>) -> Verdict {
        if !self.scope.takes(owner(self.segment, template)) {
            return Verdict::Never;
        }
        let none = Literals::none();
        let mut texts = [Text::new(template.tokens, &none, &[]), Text::new(&[], &none, &[])];
        let tokens = tokens(template, &[]);
        let mut reasons = None;
        for start in 0..tokens.len() {
            match self.from(&mut texts, &tokens[start..]) {
                Some(0) => return Verdict::Always,
                Some(more) => reasons = Some(reasons.unwrap_or(0) | more),
                None => {}
            }
        }
        reasons.map_or(Verdict::Never, Verdict::Depends)
    }

    fn may(&self, doc: u32, literals: &Literals<'_>, reason: u8) -> Result<bool, Halt> {
        let has = |in_slot: &Option<InSlot>| {
            in_slot.as_ref().is_none_or(|in_slot| {
                in_slot.entries.as_ref().is_none_or(|entries| entries.contains(doc))
                    || in_slot.literals.contains(doc) && literals.have(&in_slot.literal)
            })
        };
        Ok(match reason {
            LEFT => has(&self.left),
            RIGHT => has(&self.right),
            BOTH => has(&self.left) && has(&self.right),
            _ => true,
        })
    }

    fn field(&self, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        let mut texts =
            [Text::new(value.template.tokens, literals, &[]), Text::new(value.slots, literals, value.before)];
        let tokens = tokens(&value.template, value.slots);
        (0..tokens.len()).any(|start| self.from(&mut texts, &tokens[start..]) == Some(0))
    }
}

impl Judge for Begins<'_> {
    fn template(&self, template: &Template<'_>) -> Verdict {
        let named = owner(self.segment(), template).name.is_some_and(|name| self.is_named(name));
        if !named {
            return Verdict::Never;
        }
        let none = Literals::none();
        match self.begins(&mut Text::new(template.tokens, &none, &[]), 0) {
            None => Verdict::Depends(OTHER),
            Some(true) => Verdict::Always,
            Some(false) => Verdict::Never,
        }
    }

    fn may(&self, _: u32, _: &Literals<'_>, _: u8) -> Result<bool, Halt> {
        Ok(true)
    }

    fn field(&self, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        let mut codes = Vec::new();
        if value.expand(&mut codes).is_err() {
            return false;
        }
        // Behind the mark, the name, and perhaps the mark of a nested field.
        let mut at = 0;
        for _ in 0..2 + usize::from(value.template.nested) {
            codes::next(&codes, &mut at);
        }
        self.begins(&mut Text::new(&codes, literals, value.before), at) == Some(true)
    }
}

/// A needle of one token inside a literal of the fields of a scope.
pub(super) struct InLiterals<'a> {
    pub segment: &'a Segment,
    pub scope: Scope,
    pub finder: &'a Finder<'static>,
}

impl Judge for InLiterals<'_> {
    fn template(&self, template: &Template<'_>) -> Verdict {
        if template.slots > 0 && self.scope.takes(owner(self.segment, template)) {
            Verdict::Depends(OTHER)
        } else {
            Verdict::Never
        }
    }

    fn may(&self, _: u32, literals: &Literals<'_>, _: u8) -> Result<bool, Halt> {
        Ok(literals.have(self.finder))
    }

    fn field(&self, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        if count_literals(value.slots) == 0 {
            return false;
        }
        let mut text = Text::new(value.slots, literals, value.before);
        let all = 0..text.codes.len();
        text.literals_between(all).is_some_and(|literals| self.finder.find(literals).is_some())
    }
}
