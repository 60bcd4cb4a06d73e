//! Tokens of normalised text: words, separators, and single characters of scripts that put no breaks between words.
//!
//! A boundary lies between two characters exactly if their classes differ or either is [`Class::Single`]. It depends on
//! nothing else, so a needle falls into the same tokens as the text around its occurrence, except for its first and its
//! last token, which may be parts. A token is never cut, however long.

use std::sync::OnceLock;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

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
    use super::*;

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
