//! A segment gives back what was put in, finds it by its own tables, and survives damage.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use memchr::memmem::Finder;
use proptest::prelude::*;

use super::*;
use crate::normalise;
use crate::prepare::{Kind, Prepared, Which};
use crate::tokens::{Class, class_of, tokens};

mod damage;
mod templates;

type Owned = (String, String);

fn kind_name(kind: Kind<'_>) -> String {
    match kind {
        Kind::Own { name } => format!("own {}", name.escape_ascii()),
        Kind::Nested { name } => format!("nested {}", name.escape_ascii()),
        other => format!("{other:?}"),
    }
}

fn decoded(segment: &Segment, doc: u32, area: Area) -> Vec<Owned> {
    let mut out = Vec::new();
    let each = &mut |kind: Kind<'_>, text: &[u8]| {
        out.push((kind_name(kind), String::from_utf8(text.to_vec()).unwrap()));
    };
    segment.decode(doc, area, each).unwrap();
    out
}

fn texts(prepared: &Prepared, area: Area) -> Vec<Owned> {
    prepared.area(area).map(|(kind, text)| (kind_name(kind), text.to_owned())).collect()
}

fn build(messages: &[Prepared], options: BuildOptions) -> Vec<u8> {
    let mut builder = Builder::new(options);
    for (n, prepared) in messages.iter().enumerate() {
        builder.push(n as u32 * 3 + 5, prepared).unwrap();
    }
    builder.finish().unwrap()
}

fn open(bytes: Vec<u8>) -> Segment {
    Segment::open(OwnedBytes::new(bytes), Verify::Checksums).unwrap()
}

fn docs_in(segment: &Segment, field: Field, found: &Found) -> BTreeSet<u32> {
    let mut bits = Bits::new(segment.docs());
    segment.lists(field).or_into(found, &mut bits).unwrap();
    assert_eq!(bits.count(), found.frequency());
    bits.iter().collect()
}

fn docs_of(segment: &Segment, field: Field, term: &[u8]) -> BTreeSet<u32> {
    let mut bits = Bits::new(segment.docs());
    segment.add(field, term, &mut bits).unwrap();
    bits.iter().collect()
}

/// The pieces of a file, but for tantivy's description, which has a random number.
fn octets(file: Vec<u8>) -> Vec<OwnedBytes> {
    let bundle = Bundle::open(&OwnedBytes::new(file)).unwrap();
    let pieces = Piece::ALL.into_iter().filter(|&piece| piece != Piece::TantivyMeta);
    pieces.map(|piece| bundle.piece(piece)).collect()
}

