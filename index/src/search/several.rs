//! A needle of several tokens: filters leave candidates, which are verified in place on their codes.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::Halt;
use super::facts::Pattern;
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::texts::Texts;
use super::verify::Verifier;
use crate::bits::Bits;
use crate::segment::terms;

impl Run<'_> {
    pub(super) fn several(&self, scope: Scope, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let facts = self.facts(needle);
        let needle = &self.program.needles[needle];
        match facts.pattern(self.segment, needle) {
            Pattern::Impossible => Ok(Bits::new(within.len())),
            Pattern::Rare(tokens) => self.rare(scope, needle, tokens, within),
            Pattern::Codes(pattern) => {
                let mut found = self.filtered(scope, needle, pattern, within)?;
                self.step(
                    || "verify".into(),
                    &found.clone(),
                    || {
                        let verifier = Verifier::new(self.segment, self.cx, scope, needle, pattern);
                        found.try_retain(|doc| verifier.has(doc))?;
                        Ok(found)
                    },
                )
            }
        }
    }

    /// Whole tokens that only literals can be: each is in one message.
    fn rare(&self, scope: Scope, needle: &Needle, tokens: &[usize], within: &Bits) -> Result<Bits, Halt> {
        let area = scope.area();
        self.step(
            || "rare tokens".into(),
            within,
            || {
                let mut found = within.clone();
                for &token in tokens {
                    self.segment.literal_candidates(area, needle.token(token), &mut found);
                }
                let wanted: Vec<Finder<'_>> =
                    tokens.iter().map(|&token| Finder::new(needle.token(token))).collect();
                found.try_retain(|doc| {
                    self.cx.check()?;
                    let literals = self.segment.literals(doc, area);
                    let all = wanted.iter().all(|token| has_whole(literals, token));
                    Ok::<bool, Halt>(all && self.has(scope, needle, doc)?)
                })?;
                Ok(found)
            },
        )
    }

    /// Adds the documents that have a vocabulary entry in `scope`.
    pub(super) fn add_word(&self, scope: Scope, ord: u32, found: &mut Bits) -> Result<(), Halt> {
        match scope {
            Scope::Body => self.add(terms::Field::Body, &terms::body(ord), found),
            Scope::Field(name) | Scope::Address(name) => {
                self.add(terms::Field::Head, &terms::head(ord, name), found)
            }
            Scope::Head => {
                let prefix = terms::body(ord);
                let names = self.segment.vocabulary().names();
                let mut halt = Ok(());
                self.segment.terms(terms::Field::Head, &prefix, &mut |term, entry| {
                    let Some(field) = term.get(4..).and_then(|field| field.try_into().ok()) else {
                        return ControlFlow::Continue(());
                    };
                    let field = u32::from_be_bytes(field);
                    if names.contains(&field) || field == terms::NESTED {
                        match self.segment.open_postings(terms::Field::Head, entry) {
                            Ok(postings) => postings.or_into(found),
                            Err(damaged) => {
                                halt = Err(damaged);
                                return ControlFlow::Break(());
                            }
                        }
                    }
                    ControlFlow::Continue(())
                })?;
                Ok(halt?)
            }
        }
    }

    /// Whether a text of the document has the needle, read back from codes: exact for every needle.
    pub(super) fn has(&self, scope: Scope, needle: &Needle, doc: u32) -> Result<bool, Halt> {
        let mut texts = Texts::new(self.segment, doc, scope.area());
        let mut text = Vec::new();
        while let Some(owner) = texts.next()? {
            if scope.takes(owner) {
                text.clear();
                texts.read(&mut text, usize::MAX)?;
                if needle.finder().find(&text).is_some() {
                    return Ok(true);
                }
            }
            texts.skip()?;
        }
        Ok(false)
    }
}

/// Whether one of the literals is `token` and nothing else.
fn has_whole(literals: &[u8], token: &Finder<'_>) -> bool {
    const END: u8 = 0xff;
    let len = token.needle().len();
    token
        .find_iter(literals)
        .any(|at| (at == 0 || literals[at - 1] == END) && literals.get(at + len) == Some(&END))
}
