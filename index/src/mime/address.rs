//! Address lists of header fields (RFC 5322 3.4 and 4.4, groups and routes included), read leniently.
//!
//! Values stay octets as written: quotes, backslashes and comments are resolved, encoded-words are not. What is not an
//! address is kept as one without a domain, and the list is marked as broken.

use std::borrow::Cow;

use super::params::Scanner;
use crate::limits::{ADDRESSES_MAX, FIELD_BYTES_MAX};

/// What an address list holds, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Mailbox(Mailbox),
    /// A group begins; its name.
    GroupStart(Vec<u8>),
    GroupEnd,
}

/// One mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name; words are joined by one space.
    pub name: Option<Vec<u8>>,
    /// The text of the last comment beside the address.
    pub comment: Option<Vec<u8>>,
    /// The obsolete source route, `@a,@b`.
    pub route: Option<Vec<u8>>,
    pub local: Vec<u8>,
    /// `None` if there was no `@`.
    pub domain: Option<Vec<u8>>,
}

/// A parsed address list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    pub entries: Vec<Entry>,
    /// Something was not an address.
    pub broken: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Token<'a> {
    bytes: Cow<'a, [u8]>,
    at_sign: bool,
    space_before: bool,
}

/// Reads an unfolded field value.
pub fn parse(value: &[u8]) -> Addresses {
    let mut out = Addresses::default();
    let whole = value;
    let value = &value[..value.len().min(FIELD_BYTES_MAX)];
    let mut scanner = Scanner { bytes: value, at: 0 };
    let mut in_group = false;
    while out.entries.len() < ADDRESSES_MAX {
        let mut comment = None;
        let tokens = tokens(&mut scanner, &mut comment);
        match scanner.next() {
            Some(b':') if !in_group => {
                in_group = true;
                out.entries.push(Entry::GroupStart(phrase(&tokens)));
            }
            Some(b'<') => {
                let name = Some(phrase(&tokens)).filter(|name| !name.is_empty());
                angle(&mut scanner, name, comment, &mut out);
            }
            stopper => {
                if !tokens.is_empty() {
                    let mailbox = bare(&tokens, comment, &mut out.broken);
                    out.entries.push(Entry::Mailbox(mailbox));
                }
                match stopper {
                    None => break,
                    Some(b';') if in_group => {
                        in_group = false;
                        out.entries.push(Entry::GroupEnd);
                    }
                    Some(b',') => {}
                    Some(_) => out.broken = true,
                }
            }
        }
    }
    if in_group {
        out.entries.push(Entry::GroupEnd);
        out.broken = true;
    }
    out.broken |= scanner.peek().is_some() || value.len() < whole.len();
    out
}

/// What most addresses have no more of: a name, or three tokens.
const TOKENS_GUESS: usize = 4;

/// Words up to one of `,;:<>`.
fn tokens<'a>(scanner: &mut Scanner<'a>, comment: &mut Option<Vec<u8>>) -> Vec<Token<'a>> {
    let mut out: Vec<Token<'a>> = Vec::with_capacity(TOKENS_GUESS);
    let mut space_before = false;
    while let Some(b) = scanner.peek() {
        let mut push = |bytes: Cow<'a, [u8]>, at_sign| {
            out.push(Token { bytes, at_sign, space_before: std::mem::take(&mut space_before) });
        };
        match b {
            b' ' | b'\t' | b'\r' | b'\n' => {
                scanner.at += 1;
                space_before = true;
            }
            b'(' => {
                let start = scanner.at + 1;
                scanner.skip_blanks();
                let text = scanner.bytes.get(start..scanner.at).unwrap_or_default();
                *comment = Some(comment_text(text)).filter(|text| !text.is_empty());
                space_before = true;
            }
            b'"' => push(scanner.quoted().into(), false),
            b'@' => {
                scanner.at += 1;
                push(b"@".into(), true);
            }
            b'[' => {
                let start = scanner.at;
                while scanner.next().is_some_and(|b| b != b']') {}
                push(scanner.bytes[start..scanner.at].into(), false);
            }
            b',' | b';' | b':' | b'<' | b'>' => break,
            _ => {
                let start = scanner.at;
                while scanner.peek().is_some_and(|b| {
                    !matches!(
                        b,
                        b' ' | b'\t'
                            | b'\r'
                            | b'\n'
                            | b'('
                            | b'"'
                            | b'@'
                            | b'['
                            | b','
                            | b';'
                            | b':'
                            | b'<'
                            | b'>'
                    )
                }) {
                    scanner.at += 1;
                }
                push(scanner.bytes[start..scanner.at].into(), false);
            }
        }
    }
    out
}

