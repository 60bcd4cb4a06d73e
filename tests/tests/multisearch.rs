//! ESEARCH over many mailboxes and `trawl search` (MULTISEARCH, RFC 7377), over TCP: each mailbox has the answer that it has alone,
//! with an index, without one, and for messages that are in several of them.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const MAILBOXES: u32 = 24;
const MESSAGES: u32 = 12;

const PROGRAMS: &[&str] = &[
    "BODY common",
    "BODY word7",
    "BODY \"number 3 of\"",
    "NOT BODY common",
    "TEXT \"subject: box 5\"",
    // State around texts, and between them.
    "UNSEEN BODY common",
    "1:4 BODY common SUBJECT box",
    "OR FLAGGED BODY word3",
    "NOT (FLAGGED BODY word3)",
    "OR (UNSEEN BODY word3) (UID 2:3 BODY word5)",
    // Without texts, without a match, nearly.
    "FLAGGED",
    "BODY nothing-like-this",
    "FUZZY BODY \"common word3\"",
];

fn fill(client: &mut Client) {
    for mailbox in 0..MAILBOXES {
        client.ok(&format!("CREATE box{mailbox}"));
        let mut append = format!("APPEND box{mailbox}");
        for n in 0..MESSAGES {
            let word = (mailbox * MESSAGES + n) % 11;
            let text = format!(
                "Subject: box {mailbox}\r\n\r\nThe common text, number {n} of some, and word{word}.\r\n"
            );
            append.push_str(&format!(" {{{}+}}\r\n{text}", text.len()));
        }
        assert!(client.try_command(append.as_bytes()).unwrap().is_ok());
        client.ok(&format!("SELECT box{mailbox}"));
        // Messages in several mailboxes, with other flags, and twice in one.
        client.ok(&format!("COPY {} box{}", 1 + mailbox % MESSAGES, mailbox / 2));
        client.ok(&format!("UID STORE {}:* +FLAGS.SILENT (\\Seen)", 1 + mailbox % 7));
        client.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Flagged)", 1 + mailbox % 5));
        if mailbox % 3 == 0 {
            client.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)");
            client.ok("EXPUNGE");
        }
    }
    client.ok("UNSELECT");
}

/// UIDs by mailbox, as sequence sets.
fn together(client: &mut Client, program: &str) -> BTreeMap<String, String> {
    let lines = client.ok(&format!("ESEARCH IN (personal) {program}")).lines();
    let found = lines.iter().filter_map(|line| {
        let rest = line.strip_prefix("ESEARCH (TAG ")?;
        let (_, rest) = rest.split_once(" MAILBOX ")?;
        let (name, rest) = rest.split_once(" UIDVALIDITY ")?;
        let (_, uids) = rest.split_once(") UID ALL ")?;
        Some((name.to_owned(), uids.to_owned()))
    });
    let found: BTreeMap<_, _> = found.collect();
    let answers = lines.iter().filter(|line| line.starts_with("ESEARCH"));
    assert_eq!(found.len(), answers.count(), "{lines:?}");
    found
}

fn one_by_one(client: &mut Client, program: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for mailbox in 0..MAILBOXES {
        client.ok(&format!("EXAMINE box{mailbox}"));
        let lines = client.ok(&format!("UID SEARCH RETURN (ALL) {program}")).lines();
        if let Some((_, uids)) = lines[0].split_once(" UID ALL ") {
            found.insert(format!("box{mailbox}"), uids.to_owned());
        }
    }
    client.ok("UNSELECT");
    found
}

#[test]
fn many_mailboxes_have_the_answers_that_each_has_alone() {
    let server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    fill(&mut client);
    for with_index in [false, true] {
        if with_index {
            server.tool(&["reindex", "anna", "--wait"]);
        }
        let mut hits = 0;
        for program in PROGRAMS {
            let wanted = one_by_one(&mut client, program);
            hits += wanted.len();
            assert_eq!(together(&mut client, program), wanted, "{program}, with an index: {with_index}");
        }
        assert!(hits > 100, "{hits}");
    }
    // What came behind the index, and the tool, which shows the newest ones.
    let text = "Subject: late\r\n\r\nThe common text\r\n";
    client.ok(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
    assert_eq!(together(&mut client, "SUBJECT late BODY common"), [("INBOX".into(), "1".into())].into());
    let all = (MAILBOXES * (MESSAGES + 1) - MAILBOXES.div_ceil(3) + 1).to_string();
    let found = server.tool(&["search", "anna", "BODY common", "--max", "5"]);
    assert!(found.contains(&format!("5 of {all} messages")), "{found}");
}

#[test]
fn the_selected_mailbox_is_searched_as_its_session_sees_it() {
    let server = Server::start();
    server.user("anna");
    let (mut client, mut other) =
        (Client::login(server.imap, "anna", PASSWORD), Client::login(server.imap, "anna", PASSWORD));
    fill(&mut client);
    client.ok("SELECT box1");
    let before = together(&mut client, "BODY common");
    other.ok("SELECT box1");
    other.ok("UID STORE 3 +FLAGS.SILENT (\\Deleted)");
    other.ok("EXPUNGE");
    other.ok("DELETE box2");
    // The session is told that message 3 is gone behind the answer, which has it still.
    let now = together(&mut client, "BODY common");
    assert_eq!(now.get("box1"), before.get("box1"));
    assert_eq!(now.get("box2"), None);
    assert_ne!(together(&mut client, "BODY common").get("box1"), before.get("box1"));
}
