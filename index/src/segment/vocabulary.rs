//! The tokens that are coded, sorted, with everything a needle's ends are compared with.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;
use tantivy::directory::OwnedBytes;

use super::ahead::Ahead;
use super::bundle::{Bundle, Numbers, Piece};
use super::kernel::{nth, prefetch};
use super::landmarks::{Landmarks, key, last_key};
use super::narrow::Narrow;
use super::ranks::{RARE, Ranks};
use super::signature::Signature;
use crate::bits::Bits;
use crate::prepare::Which;
use crate::tokens::{Class, class};

/// Behind every term in the blob, and in none; no octet of UTF-8.
pub const END: u8 = 0xff;
/// Before a field name: sorts behind all tokens and matches no needle.
pub const NAME: u8 = 0xfe;
/// Before a pseudo name.
pub const PSEUDO: u8 = 0xfd;
/// Terms that share one item of the signature.
pub const BLOCK: u32 = 64;
/// Blocks whose places are looked up at once.
const PLACES: usize = 64;
/// Blocks that are on their way from memory while one is looked through.
const BLOCKS_AHEAD: usize = 6;
/// Octets that most terms take of which only the first one's place is in a table.
const TERMS_OCTETS: usize = 128;
/// Terms of which only the first one's place is in a table.
pub const OFFSETS_STEP: u32 = 8;

/// "ord" is the position of a token in the order of octets. Names of header fields and the pseudo names of addresses and attachments are
/// entries as well, behind all tokens.
pub struct Vocabulary {
    terms: OwnedBytes,
    offsets: Numbers,
    reversed: Narrow,
    /// In the order of terms, and in that of reversed ones.
    landmarks: [Landmarks; 2],
    ranks: Ranks,
    signature: Signature,
    ahead: Arc<Ahead>,
    len: u32,
    names: u32,
    first_name: u32,
    pseudo: [Option<u32>; Which::ALL.len()],
}

/// The entry of a field name.
pub fn name_term(name: &[u8]) -> Vec<u8> {
    [&[NAME], name].concat()
}

/// The same in memory that is there.
pub fn name_term_into(name: &[u8], term: &mut Vec<u8>) {
    term.clear();
    term.push(NAME);
    term.extend_from_slice(name);
}

/// The entry of a pseudo name.
pub fn pseudo_term(which: Which) -> [u8; 2] {
    [PSEUDO, which as u8]
}

impl Vocabulary {
    pub(super) fn open(bundle: &Bundle, ahead: Arc<Ahead>) -> Vocabulary {
        let terms = bundle.piece(Piece::Terms);
        let offsets = bundle.numbers(Piece::TermOffsets);
        let len = count(terms.as_slice(), &offsets);
        let mut vocabulary = Vocabulary {
            terms,
            offsets,
            reversed: Narrow::open(OwnedBytes::empty(), 0),
            landmarks: [Landmarks::new(len), Landmarks::default()],
            ranks: Ranks::open(bundle, len),
            signature: Signature::open(
                bundle.piece(Piece::TermSignature),
                len.div_ceil(BLOCK),
                Numbers::default(),
                Numbers::default(),
            ),
            ahead,
            len,
            names: 0,
            first_name: 0,
            pseudo: [None; Which::ALL.len()],
        };
        vocabulary.names = vocabulary.lower_bound(0..len, |term| term < &[PSEUDO][..]);
        vocabulary.first_name = vocabulary.lower_bound(vocabulary.names..len, |term| term < &[NAME][..]);
        vocabulary.reversed = Narrow::open(bundle.piece(Piece::Reversed), vocabulary.names);
        vocabulary.landmarks[1] = Landmarks::new(vocabulary.names);
        for which in Which::ALL {
            vocabulary.pseudo[which as usize] = vocabulary.entry(&pseudo_term(which));
        }
        vocabulary
    }

    pub fn len(&self) -> u32 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empty for an ord that does not exist.
    #[inline]
    pub fn term(&self, ord: u32) -> &[u8] {
        let terms = self.terms_from(ord);
        nth(terms, (ord % OFFSETS_STEP) as usize).and_then(|term| terms.get(term)).unwrap_or_default()
    }

    /// A token and its class; `None` for names and what does not exist.
    #[inline]
    pub fn token(&self, ord: u32) -> Option<(Class, &[u8])> {
        let term = self.term(ord);
        Some((class_of(term)?, term))
    }

    /// Calls `each` with those of many ords that are tokens, of which the next ones are on their way from memory meanwhile.
    pub fn for_tokens(&self, ords: &[u32], mut each: impl FnMut(u32, Class, &[u8])) {
        for some in ords.chunks(PLACES) {
            some.iter().for_each(|&ord| self.offsets.prefetch(ord / OFFSETS_STEP));
            let ask = |ord: u32| {
                let terms = self.terms_from(ord);
                prefetch(terms.get(..TERMS_OCTETS).unwrap_or(terms));
            };
            some.iter().take(BLOCKS_AHEAD).for_each(|&ord| ask(ord));
            for (n, &ord) in some.iter().enumerate() {
                some.get(n + BLOCKS_AHEAD).into_iter().for_each(|&next| ask(next));
                if let Some((class, token)) = self.token(ord) {
                    each(ord, class, token);
                }
            }
        }
    }

