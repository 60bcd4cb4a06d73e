//! Turns what a builder has collected into the octets of a segment.

use super::build::Builder;
use super::bundle::{Piece, Writer};
use super::codes::{RESERVED, ZONES};
use super::common::Common;
use super::head::Head;
use super::intern::{Interner, Tag};
use super::inverted;
use super::kernel::prefetch_one;
use super::numbered::{Gathered, Numbered, Streams};
use super::ranks::FREQUENT_MAX;
use super::signature::Grams;
use super::sorting::sort_in_buckets;
use super::terms::{self, Field};
use super::vocabulary::{BLOCK, END, OFFSETS_STEP, PSEUDO};
use super::{BuildError, BuildOptions, narrow, records, signature, texts};

/// No vocabulary, or no field.
pub(super) const NONE: u32 = u32::MAX;

/// The order of everything, found out once all tokens are known.
pub(super) struct Order {
    /// Token numbers by ord.
    ids: Vec<u32>,
    /// Ord by token number, or [`NONE`] for literals.
    pub ords: Vec<u32>,
    /// How many of them are tokens; names stand behind.
    tokens: u32,
}

impl Builder {
    /// The octets of the segment.
    pub fn finish(self) -> Result<Vec<u8>, BuildError> {
        self.finish_unless(&|| false)
    }

    /// The same; ends with [`BuildError::Stopped`] soon after `stop` says true, which is asked between steps that take some tenths of
    /// a second for the largest segment.
    pub fn finish_unless(mut self, stop: &dyn Fn() -> bool) -> Result<Vec<u8>, BuildError> {
        self.finished_unless(stop)
    }

    /// The same of a builder of which only the memory is of use then: see [`Builder::anew`].
    pub fn finished_unless(&mut self, stop: &dyn Fn() -> bool) -> Result<Vec<u8>, BuildError> {
        let go_on = || if stop() { Err(BuildError::Stopped) } else { Ok(()) };
        go_on()?;
        // Somewhat more than a segment has of what it is made from.
        let mut out = Writer::in_memory_of(std::mem::take(&mut self.octets), self.memory() / 2);
        let docs = self.docs();
        out.numbers(Piece::Messages, self.messages.iter().copied());
        out.numbers(Piece::Unvouched, self.unvouched.iter().copied());
        let order = order(&self.interner, &self.options);
        let mut weights: Vec<u32> = self.interner.entries.iter().map(|entry| entry.occurrences).collect();
        go_on()?;
        let head = Head::new(self, &order, &mut weights);
        let ranks = ranks(&order, &weights);
        go_on()?;
        vocabulary(&self.interner, &order, &ranks, self.options.vocabulary_bits_per_gram, &mut out);
        go_on()?;
        head.write(docs as usize, &ranks, &mut out)?;
        go_on()?;
        texts::write(self, &ranks, &mut out)?;
        go_on()?;
        let heads = Keyed::new(&head.lists, docs, |key| key);
        let tokens = order.tokens;
        go_on()?;
        body(self, &order, tokens, &mut out)?;
        go_on()?;
        head_lists(&heads, docs, order.ids.len() as u32, tokens, &mut out)?;
        let met = |gathered| Keyed::of_gathered(gathered, docs, |key| self.meeting_term(key));
        let meeting = |numbered| Keyed::new(numbered, docs, |key| self.meeting_term(key));
        inverted::write(
            docs,
            &mut |field, add| {
                go_on()?;
                match field {
                    Field::Body => {
                        let ord = |id: u64| order.ords[id as u32 as usize];
                        let pair = |key| terms::pair(ord(key >> 32), ord(key));
                        Keyed::of_gathered(&self.pairs, docs, pair).each(|term, list| add(term, list))
                    }
                    Field::Head => {
                        heads.each(|&key, list| match terms::pair((key >> 32) as u32, key as u32) {
                            term if key >> 32 >= u64::from(terms::LITERAL) => add(&term, list),
                            _ => Ok(()),
                        })
                    }
                    // Terms of bodies come before those of header fields.
                    Field::Joint => {
                        met(&self.joints).each(|term, list| add(term, list))?;
                        meeting(&head.joints).each(|term, list| add(term, list))
                    }
                    Field::Edge => {
                        met(&self.edges).each(|term, list| add(term, list))?;
                        meeting(&head.edges).each(|term, list| add(term, list))
                    }
                }
            },
            &mut out,
        )?;
        head.leave(&mut self.room);
        Ok(out.finish(docs))
    }
}

