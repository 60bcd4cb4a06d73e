//! Header fields as templates: what the values of many messages have in common is stored once.
//!
//! Templates are numbered by use and field, so that those of a field are a few ranges, and each has the list of its documents.
//!
//! A template is a field: whether it is nested, its name, and its tokens, of which some are *slots*. A header field of a message
//! is the number of a template and the codes that fill its slots. The fields of a modern message are nearly always those of other
//! messages but for ids, numbers and dates, so that a header takes a quarter of the octets of its codes; and what holds
//! for a template is found out once for all messages that have it.

use std::ops::{Range, RangeInclusive};
use std::sync::{PoisonError, RwLock};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::bundle::{Bundle, Numbers, Piece};
use super::codes::{self, NESTED, RESERVED, SLOT_DATE, SLOT_DIGITS, SLOT_SEPARATOR, SLOT_WORD, TEXT};
use super::kernel::{Twos, behind_codes, find_meetings, prefetch};
use super::lists::Form;
use super::vocabulary::partition;
use super::{Damaged, OwnedBytes};
use crate::bits::Bits;
use crate::tokens::Class;

/// What a slot is in a template.
const SLOT_OCTETS: RangeInclusive<u8> = SLOT_WORD as u8 | 128..=(RESERVED - 1) as u8 | 128;

/// Numbers that bound classes: the templates of a class are used more than those of the next one, and inside of it they are sorted
/// by field. The bounds are those of the lengths of codes, and one between them.
pub(super) const CLASSES: [u32; 5] = [0, 128, 4096, 16_512, u32::MAX];

/// A range of templates for each class; some may be empty.
type ByClass = [Range<u32>; CLASSES.len() - 1];

/// In the table of how many slots a template has: so many or more.
pub(super) const MANY_SLOTS: u8 = u8::MAX;

/// Templates of which only the first one's list has its place in a table.
pub(super) const LISTS_STEP: u32 = 8;

/// The templates of a segment, and which ones the messages have.
pub struct Templates {
    codes: OwnedBytes,
    offsets: Numbers,
    /// How many slots each has, [`MANY_SLOTS`] for more.
    slots: OwnedBytes,
    /// Numbers of templates, coded as ranks are, by document.
    fields: OwnedBytes,
    field_offsets: Numbers,
    /// Which documents have a template, in the order of their numbers.
    lists: OwnedBytes,
    list_offsets: Numbers,
    form: Form,
    docs: u32,
    /// By rank of a name, and whether nested, the templates of fields that were asked for: they are found in some microseconds.
    of_fields: RwLock<HashMap<(u32, bool), ByClass, RandomState>>,
}

/// Lists that are on their way from memory while one is read.
const LISTS_AHEAD: usize = 8;
/// Octets of these.
const LIST_OCTETS: usize = 128;
/// Fields whose templates are remembered.
const FIELDS_KEPT: usize = if cfg!(test) { 4 } else { 1024 };

/// A field without what stands in its slots.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// How many.
    pub slots: u32,
    /// Rank of the name.
    pub name: u32,
    pub nested: bool,
    /// Ranks of the tokens, for each slot one that says what it is.
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
    class == Class::Word && (token.iter().any(u8::is_ascii_digit) || DATES.contains(&token))
}

const DATES: [&[u8]; 19] = [
    b"MON", b"TUE", b"WED", b"THU", b"FRI", b"SAT", b"SUN", b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN",
    b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC",
];

/// The narrowest slot that a token fills.
pub fn slot_for(token: &[u8], class: Class) -> u32 {
    match class {
        Class::Word if token.iter().all(u8::is_ascii_digit) => SLOT_DIGITS,
        Class::Word if DATES.contains(&token) => SLOT_DATE,
        Class::Word => SLOT_WORD,
        _ => SLOT_SEPARATOR,
    }
}

/// Whether a slot can be filled by a token of a class that has `part`; `has` says where: [`<[u8]>::starts_with`], say.
pub fn may_fill(slot: u32, class: Class, part: &[u8], has: fn(&[u8], &[u8]) -> bool) -> bool {
    match slot {
        SLOT_SEPARATOR => class != Class::Word,
        SLOT_DIGITS => class == Class::Word && part.iter().all(u8::is_ascii_digit),
        SLOT_DATE => class == Class::Word && DATES.iter().any(|date| has(date, part)),
        _ => class == Class::Word,
    }
}

