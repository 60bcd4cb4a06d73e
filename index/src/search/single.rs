//! A needle of one token: it lies inside one token of the text, so the vocabulary and the literals know everything.

use super::Halt;
use super::run::Run;
use super::scope::Scope;
use crate::bits::Bits;
use crate::tokens::Class;

impl Run<'_> {
    pub(super) fn single(&self, scope: Scope, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let facts = self.facts(needle);
        let needle = &self.program.needles[needle];
        let ords = facts.containing(self.segment.vocabulary(), needle);
        let mut found =
            self.step(|| format!("{} terms", ords.len()), within, || self.union(scope, ords, within))?;
        let mut rest = within.clone();
        rest.and_not(&found);
        if rest.is_empty() || needle.class(0) == Class::Single {
            return Ok(found);
        }
        if needle.bytes() == b" " && scope != Scope::Body {
            // The space that is left out between words is in the terms of bodies only.
            let spaces = self.step(
                || "spaces".into(),
                &rest.clone(),
                || {
                    rest.try_retain(|doc| {
                        self.cx.check()?;
                        self.has(scope, needle, doc)
                    })?;
                    Ok(rest)
                },
            )?;
            found.or(&spaces);
            return Ok(found);
        }
        let literals = self.step(
            || "literals".into(),
            &rest,
            || {
                let mut candidates = rest.clone();
                self.segment.literal_candidates(scope.area(), needle.bytes(), &mut candidates);
                candidates.try_retain(|doc| {
                    self.cx.check()?;
                    let literals = self.segment.literals(doc, scope.area());
                    Ok::<bool, Halt>(
                        needle.finder().find(literals).is_some()
                            && (scope.is_whole_area() || self.has(scope, needle, doc)?),
                    )
                })?;
                Ok(candidates)
            },
        )?;
        found.or(&literals);
        Ok(found)
    }

    /// Documents of `within` that have one of the entries.
    fn union(&self, scope: Scope, ords: &[u32], within: &Bits) -> Result<Bits, Halt> {
        let mut found = Bits::new(within.len());
        for (n, &ord) in ords.iter().enumerate() {
            self.add_word(scope, ord, &mut found)?;
            if n % 16 == 15 {
                self.cx.check()?;
                if within.is_within(&found) {
                    break;
                }
            }
        }
        found.and(within);
        Ok(found)
    }
}
