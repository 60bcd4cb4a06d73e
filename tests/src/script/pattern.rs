//! Patterns of expected lines; what they can say is in the head of [`super`].

use std::collections::BTreeMap;

use super::text;

pub type Variables = BTreeMap<String, Vec<u8>>;
pub type Messages = BTreeMap<String, Vec<Vec<u8>>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Any,
    Variable { name: String, plus: u64 },
    AnyOrder(Vec<Pattern>),
    Value { binary: bool, value: Value },
}

/// A string that is named or written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(Vec<u8>),
    Message { file: String, number: usize },
}

impl Value {
    /// `"text"` or `=file#n`, as between braces.
    pub fn parse(inner: &str) -> Result<Value, String> {
        if let Some(quoted) = inner.strip_prefix('"') {
            let end = text::closing_quote(quoted)?;
            if end + 1 != quoted.len() {
                return Err(format!("something follows the text in {{{inner}}}"));
            }
            return text::unescape(&quoted[..end]).map(Value::Text);
        }
        let (file, number) =
            inner.strip_prefix('=').and_then(|i| i.split_once('#')).ok_or("{=FILE#NUMBER}")?;
        Ok(Value::Message { file: file.to_owned(), number: number.parse().map_err(|_| "a number after #")? })
    }

    pub fn bytes<'a>(&'a self, messages: &'a Messages) -> Result<&'a [u8], String> {
        match self {
            Value::Text(bytes) => Ok(bytes),
            Value::Message { file, number } => messages
                .get(file)
                .and_then(|m| m.get(number.checked_sub(1)?))
                .map(Vec::as_slice)
                .ok_or_else(|| format!("there is no message {number} in {file}")),
        }
    }
}

/// What is between braces at the beginning of `text` (after the opening one), and its length with the closing brace.
pub fn braced(text: &str) -> Result<(&str, usize), String> {
    let mut from = 0;
    if let Some(quote) = text.find('"')
        && quote < text.find('}').unwrap_or(text.len())
    {
        from = quote + 1 + text::closing_quote(&text[quote + 1..])?;
    }
    let end = from + text[from..].find('}').ok_or("a brace has no end")?;
    Ok((&text[..end], end + 1))
}

/// The name and the addend of a variable at the beginning of `text` (after the dollar sign), and their length.
pub fn variable(text: &str) -> Option<(String, u64, usize)> {
    let word = |t: &str| t.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
    if let Some(inner) = text.strip_prefix('(') {
        let end = inner.find(')')?;
        let (name, plus) = inner[..end].split_once('+')?;
        return Some((name.to_owned(), plus.parse().ok()?, end + 2));
    }
    let n = text.starts_with(|c: char| c.is_ascii_lowercase()).then(|| word(text))?;
    Some((text[..n].to_owned(), 0, n))
}

/// The value of a variable with its addend.
pub fn resolve(variables: &Variables, name: &str, plus: u64) -> Option<Vec<u8>> {
    let value = variables.get(name)?;
    if plus == 0 {
        return Some(value.clone());
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    Some((number + plus).to_string().into_bytes())
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut rest = text;
        let flush = |plain: &mut Vec<u8>, pieces: &mut Vec<Piece>| {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(plain)));
            }
        };
        while let Some(first) = rest.chars().next() {
            let (piece, used) = if rest.starts_with("...") {
                (Piece::Any, 3)
            } else if let Some((name, plus, n)) = rest.strip_prefix('$').and_then(variable) {
                (Piece::Variable { name, plus }, n + 1)
            } else if let Some(list) = rest.strip_prefix("%(") {
                let end = closing_parenthesis(list)?;
                (Piece::AnyOrder(items(&list[..end])?), end + 3)
            } else if rest.starts_with("{\"") || rest.starts_with("{=") {
                let (inner, n) = braced(&rest[1..])?;
                (Piece::Value { binary: false, value: Value::parse(inner)? }, n + 1)
            } else if rest.starts_with("~{\"") || rest.starts_with("~{=") {
                let (inner, n) = braced(&rest[2..])?;
                (Piece::Value { binary: true, value: Value::parse(inner)? }, n + 2)
            } else {
                let n = first.len_utf8();
                plain.extend_from_slice(&rest.as_bytes()[..n]);
                rest = &rest[n..];
                continue;
            };
            flush(&mut plain, &mut pieces);
            pieces.push(piece);
            rest = &rest[used..];
        }
        flush(&mut plain, &mut pieces);
        Ok(Pattern(pieces))
    }

    /// The same with anything after it.
    pub fn open_ended(mut self) -> Pattern {
        self.0.push(Piece::Any);
        self
    }

    /// The variables after a match of the whole line, or None.
    pub fn matches(&self, line: &[u8], variables: &Variables, messages: &Messages) -> Option<Variables> {
        let mut found = None;
        let context = Context { messages };
        context.pieces(&self.0, line, variables, &mut |rest, variables| {
            let whole = rest.is_empty();
            if whole {
                found = Some(variables.clone());
            }
            whole
        });
        found
    }
}

