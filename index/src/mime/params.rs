//! Content-Type and Content-Disposition values: the token and its parameters, with RFC 2231 continuations and charsets.
//!
//! A parameter that cannot be read is skipped; of two with one name the first counts. RFC 2231 pieces are put together by
//! their numbers, in whatever order they stand, as far as there is no gap.

use std::borrow::Cow;
use std::ops::Range;

use super::charset::{self, Charset};
use super::words;
use crate::limits::{FIELD_BYTES_MAX, PARAMETERS_MAX};

/// One parameter as it stands in the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// As written, in front of `=`, with `*` and numbers.
    pub name: Vec<u8>,
    /// Without quotes and backslashes.
    pub value: Vec<u8>,
    /// Where it stands in the value of the field, from the `;` in front of it.
    pub range: Range<usize>,
}

/// A parameter after RFC 2231: name in lower case, text decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub text: String,
    /// Index among the raw parameters of the first piece.
    pub first: usize,
    /// It was written in one piece and plainly.
    pub plain: bool,
}

/// The part in front of the first `;` (comments dropped, blanks trimmed) and the parameters.
pub fn split(value: &[u8]) -> (Vec<u8>, Vec<Raw>) {
    let value = &value[..value.len().min(FIELD_BYTES_MAX)];
    let mut scanner = Scanner { bytes: value, at: 0 };
    let token = header_token(&mut scanner);
    let mut raws = Vec::new();
    while raws.len() < PARAMETERS_MAX && scanner.peek().is_some() {
        if let Some(raw) = parameter(&mut scanner) {
            raws.push(raw);
        }
    }
    (token, raws)
}

/// Parameters with RFC 2231 undone.
pub fn decode(raws: &[Raw]) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::new();
    for (first, raw) in raws.iter().enumerate() {
        let (base, _, _) = section(&raw.name);
        let name = String::from_utf8_lossy(base).to_ascii_lowercase();
        if out.iter().any(|known| known.name == name) {
            continue;
        }
        let plain = !raw.name.contains(&b'*');
        let text = if plain { words::decode(&raw.value).into_owned() } else { extended(raws, base) };
        out.push(Parameter { name, text, first, plain });
    }
    out
}

/// The text of a parameter by name (lower case).
pub fn get<'a>(parameters: &'a [Parameter], name: &str) -> Option<&'a str> {
    parameters.iter().find(|p| p.name == name).map(|p| p.text.as_str())
}

/// `name*2*` is ("name", Some(2), true).
fn section(name: &[u8]) -> (&[u8], Option<u32>, bool) {
    let (name, encoded) = match name {
        [rest @ .., b'*'] => (rest, true),
        _ => (name, false),
    };
    let star = name.iter().position(|&b| b == b'*');
    let Some(star) = star else { return (name, None, encoded) };
    let number = std::str::from_utf8(&name[star + 1..]).ok().and_then(|n| n.parse().ok());
    (&name[..star], number, encoded)
}

fn extended(raws: &[Raw], base: &[u8]) -> String {
    let mut pieces: Vec<(u32, bool, &[u8])> = raws
        .iter()
        .filter_map(|raw| {
            let (name, number, encoded) = section(&raw.name);
            (name.eq_ignore_ascii_case(base) && raw.name.contains(&b'*')).then_some((
                number.unwrap_or(0),
                encoded,
                raw.value.as_slice(),
            ))
        })
        .collect();
    pieces.sort_by_key(|&(number, _, _)| number);
    pieces.dedup_by_key(|&mut (number, _, _)| number);
    let mut charset = Charset::GUESS;
    let mut bytes = Vec::new();
    for (expected, &(number, encoded, value)) in (0u32..).zip(&pieces) {
        if number != expected {
            break;
        }
        let mut value = value;
        if encoded && number == 0 {
            // charset'language'text
            let mut parts = value.splitn(3, |&b| b == b'\'');
            if let (Some(name), Some(_), Some(text)) = (parts.next(), parts.next(), parts.next()) {
                charset = charset::lookup(name).unwrap_or(Charset::GUESS);
                value = text;
            }
        }
        if encoded {
            percent(value, &mut bytes);
        } else {
            bytes.extend_from_slice(value);
        }
    }
    charset.decode(&bytes)
}

fn percent(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let [b, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [h, l, after @ ..]) = (b, tail)
            && let (Some(h), Some(l)) = ((*h as char).to_digit(16), (*l as char).to_digit(16))
        {
            out.push((h << 4 | l) as u8);
            rest = after;
            continue;
        }
        out.push(*b);
    }
}

