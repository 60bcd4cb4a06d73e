//! The index against the scan: segments of small nasty messages, needles cut from their texts, programs over all keys.

use std::sync::atomic::AtomicBool;

use roaring::RoaringBitmap;

use super::{Cx, Halt, Query};
use crate::bits::Bits;
use crate::extract::texts;
use crate::mime::header_end;
use crate::prepare::Prepared;
use crate::query::{Field, Node, TextKey};
use crate::scan::{Compiled, Message};
use crate::segment::{BuildOptions, Builder, OwnedBytes, Segment, Verify};

/// Small and repeatable.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const PIECES: &[&str] = &[
    "food",
    "cart",
    "Foo",
    "ood",
    "fo",
    "o",
    "a",
    "b",
    "aa",
    "ab1",
    "42",
    "é",
    "e\u{301}",
    "cafe",
    "café",
    "ß",
    "ﬁ",
    "İ",
    "ǆ",
    "漢",
    "字",
    "漢字",
    "カ\u{3099}",
    "ไทย",
    "ที่",
    "한국",
    "😀",
    "👍🏽",
    "\u{200d}",
    "\u{ad}",
    "\u{301}",
    "-",
    "--",
    "---",
    ",",
    ".",
    "...",
    "<",
    ">",
    "@",
    "joe@example.org",
    "(",
    ")",
    ":",
    ": ",
    "::",
    "=",
    "http://a.b/c?d=e",
    "Subject: ",
    "re:",
    "X-Foo",
    " ",
    " ",
    " ",
    " ",
    " ",
    "  ",
    "\t",
    "\r\n ",
    "\u{a0}",
    "\u{3000}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "=-=-=-=-=-=",
    "\u{ff}",
    "\u{85}",
    "\u{1c}",
    "\0",
];

const NAMES: &[&str] = &[
    "Subject",
    "From",
    "To",
    "Cc",
    "Bcc",
    "X-Foo",
    "x-food",
    "FOO",
    "Received",
    "A",
    "subject",
    "To",
    "X-Long-Name-Of-A-Field",
];

/// Some text; words with numbers make tokens that are seen once, twice or often.
fn some_text(chance: &mut Chance, pieces: usize) -> String {
    let mut text = String::new();
    for _ in 0..chance.below(pieces + 1) {
        match chance.below(12) {
            0 => text += &format!("once{}", chance.below(100_000)),
            1 => text += &format!("few{}", chance.below(40)),
            2 => text += &format!("{}{}", "=#".repeat(2 + chance.below(3)), "!?;".repeat(chance.below(5))),
            _ => text += chance.of(PIECES),
        }
        if chance.one_in(3) {
            text += " ";
        }
    }
    text
}

fn some_header(chance: &mut Chance) -> String {
    let mut header = String::new();
    for _ in 0..chance.below(6) {
        let value = some_text(chance, 6);
        match chance.below(8) {
            0 => header += &format!("{} : {value}\r\n", chance.of(NAMES)),
            1 => header += &format!("{}:\r\n", chance.of(NAMES)),
            2 => header += &format!("no name here {}\r\n", value.replace([':', '\n'], ";")),
            3 => header += &format!("From: \"{}\" <u{}@x.org>, b@c\r\n", chance.of(PIECES), chance.below(50)),
            _ => header += &format!("{}: {value}\r\n", chance.of(NAMES)),
        }
    }
    header
}

fn some_disposition(chance: &mut Chance) -> String {
    match chance.below(4) {
        0 => "Content-Disposition: attachment\r\n".into(),
        1 => format!(
            "Content-Disposition: inline; filename=\"{}\"\r\n",
            some_text(chance, 4).replace(['\r', '\n'], "")
        ),
        _ => String::new(),
    }
}

fn some_message(chance: &mut Chance) -> String {
    let header = some_header(chance);
    let body = some_text(chance, 30);
    match chance.below(6) {
        0 => format!(
            "{header}Content-Type: multipart/mixed; boundary=qq\r\n\r\n--qq\r\nContent-Type: text/plain; name=\"{}\"\r\n{}\r\n{body}\r\n\
             --qq\r\nContent-Type: text/html\r\n\r\n<p>{}<b>{}</b><a href=\"http://{}/\">x</a>\r\n--qq--\r\n",
            chance.of(PIECES).trim(),
            some_disposition(chance),
            some_text(chance, 5),
            some_text(chance, 5),
            chance.of(PIECES).trim(),
        ),
        1 => format!(
            "{header}Content-Type: multipart/digest; boundary=qq\r\n\r\n--qq\r\n\r\n{}\r\n{body}\r\n--qq\r\n\r\n{}\r\n{}\r\n--qq--\r\n",
            some_header(chance),
            some_header(chance),
            some_text(chance, 5),
        ),
        _ => format!("{header}\r\n{body}"),
    }
}