impl Templates {
    pub(super) fn open(bundle: &Bundle) -> Result<Templates, Damaged> {
        let templates = Templates {
            codes: bundle.piece(Piece::Templates),
            offsets: bundle.numbers(Piece::TemplateOffsets),
            slots: bundle.piece(Piece::TemplateSlots),
            fields: bundle.piece(Piece::Fields),
            field_offsets: bundle.numbers(Piece::FieldOffsets),
            lists: bundle.piece(Piece::TemplateLists),
            list_offsets: bundle.numbers(Piece::TemplateListOffsets),
            form: Form::new(bundle.docs),
            docs: bundle.docs,
            of_fields: RwLock::default(),
        };
        let fits = templates.field_offsets.len() == bundle.docs + 1
            && templates.slots.len() == templates.len() as usize
            && templates.list_offsets.len() == templates.len().div_ceil(LISTS_STEP);
        if fits { Ok(templates) } else { Err(Damaged("templates")) }
    }

    /// How many there are; numbers are below.
    pub fn len(&self) -> u32 {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots a template has, for which its other octets are not read if it has few.
    #[inline]
    pub fn slots(&self, number: u32) -> Result<u32, Damaged> {
        match self.slots.as_slice().get(number as usize) {
            Some(&slots) if slots < MANY_SLOTS => Ok(u32::from(slots)),
            _ => self.get(number).map(|template| template.slots),
        }
    }

    /// How many slots templates have, by number, where those of `among` have [`MANY_SLOTS`]: for [`Fields::pass_over`].
    pub fn slots_but_of(&self, among: &Bits) -> Vec<u8> {
        let mut slots = self.slots.as_slice().to_vec();
        for number in among.iter() {
            if let Some(slots) = slots.get_mut(number as usize) {
                *slots = MANY_SLOTS;
            }
        }
        slots
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

    /// The codes of a range of templates, and their lists.
    pub(super) fn octets_of(&self, range: &Range<u32>) -> [&[u8]; 2] {
        let of = |octets: &'_ OwnedBytes, offsets: &Numbers, step: u32| {
            let place = |number: u32| offsets.get(number / step).map_or(octets.len(), |at| at as usize);
            place(range.start)..place(range.end.saturating_add(step - 1))
        };
        let codes = self.codes.as_slice().get(of(&self.codes, &self.offsets, 1));
        let lists = self.lists.as_slice().get(of(&self.lists, &self.list_offsets, LISTS_STEP));
        [codes.unwrap_or_default(), lists.unwrap_or_default()]
    }

    /// Calls `found` with all places in the codes of a range of templates where `left` meets `right`, in order, until it says true:
    /// how to get the template's number and where its codes end, the codes of the range, and where in them a code begins behind another
    /// one. The two may be of different templates.
    pub fn with_meeting(
        &self,
        range: Range<u32>,
        left: &Twos,
        right: &Twos,
        mut found: impl FnMut(&mut dyn FnMut() -> (u32, usize), &[u8], usize) -> bool,
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
                    (number, end)
                };
                found(&mut number, codes, at)
            }
        });
    }

    /// The templates of a range that are of a field, as ranges that rise; `name` is the rank of the field's name.
    pub fn of_field(&self, name: u32, nested: bool, range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
        let field = (name, nested);
        let known = self.of_fields.read().unwrap_or_else(PoisonError::into_inner).get(&field).cloned();
        let all = known.unwrap_or_else(|| {
            let all = self.find_field(name, nested);
            let mut kept = self.of_fields.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < FIELDS_KEPT {
                kept.insert(field, all.clone());
            }
            all
        });
        let cut = move |found: Range<u32>| found.start.max(range.start)..found.end.min(range.end);
        all.into_iter().map(cut).filter(|found| !found.is_empty())
    }

    /// For each class the templates of a field.
    fn find_field(&self, name: u32, nested: bool) -> ByClass {
        std::array::from_fn(|class| {
            let class = CLASSES[class].min(self.len())..CLASSES[class + 1].min(self.len());
            let below = |key: (u32, bool)| {
                partition(class.clone(), |number| {
                    self.get(number).is_ok_and(|template| (template.name, template.nested) < key)
                })
            };
            let behind = if nested { (name.saturating_add(1), false) } else { (name, true) };
            if class.is_empty() { 0..0 } else { below((name, nested))..below(behind) }
        })
    }

    /// Octets of memory beside the mapping.
    pub(super) fn memory(&self) -> usize {
        const ENTRY: usize = size_of::<((u32, bool), ByClass)>();
        2 * ENTRY * self.of_fields.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Documents with a field of one of these templates; soonest said if the numbers rise.
    pub fn docs_with(&self, numbers: &[u32]) -> Bits {
        let mut docs = Bits::new(self.docs);
        let octets = self.lists.as_slice();
        // A template, and where its list begins.
        let mut known: Option<(u32, usize)> = None;
        for (n, &number) in numbers.iter().enumerate() {
            // Where lists are, and then what is in them, is on its way from memory while others are read.
            if let Some(next) = numbers.get(n + 2 * LISTS_AHEAD) {
                self.list_offsets.prefetch(next / LISTS_STEP);
            }
            if let Some(at) =
                numbers.get(n + LISTS_AHEAD).and_then(|next| self.list_offsets.get(next / LISTS_STEP))
            {
                prefetch(
                    octets.get(at as usize..).map_or(&[][..], |list| list.get(..LIST_OCTETS).unwrap_or(list)),
                );
            }
            let first = number / LISTS_STEP * LISTS_STEP;
            let in_table = || Some((first, self.list_offsets.get(first / LISTS_STEP)? as usize));
            let before = known.filter(|(before, _)| (first..=number).contains(before)).or_else(in_table);
            let Some((passed, at)) = before else { continue };
            let mut at = at;
            let passes = (passed..number).all(|_| self.form.pass(octets, &mut at).is_some());
            known = Some((number, at));
            if let Some(list) = self.form.read(octets, &mut at).filter(|_| passes) {
                self.form.or_into(octets, list, &mut docs);
            }
        }
        docs
    }

    /// The numbers of the templates that a document has, as codes.
    pub(super) fn numbers_of(&self, doc: u32) -> &[u8] {
        &self.fields.as_slice()[self.field_offsets.range(doc, self.fields.len())]
    }

    /// The header fields of a document; `slots` are the codes of all its slots.
    pub(super) fn fields<'a>(&'a self, doc: u32, slots: &'a [u8]) -> Fields<'a> {
        Fields { templates: self, numbers: self.numbers_of(doc), at: 0, slots, passed: 0, pending: 0 }
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
            .then(|| codes::next_mixed(self.numbers, &mut self.at).ok_or(Damaged("fields")))
    }

    /// Passes over fields up to one of whose template `slots` says [`MANY_SLOTS`] or nothing; of others it says how many slots they have.
    #[inline]
    pub fn pass_over(&mut self, slots: &[u8]) {
        let mut next = self.at;
        while let Some(number) = codes::next_mixed(self.numbers, &mut next) {
            match slots.get(number as usize) {
                Some(&slots) if slots < MANY_SLOTS => {
                    self.pending = self.pending.saturating_add(slots.into())
                }
                _ => return,
            }
            self.at = next;
        }
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
        let start = self.passed + behind_codes(rest, self.pending).ok_or(DAMAGED)?;
        self.pending = 0;
        let (before, rest) = self.slots.split_at(start);
        let len = behind_codes(rest, template.slots).ok_or(DAMAGED)?;
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
        while let Some(found) = rest[from..].iter().position(|octet| SLOT_OCTETS.contains(octet)) {
            let at = from + found;
            // The octet of a slot also ends longer codes. The name stands first, so a slot never does.
            if at == 0 || rest[at - 1] < 128 {
                from = at + 1;
                continue;
            }
            let end = behind_codes(slots, 1).ok_or(Damaged("slots"))?;
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(&slots[..end]);
            slots = &slots[end..];
            rest = &rest[at + 1..];
            // A code ended before.
            from = 0;
            while rest.first().is_some_and(|octet| SLOT_OCTETS.contains(octet)) {
                let end = behind_codes(slots, 1).ok_or(Damaged("slots"))?;
                out.extend_from_slice(&slots[..end]);
                slots = &slots[end..];
                rest = &rest[1..];
            }
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}