/// Everything that a segment says about its messages, compared with what follows from their texts.
fn check(segment: &Segment, messages: &BTreeMap<u32, &Prepared>, options: BuildOptions) {
    assert_eq!(segment.messages().collect::<Vec<_>>(), messages.keys().copied().collect::<Vec<_>>());
    let vocabulary = segment.vocabulary();
    let mut words: BTreeMap<Vec<u8>, BTreeSet<u32>> = BTreeMap::new();
    let mut expected: BTreeMap<(Field, Vec<u8>), BTreeSet<u32>> = BTreeMap::new();
    // By ord; in bodies there is no field.
    let mut entries: BTreeMap<(u32, Option<u32>), BTreeSet<u32>> = BTreeMap::new();
    for (doc, (&message, prepared)) in messages.iter().enumerate() {
        let doc = doc as u32;
        assert_eq!((segment.message(doc), segment.doc_of(message)), (Some(message), Some(doc)));
        assert_eq!(segment.unvouched().contains(doc), !prepared.is_vouched());
        for area in Area::ALL {
            assert_eq!(decoded(segment, doc, area), texts(prepared, area));
        }
        let mut expect_entry = |field: Option<u32>, ord: u32| {
            entries.entry((ord, field)).or_default().insert(doc);
        };
        let mut expect = |field, term: Term| {
            expected.entry((field, term.to_vec())).or_default().insert(doc);
        };
        for (kind, text) in prepared.texts() {
            let area = kind.area();
            let field = match kind {
                Kind::Body => None,
                Kind::Own { name } => vocabulary.name(name),
                Kind::Nested { name } => {
                    expect(Field::Head, terms::present_nested(vocabulary.name(name).unwrap()));
                    Some(terms::NESTED)
                }
                Kind::Pseudo { which } => vocabulary.pseudo_name(which),
            };
            if let Some(field) = field.filter(|&field| field != terms::NESTED) {
                expect(Field::Head, terms::present(field));
            }
            let all: Vec<(Class, &str)> = tokens(text).collect();
            for (n, &(class, token)) in all.iter().enumerate() {
                words.entry(token.as_bytes().to_vec()).or_default().insert(doc);
                let beside = |at: usize, wanted: Class| all.get(at).filter(|&&(class, _)| class == wanted);
                let implied = token == " "
                    && n > 0
                    && beside(n - 1, Class::Word).is_some()
                    && beside(n + 1, Class::Word).is_some();
                if let Some(ord) = vocabulary.ord(token.as_bytes()) {
                    match field {
                        Some(_) if implied => {}
                        field => expect_entry(field, ord),
                    }
                } else if let Some(field) = field {
                    expect(Field::Head, terms::literal(field));
                }
                if area == Area::Pseudo {
                    continue;
                }
                let edges = match options.edges {
                    Edges::None => false,
                    Edges::Body => area == Area::Body,
                    Edges::BodyAndHead => true,
                };
                let tail = terms::tail(token).unwrap();
                let start = terms::start(token).unwrap();
                if implied && options.joints {
                    let (left, right) =
                        (terms::tail(all[n - 1].1).unwrap(), terms::start(all[n + 1].1).unwrap());
                    expect(Field::Joint, terms::joint(area, left, right));
                }
                if class == Class::Separator && !implied && edges {
                    if let Some((_, word)) = n.checked_sub(1).and_then(|at| beside(at, Class::Word)) {
                        expect(Field::Edge, terms::edge_after(area, terms::tail(word).unwrap(), start));
                    }
                    if let Some((_, word)) = beside(n + 1, Class::Word) {
                        expect(Field::Edge, terms::edge_before(area, terms::start(word).unwrap(), tail));
                    }
                }
                if let (Class::Single, Some((_, next)), None) = (class, beside(n + 1, Class::Single), field) {
                    let ord = |token: &str| vocabulary.ord(token.as_bytes()).unwrap();
                    expect(Field::Body, terms::pair(ord(token), ord(next)));
                }
            }
        }
    }
    for field in Field::ALL {
        let mut found = BTreeMap::new();
        segment
            .terms(field, b"", &mut |term, entry| {
                found.insert((field, term.to_vec()), docs_in(segment, field, entry));
                ControlFlow::Continue(())
            })
            .unwrap();
        let wanted: BTreeMap<_, _> = expected
            .iter()
            .filter(|((of, _), _)| *of == field)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        assert_eq!(found, wanted, "{field:?}");
        for (_, term) in wanted.keys().take(50) {
            assert_eq!(docs_of(segment, field, term), wanted[&(field, term.clone())]);
        }
    }
    let mut found = BTreeMap::new();
    for ord in 0..vocabulary.len() {
        if let Some(list) = segment.body_list(ord) {
            found.insert((ord, None), docs_in(segment, Field::Body, &list));
        }
        for (field, list) in segment.head_lists(ord) {
            let before = found.insert((ord, Some(field)), docs_in(segment, Field::Head, &list));
            assert!(before.is_none());
        }
    }
    assert_eq!(found, entries);
    // Vocabulary and literals part the tokens.
    for (token, docs) in &words {
        let text = std::str::from_utf8(token).unwrap();
        let is_vocabulary = vocabulary.ord(token).is_some();
        let must = docs.len() > 1 || token.len() < 3 || class_of(text) == Class::Single || !options.literals;
        assert!(is_vocabulary || !must, "{text:?}");
        for area in Area::ALL {
            for doc in docs {
                let of_message = messages.values().nth(*doc as usize).unwrap();
                let is_here =
                    of_message.area(area).any(|(_, text)| tokens(text).any(|(_, t)| t.as_bytes() == token));
                let literals = segment.literals(*doc, area);
                let is_literal = literals.get().split(|&b| b == 0xff).any(|literal| literal == &token[..]);
                assert_eq!(is_literal, is_here && !is_vocabulary, "{text:?}");
                if is_literal {
                    let mut within = Bits::full(segment.docs());
                    let columns = segment.literal_candidates(area, token, &mut within);
                    assert!(within.contains(*doc));
                    // With what ends it and the one before it, and without; also where only some columns are looked at.
                    for octets in [&token[..], &[b"\xff", &token[..], b"\xff"].concat()] {
                        let mut found = false;
                        let note = |_, has| {
                            found = has;
                            Ok::<(), ()>(())
                        };
                        segment.search_literals(&[*doc], area, &Finder::new(octets), &columns, note).unwrap();
                        assert!(found, "{text:?}");
                    }
                }
            }
        }
    }
    check_vocabulary(vocabulary, &words);
    templates::check_templates(segment);
}

