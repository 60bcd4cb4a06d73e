//! A needle of several tokens: filters leave candidates, which are verified in place on their codes.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::Halt;
use super::facts::{Beside, Codes, Edge, Pattern};
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::texts::{Owner, TEXT_OCTET, Texts};
use crate::bits::Bits;
use crate::segment::codes::{self, NESTED};
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
                        let finder = Finder::new(&pattern.run);
                        found.try_retain(|doc| {
                            self.cx.check()?;
                            self.verify(scope, needle, pattern, &finder, doc)
                        })?;
                        Ok(found)
                    },
                )
            }
        }
    }

    /// Whole tokens that only literals can be.
    fn rare(&self, scope: Scope, needle: &Needle, tokens: &[usize], within: &Bits) -> Result<Bits, Halt> {
        self.step(
            || "rare tokens".into(),
            within,
            || {
                let mut found = within.clone();
                for &token in tokens {
                    self.segment.literal_candidates(scope.area(), needle.token(token), &mut found);
                }
                found.try_retain(|doc| {
                    self.cx.check()?;
                    self.has(scope, needle, doc)
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

    /// The same in place.
    fn verify(
        &self,
        scope: Scope,
        needle: &Needle,
        pattern: &Codes,
        finder: &Finder<'_>,
        doc: u32,
    ) -> Result<bool, Halt> {
        let codes = self.segment.codes(doc, scope.area());
        if pattern.run.is_empty() {
            return self.verify_parts(scope, needle, pattern, codes, doc);
        }
        // A text begins with its mark, so that no token stands at 0.
        let mut at = 1;
        while let Some(found) = codes.get(at..).and_then(|rest| finder.find(rest)) {
            let start = at + found;
            at = start + 1;
            if codes[start - 1] < 128 {
                continue;
            }
            let beside = self
                .left(&pattern.left, codes, start)
                .and(|| self.right(&pattern.right, codes, start + pattern.run.len()));
            match beside {
                Beside::No => {}
                Beside::IfLiteral => return self.has(scope, needle, doc),
                Beside::Yes if self.owns(scope, codes, start) => return Ok(true),
                Beside::Yes => {}
            }
        }
        Ok(false)
    }

    /// Two parts side by side, without a whole token.
    fn verify_parts(
        &self,
        scope: Scope,
        needle: &Needle,
        pattern: &Codes,
        codes: &[u8],
        doc: u32,
    ) -> Result<bool, Halt> {
        let (Edge::Part(left), Edge::Part(right)) = (&pattern.left, &pattern.right) else {
            return self.has(scope, needle, doc);
        };
        let vocabulary = self.segment.vocabulary();
        let mut before = Beside::No;
        let mut at = 0;
        while let Some(rank) = codes::next(codes, &mut at) {
            if before != Beside::No {
                match before.and(|| right.right(vocabulary, rank)) {
                    Beside::No => {}
                    Beside::IfLiteral => return self.has(scope, needle, doc),
                    Beside::Yes if self.owns(scope, codes, at - 1) => return Ok(true),
                    Beside::Yes => {}
                }
            }
            before = left.left(vocabulary, rank);
        }
        Ok(false)
    }

    fn left(&self, edge: &Edge, codes: &[u8], start: usize) -> Beside {
        let Edge::Part(part) = edge else { return Beside::Yes };
        let before = &codes[..start];
        let Some(inner) = before.split_last().map(|(_, inner)| inner) else { return Beside::No };
        let mut at = inner.iter().rposition(|&octet| octet >= 128).map_or(0, |end| end + 1);
        let rank = codes::next(before, &mut at);
        rank.map_or(Beside::No, |rank| part.left(self.segment.vocabulary(), rank))
    }

    fn right(&self, edge: &Edge, codes: &[u8], mut end: usize) -> Beside {
        let Edge::Part(part) = edge else { return Beside::Yes };
        let rank = codes::next(codes, &mut end);
        rank.map_or(Beside::No, |rank| part.right(self.segment.vocabulary(), rank))
    }

    /// Whether the text around `at` counts.
    fn owns(&self, scope: Scope, codes: &[u8], at: usize) -> bool {
        if scope.is_whole_area() {
            return true;
        }
        // The octet of the mark also ends longer codes; only behind the end of a code is it one.
        let mut start = at;
        loop {
            match memchr::memrchr(TEXT_OCTET, &codes[..start]) {
                None => return false,
                Some(mark) if mark == 0 || codes[mark - 1] >= 128 => {
                    start = mark + 1;
                    break;
                }
                Some(mark) => start = mark,
            }
        }
        let mut rank = codes::next(codes, &mut start);
        let nested = rank == Some(NESTED);
        if nested {
            rank = codes::next(codes, &mut start);
        }
        let name = rank.and_then(|rank| self.segment.vocabulary().ord_of_rank(rank));
        scope.takes(Owner { name, nested })
    }
}

impl Beside {
    fn and(self, other: impl FnOnce() -> Beside) -> Beside {
        match self {
            Beside::No => Beside::No,
            Beside::Yes => other(),
            Beside::IfLiteral => match other() {
                Beside::No => Beside::No,
                _ => Beside::IfLiteral,
            },
        }
    }
}
