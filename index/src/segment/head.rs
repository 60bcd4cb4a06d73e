//! Finds the templates of the header fields that a builder has collected, and the lists of documents that follow.
//!
//! What holds for a template (its words, the words that stand side by side in it) is found when it is met first and noted for every
//! document that has it without another look at its tokens.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::build::{Builder, Meeting, NESTED, TEXT, TOKENS};
use super::bundle::{Piece, Writer};
use super::codes;
use super::finish::{NONE, Order};
use super::intern::{Interner, Tag};
use super::kernel::prefetch_one;
use super::lists::Form;
use super::numbered::{Numbered, Streams};
use super::settle::{Settled, settle};
use super::templates::{CLASSES, LISTS_STEP, MANY_SLOTS, slot_for, varies};
use super::terms::{self, Term};
use super::{BuildError, BuildOptions, Edges};
use crate::prepare::Area;
use crate::tokens::Class;

/// Stand for slots in the key of a template; all other numbers there are lower.
const SLOT_WORD_ID: u32 = u32::MAX;
const SLOT_SEPARATOR_ID: u32 = u32::MAX - 1;

/// Words that wait to be looked up, of one field more.
const WORDS: usize = 4096;

/// Whether a number of the key of a template stands for a slot.
pub(super) fn is_slot(id: u32) -> bool {
    id >= SLOT_SEPARATOR_ID
}

/// Header fields and addresses, taken apart.
pub(super) struct Head {
    templates: Templates,
    /// For each document its templates.
    fields: Streams,
    kinds: Kinds,
    /// The same before templates were settled, and what stood in slots; for their memory.
    unsettled: [Streams; 2],
    /// Keys are the two numbers of a term of `Field::Head`.
    pub lists: Numbered,
    pub joints: Numbered,
    pub edges: Numbered,
}

/// Memory of one segment's header fields for those of the next.
#[derive(Default)]
pub(super) struct Room {
    unsettled: [Streams; 2],
    fields: Streams,
    lists: [Numbered; 3],
}

impl Room {
    /// Octets of memory that is held.
    pub fn held(&self) -> usize {
        let streams = self.unsettled.iter().chain([&self.fields]).map(Streams::held).sum::<usize>();
        streams + self.lists.iter().map(Numbered::held).sum::<usize>()
    }
}

#[derive(Default)]
pub(super) struct Templates {
    table: HashTable<u32>,
    hasher: RandomState,
    /// For each template its name and whether it is nested, then its tokens.
    keys: Vec<u32>,
    /// Numbers of the lists that it stands for: of words, of joints, of edges.
    noted: [Vec<u32>; 3],
    /// The places of its slots in the key.
    places: Vec<u32>,
    /// The places of tokens that have a list with the one before for each document, because a slot is among them.
    meets: Vec<u32>,
    spans: Vec<Span>,
}

/// Where the parts of a template end.
#[derive(Clone, Copy, Default)]
struct Span {
    key: u32,
    noted: [u32; 3],
    places: u32,
    meets: u32,
    uses: u32,
    /// The list of the documents that have a literal in its field, plus one; 0 if it is not known yet.
    literals: u32,
    /// The last document that has it, plus one.
    last: u16,
}

/// Where documents are noted.
struct Lists<'a> {
    interner: &'a Interner,
    order: &'a Order,
    options: BuildOptions,
    all: [Numbered; 3],
    /// Words and joints that are to be added for the document: looked up together, so that the waits for memory overlap.
    words: Vec<u64>,
    met: Vec<u64>,
}

