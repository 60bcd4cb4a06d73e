//! Search programs: needles cut out of the mail that is searched, their mutations, and programs over all keys.

use roaring::RoaringBitmap;
use trawl_bench::chance::Chance;
use trawl_index::query::{Field, Node, TextKey};
use trawl_index::{extract, mime, normalise};

use super::oracle::Mail;
use super::texts::{self, one};

/// Levels of NOT, AND and OR.
const DEPTH_MAX: u32 = 5;

/// A program over messages below `end`, most of whose needles are somewhere in `messages`.
pub fn program(chance: &mut Chance, messages: &[&Mail], end: u32) -> Node {
    match chance.below(10) {
        0..=6 => text(chance, messages),
        7 => client(chance, messages, end),
        _ => nested(chance, messages, end, DEPTH_MAX),
    }
}

fn nested(chance: &mut Chance, messages: &[&Mail], end: u32, depth: u32) -> Node {
    let leaf = depth == 0 || chance.permille(250);
    let several = |chance: &mut Chance| {
        (0..chance.between(0, 4)).map(|_| nested(chance, messages, end, depth - 1)).collect::<Vec<_>>()
    };
    match chance.below(if leaf { 10 } else { 22 }) {
        0..=6 => text(chance, messages),
        7 | 8 => state(chance, end),
        9 => chance.pick(&[Node::All, Node::None]).clone(),
        10..=13 => Node::Not(Box::new(nested(chance, messages, end, depth - 1))),
        14..=17 => Node::And(several(chance)),
        _ => Node::Or(several(chance)),
    }
}

/// What mail programs ask.
fn client(chance: &mut Chance, messages: &[&Mail], end: u32) -> Node {
    let needle = text(chance, messages);
    let Node::Text(TextKey { needle, .. }) = needle else { return needle };
    let key = |field| Node::Text(TextKey { field, needle: needle.clone() });
    match chance.below(4) {
        0 => Node::Or(vec![Node::Or(vec![key(Field::From), key(Field::Subject)]), key(Field::To)]),
        1 => Node::And(vec![
            Node::Not(Box::new(state(chance, end))),
            Node::Or(vec![key(Field::Text), key(Field::Subject)]),
        ]),
        2 => {
            // Every word for itself.
            let words = needle.split_whitespace().take(6);
            Node::And(
                words.map(|word| Node::Text(TextKey { field: Field::Text, needle: word.into() })).collect(),
            )
        }
        _ => Node::Or(
            [Field::From, Field::To, Field::Cc, Field::Bcc, Field::Subject, Field::Body].map(key).to_vec(),
        ),
    }
}

/// Messages by something that mailbox state knows: none, few, half, all, some that are not there.
fn state(chance: &mut Chance, end: u32) -> Node {
    let permille = *chance.pick(&[0, 5, 100, 500, 950, 1000]);
    let mut rows: RoaringBitmap = (0..end + 3).filter(|_| chance.permille(permille)).collect();
    if chance.permille(300) {
        let from = chance.below(u64::from(end) + 1) as u32;
        rows.remove_range(from..from + chance.below(u64::from(end) + 1) as u32);
    }
    Node::State(rows)
}

fn text(chance: &mut Chance, messages: &[&Mail]) -> Node {
    let (field, mut needle) = match messages.is_empty() {
        true => (Field::Body, String::new()),
        false => cut(chance, messages),
    };
    if chance.permille(100) {
        needle = normalise(&needle);
    }
    if chance.permille(300) {
        for _ in 0..chance.between(1, 2) {
            needle = mutated(chance, needle);
        }
    }
    if chance.permille(20) {
        return Node::Text(TextKey { field: Field::Attachment, needle: String::new() });
    }
    let field = if chance.permille(150) { any_field(chance) } else { field };
    Node::Text(TextKey { field, needle })
}

fn any_field(chance: &mut Chance) -> Field {
    match chance.below(14) {
        0 => Field::Body,
        1..=3 => Field::Text,
        4 => Field::Subject,
        5 => Field::From,
        6 => Field::To,
        7 => Field::Cc,
        8 => Field::Bcc,
        9 | 10 => Field::FileName,
        11 => Field::Attachment,
        _ => Field::Header(
            (*chance.pick(&[
                "received",
                "X-Spam",
                "x-word",
                "From",
                "to",
                "",
                "X",
                "Message-ID",
                "X-None",
                "a b",
                "é",
            ]))
            .into(),
        ),
    }
}

