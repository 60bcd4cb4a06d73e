//! Literals in two thirds of their octets: nearly all of them are made of 36 letters and digits, so three fit into 16 bits.
//!
//! What a message has is packed as a whole. Octets that have no symbol of their own take three. A part of a token is looked for in
//! the packed form.

use std::ops::Range;

use memchr::memmem::Finder;

use super::kernel::{Symbols, Units, behind_literals, count_symbols, find_any, find_symbols, find_three};

/// Symbols; three of them make a number below 64,000.
pub const SYMBOLS: u16 = 40;
/// Behind every literal.
const END: u8 = super::vocabulary::END;
/// An octet follows as two symbols.
const ESCAPE: u8 = 39;
/// What symbols below [`ESCAPE`] stand for: the end of a literal, and octets that begin many letters of other scripts.
const OCTETS: &[u8; 39] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\xff\xcc\xd0";
/// First octet of what is not packed; else it is one more than the symbols that were added at the end.
const PLAIN: u8 = 0;

/// Octets that are packed together.
const RUN: usize = 24;

/// In the table below, for octets that have no symbol.
const NO_SYMBOL: u8 = 0x80;

/// What [`END`] is among symbols.
const END_SYMBOL: u8 = SYMBOL[END as usize];

/// Numbers in which ends are counted at once.
const STEPS: [usize; 2] = [64, 16];

const SYMBOL: [u8; 256] = {
    let mut table = [NO_SYMBOL; 256];
    let mut at = 0;
    while at < OCTETS.len() {
        table[OCTETS[at] as usize] = at as u8;
        at += 1;
    }
    table
};

/// Appends the packed form of the literals of a message.
pub fn pack(octets: &[u8], out: &mut Vec<u8>) {
    if octets.is_empty() {
        return;
    }
    let start = out.len();
    out.reserve(octets.len() + 2);
    out.push(PLAIN);
    // So that what begins a literal can be looked for as what follows the end of another.
    let mut open = Open { number: u16::from(END_SYMBOL), held: 1 };
    let mut rest = octets;
    while let [octet, behind @ ..] = rest {
        // Many octets at once where the number that is begun has one symbol, as it has at the start.
        if open.held == 1
            && let Some((octets, behind)) = rest.split_first_chunk::<RUN>()
            && open.push_run(octets, out)
        {
            rest = behind;
            continue;
        }
        symbols_of(*octet).for_each(|symbol| open.push(symbol, out));
        rest = behind;
    }
    let mut added = 0;
    while open.held > 0 {
        open.push(0, out);
        added += 1;
    }
    out[start] = 1 + added;
    if out.len() - start > octets.len() {
        out.truncate(start);
        out.extend([PLAIN, END]);
        out.extend_from_slice(octets);
    }
}

/// A number that is not full yet.
struct Open {
    number: u16,
    /// How many symbols it has.
    held: u8,
}

impl Open {
    /// The same for octets that all have a symbol, behind one; if so, which is returned.
    #[inline]
    fn push_run(&mut self, octets: &[u8; RUN], out: &mut Vec<u8>) -> bool {
        let symbols = octets.map(|octet| SYMBOL[usize::from(octet)]);
        if symbols.iter().fold(0, |all, &symbol| all | symbol) & NO_SYMBOL != 0 {
            return false;
        }
        let mut numbers = [0; RUN / 3 * 2];
        for (three, number) in symbols.as_chunks::<3>().0.iter().zip(numbers.as_chunks_mut::<2>().0) {
            let [a, b, c] = three.map(u16::from);
            *number = ((self.number * SYMBOLS + a) * SYMBOLS + b).to_le_bytes();
            self.number = c;
        }
        out.extend_from_slice(&numbers);
        true
    }

    #[inline]
    fn push(&mut self, symbol: u8, out: &mut Vec<u8>) {
        (self.number, self.held) = (self.number * SYMBOLS + u16::from(symbol), self.held + 1);
        if self.held == 3 {
            out.extend_from_slice(&self.number.to_le_bytes());
            (self.number, self.held) = (0, 0);
        }
    }
}

