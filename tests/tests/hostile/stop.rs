//! SIGTERM in the middle of everything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use super::support::*;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

#[test]
fn a_stop_keeps_what_was_acknowledged_and_waits_for_no_reader() {
    const WRITERS: usize = 8;
    let mut server = Server::start_with("[runtime]\ncores = 2\n");
    fill(&server, "anna", &message(1 << 20), 4);
    server.user("bob");
    let mut idle: Vec<Raw> = (0..4)
        .map(|_| {
            let mut raw = Raw::selected(server.imap, "anna");
            raw.send(b"i IDLE\r\n");
            raw.seen("+ ");
            raw
        })
        .collect();
    let mut quiet_one = Raw::selected(server.imap, "bob");
    let mut unknown = Raw::connect(server.imap);
    unknown.seen("* OK");
    let mut secured = Raw::connect(server.imaps);
    secured.send(&[22, 3, 1, 2, 0]);
    // In the middle of a message, and of a search.
    let mut half = Raw::selected(server.imap, "bob");
    half.send(b"a APPEND Drafts {100+}\r\nSubject: half\r\n\r\n");
    let mut searching = Raw::selected(server.imap, "anna");
    searching.send(&b"z SEARCH TEXT \"it is not there\"\r\n".repeat(20));
    let mut slow = Raw::from_address(server.imap, [127, 0, 0, 1].into(), Some(64 << 10));
    slow.select("anna");
    slow.send(b"f FETCH 1:* BODY.PEEK[]\r\n");

    let acknowledged: Mutex<Vec<(u32, String)>> = Mutex::new(Vec::new());
    let byes = AtomicUsize::new(0);
    let (port, (running, started)) = (server.imap, mpsc::channel());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (acknowledged, byes, running) = (&acknowledged, &byes, running.clone());
            scope.spawn(move || {
                let mut client = Client::login(port, "bob", PASSWORD);
                for number in 0.. {
                    let subject = format!("w{writer}-{number}");
                    let tag = client.next_tag();
                    let text = format!("Subject: {subject}\r\n\r\nbody of {subject}\r\n");
                    let command = format!("{tag} APPEND INBOX {{{}+}}\r\n{text}\r\n", text.len());
                    // Whatever happens to this one, the answers of the server are read to their end.
                    let _ = client.send(command.as_bytes());
                    loop {
                        let Ok(line) = client.line() else { return };
                        let line = String::from_utf8_lossy(&line).into_owned();
                        if line.starts_with("* BYE") {
                            byes.fetch_add(1, Ordering::Relaxed);
                        } else if let Some(rest) = line.strip_prefix(&format!("{tag} OK [APPENDUID ")) {
                            let uid = rest.split([' ', ']']).nth(1).unwrap().parse().unwrap();
                            acknowledged.lock().unwrap().push((uid, subject));
                            break;
                        }
                    }
                    if number == 5 {
                        running.send(()).unwrap();
                    }
                }
            });
        }
        for _ in 0..WRITERS {
            started.recv().unwrap();
        }
        let log = |server: &Server| server.log();
        assert_eq!(server.stop(), Some(0), "{}", log(&server));
    });
    for raw in idle.iter_mut().chain([&mut quiet_one, &mut unknown]) {
        let last = raw.rest();
        assert!(last.contains("* BYE"), "{last}");
    }
    assert_eq!(secured.rest(), "");
    assert!(!half.rest().contains("a OK"));
    assert!(searching.rest().contains("* BYE"));
    let cut = slow.rest();
    assert!(!cut.contains("f OK"), "a FETCH that nobody read came to its end");
    assert_eq!(byes.into_inner(), WRITERS, "every writer reads, so every one is told");

    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= WRITERS * 6);
    server.serve();
    let mut client = Client::login(server.imap, "bob", PASSWORD);
    client.ok("SELECT INBOX");
    assert!(client.ok("STATUS Drafts (MESSAGES)").lines()[0].contains("MESSAGES 0"));
    let all = client.ok("UID FETCH 1:* BODY.PEEK[]").lines();
    for (uid, subject) in acknowledged {
        let found = all.iter().any(|line| {
            line.contains(&format!("UID {uid} ")) && line.contains(&format!("\r\nbody of {subject}\r\n"))
        });
        assert!(found, "{subject} was acknowledged as UID {uid} and is not there");
    }
}
