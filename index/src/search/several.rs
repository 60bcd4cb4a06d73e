//! A needle of several tokens: filters leave candidates, which are verified in place on their codes.

use memchr::memmem::Finder;

use super::Halt;
use super::facts::{Codes, Pattern};
use super::fields::{Fields, of_fields};
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::texts::Texts;
use super::values;
use super::verify::Verifier;
use crate::bits::Bits;
use crate::prepare::Area;
use crate::segment::Reads;

/// Candidates in bodies for which header fields are looked at first.
const MANY_CANDIDATES: u32 = if cfg!(test) { 8 } else { 1024 };

impl Run<'_> {
    pub(super) fn several(&self, scope: Scope, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let facts = self.facts(needle);
        let needle = &self.program.needles[needle];
        match facts.pattern(self.segment, needle) {
            Pattern::Impossible => Ok(Bits::new(within.len())),
            Pattern::Rare(tokens) => self.rare(scope, needle, tokens, within),
            Pattern::Codes(pattern) => {
                let candidates = self.filtered(scope, needle, pattern, within)?;
                self.verified(scope, needle, pattern, candidates)
            }
        }
    }

    /// Documents with the needle in the body, and perhaps some that have it in a header field only: what is in the most
    /// frequent templates is known sooner than what is in many bodies.
    pub(super) fn several_in_body(&self, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let Pattern::Codes(pattern) = self.facts(needle).pattern(self.segment, &self.program.needles[needle])
        else {
            return self.several(Scope::Body, needle, within);
        };
        let needle = &self.program.needles[needle];
        let mut candidates = self.filtered(Scope::Body, needle, pattern, within)?;
        if candidates.count() < MANY_CANDIDATES {
            return self.verified(Scope::Body, needle, pattern, candidates);
        }
        let in_fields = self.step(
            || "frequent fields".into(),
            within,
            || {
                let mut judge = values::Several::new(self, Scope::Head, needle, pattern, within);
                judge.take_frequent(self.cx, needle, &mut within.clone())
            },
        )?;
        candidates.and_not(&in_fields);
        let mut found = self.verified(Scope::Body, needle, pattern, candidates)?;
        found.or(&in_fields);
        Ok(found)
    }

    /// Leaves of candidates those that have the needle.
    fn verified(
        &self,
        scope: Scope,
        needle: &Needle,
        pattern: &Codes,
        mut found: Bits,
    ) -> Result<Bits, Halt> {
        if found.is_empty() {
            return Ok(found);
        }
        self.step(
            || "verify".into(),
            &found.clone(),
            || {
                if scope.area() == Area::Head {
                    let mut judge = values::Several::new(self, scope, needle, pattern, &found);
                    let matching = judge.narrow(self.cx, needle, &mut found)?;
                    if found.is_empty() {
                        return Ok(matching);
                    }
                    let of_field = || match scope {
                        Scope::Field(name) => Some(of_fields(self.segment, &[name], &[false])),
                        _ => None,
                    };
                    let among = judge.among().or_else(of_field);
                    let mut fields = Fields::new(self.segment, self.cx, judge, among);
                    let reads = fields.reads();
                    self.segment.try_retain(&mut found, reads, |doc| fields.has(doc))?;
                    found.or(&matching);
                } else {
                    let verifier = Verifier::new(self.segment, self.cx, scope, needle, pattern, &found);
                    let reads = Reads::Codes(scope.area());
                    self.segment.try_retain(&mut found, reads, |doc| verifier.has(doc))?;
                }
                Ok(found)
            },
        )
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
                    let all =
                        wanted.iter().all(|token| literals.have(token) && has_whole(literals.get(), token));
                    Ok::<bool, Halt>(all && self.has(scope, needle, doc)?)
                })?;
                Ok(found)
            },
        )
    }

    /// Whether a text of the document has the needle, read back from codes: exact for every needle.
    pub(super) fn has(&self, scope: Scope, needle: &Needle, doc: u32) -> Result<bool, Halt> {
        let page = self.segment.page(doc, scope.area())?;
        let mut texts = Texts::new(self.segment, &page, scope.area());
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