fn check_vocabulary(vocabulary: &Vocabulary, words: &BTreeMap<Vec<u8>, BTreeSet<u32>>) {
    let all: Vec<&[u8]> = (0..vocabulary.len()).map(|ord| vocabulary.term(ord)).collect();
    assert!(all.is_sorted());
    let is_token = |term: &[u8]| term.first().is_none_or(|&b| b < 0xfd);
    let matching = |matches: &dyn Fn(&[u8]) -> bool| {
        (0..vocabulary.len())
            .filter(|&ord| is_token(all[ord as usize]) && matches(all[ord as usize]))
            .collect::<Vec<_>>()
    };
    for ord in 0..vocabulary.len() {
        let rank = vocabulary.rank(ord);
        assert_eq!(vocabulary.ord_of_rank(rank), Some(ord));
        let term = all[ord as usize];
        if is_token(term) {
            let end = std::str::from_utf8(term).unwrap().chars().next_back().map_or(0, char::len_utf8);
            let end = &term[term.len() - end..];
            assert!(vocabulary.ends_with(rank, end, &vocabulary.suffix(end)));
        }
        assert!(!vocabulary.ends_with(rank, b"\x03~~", &vocabulary.suffix(b"\x03~~")));
        match std::str::from_utf8(term) {
            Ok(text) => assert_eq!(vocabulary.class(ord), Some(class_of(text))),
            Err(_) => {
                assert!(vocabulary.class(ord).is_none());
                assert_eq!(vocabulary.names().contains(&ord), term[0] == 0xfe);
            }
        }
    }
    let fragments = words.keys().take(40).flat_map(|word| {
        let text = std::str::from_utf8(word).unwrap();
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let middle = cuts[cuts.len() / 2];
        [&text[..middle], &text[middle..], text, &text[cuts[cuts.len() / 3]..cuts[cuts.len() * 2 / 3]]]
    });
    for fragment in fragments.chain(["", "Q", "ZZZZ", "\u{10ffff}"]) {
        let fragment = fragment.as_bytes();
        let prefix = vocabulary.prefix(fragment);
        assert_eq!(prefix.clone().collect::<Vec<_>>(), matching(&|term| term.starts_with(fragment)));
        let mut suffix: Vec<u32> = vocabulary.suffix(fragment).map(|at| vocabulary.reversed(at)).collect();
        suffix.sort_unstable();
        assert_eq!(suffix, matching(&|term| term.ends_with(fragment)));
        let mut inside = Vec::new();
        vocabulary.containing(fragment, &mut inside);
        let contains =
            |term: &[u8]| fragment.is_empty() || term.windows(fragment.len()).any(|w| w == fragment);
        assert_eq!(inside, matching(&contains), "{:?}", fragment.escape_ascii().to_string());
        let ranks = vocabulary.rank_ranges(prefix.clone());
        let mut ords: Vec<u32> =
            ranks.into_iter().flatten().filter_map(|rank| vocabulary.ord_of_rank(rank)).collect();
        ords.sort_unstable();
        assert_eq!(ords, prefix.collect::<Vec<_>>());
    }
}

