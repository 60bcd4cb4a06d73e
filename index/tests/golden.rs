//! The searchable text of the golden messages, made independently by `scripts/golden.py`, against what the crate extracts;
//! and their ENVELOPE, BODY and BODYSTRUCTURE, which another parser of IMAP must take.

#![allow(clippy::expect_used, reason = "a damaged golden file is a failing test")]

use std::collections::BTreeMap;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use trawl_index::mime::{header, header_end};
use trawl_index::summary::Summary;
use trawl_index::{extract, normalise};

const MESSAGES: &[u8] = include_bytes!("golden/messages.bundle");
const EXPECTED: &str = include_str!("golden/expected.txt");

/// `# name length`, the octets, a line end; again and again.
fn messages() -> Vec<(String, &'static [u8])> {
    let mut out = Vec::new();
    let mut rest = MESSAGES;
    while !rest.is_empty() {
        let end = rest.iter().position(|&b| b == b'\n').expect("a line `# name length`");
        let line = std::str::from_utf8(&rest[..end]).expect("names are ASCII");
        let mut words = line.split(' ').skip(1);
        let name = words.next().expect("a name").to_owned();
        let length: usize = words.next().and_then(|n| n.parse().ok()).expect("a length");
        out.push((name, &rest[end + 1..end + 1 + length]));
        rest = &rest[end + 2 + length..];
    }
    out
}

fn expected() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut out: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut name = "";
    for line in EXPECTED.strip_suffix('\n').unwrap_or(EXPECTED).split('\n') {
        match line.strip_prefix("= ") {
            Some(next) => {
                name = next;
                out.entry(name).or_default();
            }
            None => out.entry(name).or_default().push(line),
        }
    }
    out
}

#[test]
fn extracted_text_is_the_golden_text() {
    let expected = expected();
    let messages = messages();
    assert!(messages.len() >= 200, "only {} messages", messages.len());
    assert_eq!(messages.len(), expected.len());
    let mut wrong = 0;
    for (name, message) in messages {
        let texts = extract::texts(message);
        let mut found: Vec<String> = Vec::new();
        found.extend(texts.header.iter().map(|text| format!("H {}", normalise(text))));
        found.extend(texts.body.iter().map(|text| format!("B {}", normalise(text))));
        if name.starts_with("address") {
            let header = &message[..header_end(message)];
            for (kind, field) in ["F", "T", "C", "X"].iter().zip(header::fields(header)) {
                found.push(format!("{kind} {}", normalise(&extract::fields::addresses(&field).0)));
            }
        }
        if name.starts_with("parameter") || name.starts_with("attachment") {
            found.extend(texts.file_names.iter().map(|text| format!("N {}", normalise(text))));
            found.extend(texts.has_attachment.then(|| "A".to_owned()));
        }
        let wanted = &expected[name.as_str()];
        if found != *wanted {
            wrong += 1;
            println!("{name}:\n{}", String::from_utf8_lossy(message));
            for line in wanted.iter().filter(|line| !found.iter().any(|f| f == *line)) {
                println!("  expected {line:?}");
            }
            for line in found.iter().filter(|line| !wanted.contains(&line.as_str())) {
                println!("  found    {line:?}");
            }
        }
    }
    assert_eq!(wrong, 0, "messages with another text than the golden one");
}

#[test]
fn summaries_are_valid_imap() {
    for (name, message) in messages() {
        let summary = Summary::build(message);
        for (item, value) in [
            ("ENVELOPE", &summary.envelope),
            ("BODY", &summary.body),
            ("BODYSTRUCTURE", &summary.body_structure),
        ] {
            let line = [b"* 1 FETCH (", item.as_bytes(), b" ", value, b")\r\n"].concat();
            let whole = matches!(ResponseCodec::default().decode(&line), Ok((rest, _)) if rest.is_empty());
            assert!(whole, "{name}: {}", String::from_utf8_lossy(&line));
        }
    }
}
