//! Normalisation of needles and texts: i;unicode-casemap (RFC 5051), then white space folding.
//!
//! Per code point the simple titlecase mapping, then the decomposition (canonical or compatibility), each result again
//! until nothing changes; Hangul syllables stay, nothing is reordered. Then every run of White_Space and U+001C-U+001F
//! becomes one space; nothing is trimmed.
//!
//! A text may be given in pieces: the result does not depend on where it is cut.

use std::sync::OnceLock;

use icu_casemap::CaseMapper;
use unicode_normalization::char::decompose_compatible;

use crate::segment::kernel::{map_ascii, string_of};

/// Version of the normalised text; an index names the one that made it. Another mapping of any character, also one that a
/// dependency brings with new Unicode data, is another version.
pub const VERSION: u16 = 1;

/// Streaming form: remembers whether the last character was white space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Normaliser {
    after_space: bool,
}

/// Normalises a whole text.
pub fn normalise(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 1);
    Normaliser::default().push(text, &mut out);
    let Some(out) = string_of(out) else { unreachable!("only characters are pushed") };
    out
}

impl Normaliser {
    /// Appends the normalised form of the next piece of the text, as UTF-8.
    pub fn push(&mut self, text: &str, out: &mut Vec<u8>) {
        let mut rest = text;
        loop {
            let ascii = map_ascii(rest.as_bytes(), &mut self.after_space, out);
            let mut chars = rest[ascii..].chars();
            // Text that is not ASCII comes in runs, with a space or two between words.
            loop {
                let before = chars.as_str();
                match chars.next() {
                    Some(c) if !c.is_ascii() => self.push_mapped(c, out),
                    Some(c) if !begins_with_ascii(before) => self.push_folded(c.to_ascii_uppercase(), out),
                    Some(_) => {
                        rest = before;
                        break;
                    }
                    None => return,
                }
            }
        }
    }

    /// A new text begins.
    pub fn reset(&mut self) {
        self.after_space = false;
    }

    fn push_mapped(&mut self, c: char, out: &mut Vec<u8>) {
        let page = page(c);
        let low = (c as u32 & 0xff) as usize;
        let short = page.short[low];
        if short != 0 {
            // What is behind the end is cut off again: no loop over octets.
            let end = out.len() + (short >> 56) as usize;
            out.extend_from_slice(&short.to_le_bytes());
            out.truncate(end);
            self.after_space = false;
            return;
        }
        match page.entries[low] {
            SAME => self.push_folded(c, out),
            entry => {
                let start = (entry >> 8) as usize;
                let len = (entry & 0xff) as usize;
                for &c in &page.pool[start..start + len] {
                    self.push_folded(c, out);
                }
            }
        }
    }

    fn push_folded(&mut self, c: char, out: &mut Vec<u8>) {
        if is_space(c) {
            if !self.after_space {
                out.push(b' ');
            }
            self.after_space = true;
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            self.after_space = false;
        }
    }
}

/// Whether so much of it is ASCII that it is worth while to map that as such.
fn begins_with_ascii(text: &str) -> bool {
    text.as_bytes().first_chunk::<4>().is_some_and(|octets| octets.is_ascii())
}

/// Length of the longest prefix that is ASCII.
pub(crate) fn ascii_prefix(bytes: &[u8]) -> usize {
    let mut n = 0;
    for chunk in bytes.chunks(64) {
        if !chunk.is_ascii() {
            return n + chunk.iter().position(|b| !b.is_ascii()).unwrap_or(chunk.len());
        }
        n += chunk.len();
    }
    n
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The mapping of 256 code points, made when the first of them is met.
struct Page {
    /// Per code point [`SAME`], or start in `pool` << 8 | length.
    entries: [u32; 256],
    pool: Vec<char>,
    /// The octets that a code point becomes, the first one lowest, and in the highest octet how many; 0 where they are more than seven or
    /// have white space among them.
    short: [u64; 256],
}

const SAME: u32 = u32::MAX;
const PAGES: usize = 0x11_0000 >> 8;

fn page(c: char) -> &'static Page {
    static TABLE: [OnceLock<Box<Page>>; PAGES] = [const { OnceLock::new() }; PAGES];
    let number = c as u32 >> 8;
    TABLE[number as usize].get_or_init(|| Box::new(Page::build(number)))
}