/// What [`unpack`] would give where it stands there as it is.
pub fn plain(packed: &[u8]) -> Option<&[u8]> {
    packed.split_first().and_then(|(&first, rest)| (first == PLAIN).then_some(rest))
}

/// The literals again, behind an octet that ends one. Damaged ones are some octets, or none at all.
pub fn unpack(packed: &[u8]) -> Vec<u8> {
    let Some((&first, rest)) = packed.split_first() else { return Vec::new() };
    if first == PLAIN {
        return rest.to_vec();
    }
    let numbers = rest.as_chunks::<2>().0;
    let mut out = Vec::with_capacity(numbers.len() * 3);
    // Symbols of an octet that has none of its own.
    let mut escape: Option<(u8, u8)> = None;
    for number in numbers {
        let number = u16::from_le_bytes(*number);
        let symbols = [number / (SYMBOLS * SYMBOLS), number / SYMBOLS % SYMBOLS, number % SYMBOLS]
            .map(|symbol| symbol as u8);
        if escape.is_none() && symbols.iter().all(|&symbol| symbol < ESCAPE) {
            out.extend_from_slice(&symbols.map(|symbol| OCTETS[usize::from(symbol)]));
            continue;
        }
        for symbol in symbols {
            escape = match escape {
                None if symbol >= ESCAPE => Some((0, 0)),
                None => {
                    out.push(OCTETS[usize::from(symbol)]);
                    None
                }
                Some((0, _)) => Some((1, symbol)),
                Some((_, high)) => {
                    out.push(high << 4 | symbol & 15);
                    None
                }
            };
        }
    }
    out.truncate(out.len().saturating_sub(usize::from(first - 1)));
    out
}

/// The places of literals, before which so many octets of literals stand, rising: a range of places has a literal that begins at its
/// start and all others before its end, as [`has_in`] looks at them.
pub fn places(starts: &[usize], literals: &[u8], packed: &[u8]) -> impl Iterator<Item = u32> {
    let is_plain = plain(packed).is_some();
    let (mut counted, mut symbols) = (0, 0);
    starts.iter().map(move |&start| {
        // The octet that ends the literal before it is the first one of the place.
        let place = if is_plain {
            start
        } else {
            symbols += literals[counted..start].iter().map(|&octet| symbols_of(octet).count()).sum::<usize>();
            counted = start;
            symbols / 3
        };
        u32::try_from(place).unwrap_or(u32::MAX)
    })
}

/// Whether the needle is there: octets of whole characters of a literal, perhaps with [`END`] before or behind them. Looked for as
/// it is packed.
pub fn has(packed: &[u8], finder: &Finder<'_>) -> bool {
    has_in(packed, finder, 0..usize::MAX)
}

/// The octets that [`has_in`] looks at, in case they are packed: the first one, which says so, and those of the places.
pub fn about<'a>(packed: &'a [u8], places: &Range<usize>) -> [&'a [u8]; 2] {
    let at = |place: usize| place.saturating_mul(2).saturating_add(1).min(packed.len());
    let (start, end) = (at(places.start), at(places.end.saturating_add(1)));
    match places.start {
        0 => [&[], &packed[..end]],
        _ => [&packed[..packed.len().min(1)], &packed[start..end.max(start)]],
    }
}

/// The same in literals from one [`place`] to another.
pub fn has_in(packed: &[u8], finder: &Finder<'_>, places: Range<usize>) -> bool {
    // What ends the last literal stands in the place behind it.
    let range = |len: usize| places.start.min(len)..places.end.saturating_add(1).min(len);
    match Numbers::of(packed) {
        Some(numbers) => numbers.find_in(range(numbers.numbers.len()), finder.needle(), |_| true),
        None => {
            let octets = plain(packed).unwrap_or_default();
            octets.get(range(octets.len())).is_some_and(|octets| finder.find(octets).is_some())
        }
    }
}