/// The text of a comment and what follows it up to where the scanner stopped.
fn comment_text(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut depth = 0usize;
    let mut bytes = text.iter();
    while let Some(&b) = bytes.next() {
        match b {
            b'\\' => {
                out.extend(bytes.next());
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 0 => break,
            b')' => depth -= 1,
            _ => {}
        }
        out.push(b);
    }
    super::header::trim(&out).to_vec()
}

fn phrase(tokens: &[Token<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for token in tokens {
        if token.space_before && !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(&token.bytes);
    }
    out
}

/// Behind `<`: `[route ":"] local "@" domain ">"`.
fn angle(scanner: &mut Scanner<'_>, name: Option<Vec<u8>>, comment: Option<Vec<u8>>, out: &mut Addresses) {
    while scanner.peek() == Some(b'<') {
        scanner.at += 1;
        out.broken = true;
    }
    let mut mailbox = Mailbox { name, comment, ..Mailbox::default() };
    let start = scanner.at;
    let mut words = tokens(scanner, &mut mailbox.comment);
    if words.first().is_some_and(|word| word.at_sign) {
        // A route may hold commas; it ends with a colon.
        while scanner.peek() == Some(b',') {
            scanner.at += 1;
            tokens(scanner, &mut mailbox.comment);
        }
        if scanner.peek() == Some(b':') {
            mailbox.route = Some(scanner.bytes[start..scanner.at].trim_ascii().to_vec());
            scanner.at += 1;
            words = tokens(scanner, &mut mailbox.comment);
        } else {
            out.broken = true;
        }
    }
    let spec = bare(&words, None, &mut out.broken);
    mailbox.local = spec.local;
    mailbox.domain = spec.domain;
    if scanner.peek() == Some(b'>') {
        while scanner.peek() == Some(b'>') {
            scanner.at += 1;
        }
    } else {
        out.broken = true;
        if matches!(scanner.peek(), Some(b':' | b'<')) {
            scanner.at += 1;
        }
    }
    // A comment behind the address belongs to it.
    let after = scanner.at;
    scanner.skip_blanks();
    let text = scanner.bytes.get(after..scanner.at).unwrap_or_default().trim_ascii();
    if let [b'(', text @ ..] = text {
        mailbox.comment = Some(comment_text(text)).filter(|text| !text.is_empty());
    }
    if scanner.peek() == Some(b',') {
        scanner.at += 1;
    }
    out.entries.push(Entry::Mailbox(mailbox));
}

/// `local "@" domain`, split at the last `@`.
fn bare(tokens: &[Token<'_>], comment: Option<Vec<u8>>, broken: &mut bool) -> Mailbox {
    let mut mailbox = Mailbox { comment, ..Mailbox::default() };
    let Some(at) = tokens.iter().rposition(|token| token.at_sign) else {
        *broken = true;
        mailbox.local = phrase(tokens);
        return mailbox;
    };
    let mut join = |tokens: &[Token<'_>]| {
        let mut out: Vec<u8> = Vec::new();
        for token in tokens {
            // White space around dots and `@` is obsolete syntax and means nothing; elsewhere it is a mistake.
            let dotted = out.ends_with(b".") || token.bytes.starts_with(b".") || out.is_empty();
            if token.space_before && !dotted {
                out.push(b' ');
                *broken = true;
            }
            out.extend_from_slice(&token.bytes);
        }
        *broken |= out.is_empty();
        out
    };
    mailbox.local = join(&tokens[..at]);
    mailbox.domain = Some(join(&tokens[at + 1..]));
    mailbox
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(value: &str) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parsed = parse(value.as_bytes());
        let mut out: Vec<String> = parsed
            .entries
            .iter()
            .map(|entry| match entry {
                Entry::GroupStart(name) => format!("{{{}", text(name)),
                Entry::GroupEnd => "}".into(),
                Entry::Mailbox(m) => {
                    let part = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or("-".into(), text);
                    format!(
                        "{}|{}|{}|{}|{}",
                        part(&m.name),
                        part(&m.comment),
                        part(&m.route),
                        text(&m.local),
                        part(&m.domain)
                    )
                }
            })
            .collect();
        if parsed.broken {
            out.push("!".into());
        }
        out.join(" ")
    }

    #[test]
    fn cases() {
        for (value, expected) in [
            ("", ""),
            ("a@b", "-|-|-|a|b"),
            ("A B <a@b>", "A B|-|-|a|b"),
            ("\"B, A\" <a@b>, c@d", "B, A|-|-|a|b -|-|-|c|d"),
            ("a@b (Real (x) Name)", "-|Real (x) Name|-|a|b"),
            ("N <a@b> (c)", "N|c|-|a|b"),
            ("a . b @ c . d", "-|-|-|a.b|c.d"),
            ("\"a b\"@c", "-|-|-|a b|c"),
            ("<@r1,@r2:u@d>", "-|-|@r1,@r2|u|d"),
            ("G: a@x, \"B, C\" <b@y>;, u: ;", "{G -|-|-|a|x B, C|-|-|b|y } {u }"),
            ("a@[IPv6:2001:db8::1]", "-|-|-|a|[IPv6:2001:db8::1]"),
            ("nobody", "-|-|-|nobody|- !"),
            ("A <nobody>", "A|-|-|nobody|- !"),
            ("a b c <<x@y>>, , ,;", "a b c|-|-|x|y !"),
            ("G: a@x", "{G -|-|-|a|x } !"),
            ("A <a@b", "A|-|-|a|b !"),
            ("John Doe j@x", "-|-|-|John Doe j|x !"),
            ("A <a@b> B <c@d>", "A|-|-|a|b B|-|-|c|d"),
            ("<>", "-|-|-||- !"),
            ("\"open <a@b>", "-|-|-|open <a@b>|- !"),
            ("=?utf-8?q?=22Q=2C_N=22?= <q@x>", "=?utf-8?q?=22Q=2C_N=22?=|-|-|q|x"),
        ] {
            assert_eq!(show(value), expected, "{value:?}");
        }
    }
}
