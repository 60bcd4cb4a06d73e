//! A needle, taken apart once per search: its tokens, and where it could lie across a field name and its value.
//!
//! A needle splits like the text around it except at its two ends: the first token is the end of a token of the text, the
//! last one the beginning, those between are whole. A single token lies inside one token. A character of a script without word
//! breaks is always a whole token. Not here: anything about a segment.

use std::ops::Range;

use memchr::memmem::Finder;

use crate::tokens::{Class, tokens};

#[derive(Clone, Debug)]
pub struct Needle {
    finder: Finder<'static>,
    tokens: Vec<(Class, Range<usize>)>,
    span: Option<Span>,
}

/// How a needle can match `NAME: value` otherwise than inside the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub name: Name,
    /// The value begins with this.
    pub value: Range<usize>,
}

/// What the field name must look like. Its bytes are those of the needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Any,
    Contains(Range<usize>),
    EndsWith(Range<usize>),
}

impl Needle {
    /// `text` is normalised and not empty.
    pub fn new(text: &str) -> Needle {
        let mut at = 0;
        let tokens = tokens(text)
            .map(|(class, token)| {
                let start = at;
                at += token.len();
                (class, start..at)
            })
            .collect();
        Needle { finder: Finder::new(text.as_bytes()).into_owned(), tokens, span: span(text.as_bytes()) }
    }

    pub fn bytes(&self) -> &[u8] {
        self.finder.needle()
    }

    pub fn finder(&self) -> &Finder<'static> {
        &self.finder
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn class(&self, token: usize) -> Class {
        self.tokens[token].0
    }

    pub fn token(&self, token: usize) -> &[u8] {
        &self.bytes()[self.tokens[token].1.clone()]
    }

    pub fn slice(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes()[range.clone()]
    }

    pub fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }
}

/// A header text is `NAME: value`; names are printable ASCII without a colon, and a value that begins with a space is never
/// vouched for. So there is at most one way in which a needle can begin in the name or in what follows it.
fn span(needle: &[u8]) -> Option<Span> {
    let end = needle.len();
    let any = |value| Some(Span { name: Name::Any, value });
    match needle {
        [] => None,
        [b' ', ..] => any(1..end),
        [b':'] => any(1..1),
        [b':', b' ', ..] => any(2..end),
        _ => {
            let name_ends = memchr::memchr(b':', needle).unwrap_or(end);
            let name = 0..name_ends;
            if name.is_empty() || !needle[name.clone()].iter().all(u8::is_ascii_graphic) {
                return None;
            }
            match needle.get(name_ends + 1..) {
                None => Some(Span { name: Name::Contains(name), value: end..end }),
                Some([]) => Some(Span { name: Name::EndsWith(name), value: end..end }),
                Some([b' ', ..]) => Some(Span { name: Name::EndsWith(name), value: name_ends + 2..end }),
                Some(_) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let text = |needle: &str| {
            Needle::new(needle).span().map(|span| {
                let of = |range: &Range<usize>| needle[range.clone()].to_owned();
                let name = match &span.name {
                    Name::Any => "*".to_owned(),
                    Name::Contains(name) => format!("*{}*", of(name)),
                    Name::EndsWith(name) => format!("*{}", of(name)),
                };
                (name, of(&span.value))
            })
        };
        for (needle, expected) in [
            (" ", Some(("*", ""))),
            (":", Some(("*", ""))),
            (": ", Some(("*", ""))),
            (" RE:", Some(("*", "RE:"))),
            (": RE: X", Some(("*", "RE: X"))),
            ("SUB", Some(("*SUB*", ""))),
            ("JECT:", Some(("*JECT", ""))),
            ("JECT: ", Some(("*JECT", ""))),
            ("X-JECT: RE: A", Some(("*X-JECT", "RE: A"))),
            ("ECT:RE", None),
            (":RE", None),
            ("A B", None),
            ("A B: C", None),
            ("É: C", None),
            ("<A@B>", Some(("*<A@B>*", ""))),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(text(needle), expected, "{needle:?}");
        }
    }

    #[test]
    fn tokens_cover_the_needle() {
        for needle in ["FOO BAR", " X", "A-B.C@D ", "漢字 KANJI", "..", "E\u{301}A"] {
            let needle = Needle::new(needle);
            let joined: Vec<u8> = (0..needle.len()).flat_map(|n| needle.token(n).to_vec()).collect();
            assert_eq!(joined, needle.bytes());
        }
    }
}
