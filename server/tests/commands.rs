//! APPEND, FETCH, STORE, COPY, MOVE, EXPUNGE and SEARCH as clients see them, over a store on the simulated disk.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod world;

use std::time::Duration;

use trawl_server::observe::metrics::{Family, Outcome};
use world::{Client, World};

const PLAIN: &[u8] = b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Food cart\r\n\
Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <1@example.org>\r\n\r\nHello Bob,\r\nlunch?\r\n";

fn three(world: &World) -> Client {
    let client = world.inbox();
    client.append("(\\Seen) \"17-Jul-1996 02:44:25 -0700\" ", PLAIN);
    client.append("", b"Subject: two\r\n\r\nsecond body\r\n");
    client.append("($Junk \\Flagged) ", b"Subject: three\r\n\r\nthird \0 body\r\n");
    client
}

#[test]
fn append_answers_its_uid_and_shows_the_message() {
    let world = World::new(1);
    let client = world.inbox();
    let answer = client.command(b"APPEND INBOX {5+}\r\nA: b\n");
    assert!(answer.contains("* 1 EXISTS\r\n"), "{answer}");
    assert!(answer.contains("a OK [APPENDUID 1001 1] "), "{answer}");
    let answer = client
        .command(b"APPEND INBOX (\\Seen) {5+}\r\nA: b\n (x) \"17-Jul-1996 02:44:25 -0700\" ~{3+}\r\n\0\0\0");
    assert!(answer.contains("a OK [APPENDUID 1001 2:3] "), "{answer}");
    assert_eq!(
        client.ok("FETCH 2:3 (UID FLAGS RFC822.SIZE)"),
        "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) RFC822.SIZE 5)\r\n* 3 FETCH (UID 3 FLAGS (\\Recent x) RFC822.SIZE 3)\r\n"
    );
    assert_eq!(
        client.ok("FETCH 3 INTERNALDATE"),
        "* 3 FETCH (INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\r\n"
    );
}

#[test]
fn append_waits_for_its_literal_and_refuses_before_it() {
    let world = World::new(2);
    let client = world.inbox();
    client.send(b"x APPEND INBOX {3}\r\n");
    assert!(client.read_line().starts_with("+ "));
    client.send(b"abc\r\n");
    while !client.read_line().starts_with("x OK [APPENDUID 1001 1]") {}
    // Refused before the client sends the message: it goes on with its next command.
    assert!(client.tagged("APPEND Nowhere {3}").starts_with("a NO [TRYCREATE]"));
    assert!(client.tagged("APPEND INBOX {99999999999}").starts_with("a NO [TOOBIG]"));
    assert!(client.tagged("APPEND INBOX {0}").starts_with("a NO "));
    assert!(client.tagged("APPEND INBOX nonsense {3}").starts_with("a BAD "));
    // Sent all the same: the step with the stream is kept.
    assert!(client.tagged(b"APPEND Nowhere {3+}\r\nabc").starts_with("a NO [TRYCREATE]"));
    assert!(client.tagged(b"APPEND INBOX (\\Recent) {3+}\r\nabc").starts_with("a BAD "));
    client.ok("NOOP");
}

#[test]
fn an_append_that_fails_leaves_nothing() {
    let world = World::new(3);
    let (client, other) = (world.inbox(), world.inbox());
    assert!(client.tagged(b"APPEND INBOX {3+}\r\nabc {0+}\r\n").starts_with("a NO "));
    assert!(client.tagged(b"APPEND INBOX {3+}\r\nabc (\\Bad {3+}\r\nabc").starts_with("a BAD "));
    assert!(client.tagged(b"APPEND INBOX {3+}\r\nabc tail").starts_with("a BAD "));
    assert_eq!(other.ok("NOOP"), "");
    assert_eq!(client.ok("STATUS INBOX (MESSAGES UIDNEXT)"), "* STATUS INBOX (MESSAGES 0 UIDNEXT 1)\r\n");
}

