//! What a header field has to be to match, as judges of templates: a needle at the start of a value, a literal with a needle inside.

use memchr::memmem::Finder;

use super::Halt;
use super::begins::{Begins, Begun};
use super::fields::{Judge, Verdict};
use super::scope::Scope;
use super::text::Text;
use super::texts::Owner;
use crate::segment::kernel::count_literals;
use crate::segment::{Literals, Segment, Template, Value};

/// The field's name and level.
pub(super) fn owner(segment: &Segment, template: &Template<'_>) -> Owner {
    Owner { name: segment.vocabulary().ord_of_rank(template.name), nested: template.nested }
}

/// Slots decide.
const SLOTS: u8 = 1;
/// Tokens of a needle from this one on share a reason.
const LATER: usize = 3;

impl Judge for Begins<'_> {
    fn template(&mut self, _: u32, template: &Template<'_>) -> Verdict {
        let named = owner(self.segment(), template).name.is_some_and(|name| self.is_named(name));
        if !named {
            return Verdict::Never;
        }
        let none = Literals::none();
        match self.begins(&mut [Text::new(template.tokens, &none, &[]), Text::new(&[], &none, &[])]) {
            Begun::Yes => Verdict::Always,
            Begun::No => Verdict::Never,
            Begun::Slot(token) => Verdict::Depends(1 << token.min(LATER)),
        }
    }

    fn may(&mut self, doc: u32, literals: &Literals<'_>, reason: u8) -> Result<bool, Halt> {
        match reason.trailing_zeros() as usize {
            LATER => Ok(true),
            token => self.may_have(token, doc, literals),
        }
    }

    fn field(&mut self, _: u32, value: &Value<'_>, literals: &Literals<'_>) -> bool {
        let template = Text::new(value.template.tokens, literals, &[]);
        self.begins(&mut [template, Text::new(value.slots, literals, value.before)]) == Begun::Yes
    }
}

/// A needle of one token inside a literal of the fields of a scope.
pub(super) struct InLiterals<'a> {
    pub segment: &'a Segment,
    pub scope: Scope,
    pub finder: &'a Finder<'static>,
    /// Which literals of the document that was asked for last have it.
    pub found: Vec<usize>,
}

impl Judge for InLiterals<'_> {
    fn template(&mut self, _: u32, template: &Template<'_>) -> Verdict {
        if template.slots > 0 && self.scope.takes(owner(self.segment, template)) {
            Verdict::Depends(SLOTS)
        } else {
            Verdict::Never
        }
    }

    fn may(&mut self, _: u32, literals: &Literals<'_>, _: u8) -> Result<bool, Halt> {
        self.found.clear();
        literals.which(self.finder, &mut self.found);
        Ok(!self.found.is_empty())
    }

    fn field(&mut self, _: u32, value: &Value<'_>, _: &Literals<'_>) -> bool {
        let first = count_literals(value.before);
        let own = first..first + count_literals(value.slots);
        self.found.iter().any(|literal| own.contains(literal))
    }
}
