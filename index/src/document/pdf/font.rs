//! Fonts (ISO 32000-1, 9.5 to 9.7): how a string is cut into codes, what each means, and how wide it is, which tells where words end.

use std::cell::RefCell;
use std::collections::HashMap;

use encoding_rs::Encoding as Whatwg;
use lopdf::{Dictionary, Document, Object};

use super::cmap::CMap;
use super::encoding::{Table, table};
use super::{dictionary, get, inflated, number, numbers, resolved};
use crate::limits::DOCUMENT_PDF_CODES_MAX;

/// Widths of Helvetica's glyphs from space to tilde, in thousandths: for the fonts that every reader has, which come without widths.
const USUAL_WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// See the module.
pub struct Font {
    to_unicode: Option<CMap>,
    codes: Codes,
    widths: HashMap<u32, f64>,
    default_width: Width,
    /// What a width of 1 is in the space of text.
    width_unit: f64,
    vertical: bool,
    /// Meanings that have been looked up.
    known: RefCell<HashMap<(usize, u32), String>>,
}

/// How a string is cut into codes, and what these mean where no CMap to Unicode says it.
enum Codes {
    Simple(Table),
    /// Two octets each; they mean numbers of glyphs.
    Identity,
    /// UTF-16.
    Utf16,
    /// A charset of one or two octets a character.
    Charset(&'static Whatwg),
}

enum Width {
    Usual,
    Fixed(f64),
}

/// One code of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    pub octets: usize,
    pub value: u32,
}

impl Font {
    pub fn new(document: &Document, font: &Dictionary) -> Font {
        let name =
            |key: &[u8]| get(document, font, key).and_then(|name| name.as_name().ok()).unwrap_or_default();
        let to_unicode = match get(document, font, b"ToUnicode") {
            Some(Object::Stream(stream)) => inflated(stream).ok().map(|octets| CMap::parse(&octets)),
            _ => None,
        };
        let to_unicode = to_unicode.filter(|map| !map.is_empty());
        let known = RefCell::default();
        if name(b"Subtype") == b"Type0" {
            let encoding = name(b"Encoding");
            let descendant = match get(document, font, b"DescendantFonts") {
                Some(Object::Array(fonts)) => fonts.first().map(|font| resolved(document, font)),
                _ => None,
            };
            let descendant = descendant.and_then(|font| font.as_dict().ok());
            return Font {
                to_unicode,
                codes: predefined(encoding),
                widths: descendant.map(|font| composite_widths(document, font)).unwrap_or_default(),
                default_width: Width::Fixed(
                    descendant.and_then(|font| get(document, font, b"DW")).and_then(number).unwrap_or(1000.0),
                ),
                width_unit: 0.001,
                vertical: encoding.ends_with(b"-V"),
                known,
            };
        }
        let matrix = numbers(document, get(document, font, b"FontMatrix"));
        let width_unit = match (name(b"Subtype"), matrix.as_deref()) {
            (b"Type3", Some([unit, ..])) => *unit,
            _ => 0.001,
        };
        let missing = dictionary(document, font, b"FontDescriptor")
            .and_then(|descriptor| get(document, descriptor, b"MissingWidth"))
            .and_then(number);
        let widths = simple_widths(document, font);
        let base = name(b"BaseFont");
        let default_width = match missing {
            Some(width) if width > 0.0 => Width::Fixed(width),
            _ if memchr::memmem::find(base, b"Courier").is_some() => Width::Fixed(600.0),
            _ if widths.is_empty() => Width::Usual,
            _ => Width::Fixed(0.0),
        };
        Font {
            to_unicode,
            codes: Codes::Simple(table(document, font)),
            widths,
            default_width,
            width_unit,
            vertical: false,
            known,
        }
    }

    pub fn is_vertical(&self) -> bool {
        self.vertical
    }

    /// The code at the begin of `octets`, which is not empty.
    pub fn code(&self, octets: &[u8]) -> Code {
        let by_map = || self.to_unicode.as_ref().and_then(|map| map.code_size(octets));
        let size = match &self.codes {
            Codes::Simple(_) => 1,
            Codes::Identity => 2,
            Codes::Utf16 => match octets {
                [0xd8..=0xdb, _, 0xdc..=0xdf, _, ..] => 4,
                _ => 2,
            },
            Codes::Charset(charset) => by_map().unwrap_or_else(|| match octets {
                // Halfwidth katakana are one octet in Shift_JIS.
                [0..=0x80 | 0xff, ..] => 1,
                [0xa0..=0xdf, ..] if *charset == encoding_rs::SHIFT_JIS => 1,
                _ => 2,
            }),
        };
        let code = octets.get(..size).unwrap_or(octets);
        let value = code.iter().fold(0, |value, &octet| value << 8 | u32::from(octet));
        Code { octets: code.len().max(1), value }
    }

