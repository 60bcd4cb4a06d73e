//! Header fields as templates: what the values of many messages have in common is stored once.
//!
//! A template is a field: whether it is nested, its name, and its tokens, of which some are *slots*. A header field of a message
//! is the number of a template and the codes that fill its slots. The fields of a modern message are nearly always those of other
//! messages but for ids, numbers and dates, so that a header takes a quarter of the octets of its codes; and what holds
//! for a template is found out once for all messages that have it.

use std::ops::Range;

use super::bundle::{Bundle, Numbers, Piece};
use super::codes::{self, NESTED, SLOT_SEPARATOR, SLOT_WORD, TEXT};
use super::kernel::{Octets, Twos, find_meetings};
use super::{Damaged, OwnedBytes};
use crate::bits::Bits;
use crate::tokens::Class;

/// What a slot is in a template.
const SLOT_OCTETS: [u8; 2] = [SLOT_WORD as u8 | 128, SLOT_SEPARATOR as u8 | 128];

/// Templates whose numbers are told apart octet by octet.
const TOLD_APART_MAX: usize = 64;

/// The templates of a segment, and which ones the messages have.
pub struct Templates {
    codes: OwnedBytes,
    offsets: Numbers,
    /// Numbers of templates, coded as ranks are, by document.
    fields: OwnedBytes,
    field_offsets: Numbers,
}

/// A field without what stands in its slots.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// How many.
    pub slots: u32,
    /// Rank of the name.
    pub name: u32,
    pub nested: bool,
    /// Ranks of the tokens, [`SLOT_WORD`] or [`SLOT_SEPARATOR`] for each slot.
    pub tokens: &'a [u8],
    /// The same with [`NESTED`] and the name before them.
    whole: &'a [u8],
}

/// A header field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pub template: Template<'a>,
    /// Number of the template.
    pub number: u32,
    /// The codes that fill its slots.
    pub slots: &'a [u8],
    /// Those of the slots of all fields before it.
    pub before: &'a [u8],
}

/// Whether a token that is in the vocabulary can stand in a slot: numbers and dates. All other entries of the vocabulary stand
/// in templates only; what is not in the vocabulary stands in slots only.
pub fn varies(token: &[u8], class: Class) -> bool {
    const DATES: [&[u8]; 19] = [
        b"MON", b"TUE", b"WED", b"THU", b"FRI", b"SAT", b"SUN", b"JAN", b"FEB", b"MAR", b"APR", b"MAY",
        b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC",
    ];
    class == Class::Word && (token.iter().any(u8::is_ascii_digit) || DATES.contains(&token))
}

impl Templates {
    pub(super) fn open(bundle: &Bundle) -> Result<Templates, Damaged> {
        let templates = Templates {
            codes: bundle.piece(Piece::Templates),
            offsets: bundle.numbers(Piece::TemplateOffsets),
            fields: bundle.piece(Piece::Fields),
            field_offsets: bundle.numbers(Piece::FieldOffsets),
        };
        let fits = templates.field_offsets.len() == bundle.docs + 1;
        if fits { Ok(templates) } else { Err(Damaged("templates")) }
    }