#[test]
fn fetch_gives_every_form_of_content() {
    let world = World::new(4);
    let client = three(&world);
    let text = String::from_utf8(PLAIN.to_vec()).unwrap();
    let (header, body) = text.split_at(text.find("\r\n\r\n").unwrap() + 4);
    for (item, label, value) in [
        ("BODY.PEEK[]", "BODY[]", text.as_str()),
        ("RFC822", "RFC822", text.as_str()),
        ("RFC822.HEADER", "RFC822.HEADER", header),
        ("RFC822.TEXT", "RFC822.TEXT", body),
        ("BODY[HEADER]", "BODY[HEADER]", header),
        ("BODY[TEXT]", "BODY[TEXT]", body),
        ("BODY.PEEK[1]", "BODY[1]", body),
        ("BODY.PEEK[TEXT]<2.5>", "BODY[TEXT]<2>", "llo B"),
        ("BINARY.PEEK[1]", "BINARY[1]", body),
        ("BINARY.PEEK[1]<0.5>", "BINARY[1]<0>", "Hello"),
        ("BODY[header.fields (SUBJECT x)]", "BODY[HEADER.FIELDS (SUBJECT x)]", "Subject: Food cart\r\n\r\n"),
    ] {
        let want = format!("* 1 FETCH ({label} {{{}}}\r\n{value})\r\n", value.len());
        assert_eq!(client.ok(format!("FETCH 1 {item}")), want, "{item}");
    }
    assert_eq!(client.ok("FETCH 1 BODY[]<999.5>"), "* 1 FETCH (BODY[]<999> \"\")\r\n");
    assert_eq!(client.ok("FETCH 1 BODY[7.MIME]"), "* 1 FETCH (BODY[7.MIME] NIL)\r\n");
    assert_eq!(client.ok("FETCH 1 BINARY.SIZE[1]"), format!("* 1 FETCH (BINARY.SIZE[1] {})\r\n", body.len()));
}

#[test]
fn nul_is_exact_in_binary_alone() {
    let world = World::new(5);
    let client = three(&world);
    assert_eq!(
        client.ok("FETCH 3 BODY.PEEK[TEXT]"),
        "* 3 FETCH (BODY[TEXT] {14}\r\nthird \u{80} body\r\n)\r\n"
    );
    assert_eq!(client.ok("FETCH 3 BINARY.PEEK[1]"), "* 3 FETCH (BINARY[1] ~{14}\r\nthird \0 body\r\n)\r\n");
}

#[test]
fn an_unknown_encoding_is_refused_and_the_rest_answered() {
    let world = World::new(6);
    let client = world.inbox();
    client.append("", b"Content-Transfer-Encoding: x-odd\r\n\r\nbody\r\n");
    let answer = client.command("FETCH 1 (UID BINARY.PEEK[1])");
    assert!(answer.starts_with("* 1 FETCH (UID 1)\r\na NO [UNKNOWN-CTE] "), "{answer}");
    assert!(client.tagged("FETCH 1 BINARY.SIZE[1]").starts_with("a NO [UNKNOWN-CTE] "));
}

#[test]
fn fetch_answers_from_the_summary() {
    let world = World::new(7);
    let client = three(&world);
    let answer = client.ok("FETCH 1 (ENVELOPE BODY)");
    assert!(
        answer.starts_with(
            "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" \"Food cart\" \
             ((\"Ann\" NIL \"ann\" \"example.org\")) "
        ),
        "{answer}"
    );
    assert!(answer.to_ascii_uppercase().contains(" BODY (\"TEXT\" \"PLAIN\" "), "{answer}");
    let all = client.ok("FETCH 1 FULL");
    for item in ["FLAGS (\\Seen", "INTERNALDATE \"17-Jul-1996", "RFC822.SIZE ", "ENVELOPE (", " BODY ("] {
        assert!(all.contains(item), "{item}: {all}");
    }
}

