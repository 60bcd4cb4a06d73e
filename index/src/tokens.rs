//! Tokens of normalised text: words, separators, and single characters of scripts that put no breaks between words.
//!
//! A boundary lies between two characters exactly if their classes differ or either is [`Class::Single`]. It depends on
//! nothing else, so a needle falls into the same tokens as the text around its occurrence, except for its first and its
//! last token, which may be parts. A token is never cut, however long.

use std::ops::Range;
use std::sync::OnceLock;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::segment::kernel::{TEXT_BLOCK as BLOCK, classes};

/// Version of the boundaries; a segment names the one that made it.
pub const VERSION: u16 = 1;

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// A run of anything else.
    Separator = 0,
    /// A run of letters, digits and marks.
    Word = 1,
    /// One letter, digit or mark of a script without word breaks.
    Single = 2,
}

/// The class of one character.
pub fn class(c: char) -> Class {
    match u8::try_from(c) {
        Ok(b) if b < 0x80 => ASCII[usize::from(b)],
        _ => page(c)[(c as u32 & 0xff) as usize],
    }
}

/// The class of a token, which all its characters share. The empty token does not exist; it is called a separator.
pub fn class_of(token: &str) -> Class {
    token.chars().next().map_or(Class::Separator, class)
}

/// The tokens of a normalised text, in order; together they are the text.
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// Iterator of [`tokens`].
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Class, &'a str);

    #[inline]
    fn next(&mut self) -> Option<(Class, &'a str)> {
        let first = *self.rest.as_bytes().first()?;
        let (kind, mut end) = if first < 0x80 {
            (ASCII[usize::from(first)], 1)
        } else {
            let first = self.rest.chars().next()?;
            (class(first), first.len_utf8())
        };
        if kind != Class::Single {
            end += run(&self.rest[end..], kind);
        }
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some((kind, token))
    }
}

/// Calls `each` with class and place of every token, as [`tokens`] gives them, but for one space between two words: for whole texts, in
/// blocks of octets.
#[inline]
pub fn each_but_spaces(text: &str, mut each: impl FnMut(Class, Range<usize>)) {
    let octets = text.as_bytes();
    let (mut kind, mut start) = (class_of(text), 0);
    let mut carry = Carry { word: u64::from(kind == Class::Word), ..Carry::default() };
    let mut next = Some(Block::new(text, 0, &mut carry));
    // Whether the block before ends with a space that is left out.
    let mut left_out = 0;
    for at in (0..octets.len()).step_by(BLOCK) {
        let Some(block) = next.take() else { break };
        next = (at + BLOCK < octets.len()).then(|| Block::new(text, at + BLOCK, &mut carry));
        let behind = next.as_ref().map_or(0, |next| next.words & 1);
        let spaces = block.behind_words & (block.words >> 1 | behind << (BLOCK - 1));
        // Where a token begins whatever is left out, the one before ends; no token ends behind a space that is left out.
        let mut ends = block.starts & !(spaces << 1 | left_out);
        left_out = spaces >> (BLOCK - 1);
        while ends != 0 {
            let place = ends.trailing_zeros();
            ends &= ends - 1;
            let end = at + place as usize;
            each(kind, start..end);
            let space = spaces >> place & 1;
            start = end + space as usize;
            kind = match (block.words >> place & 1 | space, block.singles >> place & 1) {
                (_, 1) => Class::Single,
                (1, _) => Class::Word,
                _ => Class::Separator,
            };
        }
    }
    if start < octets.len() {
        each(kind, start..octets.len());
    }
}

/// Octets that are looked at together: a bit for each.
struct Block {
    /// Where tokens begin, the first one of the text excepted.
    starts: u64,
    /// Octets of words.
    words: u64,
    /// Spaces behind words.
    behind_words: u64,
    /// Where characters of [`Class::Single`] begin.
    singles: u64,
}

/// What a block leaves to the next one.
#[derive(Default)]
struct Carry {
    /// Whether its last octet is one of a word: 0 or 1.
    word: u64,
    /// Octets of its last character that are in the next one.
    octets: u32,
    /// Whether that is one of a word.
    of_word: bool,
    /// Whether a token begins behind that whatever follows.
    cut: bool,
}

