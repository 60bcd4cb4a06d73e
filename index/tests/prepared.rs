//! Prepared texts answer every program as the scan answers it for the message itself.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use trawl_index::mime::header_end;
use trawl_index::prepare::{Kind, Prepared};
use trawl_index::query::{Field, Node, TextKey};
use trawl_index::scan::{Compiled, Message, Stopped};

use support::{field, mail, program};

static GO: AtomicBool = AtomicBool::new(false);

/// Both answers; `None` when only the scan may answer.
fn answers(node: &Node, message: &[u8]) -> Option<(bool, bool)> {
    let (header, body) = message.split_at(header_end(message));
    let message = Message::new(header, body);
    let texts = Prepared::new(&message, &GO).unwrap();
    let program = Compiled::new(node);
    let scan = program.matches(3, &message, &GO).unwrap();
    texts.is_vouched().then(|| (texts.matches(3, &program, &GO).unwrap(), scan))
}

fn key(field: Field, needle: &str) -> Node {
    Node::Text(TextKey { field, needle: needle.into() })
}

fn any_field() -> impl Strategy<Value = Field> {
    let names = ["", "subject", "X-a", "content-Type", "none", "from"];
    prop_oneof![
        field(),
        Just(Field::Text),
        Just(Field::Cc),
        Just(Field::Bcc),
        prop::sample::select(names.to_vec()).prop_map(|name| Field::Header(name.into())),
    ]
}

/// A needle cut from the message's own texts, or from the lines that the scan makes of them, so that it is found more often
/// than not; now and then with a character changed.
fn fragment(message: &[u8], at: prop::sample::Index, length: usize, change: u8) -> String {
    let (header, body) = message.split_at(header_end(message));
    let texts = Prepared::new(&Message::new(header, body), &GO).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for (kind, text) in texts.texts() {
        if let Kind::Own { name } | Kind::Nested { name } = kind
            && !name.is_empty()
        {
            let name = std::str::from_utf8(name).unwrap();
            lines.push(format!("{name}: {text}"));
            lines.push(format!("{}: {}", &name[name.len() / 2..], text.chars().take(3).collect::<String>()));
        }
        lines.push(text.to_owned());
    }
    // What follows another in the buffer must not be found across.
    lines.push(texts.texts().map(|(_, text)| text).collect());
    let line: Vec<char> = lines[at.index(lines.len())].chars().collect();
    let start = at.index(line.len() + 1);
    let mut needle: Vec<char> = line[start..].iter().take(length).copied().collect();
    match change {
        0 if !needle.is_empty() => needle[0] = '\u{2603}',
        1 => needle.insert(0, ' '),
        2 => needle.push(':'),
        _ => {}
    }
    needle.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prepared_texts_answer_as_the_scan_does(
        message in mail(),
        fields in (any_field(), any_field()),
        at in any::<prop::sample::Index>(),
        lengths in (0usize..12, 0usize..40),
        change in 0u8..12,
        seed in program(field().prop_map(|field| key(field, "word"))),
    ) {
        let keys = [
            key(fields.0, &fragment(&message, at, lengths.0, change)),
            key(fields.1, &fragment(&message, at, lengths.1, change / 2)),
        ];
        for node in [keys[0].clone(), keys[1].clone(), Node::Or(vec![Node::And(vec![keys[0].clone(), seed.clone()]), Node::Not(Box::new(Node::And(vec![keys[1].clone(), seed])))])] {
            if let Some((prepared, scan)) = answers(&node, &message) {
                prop_assert_eq!(prepared, scan, "{:?}", node);
            }
        }
    }
}

#[test]
fn lines_and_what_lies_beside_them() {
    let message =
        b"From: J\xc3\xb6e <j@x> (c)\r\nsubject: Food\r\n  cart\r\nno name: here\r\nX-Empty:\r\nX:a: b\r\n\
        Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nthe  food\r\n--q\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nnested\r\n--q--\r\n";
    let mut hits = 0;
    for needle in [
        "",
        " ",
        ":",
        ": ",
        ": a",
        ": a:",
        "x: a: b",
        "subject: food c",
        "bject:",
        "bject: ",
        "ject: inner",
        "ject: innerx",
        "empty:",
        "empty: ",
        "empty: x",
        " food",
        "food x",
        "foodsubject",
        "fromj",
        "subjectfood",
        "subject",
        "no name: here",
        "name: here",
        "type: message/rfc",
        "food food",
        "the food",
        "foodnested",
        "(c)",
        "j@x",
        ">j",
        "<j@x>subject",
        "cartno",
        " cart",
        " j",
        "a: b",
        ":a",
        "x:a",
        "inner",
        "nested ",
    ] {
        for field in [
            Field::Text,
            Field::Body,
            Field::Subject,
            Field::From,
            Field::Header("x-EMPTY".into()),
            Field::Header(String::new()),
        ] {
            let node = key(field, needle);
            let (prepared, scan) = answers(&node, message).unwrap();
            assert_eq!(prepared, scan, "{node:?}");
            hits += usize::from(scan);
        }
    }
    assert!(hits > 40, "{hits}");
}

#[test]
fn texts_larger_than_a_step_are_searched_whole() {
    let filler = "lorem ipsum ".repeat(200_000);
    let message = format!("A: b\r\n\r\n{filler}needle in the\r\n\thay {filler}");
    for (needle, found) in [
        ("needle in the hay l".to_owned(), true),
        (filler.clone(), true),
        (format!("{filler}n"), true),
        (format!("{filler}x"), false),
        ("hay needle".to_owned(), false),
    ] {
        assert_eq!(answers(&key(Field::Body, &needle), message.as_bytes()), Some((found, found)));
    }
}

#[test]
fn a_raised_flag_stops() {
    let message = Message::new(b"A: b\r\n\r\n", b"text");
    let texts = Prepared::new(&message, &GO).unwrap();
    let stop = AtomicBool::new(true);
    for field in [Field::Text, Field::Body, Field::Subject] {
        let program = Compiled::new(&key(field, "x"));
        assert_eq!(texts.matches(0, &program, &stop), Err(Stopped));
    }
}