fn closing_parenthesis(text: &str) -> Result<usize, String> {
    let mut depth = 0;
    let mut quoted = false;
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => return Ok(i),
            ')' if !quoted => depth -= 1,
            _ => {}
        }
    }
    Err("%( has no end".to_owned())
}

/// Splits at `|` outside of parentheses and quotes.
fn items(text: &str) -> Result<Vec<Pattern>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let (mut depth, mut quoted, mut from) = (0, false, 0);
    let mut out = Vec::new();
    for (i, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            '|' if !quoted && depth == 0 => {
                out.push(Pattern::parse(&text[from..i])?);
                from = i + 1;
            }
            _ => {}
        }
    }
    out.push(Pattern::parse(&text[from..])?);
    Ok(out)
}

struct Context<'m> {
    messages: &'m Messages,
}

type Then<'t> = &'t mut dyn FnMut(&[u8], &Variables) -> bool;

impl Context<'_> {
    /// Tries every way in which `pieces` match a beginning of `input`, until `then` is content with what is left.
    fn pieces(&self, pieces: &[Piece], input: &[u8], variables: &Variables, then: Then<'_>) -> bool {
        let Some((piece, more)) = pieces.split_first() else { return then(input, variables) };
        match piece {
            Piece::Text(text) => match input.strip_prefix(text.as_slice()) {
                Some(rest) => self.pieces(more, rest, variables, then),
                None => false,
            },
            Piece::Any => (0..=input.len()).any(|n| self.pieces(more, &input[n..], variables, then)),
            Piece::Variable { name, plus } => match resolve(variables, name, *plus) {
                Some(value) => match input.strip_prefix(value.as_slice()) {
                    Some(rest) => self.pieces(more, rest, variables, then),
                    None => false,
                },
                None => {
                    let n = input.iter().take_while(|b| !b" ()[]\",:\r\n".contains(b)).count();
                    if n == 0 || *plus != 0 {
                        return false;
                    }
                    let mut captured = variables.clone();
                    captured.insert(name.clone(), input[..n].to_vec());
                    self.pieces(more, &input[n..], &captured, then)
                }
            },
            Piece::AnyOrder(items) => {
                let Some(rest) = input.strip_prefix(b"(") else { return false };
                let unused: Vec<&Pattern> = items.iter().collect();
                self.any_order(&unused, rest, variables, &mut |rest, variables| {
                    self.pieces(more, rest, variables, then)
                })
            }
            Piece::Value { binary, value } => {
                let Ok(bytes) = value.bytes(self.messages) else { return false };
                match string(input, *binary) {
                    Some((value, rest)) if value == bytes => self.pieces(more, rest, variables, then),
                    _ => false,
                }
            }
        }
    }

    /// `unused` in any order, separated by spaces, and the closing parenthesis.
    fn any_order(&self, unused: &[&Pattern], input: &[u8], variables: &Variables, then: Then<'_>) -> bool {
        if unused.is_empty() {
            return match input.strip_prefix(b")") {
                Some(rest) => then(rest, variables),
                None => false,
            };
        }
        (0..unused.len()).any(|i| {
            let mut left = unused.to_vec();
            let item = left.remove(i);
            self.pieces(&item.0, input, variables, &mut |rest, variables| {
                let rest = if left.is_empty() { Some(rest) } else { rest.strip_prefix(b" ") };
                rest.is_some_and(|rest| self.any_order(&left, rest, variables, then))
            })
        })
    }
}

/// The string at the beginning of `input`, quoted or literal (literal8 when `binary`), and what follows it.
fn string(input: &[u8], binary: bool) -> Option<(Vec<u8>, &[u8])> {
    let input = if binary { input.strip_prefix(b"~")? } else { input };
    if let Some(rest) = input.strip_prefix(b"{") {
        let end = rest.windows(3).position(|w| w == b"}\r\n")?;
        let size: usize = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        let (value, rest) = rest[end + 3..].split_at_checked(size)?;
        return Some((value.to_vec(), rest));
    }
    let mut rest = input.strip_prefix(b"\"")?;
    let mut value = Vec::new();
    loop {
        let (&b, tail) = rest.split_first()?;
        rest = tail;
        match b {
            b'"' => return Some((value, rest)),
            b'\\' => {
                value.push(*rest.first()?);
                rest = &rest[1..];
            }
            _ => value.push(b),
        }
    }
}
