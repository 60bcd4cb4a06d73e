//! Charsets of mail by name: the WHATWG encodings (encoding_rs) and those that mail uses besides them.
//!
//! Decoding never fails: what means nothing in a charset becomes U+FFFD. US-ASCII, a missing and an unknown charset are
//! *guessed*: UTF-8 if the whole text is valid UTF-8, else windows-1252. As in browsers ISO-8859-1 is read as windows-1252.

mod iso2022;
mod johab;
mod tables;
mod unicode;

use encoding_rs::{CoderResult, Encoding as Whatwg};

use iso2022::{Hz, Iso2022};
use johab::Johab;
use tables::{TABLES, Table};
use unicode::{Utf7, Utf16, Utf32};

/// A known charset.
#[derive(Clone, Copy, Debug)]
pub struct Charset(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Guess,
    Whatwg(&'static Whatwg),
    Table(&'static Table),
    Utf7,
    Utf16,
    Utf32 { big_endian: Option<bool> },
    Iso2022,
    Hz,
    Johab,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Guess => f.write_str("us-ascii"),
            Kind::Whatwg(encoding) => f.write_str(encoding.name()),
            Kind::Table(table) => f.write_str(table.names.first().unwrap_or(&"")),
            Kind::Utf7 => f.write_str("utf-7"),
            Kind::Utf16 => f.write_str("utf-16"),
            Kind::Utf32 { .. } => f.write_str("utf-32"),
            Kind::Iso2022 => f.write_str("iso-2022"),
            Kind::Hz => f.write_str("hz"),
            Kind::Johab => f.write_str("johab"),
        }
    }
}

/// The charset of that name (RFC 2978, any case), if known. Also answers SEARCH CHARSET.
pub fn lookup(label: &[u8]) -> Option<Charset> {
    if label.len() > 64 {
        return None;
    }
    let label =
        std::str::from_utf8(label).ok()?.trim_matches(|c: char| c.is_ascii_whitespace() || "\"'".contains(c));
    let name = label.to_ascii_lowercase().replace('_', "-");
    let kind = match name.as_str() {
        "us-ascii" | "ascii" | "ansi-x3.4-1968" | "646" | "iso646-us" | "iso-ir-6" | "csascii" | "cp367"
        | "us" => Kind::Guess,
        "utf-7"
        | "unicode-1-1-utf-7"
        | "unicode-2-0-utf-7"
        | "x-unicode-2-0-utf-7"
        | "utf7"
        | "csutf7"
        | "cp65000" => Kind::Utf7,
        "utf-16" | "utf16" | "csutf16" | "ucs-2" | "iso-10646-ucs-2" | "csunicode" => Kind::Utf16,
        "utf-32" | "utf32" | "ucs-4" | "iso-10646-ucs-4" | "csutf32" => Kind::Utf32 { big_endian: None },
        "utf-32be" | "csutf32be" => Kind::Utf32 { big_endian: Some(true) },
        "utf-32le" | "csutf32le" => Kind::Utf32 { big_endian: Some(false) },
        "iso-2022-kr" | "csiso2022kr" | "iso-2022-cn" | "iso-2022-cn-ext" | "csiso2022cn"
        | "iso-2022-jp-1" | "iso-2022-jp-2" | "csiso2022jp2" | "iso-2022-jp-3" | "iso-2022-jp-2004"
        | "iso-2022-jp-ext" => Kind::Iso2022,
        "hz" | "hz-gb-2312" | "hzgb2312" => Kind::Hz,
        "johab" | "cp1361" | "ms1361" | "x-johab" | "ksc5601-1992" => Kind::Johab,
        _ => return whatwg(label, &name).map(Kind::Whatwg).or_else(|| table(&name)).map(Charset),
    };
    Some(Charset(kind))
}

