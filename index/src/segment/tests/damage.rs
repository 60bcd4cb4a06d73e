//! Damaged segments are errors or say something wrong; they are never a panic.

use super::*;

/// Calls every reader of our own tables with everything and a bit more.
fn read_everything(segment: &Segment) -> usize {
    let vocabulary = segment.vocabulary();
    let mut seen = 0;
    for doc in (0..segment.docs().min(20)).chain([u32::MAX]) {
        seen += segment.message(doc).is_some() as usize;
        seen += segment.doc_of(doc).is_some() as usize;
        for area in Area::ALL {
            seen += segment.page(doc, area).map_or(0, |page| page.codes.len() + page.literals.get().len());
            let _ = segment.decode(doc, area, &mut |_, text| seen += text.len());
        }
    }
    for ord in (0..vocabulary.len().min(500)).chain([u32::MAX]) {
        let term = vocabulary.term(ord).to_vec();
        let rank = vocabulary.rank(ord);
        seen += usize::from(vocabulary.class(ord).is_some());
        let mut found = Bits::new(segment.docs());
        let mut lists = segment.lists(Field::Body);
        segment.body_list(ord).iter().for_each(|list| lists.or_into(list, &mut found).unwrap());
        let mut lists = segment.lists(Field::Head);
        segment.head_lists(ord).for_each(|(_, list)| lists.or_into(&list, &mut found).unwrap());
        seen += found.count() as usize;
        seen += vocabulary.ord_of_rank(rank).unwrap_or(0) as usize & 1;
        seen += usize::from(vocabulary.ends_with(rank, &term[term.len() / 2..], &(0..ord)));
        seen += vocabulary.reversed(ord) as usize & 1;
        for part in [&term[..], &term[..term.len() / 2], &term[term.len() / 2..]] {
            let prefix = vocabulary.prefix(part);
            seen += prefix.len() + vocabulary.suffix(part).len();
            seen += vocabulary.rank_ranges(prefix).len();
            let mut out = Vec::new();
            vocabulary.containing(part, &mut out);
            seen += out.len();
            let mut within = Bits::full(segment.docs());
            let columns = segment.literal_candidates(Area::Body, part, &mut within);
            let docs: Vec<u32> = within.iter().take(4).collect();
            let note = |_, has| {
                seen += usize::from(has);
                Ok::<(), ()>(())
            };
            segment.search_literals(&docs, Area::Body, &Finder::new(part), &columns, note).unwrap();
            segment.literal_candidates(Area::Pseudo, part, &mut within);
            seen += within.iter().count();
        }
        seen += usize::from(vocabulary.name(&term).is_some()) + usize::from(vocabulary.ord(&term).is_some());
    }
    let templates = segment.templates();
    for number in (0..templates.len().min(500)).chain([u32::MAX]) {
        seen += templates.docs_with(&[number]).count() as usize;
        seen += templates.slots(number).map_or(0, |slots| slots as usize);
        let name = templates.get(number).map_or(number, |template| template.name);
        seen += templates.of_field(name, false, 0..u32::MAX).map(|range| range.len()).sum::<usize>();
    }
    seen += segment.unvouched().count() as usize + vocabulary.names().len() + segment.sizes().len();
    seen
}

fn small() -> Vec<u8> {
    let mut messages = vec![Prepared::unvouched()];
    for n in 0..6 {
        let mut prepared = Prepared::default();
        prepared.push(Kind::Own { name: b"SUBJECT" }, &format!("FOOD CART {n}"));
        prepared.push(Kind::Pseudo { which: Which::From }, "J <J@X.ORG>");
        prepared.push(Kind::Nested { name: b"" }, "日本 AND LITERAL");
        prepared.push(Kind::Body, &format!("THE FOOD, THE CART. UNIQUE{n}TOKEN {n} ÜNÏ 日本語"));
        messages.push(prepared);
    }
    build(&messages, BuildOptions::default())
}

/// Where the pieces of tantivy begin: what is before is ours.
fn tantivy_start(file: &[u8]) -> usize {
    let bundle = bundle::Bundle::open(&OwnedBytes::new(file.to_vec())).unwrap();
    let meta = bundle.piece(bundle::Piece::TantivyMeta);
    file.windows(meta.len()).position(|window| window == meta.as_slice()).unwrap()
}

#[test]
fn damage_never_panics() {
    let file = small();
    assert!(read_everything(&open(file.clone())) > 1000);
    for cut in 0..file.len() {
        assert!(Segment::open(OwnedBytes::new(file[..cut].to_vec()), Verify::Shape).is_err());
    }
    let ours = tantivy_start(&file);
    let mut readable = 0;
    for at in 0..ours {
        let mut damaged = file.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        if let Ok(segment) = Segment::open(OwnedBytes::new(damaged), Verify::Shape) {
            readable += 1;
            read_everything(&segment);
            if at % 4 == 0 {
                let _ = merge(&[&segment], &|_| true, BuildOptions::default(), &|| false);
            }
        }
    }
    assert!(readable > ours / 2, "damage was looked at in {readable} files of {ours} octets");
}

#[test]
fn entries_that_are_not_what_their_place_says_are_not_merged() {
    let file = small();
    let merged = |file: Vec<u8>| {
        let segment = Segment::open(OwnedBytes::new(file), Verify::Shape).unwrap();
        merge(&[&segment], &|_| true, BuildOptions::default(), &|| false)
    };
    assert!(merged(file.clone()).is_ok());
    // A name that looks like a token, one that is nothing, and a token that looks like a name, all where they were in the order.
    let name = &b"\xfeSUBJECT\xff"[..];
    for (entry, at, octet) in [(name, 0, 0xfc), (name, 0, 0xff), (b"\xffTHE\xff", 1, 0xfe)] {
        let start = file.windows(entry.len()).position(|octets| octets == entry).unwrap();
        let mut damaged = file.clone();
        damaged[start + at] = octet;
        assert!(matches!(merged(damaged), Err(BuildError::Damaged(_))), "{entry:?}");
    }
}

#[test]
fn checksums_notice_every_flip() {
    let file = small();
    let mut unnoticed = 0;
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x04;
        unnoticed += usize::from(Segment::open(OwnedBytes::new(damaged), Verify::Checksums).is_ok());
    }
    // Only the gaps between pieces, and the end of the header, are nobody's.
    let pieces: u64 = open(file.clone()).sizes().iter().map(|(_, len)| len).sum();
    let contents = 40 + open(file.clone()).sizes().len() * 24;
    assert_eq!(unnoticed, file.len() - pieces as usize - contents);
}