impl Head {
    /// Takes the streams of header fields and addresses, and leaves the tokens in slots in place of the former; adds to `weights` how
    /// often a token is written in a code of a header.
    pub fn new(builder: &mut Builder, order: &Order, weights: &mut [u32]) -> Head {
        let stream = &builder.streams[Area::Head as usize];
        let Room { mut unsettled, fields: mut settled, mut lists } = std::mem::take(&mut builder.room);
        unsettled.iter_mut().chain([&mut settled]).for_each(Streams::clear);
        lists.iter_mut().for_each(Numbered::clear);
        let [mut fields, mut slots] = unsettled;
        let shown: Vec<u32> =
            (0..order.ords.len() as u32).map(|id| shown(&builder.interner, order, id)).collect();
        let mut templates = Templates::default();
        let mut lists = Lists {
            interner: &builder.interner,
            order,
            options: builder.options,
            all: lists,
            words: Vec::new(),
            met: Vec::new(),
        };
        let (mut value, mut key) = (Vec::new(), Vec::new());
        let is_entry = |id: u32| order.ords[id as usize] != NONE;
        for doc in 0..builder.messages.len() {
            let number = doc as u16 + 1;
            let mut nested = false;
            let mut take = |value: &mut Vec<u32>, nested: bool| {
                if value.is_empty() {
                    return;
                }
                key.clear();
                key.push(value[0] << 1 | u32::from(nested));
                key.extend(value[1..].iter().map(|&id| shown[id as usize]));
                let template = templates.number(&key, &mut lists);
                fields.push(template);
                if templates.is_first_of(template, number) {
                    for (which, noted) in templates.noted(template).into_iter().enumerate() {
                        noted.iter().for_each(|&list| lists.all[which].note(list, number));
                    }
                }
                let field = lists.field(key[0]);
                let mut has_literal = false;
                for &at in templates.places(template) {
                    let id = value[at as usize];
                    slots.push(id + TOKENS);
                    if is_entry(id) {
                        weights[id as usize] += 1;
                        lists.word(id, field);
                    } else {
                        has_literal = true;
                    }
                }
                if has_literal {
                    templates.note_literal(template, field, &mut lists.all[0], number);
                }
                for &at in templates.meets(template) {
                    lists.meet(value[at as usize - 1], value[at as usize], number);
                }
                value.clear();
                if lists.words.len() + lists.met.len() >= WORDS {
                    lists.flush(number);
                }
            };
            for token in stream.of(doc) {
                match token {
                    TEXT => {
                        take(&mut value, nested);
                        nested = false;
                    }
                    NESTED => nested = true,
                    id => {
                        if let Some(shown) = shown.get((id - TOKENS) as usize) {
                            prefetch_one(shown);
                        }
                        value.push(id - TOKENS);
                    }
                }
            }
            take(&mut value, nested);
            lists.addresses(builder.streams[Area::Pseudo as usize].of(doc), number);
            lists.flush(number);
            lists.all.iter_mut().for_each(Numbered::end);
            fields.end();
            slots.end();
        }
        let [words, joints, edges] = lists.all;
        let taken = |id: u32| weights[id as usize] -= 1;
        let docs = builder.messages.len();
        // What fields are made of is known now: there is room for what is left of it.
        let mut left = std::mem::take(&mut builder.streams[Area::Head as usize]);
        left.clear();
        let found = settle(&templates, [&fields, &slots], [settled, left], docs, is_entry, taken);
        let unsettled = [fields, slots];
        let Settled { templates, fields, slots } = found;
        for template in 0..templates.len() {
            let key = templates.key(template);
            weights[(key[0] >> 1) as usize] += 1;
            key[1..].iter().filter(|&&id| !is_slot(id)).for_each(|&id| weights[id as usize] += 1);
        }
        let kinds = Kinds::new(&templates, [&fields, &slots], docs, &builder.interner);
        builder.streams[Area::Head as usize] = slots;
        Head { templates, fields, kinds, unsettled, lists: words, joints, edges }
    }

    /// Leaves memory for the next segment.
    pub fn leave(self, room: &mut Room) {
        let Head { fields, unsettled, lists, joints, edges, .. } = self;
        *room = Room { unsettled, fields, lists: [lists, joints, edges] };
    }

