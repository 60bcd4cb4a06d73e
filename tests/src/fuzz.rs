//! The doors that hostile bytes come in by, each as a function that must return whatever it is given.
//!
//! `tests/fuzz` runs them under a fuzzer, `tests/tests/doors.rs` over a small seeded corpus with every run of the tests.

use trawl_server::wire::fragment::{Event, Fragmenter, Policy};
use trawl_server::wire::{append, parse, print};

/// Bytes of a connection: the first one chooses where they are cut; every command found is parsed, what parses must print
/// and parse back.
pub fn commands(input: &[u8]) {
    let Some((&cut, bytes)) = input.split_first() else { return };
    let mut f =
        Fragmenter::new(if cut & 1 == 0 { Policy::unauthenticated() } else { Policy::authenticated() });
    let mut last = None;
    for chunk in bytes.chunks(usize::from(cut / 2) + 1) {
        f.push(chunk);
        loop {
            match f.poll() {
                Event::NeedMore => break,
                Event::Absurd => return,
                Event::Command(bytes) => {
                    if let Ok(command) = parse(&bytes) {
                        assert_eq!(parse(&print::print(&command)).as_ref(), Ok(&command));
                    }
                }
                Event::AppendLiteral(l) => {
                    let message = match &last {
                        Some(previous) if !l.first => append::parse_next(&l.head, l.binary, previous).ok(),
                        _ => append::parse_start(&l.head, l.binary).ok().map(|s| s.message),
                    };
                    if message.is_some() {
                        f.accept_message()
                    } else {
                        f.skip_command()
                    }
                    last = message;
                }
                Event::AppendEnd(rest) => {
                    if let Some(previous) = last.take() {
                        let _ = append::parse_end(&rest, &previous);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What somebody could type into a search box: it is understood or refused with the place of what is wrong.
pub fn query(bytes: &[u8]) {
    use trawl_server::wire::query::{Room, parse, quoted};
    let text = String::from_utf8_lossy(bytes);
    match parse(&text, Room::WHOLE) {
        Ok((key, keys)) => {
            assert!(keys > 0);
            assert!(!print::program(&key).is_empty());
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.at)),
    }
    // Between quotation marks everything is a phrase.
    assert_eq!(parse(&quoted(&text), Room::WHOLE).is_err(), text.is_empty());
}

/// A message as it could be appended: everything that is told or searched of it is made.
pub fn message(bytes: &[u8]) {
    let summary = trawl_index::summary::Summary::build(bytes);
    let encoded = summary.encode();
    assert!(trawl_index::summary::Summary::decode(&encoded).is_ok());
    arranged(&encoded);
    let _ = trawl_index::mime::parse(bytes);
    let texts = trawl_index::extract::texts(bytes);
    assert!(texts.file_names.iter().all(|name| !name.is_empty()));
}

/// An attached document: the first byte says what it is taken for.
pub fn document(bytes: &[u8]) {
    use trawl_index::document::{Kind, Limits, text};
    let Some((&kind, content)) = bytes.split_first() else { return };
    let Some(kind) = Kind::from_code(kind % 12) else { return };
    let limits = Limits { text_bytes_max: 10_000 };
    if let Ok(text) = text(kind, None, content, &limits) {
        assert!(text.text.len() <= limits.text_bytes_max);
    }
}

/// A summary as it could stand on a damaged disk.
pub fn summary(bytes: &[u8]) {
    let whole = trawl_index::summary::Summary::decode(bytes).is_ok();
    // What sorting reads is a part of it.
    assert!(arranged(bytes) || !whole);
}

/// Whether it can be read to be sorted; what can be is sorted and threaded with itself.
fn arranged(summary: &[u8]) -> bool {
    use trawl_index::arrange::{Algorithm, By, Criterion, Item, Page, Pages, Text, sort, thread};
    let Ok(keys) = trawl_index::summary::SummaryKeys::new(summary) else { return false };
    let mut page = Page::default();
    (0..2).for_each(|message| page.insert(message, &keys));
    let pages = Pages([(0, std::sync::Arc::new(page))].into());
    let items: Vec<Item> =
        (0..3).map(|message| Item { message, internal: 0, size: 0, relevancy: 0 }).collect();
    let by = [By::Text(Text::Subject), By::Text(Text::DisplayFrom), By::Text(Text::Cc), By::Date];
    let criteria = by.map(|by| Criterion { by, reverse: true });
    assert!(sort(&items, &pages, &criteria, &|| false).is_ok_and(|order| order.len() == items.len()));
    for algorithm in [Algorithm::References, Algorithm::Refs, Algorithm::OrderedSubject] {
        let mut out = Vec::new();
        if let Ok(threads) = thread(&items, &pages, algorithm, &|| false) {
            threads.write(|item| item + 1, &mut out);
        }
        let mut told: Vec<u8> = out.into_iter().filter(u8::is_ascii_digit).collect();
        told.sort_unstable();
        assert_eq!(told, b"123");
    }
    true
}

/// Records as they could stand on a damaged disk: read as a segment's header, as a record with a wrong checksum, and as the
/// payload of a record with a right one.
pub fn record(bytes: &[u8]) {
    use trawl_store::log::{RecordType, record, segment};
    let _ = segment::SegmentHeader::decode(bytes);
    let salt = record::Salt::new(b"a salt of a test");
    let _ = record::decode_header(bytes, salt);
    let _ = record::decode_commit(bytes);
    if bytes.len() > trawl_store::limits::record_payload_bytes_max {
        return;
    }
    let lsn = trawl_store::types::Lsn(3);
    let header = record::encode_header(RecordType::Commit, lsn, bytes, salt);
    let read = record::decode_header(&header, salt);
    assert!(read.is_some_and(|h| h.lsn == lsn && h.verify(bytes, salt)));
}
