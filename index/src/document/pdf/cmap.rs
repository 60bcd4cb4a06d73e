//! CMaps (ISO 32000-1, 9.7.5 and 9.10.3): how the octets of a string are cut into codes, and what codes mean.

use std::collections::HashMap;

use super::lexer::{Lexer, Token};
use crate::limits::DOCUMENT_PDF_CODES_MAX;

/// A CMap that stands in the document.
#[derive(Debug, Default)]
pub struct CMap {
    /// Octets of a code, with the lowest and the highest.
    spaces: Vec<(usize, u32, u32)>,
    /// What a code means, in UTF-16, by its octets and value.
    meanings: HashMap<(usize, u32), String>,
    /// From, to, and what the first means, for ranges too long to be written out.
    ranges: Vec<(usize, u32, u32, u32)>,
}

/// Ranges of codes that are kept as such.
const RANGES_MAX: usize = 20_000;

impl CMap {
    pub fn parse(octets: &[u8]) -> CMap {
        let mut map = CMap::default();
        let mut operands: Vec<Operand> = Vec::new();
        let mut array: Option<Vec<Vec<u8>>> = None;
        for token in Lexer::new(octets) {
            match token {
                Token::ArrayBegin => array = Some(Vec::new()),
                Token::ArrayEnd => operands.extend(array.take().map(Operand::Strings)),
                Token::String(string) => match &mut array {
                    Some(strings) => strings.push(string),
                    None => operands.push(Operand::String(string)),
                },
                Token::Word(word) => {
                    match word {
                        b"endcodespacerange" => map.add_spaces(&operands),
                        b"endbfchar" => map.add_characters(&operands),
                        b"endbfrange" => map.add_ranges(&operands),
                        _ => {}
                    }
                    operands.clear();
                    array = None;
                }
                _ => {}
            }
        }
        map
    }

    pub fn is_empty(&self) -> bool {
        self.meanings.is_empty() && self.ranges.is_empty()
    }

    /// Octets of the code at the begin of `octets`; `None` where the CMap does not say.
    pub fn code_size(&self, octets: &[u8]) -> Option<usize> {
        let fits = |&&(size, low, high): &&(usize, u32, u32)| {
            octets.get(..size).is_some_and(|code| {
                // Each octet for itself (9.7.6.2).
                code.iter().zip(&low.to_be_bytes()[4 - size..]).all(|(code, low)| code >= low)
                    && code.iter().zip(&high.to_be_bytes()[4 - size..]).all(|(code, high)| code <= high)
            })
        };
        self.spaces.iter().find(fits).map(|space| space.0)
    }

    pub fn meaning(&self, size: usize, code: u32) -> Option<String> {
        if let Some(meaning) = self.meanings.get(&(size, code)) {
            return Some(meaning.clone());
        }
        let within =
            |&&(of, from, to, _): &&(usize, u32, u32, u32)| of == size && (from..=to).contains(&code);
        let (_, from, _, first) = self.ranges.iter().find(within)?;
        char::from_u32(first.wrapping_add(code - from)).map(String::from)
    }

    fn add_spaces(&mut self, operands: &[Operand]) {
        for pair in operands.chunks_exact(2) {
            if let [Operand::String(low), Operand::String(high)] = pair
                && (1..=4).contains(&low.len())
                && low.len() == high.len()
                && self.spaces.len() < 100
            {
                self.spaces.push((low.len(), value(low), value(high)));
            }
        }
    }

    fn add_characters(&mut self, operands: &[Operand]) {
        for pair in operands.chunks_exact(2) {
            if let [Operand::String(code), Operand::String(meaning)] = pair {
                self.add(code.len(), value(code), utf16(meaning));
            }
        }
    }

    fn add_ranges(&mut self, operands: &[Operand]) {
        for triple in operands.chunks_exact(3) {
            let [Operand::String(from), Operand::String(to), meaning] = triple else { continue };
            let (size, from, to) = (from.len(), value(from), value(to));
            match meaning {
                Operand::Strings(meanings) => {
                    for (code, meaning) in (from..=to).zip(meanings) {
                        self.add(size, code, utf16(meaning));
                    }
                }
                Operand::String(first) => {
                    let first = utf16(first);
                    let mut characters = first.chars();
                    match (characters.next(), characters.next()) {
                        (Some(character), None) => {
                            if self.ranges.len() < RANGES_MAX && from <= to {
                                self.ranges.push((size, from, to, u32::from(character)));
                            }
                        }
                        _ => self.add_counting(size, from, to, &first),
                    }
                }
            }
        }
    }

    /// A range whose meanings are several characters, of which the last one counts.
    fn add_counting(&mut self, size: usize, from: u32, to: u32, first: &str) {
        let Some(last) = first.chars().last() else { return };
        let begin = &first[..first.len() - last.len_utf8()];
        for (step, code) in (from..=to).take(256).enumerate() {
            let character = u32::try_from(step).ok().and_then(|step| u32::from(last).checked_add(step));
            if let Some(character) = character.and_then(char::from_u32) {
                self.add(size, code, format!("{begin}{character}"));
            }
        }
    }

    fn add(&mut self, size: usize, code: u32, meaning: String) {
        // Long ones are ligatures; nothing means a page.
        if self.meanings.len() < DOCUMENT_PDF_CODES_MAX && meaning.len() <= 64 {
            self.meanings.insert((size, code), meaning);
        }
    }
}

enum Operand {
    String(Vec<u8>),
    Strings(Vec<Vec<u8>>),
}

/// The last four octets as a number.
fn value(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |value, &octet| value << 8 | u32::from(octet))
}

fn utf16(octets: &[u8]) -> String {
    match octets {
        // Not what the standard says, but what some write.
        &[octet] => char::from(octet).into(),
        _ => encoding_rs::UTF_16BE.decode_without_bom_handling(octets).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_ranges_and_spaces() {
        let map = CMap::parse(
            b"/CIDInit /ProcSet findresource begin begincmap 2 begincodespacerange <00> <80> <8140> <9ffc> endcodespacerange
              2 beginbfchar <01> <00660066> <8141> <D83DDE00> endbfchar
              3 beginbfrange <10> <12> <0041> <20> <21> [<0061> <00620062>] <30> <31> <00660069> endbfrange endcmap",
        );
        assert_eq!(map.code_size(b"\x01\x81"), Some(1));
        assert_eq!(map.code_size(b"\x81\x41"), Some(2));
        assert_eq!(map.code_size(b"\x81\x20"), None);
        for (size, code, meaning) in [
            (1, 1, Some("ff")),
            (2, 0x8141, Some("😀")),
            (1, 0x12, Some("C")),
            (1, 0x13, None),
            (2, 0x12, None),
            (1, 0x21, Some("bb")),
            (1, 0x31, Some("fj")),
        ] {
            assert_eq!(map.meaning(size, code).as_deref(), meaning, "{code:x}");
        }
    }
}
