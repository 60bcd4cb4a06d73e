//! Tokens of content streams (ISO 32000-1, 7.8.2) and of CMaps, which share a syntax. Never fails: what is no token is passed over.

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    Number(f64),
    /// Without the slash.
    Name(Vec<u8>),
    String(Vec<u8>),
    ArrayBegin,
    ArrayEnd,
    DictionaryBegin,
    DictionaryEnd,
    /// An operator, or any other word.
    Word(&'a [u8]),
}

/// See the module.
pub struct Lexer<'a> {
    rest: &'a [u8],
}

fn is_space(octet: u8) -> bool {
    matches!(octet, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn is_regular(octet: u8) -> bool {
    !is_space(octet) && !b"()<>[]{}/%".contains(&octet)
}

impl<'a> Lexer<'a> {
    pub fn new(octets: &'a [u8]) -> Lexer<'a> {
        Lexer { rest: octets }
    }

    /// Passes over the data of an image that stands in the stream: up to `EI` between white space.
    pub fn pass_image(&mut self) {
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&self.rest[from..], b"EI") {
            let at = from + at;
            let before = at.checked_sub(1).and_then(|before| self.rest.get(before));
            let after = self.rest.get(at + 2);
            if before.is_some_and(|&b| is_space(b)) && after.is_none_or(|&b| is_space(b)) {
                self.rest = &self.rest[at + 2..];
                return;
            }
            from = at + 2;
        }
        self.rest = &[];
    }

    fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&b| !is(b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A string in parentheses, of which the first is taken.
    fn literal(&mut self) -> Vec<u8> {
        let mut string = Vec::new();
        let mut depth = 1u32;
        while let Some((&octet, tail)) = self.rest.split_first() {
            self.rest = tail;
            match octet {
                b'(' => {
                    depth = depth.saturating_add(1);
                    string.push(octet);
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                    string.push(octet);
                }
                b'\\' => self.escape(&mut string),
                _ => string.push(octet),
            }
        }
        string
    }

    fn escape(&mut self, string: &mut Vec<u8>) {
        let Some((&octet, tail)) = self.rest.split_first() else { return };
        self.rest = tail;
        match octet {
            b'n' => string.push(b'\n'),
            b'r' => string.push(b'\r'),
            b't' => string.push(b'\t'),
            b'b' => string.push(8),
            b'f' => string.push(12),
            b'\r' => self.rest = self.rest.strip_prefix(b"\n").unwrap_or(self.rest),
            b'\n' => {}
            b'0'..=b'7' => {
                let mut value = u32::from(octet - b'0');
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', tail)) = self.rest.split_first() else { break };
                    value = value * 8 + u32::from(digit - b'0');
                    self.rest = tail;
                }
                string.push((value & 0xff) as u8);
            }
            other => string.push(other),
        }
    }

    /// A string in angle brackets, of which the first is taken.
    fn hexadecimal(&mut self) -> Vec<u8> {
        let digits = self.take_while(|b| b != b'>');
        self.rest = self.rest.get(1..).unwrap_or_default();
        let digits = digits.iter().filter_map(|&b| char::from(b).to_digit(16).map(|digit| digit as u8));
        let mut string = Vec::new();
        let mut high = None;
        for digit in digits {
            match high.take() {
                None => high = Some(digit << 4),
                Some(high) => string.push(high | digit),
            }
        }
        string.extend(high);
        string
    }

    fn name(&mut self) -> Vec<u8> {
        let written = self.take_while(is_regular);
        let mut name = Vec::with_capacity(written.len());
        let mut rest = written;
        while let Some((&octet, tail)) = rest.split_first() {
            rest = tail;
            let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            match (octet, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
                (b'#', Some(value)) => {
                    name.push(value);
                    rest = &rest[2..];
                }
                _ => name.push(octet),
            }
        }
        name
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (&octet, tail) = self.rest.split_first()?;
            match octet {
                _ if is_space(octet) => self.rest = tail,
                b'%' => {
                    self.take_while(|b| b != b'\n' && b != b'\r');
                }
                b'(' => {
                    self.rest = tail;
                    return Some(Token::String(self.literal()));
                }
                b'<' if tail.first() == Some(&b'<') => {
                    self.rest = &tail[1..];
                    return Some(Token::DictionaryBegin);
                }
                b'<' => {
                    self.rest = tail;
                    return Some(Token::String(self.hexadecimal()));
                }
                b'>' if tail.first() == Some(&b'>') => {
                    self.rest = &tail[1..];
                    return Some(Token::DictionaryEnd);
                }
                b'[' => {
                    self.rest = tail;
                    return Some(Token::ArrayBegin);
                }
                b']' => {
                    self.rest = tail;
                    return Some(Token::ArrayEnd);
                }
                b'/' => {
                    self.rest = tail;
                    return Some(Token::Name(self.name()));
                }
                b')' | b'>' | b'{' | b'}' => self.rest = tail,
                _ => {
                    let word = self.take_while(is_regular);
                    return Some(number(word).map_or(Token::Word(word), Token::Number));
                }
            }
        }
    }
}

/// A number (7.3.3). Some programs write more minus signs than one.
fn number(word: &[u8]) -> Option<f64> {
    let digits = word.iter().position(|b| !b"+-".contains(b)).map(|at| &word[at..])?;
    if !digits.iter().all(|b| b.is_ascii_digit() || b"-.".contains(b))
        || !digits.iter().any(u8::is_ascii_digit)
    {
        return None;
    }
    let end = digits.iter().position(|&b| b == b'-').unwrap_or(digits.len());
    let value: f64 = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    Some(if word[0] == b'-' { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let all: Vec<Token<'_>> = Lexer::new(
            b"/F#31 12 Tf % c\n[(a\\(b(c)\\051\\\r\nd) -.5 <4 1 4>]TJ<</A(x)>>T* 1.2.3 --4 + ) 'a",
        )
        .collect();
        use Token::*;
        assert_eq!(
            all,
            [
                Name(b"F1".to_vec()),
                Number(12.0),
                Word(b"Tf"),
                ArrayBegin,
                String(b"a(b(c))d".to_vec()),
                Number(-0.5),
                String(b"A\x40".to_vec()),
                ArrayEnd,
                Word(b"TJ"),
                DictionaryBegin,
                Name(b"A".to_vec()),
                String(b"x".to_vec()),
                DictionaryEnd,
                Word(b"T*"),
                Word(b"1.2.3"),
                Number(-4.0),
                Word(b"+"),
                Word(b"'a"),
            ]
        );
    }

    #[test]
    fn images_are_passed_over() {
        let mut lexer = Lexer::new(b" xEIx EIy \x01 EI Q");
        lexer.pass_image();
        assert_eq!(lexer.next(), Some(Token::Word(b"Q")));
        let mut lexer = Lexer::new(b"no end");
        lexer.pass_image();
        assert_eq!(lexer.next(), None);
    }
}
