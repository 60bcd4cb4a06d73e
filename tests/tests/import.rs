//! `trawl import` of all three kinds, with a server and without: every message arrives once, byte for byte, in its
//! mailbox, with its flags and its date; a second run with --skip-duplicates adds nothing; the store is sound after it.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::BufWriter;

use trawl_bench::output::{Eml, Maildir, MboxFolders, Sink, utf7};
use trawl_bench::{Corpus, Flag, Generated, Options, SizeProfile};
use trawl_server::response::encode;
use trawl_store::types::ZonedTime;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const SEED: u64 = 11;
const COUNT: u64 = 150;

/// What a mailbox holds: text of a message -> (flags and keywords, INTERNALDATE).
type Held = BTreeMap<(String, Vec<u8>), Vec<(Vec<String>, String)>>;

/// The octets of the literal or quoted string that follows `item` in a FETCH response, and what stands around them.
fn body(line: &[u8]) -> (Vec<u8>, String) {
    let at = line.windows(7).position(|w| w == b"BODY[] ").expect("BODY[] was asked for") + 7;
    let rest = &line[at..];
    assert_eq!(rest[0], b'{', "a message is a literal: {}", String::from_utf8_lossy(rest));
    let end = rest.iter().position(|b| *b == b'}').expect("a literal has an end");
    let size: usize = String::from_utf8_lossy(&rest[1..end]).parse().expect("a literal has a size");
    let text = &rest[end + 3..end + 3 + size];
    let around = [&line[..at], &rest[end + 3 + size..]].concat();
    (text.to_vec(), String::from_utf8_lossy(&around).into_owned())
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map_or("", |(found, _)| found)
}