impl Page {
    fn build(number: u32) -> Page {
        let mut page = Page { entries: [SAME; 256], pool: Vec::new(), short: [0; 256] };
        let mut mapped = Vec::new();
        for low in 0..256u32 {
            let Some(c) = char::from_u32(number << 8 | low) else { continue };
            mapped.clear();
            map(c, &mut mapped);
            if mapped != [c] {
                page.entries[low as usize] = (page.pool.len() as u32) << 8 | mapped.len() as u32;
                page.pool.extend_from_slice(&mapped);
            }
            let octets: String = mapped.iter().collect();
            if octets.len() < 8 && !mapped.iter().any(|&c| is_space(c)) {
                let packed = octets.bytes().rev().fold(0, |packed, octet| packed << 8 | u64::from(octet));
                page.short[low as usize] = packed | (octets.len() as u64) << 56;
            }
        }
        page
    }
}

/// RFC 5051 for one code point. Decomposing in one step of UnicodeData at a time or fully gives the same fixed point.
fn map(c: char, out: &mut Vec<char>) {
    // Mappings shrink towards letters without case or decomposition; the longest chain in Unicode has four steps.
    fn step(c: char, out: &mut Vec<char>, depth: u32) {
        let title = CaseMapper::new().simple_titlecase(c);
        if ('\u{ac00}'..='\u{d7a3}').contains(&title) || depth == 0 {
            out.push(title);
            return;
        }
        let mut parts = Vec::new();
        decompose_compatible(title, |part| parts.push(part));
        if parts == [c] {
            out.push(c);
            return;
        }
        for part in parts {
            step(part, out, depth - 1);
        }
    }
    step(c, out, 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        for (text, expected) in [
            ("ß", "ß"),
            ("ẞ", "ẞ"),
            ("ﬁ", "FI"),
            ("ﬀ", "FF"),
            ("ı", "I"),
            ("İ", "I\u{307}"),
            ("ς", "Σ"),
            ("\u{212a}", "K"),
            ("\u{212b}", "A\u{30a}"),
            ("ª", "A"),
            ("㎏", "KG"),
            ("Ǆ", "DZ\u{30c}"),
            ("ǆ", "DZ\u{30c}"),
            ("é", "E\u{301}"),
            ("e\u{301}", "E\u{301}"),
            ("한", "한"),
            ("ＡＢＣ", "ABC"),
            ("a\u{a0}b", "A B"),
            ("a¨", "A \u{308}"),
            ("ſ", "S"),
            ("µ", "Μ"),
            ("ώ", "Ω\u{301}"),
            ("ᾳ", "ΑΙ"),
            ("\u{345}", "Ι"),
            ("a\u{ad}b\u{200b}c", "A\u{ad}B\u{200b}C"),
            ("\u{1d41e}", "E"),
            ("", ""),
            ("  a \r\n\t b ", " A B "),
            ("\u{1c}\u{1f}\u{3000}\u{2028}\u{85}x", " X"),
            ("日本", "日本"),
        ] {
            assert_eq!(normalise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ascii_is_mapped_as_its_characters_are() {
        for first in 0..128u8 {
            for second in 0..128u8 {
                for len in [2, 31, 32, 33, 70] {
                    let mut octets = vec![b'x'; len];
                    (octets[len / 2], octets[len / 2 - 1]) = (second, first);
                    (octets[len - 1], octets[0]) = (first, second);
                    let text = String::from_utf8(octets).unwrap();
                    let (mut mapped, mut after_space) = (String::new(), false);
                    for c in text.chars() {
                        let space = matches!(c, '\t'..='\r' | '\u{1c}'..=' ');
                        if !(space && after_space) {
                            mapped.push(if space { ' ' } else { c.to_ascii_uppercase() });
                        }
                        after_space = space;
                    }
                    assert_eq!(normalise(&text), mapped, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn cuts_do_not_matter() {
        let text = "Grüße  \u{a0}\r\n aus\u{3000}  ﬁx e\u{301} \u{1f}";
        for (cut, _) in text.char_indices() {
            let mut out = Vec::new();
            let mut normaliser = Normaliser::default();
            normaliser.push(&text[..cut], &mut out);
            normaliser.push(&text[cut..], &mut out);
            assert_eq!(out, normalise(text).as_bytes(), "cut at {cut}");
        }
    }

    #[test]
    fn another_mapping_is_another_version() {
        let mut sum = crc32fast::Hasher::new();
        for c in (0..0x11_0000).filter_map(char::from_u32) {
            sum.update(normalise(&c.to_string()).as_bytes());
        }
        assert_eq!(
            (VERSION, sum.finalize()),
            (1, 2_939_694_928),
            "raise the version, then write down the new sum"
        );
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        for c in (0..0x11_0000).filter_map(char::from_u32) {
            let once = normalise(&c.to_string());
            assert_eq!(normalise(&once), once, "U+{:04X}", c as u32);
        }
    }
}
