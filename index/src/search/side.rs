//! One side of a place where two tokens meet: a part of a token, a run of codes, or anything; what the octets there may be.
//!
//! What is said of octets may be wider than what can match, never narrower. Literals are told apart: whether a document has
//! one that fits is seen in its literals at once, so that codes of literals are only looked at where there is.

use std::ops::Range;

use memchr::memmem::Finder;

use super::facts::Part;
use super::scope::Scope;
use crate::bits::Bits;
use crate::limits::SIDE_TERMS_MAX;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, RESERVED, ZONES};
use crate::segment::kernel::{Octets, Twos};
use crate::segment::{Literals as OfMessage, Segment, Vocabulary};
use crate::tokens::Class;

const ANY: Octets = Octets(0, 255);
const INNER: Octets = Octets(0, 127);
const LAST: Octets = Octets(128, 255);

/// Behind every literal.
const END: u8 = 0xff;

/// The two octets before a meeting, or the two behind it.
pub(super) struct Side {
    /// Where codes of literals do not fit.
    entries: Twos,
    with_literals: Twos,
    literals: Option<Literals>,
    /// Nothing but literals can be here.
    only_literals: bool,
}

/// Which documents may have a literal that fits.
struct Literals {
    docs: Bits,
    /// With the end of a literal before or behind it.
    finder: Finder<'static>,
}

impl Side {
    /// A part at the left edge of a needle, in the documents `within`.
    pub fn left(segment: &Segment, scope: Scope, part: &Part, token: &[u8], within: &Bits) -> Side {
        let entries = entries_left(segment.vocabulary(), part, token, within.count());
        let literal = literal(part);
        let with_literals = with(entries, LAST, Octets(literal, literal));
        let literals = Literals::new(segment, scope, part, token, &[token, &[END]].concat(), within);
        Side { entries, with_literals, literals, only_literals: part.range.is_empty() && !part.any_word }
    }

    /// A part at the right edge.
    pub fn right(segment: &Segment, scope: Scope, part: &Part, token: &[u8], within: &Bits) -> Side {
        let entries = entries_right(segment.vocabulary(), part);
        let literal = literal(part);
        let with_literals = with(entries, Octets(literal, literal), ANY);
        let literals = Literals::new(segment, scope, part, token, &[&[END], token].concat(), within);
        Side { entries, with_literals, literals, only_literals: part.range.is_empty() && !part.any_word }
    }

    /// The end of a run of codes that is not empty.
    pub fn end_of(run: &[u8]) -> Side {
        let mut entries = Twos::default();
        match *run {
            [.., before, last] => entries.add(0, Octets(before, before), Octets(last, last)),
            [last] => entries.add(0, LAST, Octets(last, last)),
            [] => {}
        }
        Side::exact(entries)
    }

    /// The start of a run of codes that is not empty.
    pub fn start_of(run: &[u8]) -> Side {
        let mut entries = Twos::default();
        match *run {
            [first, second, ..] => entries.add(0, Octets(first, first), Octets(second, second)),
            [first] => entries.add(0, Octets(first, first), ANY),
            [] => {}
        }
        Side::exact(entries)
    }

    fn exact(entries: Twos) -> Side {
        Side { entries, with_literals: entries, literals: None, only_literals: false }
    }

    /// What may be here in a document with these literals; `None`: nothing can match.
    pub fn of(&self, doc: u32, literals: &OfMessage<'_>) -> Option<&Twos> {
        if self.literals.as_ref().is_some_and(|wanted| wanted.may_be_in(doc, literals)) {
            Some(&self.with_literals)
        } else {
            (!self.only_literals).then_some(&self.entries)
        }
    }
}

impl Literals {
    fn new(
        segment: &Segment,
        scope: Scope,
        part: &Part,
        token: &[u8],
        octets: &[u8],
        within: &Bits,
    ) -> Option<Literals> {
        // What any word fits is not narrowed by literals.
        (!part.any_word).then(|| {
            let mut docs = within.clone();
            segment.literal_candidates(scope.area(), token, &mut docs);
            Literals { docs, finder: Finder::new(octets).into_owned() }
        })
    }

    fn may_be_in(&self, doc: u32, literals: &OfMessage<'_>) -> bool {
        self.docs.contains(doc) && literals.have(&self.finder)
    }
}

/// What vocabulary entries with a part at their end are; to look at so many documents.
pub(super) fn entries_left(vocabulary: &Vocabulary, part: &Part, token: &[u8], docs: u32) -> Twos {
    let mut entries = Twos::default();
    if part.any_word {
        entries.add(0, ANY, LAST);
        return entries;
    }
    let rank = |position: u32| vocabulary.rank(vocabulary.reversed(position));
    // Few documents are looked at in less time than many entries.
    if part.range.len() <= SIDE_TERMS_MAX.min(docs as usize * 2) {
        add_left(part.range.clone().map(rank), &mut entries);
    } else {
        let frequent = (RESERVED..ZONES[1]).filter(|&rank| vocabulary.ends_with(rank, token, &part.range));
        add_left(frequent, &mut entries);
        entries.add(LONGER, INNER, LAST);
    }
    entries
}

