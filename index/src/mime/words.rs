//! RFC 2047 encoded-words and raw 8-bit text of header fields.
//!
//! Encoded-words are decoded wherever they stand, also where RFC 2047 5 does not allow them and mailers write them all
//! the same (in quoted strings, next to other text, with spaces inside). White space between two of them is dropped;
//! neighbours of one charset are joined before decoding, because a character may be cut between them. Other octets are
//! read as UTF-8 if they are valid UTF-8 all together, else as windows-1252.

use std::borrow::Cow;

use memchr::memmem;

use super::charset::{self, Charset};
use super::transfer::{self, Encoding};
use crate::limits::FIELD_BYTES_MAX;

/// The text of an unfolded value; one longer than [`FIELD_BYTES_MAX`] is read as it stands.
pub fn decode(value: &[u8]) -> Cow<'_, str> {
    if value.len() > FIELD_BYTES_MAX {
        return plain(value);
    }
    let mut words = Words { value, at: 0 };
    let Some(first) = words.next() else { return plain(value) };
    let mut out = String::with_capacity(value.len());
    let raw = RawText::of(value);
    let mut end = 0;
    let mut joined: Option<(Charset, Vec<u8>)> = None;
    for word in std::iter::once(first).chain(words) {
        let between = &value[end..word.start];
        let adjacent = joined.is_some() && between.iter().all(u8::is_ascii_whitespace);
        let join = adjacent && joined.as_ref().is_some_and(|(charset, _)| charset.same(word.charset));
        if !join {
            if let Some((charset, bytes)) = joined.take() {
                out.push_str(&charset.decode(&bytes));
            }
            if !adjacent {
                raw.push(between, &mut out);
            }
        }
        match &mut joined {
            Some((_, bytes)) => bytes.extend_from_slice(&word.bytes),
            None => joined = Some((word.charset, word.bytes)),
        }
        end = word.end;
    }
    if let Some((charset, bytes)) = joined {
        out.push_str(&charset.decode(&bytes));
    }
    raw.push(&value[end..], &mut out);
    Cow::Owned(out)
}

/// Raw text of a header field: UTF-8 if it is, else windows-1252.
pub fn plain(value: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(value).0,
    }
}

/// How the raw octets of one field are read: decided once for the whole field.
enum RawText {
    Utf8,
    Windows1252,
}

impl RawText {
    fn of(value: &[u8]) -> RawText {
        if std::str::from_utf8(value).is_ok() { RawText::Utf8 } else { RawText::Windows1252 }
    }

    fn push(&self, bytes: &[u8], out: &mut String) {
        match self {
            RawText::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            RawText::Windows1252 => {
                out.push_str(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0)
            }
        }
    }
}

struct Word {
    start: usize,
    end: usize,
    charset: Charset,
    bytes: Vec<u8>,
}

struct Words<'a> {
    value: &'a [u8],
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        loop {
            let rest = self.value.get(self.at..)?;
            let start = self.at + memmem::find(rest, b"=?")?;
            self.at = start + 2;
            let Some((charset, encoding, text)) = prefix(self.value, start + 2) else { continue };
            // Without a terminator ahead there is none for any later word either.
            let Some(length) = memmem::find(self.value.get(text..)?, b"?=") else {
                self.at = self.value.len();
                return None;
            };
            let encoded = &self.value[text..text + length];
            self.at = text + length + 2;
            let bytes = match encoding {
                b'b' | b'B' => transfer::decode(encoded, Encoding::Base64),
                _ => q(encoded),
            };
            return Some(Word { start, end: self.at, charset, bytes });
        }
    }
}

/// `charset ["*" language] "?" encoding "?"` at `at`: the charset, B or Q, and where the text begins.
fn prefix(value: &[u8], at: usize) -> Option<(Charset, u8, usize)> {
    let rest = value.get(at..)?;
    let length = rest.iter().take(CHARSET_NAME_BYTES_MAX).position(|&b| b == b'?' || b <= b' ')?;
    let [b'?', encoding @ (b'B' | b'b' | b'Q' | b'q'), b'?', ..] = rest[length..] else { return None };
    let name = rest[..length].split(|&b| b == b'*').next().unwrap_or_default();
    if name.is_empty() {
        return None;
    }
    Some((charset::lookup(name).unwrap_or(Charset::GUESS), encoding, at + length + 3))
}

/// A charset with a language is never longer.
const CHARSET_NAME_BYTES_MAX: usize = 80;

fn q(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    while let [b, tail @ ..] = rest {
        rest = tail;
        match (b, tail) {
            (b'_', _) => out.push(b' '),
            (b'=', [h, l, after @ ..]) => match (hex(*h), hex(*l)) {
                (Some(h), Some(l)) => {
                    out.push(h << 4 | l);
                    rest = after;
                }
                _ => out.push(b'='),
            },
            _ => out.push(*b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (value, text) in [
            (&b"plain"[..], "plain"),
            (b"gr\xc3\xbc\xc3\x9fe", "grüße"),
            (b"gr\xfc\xdfe", "grüße"),
            (b"=?utf-8?q?gr=C3=BC=C3=9Fe?=", "grüße"),
            (b"a =?iso-8859-1?Q?=E9_x?= b", "a é x b"),
            (b"=?utf-8?B?w7w=?= \t =?utf-8?q?x?=", "üx"),
            (b"=?utf-8?B?wz==?= =?utf-8?B?vA==?=", "ü"),
            (b"=?UTF-8?q?=C3?==?utf-8?q?=BC?=", "ü"),
            (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            (b"=?utf-8*en?q?a?=", "a"),
            (b"=?utf-8?q?with space?=", "with space"),
            (b"=?x-none?q?=C3=BC?=", "ü"),
            (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
            (b"=?utf-8?q?open", "=?utf-8?q?open"),
            (b"=?utf-8?q?=zz=4?=", "=zz=4"),
            (b"=?utf-8?q?=FF?=", "\u{fffd}"),
            (b"\"=?utf-8?q?in_quotes?=\"", "\"in quotes\""),
            (b"=?iso-2022-jp?B?GyRCMnE=?= =?iso-2022-jp?B?GyRCNUQ=?=", "会議"),
            (b"=??q?a?=", "=??q?a?="),
            (b"=?utf-8?q??=x", "x"),
            (b"\xe9 =?utf-8?q?=C3=BC?=", "é ü"),
        ] {
            assert_eq!(decode(value), text, "{:?}", String::from_utf8_lossy(value));
        }
    }
}
