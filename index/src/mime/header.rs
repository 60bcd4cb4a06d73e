//! The header splitter: fields with their raw offsets, unfolding, broken lines.
//!
//! Lines end with LF; a CR before it belongs to the line end, a CR elsewhere is an ordinary octet. The header ends at the
//! first empty line, which is part of it, or with the message. A line without a field name is a field with an empty
//! name. White space at the start of a line continues the field before it.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr;

/// One header field. Ranges are offsets in the bytes that were split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As written, without white space before the colon; empty for a line that has no field name.
    pub name: &'a [u8],
    /// Everything behind the colon up to the line end, folding included, white space at both ends aside. For a line
    /// without a field name the whole line.
    pub value: &'a [u8],
    /// The whole field with its line ends.
    pub range: Range<usize>,
}

impl<'a> Field<'a> {
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value with its line ends removed (RFC 5322 2.2.3).
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        unfold(self.value)
    }
}

/// Octets of the header of `message`, with the empty line that ends it.
pub fn header_end(message: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = message.get(at..).unwrap_or_default();
        if rest.starts_with(b"\n") {
            return at + 1;
        }
        if rest.starts_with(b"\r\n") {
            return at + 2;
        }
        match memchr(b'\n', rest) {
            Some(n) => at += n + 1,
            None => return message.len(),
        }
    }
}

/// The fields of a header (or of a message: it stops at the empty line).
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { header, at: 0 }
}

/// Iterator of [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    header: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Where the next field is, which is not looked at.
    pub(super) fn next_range(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self.header.get(start..)?;
        if rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            return None;
        }
        let mut end = 0;
        loop {
            match memchr(b'\n', &rest[end..]) {
                Some(n) => end += n + 1,
                None => end = rest.len(),
            }
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        self.at = start + end;
        Some(start..start + end)
    }

    /// The field in a range of [`Fields::next_range`].
    pub(super) fn field(&self, range: Range<usize>) -> Field<'a> {
        let whole = &self.header[range.clone()];
        let (name, value) = split(whole).unwrap_or((b"", whole));
        Field { name, value: trim(value), range }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let range = self.next_range()?;
        Some(self.field(range))
    }
}

/// Name and value if the line begins with `name:` (white space before the colon is tolerated, RFC 5322 4.5).
fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', field)?;
    let name = field[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then(|| (name, &field[colon + 1..]))
}

/// Without blanks and line ends at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Removes line ends (RFC 5322 2.2.3); the white space behind them stays.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&b| b == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    // The last line of a value has no line end, but it may end in a CR of its own.
    if value.ends_with(b"\r") {
        out.push(b'\r');
    }
    Cow::Owned(out)
}

/// `BODY[HEADER.FIELDS (names)]` or, with `not`, `BODY[HEADER.FIELDS.NOT (names)]`: the chosen fields byte for byte and
/// the empty line (RFC 3501 6.4.5).
pub fn select(header: &[u8], names: &[impl AsRef<[u8]>], not: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields(header) {
        if names.iter().any(|name| field.is(name.as_ref())) != not {
            out.extend_from_slice(&header[field.range]);
        }
    }
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_all(header: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields(header.as_bytes()).map(|f| (text(f.name), text(&f.unfolded()))).collect()
    }

    #[test]
    fn cases() {
        for (header, expected) in [
            ("", &[][..]),
            ("\r\nA: b\r\n", &[]),
            ("A: b\r\n\r\nB: c", &[("A", "b")]),
            ("A: b\nB:c", &[("A", "b"), ("B", "c")]),
            ("A : b\r\n\tc  \r\n d\r\n", &[("A", "b\tc   d")]),
            ("A:\r\n b\r\n", &[("A", "b")]),
            (
                "From x@y Mon Jan  1 00:00:00 2001\nA: b\n",
                &[("", "From x@y Mon Jan  1 00:00:00 2001"), ("A", "b")],
            ),
            ("no colon\r\nA: b\r\n", &[("", "no colon"), ("A", "b")]),
            (" lead\r\nA: b\r\n", &[("", "lead"), ("A", "b")]),
            (": x\r\n", &[("", ": x")]),
            ("A: b\rc\r\n", &[("A", "b\rc")]),
        ] {
            let expected: Vec<_> = expected.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(split_all(header), expected, "{header:?}");
        }
    }

    #[test]
    fn ends() {
        for (message, end) in [
            ("", 0),
            ("\n", 1),
            ("\r\nx", 2),
            ("A: b\r\n\r\nx", 8),
            ("A: b\n\nx", 6),
            ("A: b\r\n", 6),
            ("a\n\r\nb", 4),
        ] {
            assert_eq!(header_end(message.as_bytes()), end, "{message:?}");
        }
    }

    #[test]
    fn selection_keeps_bytes() {
        let header = b"A: 1\r\n x\r\nbroken\r\nB:2\r\na:3\r\n\r\n";
        assert_eq!(select(header, &["a"], false), b"A: 1\r\n x\r\na:3\r\n\r\n");
        assert_eq!(select(header, &["a"], true), b"broken\r\nB:2\r\n\r\n");
        assert_eq!(select(header, &["zz"], false), b"\r\n");
        assert_eq!(select(b"A: 1", &["a"], false), b"A: 1\r\n\r\n");
    }
}
