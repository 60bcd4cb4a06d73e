//! Many wrong passwords: they end their connection, then their address, and lock nobody else out.

use super::support::*;
use trawl_tests::server::{PASSWORD, Server};

fn login(raw: &mut Raw, user: &str, password: &str) -> String {
    raw.send(format!("a LOGIN {user} {password}\r\n").as_bytes());
    raw.seen("a ").lines().last().unwrap_or_default().to_owned()
}

#[test]
fn guessing_ends_for_the_address_and_for_nobody_else() {
    let server = Server::start_with("[auth]\nfailures_max = 7\n");
    server.user("anna");
    server.user("bob");
    let mut before = Raw::selected(server.imap, "anna");
    let mut guesser = Raw::connect(server.imap);
    guesser.seen("* OK");
    for guess in 0..5 {
        let answer = login(&mut guesser, "anna", &format!("guess{guess}"));
        assert!(answer.starts_with("a NO [AUTHENTICATIONFAILED]"), "{answer}");
    }
    let last = guesser.rest();
    assert!(last.starts_with("* BYE"), "{last}");
    // A user that does not exist is told the same, and counts the same.
    let mut guesser = Raw::connect(server.imap);
    guesser.seen("* OK");
    for _ in 0..2 {
        let answer = login(&mut guesser, "nobody", "guess");
        assert!(answer.starts_with("a NO [AUTHENTICATIONFAILED]"), "{answer}");
    }
    // The address has used up its failures: no password is looked at any more, not even a right one.
    for user in ["anna", "bob"] {
        let answer = login(&mut guesser, user, PASSWORD);
        assert!(
            answer.starts_with("a NO") && answer.contains("[LIMIT] Too many failed attempts"),
            "{answer}"
        );
    }
    // Who is in stays in; another address gets in, the guessed-at user too.
    before.send(b"n NOOP\r\n");
    assert!(before.seen("n ").starts_with("n OK"));
    for user in ["anna", "bob"] {
        let mut elsewhere = Raw::from_address(server.imap, [127, 0, 0, 2].into(), None);
        elsewhere.seen("* OK");
        let answer = login(&mut elsewhere, user, PASSWORD);
        assert!(answer.starts_with("a OK"), "{answer}");
    }
}
