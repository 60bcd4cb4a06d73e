//! One text key: the places it looks at, and how their answers add up.

use super::Halt;
use super::begins::Begins;
use super::facts::{LITERAL_BYTES_MIN, Pattern};
use super::fields::{FIRST_TEMPLATES, Fields, Judge, Verdict, of_fields};
use super::in_slot::MANY;
use super::needle::Name;
use super::program::{Key, Place};
use super::run::Run;
use super::scope::Scope;
use super::trace::shown;
use crate::bits::Bits;
use crate::limits::FILTER_FRAGMENT_TERMS_MAX;
use crate::prepare::Area;
use crate::segment::terms;

/// Names whose templates are found before documents are looked at.
const FEW_NAMES: usize = 64;

impl Run<'_> {
    pub(super) fn key(&self, key: usize, within: &Bits) -> Result<Bits, Halt> {
        let key = &self.program.keys[key];
        self.step(
            || self.describe(key),
            within,
            || {
                let Some(needle) = key.needle else { return self.presence(&key.place, within) };
                match &key.place {
                    Place::Body => self.search(Some(Scope::Body), needle, within),
                    Place::Text => self.text(needle, within),
                    Place::Header(name) => self.search(Scope::field(self.segment, name), needle, within),
                    Place::Pseudo(which) => self.search(Scope::pseudo(self.segment, *which), needle, within),
                }
            },
        )
    }

    /// Nanoseconds that a key takes, roughly: only their order matters.
    pub(super) fn key_cost(&self, key: usize) -> u64 {
        let key = &self.program.keys[key];
        match key.place {
            _ if key.needle.is_none() => 1,
            Place::Pseudo(_) => 2,
            Place::Header(_) => 3,
            Place::Body => 4,
            Place::Text => 5,
        }
    }

    /// In the body, in a header value, or from a field name on.
    fn text(&self, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let mut found = if self.program.needles[needle].len() == 1 {
            self.single(Scope::Body, needle, within)?
        } else {
            self.several_in_body(needle, within)?
        };
        let mut rest = within.clone();
        // What may stand before any value is in nearly every message.
        let any = self.program.needles[needle].span().is_some_and(|span| span.name == Name::Any);
        for part in if any { [Run::span, Run::head] } else { [Run::head, Run::span] } {
            rest.and_not(&found);
            if rest.is_empty() {
                break;
            }
            found.or(&part(self, needle, &rest)?);
        }
        Ok(found)
    }

    fn head(&self, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        self.search(Some(Scope::Head), needle, within)
    }

    /// The needle inside a field name, or from there on into the value.
    fn span(&self, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        let none = || Ok(Bits::new(within.len()));
        let value = self.program.values[needle];
        let needle = &self.program.needles[needle];
        let Some(span) = needle.span() else { return none() };
        let vocabulary = self.segment.vocabulary();
        let mut names = Vec::new();
        match &span.name {
            Name::Any => names.extend(vocabulary.names()),
            Name::Contains(part) => vocabulary.names_containing(needle.slice(part), &mut names),
            Name::EndsWith(end) => {
                vocabulary.names_containing(&[needle.slice(end), b"\xff"].concat(), &mut names);
            }
        }
        // A line without a name is its value.
        names.retain(|&name| vocabulary.term(name).len() > 1);
        if names.is_empty() {
            return none();
        }
        let named =
            self.step(|| format!("{} field names", names.len()), within, || self.named(&names, within))?;
        let Some(value) = value else { return Ok(named) };
        if named.is_empty() {
            return none();
        }
        let mut begins = Begins::new(self.segment, &names, &self.program.needles[value], named.count());
        self.step(
            || "values".into(),
            &named,
            || {
                let mut matching = self.certain(&mut begins, &named)?;
                let mut rest = named.clone();
                rest.and_not(&matching);
                if !rest.is_empty() {
                    rest = self.beginning(&names, value, &rest)?;
                    let among = (rest.count() >= MANY && names.len() <= FEW_NAMES)
                        .then(|| of_fields(self.segment, &names, &[false, true]));
                    let mut fields = Fields::new(self.segment, self.cx, begins, among);
                    let reads = fields.reads();
                    self.segment.try_retain(&mut rest, reads, |doc| fields.has(doc))?;
                    matching.or(&rest);
                }
                Ok(matching)
            },
        )
    }

    /// Documents that have one of the most frequent templates that always match, if there are many documents.
    fn certain(&self, judge: &mut impl Judge, within: &Bits) -> Result<Bits, Halt> {
        if within.count() < MANY {
            return Ok(Bits::new(within.len()));
        }
        let templates = self.segment.templates();
        let mut certain = Vec::new();
        for number in 0..templates.len().min(FIRST_TEMPLATES) {
            if judge.template(number, &templates.get(number)?) == Verdict::Always {
                certain.push(number);
            }
        }
        self.cx.check()?;
        let mut found = templates.docs_with(&certain);
        found.and(within);
        Ok(found)
    }

    /// Documents with a field of one of the names, at any level.
    fn named(&self, names: &[u32], within: &Bits) -> Result<Bits, Halt> {
        let mut found = Bits::new(within.len());
        let mut order = names.to_vec();
        order.sort_by_cached_key(|&name| self.segment.vocabulary().rank(name));
        for name in order {
            for term in [terms::present(name), terms::present_nested(name)] {
                self.add(terms::Field::Head, &term, &mut found)?;
            }
            if within.is_within(&found) {
                break;
            }
            self.cx.check()?;
        }
        found.and(within);
        Ok(found)
    }

    /// Documents that may have a value in fields of these names that begins with the needle.
    fn beginning(&self, names: &[u32], value: usize, within: &Bits) -> Result<Bits, Halt> {
        let needle = &self.program.needles[value];
        if needle.len() > 1 {
            return match self.facts(value).pattern(self.segment, needle) {
                Pattern::Impossible => Ok(Bits::new(within.len())),
                Pattern::Rare(_) => self.several(Scope::Head, value, within),
                Pattern::Codes(pattern) => self.filtered(Scope::Head, needle, pattern, within),
            };
        }
        let vocabulary = self.segment.vocabulary();
        let ords = vocabulary.prefix(needle.bytes());
        if needle.bytes().len() < LITERAL_BYTES_MIN || ords.len() as u64 > FILTER_FRAGMENT_TERMS_MAX {
            return Ok(within.clone());
        }
        let mut found = within.clone();
        self.segment.literal_candidates(Area::Head, needle.bytes(), &mut found);
        let mut lists = self.segment.lists(terms::Field::Head);
        for ord in ords {
            for (field, list) in self.segment.head_lists(ord) {
                if field == terms::NESTED || names.binary_search(&field).is_ok() {
                    lists.or_into(&list, &mut found)?;
                }
            }
        }
        found.and(within);
        Ok(found)
    }

    /// The empty needle is in every text: is there such a field?
    fn presence(&self, place: &Place, within: &Bits) -> Result<Bits, Halt> {
        let vocabulary = self.segment.vocabulary();
        let name = match place {
            Place::Body | Place::Text => return Ok(within.clone()),
            Place::Header(name) => vocabulary.name(name),
            Place::Pseudo(which) => vocabulary.pseudo_name(*which),
        };
        let mut found = Bits::new(within.len());
        if let Some(name) = name {
            self.add(terms::Field::Head, &terms::present(name), &mut found)?;
        }
        found.and(within);
        Ok(found)
    }

    /// Adds the documents of a term.
    pub(super) fn add(&self, field: terms::Field, term: &[u8], found: &mut Bits) -> Result<(), Halt> {
        Ok(self.segment.add(field, term, found)?)
    }

    /// `scope` is `None` if the segment has no such field.
    fn search(&self, scope: Option<Scope>, needle: usize, within: &Bits) -> Result<Bits, Halt> {
        match scope {
            None => Ok(Bits::new(within.len())),
            Some(scope) if self.program.needles[needle].len() == 1 => self.single(scope, needle, within),
            Some(scope) => self.several(scope, needle, within),
        }
    }

    fn describe(&self, key: &Key) -> String {
        let needle = key.needle.map_or(&b""[..], |needle| self.program.needles[needle].bytes());
        let place = match &key.place {
            Place::Body => "BODY".into(),
            Place::Text => "TEXT".into(),
            Place::Header(name) => format!("HEADER {}", shown(name)),
            Place::Pseudo(which) => which.name().into(),
        };
        format!("{place} {}", shown(needle))
    }
}
