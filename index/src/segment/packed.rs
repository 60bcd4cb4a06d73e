//! Literals in two thirds of their octets: nearly all of them are made of 36 letters and digits, so three fit into 16 bits.
//!
//! What a message has is packed as a whole. Octets that have no symbol of their own take three. Looking for a part of a token
//! begins on the packed form, which costs a twentieth of unpacking.

use memchr::memmem::Finder;

/// Symbols; three of them make a number below 64,000.
const SYMBOLS: u16 = 40;
/// Behind every literal.
const END: u8 = super::vocabulary::END;
/// An octet follows as two symbols.
const ESCAPE: u8 = 39;
/// What symbols below [`ESCAPE`] stand for: the end of a literal, and octets that begin many letters of other scripts.
const OCTETS: &[u8; 39] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\xff\xcc\xd0";
/// First octet of what is not packed; else it is one more than the symbols that were added at the end.
const PLAIN: u8 = 0;

const SYMBOL: [u8; 256] = {
    let mut table = [ESCAPE; 256];
    let mut at = 0;
    while at < OCTETS.len() {
        table[OCTETS[at] as usize] = at as u8;
        at += 1;
    }
    table
};

/// Appends the packed form of the literals of a message.
pub fn pack(octets: &[u8], symbols: &mut Vec<u8>, out: &mut Vec<u8>) {
    if octets.is_empty() {
        return;
    }
    symbols.clear();
    // So that what begins a literal can be looked for as what follows the end of another.
    symbols.push(SYMBOL[usize::from(END)]);
    for &octet in octets {
        let symbol = SYMBOL[usize::from(octet)];
        symbols.push(symbol);
        if symbol == ESCAPE {
            symbols.extend([octet >> 4, octet & 15]);
        }
    }
    if symbols.len().div_ceil(3) * 2 >= octets.len() {
        out.extend([PLAIN, END]);
        out.extend_from_slice(octets);
        return;
    }
    let added = symbols.len().next_multiple_of(3) - symbols.len();
    symbols.resize(symbols.len() + added, 0);
    out.push(1 + added as u8);
    let number = |three: &[u8; 3]| {
        (u16::from(three[0]) * SYMBOLS + u16::from(three[1])) * SYMBOLS + u16::from(three[2])
    };
    out.extend(symbols.as_chunks::<3>().0.iter().flat_map(|three| number(three).to_le_bytes()));
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

/// Whether the needle is there: octets of a literal, perhaps with [`END`] before or behind them.
pub fn has(packed: &[u8], finder: &Finder<'_>) -> bool {
    let needle = finder.needle();
    match packed.split_first() {
        None => return false,
        Some((&PLAIN, rest)) => return finder.find(rest).is_some(),
        Some(_) => {}
    }
    let numbers = packed[1..].as_chunks::<2>().0;
    let mut symbols = [0u8; 24];
    let mut len = 0;
    for &octet in needle {
        let symbol = SYMBOL[usize::from(octet)];
        let (more, escaped) = ([symbol, octet >> 4, octet & 15], symbol == ESCAPE);
        let more = if escaped { &more[..] } else { &more[..1] };
        let Some(place) = symbols.get_mut(len..len + more.len()) else { break };
        place.copy_from_slice(more);
        len += more.len();
    }
    let symbols = &symbols[..len];
    let ends = [symbols.first_chunk::<3>(), symbols.last_chunk::<3>().filter(|_| len >= 6)];
    let may = match symbols {
        [a, b] => may_have_two(numbers, [*a, *b].map(u16::from)),
        _ => ends.into_iter().flatten().all(|three| may_have(numbers, three.map(u16::from))),
    };
    may && finder.find(&unpack(packed)).is_some()
}

/// Numbers that are looked at in one step.
const BLOCK: usize = 64;

/// Numbers taken apart: as they are, without the last symbol, and without the last two.
struct Block {
    numbers: [u16; BLOCK + 1],
    twos: [u16; BLOCK + 1],
    ones: [u16; BLOCK + 1],
}

/// Whether three symbols stand side by side.
fn may_have(numbers: &[[u8; 2]], [a, b, c]: [u16; 3]) -> bool {
    // They stand in one number, or begin with the second or the third symbol of one.
    let (whole, start, end) = ((a * SYMBOLS + b) * SYMBOLS + c, a * SYMBOLS + b, b * SYMBOLS + c);
    any_block(numbers, |block, n| {
        let number = block.numbers[n];
        let (last, last_two) = (number - block.twos[n] * SYMBOLS, number - block.ones[n] * SYMBOLS * SYMBOLS);
        (number == whole)
            | (last_two == start) & (block.ones[n + 1] == c)
            | (last == a) & (block.twos[n + 1] == end)
    })
}

/// Whether two symbols do.
fn may_have_two(numbers: &[[u8; 2]], [a, b]: [u16; 2]) -> bool {
    let pair = a * SYMBOLS + b;
    any_block(numbers, |block, n| {
        let number = block.numbers[n];
        let (last, last_two) = (number - block.twos[n] * SYMBOLS, number - block.ones[n] * SYMBOLS * SYMBOLS);
        (block.twos[n] == pair) | (last_two == pair) | (last == a) & (block.ones[n + 1] == b)
    })
}

/// Looks at every number and the one behind it.
#[inline(always)]
fn any_block(numbers: &[[u8; 2]], fits: impl Fn(&Block, usize) -> bool) -> bool {
    let mut block = Block { numbers: [0; BLOCK + 1], twos: [0; BLOCK + 1], ones: [0; BLOCK + 1] };
    let mut at = 0;
    while at < numbers.len() {
        let rest = &numbers[at..numbers.len().min(at + BLOCK + 1)];
        block.numbers.iter_mut().zip(rest).for_each(|(place, number)| *place = u16::from_le_bytes(*number));
        // No symbols, so that nothing is found behind the end.
        block.numbers[rest.len()..].fill(u16::MAX);
        for n in 0..BLOCK + 1 {
            block.twos[n] = block.numbers[n] / SYMBOLS;
            block.ones[n] = block.numbers[n] / (SYMBOLS * SYMBOLS);
        }
        let mut found = false;
        for n in 0..BLOCK {
            found |= fits(&block, n);
        }
        if found {
            return true;
        }
        at += BLOCK;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        pack(octets, &mut Vec::new(), &mut out);
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
            }
        }

        #[test]
        fn damage_is_survived(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (unpack(&octets), has(&octets, &Finder::new(b"ABC")));
        }
    }
}
