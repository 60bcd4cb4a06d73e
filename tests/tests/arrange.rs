//! SORT and THREAD of more messages than are arranged without a lane, over TCP: in the order that their dates, subjects and references
//! say, after a restart as before it, and for exactly those messages that SEARCH finds, whatever others do meanwhile.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const MESSAGES: u32 = 1_500;
const TOPICS: u32 = 100;
const BATCH: u32 = 250;

/// Second of the day at which message `n`, from 0, was sent: each has one of its own.
fn sent(n: u32) -> u32 {
    n * 7_919 % 86_400
}

/// Message `n` answers the one before it of its topic.
fn message(n: u32) -> String {
    let (second, topic) = (sent(n), n % TOPICS);
    let (answers, re) = match n.checked_sub(TOPICS) {
        Some(parent) => (format!("References: <{parent}@example.org>\r\n"), "Re: "),
        None => (String::new(), ""),
    };
    format!(
        "Date: Sat, 1 Jan 2000 {:02}:{:02}:{:02} +0000\r\nSubject: {re}Topic {topic:03}\r\nMessage-ID: <{n}@example.org>\r\n{answers}\r\nx\r\n",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn fill(client: &mut Client) {
    for first in (0..MESSAGES).step_by(BATCH as usize) {
        let mut append = String::from("APPEND INBOX");
        for message in (first..first + BATCH).map(message) {
            append.push_str(&format!(" {{{}+}}\r\n{message}", message.len()));
        }
        assert!(client.try_command(append.as_bytes()).unwrap().is_ok());
    }
}

/// The one untagged line of this name.
fn line(client: &mut Client, command: &str) -> String {
    let name = command.trim_start_matches("UID ").split(' ').next().unwrap();
    let lines = client.ok(command).lines();
    let mut found = lines.iter().filter_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let line = found.next().unwrap_or_else(|| panic!("{command}: {lines:?}"));
    assert_eq!(found.next(), None, "{command}");
    line.trim_start().to_owned()
}

fn numbers(client: &mut Client, command: &str) -> Vec<u32> {
    line(client, command).split_whitespace().map(|number| number.parse().unwrap()).collect()
}

fn expect_all(client: &mut Client) {
    let mut by_date: Vec<u32> = (1..=MESSAGES).collect();
    by_date.sort_by_key(|number| sent(number - 1));
    assert_eq!(numbers(client, "SORT (DATE) UTF-8 ALL"), by_date);
    let mut by_topic = by_date.clone();
    by_topic.reverse();
    by_topic.sort_by_key(|number| (number - 1) % TOPICS);
    assert_eq!(numbers(client, "UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL"), by_topic);
    let mut roots: Vec<u32> = (0..TOPICS).collect();
    roots.sort_by_key(|root| sent(*root));
    let thread = |root: &u32| {
        let members: Vec<String> =
            (0..MESSAGES / TOPICS).map(|step| (root + step * TOPICS + 1).to_string()).collect();
        format!("({})", members.join(" "))
    };
    let threads: String = roots.iter().map(thread).collect();
    assert_eq!(line(client, "UID THREAD REFERENCES UTF-8 ALL"), threads);
}

#[test]
fn a_mailbox_is_arranged_on_lanes() {
    let mut server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    fill(&mut client);
    client.ok("SELECT INBOX");
    expect_all(&mut client);

    server.stop();
    server.serve();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    expect_all(&mut client);

    // What others expunged is there until the client is told.
    let mut other = Client::login(server.imap, "anna", PASSWORD);
    other.ok("SELECT INBOX");
    other.ok("STORE 1:700 +FLAGS.SILENT (\\Deleted)");
    other.ok("EXPUNGE");
    let found = numbers(&mut client, "SEARCH ALL");
    let mut sorted = numbers(&mut client, "SORT (REVERSE DATE) UTF-8 ALL");
    sorted.sort_unstable();
    assert_eq!((found.len(), sorted), (MESSAGES as usize, found));
    let members = line(&mut client, "THREAD REFERENCES UTF-8 ALL");
    assert_eq!(members.split(['(', ')', ' ']).filter(|number| !number.is_empty()).count(), MESSAGES as usize);
    client.ok("NOOP");
    let left = numbers(&mut client, "UID SORT (DATE) UTF-8 ALL");
    assert_eq!(left.len(), (MESSAGES - 700) as usize);
    assert!(left.is_sorted_by_key(|uid| sent(uid - 1)) && left.iter().all(|uid| *uid > 700));
}
