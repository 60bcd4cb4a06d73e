//! A needle of one token: it lies inside one token of the text, so the vocabulary and the literals know everything.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::Halt;
use super::fields::{Fields, of_fields};
use super::head::InLiterals;
use super::needle::Needle;
use super::run::Run;
use super::scope::Scope;
use super::text::{Text, owner, text_end};
use crate::bits::Bits;
use crate::limits::FREQUENT_TERMS_MAX;
use crate::segment::codes::RESERVED;
use crate::segment::{Columns, Reads, terms};
use crate::tokens::Class;

/// Shorter needles are in so many entries that all of them are only looked for if the frequent ones leave much.
const SHORT: usize = 3;
/// Candidates for which it is asked first which documents have any literal in a field.
const FEW_CANDIDATES: u32 = if cfg!(test) { 2 } else { 16 };
/// Nanoseconds, measured: to read an octet of codes back, to find an entry and add its list.
const READ: u64 = 12;
const ENTRY: u64 = 60;

impl Run<'_> {
    pub(super) fn single(&self, scope: Scope, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let facts = self.facts(needle);
        let needle = &self.program.needles[needle];
        let short = needle.bytes().len() < SHORT && needle.class(0) != Class::Single;
        let mut found = Bits::new(within.len());
        let mut rest = within.clone();
        if short {
            let share = self.frequent(scope, needle, within, &mut found)?;
            rest.and_not(&found);
            let entries = u64::from(self.segment.vocabulary().len());
            let all = entries * share / u64::from(FREQUENT_TERMS_MAX) * ENTRY;
            if rest.is_empty() || self.octets(scope, &rest, all / READ) * READ <= all {
                found.or(&self.read_all(scope, needle, rest)?);
                return Ok(found);
            }
        }
        self.segment.will_look_for(needle.bytes());
        let ords = facts.containing(self.segment.vocabulary(), needle);
        found.or(&self.step(|| format!("{} terms", ords.len()), &rest, || self.union(scope, ords, &rest))?);
        rest.and_not(&found);
        if rest.is_empty() || needle.class(0) == Class::Single {
            return Ok(found);
        }
        if needle.bytes() == b" " && scope != Scope::Body {
            // The space that is left out between words is in the terms of bodies only.
            found.or(&self.read_all(scope, needle, rest)?);
            return Ok(found);
        }
        found.or(&self.in_literals(scope, needle, rest)?);
        Ok(found)
    }

    /// Adds the documents of the most frequent entries that have the needle; how many such entries there are.
    fn frequent(&self, scope: Scope, needle: &Needle, within: &Bits, found: &mut Bits) -> Result<u64, Halt> {
        let vocabulary = self.segment.vocabulary();
        let ords: Vec<u32> = (RESERVED..RESERVED + FREQUENT_TERMS_MAX)
            .filter_map(|rank| vocabulary.ord_of_rank(rank))
            .filter(|&ord| {
                vocabulary.token(ord).is_some_and(|(_, token)| needle.finder().find(token).is_some())
            })
            .collect();
        let name = || format!("{} frequent terms", ords.len());
        found.or(&self.step(name, within, || self.union(scope, &ords, within))?);
        Ok(ords.len() as u64)
    }

    /// Octets of codes of the documents, counted up to a bound.
    fn octets(&self, scope: Scope, docs: &Bits, bound: u64) -> u64 {
        let mut sum = 0;
        for doc in docs.iter() {
            sum += self.segment.code_bytes(doc, scope.area()) as u64 + 20;
            if sum > bound {
                break;
            }
        }
        sum
    }

    /// Documents of `docs` that have the needle, by reading their texts.
    fn read_all(&self, scope: Scope, needle: &Needle, mut docs: Bits) -> Result<Bits, Halt> {
        self.step(
            || "read".into(),
            &docs.clone(),
            || {
                self.segment.try_retain(&mut docs, Reads::Codes(scope.area()), |doc| {
                    self.cx.check()?;
                    self.has(scope, needle, doc)
                })?;
                Ok(docs)
            },
        )
    }

    /// Documents of `within` that have one of the entries.
    fn union(&self, scope: Scope, ords: &[u32], within: &Bits) -> Result<Bits, Halt> {
        let mut found = Bits::new(within.len());
        let field = scope.field_of_words();
        let (mut lists, mut added) = (self.segment.lists(field), 0usize);
        self.segment.try_for_entries(field, ords, |ord| {
            scope.lists(self.segment, ord, &mut |list| lists.or_into(list, &mut found))?;
            added += 1;
            if added.is_multiple_of(64) {
                self.cx.check()?;
                if within.is_within(&found) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok::<_, Halt>(ControlFlow::Continue(()))
        })?;
        found.and(within);
        Ok(found)
    }

    /// Documents of `docs` that have the needle inside of a literal.
    fn in_literals(&self, scope: Scope, needle: &Needle, docs: Bits) -> Result<Bits, Halt> {
        self.step(
            || "literals".into(),
            &docs,
            || {
                let mut candidates = docs.clone();
                let columns = self.segment.literal_candidates(scope.area(), needle.bytes(), &mut candidates);
                if let Scope::Field(name) | Scope::Pseudo(name) = scope
                    && candidates.count() >= FEW_CANDIDATES
                {
                    let mut some = Bits::new(docs.len());
                    self.add(terms::Field::Head, &terms::literal(name), &mut some)?;
                    candidates.and(&some);
                }
                self.have_literals(scope, needle, &columns, &mut candidates)?;
                if let Scope::Field(name) = scope {
                    let (segment, finder) = (self.segment, needle.finder());
                    let judge = InLiterals { segment, scope, finder, found: Vec::new() };
                    if candidates.is_empty() {
                        return Ok(candidates);
                    }
                    let among = of_fields(segment, &[name], &[false]);
                    let mut fields = Fields::new(self.segment, self.cx, judge, Some(among));
                    let reads = fields.reads();
                    self.segment.try_retain(&mut candidates, reads, |doc| fields.has(doc))?;
                    return Ok(candidates);
                }
                if !scope.is_whole_area() {
                    candidates.try_retain(|doc| {
                        self.cx.check()?;
                        self.in_literals_of(scope, needle.finder(), doc)
                    })?;
                }
                Ok(candidates)
            },
        )
    }

    /// Leaves the documents of an area whose literals have the needle.
    fn have_literals(
        &self,
        scope: Scope,
        needle: &Needle,
        columns: &Columns,
        docs: &mut Bits,
    ) -> Result<(), Halt> {
        let all: Vec<u32> = docs.iter().collect();
        self.segment.search_literals(&all, scope.area(), needle.finder(), columns, |doc, have| {
            if !have {
                docs.remove(doc);
            }
            self.cx.check()
        })
    }

    /// The same in those texts of a document that count.
    fn in_literals_of(&self, scope: Scope, finder: &Finder<'_>, doc: u32) -> Result<bool, Halt> {
        let page = self.segment.page(doc, scope.area())?;
        let mut text = Text::new(&page.codes, &page.literals, &[]);
        let mut mark = 0;
        while mark < page.codes.len() {
            let mut at = mark;
            let counts = owner(self.segment.vocabulary(), &page.codes, &mut at)
                .is_some_and(|owner| scope.takes(owner));
            // A damaged mark must not hold up.
            mark = text_end(&page.codes, at).max(mark + 1);
            if counts
                && text.literals_between(at..mark).is_some_and(|literals| finder.find(literals).is_some())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