fn whatwg(label: &str, name: &str) -> Option<&'static Whatwg> {
    let known = |label: &str| Whatwg::for_label_no_replacement(label.as_bytes());
    let alias = || {
        Some(match name {
            "cp65001" | "utf-8-mac" | "utf8mb4" | "x-utf-8" => encoding_rs::UTF_8,
            "cp932" | "ms-kanji" | "cp943" | "shift-jis-2004" | "x-sjis" | "ibm-943" => {
                encoding_rs::SHIFT_JIS
            }
            "cp949" | "uhc" | "ms949" | "euc-kr-1" => encoding_rs::EUC_KR,
            "cp936" | "ms936" | "euc-cn" | "euccn" | "cp1386" => encoding_rs::GBK,
            "cp54936" => encoding_rs::GB18030,
            "cp950" | "ms950" | "big5-eten" | "big5-tw" | "cn-big5" => encoding_rs::BIG5,
            "cp51932" | "eucjp" | "euc-jp-2004" | "eucjp-ms" => encoding_rs::EUC_JP,
            "cp50220" | "cp50221" | "cp50222" | "iso-2022-jp-ms" => encoding_rs::ISO_2022_JP,
            "cp10000" | "mac-roman" | "macroman" => encoding_rs::MACINTOSH,
            "cp10007" | "mac-cyrillic" | "maccyrillic" | "mac-ukrainian" => encoding_rs::X_MAC_CYRILLIC,
            "cp20866" => encoding_rs::KOI8_R,
            "cp21866" => encoding_rs::KOI8_U,
            "latin-1" | "8859-1" | "iso8859" | "iso-8859" => encoding_rs::WINDOWS_1252,
            "utf-16be" => encoding_rs::UTF_16BE,
            "utf-16le" => encoding_rs::UTF_16LE,
            _ => return None,
        })
    };
    let respelled = || {
        // win-1252, windows1252, cp-1252
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let family = name.strip_suffix(digits)?.trim_end_matches('-');
        (digits.starts_with("125") && ["cp", "win", "windows", "x-cp", "x-windows", "ansi"].contains(&family))
            .then(|| known(&format!("windows-{digits}")))
            .flatten()
    };
    known(label).or_else(|| known(name)).or_else(alias).or_else(respelled)
}

fn table(name: &str) -> Option<Kind> {
    let bare = name.replace("cp-", "cp").replace("ibm-", "ibm");
    TABLES.iter().find(|t| t.names.contains(&name) || t.names.contains(&bare.as_str())).map(Kind::Table)
}

impl Charset {
    /// The reading of text whose charset is not named, or not known.
    pub const GUESS: Charset = Charset(Kind::Guess);

    /// Whether ASCII octets alone mean themselves and nothing else: their text needs no decoder.
    pub fn is_ascii_compatible(self) -> bool {
        match self.0 {
            Kind::Guess => true,
            Kind::Whatwg(encoding) => encoding.is_ascii_compatible() && encoding != encoding_rs::ISO_2022_JP,
            Kind::Table(table) => table.low.is_empty(),
            Kind::Utf7 | Kind::Utf16 | Kind::Utf32 { .. } | Kind::Iso2022 | Kind::Hz | Kind::Johab => false,
        }
    }

    /// Whether text that is valid UTF-8 is read as UTF-8.
    pub(crate) fn reads_utf8(self) -> bool {
        match self.0 {
            Kind::Guess => true,
            Kind::Whatwg(encoding) => encoding == encoding_rs::UTF_8,
            _ => false,
        }
    }

    /// Whether a byte order mark in front is no text.
    pub(crate) fn removes_bom(self) -> bool {
        matches!(self.0, Kind::Whatwg(_))
    }

    /// Whether state outlives a character (so that encoded-words cannot be joined before decoding).
    pub fn is_stateful(self) -> bool {
        match self.0 {
            Kind::Whatwg(encoding) => encoding == encoding_rs::ISO_2022_JP,
            Kind::Utf7 | Kind::Iso2022 | Kind::Hz => true,
            _ => false,
        }
    }

    /// Whether text of both may be joined before it is decoded.
    pub(crate) fn same(self, other: Charset) -> bool {
        !self.is_stateful()
            && match (self.0, other.0) {
                (Kind::Whatwg(a), Kind::Whatwg(b)) => a == b,
                (Kind::Table(a), Kind::Table(b)) => std::ptr::eq(a, b),
                (a, b) => std::mem::discriminant(&a) == std::mem::discriminant(&b),
            }
    }