    /// What a code means.
    pub fn meaning(&self, code: Code) -> String {
        let key = (code.octets, code.value);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let meaning = self.look_up(code);
        let mut known = self.known.borrow_mut();
        if known.len() < DOCUMENT_PDF_CODES_MAX {
            known.insert(key, meaning.clone());
        }
        meaning
    }

    fn look_up(&self, code: Code) -> String {
        if let Some(meaning) = self.to_unicode.as_ref().and_then(|map| map.meaning(code.octets, code.value)) {
            // Some programs write a zero for a glyph they know nothing of.
            return meaning.replace('\0', "");
        }
        let octets = code.value.to_be_bytes();
        let octets = &octets[octets.len().saturating_sub(code.octets)..];
        match &self.codes {
            Codes::Simple(table) => {
                usize::try_from(code.value).ok().and_then(|at| table.get(at)).cloned().unwrap_or_default()
            }
            Codes::Identity => String::new(),
            Codes::Utf16 => encoding_rs::UTF_16BE.decode_without_bom_handling(octets).0.into_owned(),
            Codes::Charset(charset) => charset.decode_without_bom_handling(octets).0.into_owned(),
        }
    }

    /// Width of a code in the space of text, for a size of 1.
    pub fn width(&self, code: Code) -> f64 {
        let width = self.widths.get(&code.value).copied().unwrap_or_else(|| match self.default_width {
            Width::Fixed(width) => width,
            Width::Usual => code
                .value
                .checked_sub(0x20)
                .and_then(|at| USUAL_WIDTHS.get(usize::try_from(at).ok()?))
                .map_or(556.0, |&width| f64::from(width)),
        });
        width * self.width_unit
    }
}

/// The predefined CMaps (9.7.5.2) by their names.
fn predefined(name: &[u8]) -> Codes {
    let has = |piece: &str| memchr::memmem::find(name, piece.as_bytes()).is_some();
    if has("UCS2") || has("UTF16") {
        return Codes::Utf16;
    }
    let charset = match () {
        () if has("RKSJ") => encoding_rs::SHIFT_JIS,
        () if has("GBK") || has("GB-EUC") || has("GBpc") => encoding_rs::GBK,
        () if has("B5") || has("HKscs") => encoding_rs::BIG5,
        () if has("KSC") => encoding_rs::EUC_KR,
        () if has("EUC") => encoding_rs::EUC_JP,
        () => return Codes::Identity,
    };
    Codes::Charset(charset)
}

/// FirstChar and Widths (9.6.2).
fn simple_widths(document: &Document, font: &Dictionary) -> HashMap<u32, f64> {
    let first = get(document, font, b"FirstChar").and_then(|first| first.as_i64().ok()).unwrap_or(0);
    let Some(Object::Array(widths)) = get(document, font, b"Widths") else { return HashMap::new() };
    let codes = (first.clamp(0, 255)..256).filter_map(|code| u32::try_from(code).ok());
    codes.zip(widths).filter_map(|(code, width)| Some((code, number(resolved(document, width))?))).collect()
}

/// W of a font of a composite font (9.7.4.3): `c [w1 w2 …]`, or `first last w`.
fn composite_widths(document: &Document, font: &Dictionary) -> HashMap<u32, f64> {
    let mut widths = HashMap::new();
    let Some(Object::Array(all)) = get(document, font, b"W") else { return widths };
    let mut all = all.iter().map(|object| resolved(document, object));
    while let (Some(first), Some(second)) = (all.next(), all.next()) {
        let Some(first) = first.as_i64().ok().and_then(|first| u32::try_from(first).ok()) else { continue };
        match second {
            Object::Array(list) => {
                for (code, width) in (first..).zip(list) {
                    widths.extend(number(resolved(document, width)).map(|width| (code, width)));
                }
            }
            last => {
                let last = number(last).map_or(0, |last| last.clamp(0.0, 65535.0) as u32);
                if let Some(width) = all.next().and_then(number) {
                    widths.extend((first..=last).map(|code| (code, width)));
                }
            }
        }
        if widths.len() > DOCUMENT_PDF_CODES_MAX {
            break;
        }
    }
    widths
}
