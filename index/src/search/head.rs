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
use crate::limits::FILTER_FRAGMENT_TERMS_MAX;
use crate::segment::codes::{self, SLOT};
use crate::segment::kernel::count_literals;
use crate::segment::{Literals, Segment, Template, Value, varies};

/// The field's name and level.
fn owner(segment: &Segment, template: &Template<'_>) -> Owner {
    Owner { name: segment.vocabulary().ord_of_rank(template.name), nested: template.nested }
}

/// Why a field with slots may match: its left part may stand in one, its right part, or tokens between and several of these.
const LEFT: u8 = 1;
const RIGHT: u8 = 2;
const OTHER: u8 = 4;

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
        let may_vary =
            |ord: u32| vocabulary.class(ord).is_some_and(|class| varies(vocabulary.term(ord), class));
        let inner = codes::ranks(&pattern.run)
            .map(|rank| (rank, vocabulary.ord_of_rank(rank).is_some_and(may_vary)))
            .collect();
        let in_slot = |part: &Part, literal: Vec<u8>, ord: &dyn Fn(u32) -> u32| -> Result<InSlot, Halt> {
            let mut ords: Vec<u32> = Vec::new();
            let few = !part.any_word && part.range.len() as u64 <= 100 * FILTER_FRAGMENT_TERMS_MAX;
            if few {
                ords.extend(part.range.clone().map(ord).filter(|&ord| may_vary(ord)));
            }
            let mut entries = None;
            if few && ords.len() as u64 <= FILTER_FRAGMENT_TERMS_MAX {
                let mut found = Bits::new(segment.docs());
                let mut lists = segment.lists(scope.field_of_words());
                for ord in ords {
                    scope.lists(segment, ord, &mut |list| lists.or_into(list, &mut found))?;
                }
                entries = Some(found);
            }
            Ok(InSlot { literal: Finder::new(&literal).into_owned(), entries })
        };
        let left = match &pattern.left {
            Edge::Part(part) => {
                let literal = [edges[0], b"\xff"].concat();
                Some(in_slot(part, literal, &|at| vocabulary.reversed(at))?)
            }
            Edge::Whole => None,
        };
        let right = match &pattern.right {
            Edge::Part(part) => Some(in_slot(part, [b"\xff", edges[1]].concat(), &|ord| ord)?),
            Edge::Whole => None,
        };
        Ok(Several { segment, scope, verifier, pattern, inner, left, right })
    }

    /// The needle from one token on; `None` if it is not there whatever the slots are, else the reasons why it may be.
    fn from(&self, text: &mut Text<'_>, tokens: &[(u32, usize)]) -> Option<u8> {
        let (mut reasons, mut slots) = (0, 0);
        let mut slot = |reason: u8| {
            reasons |= reason;
            slots += 1;
        };
        let mut rest = tokens.iter();
        if matches!(self.pattern.left, Edge::Part(_)) {
            let &(rank, place) = rest.next()?;
            if rank == SLOT {
                slot(LEFT);
            } else if !self.verifier.fits_left(text, place) {
                return None;
            }
        }
        for &(wanted, may_vary) in &self.inner {
            let &(rank, _) = rest.next()?;
            if rank == SLOT && may_vary {
                slot(OTHER);
            } else if rank != wanted {
                return None;
            }
        }
        if matches!(self.pattern.right, Edge::Part(_)) {
            let &(rank, place) = rest.next()?;
            if rank == SLOT {
                slot(RIGHT);
            } else if !self.verifier.fits_right(text, place) {
                return None;
            }
        }
        Some(if slots > 1 { OTHER } else { reasons })
    }
}

impl Judge for Several<'_> {
    fn template(&self, template: &Template<'_>) -> Verdict {
        if !self.scope.takes(owner(self.segment, template)) {
            return Verdict::Never;
        }
        let mut tokens = Vec::with_capacity(template.tokens.len());
        let mut at = 0;
        while at < template.tokens.len() {
            let place = at;
            let Some(rank) = codes::next(template.tokens, &mut at) else { break };
            tokens.push((rank, place));
        }
        let none = Literals::none();
        let mut text = Text::new(template.tokens, &none, &[]);
        let mut reasons = None;
        for start in 0..tokens.len() {
            match self.from(&mut text, &tokens[start..]) {
                Some(0) => return Verdict::Always,
                Some(more) => reasons = Some(reasons.unwrap_or(0) | more),
                None => {}
            }
        }
        reasons.map_or(Verdict::Never, Verdict::Depends)
    }

    fn may(&self, doc: u32, literals: &Literals<'_>, reason: u8) -> Result<bool, Halt> {
        let in_slot = match reason {
            LEFT => &self.left,
            RIGHT => &self.right,
            _ => return Ok(true),
        };
        Ok(in_slot.as_ref().is_none_or(|in_slot| {
            in_slot.entries.as_ref().is_none_or(|entries| entries.contains(doc))
                || literals.have(&in_slot.literal)
        }))
    }

    fn field(&self, _: &Value<'_>, text: &mut Text<'_>) -> Result<bool, Halt> {
        self.verifier.has_text(text)
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

    fn field(&self, value: &Value<'_>, text: &mut Text<'_>) -> Result<bool, Halt> {
        // Behind the mark, the name, and perhaps the mark of a nested field.
        let mut at = 0;
        for _ in 0..2 + usize::from(value.template.nested) {
            codes::next(text.codes, &mut at);
        }
        Ok(self.begins(text, at) == Some(true))
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

    fn field(&self, value: &Value<'_>, text: &mut Text<'_>) -> Result<bool, Halt> {
        if count_literals(value.slots) == 0 {
            return Ok(false);
        }
        let all = 0..text.codes.len();
        Ok(text.literals_between(all).is_some_and(|literals| self.finder.find(literals).is_some()))
    }
}
