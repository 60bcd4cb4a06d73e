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

/// A message as it could be appended: everything that is told or searched of it is made.
pub fn message(bytes: &[u8]) {
    let summary = trawl_index::summary::Summary::build(bytes);
    let encoded = summary.encode();
    assert!(trawl_index::summary::Summary::decode(&encoded).is_ok());
    let _ = trawl_index::mime::parse(bytes);
}

/// A summary as it could stand on a damaged disk.
pub fn summary(bytes: &[u8]) {
    let _ = trawl_index::summary::Summary::decode(bytes);
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
