//! Bytes from a server to complete response lines, literals included.
//!
//! A line is complete when it ends in CRLF that is not inside a literal and announces none. What is handed on is the whole
//! line with its literals as they came, without the last CRLF. Bytes that are searched once are not searched again, so that a
//! literal of 100 MB costs one pass.

use crate::limits::{LINE_BYTES_MAX, READ_BYTES};

/// A buffer with a cursor. Reading a line never copies.
#[derive(Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// Start of what is not handed on yet.
    start: usize,
    /// End of what was received.
    end: usize,
    /// Where the search for the end of the line goes on; within or behind a literal.
    at: usize,
}

/// More octets in one line than [`LINE_BYTES_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Reader {
    /// Room for at least [`READ_BYTES`], and for the rest of a literal that is under way.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.at -= self.start;
            (self.start, self.end) = (0, 0);
        }
        let want = READ_BYTES.max(self.at.saturating_sub(self.end).min(4 << 20));
        if self.bytes.len() - self.end < want {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.at -= self.start;
                self.start = 0;
            }
            if self.bytes.len() - self.end < want {
                let size = (self.end + want).max(self.bytes.len() * 3 / 2);
                self.bytes.resize(size, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// `count` octets were put into [`Reader::space`].
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// The next complete line.
    pub fn line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        loop {
            if self.at > self.end {
                return if self.at - self.start > LINE_BYTES_MAX { Err(TooLong) } else { Ok(None) };
            }
            let Some(newline) = memchr::memchr(b'\n', &self.bytes[self.at..self.end]) else {
                self.at = self.end;
                return if self.end - self.start > LINE_BYTES_MAX { Err(TooLong) } else { Ok(None) };
            };
            let next = self.at + newline + 1;
            // Looked at from the start of the line: digits of a literal may have come in an earlier piece.
            let line = &self.bytes[self.start..next];
            let text = line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
            let length = text.len();
            if let Some(size) = literal(text) {
                self.at = next.saturating_add(size);
                continue;
            }
            let from = self.start;
            self.start = next;
            self.at = next;
            return Ok(Some(&self.bytes[from..from + length]));
        }
    }

    /// Whether nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Gives memory back that a large answer needed.
    pub fn shrink(&mut self) {
        if self.is_empty() && self.bytes.len() > 4 * READ_BYTES {
            *self = Reader::default();
        }
    }
}

/// The size of the literal that a line ends with: `{12}`, `{12+}` or `~{12}` (RFC 9051 4.3, RFC 7888).
pub fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    let from = digits.len().saturating_sub(12);
    let open = digits[from..].iter().rposition(|&b| b == b'{')? + from;
    let digits = &digits[open + 1..];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of `bytes`, received `step` octets at a time.
    fn lines(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
        let (mut reader, mut found) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(step) {
            reader.space()[..piece.len()].copy_from_slice(piece);
            reader.filled(piece.len());
            while let Some(line) = reader.line().unwrap() {
                found.push(line.to_vec());
            }
        }
        assert!(reader.is_empty());
        found
    }

    #[test]
    fn lines_end_where_their_literals_do() {
        let bytes = b"* OK hi\r\n* 1 FETCH (BODY[] {7}\r\na\r\nb\r\n\n FLAGS ())\r\n* 2 FETCH (X {0}\r\n Y ~{2}\r\n\r\n)\r\na1 OK {x}\r\n";
        let expected: Vec<&[u8]> = vec![
            b"* OK hi",
            b"* 1 FETCH (BODY[] {7}\r\na\r\nb\r\n\n FLAGS ())",
            b"* 2 FETCH (X {0}\r\n Y ~{2}\r\n\r\n)",
            b"a1 OK {x}",
        ];
        for step in 1..=bytes.len() {
            assert_eq!(lines(bytes, step), expected, "{step} octets at a time");
        }
    }

    #[test]
    fn literals() {
        assert_eq!(literal(b"x {12}"), Some(12));
        assert_eq!(literal(b"x ~{3+}"), Some(3));
        assert_eq!(literal(b"{}"), None);
        assert_eq!(literal(b"{1 2}"), None);
        assert_eq!(literal(b"12}"), None);
    }
}
