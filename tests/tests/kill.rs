//! kill -9 in the middle of concurrent appends: what was acknowledged is there, whole, under the UID that was told,
//! and no UID is given out twice.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const ROUNDS: usize = 20;
const CONNECTIONS: usize = 50;
const USERS: usize = 5;

fn message(round: usize, connection: usize, number: usize) -> Vec<u8> {
    let mark = format!("r{round}-c{connection}-n{number}");
    let mut text = format!("Subject: {mark}\r\nMessage-ID: <{mark}@example.org>\r\n\r\n").into_bytes();
    for line in 0..(number * 7 + connection) % 90 {
        text.extend_from_slice(
            format!("{mark} line {line} of a message that is appended while the server dies\r\n").as_bytes(),
        );
    }
    text
}

#[test]
fn acknowledged_appends_survive_kill_nine_and_uids_are_never_reused() {
    let mut server = Server::start();
    for user in 0..USERS {
        server.user(&format!("u{user}"));
    }
    // (user, uid) -> the message that this UID was told for; it never changes afterwards.
    let told: Mutex<BTreeMap<(usize, u32), Vec<u8>>> = Mutex::new(BTreeMap::new());
    // The highest UID that each account has shown: nothing at or below it may be given out again.
    let mut shown = [0; USERS];
    let mut in_flight_when_killed = 0;
    for round in 0..ROUNDS {
        let acknowledged = AtomicUsize::new(0);
        let ended = AtomicUsize::new(0);
        // Logging in takes a while (hashing); nobody appends, and so nobody is killed, before all are in.
        let logged_in = std::sync::Barrier::new(CONNECTIONS);
        let (port, shown_before) = (server.imap, shown);
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let (told, acknowledged, ended, logged_in) = (&told, &acknowledged, &ended, &logged_in);
                scope.spawn(move || {
                    let user = connection % USERS;
                    let mut client = Client::login(port, &format!("u{user}"), PASSWORD);
                    logged_in.wait();
                    for number in 0.. {
                        let text = message(round, connection, number);
                        let Ok(answer) = client.try_append("INBOX", &text) else { break };
                        assert!(answer.is_ok(), "{}", answer.status);
                        let uid: u32 =
                            answer.code("APPENDUID").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
                        assert!(
                            uid > shown_before[user],
                            "UID {uid} of u{user} had been shown before (round {round})"
                        );
                        let before = told.lock().unwrap().insert((user, uid), text);
                        assert!(before.is_none(), "UID {uid} of u{user} was given out twice (round {round})");
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
            // The number differs by round, so that the kill falls at different places of the commit cycle.
            while acknowledged.load(Ordering::Relaxed) < 60 + round * 13 {
                std::thread::yield_now();
            }
            in_flight_when_killed += CONNECTIONS - ended.load(Ordering::Relaxed);
            server.kill();
        });
        server.serve();
        let told = told.lock().unwrap();
        for (user, shown) in shown.iter_mut().enumerate() {
            let mut client = Client::login(server.imap, &format!("u{user}"), PASSWORD);
            client.ok("EXAMINE INBOX");
            let answer = client.ok("UID FETCH 1:* (BODY.PEEK[])");
            let mut found = BTreeMap::new();
            for line in &answer.untagged {
                let Some(at) = line.windows(4).position(|w| w == b"UID ") else { continue };
                let digits: String =
                    line[at + 4..].iter().take_while(|b| b.is_ascii_digit()).map(|&b| b as char).collect();
                let body =
                    line.windows(3).position(|w| w == b"}\r\n").map(|at| &line[at + 3..line.len() - 1]);
                found.insert(digits.parse::<u32>().unwrap(), body.unwrap().to_vec());
            }
            *shown = found.keys().last().copied().unwrap_or(0);
            for ((_, uid), text) in told.range((user, 0)..=(user, u32::MAX)) {
                let kept = found.get(uid).unwrap_or_else(|| {
                    panic!("u{user} UID {uid} was acknowledged and is gone (round {round})")
                });
                assert!(kept.starts_with(text), "u{user} UID {uid} has changed (round {round})");
            }
        }
    }
    assert!(in_flight_when_killed >= ROUNDS * CONNECTIONS / 2, "the kills did not hit appends in flight");
    assert_eq!(server.stop(), Some(0));
    server.tool(&["check"]);
}
