//! Too much of something, or something else altogether.

use super::support::*;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

/// The session is in step: the next command is answered, and nothing else.
fn in_step(raw: &mut Raw) {
    raw.send(b"step NOOP\r\n");
    let answer = raw.seen("step ");
    assert!(answer.starts_with("step OK"), "{answer}");
}

#[test]
fn what_is_too_large_is_refused_and_the_step_is_kept() {
    let server = Server::start();
    server.user("anna");
    let mut raw = Raw::selected(server.imap, "anna");
    // A line longer than 256 KiB.
    raw.send(&[b"long NOOP ".to_vec(), vec![b'x'; 300 << 10], b"\r\n".to_vec()].concat());
    let answer = raw.seen("long ");
    assert!(answer.starts_with("long BAD"), "{answer}");
    in_step(&mut raw);
    // A synchronising literal that is too large is never asked for.
    for command in ["x SELECT {100000}\r\n", "x SEARCH TEXT {100000}\r\n"] {
        raw.send(command.as_bytes());
        let answer = raw.seen("x ");
        assert!(answer.starts_with("x BAD [TOOBIG]"), "{answer}");
        in_step(&mut raw);
    }
    raw.send(b"x APPEND INBOX {200000000}\r\n");
    let answer = raw.seen("x ");
    assert!(answer.starts_with("x NO [TOOBIG]"), "{answer}");
    in_step(&mut raw);
    // One that does not wait has to be read all the same.
    let large = [b"x SELECT {100000+}\r\n".to_vec(), vec![b'\n'; 100_000], b"\r\n".to_vec()].concat();
    raw.send(&large);
    let answer = raw.seen("x ");
    assert!(answer.starts_with("x BAD [TOOBIG]"), "{answer}");
    in_step(&mut raw);
    // More than is worth reading.
    raw.send(b"x SELECT {4000000000+}\r\n");
    let answer = raw.rest();
    assert!(answer.contains("* BYE [TOOBIG]"), "{answer}");

    // Before login everything is smaller.
    let mut raw = Raw::connect(server.imap);
    raw.seen("* OK");
    raw.send(&[b"long NOOP ".to_vec(), vec![b'x'; 20 << 10], b"\r\n".to_vec()].concat());
    assert!(raw.seen("long ").starts_with("long BAD"));
    in_step(&mut raw);
    raw.send(b"x LOGIN {5000}\r\n");
    assert!(raw.seen("x ").starts_with("x BAD [TOOBIG]"));
    in_step(&mut raw);
    raw.send(&[b"x LOGIN {5000+}\r\n".to_vec(), vec![b'x'; 5000], b" y\r\n".to_vec()].concat());
    assert!(raw.seen("x ").starts_with("x BAD [TOOBIG]"));
    in_step(&mut raw);
    raw.send(b"x LOGIN {20000000+}\r\n");
    let answer = raw.rest();
    assert!(answer.contains("* BYE [TOOBIG]"), "{answer}");
}

#[test]
fn deep_and_long_programs_are_answered() {
    let server = Server::start();
    server.user("anna");
    let mut raw = Raw::selected(server.imap, "anna");
    for (open, key, close) in [("(", "ALL", ")"), ("NOT ", "ALL", ""), ("OR ALL ", "ALL", "")] {
        let command = format!("deep SEARCH {}{key}{}\r\n", open.repeat(10_000), close.repeat(10_000));
        raw.send(command.as_bytes());
        let answer = raw.seen("deep ");
        assert!(answer.starts_with("deep BAD"), "{answer}");
        in_step(&mut raw);
    }
    // What people write is far below the bound.
    raw.send(format!("deep SEARCH {}ALL{}\r\n", "(".repeat(30), ")".repeat(30)).as_bytes());
    assert!(raw.seen("deep ").contains("deep OK"));
    let set: Vec<String> = (0..10_000).map(|n| (2 * n + 1).to_string()).collect();
    let set = set.join(",");
    for command in
        ["UID FETCH {} FLAGS", "UID SEARCH UID {}", "UID STORE {} +FLAGS (\\Seen)", "UID COPY {} Sent"]
    {
        raw.send(format!("set {}\r\n", command.replace("{}", &set)).as_bytes());
        let answer = raw.seen("set ");
        assert!(answer.contains("set OK"), "{answer}");
    }
    in_step(&mut raw);
}