#[test]
fn listed_fields_are_answered_alike_from_the_summary_and_from_the_header() {
    let world = World::new(70);
    let client = three(&world);
    // Without an empty line, and with more addresses than a summary keeps.
    client.append("", b"Subject: four\r\n");
    let long = format!("Subject: five\r\nTo: {}a@b.example\r\n\r\nx\r\n", "a@b.example,\r\n ".repeat(1_000));
    client.append("", long.as_bytes());
    let label = "BODY[HEADER.FIELDS (Subject)]";
    for (n, name, end) in [
        (1, "Food cart", "\r\n"),
        (2, "two", "\r\n"),
        (3, "three", "\r\n"),
        (4, "four", ""),
        (5, "five", "\r\n"),
    ] {
        let value = format!("Subject: {name}\r\n{end}");
        let want = format!("* {n} FETCH (UID {n} {label} {{{}}}\r\n{value})\r\n", value.len());
        // X-Other is not listed: the same answer from the header.
        let other = want.replace("(Subject)", "(Subject X-Other)");
        assert_eq!(client.ok(format!("FETCH {n} (UID BODY.PEEK[HEADER.FIELDS (Subject)])")), want);
        assert_eq!(client.ok(format!("FETCH {n} (UID BODY.PEEK[HEADER.FIELDS (Subject X-Other)])")), other);
    }
    let answer = client.ok("FETCH 2,4 BODY[HEADER.FIELDS (Subject)]");
    assert!(
        answer.ends_with("* 2 FETCH (FLAGS (\\Seen \\Recent))\r\n* 4 FETCH (FLAGS (\\Seen \\Recent))\r\n"),
        "{answer}"
    );
}

#[test]
fn fetch_sets_seen_once_it_is_durable() {
    let world = World::new(8);
    let (client, other) = (three(&world), world.inbox());
    let answer = client.ok("FETCH 2 BODY[TEXT]");
    assert_eq!(
        answer,
        "* 2 FETCH (BODY[TEXT] {13}\r\nsecond body\r\n)\r\n* 2 FETCH (FLAGS (\\Seen \\Recent))\r\n"
    );
    assert_eq!(other.ok("NOOP"), "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n");
    assert_eq!(client.ok("NOOP"), "");
    assert!(!client.ok("FETCH 2 BODY[TEXT]").contains("FLAGS"), "seen already");
    assert!(
        client
            .ok("UID FETCH 3 BODY[TEXT]")
            .ends_with("* 3 FETCH (UID 3 FLAGS (\\Flagged \\Seen \\Recent $Junk))\r\n")
    );
    let reader = world.connect();
    reader.ok("EXAMINE INBOX");
    client.append("", PLAIN);
    reader.ok("NOOP");
    assert!(!reader.ok("FETCH 4 BODY[]").contains("\\Seen"), "EXAMINE changes nothing");
    assert!(!reader.ok("FETCH 4 FLAGS").contains("\\Seen"));
}

#[test]
fn sets_of_messages() {
    let world = World::new(9);
    let client = three(&world);
    assert!(client.tagged("FETCH 4 FLAGS").starts_with("a BAD "));
    assert_eq!(client.ok("UID FETCH 40 FLAGS"), "");
    assert_eq!(client.ok("UID FETCH 40:* UID"), "* 3 FETCH (UID 3)\r\n");
    assert_eq!(client.ok("FETCH 3:2 UID"), "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n");
    assert_eq!(client.ok("FETCH $ UID"), "");
}

#[test]
fn store_tells_flags_unless_silent() {
    let world = World::new(10);
    let (client, other) = (three(&world), world.inbox());
    assert_eq!(client.ok("STORE 1 +FLAGS (\\Deleted)"), "* 1 FETCH (FLAGS (\\Deleted \\Seen \\Recent))\r\n");
    assert_eq!(client.ok("UID STORE 1 -FLAGS (\\Deleted)"), "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\r\n");
    assert_eq!(
        client.ok("STORE 1 +FLAGS (\\Seen)"),
        "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n",
        "unchanged is told"
    );
    assert_eq!(client.ok("STORE 1:2 FLAGS.SILENT (\\Draft)"), "");
    assert_eq!(client.ok("NOOP"), "");
    assert_eq!(
        other.ok("NOOP"),
        "* 1 FETCH (UID 1 FLAGS (\\Draft))\r\n* 2 FETCH (UID 2 FLAGS (\\Draft))\r\n"
    );
    let answer = client.ok("STORE 2 +FLAGS (new)");
    assert!(answer.contains("* 2 FETCH (FLAGS (\\Draft \\Recent new))\r\n"), "{answer}");
    assert!(answer.contains("* FLAGS ("), "{answer}");
    let reader = world.connect();
    reader.ok("EXAMINE INBOX");
    assert!(reader.tagged("STORE 1 FLAGS ()").starts_with("a NO "));
    assert_eq!(client.ok("UID STORE 99 FLAGS ()"), "");
}

