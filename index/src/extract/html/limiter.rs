//! Cuts off the attributes of a tag beyond a bound, because html5ever compares each with all before it.
//!
//! Follows just enough of the HTML tokenizer to know attribute values in quotes; where it errs (scripts, comments) what
//! it drops is no text.

use crate::limits::HTML_ATTRIBUTES_MAX;

#[derive(Debug, Default)]
pub(super) struct Limiter {
    state: State,
    separators: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Text,
    /// Behind `<`.
    Open,
    Tag,
    /// Behind `=` in a tag.
    Value,
    Quoted(u8),
}

impl Limiter {
    pub(super) fn push(&mut self, text: &str, out: &mut String) {
        let bytes = text.as_bytes();
        let mut kept = 0;
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Text {
                match memchr::memchr(b'<', &bytes[at..]) {
                    Some(n) => at += n + 1,
                    None => break,
                }
                self.state = State::Open;
                continue;
            }
            let b = bytes[at];
            let cut = self.separators > HTML_ATTRIBUTES_MAX;
            self.state = match (self.state, b) {
                (State::Quoted(quote), _) if b == quote && !cut => {
                    self.separators += 1;
                    State::Tag
                }
                (State::Quoted(quote), _) if !cut => State::Quoted(quote),
                (State::Open, b'<') => State::Open,
                (State::Open, _) if b.is_ascii_alphabetic() => State::Tag,
                (State::Open, _) => State::Text,
                (_, b'>') => {
                    if cut {
                        kept = at;
                    }
                    self.separators = 0;
                    State::Text
                }
                (State::Value, b'"' | b'\'') => State::Quoted(b),
                (State::Value, b' ' | b'\t' | b'\r' | b'\n' | 0x0c) => State::Value,
                (_, b'=') => State::Value,
                (_, b' ' | b'\t' | b'\r' | b'\n' | 0x0c | b'/') => {
                    self.separators += 1;
                    State::Tag
                }
                _ => State::Tag,
            };
            if !cut && self.separators > HTML_ATTRIBUTES_MAX {
                // The octet that went over the bound is ASCII, so both sides of it are text.
                out.push_str(&text[kept..at]);
                kept = bytes.len();
            }
            at += 1;
        }
        if self.separators <= HTML_ATTRIBUTES_MAX {
            out.push_str(&text[kept..]);
        }
    }
}
