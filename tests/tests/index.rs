//! The search index of a running server: answers are those of a server without one, whatever happens to its folder; a
//! message is found at once; the commands of the tool that are about it.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use trawl_bench::output::{Mbox, Sink};
use trawl_bench::{Corpus, Options, SizeProfile};
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

const SEED: u64 = 23;
/// More than makes a tail due, so that there are segments, and no multiple of it, so that there is a tail.
const COUNT: u64 = 1_700;
/// Messages with attachments and their like, before these.
const ATTACHED: u64 = 5;

/// Programs of every kind: words, parts of them, several, punctuation, headers, addresses, names of fields, none, all, nested.
const PROGRAMS: &[&str] = &[
    "BODY the",
    "BODY e",
    "BODY \"\"",
    "BODY zzqqxx",
    "TEXT received",
    "TEXT \"subject: re\"",
    "TEXT \": \"",
    "TEXT example.",
    "SUBJECT re",
    "SUBJECT \"\"",
    "FROM a",
    "FROM \"@\"",
    "TO example",
    "CC \"\"",
    "HEADER Message-ID \"\"",
    "HEADER Message-ID 1",
    "HEADER X-Nothing \"\"",
    "BODY \" the \"",
    "BODY \". \"",
    "BODY \"of the\"",
    "NOT BODY the",
    "UNSEEN BODY the",
    "OR UNSEEN BODY the",
    "OR SUBJECT re (NOT FROM a BODY and)",
    "SINCE 1-Jan-2020 TEXT in",
    "1:100 BODY the",
    "LARGER 2000 NOT TEXT the",
    "NOT (OR SEEN BODY a) TEXT 2",
    "X-TRAWL-QUERY has:attachment",
    "X-TRAWL-QUERY \"-has:attachment the\"",
    "X-TRAWL-QUERY filename:e",
    "X-TRAWL-QUERY \"filename:.pdf OR filename:.txt\"",
    "X-TRAWL-QUERY \"has:attachment -filename:.p from:a\"",
];

fn mbox(folder: &Path, seed: u64, count: u64) -> PathBuf {
    let path = folder.join(format!("mail-{seed}.mbox"));
    let corpus = Corpus::new(Options { seed, count, profile: SizeProfile::Small });
    let mut sink = Mbox(Vec::new());
    for message in corpus.iter() {
        sink.put(&message).unwrap();
    }
    sink.finish().unwrap();
    std::fs::write(&path, sink.0).unwrap();
    path
}

fn server() -> Server {
    let server = Server::start();
    server.user("anna");
    let path = mbox(server.folder.path(), SEED, COUNT);
    // Messages with attachments first: they are in a segment.
    for path in [concat!(env!("CARGO_MANIFEST_DIR"), "/imap/query.mbox"), path.to_str().unwrap()] {
        server.tool(&["import", "mbox", "anna", path, "--quiet"]);
    }
    server
}

/// What every program finds.
fn answers(server: &Server) -> Vec<Vec<String>> {
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("EXAMINE INBOX");
    PROGRAMS.iter().map(|program| client.ok(&format!("UID SEARCH {program}")).lines()).collect()
}