/// Which literals have the needle, appended to `out` in rising order; one that has it twice is there twice.
pub fn which(packed: &[u8], finder: &Finder<'_>, out: &mut Vec<usize>) {
    let (mut count, mut done) = (0, 0);
    match Numbers::of(packed) {
        Some(numbers) => {
            numbers.find(finder.needle(), |at| {
                // Behind the end that stands before the first, ends count literals.
                count += numbers.ends(done..at + 1);
                done = at + 1;
                out.push(count.saturating_sub(1));
                false
            });
        }
        None => {
            let octets = plain(packed).unwrap_or_default();
            out.extend(finder.find_iter(octets).map(|at| {
                count += memchr::memchr_iter(END, &octets[done..=at]).count();
                done = at + 1;
                count.saturating_sub(1)
            }));
        }
    }
}

/// Whether the literal before which there are `before` others, and `behind` behind it, has the needle at its start or end: where [`END`]
/// stands in the needle, at its start, its end or both.
pub fn nth_has(packed: &[u8], before: usize, behind: usize, needle: &[u8]) -> bool {
    let at_start = needle.first() == Some(&END);
    let Some(numbers) = Numbers::of(packed) else {
        let octets = plain(packed).unwrap_or_default();
        // The octet before the first literal ends one as well.
        let start = behind_literals(octets, before + 1);
        return start.is_some_and(|start| {
            let octets = octets.get(start.saturating_sub(1)..).unwrap_or_default();
            match at_start {
                true => octets.starts_with(needle),
                false => behind_literals(octets, 2)
                    .and_then(|end| octets.get(..end))
                    .is_some_and(|octets| octets.ends_with(needle)),
            }
        });
    };
    let end = if at_start { before } else { before + 1 };
    let end_behind = if at_start { behind + 1 } else { behind };
    let found = if end <= end_behind { numbers.nth_end(end) } else { numbers.nth_last_end(end_behind) };
    found.is_some_and(|end| {
        let symbols = needle.iter().map(|&octet| symbols_of(octet).count()).sum::<usize>();
        let start = if at_start { Some(end) } else { (end + 1).checked_sub(symbols) };
        start.is_some_and(|start| numbers.have(start, needle))
    })
}

/// Symbols of an octet.
fn symbols_of(octet: u8) -> impl Iterator<Item = u8> {
    let symbol = SYMBOL[usize::from(octet)];
    let is_own = symbol != NO_SYMBOL;
    [if is_own { symbol } else { ESCAPE }, octet >> 4, octet & 15].into_iter().take(if is_own {
        1
    } else {
        3
    })
}

/// The packed symbols of a message.
#[derive(Clone, Copy)]
struct Numbers<'a> {
    numbers: &'a [[u8; 2]],
    /// Symbols.
    len: usize,
}