/// The searchable text of a field with parameters: as written, encoded-words decoded; a parameter in RFC 2231 form
/// stands as `name="text"` where its first piece stood.
pub fn field_text(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'*') {
        return words::decode(value);
    }
    let (_, raws) = split(value);
    let parameters = decode(&raws);
    if parameters.iter().all(|p| p.plain) {
        return words::decode(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut end = 0;
    for (index, raw) in raws.iter().enumerate() {
        if !raw.name.contains(&b'*') {
            continue;
        }
        out.extend_from_slice(words::decode(&value[end..raw.range.start]).as_bytes());
        end = raw.range.end;
        if let Some(p) = parameters.iter().find(|p| p.first == index) {
            out.extend_from_slice(format!("; {}=\"{}\"", p.name, p.text).as_bytes());
        }
    }
    out.extend_from_slice(words::decode(&value[end..]).as_bytes());
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

pub(super) struct Scanner<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Scanner<'_> {
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn next(&mut self) -> Option<u8> {
        let b = self.peek()?;
        self.at += 1;
        Some(b)
    }

    /// Skips white space and comments (nested ones too; an unclosed one reaches to the end).
    pub fn skip_blanks(&mut self) {
        while let Some(b) = self.peek() {
            match b {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => self.comment(),
                _ => return,
            }
        }
    }

    fn comment(&mut self) {
        let mut depth = 0usize;
        while let Some(b) = self.next() {
            match b {
                b'\\' => _ = self.next(),
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {}
            }
        }
    }

    /// The content of a quoted string whose opening quote is next; an unclosed one reaches to the end.
    pub fn quoted(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.at += 1;
        while let Some(b) = self.next() {
            match b {
                b'"' => break,
                b'\\' => out.extend(self.next()),
                _ => out.push(b),
            }
        }
        out
    }
}

/// A token in front of `;`, as in `text / plain (comment)`.
fn header_token(scanner: &mut Scanner<'_>) -> Vec<u8> {
    let mut token = Vec::new();
    loop {
        scanner.skip_blanks();
        match scanner.peek() {
            None | Some(b';') => return token,
            Some(b) => {
                token.push(b);
                scanner.at += 1;
            }
        }
    }
}

/// At a `;`: the parameter behind it, up to the next `;`.
fn parameter(scanner: &mut Scanner<'_>) -> Option<Raw> {
    let start = scanner.at;
    scanner.at += 1;
    scanner.skip_blanks();
    let mut name = Vec::new();
    while let Some(b) = scanner.peek() {
        match b {
            b'=' | b';' => break,
            b'(' | b' ' | b'\t' | b'\r' | b'\n' => scanner.skip_blanks(),
            _ => {
                name.push(b);
                scanner.at += 1;
            }
        }
    }
    if scanner.peek() != Some(b'=') {
        return None;
    }
    scanner.at += 1;
    scanner.skip_blanks();
    let mut value = Vec::new();
    if scanner.peek() == Some(b'"') {
        value = scanner.quoted();
        let end = scanner.at;
        // Whatever stands between the closing quote and the next `;` is broken and skipped.
        while scanner.peek().is_some_and(|b| b != b';') {
            scanner.at += 1;
        }
        return (!name.is_empty()).then_some(Raw { name, value, range: start..end });
    }
    while let Some(b) = scanner.peek() {
        if matches!(b, b';') {
            break;
        }
        value.push(b);
        scanner.at += 1;
    }
    let kept = value.trim_ascii_end().len();
    let end = scanner.at - (value.len() - kept);
    value.truncate(kept);
    // An unquoted value with white space inside is broken but common; a comment behind it is not part of it.
    if let Some(open) = value.windows(2).position(|w| w[0].is_ascii_whitespace() && w[1] == b'(') {
        value.truncate(open);
        value.truncate(value.trim_ascii_end().len());
    }
    (!name.is_empty()).then_some(Raw { name, value, range: start..end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (value, token, parameters) in [
            ("text/plain", "text/plain", &[][..]),
            ("text / plain (c) ; Charset = \"a\\\"b\" (c)", "text/plain", &[("charset", "a\"b")]),
            ("a/b; x=1;; y = two words ; z", "a/b", &[("x", "1"), ("y", "two words")]),
            ("a/b; n*0*=utf-8''%E2%82%AC%20; n*1=lo; n*2*=ng%2Etxt", "a/b", &[("n", "€ long.txt")]),
            ("attachment; f*1=b.txt; f*0=a", "attachment", &[("f", "ab.txt")]),
            ("a/b; n*=iso-8859-1'en'%e9", "a/b", &[("n", "é")]),
            ("a/b; n*0=a; n*2=c", "a/b", &[("n", "a")]),
            ("a/b; n=\"=?utf-8?q?=C3=BC?=\"", "a/b", &[("n", "ü")]),
            ("a/b; n=\"open", "a/b", &[("n", "open")]),
            ("a/b; n=1; N=2", "a/b", &[("n", "1")]),
            ("", "", &[]),
            (";x=y", "", &[("x", "y")]),
        ] {
            let (found, raws) = split(value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), token, "{value:?}");
            let found = decode(&raws);
            let found: Vec<_> = found.iter().map(|p| (p.name.as_str(), p.text.as_str())).collect();
            assert_eq!(found, parameters, "{value:?}");
        }
    }

    #[test]
    fn texts() {
        for (value, text) in [
            ("a/b; x=\"1*2\"", "a/b; x=\"1*2\""),
            ("a/b; n*0*=utf-8''%E2%82%AC; y=1; n*1=z", "a/b; n=\"€z\"; y=1"),
            ("a/b; f*1=b.txt; f*0=a", "a/b; f=\"ab.txt\""),
        ] {
            assert_eq!(field_text(value.as_bytes()), text);
        }
    }
}