    /// How many there are; numbers are below.
    pub fn len(&self) -> u32 {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, number: u32) -> Result<Template<'_>, Damaged> {
        const DAMAGED: Damaged = Damaged("template");
        let range = self.offsets.range(number, self.codes.len());
        let codes = self.codes.as_slice().get(range).ok_or(DAMAGED)?;
        let mut at = 0;
        let slots = codes::next(codes, &mut at).ok_or(DAMAGED)?;
        let whole = &codes[at..];
        let mut name = codes::next(codes, &mut at).ok_or(DAMAGED)?;
        let nested = name == NESTED;
        if nested {
            name = codes::next(codes, &mut at).ok_or(DAMAGED)?;
        }
        Ok(Template { slots, name, nested, tokens: &codes[at..], whole })
    }

    /// Calls `found` with all places in the codes of a range of templates where `left` meets `right`, in order, until it says true:
    /// how to get the template's number, the codes of the range, and where in them a code begins behind another one.
    pub fn with_meeting(
        &self,
        range: Range<u32>,
        left: &Twos,
        right: &Twos,
        mut found: impl FnMut(&mut dyn FnMut() -> u32, &[u8], usize) -> bool,
    ) {
        let offset = |number: u32| self.offsets.get(number).map_or(self.codes.len(), |at| at as usize);
        let first = offset(range.start);
        let codes = self.codes.as_slice().get(first..offset(range.end)).unwrap_or_default();
        let (mut number, mut end) = (range.start, offset(range.start + 1).saturating_sub(first));
        find_meetings(codes, left, right, |at| {
            codes[at - 1] >= 128 && {
                let mut number = || {
                    while at >= end && number + 1 < range.end {
                        number += 1;
                        end = offset(number + 1).saturating_sub(first);
                    }
                    number
                };
                found(&mut number, codes, at)
            }
        });
    }

    /// Documents of `within` with a field of one of these templates, which rise.
    pub fn docs_with(&self, numbers: &[u32], within: &Bits) -> Bits {
        let mut docs = Bits::new(within.len());
        if numbers.is_empty() {
            return docs;
        }
        let (first, others) = numbers.split_at(numbers.len().min(Twos::PAIRS));
        self.find(first, within, &mut docs);
        let mut rest = within.clone();
        rest.and_not(&docs);
        if others.is_empty() || rest.is_empty() {
            return docs;
        }
        if others.len() <= TOLD_APART_MAX && rest.count() > rest.len() / 4 {
            self.find(others, within, &mut docs);
            return docs;
        }
        let octets = self.fields.as_slice();
        let mut wanted = Bits::new(self.len());
        others.iter().for_each(|&number| wanted.insert(number));
        for doc in rest.iter() {
            let mut own = codes::ranks(&octets[self.field_offsets.range(doc, octets.len())]);
            if own.any(|number| wanted.contains(number)) {
                docs.insert(doc);
            }
        }
        docs
    }

    /// Adds those documents to `docs`; one pass over all fields, the sooner the better eight numbers can be told from others.
    fn find(&self, numbers: &[u32], within: &Bits, docs: &mut Bits) {
        let octets = self.fields.as_slice();
        let mut starts = Twos::default();
        let mut code = Vec::with_capacity(4);
        for (n, &number) in numbers.iter().enumerate() {
            code.clear();
            codes::push(number, &mut code);
            let first = Octets(code[0], code[0]);
            let second = code.get(1).map_or(Octets(0, 255), |&octet| Octets(octet, octet));
            starts.add(n * Twos::PAIRS / numbers.len(), first, second);
        }
        let mut ends = Twos::default();
        ends.add(0, Octets(0, 255), Octets(128, 255));
        let (mut doc, mut end) = (0, self.field_offsets.get(1).unwrap_or(0) as usize);
        let mut place = |at: usize| {
            let mut behind = at;
            let number = codes::next(octets, &mut behind);
            if number.is_none_or(|number| numbers.binary_search(&number).is_err()) {
                return;
            }
            while at >= end && doc < docs.len() {
                doc += 1;
                end = self.field_offsets.get(doc + 1).map_or(usize::MAX, |end| end as usize);
            }
            if doc < docs.len() {
                docs.insert(doc);
            }
        };
        // Meetings begin behind two octets.
        place(0);
        if octets.first().is_some_and(|&octet| octet >= 128) {
            place(1);
        }
        find_meetings(octets, &ends, &starts, |at| {
            place(at);
            false
        });
        docs.and(within);
    }

    /// The header fields of a document; `slots` are the codes of all its slots.
    pub(super) fn fields<'a>(&'a self, doc: u32, slots: &'a [u8]) -> Fields<'a> {
        let numbers = &self.fields.as_slice()[self.field_offsets.range(doc, self.fields.len())];
        Fields { templates: self, numbers, at: 0, slots, passed: 0, pending: 0 }
    }
}