fn order(interner: &Interner, options: &BuildOptions) -> Order {
    let count = interner.entries.len();
    let is_vocabulary = |id: u32| {
        !options.literals
            || interner.is_shared(id)
            || matches!(interner.tag(id), Tag::Single | Tag::Name)
            || interner.bytes(id).len() < signature::GRAM
    };
    // The first octets decide most comparisons.
    let mut sorted: Vec<(u64, u32)> = (0..count as u32)
        .filter(|&id| is_vocabulary(id))
        .map(|id| (first_octets(interner.bytes(id).iter()), id))
        .collect();
    let compare = |a: &(u64, u32), b: &(u64, u32)| {
        a.0.cmp(&b.0).then_with(|| interner.bytes(a.1).cmp(interner.bytes(b.1)))
    };
    sort_in_buckets(&mut sorted, |item| item.0, compare);
    let ids: Vec<u32> = sorted.into_iter().map(|(_, id)| id).collect();
    let mut ords = vec![NONE; count];
    for (ord, &id) in ids.iter().enumerate() {
        ords[id as usize] = ord as u32;
    }
    let is_token = |&id: &u32| interner.bytes(id).first().is_none_or(|&octet| octet < PSEUDO);
    let tokens = ids.partition_point(is_token) as u32;
    Order { ids, ords, tokens }
}

/// Rank by token number; `weights` is how often each is written.
fn ranks(order: &Order, weights: &[u32]) -> Vec<u32> {
    let mut by_rank = order.ids.clone();
    let ord = |id: u32| order.ords[id as usize];
    let place = |id: u32| (std::cmp::Reverse(weights[id as usize]), ord(id));
    // All behind these are in the order of their ords whatever their weights.
    let frequent = by_rank.len().min(FREQUENT_MAX as usize);
    if frequent < by_rank.len() {
        by_rank.select_nth_unstable_by_key(frequent, |&id| place(id));
    }
    by_rank[..frequent].sort_unstable_by_key(|&id| place(id));
    let first = frequent.min((ZONES[1] - RESERVED) as usize);
    for zone in [0..first, first..frequent, frequent..by_rank.len()] {
        by_rank[zone].sort_unstable_by_key(|&id| ord(id));
    }
    let mut ranks = vec![NONE; order.ords.len()];
    for (n, &id) in by_rank.iter().enumerate() {
        ranks[id as usize] = n as u32 + RESERVED;
    }
    ranks
}

fn first_octets<'a>(octets: impl Iterator<Item = &'a u8>) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(octets).for_each(|(place, &octet)| *place = octet);
    u64::from_be_bytes(first)
}

/// How many terms ahead of the one that is read the octets of another are asked for.
const AHEAD: usize = 16;

fn vocabulary(
    interner: &Interner,
    order: &Order,
    ranks: &[u32],
    bits_per_gram: Grams<f32>,
    out: &mut Writer,
) {
    // Where entries begin in `blob`, in which they stand side by side: all that follows reads them there.
    let (mut blob, mut starts) = (Vec::new(), Vec::with_capacity(order.ids.len() + 1));
    for (ord, &id) in order.ids.iter().enumerate() {
        interner.look_ahead(order.ids.get(ord + AHEAD).copied(), order.ids.get(ord + AHEAD / 2).copied());
        starts.push(blob.len() as u32);
        blob.extend_from_slice(interner.bytes(id));
        blob.push(END);
    }
    starts.push(blob.len() as u32);
    let term = |ord: u32| &blob[starts[ord as usize] as usize..starts[ord as usize + 1] as usize - 1];
    let mut grams = Grams::default();
    grams.count_all(&blob);
    let entries = order.ids.len() as u32;
    let blocks = entries.div_ceil(BLOCK);
    let mut signature = signature::Writer::new(grams, blocks, bits_per_gram, usize::MAX, Common::default());
    for first in (0..entries).step_by(BLOCK as usize) {
        let last = entries.min(first + BLOCK);
        signature.tokens(&[&blob[starts[first as usize] as usize..starts[last as usize] as usize]]);
        signature.end_item();
    }
    let offsets = starts[..starts.len() - 1].iter().step_by(OFFSETS_STEP as usize).chain(starts.last());
    out.piece(Piece::Terms, &blob);
    out.numbers(Piece::TermOffsets, offsets.copied());
    out.written(Piece::TermSignature, |out| signature.finish_into(out));

    let tokens = order.tokens;
    let mut reversed: Vec<(u64, u32)> =
        (0..tokens).map(|ord| (first_octets(term(ord).iter().rev()), ord)).collect();
    let compare = |a: &(u64, u32), b: &(u64, u32)| {
        a.0.cmp(&b.0).then_with(|| term(a.1).iter().rev().cmp(term(b.1).iter().rev()))
    };
    sort_in_buckets(&mut reversed, |item| item.0, compare);
    let reversed: Vec<u32> = reversed.into_iter().map(|(_, ord)| ord).collect();
    out.piece(Piece::Reversed, &narrow::write(&reversed));

    let frequent = order.ids.len().min(FREQUENT_MAX as usize);
    let mut rank_ord = vec![0; frequent];
    let mut rank_reversed = vec![0; frequent];
    for (position, ord) in reversed.into_iter().chain(tokens..entries).enumerate() {
        let place = (ranks[order.ids[ord as usize] as usize] - RESERVED) as usize;
        if place < frequent {
            rank_ord[place] = ord;
            rank_reversed[place] = position as u32;
        }
    }
    out.numbers(Piece::RankOrd, rank_ord.iter().copied());
    out.numbers(Piece::RankReversed, rank_reversed);
    rank_ord.sort_unstable();
    out.numbers(Piece::FrequentOrds, rank_ord);
}

