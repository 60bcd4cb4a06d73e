//! Slots that are filled alike wherever a template is used become part of it; those with few fillings become several templates.
//!
//! `TLS1_3`, `256/256 bits`, a year: words with digits that say the same in many messages. Where they stand in templates, what holds
//! for a template is said without a look at the documents that have it, and their codes are written once.

use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::build::TOKENS;
use super::head::{Templates, is_slot};
use super::numbered::Streams;

/// Uses of a template from which on its slots may have several fillings.
const FREQUENT: u32 = if cfg!(test) { 4 } else { 128 };
/// Fillings of a slot that are told apart in such a template.
const FILLINGS: u8 = 8;
/// So many uses shall each of the templates have, on average, that are made of one.
const USES: u32 = if cfg!(test) { 2 } else { 64 };
/// There are more fillings than are told apart.
const MANY: u8 = u8::MAX;
/// No template yet.
const NONE: u32 = u32::MAX;

/// Header fields by templates.
pub(super) struct Settled {
    pub templates: Templates,
    /// For each document its templates.
    pub fields: Streams,
    /// For each document the tokens in slots.
    pub slots: Streams,
}

/// `fields` and `slots` of so many documents, into empty ones; `is_entry` says whether a token can stand in a template, and `taken`
/// is told of each that is in no slot any more.
pub(super) fn settle(
    templates: &Templates,
    [fields, slots]: [&Streams; 2],
    settled: [Streams; 2],
    docs: usize,
    is_entry: impl Fn(u32) -> bool,
    mut taken: impl FnMut(u32),
) -> Settled {
    let mut found = Fillings::new(templates);
    for doc in 0..docs {
        let mut tokens = slots.of(doc);
        for template in fields.of(doc) {
            for (slot, token) in found.slots(template).zip(&mut tokens) {
                let id = token - TOKENS;
                found.note(template, slot, id, is_entry(id));
            }
        }
    }
    let fates = fates(templates, &found);
    let [new_fields, new_slots] = settled;
    let mut settled = Settled { templates: Templates::default(), fields: new_fields, slots: new_slots };
    // By template its new number, if it has one; and those of templates with several.
    let mut numbers = vec![NONE; templates.len() as usize];
    let mut variants: HashMap<Vec<u32>, u32, RandomState> = HashMap::default();
    let (mut filled, mut variant) = (Vec::new(), Vec::new());
    for doc in 0..docs {
        let mut tokens = slots.of(doc);
        for template in fields.of(doc) {
            let own = &fates[found.slots(template)];
            filled.clear();
            filled.extend(own.iter().zip(&mut tokens).map(|(_, token)| token - TOKENS));
            variant.clear();
            for (&fate, &id) in own.iter().zip(&filled) {
                match fate {
                    Fate::Slot => settled.slots.push(id + TOKENS),
                    Fate::Constant => taken(id),
                    Fate::ByFilling => {
                        taken(id);
                        variant.push(id);
                    }
                }
            }
            let mut new = || settled.templates.push(&key(templates.key(template), own, &filled));
            let number = if variant.is_empty() {
                let number = &mut numbers[template as usize];
                if *number == NONE {
                    *number = new();
                }
                *number
            } else {
                variant.push(template);
                match variants.get(&variant) {
                    Some(&number) => number,
                    None => *variants.entry(variant.clone()).or_insert_with(new),
                }
            };
            settled.templates.used(number);
            settled.fields.push(number);
        }
        settled.fields.end();
        settled.slots.end();
    }
    settled
}

/// What slots are filled with.
struct Fillings {
    /// For each template, and behind the last one: its first slot, its first place, places that each of its slots has.
    spans: Vec<(u32, u32, u8)>,
    /// How many fillings each slot has.
    counts: Vec<u8>,
    /// Places for fillings.
    ids: Vec<u32>,
}

impl Fillings {
    fn new(templates: &Templates) -> Fillings {
        let mut spans = Vec::with_capacity(templates.len() as usize + 1);
        let (mut slots, mut places) = (0, 0);
        for template in 0..templates.len() {
            let told = if templates.uses(template) >= FREQUENT { FILLINGS } else { 1 };
            spans.push((slots, places, told));
            let own = templates.key(template).iter().filter(|&&id| is_slot(id)).count() as u32;
            slots += own;
            places += own * u32::from(told);
        }
        spans.push((slots, places, 0));
        Fillings { spans, counts: vec![0; slots as usize], ids: vec![0; places as usize] }
    }

    /// The slots of a template.
    #[inline]
    fn slots(&self, template: u32) -> Range<usize> {
        let of = |template: usize| self.spans[template].0 as usize;
        of(template as usize)..of(template as usize + 1)
    }

    #[inline]
    fn note(&mut self, template: u32, slot: usize, id: u32, is_entry: bool) {
        let (first, places, told) = self.spans[template as usize];
        let count = &mut self.counts[slot];
        if *count == MANY {
            return;
        }
        if !is_entry {
            *count = MANY;
            return;
        }
        let start = places as usize + (slot - first as usize) * usize::from(told);
        let known = &mut self.ids[start..start + usize::from(told)];
        if known[..usize::from(*count)].contains(&id) {
            return;
        }
        match known.get_mut(usize::from(*count)) {
            Some(place) => {
                *place = id;
                *count += 1;
            }
            None => *count = MANY,
        }
    }
}

/// What becomes of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Slot,
    Constant,
    ByFilling,
}

/// By slot.
fn fates(templates: &Templates, found: &Fillings) -> Vec<Fate> {
    let mut fates = vec![Fate::Slot; found.counts.len()];
    let mut few = Vec::new();
    for template in 0..templates.len() {
        few.clear();
        for slot in found.slots(template) {
            match found.counts[slot] {
                1 => fates[slot] = Fate::Constant,
                MANY => {}
                count => few.push((count, slot)),
            }
        }
        few.sort_unstable();
        let mut variants = 1;
        for &(count, slot) in &few {
            variants *= u32::from(count);
            if variants > templates.uses(template) / USES {
                break;
            }
            fates[slot] = Fate::ByFilling;
        }
    }
    fates
}

/// The key of a template with what fills its slots where these are none any more.
fn key(key: &[u32], fates: &[Fate], filled: &[u32]) -> Vec<u32> {
    let mut slots = fates.iter().zip(filled);
    let token = |&id: &u32| match if is_slot(id) { slots.next() } else { None } {
        Some((Fate::Constant | Fate::ByFilling, &filling)) => filling,
        _ => id,
    };
    key.iter().map(token).collect()
}