    /// The terms from the last one of which the place is in the table.
    #[inline]
    fn terms_from(&self, ord: u32) -> &[u8] {
        let start = self.offsets.get(ord / OFFSETS_STEP).filter(|_| ord < self.len);
        start.and_then(|start| self.terms.as_slice().get(start as usize..)).unwrap_or_default()
    }

    /// Where the term of an ord begins, or all of them end.
    fn start(&self, ord: u32) -> usize {
        let terms = self.terms_from(ord);
        let start = match ord % OFFSETS_STEP {
            0 => 0,
            n => nth(terms, n as usize).map_or(terms.len(), |term| term.start),
        };
        self.terms.len() - terms.len() + start
    }

    pub fn ord(&self, token: &[u8]) -> Option<u32> {
        self.entry(token).filter(|&ord| ord < self.names)
    }

    /// The entry of a field name (normalised).
    pub fn name(&self, name: &[u8]) -> Option<u32> {
        self.entry(&name_term(name))
    }

    /// The entry of a pseudo name, if any message has such a text.
    pub fn pseudo_name(&self, which: Which) -> Option<u32> {
        self.pseudo[which as usize]
    }

    /// The pseudo name that an entry is.
    pub fn which(&self, ord: u32) -> Option<Which> {
        Which::ALL.into_iter().find(|&which| self.pseudo_name(which) == Some(ord))
    }

    /// Field names; their terms are [`NAME`] and the name.
    pub fn names(&self) -> Range<u32> {
        self.first_name..self.len
    }

    /// How many entries are tokens: ords below this one.
    pub fn tokens(&self) -> u32 {
        self.names
    }

    /// Class of a token; `None` for names.
    pub fn class(&self, ord: u32) -> Option<Class> {
        class_of(self.term(ord))
    }

    /// Ords of the tokens that begin with `start`.
    pub fn prefix(&self, start: &[u8]) -> Range<u32> {
        let near = self.near(start);
        let (from, to) = (near.start.min(self.names), near.end.min(self.names));
        let first = self.lower_bound(from..to, |term| term < start);
        first..self.lower_bound(first..to, |term| term.starts_with(start))
    }

    /// Positions, in the order of reversed terms, of the tokens that end with `end`.
    pub fn suffix(&self, end: &[u8]) -> Range<u32> {
        let before = |position: u32| {
            let term = self.term(self.reversed(position));
            term.iter().rev().cmp(end.iter().rev()) == Ordering::Less
        };
        let backwards = || end.iter().rev().copied();
        let near = self.landmarks[1].around(key(backwards()), last_key(backwards()), |position| {
            key(self.term(self.reversed(position)).iter().rev().copied())
        });
        let to = near.end;
        let first = partition(near, before);
        first..partition(first..to, |position| self.term(self.reversed(position)).ends_with(end))
    }

    /// The ord at a position in the order of reversed terms, in which the names stand last.
    #[inline]
    pub fn reversed(&self, position: u32) -> u32 {
        if position >= self.names { position } else { self.reversed.get(position).unwrap_or(u32::MAX) }
    }

    /// Ords of the tokens with `part` inside, rising, appended to `out`.
    pub fn containing(&self, part: &[u8], out: &mut Vec<u32>) {
        if part.is_empty() {
            out.extend(0..self.names);
            return;
        }
        let finder = Finder::new(part);
        if !self.signature.knows(part) {
            containing_in(self.terms_of(&(0..self.names)), 0..self.names, &finder, out);
            return;
        }
        let mut blocks = Bits::full(self.len.div_ceil(BLOCK));
        self.signature.retain(part, blocks.words_mut());
        let starts = blocks.iter().map(|block| block * BLOCK).take_while(|&start| start < self.names);
        let blocks: Vec<Range<u32>> =
            starts.map(|start| start..start.saturating_add(BLOCK).min(self.names)).collect();
        // They lie anywhere: where they are comes from memory for many of them at once, and what is in them while others are looked through.
        let mut places = Vec::with_capacity(blocks.len());
        for some in blocks.chunks(PLACES) {
            some.iter().for_each(|ords| self.offsets.prefetch(ords.start / OFFSETS_STEP));
            for ords in some {
                let terms = self.terms_of(ords);
                self.ahead.will_need(terms);
                places.push(terms);
            }
        }
        places.iter().take(BLOCKS_AHEAD).for_each(|terms| prefetch(terms));
        for (n, (ords, terms)) in blocks.into_iter().zip(&places).enumerate() {
            if let Some(next) = places.get(n + BLOCKS_AHEAD) {
                prefetch(next);
            }
            containing_in(terms, ords, &finder, out);
        }
    }

    /// A part of a term will be looked for.
    pub(super) fn will_look_for(&self, part: &[u8]) {
        self.signature.rows_of(part).for_each(|row| self.ahead.will_need(row));
    }

