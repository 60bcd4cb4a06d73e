//! The query language for people who type: `from:anna subject:"budget" has:attachment -in:trash`, the argument of the search key
//! X-TRAWL-QUERY and of `trawl search --query`. `docs/search.md` is its manual.
//!
//! What must hold: a query is either understood as that manual says or refused with a text that says what to do, never
//! read as something else; it means keys of SEARCH, so that there is one planner for both. Pure: "two years ago" is a number of seconds here.
//!
//! ```text
//! query    = *WSP terms *WSP
//! terms    = either *(1*WSP ["AND" 1*WSP] either)
//! either   = term *(1*WSP "OR" 1*WSP term)
//! term     = ["-"] (group / phrase / operator / word) / "NOT" 1*WSP term
//! group    = "(" *WSP terms *WSP ")"
//! operator = name ":" (word / phrase) / "header:" field ["=" (word / phrase)]
//! phrase   = DQUOTE *(any character but DQUOTE and "\" / "\" DQUOTE / "\\") DQUOTE
//! word     = 1*(any character but WSP, DQUOTE and parentheses)
//! ```
//!
//! OR joins the two terms beside it; who writes both AND and OR side by side has to use parentheses.

mod lexer;
mod operators;
#[cfg(test)]
pub(super) mod tests;
mod values;

use std::fmt;

use self::lexer::{Lexer, Token};
use super::ast::SearchKey;
use crate::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};

/// What a query may add to the program that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub keys: usize,
    /// Levels, the key itself included.
    pub depth: usize,
}

impl Room {
    /// A query that is the whole program.
    pub const WHOLE: Room = Room { keys: SEARCH_KEYS_MAX, depth: SEARCH_DEPTH_MAX };
}

/// Why a query is none, for who has typed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryError {
    /// Which character it is about, from 1; one behind the last where something is missing at the end.
    pub at: usize,
    pub reason: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (character {})", self.reason, self.at)
    }
}

fn refuse<T>(at: usize, reason: impl Into<String>) -> Result<T, QueryError> {
    Err(QueryError { at, reason: reason.into() })
}

/// The key that a query means, whose needles are UTF-8, and how many keys that is.
pub fn parse(text: &str, room: Room) -> Result<(SearchKey, usize), QueryError> {
    let mut parser = Parser { lexer: Lexer::new(text), ahead: None, keys: 0, room };
    let (at, first) = parser.peek()?;
    if *first == Token::End {
        return refuse(at, "The query is empty");
    }
    let key = parser.terms(1)?;
    match parser.next()? {
        (_, Token::End) => {}
        (at, _) => {
            return refuse(
                at,
                "A closing parenthesis has no opening one; if it is meant, put it in quotation marks",
            );
        }
    }
    if depth(&key) > room.depth {
        return refuse(1, TOO_DEEP);
    }
    Ok((key, parser.keys))
}

const TOO_DEEP: &str = "The query is nested too deeply";

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<(usize, Token)>,
    keys: usize,
    room: Room,
}

impl Parser<'_> {
    fn peek(&mut self) -> Result<(usize, &Token), QueryError> {
        let next = match self.ahead.take() {
            Some(next) => next,
            None => self.lexer.next()?,
        };
        let (at, token) = self.ahead.insert(next);
        Ok((*at, token))
    }

    fn next(&mut self) -> Result<(usize, Token), QueryError> {
        match self.ahead.take() {
            Some(next) => Ok(next),
            None => self.lexer.next(),
        }
    }

    /// Keys are counted as they come, so that a long query costs no more than a short one before it is refused.
    fn count(&mut self, at: usize) -> Result<(), QueryError> {
        self.keys += 1;
        if self.keys > self.room.keys { refuse(at, "The query has too many terms") } else { Ok(()) }
    }

    fn terms(&mut self, depth: usize) -> Result<SearchKey, QueryError> {
        let mut all = Vec::new();
        let (mut and, mut or, mut more) = (false, false, true);
        while more {
            let mut any = vec![self.term(depth)?];
            while let (at, Token::Or) = self.peek()? {
                self.next()?;
                self.count(at)?;
                or = true;
                any.push(self.term(depth)?);
            }
            all.push(either(any));
            match self.peek()? {
                (at, Token::And) => {
                    self.next()?;
                    self.count(at)?;
                    and = true;
                }
                (_, Token::End | Token::Close) => more = false,
                _ => {}
            }
            if and && or {
                let (at, _) = self.peek()?;
                return refuse(
                    at,
                    "AND and OR stand side by side: say with parentheses what belongs together",
                );
            }
        }
        Ok(joined(all))
    }

    fn term(&mut self, depth: usize) -> Result<SearchKey, QueryError> {
        let (at, token) = self.next()?;
        self.count(at)?;
        if depth > self.room.depth {
            return refuse(at, TOO_DEEP);
        }
        match token {
            Token::Key(key) => {
                // A month is two keys side by side.
                if let SearchKey::And(keys) = &key {
                    keys.iter().try_for_each(|_| self.count(at))?;
                }
                Ok(key)
            }
            Token::Not => Ok(SearchKey::Not(Box::new(self.term(depth + 1)?))),
            Token::Open => {
                let (inner, first) = self.peek()?;
                if *first == Token::Close {
                    return refuse(inner, "There is nothing between the parentheses");
                }
                let key = self.terms(depth + 1)?;
                match self.next()? {
                    (_, Token::Close) => Ok(key),
                    _ => refuse(
                        at,
                        "An opening parenthesis has no closing one; if it is meant, put it in quotation marks",
                    ),
                }
            }
            Token::And | Token::Or => refuse(
                at,
                "AND and OR stand between two terms; to search for these words, put them in quotation marks or write them small",
            ),
            Token::Close | Token::End => refuse(at, "A term is missing here"),
        }
    }
}

/// The alternatives as a balanced tree: its depth is no concern of who writes many.
fn either(mut keys: Vec<SearchKey>) -> SearchKey {
    while keys.len() > 1 {
        let mut pairs = Vec::with_capacity(keys.len().div_ceil(2));
        let mut rest = keys.into_iter();
        while let Some(one) = rest.next() {
            pairs.push(match rest.next() {
                Some(other) => SearchKey::Or(Box::new(one), Box::new(other)),
                None => one,
            });
        }
        keys = pairs;
    }
    keys.pop().unwrap_or(SearchKey::All)
}

fn joined(mut keys: Vec<SearchKey>) -> SearchKey {
    if keys.len() > 1 { SearchKey::And(keys) } else { keys.pop().unwrap_or(SearchKey::All) }
}

/// Levels of a key that the parser has bounded.
fn depth(key: &SearchKey) -> usize {
    1 + match key {
        SearchKey::Not(key) => depth(key),
        SearchKey::Or(one, other) => depth(one).max(depth(other)),
        SearchKey::And(keys) => keys.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// As a response may carry it: US-ASCII.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// A value between quotation marks.
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