impl Block {
    #[inline]
    fn new(text: &str, at: usize, carry: &mut Carry) -> Block {
        let rest = &text.as_bytes()[at..];
        let (ascii, mut words, spaces) = match rest.first_chunk() {
            Some(block) => classes(block),
            None => {
                let mut block = [b' '; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                classes(&block)
            }
        };
        let (mut singles, mut cuts) = (0, 0);
        if ascii != u64::MAX || carry.octets > 0 || carry.cut {
            let first = (1 << carry.octets) - 1;
            words |= if carry.of_word { first } else { 0 };
            cuts |= u64::from(carry.cut) << carry.octets;
            (carry.octets, carry.cut, carry.of_word) = (0, false, false);
            let mut others = !ascii & !first;
            while others != 0 {
                let place = others.trailing_zeros();
                let Some(c) = text[at + place as usize..].chars().next() else { break };
                let end = place + c.len_utf8() as u32;
                // What is behind the block falls out at the top.
                let octets = ((1u64 << c.len_utf8()) - 1) << place;
                others &= !octets;
                let kind = class(c);
                if kind == Class::Word {
                    words |= octets;
                }
                if kind == Class::Single {
                    singles |= 1 << place;
                    cuts |= 1 << place;
                    match end.checked_sub(BLOCK as u32) {
                        None => cuts |= 1 << end,
                        Some(_) => carry.cut = true,
                    }
                }
                if end > BLOCK as u32 {
                    (carry.octets, carry.of_word) = (end - BLOCK as u32, kind == Class::Word);
                }
            }
        }
        let behind = words << 1 | carry.word;
        let mut starts = (words ^ behind) | cuts;
        if at == 0 {
            starts &= !1;
        }
        if rest.len() < BLOCK {
            starts &= (1 << rest.len()) - 1;
        }
        carry.word = words >> (BLOCK - 1);
        Block { starts, words, behind_words: spaces & behind, singles }
    }
}

/// Length of the longest prefix whose characters are all of one class.
#[inline]
fn run(text: &str, kind: Class) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        // A whole word at once: its length would be a branch that nobody can predict.
        while let Some(octets) = bytes[at..].first_chunk() {
            let (ascii, words) = masks(u64::from_le_bytes(*octets));
            let same = if kind == Class::Word { words } else { ascii & !words };
            let len = (!same & HIGHEST).trailing_zeros() as usize / 8;
            at += len;
            if len < 8 {
                if ascii >> (8 * len) & 0x80 != 0 {
                    return at;
                }
                break;
            }
        }
        while let Some(&b) = bytes.get(at)
            && b < 0x80
        {
            if ASCII[usize::from(b)] != kind {
                return at;
            }
            at += 1;
        }
        // Text that is not ASCII comes in runs.
        for c in text[at..].chars() {
            if c.is_ascii() {
                break;
            }
            if class(c) != kind {
                return at;
            }
            at += c.len_utf8();
        }
        if at == bytes.len() {
            return at;
        }
    }
}

/// Which octets are ASCII, and which of these belong to words: by the highest bit of each.
#[inline]
fn masks(octets: u64) -> (u64, u64) {
    const fn all(octet: u8) -> u64 {
        u64::from_ne_bytes([octet; 8])
    }
    let ascii = !octets & all(0x80);
    // Sums of seven bits carry into the highest one and no further.
    let low = octets & all(0x7f);
    let within = |low: u64, first: u8, last: u8| (low + all(0x80 - first)) & !(low + all(0x7f - last));
    let words = within(low, b'0', b'9') | within(low | all(0x20), b'a', b'z');
    (ascii, words & ascii)
}

const ASCII: [Class; 128] = {
    let mut table = [Class::Separator; 128];
    let mut i = 0;
    while i < 128 {
        if (i as u8).is_ascii_alphanumeric() {
            table[i] = Class::Word;
        }
        i += 1;
    }
    table
};

/// The highest bit of each octet.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

const PAGES: usize = 0x11_0000 >> 8;

/// The classes of 256 code points, found when the first of them is met.
fn page(c: char) -> &'static [Class; 256] {
    static TABLE: [OnceLock<Box<[Class; 256]>>; PAGES] = [const { OnceLock::new() }; PAGES];
    let number = c as u32 >> 8;
    TABLE[number as usize].get_or_init(|| {
        let mut classes = [Class::Separator; 256];
        for (low, class) in classes.iter_mut().enumerate() {
            if let Some(c) = char::from_u32(number << 8 | low as u32) {
                *class = find_class(c);
            }
        }
        Box::new(classes)
    })
}

fn find_class(c: char) -> Class {
    use GeneralCategoryGroup::{Letter, Mark, Number};
    match c.general_category_group() {
        Letter | Mark | Number if is_unbroken(c) => Class::Single,
        Letter | Mark | Number => Class::Word,
        _ => Class::Separator,
    }
}

