//! Properties over arbitrary octets: nothing panics, forms survive a round trip, the scan is what its definition says.

mod support;

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use trawl_index::mime::{self, charset, header, transfer};
use trawl_index::query::{Field, Node, TextKey};
use trawl_index::scan::{Compiled, Message};
use trawl_index::summary::{Summary, SummaryView};
use trawl_index::{extract, normalise};

use support::{field, mail, program};

/// The definition, written down naively.
fn naive(node: &Node, position: u32, message: &[u8]) -> bool {
    match node {
        Node::All => true,
        Node::None => false,
        Node::State(rows) => rows.contains(position),
        Node::Not(node) => !naive(node, position, message),
        Node::And(nodes) => nodes.iter().all(|node| naive(node, position, message)),
        Node::Or(nodes) => nodes.iter().any(|node| naive(node, position, message)),
        Node::Text(key) => {
            let needle = normalise(&key.needle);
            let contains = |text: &str| normalise(text).contains(&needle);
            let texts = extract::texts(message);
            let own = &message[..mime::header_end(message)];
            let named =
                |name: &str| header::fields(own).filter(|f| f.is(name.as_bytes())).collect::<Vec<_>>();
            let addresses = |name: &str| {
                named(name).iter().any(|field| {
                    let (canonical, raw) = extract::fields::addresses(field);
                    contains(&canonical) || raw.is_some_and(|raw| contains(&raw))
                })
            };
            let plain =
                |name: &str| named(name).iter().any(|field| contains(&extract::fields::decoded(field)));
            match &key.field {
                Field::Body => needle.is_empty() || texts.body.iter().any(|text| contains(text)),
                Field::Text => {
                    needle.is_empty() || texts.header.iter().chain(&texts.body).any(|text| contains(text))
                }
                Field::Header(name) => plain(name),
                Field::Subject => plain("subject"),
                Field::From => addresses("from"),
                Field::To => addresses("to"),
                Field::Cc => addresses("cc"),
                Field::Bcc => addresses("bcc"),
                Field::FileName => texts.file_names.iter().any(|name| contains(name)),
                Field::Attachment => texts.has_attachment && needle.is_empty(),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn summaries_survive(message in mail()) {
        let summary = Summary::build(&message);
        let encoded = summary.encode();
        prop_assert_eq!(&Summary::decode(&encoded).unwrap(), &summary);
        prop_assert_eq!(SummaryView::new(&encoded).unwrap().body, &summary.body[..]);
        for part in &summary.parts {
            prop_assert_eq!(summary.section(&part.path), Some(part));
            prop_assert!(message.get(part.body.start as usize..part.body.end as usize).is_some());
            prop_assert!(message.get(part.mime.start as usize..part.mime.end as usize).is_some());
        }
    }

    #[test]
    fn decoding_any_octets_is_safe(octets in any::<Vec<u8>>(), version in any::<bool>()) {
        let octets = if version { [&[1][..], &octets].concat() } else { octets };
        let _ = Summary::decode(&octets);
        let _ = SummaryView::new(&octets);
    }

    #[test]
    fn scan_is_its_definition(
        message in mail(),
        field in field(),
        at in any::<prop::sample::Index>(),
        length in 0usize..12,
        seed in program(field().prop_map(|field| Node::Text(TextKey { field, needle: "word".into() }))),
    ) {
        // A fragment of the message's own text, so that it is found more often than not.
        let texts = extract::texts(&message);
        let texts = [&texts.body, &texts.header, &texts.file_names];
        let all: Vec<&String> = texts.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        let needle: String = match all.is_empty() {
            true => "x".into(),
            false => {
                let chars: Vec<char> = all[at.index(all.len())].chars().collect();
                chars.iter().skip(at.index(chars.len())).take(length).collect()
            }
        };
        let node = Node::Or(vec![Node::And(vec![Node::Text(TextKey { field, needle }), seed.clone()]), Node::Not(Box::new(seed))]);
        let (head, body) = message.split_at(mime::header_end(&message));
        let found = Compiled::new(&node).matches(3, &Message::new(head, body), &AtomicBool::new(false));
        prop_assert_eq!(found, Ok(naive(&node, 3, &message)), "{:?}", node);
    }

    #[test]
    fn pieces_do_not_matter(
        octets in any::<Vec<u8>>(),
        name in prop::sample::select(vec!["utf-8", "utf-7", "iso-2022-kr", "hz", "johab", "utf-16", "utf-32", "big5", "cp437", "us-ascii"]),
        encoding in prop::sample::select(vec![
            transfer::Encoding::Base64, transfer::Encoding::QuotedPrintable, transfer::Encoding::Uuencode,
        ]),
        cut in 1usize..7,
    ) {
        let charset = charset::lookup(name.as_bytes()).unwrap();
        let mut decoder = charset.decoder();
        let mut text = String::new();
        octets.chunks(cut).for_each(|piece| decoder.push(piece, &mut text));
        decoder.finish(&mut text);
        prop_assert_eq!(text, charset.decode(&octets));
        let mut decoder = transfer::Decoder::new(encoding);
        let mut out = Vec::new();
        octets.chunks(cut).for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        prop_assert_eq!(out, transfer::decode(&octets, encoding));
    }
}
