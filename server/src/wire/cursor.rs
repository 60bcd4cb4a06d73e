//! The terminals of the grammar (RFC 9051 9): atoms, numbers, strings, lists of words; a cursor over one command.
//!
//! The command is the bytes that the fragmenter handed over: literals stand in it as they came (`{5}\r\nhello`),
//! the final line end is gone. Nothing here allocates more than the command's own size, nothing recurses.

use std::num::NonZeroU32;

use super::name::MailboxName;

/// Why a command is not one; `reason` completes the tagged BAD and contains only printable US-ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    pub reason: &'static str,
}

pub type Parsed<T> = Result<T, SyntaxError>;

pub const fn bad<T>(reason: &'static str) -> Parsed<T> {
    Err(SyntaxError { reason })
}

/// ATOM-CHAR: any CHAR except `( ) {`, SP, CTL, list-wildcards, quoted-specials, resp-specials.
pub fn is_atom_char(b: u8) -> bool {
    matches!(b, 0x21..=0x7e) && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// ASTRING-CHAR: ATOM-CHAR or `]`.
pub fn is_astring_char(b: u8) -> bool {
    is_atom_char(b) || b == b']'
}

/// list-char: ATOM-CHAR, wildcards or `]`.
pub fn is_list_char(b: u8) -> bool {
    is_astring_char(b) || matches!(b, b'%' | b'*')
}

#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes `byte` if it is next.
    pub fn take(&mut self, byte: u8) -> bool {
        let Some((&first, rest)) = self.rest.split_first() else { return false };
        if first != byte {
            return false;
        }
        self.rest = rest;
        true
    }

    pub fn expect(&mut self, byte: u8, reason: &'static str) -> Parsed<()> {
        if self.take(byte) { Ok(()) } else { bad(reason) }
    }

    pub fn space(&mut self) -> Parsed<()> {
        if self.take(b' ') {
            return Ok(());
        }
        if self.at_end() {
            bad("Arguments are missing")
        } else {
            bad("A space was expected between arguments")
        }
    }

    pub fn end(&self) -> Parsed<()> {
        if self.at_end() { Ok(()) } else { bad("Something follows the end of the command") }
    }

    /// The longest run of bytes that `accept` takes; may be empty.
    pub fn run(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let n = self.rest.iter().position(|&b| !accept(b)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(n);
        self.rest = rest;
        run
    }

    /// `atom = 1*ATOM-CHAR`
    pub fn atom(&mut self) -> Parsed<&'a str> {
        let run = self.run(is_atom_char);
        if run.is_empty() {
            return bad("A word was expected");
        }
        // ATOM-CHAR is printable US-ASCII.
        std::str::from_utf8(run).or(bad("A word was expected"))
    }

    /// An atom in upper case, for keywords of the grammar (which are not case-sensitive).
    pub fn keyword(&mut self) -> Parsed<String> {
        self.atom().map(str::to_ascii_uppercase)
    }

    /// Takes `word` (upper-case letters, digits, `.`, `-`) in any case when it is next and not the start of a longer word.
    pub fn take_word(&mut self, word: &str) -> bool {
        let Some(head) = self.rest.get(..word.len()) else { return false };
        let longer = self.rest.get(word.len()).is_some_and(|&b| b.is_ascii_alphanumeric());
        if longer || !head.eq_ignore_ascii_case(word.as_bytes()) {
            return false;
        }
        self.rest = &self.rest[word.len()..];
        true
    }

    /// `number64 = 1*DIGIT`, at most 2^63 - 1 (RFC 9051 9).
    pub fn number64(&mut self) -> Parsed<u64> {
        let digits = self.run(|b| b.is_ascii_digit());
        if digits.is_empty() {
            return bad("A number was expected");
        }
        let mut n: u64 = 0;
        for d in digits {
            let next = n.checked_mul(10).and_then(|n| n.checked_add(u64::from(d - b'0')));
            match next {
                Some(next) if next <= i64::MAX as u64 => n = next,
                _ => return bad("A number is too large"),
            }
        }
        Ok(n)
    }

    /// `number = 1*DIGIT`, an unsigned 32-bit integer.
    pub fn number(&mut self) -> Parsed<u32> {
        match u32::try_from(self.number64()?) {
            Ok(n) => Ok(n),
            Err(_) => bad("A number is too large"),
        }
    }

    /// `nz-number = digit-nz *DIGIT`
    pub fn nz_number(&mut self) -> Parsed<NonZeroU32> {
        if self.peek() == Some(b'0') {
            return bad("A number must not be zero or begin with zero");
        }
        match NonZeroU32::new(self.number()?) {
            Some(n) => Ok(n),
            None => bad("A number must not be zero"),
        }
    }

    /// `string = quoted / literal`
    pub fn string(&mut self) -> Parsed<Vec<u8>> {
        match self.rest {
            [b'"', ..] => self.quoted(),
            [b'{', ..] => self.literal(),
            [b'~', b'{', ..] => bad("A binary literal is not allowed here"),
            _ => bad("A string was expected"),
        }
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`. Bytes above 0x7f are taken as they come: RFC 9051 wants UTF-8 there, SEARCH of
    /// rev1 clients sends its charset; who uses the string checks it.
    pub fn quoted(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"', "A quoted string was expected")?;
        let mut out = Vec::new();
        loop {
            out.extend_from_slice(self.run(|b| !matches!(b, b'"' | b'\\' | 0 | b'\r' | b'\n')));
            if self.take(b'"') {
                return Ok(out);
            }
            if !self.take(b'\\') {
                return bad("A quoted string has no end or holds NUL, CR or LF");
            }
            match self.peek() {
                Some(b @ (b'"' | b'\\')) => {
                    out.push(b);
                    self.rest = &self.rest[1..];
                }
                _ => return bad("A backslash in a quoted string must precede \" or \\"),
            }
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`
    fn literal(&mut self) -> Parsed<Vec<u8>> {
        let bytes = self.any_literal()?;
        if bytes.contains(&0) { bad("NUL is not allowed in a literal") } else { Ok(bytes) }
    }

    /// `literal8 = "~{" number64 ["+"] "}" CRLF *OCTET` (RFC 9051 9)
    pub fn literal8(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'~', "A binary literal was expected")?;
        self.any_literal()
    }

    fn any_literal(&mut self) -> Parsed<Vec<u8>> {
        const REASON: &str = "A literal is malformed";
        self.expect(b'{', REASON)?;
        let size = self.number64()?;
        self.take(b'+');
        self.expect(b'}', REASON)?;
        self.take(b'\r');
        self.expect(b'\n', REASON)?;
        let Some((bytes, rest)) = usize::try_from(size).ok().and_then(|n| self.rest.split_at_checked(n))
        else {
            return bad(REASON);
        };
        self.rest = rest;
        Ok(bytes.to_vec())
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub fn astring(&mut self) -> Parsed<Vec<u8>> {
        match self.rest {
            [b'"' | b'{', ..] | [b'~', b'{', ..] => self.string(),
            _ => {
                let run = self.run(is_astring_char);
                if run.is_empty() { bad("A word or string was expected") } else { Ok(run.to_vec()) }
            }
        }
    }

    /// `nstring = string / nil`
    pub fn nstring(&mut self) -> Parsed<Option<Vec<u8>>> {
        if self.take_word("NIL") { Ok(None) } else { self.string().map(Some) }
    }

    /// `mailbox = "INBOX" / astring`
    pub fn mailbox(&mut self) -> Parsed<MailboxName> {
        self.astring().map(MailboxName::new)
    }

    /// `list-mailbox = 1*list-char / string`
    pub fn list_mailbox(&mut self) -> Parsed<MailboxName> {
        match self.rest {
            [b'"' | b'{', ..] | [b'~', b'{', ..] => self.string().map(MailboxName::new),
            _ => {
                let run = self.run(is_list_char);
                if run.is_empty() {
                    bad("A mailbox pattern was expected")
                } else {
                    Ok(MailboxName::new(run.to_vec()))
                }
            }
        }
    }

    /// `"(" [item *(SP item)] ")"`, at most `count_max` items.
    pub fn list<T>(
        &mut self,
        count_max: usize,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "An opening parenthesis was expected")?;
        let mut out = Vec::new();
        if self.take(b')') {
            return Ok(out);
        }
        loop {
            if out.len() == count_max {
                return bad("A list is too long");
            }
            out.push(item(self)?);
            if self.take(b')') {
                return Ok(out);
            }
            self.expect(b' ', "A list needs a space or a closing parenthesis here")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let good: &[(&[u8], &[u8], &[u8])] = &[
            (b"abc rest", b"abc", b" rest"),
            (b"a]b)", b"a]b", b")"),
            (b"~a/b c", b"~a/b", b" c"),
            (b"~", b"~", b""),
            (b"\"a b\\\"\\\\\" x", b"a b\"\\", b" x"),
            (b"\"\"", b"", b""),
            (b"{3}\r\na\r\nz", b"a\r\n", b"z"),
            (b"{0+}\r\n", b"", b""),
            (b"{1}\n((", b"(", b"("),
            ("\"é\"".as_bytes(), "é".as_bytes(), b""),
        ];
        for &(input, want, rest) in good {
            let mut c = Cursor::new(input);
            assert_eq!(c.astring().as_deref(), Ok(want), "{:?}", input.escape_ascii().to_string());
            assert_eq!(c.rest(), rest);
        }
        let wrong: &[&[u8]] = &[
            b"",
            b" a",
            b"\"a",
            b"\"a\\n\"",
            b"\"a\rb\"",
            b"{4}\r\nabc",
            b"{1}\r\n\0",
            b"{}\r\n",
            b"~{1}\r\na",
            b"{99999999999999999999}\r\n",
        ];
        for input in wrong {
            assert!(Cursor::new(input).astring().is_err(), "{:?}", input.escape_ascii().to_string());
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(Cursor::new(b"4294967295").number(), Ok(u32::MAX));
        assert!(Cursor::new(b"4294967296").number().is_err());
        assert_eq!(Cursor::new(b"9223372036854775807").number64(), Ok(i64::MAX as u64));
        assert!(Cursor::new(b"9223372036854775808").number64().is_err());
        assert!(Cursor::new(b"0").nz_number().is_err());
        assert!(Cursor::new(b"01").nz_number().is_err());
        assert!(Cursor::new(b"-1").number().is_err());
    }

    #[test]
    fn words_end_where_they_end() {
        assert!(Cursor::new(b"nil)").take_word("NIL"));
        assert!(!Cursor::new(b"NILS").take_word("NIL"));
        assert!(!Cursor::new(b"NI").take_word("NIL"));
    }
}