/// Blocks of scripts that are written without breaks between words.
fn is_unbroken(c: char) -> bool {
    matches!(c as u32,
        0x0e00..=0x0fff // Thai, Lao, Tibetan
        | 0x1000..=0x109f // Myanmar
        | 0x1780..=0x17ff // Khmer
        | 0x1950..=0x19df // Tai Le, New Tai Lue
        | 0x1a20..=0x1aaf // Tai Tham
        | 0x1b00..=0x1b7f // Balinese
        | 0x2e80..=0x2fdf // radicals
        | 0x3005..=0x3007 | 0x3021..=0x3029 | 0x3038..=0x303b // ideographic marks and numerals
        | 0x3040..=0x312f // Hiragana, Katakana, Bopomofo
        | 0x31a0..=0x31ff // Bopomofo and Katakana extensions
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff // Han
        | 0xa000..=0xa4cf // Yi
        | 0xa980..=0xa9ff // Javanese, Myanmar
        | 0xaa60..=0xaadf // Myanmar, Tai Viet
        | 0xf900..=0xfaff // Han
        | 0xff66..=0xff9f // half width Katakana
        | 0x1_6fe0..=0x1_b2ff // Tangut, Khitan, Kana, Nushu
        | 0x2_0000..=0x3_ffff) // Han
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_have_the_same_tokens(
            pieces in prop::collection::vec("[A-C1]{0,70}|[ .-]{1,3}|[AÄ日] [BÖ日]|[日ก]{1,2}|[ÄЖ한]{1,40}|[\u{200d}😀。]{1,30}|[\u{20000}x]{1,3}|.{0,3}", 0..12),
            shift in 0..70usize,
        ) {
            let text = "X".repeat(shift) + &pieces.concat();
            let mut found = Vec::new();
            each_but_spaces(&text, |class, place| found.push((class, &text[place])));
            let all: Vec<(Class, &str)> = tokens(&text).collect();
            let is_word = |n: Option<usize>| n.and_then(|n| all.get(n)).is_some_and(|(class, _)| *class == Class::Word);
            let expected = (0..all.len())
                .filter(|&n| all[n].1 != " " || !is_word(n.checked_sub(1)) || !is_word(Some(n + 1)))
                .map(|n| all[n])
                .collect::<Vec<_>>();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn masks_are_those_of_every_octet() {
        for octet in 0..=255u8 {
            for place in 0..8 {
                let mut octets = [b' '; 8];
                octets[place] = octet;
                let (ascii, words) = masks(u64::from_le_bytes(octets));
                let bit = 0x80 << (8 * place);
                assert_eq!(ascii, if octet.is_ascii() { HIGHEST } else { HIGHEST & !bit }, "{octet}");
                assert_eq!(words, if octet.is_ascii_alphanumeric() { bit } else { 0 }, "{octet}");
            }
        }
    }

    #[test]
    fn cases() {
        use Class::{Separator as S, Single as C, Word as W};
        for (text, expected) in [
            ("", vec![]),
            ("FOOD CART", vec![(W, "FOOD"), (S, " "), (W, "CART")]),
            (" A--B. ", vec![(S, " "), (W, "A"), (S, "--"), (W, "B"), (S, ". ")]),
            ("E\u{301}TE\u{301} 42", vec![(W, "E\u{301}TE\u{301}"), (S, " "), (W, "42")]),
            ("日本GO", vec![(C, "日"), (C, "本"), (W, "GO")]),
            ("カ\u{3099}。", vec![(C, "カ"), (C, "\u{3099}"), (S, "。")]),
            ("ก\u{e34} ", vec![(C, "ก"), (C, "\u{e34}"), (S, " ")]),
            ("한국 ЖЗ", vec![(W, "한국"), (S, " "), (W, "ЖЗ")]),
            ("A\u{200d}😀\0B", vec![(W, "A"), (S, "\u{200d}😀\0"), (W, "B")]),
            ("X日", vec![(W, "X"), (C, "日")]),
            ("ÄÖ A", vec![(W, "ÄÖ"), (S, " "), (W, "A")]),
        ] {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn boundaries_depend_on_two_characters() {
        let all: Vec<char> = "A1É\u{301} .-日ก한\u{200d}😀\0\u{e34}".chars().collect();
        for &a in &all {
            for &b in &all {
                let apart = class(a) != class(b) || class(a) == Class::Single;
                for (before, after) in [("", ""), ("A", "-"), ("日", "X"), (" ", "é")] {
                    let text = format!("{before}{a}{b}{after}");
                    let at = before.len() + a.len_utf8();
                    let mut end = 0;
                    let cut = tokens(&text).any(|(_, token)| {
                        end += token.len();
                        end == at
                    });
                    assert_eq!(cut, apart, "{text:?}");
                }
            }
        }
    }

    /// A segment made with other boundaries would be searched wrongly: whoever changes them raises [`VERSION`].
    #[test]
    fn the_version_names_the_boundaries() {
        let classes: Vec<u8> = (0..0x11_0000).filter_map(char::from_u32).map(|c| class(c) as u8).collect();
        assert_eq!((VERSION, crc32fast::hash(&classes)), (1, 2_207_792_315));
    }
}
