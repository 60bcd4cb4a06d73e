//! What a segment says of its templates is what the fields of its documents say.

use super::*;
use crate::segment::templates::CLASSES;

/// Lists, counts of slots and ranges of fields against a walk over all fields of all documents.
pub fn check_templates(segment: &Segment) {
    let templates = segment.templates();
    let mut docs: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    // By template and slot what fills it.
    let mut fillings: BTreeMap<(u32, usize), BTreeSet<u32>> = BTreeMap::new();
    for doc in 0..segment.docs() {
        for value in segment.fields(doc) {
            let value = value.unwrap();
            docs.entry(value.number).or_default().insert(doc);
            for (slot, rank) in codes::ranks(value.slots).enumerate() {
                fillings.entry((value.number, slot)).or_default().insert(rank);
            }
        }
    }
    for (slot, ranks) in fillings {
        let literal = ranks.contains(&codes::LITERAL_WORD) || ranks.contains(&codes::LITERAL_SEPARATOR);
        assert!(ranks.len() > 1 || literal, "{slot:?} is always filled alike");
    }
    // Every template is of some document.
    assert!(docs.keys().copied().eq(0..templates.len()));
    let mut by_field: BTreeMap<(u32, bool), Vec<u32>> = BTreeMap::new();
    for (&number, docs) in &docs {
        let template = templates.get(number).unwrap();
        assert_eq!(templates.slots(number).unwrap(), template.slots);
        assert_eq!(&templates.docs_with(&[number]).iter().collect::<BTreeSet<_>>(), docs);
        by_field.entry((template.name, template.nested)).or_default().push(number);
    }
    let some: Vec<u32> = docs.keys().copied().filter(|number| number % 3 != 1).collect();
    let expected: BTreeSet<u32> = some.iter().flat_map(|number| docs[number].clone()).collect();
    assert_eq!(templates.docs_with(&some).iter().collect::<BTreeSet<_>>(), expected);
    let in_any_order: Vec<u32> = some.iter().rev().copied().collect();
    assert_eq!(templates.docs_with(&in_any_order).iter().collect::<BTreeSet<_>>(), expected);
    assert!(templates.docs_with(&[templates.len(), u32::MAX]).is_empty());
    let all = 0..templates.len();
    for (&(name, nested), numbers) in &by_field {
        let of_field = |range| templates.of_field(name, nested, range).flatten().collect::<Vec<u32>>();
        assert_eq!(&of_field(all.clone()), numbers);
        let middle = all.end / 3..all.end - all.end / 4;
        let inside: Vec<u32> = numbers.iter().copied().filter(|number| middle.contains(number)).collect();
        assert_eq!(of_field(middle), inside);
        if !by_field.contains_key(&(name, !nested)) {
            assert_eq!(templates.of_field(name, !nested, all.clone()).count(), 0);
        }
    }
}

#[test]
fn templates_of_every_class() {
    let names: Vec<String> = (0..40).map(|name| format!("X-{}", (b'A' + name) as char)).collect();
    let mut messages: Vec<Prepared> = (0..200).map(|_| Prepared::default()).collect();
    // Words come in pairs of messages, so that they are entries, and each pair of words is a template.
    for (n, message) in messages.iter_mut().enumerate() {
        for at in 0..100 {
            let name = names[(n / 2 + at) % names.len()].as_bytes();
            let kind = if at % 7 == 0 { Kind::Nested { name } } else { Kind::Own { name } };
            message.push(kind, &format!("{} {}", word(n / 2), word(at)));
            message.push(Kind::Own { name }, "SAME IN ALL");
        }
        // More slots than an octet counts.
        message.push(Kind::Own { name: b"X-MANY" }, &"17 ".repeat(200 + n / 2));
    }
    let segment = open(build(&messages, BuildOptions::default()));
    assert!(segment.templates().len() > CLASSES[2] + 1000);
    check_templates(&segment);
}

#[test]
fn what_fills_a_slot_in_few_ways_is_of_the_template() {
    let messages: Vec<Prepared> = (0..64)
        .map(|n| {
            let mut message = Prepared::default();
            let name = b"X-A";
            // The same in all; two ways; a way for every other message; in no other message.
            for text in ["ALWAYS 17", &format!("EITHER {}", n % 2), &format!("PAIR {}", n / 2 + 100)] {
                message.push(Kind::Own { name }, text);
            }
            message.push(Kind::Own { name }, &format!("ID Q{n}Q{n}Q"));
            message
        })
        .collect();
    let segment = open(build(&messages, BuildOptions::default()));
    check_templates(&segment);
    let slots: Vec<Vec<(u32, usize)>> = (0..segment.docs())
        .map(|doc| {
            let values = segment.fields(doc).map(|value| value.unwrap());
            values.map(|value| (value.number, codes::ranks(value.slots).count())).collect()
        })
        .collect();
    for (doc, fields) in slots.iter().enumerate() {
        assert_eq!(fields.iter().map(|field| field.1).collect::<Vec<_>>(), [0, 0, 1, 1]);
        let same: Vec<bool> = fields.iter().zip(&slots[(doc + 1) % 64]).map(|(a, b)| a.0 == b.0).collect();
        assert_eq!(same, [true, false, true, true]);
    }
}

/// Letters only: what has a digit stands in slots.
fn word(n: usize) -> String {
    format!("WORD{}", n.to_string().bytes().map(|digit| (digit - b'0' + b'A') as char).collect::<String>())
}