fn numbered(messages: &[Prepared]) -> BTreeMap<u32, &Prepared> {
    messages.iter().enumerate().map(|(n, prepared)| (n as u32 * 3 + 5, prepared)).collect()
}

/// Texts made to break things, and common words so that tokens are shared.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            " ",
            " ",
            " ",
            "  ",
            "FOOD",
            "CART",
            "A",
            "E\u{301}",
            "\u{301}",
            "日",
            "本",
            "日本語",
            "ก\u{e34}น",
            "한국",
            "😀",
            "👩\u{200d}💻",
            "\0",
            "\u{1c}",
            "\u{1f}",
            "\n",
            "\u{2}",
            "\u{ad}",
            ".",
            "-- ",
            "@",
            "<",
            ">",
            "=3D",
            "DGVZDA0KYWJJZGVM",
            "HTTP://X.Y/Z?A=B",
            "ΣΊΣΥΦΟΣ",
            "\u{fffd}",
            "\u{10ffff}",
            "İ",
            "ß",
            "\u{5d0}\u{5b7}",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[A-Z0-9]{1,12}",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| normalise(&pieces.concat()))
}

fn message() -> impl Strategy<Value = Prepared> {
    let name = || prop::sample::select(vec!["", "SUBJECT", "FROM", "X-A", "RECEIVED", "!", "\u{7f}"]);
    let kind = prop_oneof![
        Just(0).prop_map(|_| (0, "")),
        name().prop_map(|name| (1, name)),
        name().prop_map(|name| (2, name)),
        (0..Which::ALL.len()).prop_map(|which| (3 + which, "")),
    ];
    prop::collection::vec((kind, text()), 0..8).prop_map(|texts| {
        let mut prepared = Prepared::default();
        for ((kind, name), text) in &texts {
            let name = name.as_bytes();
            let kind = match kind {
                0 => Kind::Body,
                1 => Kind::Own { name },
                2 => Kind::Nested { name },
                other => Kind::Pseudo { which: Which::ALL[other - 3] },
            };
            prepared.push(kind, text);
        }
        prepared
    })
}