impl<'a> Numbers<'a> {
    /// `None` for what is not packed.
    fn of(packed: &'a [u8]) -> Option<Numbers<'a>> {
        let (&first, rest) = packed.split_first().filter(|(first, _)| **first != PLAIN)?;
        let numbers = rest.as_chunks::<2>().0;
        Some(Numbers { numbers, len: (numbers.len() * 3).saturating_sub(usize::from(first - 1)) })
    }

    /// Calls `found` with the symbols where the needle begins, in order, until it says true; returns whether it did.
    fn find(&self, needle: &[u8], found: impl FnMut(usize) -> bool) -> bool {
        self.find_in(0..self.numbers.len(), needle, found)
    }

    /// The same of needles that lie in a range of the numbers, and perhaps of some that do not.
    fn find_in(&self, range: Range<usize>, needle: &[u8], mut found: impl FnMut(usize) -> bool) -> bool {
        let (first, numbers) = (range.start, self.numbers.get(range).unwrap_or_default());
        let mut symbols = needle.iter().flat_map(|&octet| symbols_of(octet)).map(u16::from);
        let wanted = match [(); 5].map(|()| symbols.next()) {
            [Some(a), Some(b), Some(c), Some(d), e] => {
                // Wherever they begin, a number is full of them, or holds the last two.
                let whole = |a, b, c| Units::one((a * SYMBOLS + b) * SYMBOLS + c, 1);
                let third = e.map_or(Units::one(c * SYMBOLS + d, SYMBOLS), |e| whole(c, d, e));
                return find_any(numbers, &[whole(a, b, c), whole(b, c, d), third], |number| {
                    let number = first + number;
                    let first = (number * 3).saturating_sub(2);
                    (first..=number * 3).any(|at| self.have(at, needle) && found(at))
                });
            }
            [Some(a), Some(b), Some(c), ..] => {
                return find_three(numbers, [a, b, c], |number| {
                    let number = first + number;
                    let first = (number * 3).saturating_sub(1);
                    (first..=number * 3 + 1).any(|at| self.have(at, needle) && found(at))
                });
            }
            [Some(a), Some(b), ..] => Symbols::two([a, b]),
            [Some(a), ..] => Symbols::one(a),
            [None, ..] => return true,
        };
        find_symbols(numbers, &wanted, |number| {
            let number = first + number;
            (number * 3..number * 3 + 3).any(|at| self.have(at, needle) && found(at))
        })
    }

    /// Ends of literals among some symbols.
    fn ends(&self, symbols: Range<usize>) -> usize {
        // Whole numbers first, those at either side symbol by symbol.
        let (from, to) = (symbols.start.div_ceil(3), symbols.end / 3);
        let one_by_one =
            |symbols: Range<usize>| symbols.filter(|&at| self.symbol(at) == Some(END_SYMBOL)).count();
        if from >= to {
            return one_by_one(symbols);
        }
        let whole = self.numbers.get(from..to).map_or(0, |numbers| count_symbols(numbers, END_SYMBOL.into()));
        whole + one_by_one(symbols.start..from * 3) + one_by_one(to * 3..symbols.end)
    }

    /// Where the end is before which there are `n`.
    fn nth_end(&self, mut n: usize) -> Option<usize> {
        let mut first = 0;
        let mut rest = self.numbers;
        // From many numbers at once to few.
        for step in STEPS {
            while let Some((some, behind)) = rest.split_at_checked(step) {
                let ends = count_symbols(some, END_SYMBOL.into());
                if ends > n {
                    break;
                }
                (first, rest, n) = (first + step, behind, n - ends);
            }
        }
        (first * 3..self.len).filter(|&at| self.symbol(at) == Some(END_SYMBOL)).nth(n)
    }

    /// Where the end is behind which there are `n`.
    fn nth_last_end(&self, mut n: usize) -> Option<usize> {
        let mut rest = self.numbers;
        for step in STEPS {
            while let Some((before, some)) =
                rest.len().checked_sub(step).and_then(|at| rest.split_at_checked(at))
            {
                let ends = count_symbols(some, END_SYMBOL.into());
                if ends > n {
                    break;
                }
                (rest, n) = (before, n - ends);
            }
        }
        let last = (rest.len() * 3).min(self.len);
        (0..last).rev().filter(|&at| self.symbol(at) == Some(END_SYMBOL)).nth(n)
    }

    fn symbol(&self, at: usize) -> Option<u8> {
        let number = u16::from_le_bytes(*self.numbers.get(at / 3).filter(|_| at < self.len)?);
        Some(match at % 3 {
            0 => number / (SYMBOLS * SYMBOLS),
            1 => number / SYMBOLS % SYMBOLS,
            _ => number % SYMBOLS,
        } as u8)
    }

    /// Whether an octet begins with the symbol at `at` and the needle with it.
    fn have(&self, at: usize, needle: &[u8]) -> bool {
        // What stands for an octet behind an escape never is one itself.
        let escaped = |back: usize| at.checked_sub(back).and_then(|at| self.symbol(at)) == Some(ESCAPE);
        let mut place = at;
        let same = needle.iter().all(|&octet| {
            symbols_of(octet).all(|symbol| {
                place += 1;
                self.symbol(place - 1) == Some(symbol)
            })
        });
        same && !escaped(1) && !escaped(2)
    }
}

impl Symbols {
    fn two([a, b]: [u16; 2]) -> Symbols {
        Symbols {
            first: Units::one(a * SYMBOLS + b, SYMBOLS),
            second: Units::one(a * SYMBOLS + b, 1),
            behind_second: Units::ANY,
            third: a,
            behind_third: Units::one(b, SYMBOLS * SYMBOLS),
        }
    }