    /// Writes the templates, and which fields documents have.
    pub fn write(&self, docs: usize, ranks: &[u32], out: &mut Writer) -> Result<(), BuildError> {
        let spans = &self.templates.spans;
        let mut by_use: Vec<u32> = (0..spans.len() as u32).collect();
        by_use.sort_by_key(|&template| std::cmp::Reverse(spans[template as usize].uses));
        let name = |template: u32| self.templates.key(template)[0];
        for class in CLASSES.windows(2) {
            let end = by_use.len().min(class[1] as usize);
            let class = by_use.get_mut(class[0] as usize..end).unwrap_or_default();
            class.sort_by_key(|&template| (ranks[(name(template) >> 1) as usize], name(template) & 1));
        }
        let mut places = vec![0; spans.len()];
        let (mut run, mut offsets, mut all_slots) = (Vec::new(), vec![0u32], Vec::new());
        for (place, &template) in by_use.iter().enumerate() {
            places[template as usize] = place as u32;
            let key = self.templates.key(template);
            let slots = key.iter().filter(|&&id| is_slot(id)).count();
            all_slots.push(slots.min(usize::from(MANY_SLOTS)) as u8);
            codes::push(slots as u32, &mut run);
            if key[0] & 1 == 1 {
                codes::push(codes::NESTED, &mut run);
            }
            codes::push(ranks[(key[0] >> 1) as usize], &mut run);
            let mut kinds = self.kinds.of(template);
            for &id in &key[1..] {
                let slot = if is_slot(id) { kinds.next() } else { None };
                codes::push(slot.unwrap_or_else(|| ranks[id as usize]), &mut run);
            }
            offsets.push(u32::try_from(run.len()).map_err(|_| BuildError::Full)?);
        }
        out.piece(Piece::Templates, &run);
        out.numbers(Piece::TemplateOffsets, offsets);
        out.piece(Piece::TemplateSlots, &all_slots);
        let (mut run, mut offsets) = (Vec::new(), vec![0u32]);
        for doc in 0..docs {
            self.fields.of(doc).for_each(|template| codes::push(places[template as usize], &mut run));
            offsets.push(u32::try_from(run.len()).map_err(|_| BuildError::Full)?);
        }
        out.piece(Piece::Fields, &run);
        out.numbers(Piece::FieldOffsets, offsets);
        self.write_lists(docs, &by_use, out)
    }

    /// Writes which documents have the templates, in this order.
    fn write_lists(&self, docs: usize, order: &[u32], out: &mut Writer) -> Result<(), BuildError> {
        let spans = &self.templates.spans;
        let mut ends = Vec::with_capacity(spans.len());
        let mut uses = 0;
        for span in spans {
            ends.push(uses);
            uses += span.uses as usize;
        }
        let mut all = vec![0u16; uses];
        for doc in 0..docs {
            for template in self.fields.of(doc) {
                let end = &mut ends[template as usize];
                all[*end] = doc as u16;
                *end += 1;
            }
        }
        let form = Form::new(docs as u32);
        let (mut run, mut offsets, mut list) = (Vec::new(), Vec::new(), Vec::new());
        for (place, &template) in order.iter().enumerate() {
            if place.is_multiple_of(LISTS_STEP as usize) {
                offsets.push(u32::try_from(run.len()).map_err(|_| BuildError::Full)?);
            }
            let end = ends[template as usize];
            list.clear();
            list.extend_from_slice(&all[end - spans[template as usize].uses as usize..end]);
            list.dedup();
            form.push(&list, &mut run);
        }
        out.piece(Piece::TemplateLists, &run);
        out.numbers(Piece::TemplateListOffsets, offsets);
        Ok(())
    }
}

/// What the slots of templates are: as narrow as what fills them.
struct Kinds {
    /// Of all slots, template by template; 0 if none was filled.
    slots: Vec<u8>,
    /// The first slot of each template, and the end.
    firsts: Vec<u32>,
}

impl Kinds {
    fn new(templates: &Templates, [fields, slots]: [&Streams; 2], docs: usize, interner: &Interner) -> Kinds {
        let mut firsts = vec![0];
        for template in 0..templates.len() {
            let own = templates.key(template).iter().filter(|&&id| is_slot(id)).count() as u32;
            firsts.push(firsts[template as usize] + own);
        }
        let mut kinds = Kinds { slots: vec![0; firsts[templates.len() as usize] as usize], firsts };
        // By token, 0 for those that were not asked for.
        let mut known = vec![0u8; interner.entries.len()];
        for doc in 0..docs {
            let mut tokens = slots.of(doc);
            for template in fields.of(doc) {
                let range = kinds.range(template);
                for (slot, token) in kinds.slots[range].iter_mut().zip(&mut tokens) {
                    let id = token - TOKENS;
                    let own = &mut known[id as usize];
                    if *own == 0 {
                        *own = slot_for(interner.bytes(id), interner.tag(id).class()) as u8;
                    }
                    if *slot == 0 {
                        *slot = *own;
                    } else if slot != own {
                        *slot = codes::SLOT_WORD as u8;
                    }
                }
            }
        }
        kinds
    }