    /// All of `bytes`; what does not decode becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> String {
        let mut out = String::with_capacity(bytes.len());
        let mut decoder = self.decoder();
        decoder.push(bytes, &mut out);
        decoder.finish(&mut out);
        out
    }

    /// All of `bytes` if every octet means something in this charset (SEARCH CHARSET refuses the others).
    pub fn decode_strict(self, bytes: &[u8]) -> Option<String> {
        if matches!(self.0, Kind::Guess) {
            return bytes.is_ascii().then(|| self.decode(bytes));
        }
        let text = self.decode(bytes);
        // A charset that can write U+FFFD is taken at its word only if it is UTF-8.
        let utf8 = matches!(self.0, Kind::Whatwg(encoding) if encoding == encoding_rs::UTF_8);
        let broken = if utf8 { std::str::from_utf8(bytes).is_err() } else { text.contains('\u{fffd}') };
        (!broken).then_some(text)
    }

    /// A decoder for text that arrives in pieces.
    pub fn decoder(self) -> Decoder {
        Decoder(match self.0 {
            Kind::Guess => State::Guess(Vec::new()),
            Kind::Whatwg(encoding) => State::Whatwg(Box::new(encoding.new_decoder_with_bom_removal())),
            Kind::Table(table) => State::Table(table),
            Kind::Utf7 => State::Utf7(Utf7::default()),
            Kind::Utf16 => State::Utf16(Utf16::default()),
            Kind::Utf32 { big_endian } => State::Utf32(Utf32::new(big_endian)),
            Kind::Iso2022 => State::Iso2022(Iso2022::default()),
            Kind::Hz => State::Hz(Hz::default()),
            Kind::Johab => State::Johab(Johab::default()),
        })
    }
}

/// Streaming decoder: feed the octets in pieces of any size.
pub struct Decoder(State);

enum State {
    /// From the first octet that is not ASCII on: what has to be seen whole before it can be read.
    Guess(Vec<u8>),
    Whatwg(Box<encoding_rs::Decoder>),
    Table(&'static Table),
    Utf7(Utf7),
    Utf16(Utf16),
    Utf32(Utf32),
    Iso2022(Iso2022),
    Hz(Hz),
    Johab(Johab),
}

impl Decoder {
    /// Appends what the octets mean.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        match &mut self.0 {
            State::Guess(held) => {
                if held.is_empty() {
                    let ascii = crate::normalise::ascii_prefix(bytes);
                    let (head, tail) = bytes.split_at(ascii);
                    out.push_str(simdutf8::basic::from_utf8(head).unwrap_or_default());
                    held.extend_from_slice(tail);
                } else {
                    held.extend_from_slice(bytes);
                }
            }
            State::Whatwg(decoder) => whatwg_push(decoder, bytes, false, out),
            State::Table(table) => table_push(table, bytes, out),
            State::Utf7(state) => state.push(bytes, out),
            State::Utf16(state) => state.push(bytes, out),
            State::Utf32(state) => state.push(bytes, out),
            State::Iso2022(state) => state.push(bytes, out),
            State::Hz(state) => state.push(bytes, out),
            State::Johab(state) => state.push(bytes, out),
        }
    }

    /// Appends what was held back. The decoder must not be used afterwards.
    pub fn finish(&mut self, out: &mut String) {
        match &mut self.0 {
            State::Guess(held) => match simdutf8::basic::from_utf8(held) {
                Ok(text) => out.push_str(text),
                Err(_) => {
                    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(held);
                    out.push_str(&text);
                }
            },
            State::Whatwg(decoder) => whatwg_push(decoder, b"", true, out),
            State::Table(_) => {}
            State::Utf7(state) => state.finish(out),
            State::Utf16(state) => state.finish(out),
            State::Utf32(state) => state.finish(out),
            State::Iso2022(state) => state.finish(out),
            State::Hz(state) => state.finish(out),
            State::Johab(state) => state.finish(out),
        }
    }
}

