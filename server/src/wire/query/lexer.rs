//! Characters to tokens: where a word ends, what is quoted, which words are operators.

use super::super::ast::SearchKey;
use super::operators;
use super::{QueryError, quoted, refuse};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    Key(SearchKey),
    Not,
    And,
    Or,
    Open,
    Close,
    End,
}

/// Characters of what was typed that an error repeats.
const SHOWN_CHARS_MAX: usize = 40;

pub struct Lexer<'a> {
    rest: &'a str,
    /// Characters before the rest.
    before: usize,
    /// A term ended right here: white space or a closing parenthesis has to follow.
    ended: bool,
    /// A minus sign stands right before this place.
    negated: bool,
}

/// A quotation mark: `"`, or one of those that telephones and word processors put in its place.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

/// Whether it ends a word.
fn is_end(c: char) -> bool {
    c.is_whitespace() || is_quote(c) || matches!(c, '(' | ')')
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Lexer<'a> {
        Lexer { rest: text, before: 0, ended: false, negated: false }
    }

    /// The next token and where it begins: which character, from 1.
    pub fn next(&mut self) -> Result<(usize, Token), QueryError> {
        let negated = std::mem::take(&mut self.negated);
        let ended = std::mem::take(&mut self.ended);
        let minus = self.before;
        let blank = self.run(char::is_whitespace);
        let at = self.before + 1;
        let Some(first) = self.rest.chars().next() else {
            return if negated { minus_alone(minus) } else { Ok((at, Token::End)) };
        };
        if negated && (!blank.is_empty() || first == ')') {
            return minus_alone(minus);
        }
        if first == ')' {
            self.skip(first);
            self.ended = true;
            return Ok((at, Token::Close));
        }
        if ended && blank.is_empty() {
            return refuse(at, "A space is missing here");
        }
        let token = match first {
            '(' => {
                self.skip(first);
                Token::Open
            }
            '-' if negated => {
                return refuse(
                    at,
                    "Two minus signs stand side by side; if they are meant, put the word in quotation marks",
                );
            }
            '-' => {
                self.skip(first);
                self.negated = true;
                Token::Not
            }
            _ if is_quote(first) => {
                let needle = self.phrase()?;
                self.ended = true;
                Token::Key(operators::text(needle).map_err(|reason| QueryError { at, reason })?)
            }
            _ => self.word(at)?,
        };
        Ok((at, token))
    }

    /// A word or an operator.
    fn word(&mut self, at: usize) -> Result<Token, QueryError> {
        let word = self.run(|c| !is_end(c));
        match word {
            "AND" => return Ok(Token::And),
            "OR" => return Ok(Token::Or),
            "NOT" => return Ok(Token::Not),
            _ => {}
        }
        let Some((name, value)) = operator(word) else {
            self.end_of(word)?;
            return Ok(Token::Key(SearchKey::Text(word.as_bytes().to_vec())));
        };
        let place = self.before + 1;
        let name = name.to_ascii_lowercase();
        if !operators::is_known(&name) {
            // An address.
            if value.starts_with("//") {
                self.end_of(word)?;
                return Ok(Token::Key(SearchKey::Text(word.as_bytes().to_vec())));
            }
            return refuse(
                at,
                format!(
                    "There is no operator {}:; to search for this text, put it in quotation marks: {}",
                    shown(&name),
                    quoted(&shown(word))
                ),
            );
        }
        let next = self.rest.chars().next();
        let value = match next {
            Some(c) if is_quote(c) && (value.is_empty() || name == "header" && value.ends_with('=')) => {
                format!("{value}{}", self.phrase()?)
            }
            Some('(') => {
                let reason = format!(
                    "{name}: takes a word or a phrase; write ({name}:a OR {name}:b), or put the text in quotation marks"
                );
                return refuse(place, reason);
            }
            _ if value.is_empty() || name == "header" && is_open(value) => {
                let reason = format!(
                    "{name}: has no value; it stands right behind the colon: {}",
                    operators::example(&name)
                );
                return refuse(place, reason);
            }
            _ => {
                self.end_of(word)?;
                value.to_owned()
            }
        };
        self.ended = true;
        operators::key(&name, value).map(Token::Key).map_err(|reason| QueryError { at, reason })
    }

    /// Refuses a quotation mark or an opening parenthesis right behind a word.
    fn end_of(&mut self, word: &str) -> Result<(), QueryError> {
        self.ended = true;
        let at = self.before + 1;
        match self.rest.chars().next() {
            Some(c) if is_quote(c) => refuse(
                at,
                format!(
                    "A quotation mark stands inside a word ({}); put a space before it, or the whole in quotation marks with \\\" in it",
                    shown(word)
                ),
            ),
            Some('(') => refuse(
                at,
                format!(
                    "A parenthesis stands inside a word ({}); put a space before it, or the whole in quotation marks",
                    shown(word)
                ),
            ),
            _ => Ok(()),
        }
    }

    /// What stands between quotation marks; a backslash takes away the meaning of a mark or a backslash.
    fn phrase(&mut self) -> Result<String, QueryError> {
        let at = self.before + 1;
        let mut text = String::new();
        let mut chars = self.rest.chars();
        // A straight mark is closed by a straight one, another one by any other.
        let open = chars.next();
        let closes = |c: char| is_quote(c) && (c == '"') == (open == Some('"'));
        let mut count = 1;
        while let Some(c) = chars.next() {
            count += 1;
            if closes(c) {
                self.rest = chars.as_str();
                self.before += count;
                return Ok(text);
            }
            let escaped = chars.clone().next().filter(|next| c == '\\' && (is_quote(*next) || *next == '\\'));
            if escaped.is_some() {
                chars.next();
                count += 1;
            }
            text.push(escaped.unwrap_or(c));
        }
        refuse(at, "A quotation mark has no closing one; if it is meant, write \\\" between quotation marks")
    }

    fn run(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.before += run.chars().count();
        run
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.strip_prefix(c).unwrap_or(self.rest);
        self.before += 1;
    }
}

fn minus_alone<T>(at: usize) -> Result<T, QueryError> {
    refuse(
        at,
        "A minus sign stands right before what is not wanted: -word; if it is meant, put it in quotation marks",
    )
}

/// Whether nothing follows the first `=`.
fn is_open(value: &str) -> bool {
    value.split_once('=').is_some_and(|(_, rest)| rest.is_empty())
}

/// Name and value of a word that looks like an operator: letters, `_` and `-`, then a colon. Not `10:30`.
fn operator(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once(':')?;
    let looks = name.starts_with(char::is_alphabetic)
        && name.chars().all(|c| c.is_alphabetic() || matches!(c, '_' | '-'));
    looks.then_some((name, value))
}

/// The beginning of what was typed.
pub(super) fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < word.len() {
        shown.push_str("...");
    }
    shown
}