    fn range(&self, template: u32) -> std::ops::Range<usize> {
        self.firsts[template as usize] as usize..self.firsts[template as usize + 1] as usize
    }

    /// What the slots of a template are.
    fn of(&self, template: u32) -> impl Iterator<Item = u32> + '_ {
        self.slots[self.range(template)].iter().map(|&kind| u32::from(kind))
    }
}

impl Templates {
    pub fn len(&self) -> u32 {
        self.spans.len() as u32
    }

    /// How many fields have it.
    pub fn uses(&self, template: u32) -> u32 {
        self.spans[template as usize].uses
    }

    pub fn key(&self, template: u32) -> &[u32] {
        let start = template.checked_sub(1).map_or(0, |before| self.spans[before as usize].key);
        &self.keys[start as usize..self.spans[template as usize].key as usize]
    }

    fn noted(&self, template: u32) -> [&[u32]; 3] {
        let before = template.checked_sub(1).map_or([0; 3], |before| self.spans[before as usize].noted);
        let span = self.spans[template as usize].noted;
        std::array::from_fn(|which| &self.noted[which][before[which] as usize..span[which] as usize])
    }

    /// The places of a template's slots in its key.
    fn places(&self, template: u32) -> &[u32] {
        let start = template.checked_sub(1).map_or(0, |before| self.spans[before as usize].places);
        &self.places[start as usize..self.spans[template as usize].places as usize]
    }

    /// The places of tokens that are to be noted with the one before.
    fn meets(&self, template: u32) -> &[u32] {
        let start = template.checked_sub(1).map_or(0, |before| self.spans[before as usize].meets);
        &self.meets[start as usize..self.spans[template as usize].meets as usize]
    }

    /// Whether it is met for the first time in document `number - 1`.
    fn is_first_of(&mut self, template: u32, number: u16) -> bool {
        std::mem::replace(&mut self.spans[template as usize].last, number) != number
    }

    /// Document `number - 1` has a literal in such a field.
    fn note_literal(&mut self, template: u32, field: u32, words: &mut Numbered, number: u16) {
        let span = &mut self.spans[template as usize];
        if span.literals == 0 {
            span.literals = words.number(u64::from(terms::LITERAL) << 32 | u64::from(field)) + 1;
        }
        words.note(span.literals - 1, number);
    }

    /// Adds a template without a use, and with nothing noted.
    pub fn push(&mut self, key: &[u32]) -> u32 {
        self.keys.extend_from_slice(key);
        self.spans.push(Span { key: self.keys.len() as u32, ..Span::default() });
        self.len() - 1
    }

    /// One use more.
    pub fn used(&mut self, template: u32) {
        self.spans[template as usize].uses += 1;
    }

    /// Number of the template of this key, one use more.
    fn number(&mut self, key: &[u32], lists: &mut Lists<'_>) -> u32 {
        let hash = self.hasher.hash_one(key);
        let found = self.table.find(hash, |&template| self.key(template) == key).copied();
        let template = found.unwrap_or_else(|| {
            let template = self.spans.len() as u32;
            self.keys.extend_from_slice(key);
            lists.of_template(key, &mut self.noted);
            let edges = lists.options.edges == Edges::BodyAndHead;
            let is_word = |id: u32| match is_slot(id) {
                true => id == SLOT_WORD_ID,
                false => lists.interner.tag(id) == Tag::Word,
            };
            for at in (1..key.len()).filter(|&at| is_slot(key[at])) {
                self.places.push(at as u32);
            }
            for at in 2..key.len() {
                let [left, right] = [key[at - 1], key[at]];
                if (is_slot(left) || is_slot(right)) && (edges || is_word(left) && is_word(right)) {
                    self.meets.push(at as u32);
                }
            }
            self.spans.push(Span {
                key: self.keys.len() as u32,
                noted: std::array::from_fn(|which| self.noted[which].len() as u32),
                places: self.places.len() as u32,
                meets: self.meets.len() as u32,
                ..Span::default()
            });
            let Templates { table, hasher, keys, spans, .. } = self;
            table.insert_unique(hash, template, |&template| {
                let start = template.checked_sub(1).map_or(0, |before| spans[before as usize].key);
                hasher.hash_one(&keys[start as usize..spans[template as usize].key as usize])
            });
            template
        });
        self.used(template);
        template
    }
}