#[test]
fn garbage_is_answered_and_ends_nobody_else() {
    let server = Server::start();
    server.user("anna");
    let mut other = Client::login(server.imap, "anna", PASSWORD);
    connections_become(&server, 1);
    // NULs and bytes of no charset in commands.
    let mut raw = Raw::selected(server.imap, "anna");
    let odd: [&[u8]; 6] = [
        b"x SEL\0ECT INBOX\r\n",
        b"x SELECT \"a\0b\"\r\n",
        b"x SEARCH TEXT \"\0\"\r\n",
        b"x \xff\xfe\xfd\r\n",
        b"x SEARCH CHARSET UTF-8 TEXT {2+}\r\n\xff\xfe\r\n",
        b"x SELECT {3+}\r\na\0b\r\n",
    ];
    for command in odd {
        raw.send(command);
        let answer = raw.seen("x ");
        assert!(answer.starts_with("x BAD") || answer.starts_with("x NO"), "{answer}");
        in_step(&mut raw);
    }
    // Lines without a tag.
    for line in [&b"\r\n"[..], b"\0\0\0\r\n", b"\xff\xff\r\n"] {
        raw.send(line);
        raw.seen("* BAD");
        in_step(&mut raw);
    }
    // Nothing but garbage ends the connection, after login and (sooner) before.
    raw.send(&b"\xff\0\xfe\r\n".repeat(60));
    assert!(raw.rest().contains("* BYE [CLIENTBUG]"));
    let mut raw = Raw::connect(server.imap);
    raw.send(&b"\xff\0\xfe\r\n".repeat(10));
    assert!(raw.rest().contains("* BYE [CLIENTBUG]"));
    // TLS to the port in clear, and the other way round; an HTTP client as well.
    let mut hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend((0..502u32).map(|n| (n * 7) as u8));
    let mut raw = Raw::connect(server.imap);
    raw.send(&hello);
    raw.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(raw.rest().starts_with("* OK"));
    for clear in [&b"a CAPABILITY\r\n"[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut raw = Raw::connect(server.imaps);
        raw.send(clear);
        let answer = raw.rest();
        assert!(!answer.contains("OK") && !answer.contains("CAPABILITY"), "{answer}");
    }
    let mut raw = Raw::connect(server.imap);
    raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n\r\n");
    assert!(raw.rest().contains("BYE"));
    other.ok("SELECT INBOX");
    connections_become(&server, 1);
}

#[test]
fn connections_that_never_log_in_take_their_places_and_no_more() {
    const PLACES: usize = 400;
    let limits = format!("connections_max = {PLACES}\nconnections_per_address_max = {PLACES}\n");
    let server = Server::start_with(&format!("[runtime]\ncores = 1\n[limits]\n{limits}"));
    let mut worker = fill(&server, "anna", b"Subject: here\r\n\r\nhello\r\n", 3);
    connections_become(&server, 1);
    let before = resident(&server);
    let mut idle = Vec::new();
    for _ in 1..PLACES {
        let mut raw = Raw::connect(server.imap);
        raw.seen("* OK");
        idle.push(raw);
    }
    assert!(Raw::connect(server.imap).rest().starts_with("* BYE [UNAVAILABLE] too many connections"));
    for _ in 0..10 {
        assert!(worker.ok("UID SEARCH SUBJECT here").lines()[0].starts_with("SEARCH 1 2"));
        assert!(worker.try_append("Sent", b"Subject: x\r\n\r\n").unwrap().is_ok());
    }
    let each = resident(&server).saturating_sub(before) / PLACES as u64;
    assert!(each < 32 << 10, "{each} bytes for each connection that does nothing");
    drop(idle);
    connections_become(&server, 1);
    Client::login(server.imap, "anna", PASSWORD).ok("SELECT INBOX");
}