#[test]
fn a_mailbox_holds_so_many_keywords() {
    let world = World::new(11);
    let client = three(&world);
    for first in (0..119).step_by(17) {
        let names: Vec<String> = (first..119.min(first + 17)).map(|n| format!("k{n}")).collect();
        client.ok(format!("STORE 1 +FLAGS.SILENT ({})", names.join(" ")));
    }
    assert!(client.tagged("STORE 1 +FLAGS (one-too-many)").starts_with("a NO [LIMIT]"));
    client.ok("STORE 1 +FLAGS.SILENT (K7 $junk)");
    assert!(!client.ok("FETCH 1 FLAGS").contains("one-too-many"));
}

#[test]
fn copy_and_move() {
    let world = World::new(12);
    let (client, other) = (three(&world), world.inbox());
    assert!(client.tagged("COPY 1:2 Archive").starts_with("a OK [COPYUID 1006 1:2 1:2] "));
    assert!(client.tagged("COPY 1 Nowhere").starts_with("a NO [TRYCREATE]"));
    assert!(client.tagged("UID COPY 77 Archive").starts_with("a OK COPY"));
    let answer = client.command("UID MOVE 1,3 Archive");
    assert!(answer.starts_with("* OK [COPYUID 1006 1,3 3:4] "), "{answer}");
    assert!(answer.contains("* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n"), "{answer}");
    assert_eq!(client.ok("UID FETCH 1:* UID"), "* 1 FETCH (UID 2)\r\n");
    assert_eq!(other.ok("FETCH 1 UID"), "* 1 FETCH (UID 1)\r\n", "still in the other's view");
    assert!(other.tagged("COPY 1 Trash").starts_with("a NO [EXPUNGEISSUED]"));
    client.ok("SELECT Archive");
    let flags = client.ok("FETCH 1:* (UID FLAGS INTERNALDATE)");
    assert!(
        flags.contains("UID 3 FLAGS (\\Seen \\Recent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""),
        "{flags}"
    );
    assert!(flags.contains("UID 4 FLAGS (\\Flagged \\Recent $Junk)"), "{flags}");
}

#[test]
fn expunged_messages_stay_in_the_views_that_hold_them() {
    let world = World::new(13);
    let (client, other) = (three(&world), world.inbox());
    client.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(client.ok("UID EXPUNGE 2:3"), "* 3 EXPUNGE\r\n");
    let answer = other.ok("FETCH 3 (UID BODY.PEEK[TEXT])");
    assert!(answer.starts_with("* 3 FETCH (UID 3 BODY[TEXT] {14}\r\n"), "{answer}");
    assert!(!answer.contains("EXPUNGE"), "{answer}");
    assert_eq!(other.ok("SEARCH TEXT third"), "* SEARCH 3\r\n");
    assert!(other.tagged("STORE 3 +FLAGS (x)").starts_with("a OK [EXPUNGEISSUED]"));
    assert!(other.ok("NOOP").contains("* 3 EXPUNGE\r\n"));
    assert_eq!(client.ok("EXPUNGE"), "* 1 EXPUNGE\r\n");
    assert_eq!(client.ok("FETCH 1 UID"), "* 1 FETCH (UID 2)\r\n");
    client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(client.ok("CLOSE"), "", "CLOSE is silent");
    assert!(other.ok("NOOP").ends_with("* 1 EXPUNGE\r\n"));
    let reader = world.connect();
    reader.ok("EXAMINE INBOX");
    assert!(reader.tagged("EXPUNGE").starts_with("a NO "));
}

#[test]
fn search_by_state() {
    let world = World::new(14);
    let client = three(&world);
    for (key, want) in [
        ("ALL", " 1 2 3"),
        ("SEEN", " 1"),
        ("UNSEEN NOT FLAGGED", " 2"),
        ("KEYWORD $junk", " 3"),
        ("UNKEYWORD none", " 1 2 3"),
        ("OR SEEN KEYWORD $Junk", " 1 3"),
        ("BEFORE 18-Jul-1996", " 1"),
        ("ON 17-Jul-1996", " 1"),
        ("SINCE 18-Jul-1996", " 2 3"),
        ("SENTON 7-Feb-1994", " 1"),
        ("SENTSINCE 8-Feb-1994", ""),
        ("SMALLER 30", " 2"),
        ("LARGER 100", " 1"),
        ("UID 2:*", " 2 3"),
        ("2:*", " 2 3"),
        ("YOUNGER 3600", " 2 3"),
        ("OLDER 3600", " 1"),
        ("RECENT", " 1 2 3"),
        ("NEW", " 2 3"),
        ("OLD", ""),
        ("(NOT 1 NOT UID 3)", " 2"),
        ("UID 77", ""),
    ] {
        assert_eq!(client.ok(format!("SEARCH {key}")), format!("* SEARCH{want}\r\n"), "{key}");
    }
}

#[test]
fn search_by_text() {
    let world = World::new(15);
    let client = three(&world);
    for (key, want) in [
        ("SUBJECT \"food\"", " 1"),
        ("TEXT body", " 2 3"),
        ("BODY food", ""),
        ("FROM ANN", " 1"),
        ("HEADER Message-ID \"\"", " 1"),
        ("NOT TEXT body", " 1"),
        ("OR SEEN BODY third", " 1 3"),
        ("FLAGGED BODY second", ""),
        ("CHARSET UTF-8 BODY second", " 2"),
        ("BODY \"\"", " 1 2 3"),
    ] {
        assert_eq!(client.ok(format!("SEARCH {key}")), format!("* SEARCH{want}\r\n"), "{key}");
    }
    assert_eq!(client.ok("UID SEARCH TEXT third"), "* SEARCH 3\r\n");
    let refused = client.tagged("SEARCH CHARSET X-NONE ALL");
    assert!(refused.starts_with("a NO [BADCHARSET (US-ASCII UTF-8 "), "{refused}");
    assert!(client.tagged(b"SEARCH BODY {1+}\r\n\xff").starts_with("a BAD "));
}

#[test]
fn search_results_are_returned_and_kept_as_asked() {
    let world = World::new(16);
    let (client, other) = (three(&world), world.inbox());
    assert_eq!(
        client.ok("UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN"),
        "* ESEARCH (TAG \"a\") UID MIN 2 MAX 3 COUNT 2 ALL 2:3\r\n"
    );
    assert_eq!(client.ok("SEARCH RETURN () ALL"), "* ESEARCH (TAG \"a\") ALL 1:3\r\n");
    assert_eq!(client.ok("SEARCH RETURN (SAVE) UNSEEN"), "");
    assert_eq!(client.ok("FETCH $ UID"), "* 2 FETCH (UID 2)\r\n* 3 FETCH (UID 3)\r\n");
    assert_eq!(client.ok("SEARCH NOT $"), "* SEARCH 1\r\n");
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)");
    other.ok("EXPUNGE");
    client.ok("NOOP");
    assert_eq!(client.ok("UID FETCH $ UID"), "* 2 FETCH (UID 3)\r\n", "expunged messages leave $");
    client.command("SEARCH RETURN (SAVE) CHARSET X-NONE ALL");
    assert_eq!(client.ok("FETCH $ UID"), "", "a failure empties $");
    assert_eq!(client.ok("SEARCH RETURN (SAVE MIN) ALL"), "* ESEARCH (TAG \"a\") MIN 1\r\n");
    client.command("SEARCH RETURN (SAVE) BADKEY");
    assert_eq!(client.ok("FETCH $ UID"), "* 1 FETCH (UID 1)\r\n", "a syntax error leaves it");
}