impl Lists<'_> {
    /// The field of the terms of a text whose name and nesting these are.
    fn field(&self, name: u32) -> u32 {
        if name & 1 == 1 { terms::NESTED } else { self.order.ords[(name >> 1) as usize] }
    }

    /// A token in a field: an entry of the vocabulary or a literal.
    fn word(&mut self, id: u32, field: u32) {
        let ord = match self.order.ords[id as usize] {
            NONE => terms::LITERAL,
            ord => ord,
        };
        self.words.push(u64::from(ord) << 32 | u64::from(field));
    }

    /// Adds what waits.
    fn flush(&mut self, number: u16) {
        self.all[0].add_all(&self.words, number);
        self.all[1].add_all(&self.met, number);
        self.words.clear();
        self.met.clear();
    }

    /// The lists that every document of a template is in; each once.
    fn of_template(&mut self, key: &[u32], noted: &mut [Vec<u32>; 3]) {
        let starts: [usize; 3] = std::array::from_fn(|which| noted[which].len());
        let ord = self.order.ords[(key[0] >> 1) as usize];
        let term = if key[0] & 1 == 1 { terms::present_nested(ord) } else { terms::present(ord) };
        noted[0].push(self.all[0].number(as_key(term)));
        let field = self.field(key[0]);
        for &id in key[1..].iter().filter(|&&id| !is_slot(id)) {
            let list = u64::from(self.order.ords[id as usize]) << 32 | u64::from(field);
            noted[0].push(self.all[0].number(list));
        }
        for pair in key[1..].windows(2) {
            if !is_slot(pair[0]) && !is_slot(pair[1]) {
                let is_edge = self.interner.tag(pair[0]) != self.interner.tag(pair[1]);
                if let Some(list) = self.meeting(pair[0], pair[1]) {
                    let which = 1 + usize::from(is_edge);
                    noted[which].push(self.all[which].number(list));
                }
            }
        }
        for (which, start) in starts.into_iter().enumerate() {
            // Few: a field has some dozens of tokens.
            let mut own = noted[which].split_off(start);
            own.sort_unstable();
            own.dedup();
            noted[which].append(&mut own);
        }
    }

    /// The list of two tokens side by side, if they have one.
    fn meeting(&self, left: u32, right: u32) -> Option<u64> {
        let edges = self.options.edges == Edges::BodyAndHead;
        let (meeting, key) = self.interner.meeting(Area::Head, left, right)?;
        (if meeting == Meeting::Joint { self.options.joints } else { edges }).then_some(key)
    }

    /// Two tokens side by side in document `number - 1`.
    fn meet(&mut self, left: u32, right: u32, number: u16) {
        let Some(key) = self.meeting(left, right) else { return };
        if self.interner.tag(left) == self.interner.tag(right) {
            self.met.push(key);
        } else {
            self.all[2].add(key, number);
        }
    }

    /// Canonical addresses: a few texts of a few tokens.
    fn addresses(&mut self, stream: impl Iterator<Item = u32>, number: u16) {
        let (mut expects_name, mut field) = (false, NONE);
        for token in stream {
            if token == TEXT {
                expects_name = true;
                continue;
            }
            let ord = self.order.ords[(token - TOKENS) as usize];
            if expects_name {
                (expects_name, field) = (false, ord);
                self.all[0].add(as_key(terms::present(ord)), number);
            } else {
                self.word(token - TOKENS, field);
            }
        }
    }
}

fn as_key(term: Term) -> u64 {
    term.iter().fold(0, |key, &octet| key << 8 | u64::from(octet))
}

/// What the key of a template has for a token.
fn shown(interner: &Interner, order: &Order, id: u32) -> u32 {
    let class = interner.tag(id).class();
    let is_slot = order.ords[id as usize] == NONE || varies(interner.bytes(id), class);
    match (is_slot, class) {
        (false, _) => id,
        (true, Class::Word) => SLOT_WORD_ID,
        (true, _) => SLOT_SEPARATOR_ID,
    }
}
