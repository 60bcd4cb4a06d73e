//! What the codes of simple fonts mean (ISO 32000-1, 9.6.6): a base encoding and differences from it, by names of glyphs.
//!
//! `lopdf` has the tables and the list of glyph names, but gives them only by way of a font: so it is asked with a font of one glyph.

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Encoding, Object};

use super::{get, resolved};

/// What each of the 256 codes means; empty: nothing.
pub type Table = Vec<String>;

/// The encoding of a simple font that has no CMap to Unicode. `symbolic` fonts without an encoding have one of their own, which is not
/// read; most are subsets that begin with the standard one.
pub fn table(document: &Document, font: &Dictionary) -> Table {
    let encoding = get(document, font, b"Encoding");
    let base = match encoding {
        Some(Object::Name(name)) => Some(name.as_slice()),
        Some(Object::Dictionary(encoding)) => {
            get(document, encoding, b"BaseEncoding").and_then(|base| base.as_name().ok())
        }
        _ => None,
    };
    let mut table = base_table(base);
    if let Some(Object::Dictionary(encoding)) = encoding
        && let Some(Object::Array(differences)) = get(document, encoding, b"Differences")
    {
        let mut code = 0usize;
        let mut names = HashMap::new();
        for difference in differences.iter().take(2_000) {
            match resolved(document, difference) {
                Object::Integer(at) => code = usize::try_from(*at).unwrap_or(usize::MAX),
                Object::Name(name) => {
                    let meaning = names.entry(name.as_slice()).or_insert_with(|| glyph(name));
                    if let (Some(entry), Some(meaning)) = (table.get_mut(code), meaning) {
                        entry.clone_from(meaning);
                    }
                    code = code.saturating_add(1);
                }
                _ => {}
            }
        }
    }
    table
}

fn base_table(name: Option<&[u8]>) -> Table {
    // Fonts without a base encoding have the standard one; WinAnsi has the same letters and more besides them.
    let name = match name {
        Some(
            name @ (b"MacRomanEncoding" | b"MacExpertEncoding" | b"StandardEncoding" | b"WinAnsiEncoding"),
        ) => name,
        _ => b"StandardEncoding",
    };
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Name(name.to_vec()));
    let nothing = Document::new();
    let encoding = font.get_font_encoding(&nothing).ok();
    let meaning = |code: u8| encoding.as_ref().and_then(|encoding| encoding.bytes_to_string(&[code]).ok());
    (0..=255).map(|code| meaning(code).unwrap_or_default()).collect()
}

/// What a glyph of this name means: by the list of names, or by the rules for names outside of it (Adobe Glyph List Specification).
pub fn glyph(name: &[u8]) -> Option<String> {
    if name.len() > 64 {
        return None;
    }
    let name = name.split(|&b| b == b'.').next().filter(|name| !name.is_empty())?;
    let pieces: Vec<String> = name.split(|&b| b == b'_').filter_map(piece).collect();
    let text = pieces.concat();
    (!text.is_empty()).then_some(text)
}

fn piece(name: &[u8]) -> Option<String> {
    if let Some(text) = listed(name) {
        return Some(text);
    }
    let name = std::str::from_utf8(name).ok()?;
    if let Some(digits) = name.strip_prefix("uni")
        && digits.len() >= 4
        && digits.len() % 4 == 0
        && digits.is_ascii()
    {
        let units = digits.as_bytes().chunks(4).filter_map(|unit| std::str::from_utf8(unit).ok());
        let units: Option<Vec<u16>> = units.map(|unit| u16::from_str_radix(unit, 16).ok()).collect();
        return String::from_utf16(&units?).ok();
    }
    let digits = name.strip_prefix('u').filter(|digits| (4..=6).contains(&digits.len()))?;
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).map(String::from)
}

fn listed(name: &[u8]) -> Option<String> {
    // The letters themselves need no list.
    if let [letter] = name
        && letter.is_ascii_alphabetic()
    {
        return Some(char::from(*letter).into());
    }
    let mut encoding = Dictionary::new();
    encoding.set("Differences", Object::Array(vec![Object::Integer(0), Object::Name(name.to_vec())]));
    let mut font = Dictionary::new();
    font.set("Type", Object::Name(b"Font".to_vec()));
    font.set("Encoding", Object::Dictionary(encoding));
    let nothing = Document::new();
    match font.get_font_encoding(&nothing) {
        // Another answer than this is its way to say that it does not know the name.
        Ok(encoding @ Encoding::Differences(_)) => {
            encoding.bytes_to_string(&[0]).ok().filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glyph_names() {
        for (name, text) in [
            ("a", Some("a")),
            ("eacute", Some("é")),
            ("fi", Some("\u{fb01}")),
            ("f_f_i", Some("ffi")),
            ("uni20AC", Some("€")),
            ("uni00410042", Some("AB")),
            ("u1F600", Some("😀")),
            ("one.oldstyle", Some("1")),
            ("Euro", Some("€")),
            ("g37", None),
            (".notdef", None),
            ("", None),
        ] {
            assert_eq!(glyph(name.as_bytes()).as_deref(), text, "{name}");
        }
    }

    #[test]
    fn bases() {
        for (name, code, text) in [
            (Some(&b"WinAnsiEncoding"[..]), 0x80, "€"),
            (Some(b"MacRomanEncoding"), 0x8e, "é"),
            (None, 0x41, "A"),
            (None, 0xae, "\u{fb01}"),
        ] {
            assert_eq!(base_table(name)[code], text);
        }
    }
}