/// Walks the header fields of a document; as an iterator, field by field, which ends behind an error.
pub struct Fields<'a> {
    templates: &'a Templates,
    numbers: &'a [u8],
    at: usize,
    slots: &'a [u8],
    /// Octets of slots that are behind.
    passed: usize,
    /// Slots that were passed over and not looked at.
    pending: u32,
}

impl<'a> Fields<'a> {
    /// The number of the next field's template; its slots must be passed or asked for before the next one.
    #[inline]
    pub fn number(&mut self) -> Option<Result<u32, Damaged>> {
        (self.at < self.numbers.len())
            .then(|| codes::next(self.numbers, &mut self.at).ok_or(Damaged("fields")))
    }

    /// Passes over so many slots.
    #[inline]
    pub fn pass(&mut self, slots: u32) {
        self.pending = self.pending.saturating_add(slots);
    }

    /// That field with its slots.
    pub fn filled(&mut self, number: u32, template: Template<'a>) -> Result<Value<'a>, Damaged> {
        const DAMAGED: Damaged = Damaged("slots");
        let rest = self.slots.get(self.passed..).ok_or(DAMAGED)?;
        let start = self.passed + behind(rest, self.pending).ok_or(DAMAGED)?;
        self.pending = 0;
        let (before, rest) = self.slots.split_at(start);
        let len = behind(rest, template.slots).ok_or(DAMAGED)?;
        self.passed = start + len;
        Ok(Value { template, number, before, slots: &rest[..len] })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Value<'a>, Damaged>;

    fn next(&mut self) -> Option<Result<Value<'a>, Damaged>> {
        let value = self
            .number()?
            .and_then(|number| Ok((number, self.templates.get(number)?)))
            .and_then(|(number, template)| self.filled(number, template));
        if value.is_err() {
            self.at = self.numbers.len();
        }
        Some(value)
    }
}

impl Value<'_> {
    /// Appends the codes of the field as those of a text: [`TEXT`], perhaps [`NESTED`], name, tokens.
    pub fn expand(&self, out: &mut Vec<u8>) -> Result<(), Damaged> {
        codes::push(TEXT, out);
        let (mut rest, mut slots) = (self.template.whole, self.slots);
        let mut from = 0;
        while let Some(found) = memchr::memchr2(SLOT_OCTETS[0], SLOT_OCTETS[1], &rest[from..]) {
            let at = from + found;
            // The octet of a slot also ends longer codes. The name stands first, so a slot never does.
            if at == 0 || rest[at - 1] < 128 {
                from = at + 1;
                continue;
            }
            let end = behind(slots, 1).ok_or(Damaged("slots"))?;
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(&slots[..end]);
            slots = &slots[end..];
            rest = &rest[at + 1..];
            // A code ended before.
            from = 0;
            while rest.first().is_some_and(|octet| SLOT_OCTETS.contains(octet)) {
                let end = behind(slots, 1).ok_or(Damaged("slots"))?;
                out.extend_from_slice(&slots[..end]);
                slots = &slots[end..];
                rest = &rest[1..];
            }
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// Where the first `count` codes end.
pub fn behind(codes: &[u8], count: u32) -> Option<usize> {
    const ENDS: u64 = 0x8080_8080_8080_8080;
    let mut left = count;
    let mut at = 0;
    while left >= 8
        && let Some(octets) = codes.get(at..at + 8).and_then(|octets| octets.try_into().ok())
    {
        left -= (u64::from_le_bytes(octets) & ENDS).count_ones();
        at += 8;
    }
    while left > 0 {
        left -= u32::from(*codes.get(at)? >= 128);
        at += 1;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted() {
        let mut run = Vec::new();
        let mut ends = vec![0];
        for n in 0..200u32 {
            codes::push(n * 997 % 20_000, &mut run);
            ends.push(run.len());
        }
        for (count, &end) in ends.iter().enumerate() {
            assert_eq!(behind(&run, count as u32), Some(end));
        }
        assert_eq!(behind(&run, 201), None);
    }
}