fn some_needle(chance: &mut Chance, messages: &[String]) -> String {
    if chance.one_in(6) {
        return some_text(chance, 3);
    }
    if chance.one_in(30) {
        return String::new();
    }
    let message = &messages[chance.below(messages.len())];
    let found = texts(message.as_bytes());
    let all: Vec<&String> = found.header.iter().chain(&found.body).chain(&found.file_names).collect();
    let Some(text) = all.get(chance.below(all.len())) else { return "x".into() };
    let chars: Vec<char> = text.chars().collect();
    let start = chance.below(chars.len());
    let len = if chance.one_in(2) { 1 + chance.below(4) } else { 1 + chance.below(25) };
    let mut needle: String = chars[start..chars.len().min(start + len)].iter().collect();
    match chance.below(12) {
        0 => needle.push(' '),
        1 => needle.insert(0, ' '),
        2 => needle = needle.to_lowercase(),
        3 => needle.push_str(chance.of(PIECES)),
        _ => {}
    }
    needle
}

fn some_field(chance: &mut Chance) -> Field {
    match chance.below(13) {
        0 | 1 => Field::Body,
        2..=4 => Field::Text,
        5 => Field::Subject,
        6 => Field::From,
        7 => chance.of(&[&Field::To, &Field::Cc, &Field::Bcc]).clone(),
        8 => Field::Header(chance.of(NAMES).to_uppercase()),
        9 | 10 => Field::FileName,
        11 => Field::Attachment,
        _ => Field::Header(
            chance.of(&["x-foo", "received", "content-type", "", "none", "ﬁ", "a b"]).to_owned(),
        ),
    }
}

fn some_program(chance: &mut Chance, messages: &[String], depth: usize) -> Node {
    let several = |chance: &mut Chance| {
        (0..chance.below(4)).map(|_| some_program(chance, messages, depth - 1)).collect::<Vec<_>>()
    };
    match if depth == 0 { 9 } else { chance.below(12) } {
        0 => Node::Not(Box::new(some_program(chance, messages, depth - 1))),
        1 | 2 => Node::And(several(chance)),
        3 | 4 => Node::Or(several(chance)),
        5 => Node::State((0..200).filter(|_| chance.one_in(2)).collect()),
        6 => chance.of(&[&Node::All, &Node::None]).clone(),
        _ => {
            let (field, needle) = (some_field(chance), some_needle(chance, messages));
            Node::Text(TextKey { field, needle })
        }
    }
}

fn prepared(message: &str) -> Prepared {
    let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
    Prepared::new(&Message::new(header, body), &AtomicBool::new(false)).unwrap()
}

fn segment(messages: &[(u32, &str)]) -> Segment {
    let mut builder = Builder::new(BuildOptions::default());
    for (number, message) in messages {
        builder.push(*number, &prepared(message)).unwrap();
    }
    let bytes = builder.finish().unwrap();
    Segment::open(OwnedBytes::new(bytes), Verify::Checksums).unwrap()
}

fn differences(segment: &Segment, messages: &[(u32, &str)], node: &Node) -> Vec<u32> {
    let stop = AtomicBool::new(false);
    let cx = Cx { stop: &stop, trace: None };
    let found = Query::new(node).run(segment, &Bits::full(segment.docs()), &cx).unwrap();
    let scan = Compiled::new(node);
    let mut wrong = Vec::new();
    for (number, message) in messages {
        let Some(doc) = segment.doc_of(*number) else { panic!("message {number} is in the segment") };
        if segment.unvouched().contains(doc) {
            assert!(!found.contains(doc), "an unvouched message is the scan's");
            continue;
        }
        let (header, body) = message.as_bytes().split_at(header_end(message.as_bytes()));
        if scan.matches(*number, &Message::new(header, body), &stop).unwrap() != found.contains(doc) {
            wrong.push(*number);
        }
    }
    wrong
}

#[test]
fn the_index_says_what_the_scan_says() {
    for seed in 1..=12 {
        let chance = &mut Chance(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed));
        let messages: Vec<String> = (0..1 + chance.below(70)).map(|_| some_message(chance)).collect();
        // Numbers with gaps, and without.
        let step = 1 + seed as usize % 3;
        let numbered: Vec<(u32, &str)> = messages
            .iter()
            .enumerate()
            .map(|(n, message)| (3 + (n * step) as u32, message.as_str()))
            .collect();
        let segment = segment(&numbered);
        for n in 0..400 {
            let node = some_program(chance, &messages, if n % 4 == 0 { 3 } else { 0 });
            let wrong = differences(&segment, &numbered, &node);
            assert!(wrong.is_empty(), "seed {seed}: {node:?} differs for {wrong:?}");
        }
    }
}