fn options() -> impl Strategy<Value = BuildOptions> {
    let edges = prop::sample::select(vec![Edges::None, Edges::Body, Edges::BodyAndHead]);
    (any::<bool>(), edges, any::<bool>()).prop_map(|(joints, edges, literals)| BuildOptions {
        joints,
        edges,
        literals,
        ..BuildOptions::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gives_back_what_was_put_in(messages in prop::collection::vec(message(), 0..12), options in options()) {
        check(&open(build(&messages, options)), &numbered(&messages), options);
    }

    #[test]
    fn a_builder_in_used_memory_makes_the_same(
        before in prop::collection::vec(message(), 0..12),
        messages in prop::collection::vec(message(), 0..12),
        options in options(),
    ) {
        let mut builder = Builder::new(options);
        numbered(&before).iter().for_each(|(&number, prepared)| builder.push(number, prepared).unwrap());
        let file = builder.finished_unless(&|| false).unwrap();
        let mut builder = builder.anew();
        builder.leave(file, usize::MAX);
        numbered(&messages).iter().for_each(|(&number, prepared)| builder.push(number, prepared).unwrap());
        let again = builder.finish().unwrap();
        check(&open(again.clone()), &numbered(&messages), options);
        prop_assert_eq!(octets(again), octets(build(&messages, options)));
    }

    #[test]
    fn a_merge_is_one_segment_of_all(
        messages in prop::collection::vec(message(), 1..12),
        places in prop::collection::vec((0..3usize, any::<bool>()), 12),
        options in options(),
    ) {
        let mut builders = [Builder::new(options), Builder::new(options), Builder::new(options)];
        let all = numbered(&messages);
        for ((&number, prepared), (at, _)) in all.iter().zip(&places) {
            builders[*at].push(number, prepared).unwrap();
        }
        let segments = builders.map(|builder| open(builder.finish().unwrap()));
        let keep = |number: u32| places[(number as usize - 5) / 3].1;
        let merged = merge(&segments.each_ref(), &keep, options, &|| false).unwrap();
        let kept: BTreeMap<u32, &Prepared> = all.into_iter().filter(|(number, _)| keep(*number)).collect();
        let merged = open(merged);
        // Tokens of one message that were shared before a message was dropped may become literals or stay.
        check(&merged, &kept, options);
        // The same messages give the same octets, however they came together.
        let mut builder = Builder::new(options);
        kept.iter().for_each(|(&number, prepared)| builder.push(number, prepared).unwrap());
        let direct = open(builder.finish().unwrap());
        let ours = |segment: &Segment| {
            segment.sizes().into_iter().filter(|(name, _)| !name.starts_with("Tantivy")).collect::<Vec<_>>()
        };
        prop_assert_eq!(ours(&merged), ours(&direct));
    }
}

#[test]
fn large_and_many_texts() {
    let mut long = Prepared::default();
    long.push(Kind::Body, &"X".repeat(100_000));
    long.push(Kind::Body, &". ".repeat(50_000));
    long.push(Kind::Body, &"日".repeat(30_000));
    let mut many = Prepared::default();
    for n in 0..5_000 {
        many.push(
            if n % 2 == 0 { Kind::Body } else { Kind::Nested { name: b"CONTENT-TYPE" } },
            if n % 3 == 0 { "" } else { "TEXT PLAIN" },
        );
    }
    let messages = [long, many, Prepared::unvouched(), Prepared::default()];
    check(&open(build(&messages, BuildOptions::default())), &numbered(&messages), BuildOptions::default());
}

#[test]
fn an_empty_segment() {
    let segment = open(build(&[], BuildOptions::default()));
    check(&segment, &BTreeMap::new(), BuildOptions::default());
    assert_eq!(
        merge(&[], &|_| true, BuildOptions::default(), &|| false).map(|bytes| open(bytes).docs()).unwrap(),
        0
    );
}

#[test]
fn numbers_must_rise_and_a_segment_has_an_end() {
    let mut builder = Builder::new(BuildOptions::default());
    builder.push(7, &Prepared::default()).unwrap();
    assert!(matches!(builder.push(7, &Prepared::default()), Err(BuildError::Order)));
    for number in 8.. {
        if builder.is_full() {
            assert!(matches!(builder.push(number, &Prepared::default()), Err(BuildError::Full)));
            break;
        }
        builder.push(number, &Prepared::default()).unwrap();
    }
    assert_eq!(builder.docs() as usize, crate::limits::SEGMENT_MESSAGES_MAX);
}

#[test]
fn a_segment_that_is_stopped_is_not_finished() {
    let builder = || {
        let mut builder = Builder::new(BuildOptions::default());
        builder.push(1, &Prepared::default()).unwrap();
        builder
    };
    // How often it asks, and that it ends at each of these places.
    let asked = Cell::new(0u32);
    let count = || {
        asked.set(asked.get() + 1);
        false
    };
    assert!(builder().finish_unless(&count).is_ok());
    assert!(asked.get() > 8);
    for n in 0..asked.get() {
        let left = Cell::new(n);
        let stop = || left.replace(left.get().wrapping_sub(1)) == 0;
        assert!(matches!(builder().finish_unless(&stop), Err(BuildError::Stopped)), "place {n}");
    }
}

#[test]
fn a_merge_stops() {
    let segment = open(build(&[Prepared::default()], BuildOptions::default()));
    let stopped = merge(&[&segment], &|_| true, BuildOptions::default(), &|| true);
    assert!(matches!(stopped, Err(BuildError::Stopped)));
}
