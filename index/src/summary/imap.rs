//! IMAP data items as octets: strings that are valid for rev1 and rev2 alike, under a budget.
//!
//! A string of printable ASCII without `"` and `\` is quoted; every other is a literal of the octets as they are, because
//! raw 8-bit header text has no other form that both RFC 3501 (quoted strings are 7-bit) and RFC 9051 (quoted strings are
//! UTF-8) allow. NUL, which no literal may hold, is shown as 0x80, as in BODY[].

use crate::limits::{SUMMARY_ITEM_BYTES_MAX, SUMMARY_STRING_BYTES_MAX};

/// Writes one data item.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub out: Vec<u8>,
}

impl Writer {
    pub fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub fn number(&mut self, n: usize) {
        // RFC 3501 numbers have 32 bits.
        self.raw(&n.min(u32::MAX as usize).to_string());
    }

    /// Whether optional parts should be left out from here on.
    pub fn is_full(&self) -> bool {
        self.out.len() >= SUMMARY_ITEM_BYTES_MAX
    }

    pub fn nil(&mut self) {
        self.raw("NIL");
    }

    /// An nstring: `None`, and every string once the budget is spent, is NIL.
    pub fn nstring(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) if !self.is_full() => self.string(text),
            _ => self.nil(),
        }
    }

    /// A string; empty once the budget is spent.
    pub fn string(&mut self, text: &[u8]) {
        let text = if self.is_full() { b"" } else { &text[..text.len().min(SUMMARY_STRING_BYTES_MAX)] };
        let plain = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
        if text.iter().all(plain) {
            self.out.push(b'"');
            self.out.extend_from_slice(text);
            self.out.push(b'"');
        } else {
            self.raw(&format!("{{{}}}\r\n", text.len()));
            self.out.extend(text.iter().map(|&b| if b == 0 { 0x80 } else { b }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        for (text, expected) in [
            (&b""[..], &b"\"\""[..]),
            (b"a b", b"\"a b\""),
            (b"a\"b", b"{3}\r\na\"b"),
            (b"a\\", b"{2}\r\na\\"),
            (b"\xc3\xbc", b"{2}\r\n\xc3\xbc"),
            (b"a\0\r\n", b"{4}\r\na\x80\r\n"),
            (b"\t", b"{1}\r\n\t"),
        ] {
            let mut writer = Writer::default();
            writer.string(text);
            assert_eq!(writer.out, expected);
        }
        let mut writer = Writer::default();
        writer.nstring(None);
        assert_eq!(writer.out, b"NIL");
    }
}