/// The same without an index.
fn scanned(server: &mut Server) -> Vec<Vec<String>> {
    let path = server.folder.path().join("trawl.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    server.stop();
    std::fs::write(&path, format!("{config}\n[index]\nenabled = false\n")).unwrap();
    server.serve();
    let found = answers(server);
    server.stop();
    std::fs::write(&path, config).unwrap();
    server.serve();
    found
}

fn status(server: &Server) -> serde_json::Value {
    serde_json::from_str(server.tool(&["status", "--json"]).lines().next().unwrap()).unwrap()
}

fn indexed(server: &Server) -> u64 {
    server.tool(&["reindex", "anna", "--keep", "--wait"]);
    status(server)["index"]["messages"].as_u64().unwrap()
}

/// The files of anna's index.
fn files(server: &Server) -> Vec<PathBuf> {
    let mut folders = vec![server.store().join("index")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    // Segments first.
    files.sort_by_key(|path| (path.extension().is_none_or(|end| end != "seg"), path.clone()));
    files
}

#[test]
fn answers_are_those_of_the_scan_whatever_becomes_of_the_index() {
    let mut server = server();
    let expected = scanned(&mut server);
    assert!(expected.iter().filter(|found| found[0] != "SEARCH").count() > PROGRAMS.len() / 2);
    for (program, found) in
        PROGRAMS.iter().zip(&expected).filter(|(program, _)| program.starts_with("X-TRAWL"))
    {
        assert!(found[0] != "SEARCH", "{program} finds nothing");
    }
    assert!(indexed(&server) >= 1_500, "most messages are in segments");
    assert_eq!(answers(&server), expected);
    assert_eq!(answers(&server), expected, "again, with the tail in memory");

    // The folder vanishes below a running server.
    std::fs::remove_dir_all(server.store().join("index")).unwrap();
    assert_eq!(answers(&server), expected);
    server.stop();
    server.serve();
    assert_eq!(answers(&server), expected);
    assert!(indexed(&server) >= 1_500, "it was made again");
    assert_eq!(answers(&server), expected);

    // Each file is cut short, or has a byte changed at its beginning, middle or end, while no server runs.
    for round in 0..8 {
        server.stop();
        for (nth, path) in files(&server).into_iter().enumerate() {
            let mut bytes = std::fs::read(&path).unwrap();
            let len = bytes.len();
            match (round + nth) % 4 {
                0 => bytes.truncate(len / 2),
                at => bytes[(len - 1) * (at - 1) / 2] ^= 0x41,
            }
            std::fs::write(&path, bytes).unwrap();
            if round < 4 {
                break;
            }
        }
        server.serve();
        assert_eq!(answers(&server), expected, "round {round}");
        assert!(indexed(&server) >= 1_500, "round {round}");
        assert_eq!(answers(&server), expected, "round {round}");
    }
}

#[test]
fn what_arrives_changes_and_leaves_is_found_as_it_is_now() {
    let mut server = server();
    assert!(indexed(&server) >= 1_500);
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    for n in 0..20 {
        let text = format!("Subject: arrival {n}\r\n\r\nxylograph{n}x\r\n");
        assert!(client.try_append("INBOX", text.as_bytes()).unwrap().is_ok());
        let found = client.ok(&format!("SEARCH BODY xylograph{n}x")).lines();
        assert!(found.contains(&format!("SEARCH {}", ATTACHED + COUNT + 1 + n)), "{found:?}");
    }
    // The same message twice in one mailbox, with other flags: positions are told apart.
    client.ok("COPY 1:3 INBOX");
    client.ok("NOOP");
    let last = ATTACHED + COUNT + 20;
    client.ok("STORE 1:3 +FLAGS.SILENT (\\Flagged)");
    let found =
        |client: &mut Client, program: &str| client.ok(&format!("SEARCH {program}")).lines().pop().unwrap();
    let copies = format!("1:3,{}:{}", last + 1, last + 3);
    assert_eq!(
        found(&mut client, &format!("{copies} BODY \"\"")),
        format!("SEARCH 1 2 3 {} {} {}", last + 1, last + 2, last + 3)
    );
    assert_eq!(found(&mut client, &format!("{copies} FLAGGED BODY \"\"")), "SEARCH 1 2 3");
    assert_eq!(
        found(&mut client, &format!("{copies} OR FLAGGED BODY zzqqxx")),
        "SEARCH 1 2 3",
        "state inside of the program"
    );
    assert_eq!(
        found(&mut client, &format!("{copies} NOT (FLAGGED NOT BODY zzqqxx)")),
        format!("SEARCH {} {} {}", last + 1, last + 2, last + 3)
    );
    // A message that another session expunged is searched until this one is told.
    let mut other = Client::login(server.imap, "anna", PASSWORD);
    other.ok("SELECT INBOX");
    other.ok("STORE 2 +FLAGS (\\Deleted)");
    other.ok("EXPUNGE");
    assert_eq!(found(&mut client, "1:3 BODY \"\""), "SEARCH 1 2 3");
    client.ok("NOOP");
    assert_eq!(found(&mut client, "1:3 BODY \"\""), "SEARCH 1 2 3");
    drop((client, other));
    let now = answers(&server);
    assert_eq!(now, scanned(&mut server));
}

/// MIN, MAX and PARTIAL look from their end on and say what all results say, in a mailbox that they look at in several steps.
#[test]
fn the_first_and_the_last_are_those_of_all() {
    let server = server();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    for _ in 0..3 {
        client.ok("COPY 1:* INBOX");
        client.ok("NOOP");
    }
    client.ok("STORE 5000,9000:9010 +FLAGS.SILENT (\\Flagged)");
    for with_index in [false, true] {
        if with_index {
            server.tool(&["reindex", "anna", "--wait"]);
        }
        let mut some = 0;
        for program in PROGRAMS.iter().step_by(3).chain(&["BODY the FLAGGED", "OR FLAGGED BODY zzqqxx"]) {
            let mut ask = |returns: &str| {
                let line = client.ok(&format!("UID SEARCH RETURN ({returns}) {program}")).lines().remove(0);
                line.split_once(" UID").unwrap().1.trim_start().to_owned()
            };
            let all = uids(ask("ALL").strip_prefix("ALL ").unwrap_or_default());
            some += usize::from(all.len() > 100);
            let (first, last) = (all.first(), all.last());
            let named =
                |name: &str, uid: Option<&u32>| uid.map_or(String::new(), |uid| format!("{name} {uid}"));
            assert_eq!(ask("MIN"), named("MIN", first), "{program}");
            assert_eq!(ask("MAX"), named("MAX", last), "{program}");
            let both = [named("MIN", first), named("MAX", last)].join(" ");
            assert_eq!(ask("MIN MAX"), both.trim(), "{program}");
            for (partial, part) in [
                ("1:50", &all[..all.len().min(50)]),
                ("-1:-50", &all[all.len().saturating_sub(50)..]),
                ("101:150", &all[all.len().min(100)..all.len().min(150)]),
                ("-5000:-5001", &all[all.len().saturating_sub(5001)..all.len().saturating_sub(4999)]),
            ] {
                let answer = ask(&format!("PARTIAL {partial}"));
                let answer = answer.strip_prefix(&format!("PARTIAL ({partial} ")).unwrap();
                let answer = uids(answer.trim_end_matches(')'));
                assert_eq!(answer, part, "{partial} of {program}");
            }
        }
        assert!(some > 3, "{some}");
        // The same messages with other flags are in other places of the mailbox.
        let flagged = client.ok("UID SEARCH RETURN (COUNT) UID 1:4000,9500 OR FLAGGED BODY zzqqxx").lines();
        let wanted = client.ok("UID SEARCH RETURN (COUNT) UID 1:4000,9500 FLAGGED").lines();
        let count = |lines: &[String]| lines[0].split_once(" COUNT ").unwrap().1.to_owned();
        assert_eq!(count(&flagged), count(&wanted));
    }
}

/// The numbers of a sequence set, or of NIL.
fn uids(set: &str) -> Vec<u32> {
    let ranges = set.split(',').filter(|range| !range.is_empty() && *range != "NIL");
    ranges
        .flat_map(|range| {
            let (low, high) = range.split_once(':').unwrap_or((range, range));
            low.parse().unwrap()..=high.parse::<u32>().unwrap()
        })
        .collect()
}

/// FUZZY finds words that are spelled like what was asked for, which the index knows.
#[test]
fn fuzzy_keys_find_words_that_are_spelled_alike() {
    let server = server();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    let mut uids = String::new();
    for n in 0..3 {
        let text = format!("Subject: s{n}\r\n\r\nThe conference begins, hello.\r\n");
        let answer = client.ok(&format!("APPEND INBOX {{{}+}}\r\n{text}", text.len()));
        let (_, uid) = answer.code("APPENDUID").unwrap().split_once(' ').unwrap();
        uids += &format!(" {uid}");
    }
    server.tool(&["reindex", "anna", "--wait"]);
    client.ok("NOOP");
    let mut ask = |program: &str| client.ok(&format!("UID SEARCH {program}")).lines();
    let wanted = ask("BODY \"conference begins\"");
    assert_eq!(wanted, [format!("SEARCH{uids}")]);
    assert_eq!(ask("BODY \"conferense begin\""), ["SEARCH"]);
    assert_eq!(ask("FUZZY BODY \"begin conferense\" BODY hello"), wanted);
    let scored = ask("RETURN (RELEVANCY) FUZZY (BODY conferense BODY helo BODY conference)");
    assert!(scored[0].contains("RELEVANCY (40 40 40)"), "{scored:?}");
    let told = server.tool(&["explain", "anna", "INBOX", "FUZZY BODY \"conferense begins\""]);
    assert!(told.contains("FUZZY words spelled like them: 3 messages more"), "{told}");
}

#[test]
fn the_tool_searches_explains_and_makes_anew() {
    let mut server = server();
    let expected = answers(&server);
    assert!(server.tool(&["reindex", "--wait"]).contains("Queued the search index of 1 account."));
    assert_eq!(answers(&server), expected);
    let before = status(&server)["index"]["indexed_messages"].as_u64().unwrap();
    server.tool(&["reindex", "anna", "--wait"]);
    let after = status(&server)["index"]["indexed_messages"].as_u64().unwrap();
    assert!(after >= before + 1_500, "{before} {after}: it was made anew");
    assert_eq!(answers(&server), expected);

    let mut client = Client::login(server.imap, "anna", PASSWORD);
    let marked = b"From: Zoe <zoe@example.org>\r\nSubject: about the quagga\r\n\r\nquagga stew\r\n";
    assert!(client.try_append("Archive", marked).unwrap().is_ok());
    drop(client);
    for running in [true, false] {
        if !running {
            server.stop();
        }
        let found = server.tool(&["search", "anna", "BODY \"quagga st\""]);
        assert_eq!(found.lines().count(), 1, "{found}");
        assert_eq!(server.tool(&["search", "anna", "-q", "\"quagga st\" in:archive -in:trash"]), found);
        for part in ["Archive", "about the quagga", "Zoe <zoe@example.org>"] {
            assert!(found.contains(part), "{found}");
        }
        let explained = server.tool(&["explain", "anna", "INBOX", "BODY the NOT SUBJECT the"]);
        assert!(explained.contains("by the index") && explained.contains("segment 0: "), "{explained}");
        let explained =
            server.tool(&["explain", "anna", "INBOX", "--query", "from:anna OR has:attachment the"]);
        let program = "program        OR FROM anna X-TRAWL-QUERY has:attachment TEXT the";
        assert!(explained.contains(program) && explained.contains("segment 0: "), "{explained}");
    }
    server.serve();
    let status = server.tool(&["status"]);
    assert!(status.contains("index  ") && status.contains("messages to be indexed"), "{status}");
    server.tool(&["user", "delete", "anna", "--yes"]);
    server.tool(&["reindex", "--keep", "--wait"]);
    assert_eq!(files(&server), Vec::<PathBuf>::new(), "the index goes with its account");
}

#[test]
fn a_search_past_its_time_is_refused_and_the_session_goes_on() {
    let server = Server::start_with("[index]\nenabled = false\n[limits]\nsearch_time = \"1ms\"\n");
    server.user("anna");
    let path = mbox(server.folder.path(), SEED, COUNT);
    server.tool(&["import", "mbox", "anna", path.to_str().unwrap(), "--quiet"]);
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("ENABLE IMAP4rev2");
    client.ok("SELECT INBOX");
    client.ok("SEARCH RETURN (SAVE) 1:3");
    let refused = client.command("SEARCH RETURN (SAVE COUNT) BODY zzqqxx");
    assert!(refused.status.starts_with("NO [LIMIT]") && refused.untagged.is_empty(), "{refused:?}");
    let searches = &status(&server)["searches"]["families"][0];
    assert_eq!(
        (&searches["family"], &searches["outcomes"]["timed_out"]),
        (&"search".into(), &1.into()),
        "{searches}"
    );
    // RFC 5182 2.1: a search that fails leaves `$` empty.
    let saved = client.ok("SEARCH RETURN (COUNT) $").lines();
    assert!(saved[0].ends_with("COUNT 0"), "{saved:?}");
    let state = client.ok("SEARCH RETURN (COUNT) ALL").lines();
    assert!(state[0].ends_with(&format!("COUNT {COUNT}")), "{state:?}");
}

#[test]
fn texts_for_which_there_is_no_memory_become_segments() {
    let server = Server::start_with("[index]\nmemory = \"8MiB\"\n");
    // Each has less than what makes a tail due by itself; together their texts are more than that.
    let path = mbox(server.folder.path(), SEED, 500);
    let names: Vec<String> = (0..8).map(|n| format!("user{n}")).collect();
    for name in &names {
        server.user(name);
        server.tool(&["import", "mbox", name, path.to_str().unwrap(), "--quiet"]);
    }
    assert_eq!(status(&server)["index"]["messages"], 0);
    let search = |name: &String| {
        let mut client = Client::login(server.imap, name, PASSWORD);
        client.ok("EXAMINE INBOX");
        client.ok("UID SEARCH BODY the").lines()
    };
    let expected = search(&names[0]);
    let mut rounds = 0;
    while status(&server)["index"]["messages"].as_u64().unwrap() < 500 {
        rounds += 1;
        // A bound against hanging, not an expectation.
        assert!(rounds < 300, "{}", status(&server)["index"]);
        for name in &names {
            assert_eq!(search(name), expected);
        }
    }
    for name in &names {
        assert_eq!(search(name), expected);
    }
}

#[test]
fn indexing_survives_kill_nine_and_answers_stay_exact() {
    const ROUNDS: u64 = 20;
    const BATCH: u64 = 300;
    let mut server = Server::start();
    server.user("anna");
    let mut total = 0;
    for round in 0..ROUNDS {
        // Enough arrives in each round that something is being indexed when the server dies; how far it got differs.
        let path = mbox(server.folder.path(), 100 + round, BATCH);
        server.tool(&["import", "mbox", "anna", path.to_str().unwrap(), "--quiet"]);
        total += BATCH;
        let mut client = Client::login(server.imap, "anna", PASSWORD);
        client.ok("EXAMINE INBOX");
        for _ in 0..round % 5 {
            client.ok("SEARCH BODY zzqqxx");
        }
        server.kill();
        server.serve();
        let mut client = Client::login(server.imap, "anna", PASSWORD);
        client.ok("EXAMINE INBOX");
        let all = client.ok("SEARCH RETURN (COUNT) BODY \"\"").lines();
        assert!(all.iter().any(|line| line.ends_with(&format!("COUNT {total}"))), "round {round}: {all:?}");
    }
    let found = answers(&server);
    indexed(&server);
    assert_eq!(answers(&server), found);
    assert_eq!(scanned(&mut server), found);
    assert_eq!(server.stop(), Some(0));
    server.tool(&["check"]);
}

#[test]
fn a_good_index_is_kept_after_kill_nine() {
    let mut server = server();
    // Anew, so that the newest step of it was done when the log had its last change.
    server.tool(&["reindex", "anna", "--wait"]);
    let before = files(&server);
    assert!(indexed(&server) >= 1_500);
    for _ in 0..2 {
        server.kill();
        server.serve();
        // Opens it.
        let mut client = Client::login(server.imap, "anna", PASSWORD);
        client.ok("EXAMINE INBOX");
        client.ok("SEARCH BODY the");
        assert!(indexed(&server) >= 1_500);
        assert_eq!(status(&server)["index"]["indexed_messages"], 0, "{}", server.log());
        assert_eq!(files(&server), before);
    }
}