/// The lists of vocabulary entries in bodies.
fn body(builder: &Builder, order: &Order, tokens: u32, out: &mut Writer) -> Result<(), BuildError> {
    let docs = builder.docs();
    let count = |ord: usize| builder.interner.entries[order.ids[ord] as usize].body_docs.into();
    let ord = |id: u32| order.ords[id as usize];
    let inverted = Inverted::new(order.ids.len(), count, &builder.body, docs, |id| {
        Some(ord(id) as usize).filter(|_| ord(id) != NONE)
    });
    let mut writer = records::Writer::new(docs, tokens);
    (0..order.ids.len()).try_for_each(|ord| writer.body(inverted.list(ord)))?;
    writer.finish(Field::Body, out);
    Ok(())
}

/// Those in header fields and addresses.
fn head_lists(
    lists: &Keyed<u64>,
    docs: u32,
    entries: u32,
    tokens: u32,
    out: &mut Writer,
) -> Result<(), BuildError> {
    let mut writer = records::Writer::new(docs, tokens);
    let mut rest = lists.keys.iter().peekable();
    for ord in 0..entries {
        while let Some((key, list)) = rest.next_if(|(key, _)| key >> 32 == u64::from(ord)) {
            writer.head(*key as u32, lists.inverted.list(*list as usize));
        }
        writer.end_head()?;
    }
    writer.finish(Field::Head, out);
    Ok(())
}

/// What lists are sorted by.
trait Key: Ord + Copy {
    /// What decides before all else.
    fn prefix(&self) -> u64;
}

impl Key for u64 {
    fn prefix(&self) -> u64 {
        *self
    }
}

impl Key for terms::Term {
    fn prefix(&self) -> u64 {
        terms::Term::prefix(self)
    }
}

/// Lists by key, sorted.
struct Keyed<K> {
    inverted: Inverted,
    keys: Vec<(K, u32)>,
}

impl<K: Key> Keyed<K> {
    fn new(numbered: &Numbered, docs: u32, key: impl Fn(u64) -> K) -> Keyed<K> {
        Keyed::of(&numbered.keys, |list| numbered.count(list), &numbered.streams, docs, key)
    }

    fn of_gathered(gathered: &Gathered, docs: u32, key: impl Fn(u64) -> K) -> Keyed<K> {
        let counts = gathered.counts();
        Keyed::of(&gathered.keys, |list| counts[list].into(), &gathered.streams, docs, key)
    }

    fn of(
        keys: &[u64],
        count: impl Fn(usize) -> u32,
        streams: &Streams,
        docs: u32,
        key: impl Fn(u64) -> K,
    ) -> Keyed<K> {
        let inverted = Inverted::new(keys.len(), count, streams, docs, |number| Some(number as usize));
        let mut keys: Vec<(K, u32)> =
            keys.iter().enumerate().map(|(n, &number)| (key(number), n as u32)).collect();
        sort_in_buckets(&mut keys, |key| key.0.prefix(), |a, b| a.0.cmp(&b.0));
        Keyed { inverted, keys }
    }

    fn each(&self, mut add: impl FnMut(&K, &[u16]) -> Result<(), BuildError>) -> Result<(), BuildError> {
        self.keys.iter().try_for_each(|(key, list)| add(key, self.inverted.list(*list as usize)))
    }
}

/// Documents by list, from lists by document, by counting.
struct Inverted {
    starts: Vec<u32>,
    docs: Vec<u16>,
}

impl Inverted {
    fn new(
        lists: usize,
        count: impl Fn(usize) -> u32,
        streams: &Streams,
        docs: u32,
        list_of: impl Fn(u32) -> Option<usize>,
    ) -> Inverted {
        let mut starts = Vec::with_capacity(lists + 1);
        let mut total = 0;
        for list in 0..lists {
            starts.push(total);
            total += count(list);
        }
        starts.push(total);
        let mut next = starts.clone();
        let mut table = vec![0; total as usize];
        let mut own = Vec::new();
        for doc in 0..docs {
            // Each step asks for what the next one reads.
            own.clear();
            own.extend(streams.of(doc as usize).filter_map(&list_of));
            own.iter().filter_map(|&list| next.get(list)).for_each(prefetch_one);
            for &list in &own {
                if let Some(place) = table.get(next[list] as usize) {
                    prefetch_one(place);
                }
            }
            for &list in &own {
                // A segment has at most 2^16 documents.
                table[next[list] as usize] = doc as u16;
                next[list] += 1;
            }
        }
        Inverted { starts, docs: table }
    }

    fn list(&self, list: usize) -> &[u16] {
        &self.docs[self.starts[list] as usize..self.starts[list + 1] as usize]
    }
}
