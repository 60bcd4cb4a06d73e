//! Clients that ask and do not read.

use std::io::{BufRead, BufReader, Read, Write};

use super::support::*;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const MIB: u64 = 1 << 20;
/// How much the server may grow for one slow reader: 64 KiB of output, one message in work, the allocator's slack.
const GROWTH_BYTES_MAX: u64 = 24 * MIB;
/// A receive buffer that holds next to nothing.
const RECEIVE_BYTES: usize = 64 << 10;

#[test]
fn a_slow_reader_costs_bounded_memory_and_gets_everything() {
    // One core: whoever else is served is served by the same executor.
    let server = Server::start_with("[runtime]\ncores = 1\n");
    let text = message(2 << 20);
    let mut other = fill(&server, "anna", &text, 5);
    server.user("bob");
    other.ok("FETCH 1 BODY.PEEK[]");
    let before = resident(&server);

    let mut slow = Raw::from_address(server.imap, [127, 0, 0, 1].into(), Some(RECEIVE_BYTES));
    slow.select("anna");
    slow.send(b"f FETCH 1:* BODY.PEEK[]\r\n");
    let mut most = 0;
    for round in 0..30 {
        other.ok("NOOP");
        other.ok("FETCH 1:* (FLAGS RFC822.SIZE)");
        if round % 10 == 0 {
            assert!(Client::login(server.imap, "bob", PASSWORD).ok("SELECT INBOX").is_ok());
        }
        most = most.max(resident(&server));
    }
    // It stands still although nothing was read: it waits for its reader.
    quiet(&server, "core");
    most = most.max(resident(&server));
    let growth = most.saturating_sub(before);
    println!("{growth} bytes more than before");
    assert!(growth < GROWTH_BYTES_MAX, "{growth} bytes more than before, for 64 MiB that nobody reads");

    let mut reader = BufReader::new(&mut slow.stream);
    let mut body = vec![0; text.len()];
    for number in 1..=32 {
        let head = format!("* {number} FETCH (BODY[] {{{}}}\r\n", text.len());
        let mut seen = vec![0; head.len()];
        reader.read_exact(&mut seen).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), head);
        reader.read_exact(&mut body).unwrap();
        assert!(body == text, "message {number} came damaged");
        let mut end = [0; 3];
        reader.read_exact(&mut end).unwrap();
        assert_eq!(&end, b")\r\n");
    }
    // From the same reader, which may have taken it already.
    let mut last = String::new();
    reader.read_line(&mut last).unwrap();
    assert!(last.starts_with("f OK"), "{last}");
}

#[test]
fn pipelined_commands_wait_for_the_reader() {
    const COMMANDS: usize = 80_000;
    let server = Server::start_with("[runtime]\ncores = 1\n");
    server.user("anna");
    let mut other = Client::login(server.imap, "anna", PASSWORD);
    other.ok("SELECT INBOX");
    // Hashing has given its memory back, or the answers would fit into it.
    quiet(&server, "");
    let before = resident(&server);
    println!("{before} bytes at rest");
    let mut slow = Raw::from_address(server.imap, [127, 0, 0, 1].into(), Some(RECEIVE_BYTES));
    slow.select("anna");
    let mut writer = slow.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        // Its writes block once the server stops reading.
        scope.spawn(move || {
            let mut all = String::new();
            for number in 0..COMMANDS {
                all.push_str(&format!("n{number} NOOP\r\nc{number} CAPABILITY\r\n"));
            }
            writer.write_all(all.as_bytes()).unwrap();
        });
        for _ in 0..30 {
            other.ok("NOOP");
        }
        quiet(&server, "core");
        other.ok("NOOP");
        let growth = resident(&server).saturating_sub(before);
        println!("{growth} bytes more than before");
        assert!(growth < GROWTH_BYTES_MAX / 3, "{growth} bytes more than before");
        let mut lines = BufReader::new(&mut slow.stream).lines();
        for number in 0..COMMANDS {
            let noop = lines.next().unwrap().unwrap();
            assert!(noop.starts_with(&format!("n{number} OK ")), "{number}: {noop}");
            let list = lines.next().unwrap().unwrap();
            assert!(list.starts_with("* CAPABILITY "), "{number}: {list}");
            let done = lines.next().unwrap().unwrap();
            assert!(done.starts_with(&format!("c{number} OK ")), "{number}: {done}");
        }
    });
}
