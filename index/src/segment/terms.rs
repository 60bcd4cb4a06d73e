//! The terms of the document-level fields, as octets whose order puts what a needle knows first.
//!
//! A vocabulary entry is its position in the sorted vocabulary ("ord"), as four octets, most significant first.

use std::cmp::Ordering;

use crate::prepare::Area;

/// The document-level fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Body texts: entries of the vocabulary, which have lists of their own, and pairs of adjacent singles.
    Body,
    /// Header texts and addresses: entries of the vocabulary by field, which have lists of their own; in which fields literals
    /// are, and which fields there are.
    Head,
    /// Ends of words that stand together with one space between; literals included.
    Joint,
    /// Ends of words and of the separators beside them, where the separator is not one space between two words.
    Edge,
}

impl Field {
    pub const ALL: [Field; 4] = [Field::Body, Field::Head, Field::Joint, Field::Edge];
}

/// Field of [`literal`] for all nested header fields together.
pub const NESTED: u32 = 0xffff_fffe;
const PRESENT: u32 = 0xffff_ffff;
const PRESENT_NESTED: u32 = 0xffff_fffd;
/// The first of what stands in a term of [`Field::Head`] where lists of the vocabulary have an entry.
pub(super) const LITERAL: u32 = 0xffff_fffc;
/// Stands for a second character that is not there. Texts may hold it too; that only adds candidates.
pub const NONE: char = '\u{2}';

/// A term. Longer ones do not exist.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    bytes: [u8; 18],
    len: u8,
}

impl Ord for Term {
    /// That of the octets; sixteen at once decide nearly always.
    fn cmp(&self, other: &Term) -> Ordering {
        let first = |term: &Term| term.bytes.first_chunk().map(|octets| u128::from_be_bytes(*octets));
        first(self).cmp(&first(other)).then_with(|| (self.bytes, self.len).cmp(&(other.bytes, other.len)))
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Term) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::ops::Deref for Term {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.escape_ascii().fmt(f)
    }
}

impl Term {
    const EMPTY: Term = Term { bytes: [0; 18], len: 0 };