/// What vocabulary entries with a part at their start are.
pub(super) fn entries_right(vocabulary: &Vocabulary, part: &Part) -> Twos {
    let mut entries = Twos::default();
    if part.any_word {
        entries.add(0, ANY, ANY);
        return entries;
    }
    let ranges = vocabulary.rank_ranges(part.range.clone());
    ranges.into_iter().for_each(|ranks| add_right(ranks, &mut entries));
    entries
}

/// What one rank is before a meeting.
pub(super) fn rank_left(rank: u32, twos: &mut Twos) {
    add_left(std::iter::once(rank), twos);
}

/// What one rank is behind a meeting.
pub(super) fn rank_right(rank: u32, twos: &mut Twos) {
    add_right(rank..rank + 1, twos);
}

/// The code of a literal of the part's class.
fn literal(part: &Part) -> u8 {
    let rank = if part.class == Class::Word { LITERAL_WORD } else { LITERAL_SEPARATOR };
    rank as u8 | 128
}

fn with(mut twos: Twos, first: Octets, second: Octets) -> Twos {
    twos.add(0, first, second);
    twos
}

/// Pairs for codes of one octet, by their upper half; the others are for longer ones.
const LONGER: usize = Twos::PAIRS / 2;

fn short(octet: u8) -> usize {
    usize::from(octet >> 4 & 7) * LONGER / 8
}

/// The last two octets of codes.
fn add_left(ranks: impl Iterator<Item = u32>, twos: &mut Twos) {
    let mut longer = Vec::new();
    let mut code = Vec::with_capacity(4);
    for rank in ranks.filter(|&rank| rank < ZONES[4]) {
        code.clear();
        codes::push(rank, &mut code);
        match *code {
            [.., before, last] => longer.push((before, last)),
            [last] => twos.add(short(last), LAST, Octets(last, last)),
            [] => {}
        }
    }
    longer.sort_unstable();
    let count = longer.len();
    for (n, (before, last)) in longer.into_iter().enumerate() {
        twos.add(LONGER + n * LONGER / count, Octets(before, before), Octets(last, last));
    }
}

/// The first two octets of the codes of a range of ranks, which is inside of one zone.
fn add_right(ranks: Range<u32>, twos: &mut Twos) {
    let Some(last) = ranks.end.checked_sub(1).filter(|&last| ranks.start <= last && last < ZONES[4]) else {
        return;
    };
    let (mut from, mut to) = (Vec::with_capacity(4), Vec::with_capacity(4));
    codes::push(ranks.start, &mut from);
    codes::push(last, &mut to);
    match (&*from, &*to) {
        (&[from], &[to]) => {
            (from..=to).for_each(|octet| twos.add(short(octet), Octets(octet, octet), ANY));
        }
        (&[from, after_from, ..], &[to, after_to, ..]) => {
            let pair = LONGER + if codes::len(ranks.start) == 2 { 0 } else { LONGER / 2 };
            let all = if codes::len(ranks.start) == 2 { LAST } else { INNER };
            // The first octets at either end do not take all second ones.
            match to - from {
                0 => twos.add(pair, Octets(from, from), Octets(after_from, after_to)),
                1 => {
                    twos.add(pair, Octets(from, from), Octets(after_from, all.1));
                    twos.add(pair + 1, Octets(to, to), Octets(all.0, after_to));
                }
                _ => (from..=to).for_each(|octet| {
                    twos.add(pair + usize::from(octet >> 4 != from >> 4), Octets(octet, octet), all);
                }),
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::segment::kernel::find_meetings;

    fn rank() -> impl Strategy<Value = u32> {
        prop_oneof![RESERVED..ZONES[1], ZONES[1]..ZONES[2], ZONES[2]..ZONES[3], ZONES[3]..ZONES[4]]
    }

    fn code(rank: u32) -> Vec<u8> {
        let mut code = Vec::new();
        codes::push(rank, &mut code);
        code
    }

    proptest! {
        #[test]
        fn codes_of_a_side_are_seen(
            left in prop::collection::vec(rank(), 1..80),
            start in rank(),
            width in prop_oneof![0..300u32, 0..3_000_000u32],
            picked: prop::sample::Index,
            within: prop::sample::Index,
        ) {
            let mut ends = Twos::default();
            add_left(left.iter().copied(), &mut ends);
            let zone = ZONES.into_iter().find(|&end| end > start).unwrap();
            let range = start..(start + width + 1).min(zone);
            let mut starts = Twos::default();
            add_right(range.clone(), &mut starts);
            let wanted = [code(left[picked.index(left.len())]), code(start + within.index(range.len()) as u32)];
            // In any surroundings: behind the end of another code, before another one or nothing.
            for behind in [&[][..], &[5, 0x90], &[0x90]] {
                let run = [&[0x80], &*wanted[0], &wanted[1], behind].concat();
                prop_assert!(find_meetings(&run, &ends, &starts, |at| at == 1 + wanted[0].len()));
            }
        }
    }
}
