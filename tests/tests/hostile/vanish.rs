//! Clients that go in the middle of something.

use super::support::*;
use std::io::Read;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

/// The beginning of a TLS 1.2 ClientHello: a record of 0x200 bytes is announced.
const CLIENT_HELLO_BEGIN: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8];

fn vanish(raw: Raw, with_reset: bool) {
    if with_reset {
        raw.reset();
    }
}

#[test]
fn whoever_vanishes_leaves_nothing_behind() {
    let server = Server::start_with("[runtime]\ncores = 2\n");
    let mut other = fill(&server, "anna", &message(256 << 10), 5);
    connections_become(&server, 1);
    let literal = format!("a LOGIN {{4+}}\r\nanna {{{}}}\r\n", PASSWORD.len());
    let appends: [&[u8]; 5] = [
        // In the middle of the message, before its last byte, before the end of the command, in a second message, in its flags.
        b"a APPEND INBOX {100+}\r\nSubject: cut\r\n\r\nhalf of it",
        b"a APPEND INBOX {20+}\r\nSubject: cut\r\n\r\nhal",
        b"a APPEND INBOX {20+}\r\nSubject: cut\r\n\r\nhalf",
        b"a APPEND INBOX {20+}\r\nSubject: cut\r\n\r\nhalf {20+}\r\nSubject: c",
        b"a APPEND INBOX (\\Seen",
    ];
    for with_reset in [false, true] {
        let messages = other.ok("STATUS INBOX (MESSAGES UIDNEXT)").lines();
        for begun in appends {
            let mut raw = Raw::selected(server.imap, "anna");
            raw.send(begun);
            vanish(raw, with_reset);
        }
        let mut raw = Raw::selected(server.imap, "anna");
        raw.send(b"a APPEND INBOX {1000}\r\n");
        raw.seen("+ ");
        raw.send(b"Subject: cut");
        vanish(raw, with_reset);

        // LOGIN: in its first literal, between the two, in the second, and when it is complete.
        for cut in [17, 21, literal.len()] {
            let mut raw = Raw::connect(server.imap);
            raw.send(&literal.as_bytes()[..cut]);
            vanish(raw, with_reset);
        }
        let mut raw = Raw::connect(server.imap);
        raw.send(literal.as_bytes());
        raw.seen("+ ");
        raw.send(&PASSWORD.as_bytes()[..2]);
        vanish(raw, with_reset);
        let mut raw = Raw::connect(server.imap);
        raw.send(format!("a LOGIN anna {PASSWORD}\r\n").as_bytes());
        vanish(raw, with_reset);

        let mut raw = Raw::selected(server.imap, "anna");
        raw.send(b"f FETCH 1:* BODY.PEEK[]\r\n");
        raw.stream.read_exact(&mut [0; 5000]).unwrap();
        vanish(raw, with_reset);

        let mut raw = Raw::selected(server.imap, "anna");
        raw.send(b"i IDLE\r\n");
        raw.seen("+ ");
        vanish(raw, with_reset);

        for cut in [0, 3, CLIENT_HELLO_BEGIN.len()] {
            let mut raw = Raw::connect(server.imaps);
            raw.send(&CLIENT_HELLO_BEGIN[..cut]);
            vanish(raw, with_reset);
            let mut raw = Raw::connect(server.imap);
            raw.send(b"t STARTTLS\r\n");
            raw.seen("t OK");
            raw.send(&CLIENT_HELLO_BEGIN[..cut]);
            vanish(raw, with_reset);
        }
        let mut raw = Raw::connect(server.imap);
        raw.send(b"t STARTTLS\r\n");
        vanish(raw, with_reset);

        connections_become(&server, 1);
        assert_eq!(other.ok("STATUS INBOX (MESSAGES UIDNEXT)").lines(), messages);
    }
    // The same commands, whole, do what they say: the cuts above fell into something.
    for begun in &appends[2..3] {
        let mut raw = Raw::selected(server.imap, "anna");
        raw.send(begun);
        raw.send(b"\r\n");
        raw.seen("a OK");
    }
    assert!(other.ok("STATUS INBOX (MESSAGES)").lines()[0].contains("MESSAGES 33"));
    assert!(Client::login(server.imap, "anna", PASSWORD).ok("NOOP").is_ok());
}

/// The search reads so many times this much that a complete one takes the lanes at least a few dozen ticks.
const DOUBLINGS: u32 = 7;

#[test]
fn a_search_stops_when_its_client_goes() {
    const SEARCH: &[u8] = b"z SEARCH TEXT \"it is not there\"\r\n";
    let server = Server::start_with("[runtime]\ncores = 1\nlanes = 1\n");
    let other = fill(&server, "anna", &message(1 << 20), DOUBLINGS);
    let start = quiet(&server, "search");
    let mut patient = Raw::selected(server.imap, "anna");
    patient.send(SEARCH);
    let answer = patient.seen("z ");
    assert!(answer.contains("z OK"), "{answer}");
    drop(patient);
    let complete = quiet(&server, "search") - start;
    println!("a complete search: {complete} ticks");
    assert!(complete >= 20, "only {complete} ticks: too little to see a difference");
    drop(other);
    // Commands behind the search, more than the server reads ahead, do not hide that the client is gone. No more than a new
    // socket's receive buffer takes besides: what the client's kernel cannot send holds up the end of the stream as well.
    for (behind, with_reset) in [(0, false), (0, true), (10_000, false), (10_000, true)] {
        let start = quiet(&server, "search");
        let mut hasty = Raw::selected(server.imap, "anna");
        hasty.send(SEARCH);
        hasty.send(&b"n NOOP\r\n".repeat(behind));
        until("a search that works", || (ticks(&server, "search") > start + 1).then_some(()));
        vanish(hasty, with_reset);
        let spent = quiet(&server, "search") - start;
        println!("an abandoned one: {spent} ticks");
        assert!(spent * 2 < complete, "{spent} ticks for an abandoned search, {complete} for a complete one");
        connections_become(&server, 0);
    }
}
