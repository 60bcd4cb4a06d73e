//! SORT and THREAD of more messages than are arranged without a lane, over TCP: in the order that their dates, subjects and references
//! say, after a restart as before it, and for exactly those messages that SEARCH finds, whatever others do meanwhile.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

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

/// The files that have what was compared.
fn saved(server: &Server) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(server.store().join("index")).into_iter().flatten().flatten();
    let accounts = folders.flat_map(|shard| std::fs::read_dir(shard.path()).into_iter().flatten().flatten());
    let files =
        accounts.flat_map(|account| std::fs::read_dir(account.path()).into_iter().flatten().flatten());
    files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|end| end == "entries"))
        .collect()
}

/// Of how many messages what is compared came from files, and from the log.
fn gathered(server: &Server) -> (u64, u64) {
    let told = server.tool(&["explain", "anna", "INBOX", "ALL", "--sort", "DATE", "--json"]);
    let told: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
    let step = told["steps"].as_array().unwrap().iter().find(|step| step["step"] == "gathered").unwrap();
    (step["saved"].as_u64().unwrap(), step["read"].as_u64().unwrap())
}

#[test]
fn what_was_compared_outlives_a_start() {
    let mut server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    fill(&mut client);
    // With the segments.
    server.tool(&["reindex", "anna", "--keep", "--wait"]);
    let expect_saved = |server: &Server| {
        let (of_files, of_log) = gathered(server);
        assert!(of_files >= 900 && of_files + of_log == u64::from(MESSAGES), "{of_files} {of_log}");
    };
    let start = |server: &mut Server| {
        server.stop();
        server.serve();
        Client::login(server.imap, "anna", PASSWORD)
    };
    expect_saved(&server);
    client.ok("SELECT INBOX");
    expect_all(&mut client);

    server.stop();
    for path in saved(&server) {
        let mut octets = std::fs::read(&path).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        std::fs::write(&path, octets).unwrap();
    }
    let mut client = start(&mut server);
    let damaged = saved(&server);
    assert!(!damaged.is_empty());
    let was = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
    let before: Vec<Vec<u8>> = damaged.iter().map(was).collect();
    assert_eq!(gathered(&server), (0, u64::from(MESSAGES)));
    client.ok("SELECT INBOX");
    expect_all(&mut client);
    // What had to be read was saved, after the answer.
    for _ in 0..600 {
        if damaged.iter().map(was).ne(before.iter().cloned()) {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "no executor here: a test waits for a process")]
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut client = start(&mut server);
    expect_saved(&server);
    client.ok("SELECT INBOX");
    expect_all(&mut client);
}

/// Numbers of a set in the order in which it has them.
fn listed(set: &str) -> Vec<u32> {
    let ranges = set.split(',').map(|range| range.split_once(':').unwrap_or((range, range)));
    ranges.flat_map(|(low, high)| low.parse().unwrap()..=high.parse::<u32>().unwrap()).collect()
}

#[test]
fn what_is_shown_of_an_order_is_what_the_whole_order_says() {
    let server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    fill(&mut client);
    client.ok("SELECT INBOX");
    client.ok("UID STORE 100:300,700:1100 +FLAGS.SILENT (\\Deleted)");
    client.ok("EXPUNGE");
    for criteria in
        ["DATE", "REVERSE SUBJECT", "SUBJECT REVERSE DATE", "ARRIVAL", "REVERSE SIZE FROM", "FROM", "TO DATE"]
    {
        // Many that are arranged on a lane, some that are not, none.
        for program in ["ALL", "UID 200:500", "SUBJECT \"Topic 01\"", "UID 777", "SUBJECT none"] {
            for by in ["", "UID "] {
                let mut sort = |returns: &str| -> String {
                    let answer = line_of(
                        &mut client,
                        &format!("{by}SORT RETURN ({returns}) ({criteria}) UTF-8 {program}"),
                    );
                    answer.strip_prefix(by.trim_end()).unwrap_or(&answer).trim_start().to_owned()
                };
                let whole = match sort("ALL").strip_prefix("ALL ") {
                    Some(all) => listed(all),
                    None => Vec::new(),
                };
                let count = whole.len();
                assert_eq!(sort("COUNT"), format!("COUNT {count}"), "{criteria}: {program}");
                let end = |name: &str, number: Option<&u32>| number.map(|number| format!("{name} {number}"));
                let (min, max) = (end("MIN", whole.first()), end("MAX", whole.last()));
                assert_eq!(sort("MIN"), min.clone().unwrap_or_default(), "{criteria}: {program}");
                assert_eq!(sort("MAX"), max.clone().unwrap_or_default(), "{criteria}: {program}");
                let both: Vec<String> =
                    min.into_iter().chain(max).chain([format!("COUNT {count}")]).collect();
                assert_eq!(sort("MIN MAX COUNT"), both.join(" "), "{criteria}: {program}");
                for (first, last) in [(1, 50), (3, 3), (90, 130), (1_000, 2_000)] {
                    for sign in ["", "-"] {
                        let (from, to) = match sign {
                            "" => ((first - 1).min(count), last.min(count)),
                            _ => (count.saturating_sub(last), (count + 1).saturating_sub(first)),
                        };
                        let part = whole.get(from..to).unwrap_or_default();
                        let answer = sort(&format!("PARTIAL {sign}{first}:{sign}{last}"));
                        let told =
                            answer.strip_prefix(&format!("PARTIAL ({sign}{first}:{sign}{last} ")).unwrap();
                        let told = told.strip_suffix(')').unwrap();
                        let told = if told == "NIL" { Vec::new() } else { listed(told) };
                        assert_eq!(told, part, "{criteria}: {program}, {sign}{first}:{sign}{last}");
                    }
                }
                // What is kept is what was answered.
                sort("SAVE PARTIAL 2:4 MAX");
                let mut kept: Vec<u32> = whole.iter().skip(1).take(3).chain(whole.last()).copied().collect();
                kept.sort_unstable();
                kept.dedup();
                let saved = numbers(&mut client, &format!("{by}SEARCH $"));
                assert_eq!(saved, kept, "{criteria}: {program}");
                client.ok(&format!("{by}SORT RETURN (SAVE) ({criteria}) UTF-8 {program}"));
                let mut all = whole.clone();
                all.sort_unstable();
                assert_eq!(numbers(&mut client, &format!("{by}SEARCH $")), all, "{criteria}: {program}");
            }
        }
    }
}

/// What an ESEARCH says, behind its tag.
fn line_of(client: &mut Client, command: &str) -> String {
    let lines = client.ok(command).lines();
    let found = lines.iter().find_map(|line| line.strip_prefix("ESEARCH (TAG ")?.split_once(')'));
    found.unwrap_or_else(|| panic!("{command}: {lines:?}")).1.trim_start().to_owned()
}