    /// Field names with `part` inside, appended to `out`; its octets may include [`END`].
    pub fn names_containing(&self, part: &[u8], out: &mut Vec<u32>) {
        if !part.is_empty() {
            containing_in(self.terms_of(&self.names()), self.names(), &Finder::new(part), out);
        }
    }

    /// The terms of a range, each followed by [`END`].
    fn terms_of(&self, ords: &Range<u32>) -> &[u8] {
        self.terms.as_slice().get(self.start(ords.start)..self.start(ords.end)).unwrap_or_default()
    }

    /// The highest number for an ord that does not exist.
    #[inline]
    pub fn rank(&self, ord: u32) -> u32 {
        self.ranks.rank(ord)
    }

    /// Sorts rising ords by their ranks.
    pub fn sort_by_rank(&self, ords: &mut [u32]) {
        self.ranks.sort(ords);
    }

    /// `None` for reserved ranks and those that do not exist.
    #[inline]
    pub fn ord_of_rank(&self, rank: u32) -> Option<u32> {
        self.ranks.ord(rank)
    }

    /// Whether the token of a rank ends with `end`; `positions` is what [`Vocabulary::suffix`] says of it.
    #[inline]
    pub fn ends_with(&self, rank: u32, end: &[u8], positions: &Range<u32>) -> bool {
        if rank < RARE {
            return self.ranks.reversed(rank).is_some_and(|position| positions.contains(&position));
        }
        self.ord_of_rank(rank).is_some_and(|ord| ord < self.names && self.term(ord).ends_with(end))
    }

    /// The ranks of a range of ords: a range for each zone of codes, some empty.
    pub fn rank_ranges(&self, ords: Range<u32>) -> [Range<u32>; 4] {
        self.ranks.ranges(ords)
    }

    /// Octets of memory beside the mapping.
    pub(super) fn memory(&self) -> usize {
        self.ranks.memory() + self.landmarks.iter().map(Landmarks::memory).sum::<usize>()
    }

    fn entry(&self, term: &[u8]) -> Option<u32> {
        let ord = self.lower_bound(self.near(term), |other| other < term);
        (ord < self.len && self.term(ord) == term).then_some(ord)
    }

    /// A range in which the first entry is that is not before some octets, and those that begin with them; its end may be that one.
    fn near(&self, octets: &[u8]) -> Range<u32> {
        let first = || octets.iter().copied();
        self.landmarks[0].around(key(first()), last_key(first()), |ord| key(self.term(ord).iter().copied()))
    }

    /// The first ord of the range for which `before` is false.
    fn lower_bound(&self, ords: Range<u32>, before: impl Fn(&[u8]) -> bool) -> u32 {
        // Those whose places are in the table first.
        let steps = ords.start / OFFSETS_STEP + 1..ords.end.div_ceil(OFFSETS_STEP);
        let behind = partition(steps, |step| before(self.term(step * OFFSETS_STEP)));
        let start = ords.start.max((behind - 1) * OFFSETS_STEP);
        partition(start..ords.end.min(behind.saturating_mul(OFFSETS_STEP)), |ord| before(self.term(ord)))
    }
}

/// One pass over the terms of a range.
fn containing_in(terms: &[u8], ords: Range<u32>, finder: &Finder<'_>, out: &mut Vec<u32>) {
    let mut ord = ords.start;
    // Where it begins.
    let mut at = 0;
    while let Some(found) = terms.get(at..).and_then(|rest| finder.find(rest)) {
        let place = at + found;
        ord = ord.saturating_add(memchr::memchr_iter(END, &terms[at..place]).count() as u32);
        // Damaged terms may be more than there are entries.
        if ord >= ords.end {
            return;
        }
        out.push(ord);
        let Some(end) = memchr::memchr(END, &terms[place..]) else { return };
        (at, ord) = (place + end + 1, ord + 1);
    }
}

/// Class of a term; `None` for names.
fn class_of(term: &[u8]) -> Option<Class> {
    match term.first()? {
        PSEUDO.. => None,
        b if b.is_ascii() => Some(class(char::from(*b))),
        _ => {
            let start = &term[..term.len().min(4)];
            let text = std::str::from_utf8(start)
                .or_else(|error| std::str::from_utf8(&start[..error.valid_up_to()]));
            Some(text.ok()?.chars().next().map_or(Class::Separator, class))
        }
    }
}

/// How many terms there are.
fn count(terms: &[u8], offsets: &Numbers) -> u32 {
    let Some(last) = offsets.len().checked_sub(2) else { return 0 };
    let block = terms.get(offsets.range(last, terms.len())).unwrap_or_default();
    let here = memchr::memchr_iter(END, block).count() as u32;
    (last * OFFSETS_STEP).saturating_add(here.min(OFFSETS_STEP))
}

/// The first number of the range for which `before` is false.
pub(super) fn partition(mut range: Range<u32>, before: impl Fn(u32) -> bool) -> u32 {
    while range.start < range.end {
        let middle = range.start + (range.end - range.start) / 2;
        if before(middle) {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    range.start
}