    fn one(a: u16) -> Symbols {
        Symbols {
            first: Units::one(a, SYMBOLS * SYMBOLS),
            second: Units::one(a, SYMBOLS),
            behind_second: Units::ANY,
            third: a,
            behind_third: Units::ANY,
        }
    }
}

impl Units {
    const ANY: Units = Units(0, u16::MAX);

    /// Numbers whose `width`-th part is `n`.
    fn one(n: u16, width: u16) -> Units {
        Units(n * width, n * width + (width - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(octets, &mut out);
        out
    }

    #[test]
    fn sizes() {
        assert_eq!(packed(b""), b"");
        assert_eq!(packed(&b"0123456789ABCDEF\xff".repeat(30)).len(), 343);
        let letters = "é".repeat(30);
        assert_eq!(packed(letters.as_bytes()).len(), 2 + letters.len());
        assert_eq!(unpack(b"\x01\xff\xff\xff\xff"), [111, 111]);
    }

    proptest! {
        #[test]
        fn round_trip(octets in prop::collection::vec(prop_oneof![8 => 0x30..0x39u8, 8 => 0x41..0x5bu8, 1 => any::<u8>(), 1 => Just(END)], 0..400),
            from in any::<usize>(), len in 1..9usize) {
            let packed = packed(&octets);
            for (at, _) in octets.iter().enumerate().filter(|(at, _)| *at == 0 || octets[at - 1] == END) {
                let literal = octets[at..].split(|&octet| octet == END).next().unwrap_or_default();
                let next = (at + literal.len() + 1).min(octets.len());
                let found: Vec<u32> = places(&[at, next], &octets, &packed).collect();
                let places = found[0] as usize..found[1] as usize;
                let wanted = [&[END], literal].concat();
                let finder = Finder::new(&wanted);
                prop_assert!(has_in(&packed, &finder, places.clone()) && has_in(&packed, &finder, places.start..usize::MAX));
                if !literal.is_empty() {
                    prop_assert!(has_in(&packed, &Finder::new(literal), places));
                }
            }
            let whole = if octets.is_empty() { Vec::new() } else { [&[END], &octets[..]].concat() };
            prop_assert_eq!(&unpack(&packed)[..], &whole[..]);
            let from = from % whole.len().max(1);
            let cut = &whole[from.min(whole.len())..(from + len).min(whole.len())];
            if !cut.is_empty() {
                prop_assert!(has(&packed, &Finder::new(cut)));
            }
            for other in [&b"ABC"[..], b"0", b"ZZ", b"ZZ9Z", b"QXQXQXQ", "é".as_bytes(), "Aé".as_bytes(), "ééééééé".as_bytes(), b"AB\xff", b"\xffA"] {
                let finder = Finder::new(other);
                prop_assert_eq!(has(&packed, &finder), finder.find(&whole).is_some());
                if other.contains(&END) {
                    let literals: Vec<&[u8]> = octets.split_inclusive(|&octet| octet == END).collect();
                    let ended: Vec<_> = literals.iter().filter(|literal| literal.ends_with(&[END])).collect();
                    for (n, &literal) in ended.iter().enumerate() {
                        let literal = [&[END], *literal].concat();
                        let expected = match other[0] {
                            END => literal.starts_with(other),
                            _ => literal.ends_with(other),
                        };
                        prop_assert_eq!(nth_has(&packed, n, ended.len() - n - 1, other), expected);
                    }
                }
                let mut found = Vec::new();
                which(&packed, &finder, &mut found);
                found.dedup();
                let mut expected: Vec<usize> = finder
                    .find_iter(&whole)
                    .map(|at| whole[..=at].iter().filter(|&&octet| octet == END).count() - 1)
                    .collect();
                expected.dedup();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn damage_is_survived(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (unpack(&octets), has(&octets, &Finder::new(b"ABC")));
            which(&octets, &Finder::new(b"AB"), &mut Vec::new());
            let _ = [(0, 3), (3, 0), (700, 0), (0, 700)].map(|(before, behind)| {
                [&b"\xffA"[..], b"B\xff", b""].map(|needle| nth_has(&octets, before, behind, needle))
            });
        }
    }
}