#[test]
fn rev2_answers_esearch_and_has_no_recent() {
    let world = World::new(17);
    let client = world.connect();
    client.append("", PLAIN);
    client.ok("ENABLE IMAP4rev2");
    client.ok("SELECT INBOX");
    assert_eq!(client.ok("SEARCH ALL"), "* ESEARCH (TAG \"a\") ALL 1\r\n");
    assert_eq!(client.ok("FETCH 1 FLAGS"), "* 1 FETCH (FLAGS ())\r\n");
}

#[test]
fn who_waits_for_a_search_is_told_that_it_goes_on() {
    let going_on = "* OK [INPROGRESS (\"a\" NIL NIL)] Still searching\r\n";
    let client = three(&World::slow(18, Duration::from_secs(9)));
    assert_eq!(client.ok("SEARCH BODY lunch"), "* SEARCH 1\r\n", "what is over soon says nothing");
    let world = World::slow(19, Duration::from_secs(25));
    let client = three(&world);
    assert_eq!(client.ok("SEARCH BODY lunch"), format!("{}* SEARCH 1\r\n", going_on.repeat(2)));
    assert_eq!(client.ok("SEARCH UNSEEN"), "* SEARCH 2 3\r\n");
    // Texts of several mailboxes are searched once.
    client.ok("COPY 1 Archive");
    let answer = client.ok("ESEARCH IN (mailboxes (INBOX Archive)) BODY lunch");
    let lines: Vec<&str> = answer.split_inclusive("\r\n").collect();
    assert_eq!(lines.iter().filter(|line| **line == going_on).count(), 2, "{answer}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("* ESEARCH ")).count(), 2, "{answer}");
    assert_eq!(lines.len(), 4, "{answer}");
    // `limits.search_time` is a minute.
    let world = World::slow(20, Duration::from_secs(61));
    let client = three(&world);
    let answer = client.command("SEARCH BODY lunch");
    assert!(answer.starts_with(&going_on.repeat(5)), "{answer}");
    assert!(answer[going_on.len() * 5..].starts_with("a NO [LIMIT] "), "{answer}");
    client.ok("SEARCH UNSEEN");
    let figures = world.core.metrics.figures();
    let counted = Outcome::ALL.iter().map(|outcome| figures.outcome(Family::Search, *outcome));
    assert_eq!(counted.collect::<Vec<_>>(), [1, 0, 0, 1, 0], "one was found, one took too long");
    // A search is as long as its client waits for it.
    assert_eq!(figures.whole(Family::Search).max(), 60_000_000);
}

/// Whatever ends a search, it is counted.
#[test]
fn a_search_whose_client_goes_away_was_cancelled() {
    let world = World::slow(22, Duration::from_secs(25));
    let client = three(&world);
    client.send(b"a SEARCH BODY lunch\r\n");
    assert!(client.read_line().contains("INPROGRESS"));
    client.hang_up();
    world.connect().ok("NOOP");
    let figures = world.core.metrics.figures();
    let counted = Outcome::ALL.iter().map(|outcome| figures.outcome(Family::Search, *outcome));
    assert_eq!(counted.collect::<Vec<_>>(), [0, 0, 1, 0, 0]);
}

/// RFC 5267 4.3.1: a result that cannot be followed is given up, and the client is told; the command itself is done.
#[test]
fn a_result_that_cannot_be_followed_is_given_up() {
    let world = World::slow(21, Duration::from_secs(61));
    let client = world.inbox();
    assert_eq!(client.ok("SEARCH RETURN (UPDATE) UNSEEN"), "* ESEARCH (TAG \"a\")\r\n");
    // In an empty mailbox there is no text to be searched.
    assert_eq!(client.ok("SEARCH RETURN (UPDATE ALL) BODY lunch"), "* ESEARCH (TAG \"a\")\r\n");
    let answer = client.command("APPEND INBOX {17+}\r\nSubject: x\r\n\r\ny\r\n");
    let lines: Vec<&str> = answer.lines().filter(|line| !line.contains("INPROGRESS")).collect();
    assert_eq!(lines[2], "* ESEARCH (TAG \"t2\") ADDTO (0 1)", "{answer}");
    assert!(lines[3].starts_with("* NO [NOUPDATE \"t3\"] "), "{answer}");
    assert!(lines[4].starts_with("a OK [APPENDUID 1001 1] "), "{answer}");
    // The other one goes on, and this one is not tried again.
    let answer = client.ok("STORE 1 +FLAGS.SILENT (\\Seen)");
    assert_eq!(answer, "* ESEARCH (TAG \"t2\") REMOVEFROM (0 1)\r\n");
    client.ok("CANCELUPDATE \"t3\"");
    let figures = world.core.metrics.figures();
    let counted = Outcome::ALL.iter().map(|outcome| figures.outcome(Family::Context, *outcome));
    assert_eq!(counted.collect::<Vec<_>>(), [2, 0, 0, 1, 0], "new mail and a flag; the other took too long");
}