/// Words that one message has, numbers and dates stand in slots of templates; whichever of them a needle from a field name on
/// ends in or goes over, it is found.
#[test]
fn values_begin_with_what_is_in_slots() {
    let messages: Vec<String> = (0..30)
        .map(|n: u32| {
            // More places in one template than are kept, and more runs.
            let many: Vec<String> = (0..7).map(|at| (n * (at + 3) % 11).to_string()).collect();
            let many = many.join("-");
            format!(
                "Subject: then a word{n} and {n} more\r\nX-Own: own{n} a word{n}q of it\r\nDate: Mon, {n} Jan 2024\r\nX-Id: <{n}.q{n}x@host> a\r\nX-Many: {many}\r\n\r\nbody {n}\r\n"
            )
        })
        .collect();
    let numbered: Vec<(u32, &str)> = (0..).zip(messages.iter().map(String::as_str)).collect();
    let segment = segment(&numbered);
    for line in messages[7].lines().filter(|line| line.contains(": ")) {
        let starts = if line.starts_with("X-Many") { line.len() } else { 8 };
        for (from, to) in (0..starts).flat_map(|from| (from + 1..=line.len()).map(move |to| (from, to))) {
            let needle = line[from..to].to_owned();
            let node = Node::Text(TextKey { field: Field::Text, needle });
            let wrong = differences(&segment, &numbered, &node);
            assert!(wrong.is_empty(), "{node:?} differs for {wrong:?}");
        }
    }
}

#[test]
fn a_mask_only_takes_away() {
    let chance = &mut Chance(77);
    let messages: Vec<String> = (0..60).map(|_| some_message(chance)).collect();
    let numbered: Vec<(u32, &str)> = (0..).zip(messages.iter().map(String::as_str)).collect();
    let segment = segment(&numbered);
    let stop = AtomicBool::new(false);
    let cx = Cx { stop: &stop, trace: None };
    for _ in 0..300 {
        let query = Query::new(&some_program(chance, &messages, 2));
        let mut expected = query.run(&segment, &Bits::full(segment.docs()), &cx).unwrap();
        let mut mask = Bits::new(segment.docs());
        (0..segment.docs()).filter(|_| chance.one_in(2)).for_each(|doc| mask.insert(doc));
        expected.and(&mask);
        assert_eq!(query.run(&segment, &mask, &cx).unwrap(), expected, "{query:?}");
    }
}

#[test]
fn a_raised_flag_stops() {
    let segment = segment(&[(0, "Subject: x\r\n\r\nfood")]);
    let stop = AtomicBool::new(true);
    let node = Node::Text(TextKey { field: Field::Body, needle: "food".into() });
    let cx = Cx { stop: &stop, trace: None };
    assert!(matches!(Query::new(&node).run(&segment, &Bits::full(1), &cx), Err(Halt::Stopped)));
}

#[test]
fn state_is_message_numbers() {
    let messages: Vec<(u32, &str)> = [2, 3, 5, 9, 10, 11].map(|n| (n, "\r\nx")).to_vec();
    for messages in [&messages[..], &messages[3..], &messages[..1]] {
        let segment = segment(messages);
        for set in 0..1 << 13 {
            let numbers: RoaringBitmap = (0..13).filter(|n| set >> n & 1 == 1).collect();
            let docs = super::docs_of(&segment, &numbers);
            let expected: Vec<u32> =
                (0..messages.len() as u32).filter(|&d| numbers.contains(messages[d as usize].0)).collect();
            assert_eq!(docs.iter().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn words_are_found_that_are_spelled_like_another() {
    let of = |first: u32, words: &[&str]| {
        let messages: Vec<String> =
            (0..3).map(|n| format!("Subject: s{n}\r\n\r\n{}", words.join(" "))).collect();
        let numbered: Vec<(u32, &str)> = (first..).zip(messages.iter().map(String::as_str)).collect();
        std::sync::Arc::new(segment(&numbered))
    };
    let segments = [
        of(
            0,
            &["hello", "help", "helot", "hallo", "jelo", "hel", "meeting", "meting", "greeting", "42", "漢"],
        ),
        of(9, &["hello", "hero", "conference", "conferrense", "Émile", "emile"]),
    ];
    let stop = AtomicBool::new(false);
    let similar = |word: &str, most: usize| {
        let mut found = super::similar(&segments, &[crate::normalise(word)], most, &stop).unwrap().remove(0);
        found.sort();
        found
    };
    // One edit; what has the word inside is found by the word itself.
    assert_eq!(similar("helo", 9), ["HEL", "HELLO", "HELP", "HERO", "JELO"]);
    assert_eq!(similar("helo", 2).len(), 2);
    assert_eq!(similar("meetign", 9), ["MEETING"]);
    assert_eq!(similar("meeting", 9), ["METING"]);
    // Two in a long word, and letters are compared without their accents' case.
    assert_eq!(similar("conferense", 9), ["CONFERENCE", "CONFERRENSE"]);
    assert_eq!(similar("émil", 9), Vec::<String>::new());
    // Short ones are what they are.
    for word in ["hep", "42", "漢", "", "\u{301}"] {
        assert_eq!(similar(word, 9), Vec::<String>::new(), "{word}");
    }
    let stopped = super::similar(&segments, &["HELO".into()], 9, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Halt::Stopped)));
}