    fn with(mut self, bytes: &[u8]) -> Term {
        let len = usize::from(self.len);
        self.bytes[len..len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
        self
    }

    /// The first eight octets, as a number in whose order terms are.
    pub fn prefix(&self) -> u64 {
        self.bytes.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
    }

    fn with_char(self, c: char) -> Term {
        self.with(c.encode_utf8(&mut [0; 4]).as_bytes())
    }
}

/// [`Field::Body`]: two singles side by side.
pub fn pair(first: u32, second: u32) -> Term {
    Term::EMPTY.with(&first.to_be_bytes()).with(&second.to_be_bytes())
}

/// [`Field::Head`]: a token that is no vocabulary in an own field (ord of its name), in canonical addresses (ord of the pseudo
/// name), or in any nested field ([`NESTED`]).
pub fn literal(field: u32) -> Term {
    pair(LITERAL, field)
}

/// [`Field::Head`]: the message has an own field of this name, or addresses of this pseudo name.
pub fn present(name: u32) -> Term {
    pair(PRESENT, name)
}

/// [`Field::Head`]: some part or embedded message has a field of this name.
pub fn present_nested(name: u32) -> Term {
    pair(PRESENT_NESTED, name)
}

/// What is known of the two characters next to a boundary, the nearer one first. Leaving out the second one makes a prefix of
/// all terms only if nothing follows it; see [`joint`].
pub type Ends = (char, char);

/// The last two characters of a token, last one first.
pub fn tail(token: &str) -> Option<Ends> {
    let mut chars = token.chars().rev();
    Some((chars.next()?, chars.next().unwrap_or(NONE)))
}

/// The first two characters of a token.
pub fn start(token: &str) -> Option<Ends> {
    let mut chars = token.chars();
    Some((chars.next()?, chars.next().unwrap_or(NONE)))
}

/// [`tail`] and [`start`] of a token that is given as octets.
pub fn ends_of(token: &[u8]) -> [Option<Ends>; 2] {
    // Octets that are ASCII are characters whatever stands beside them: mostly nothing else has to be looked at.
    let ascii = |near: u8, far: u8| {
        (near.is_ascii() && far.is_ascii()).then_some((char::from(near), char::from(far)))
    };
    let [last, first] = match *token {
        [one] => [ascii(one, NONE as u8); 2],
        [first, second, .., before, last] => [ascii(last, before), ascii(first, second)],
        [first, .., last] => [ascii(last, token[token.len() - 2]), ascii(first, token[1])],
        [] => [None; 2],
    };
    if last.is_some() && first.is_some() {
        return [last, first];
    }
    let text = std::str::from_utf8(token).ok();
    [text.and_then(tail), text.and_then(start)]
}

/// [`Field::Joint`]: area, last character of the left word, first of the right word, then the second last of the left, then
/// the second of the right. Leave out the last one or two to get a prefix of what they could be.
pub fn joint(area: Area, left: Ends, right: Ends) -> Term {
    ends(&[area_octet(area)], left, right)
}

/// [`joint`] with only the inner characters known, or also the second last of the left word.
pub fn joint_prefix(area: Area, left: (char, Option<char>), right: char) -> Term {
    prefix(&[area_octet(area)], left, right)
}

/// [`Field::Edge`]: a word and the separator behind it: last character of the word, first of the separator, second last of
/// the word, second of the separator.
pub fn edge_after(area: Area, word: Ends, separator: Ends) -> Term {
    ends(&[area_octet(area), b'>'], word, separator)
}

/// [`edge_after`] with less known.
pub fn edge_after_prefix(area: Area, word: (char, Option<char>), separator: char) -> Term {
    prefix(&[area_octet(area), b'>'], word, separator)
}

/// [`Field::Edge`]: a word and the separator before it: first character of the word, last of the separator, second of the
/// word, second last of the separator.
pub fn edge_before(area: Area, word: Ends, separator: Ends) -> Term {
    ends(&[area_octet(area), b'<'], word, separator)
}

/// [`edge_before`] with less known.
pub fn edge_before_prefix(area: Area, word: (char, Option<char>), separator: char) -> Term {
    prefix(&[area_octet(area), b'<'], word, separator)
}

/// The addresses have neither joints nor edges.
fn area_octet(area: Area) -> u8 {
    match area {
        Area::Body => b'b',
        Area::Head => b'h',
        Area::Pseudo => b'a',
    }
}

fn ends(kind: &[u8], one: Ends, other: Ends) -> Term {
    Term::EMPTY.with(kind).with_char(one.0).with_char(other.0).with_char(one.1).with_char(other.1)
}

fn prefix(kind: &[u8], one: (char, Option<char>), other: char) -> Term {
    let term = Term::EMPTY.with(kind).with_char(one.0).with_char(other);
    one.1.map_or(term, |second| term.with_char(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout() {
        assert_eq!(&*pair(1, 0x0203_0405), b"\0\0\0\x01\x02\x03\x04\x05");
        let full = joint(Area::Body, tail("FOOD").unwrap(), start("CART").unwrap());
        assert_eq!(&*full, b"bDCOA");
        assert_eq!(&*joint_prefix(Area::Body, ('D', Some('O')), 'C'), b"bDCO");
        assert_eq!(&*joint_prefix(Area::Body, ('D', None), 'C'), b"bDC");
        assert_eq!(&*edge_after(Area::Head, tail("A").unwrap(), start(". (").unwrap()), b"h>A.\x02 ");
        assert_eq!(
            edge_before(Area::Head, start("\u{10ffff}").unwrap(), tail("😀😀").unwrap()).len(),
            2 + 4 + 4 + 1 + 4
        );
        for token in ["", "A", "AB", "ABC", "ABCD", "Ä", "AÄ", "ÄA", "ABÄ", "ÄBC", "日本", "A日B", "ABCDEFÄ"]
        {
            assert_eq!(ends_of(token.as_bytes()), [tail(token), start(token)], "{token:?}");
        }
        let widest = ('\u{10ffff}', '\u{10ffff}');
        assert_eq!(edge_before(Area::Body, widest, widest).len(), 18);
        assert_eq!(tail(""), None);
    }
}