/// A piece of one text, and a field in which it is found.
fn cut(chance: &mut Chance, messages: &[&Mail]) -> (Field, String) {
    let message = *chance.pick(messages);
    let texts = || extract::texts(&message.raw);
    let own: Vec<_> = mime::header::fields(message.message().header).collect();
    let nowhere = |chance: &mut Chance| (any_field(chance), chance.pick(&texts::KINDS).1(chance));
    match chance.below(22) {
        0..=8 => match some(chance, &texts().body) {
            Some(text) => {
                let field = chance.pick(&[Field::Body, Field::Body, Field::Text]).clone();
                (field, piece(chance, text))
            }
            None => nowhere(chance),
        },
        9..=12 => match some(chance, &texts().header) {
            Some(text) => (Field::Text, piece(chance, text)),
            None => nowhere(chance),
        },
        13..=15 if !own.is_empty() => {
            let field = chance.pick(&own);
            let name = String::from_utf8_lossy(field.name).into_owned();
            let name = if chance.permille(500) { name.to_ascii_uppercase() } else { name };
            let found = if field.is(b"subject") { Field::Subject } else { Field::Header(name) };
            (found, piece(chance, &extract::fields::decoded(field)))
        }
        16..=18 => {
            let (name, found) = chance
                .pick(&[("from", Field::From), ("to", Field::To), ("cc", Field::Cc), ("bcc", Field::Bcc)])
                .clone();
            let fields: Vec<_> = own.iter().filter(|field| field.is(name.as_bytes())).collect();
            match fields.is_empty() {
                true => nowhere(chance),
                false => {
                    let (canonical, raw) =
                        extract::fields::addresses(chance.pick::<&mime::header::Field<'_>>(&fields));
                    let raw = raw.filter(|_| chance.permille(500));
                    (found, piece(chance, raw.as_deref().unwrap_or(&canonical)))
                }
            }
        }
        19 | 20 => {
            // Few messages have any.
            let named = (0..20).map(|_| *chance.pick(messages)).find(|message| message.has_file_names());
            let names = named.map(|message| extract::texts(&message.raw).file_names).unwrap_or_default();
            match some(chance, &names) {
                Some(name) => {
                    let field = chance.pick(&[Field::FileName, Field::FileName, Field::Text]).clone();
                    (field, piece(chance, name))
                }
                None => (Field::FileName, chance.pick(&texts::KINDS).1(chance)),
            }
        }
        _ => nowhere(chance),
    }
}

fn some<'a>(chance: &mut Chance, texts: &'a [String]) -> Option<&'a String> {
    (!texts.is_empty()).then(|| chance.pick(texts))
}

/// A piece of `text`: any characters, or whole words and what is around them.
fn piece(chance: &mut Chance, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let start = text.floor_char_boundary(chance.below(text.len() as u64) as usize);
    let rest = &text[start..];
    let characters = |count: u64| rest.chars().take(count as usize).collect::<String>();
    match chance.below(20) {
        0 => characters(1),
        1 => characters(2),
        2 => characters(3),
        3..=6 => characters(chance.between(3, 12)),
        7..=10 => characters(chance.between(10, 60)),
        11 => characters(chance.between(60, 700)),
        12 => {
            // From the start, or to the end.
            let count = chance.between(1, 30) as usize;
            if chance.permille(500) {
                text.chars().take(count).collect()
            } else {
                text[text.floor_char_boundary(text.len().saturating_sub(count))..].to_owned()
            }
        }
        13 => text[..text.floor_char_boundary(2_000.min(text.len()))].to_owned(),
        _ => words(chance, text, start),
    }
}

/// Words of `text` from `start` on, whole or not at both ends, with or without the separators there.
fn words(chance: &mut Chance, text: &str, start: usize) -> String {
    let boundary = |from: usize| {
        let word = |c: char| c.is_alphanumeric();
        let mut chars = text[from..].char_indices();
        let first = chars.next().map(|(_, c)| word(c));
        chars.find(|&(_, c)| Some(word(c)) != first).map_or(text.len(), |(at, _)| from + at)
    };
    let start = boundary(start);
    let mut end = start;
    for _ in 0..chance.between(1, 9) {
        end = boundary(end);
    }
    // Half of the last one, or a bit of what is before the first.
    if chance.permille(300) {
        end = text.floor_char_boundary(start + chance.below((end - start) as u64 + 1) as usize);
    }
    let start = match chance.permille(300) {
        true => text.floor_char_boundary(start.saturating_sub(chance.between(1, 6) as usize)),
        false => start,
    };
    text[start..end].to_owned()
}

fn mutated(chance: &mut Chance, needle: String) -> String {
    let mut chars: Vec<char> = needle.chars().collect();
    let at = chance.below(chars.len() as u64 + 1) as usize;
    let other = *chance
        .pick(&['a', 'e', 's', ' ', '-', '.', '1', 'é', '\u{301}', '中', 'β', ':', '\n', '\u{2}', 'Z']);
    match chance.below(10) {
        0 if at < chars.len() => chars[at] = other,
        1 => chars.insert(at, other),
        2 if at < chars.len() => {
            chars.remove(at);
        }
        3 if at + 1 < chars.len() => chars.swap(at, at + 1),
        4 => return needle.to_uppercase(),
        5 => return needle.to_lowercase(),
        6 => {
            // White space in another form.
            let space = texts::space(chance);
            return needle.split(' ').collect::<Vec<_>>().join(&space);
        }
        7 => return format!("{}{needle}", one(chance, " |-|a|\t|: |中")),
        8 => return format!("{needle}{}", one(chance, " |.|s|\u{a0}|\u{301}|中")),
        _ => {
            // One half after the other.
            chars.rotate_left(at);
        }
    }
    chars.into_iter().collect()
}