fn held(server: &Server, user: &str, folders: &[&'static str]) -> Held {
    let mut client = Client::login(server.imap, user, PASSWORD);
    let mut held = Held::new();
    for folder in folders {
        client.ok(&format!("EXAMINE \"{}\"", utf7(folder)));
        for line in client.ok("UID FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])").untagged {
            if !line.windows(7).any(|w| w == b"BODY[] ") {
                continue;
            }
            let (text, around) = body(&line);
            let mut flags: Vec<String> = between(&around, "FLAGS (", ")")
                .split_whitespace()
                .filter(|f| *f != "\\Recent")
                .map(str::to_owned)
                .collect();
            flags.sort();
            let date = format!("\"{}\"", between(&around, "INTERNALDATE \"", "\""));
            held.entry(((*folder).to_owned(), text)).or_default().push((flags, date));
        }
    }
    held.values_mut().for_each(|copies| copies.sort());
    held
}

fn flags(message: &Generated) -> Vec<String> {
    let mut flags: Vec<String> = message.keywords.iter().map(|k| (*k).to_owned()).collect();
    for (flag, name) in [
        (Flag::Seen, "\\Seen"),
        (Flag::Answered, "\\Answered"),
        (Flag::Flagged, "\\Flagged"),
        (Flag::Deleted, "\\Deleted"),
        (Flag::Draft, "\\Draft"),
    ] {
        if message.flags.contains(&flag) {
            flags.push(name.to_owned());
        }
    }
    flags.sort();
    flags
}

fn internal_date(message: &Generated) -> String {
    let mut out = Vec::new();
    encode::internal_date(&mut out, ZonedTime { seconds: message.seconds, zone_minutes: 0 });
    String::from_utf8_lossy(&out).into_owned()
}

fn assert_same(
    what: &str,
    got: &Held,
    expected: &Held,
    compare: impl Fn(&(Vec<String>, String)) -> (Vec<String>, String),
) {
    let count = |held: &Held| held.values().map(Vec::len).sum::<usize>();
    assert_eq!(count(got), count(expected), "{what}, seed {SEED}: number of messages");
    for ((folder, text), copies) in expected {
        let Some(found) = got.get(&(folder.clone(), text.clone())) else {
            panic!(
                "{what}, seed {SEED}: a message of {folder} is missing or changed:\n{}",
                String::from_utf8_lossy(text)
            );
        };
        let view = |copies: &Vec<(Vec<String>, String)>| copies.iter().map(&compare).collect::<Vec<_>>();
        assert_eq!(view(found), view(copies), "{what}, seed {SEED}: flags and dates in {folder}");
    }
}

#[test]
fn all_kinds_online_and_offline() {
    let mut server = Server::start();
    for user in ["maildir", "mbox", "eml"] {
        server.user(user);
    }
    let corpus = Corpus::new(Options { seed: SEED, count: COUNT, profile: SizeProfile::Small });
    let path = |name: &str| server.folder.path().join(name);
    let (maildir, mbox, eml) = (path("m"), path("b"), path("e"));
    let mut sinks: Vec<Box<dyn Sink>> =
        vec![Box::new(Maildir::new(&maildir)), Box::new(MboxFolders::new(&mbox)), Box::new(Eml::new(&eml))];
    let mut folders: Vec<&'static str> = Vec::new();
    let (mut expected, mut expected_mbox) = (Held::new(), Held::new());
    for message in corpus.iter() {
        sinks.iter_mut().for_each(|sink| sink.put(&message).expect("the folder is writable"));
        if !folders.contains(&message.folder) {
            folders.push(message.folder);
        }
        let marks = (flags(&message), internal_date(&message));
        expected.entry((message.folder.to_owned(), message.bytes.clone())).or_default().push(marks.clone());
        // An mbox file carries the flags as header fields of the message.
        let mut one = Vec::new();
        let mut writer = trawl_bench::output::Mbox(BufWriter::new(&mut one));
        writer.put(&message).and_then(|()| writer.finish()).expect("memory is writable");
        drop(writer);
        let start = one.iter().position(|b| *b == b'\n').expect("a From line") + 1;
        let status = String::from_utf8_lossy(&one[start..])
            .lines()
            .take_while(|l| l.starts_with("Status:") || l.starts_with("X-"))
            .fold(String::new(), |text, line| {
                if ["Status:", "X-Status:", "X-Keywords:"].iter().any(|f| line.starts_with(f)) {
                    text + line + "\r\n"
                } else {
                    text
                }
            });
        let text = [status.as_bytes(), &message.bytes].concat();
        expected_mbox.entry((message.folder.to_owned(), text)).or_default().push(marks);
    }
    sinks.iter_mut().for_each(|sink| sink.finish().expect("the folder is writable"));
    expected.values_mut().chain(expected_mbox.values_mut()).for_each(|copies| copies.sort());

    let text = |path: &std::path::Path| path.to_str().expect("temporary folders have plain names").to_owned();
    server.tool(&["import", "maildir", "maildir", &text(&maildir)]);
    assert_eq!(server.stop(), Some(0));
    server.tool(&["import", "mbox", "mbox", &text(&mbox)]);
    server.tool(&["import", "eml", "eml", &text(&eml)]);
    let again = server.tool(&["import", "maildir", "maildir", &text(&maildir), "--skip-duplicates"]);
    assert!(again.contains("Imported 0 messages") && again.contains("were there already"), "{again}");
    let checked = server.tool(&["check"]);
    assert!(checked.contains("No damage."), "{checked}");

    server.serve();
    assert_same("maildir", &held(&server, "maildir", &folders), &expected, Clone::clone);
    assert_same("mbox", &held(&server, "mbox", &folders), &expected_mbox, Clone::clone);
    // Files of .eml have no flags, and their dates are the messages' own.
    assert_same("eml", &held(&server, "eml", &folders), &expected, |_| (Vec::new(), String::new()));
}

#[test]
fn what_cannot_be_imported_is_named_and_the_rest_arrives() {
    let server = Server::start_with("[limits]\nappend_bytes_max = \"64KiB\"\n");
    server.user("anna");
    let folder = server.folder.path().join("mail");
    std::fs::create_dir(&folder).expect("the folder is writable");
    for (name, text) in [
        ("1.eml", b"Subject: fine\n\nx\n".to_vec()),
        ("2.eml", vec![b'x'; 100_000]),
        ("3.eml", b"\0not a message\xff at all".to_vec()),
        ("4.eml", Vec::new()),
    ] {
        std::fs::write(folder.join(name), text).expect("the folder is writable");
    }
    let output = std::process::Command::new(trawl_tests::server::binary())
        .arg("--config")
        .arg(server.folder.path().join("trawl.toml"))
        .args(["import", "eml", "anna"])
        .arg(&folder)
        .output()
        .expect("trawl runs");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("2.eml: is larger than") && said.contains("64KiB"), "{said}");
    // IMAP takes an empty message for a change of mind (RFC 3502).
    assert!(said.contains("4.eml: NO"), "{said}");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    let status = client.ok("STATUS INBOX (MESSAGES)").lines();
    assert!(said.contains("Imported 2 messages") && status[0].contains("MESSAGES 2"), "{said} {status:?}");
}

#[test]
fn a_store_has_one_owner_and_says_so() {
    let server = Server::start();
    let output = std::process::Command::new(trawl_tests::server::binary())
        .arg("--config")
        .arg(server.folder.path().join("trawl.toml"))
        .arg("check")
        .output()
        .expect("trawl runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("pid {}", server.pid())), "{said}");
}