fn whatwg_push(decoder: &mut encoding_rs::Decoder, bytes: &[u8], last: bool, out: &mut String) {
    let mut rest = bytes;
    loop {
        out.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len()).max(16));
        let (result, read, _) = decoder.decode_to_string(rest, out, last);
        rest = rest.get(read..).unwrap_or_default();
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

fn table_push(table: &Table, bytes: &[u8], out: &mut String) {
    // The table is text, so that it can be read; 128 characters are found again in one pass.
    let mut high = ['\u{fffd}'; 128];
    for (slot, c) in high.iter_mut().zip(table.high.chars()) {
        *slot = c;
    }
    for &b in bytes {
        out.push(match b {
            0x80.. => high[usize::from(b - 0x80)],
            _ => table.low.iter().find(|(low, _)| *low == b).map_or(b as char, |&(_, c)| c),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(name: &str, bytes: &[u8]) -> String {
        lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is unknown")).decode(bytes)
    }

    #[test]
    fn cases() {
        for (name, bytes, text) in [
            ("us-ascii", &b"gr\xc3\xbc\xc3\x9fe"[..], "grüße"),
            ("US-ASCII", b"gr\xfc\xdfe \xc3\xbc", "grüße Ã¼"),
            ("utf-8", b"\xef\xbb\xbfa\xffb", "a\u{fffd}b"),
            ("ISO-8859-1", b"\x80\xe9", "€é"),
            ("windows1251", b"\xcc\xe8\xf0", "Мир"),
            ("ibm437", b"\x81\xe1", "üß"),
            ("IBM850", b"\x81\xe1", "üß"),
            ("cp-852", b"\x88", "ł"),
            ("utf-7", b"Hi +Jjo-!+- +ZeVnLIqe-", "Hi ☺!+ 日本語"),
            ("utf-7", b"+2D3cAA a+AGE", "\u{1f400} aa"),
            ("utf-16", b"\xff\xfea\0", "a"),
            ("utf-16", b"\0a\xd8\x3d\xdc\0", "a\u{1f400}"),
            ("utf-32", b"\0\0\0a\0\x01\xf4\0", "a\u{1f400}"),
            ("utf-32le", b"a\0\0\0\0\xd8\0\0x", "a\u{fffd}\u{fffd}"),
            ("iso-2022-kr", b"\x1b$)C\x0e<-?o\x0f ok", "서울 ok"),
            ("iso-2022-cn", b"\x1b$)A\x0e\x3d\x3b\x3b\x3b\x0f", "交换"),
            ("iso-2022-jp-2", b"\x1b$B#A\x1b$A=;\x1b(B \x1b.A\x1bNi", "Ａ交 é"),
            ("hz-gb-2312", b"a~~ ~{<:Ky2;S{~} b", "a~ 己所不欲 b"),
            ("johab", b"\xac\xe1\xb6\x89\xb5b \xf7\xd3\xf1\xae \x88A\x84a \xde\xc1", "서울역 漢字 ㄱㅏ Я"),
            ("viscii", b"\x02\xe9", "Ẳé"),
            ("koi8-t", b"\xf2", "Р"),
            ("macintosh", b"\x8e", "é"),
            ("iso-2022-jp", b"\x1b$B2q5D\x1b(B", "会議"),
        ] {
            assert_eq!(decode(name, bytes), text, "{name}");
            let mut out = String::new();
            let mut decoder = lookup(name.as_bytes()).unwrap().decoder();
            for b in bytes {
                decoder.push(&[*b], &mut out);
            }
            decoder.finish(&mut out);
            assert_eq!(out, text, "{name} octet by octet");
        }
        assert!(lookup(b"x-unknown").is_none());
        assert!(lookup(b"").is_none());
        assert_eq!(lookup(b"utf-8").unwrap().decode_strict(b"\xff"), None);
        assert_eq!(lookup(b"us-ascii").unwrap().decode_strict(b"\xc3\xbc"), None);
    }
}
