//! Servers that give wrong answers are caught: a small IMAP server that is right or lies in one way, measured by the real
//! scenarios.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use trawl_bench::SizeProfile;
use trawl_bench::mail;
use trawl_bench::plan::Plan;
use trawl_bench::report::Report;
use trawl_bench::run::Run;
use trawl_bench::run::progress::Progress;
use trawl_bench::scenario;
use trawl_bench::server::{Description, Server};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Lie {
    None,
    /// One octet of every body is another.
    Body,
    /// The last message is not told of.
    Sync,
    /// Every search finds nothing, everything, or is refused.
    Nothing,
    Everything,
    Refuse,
    /// Every tenth APPEND is acknowledged and forgotten.
    Lose,
    /// FETCH of a body is never answered.
    Silence,
}

type Mailboxes = Arc<Mutex<HashMap<String, Vec<Vec<u8>>>>>;

/// Starts the server; it lives as long as the test.
fn serve(lie: Lie) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mailboxes = Mailboxes::default();
    // It ends with the test process.
    std::thread::Builder::new()
        .spawn(move || {
            for socket in listener.incoming().flatten() {
                let mailboxes = mailboxes.clone();
                std::thread::Builder::new().spawn(move || converse(socket, mailboxes, lie)).unwrap();
            }
        })
        .unwrap();
    port
}

fn converse(socket: TcpStream, mailboxes: Mailboxes, lie: Lie) -> Option<()> {
    let mut out = socket.try_clone().ok()?;
    out.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(socket);
    let (mut user, mut selected, mut appends) = (String::new(), String::new(), 0);
    out.write_all(b"* OK hello\r\n").ok()?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        // Literals, one after the other; the last word before each is of no interest.
        let mut literals = Vec::new();
        let mut rest = line.clone();
        while let Some(size) =
            rest.trim_end().strip_suffix("+}").and_then(|l| l.rsplit('{').next()?.parse::<usize>().ok())
        {
            let mut literal = vec![0; size];
            reader.read_exact(&mut literal).ok()?;
            literals.push(literal);
            let mut next = Vec::new();
            reader.read_until(b'\n', &mut next).ok()?;
            rest = String::from_utf8_lossy(&next).into_owned();
        }
        let (tag, command) = line.trim_end().split_once(' ')?;
        let words: Vec<&str> = command.split(' ').collect();
        let name = |n: usize| format!("{user}/{}", words.get(n).unwrap_or(&"").trim_matches('"'));
        let mut boxes = mailboxes.lock().ok()?;
        let mut text = String::new();
        let mut bytes: Vec<u8> = Vec::new();
        let mut status = "OK done";
        let messages = boxes.get(&selected).cloned().unwrap_or_default();
        match words[0] {
            "LOGIN" => user = words[1].to_owned(),
            "CAPABILITY" => text = "* CAPABILITY IMAP4rev1 LITERAL+ MULTIAPPEND\r\n".into(),
            "CREATE" | "DELETE" => {
                boxes.insert(name(1), Vec::new());
            }
            "STATUS" => {
                text = format!("* STATUS x (MESSAGES {})\r\n", boxes.get(&name(1)).map_or(0, Vec::len))
            }
            "APPEND" => {
                appends += 1;
                if lie != Lie::Lose || appends % 10 != 0 {
                    boxes.entry(name(1)).or_default().extend(literals);
                }
            }
            "SELECT" | "EXAMINE" => {
                selected = name(1);
                text = format!("* {} EXISTS\r\n", boxes.get(&selected).map_or(0, Vec::len));
            }
            "UID" if words[1] == "SEARCH" => {
                let all: Vec<String> = (1..=messages.len()).map(|n| n.to_string()).collect();
                let asks = words.get(2) != Some(&"ALL");
                match lie {
                    Lie::Refuse if asks => status = "NO not today",
                    Lie::Nothing if asks => text = "* SEARCH\r\n".into(),
                    _ => text = format!("* SEARCH {}\r\n", all.join(" ")),
                }
            }
            "FETCH" | "UID" => {
                let set = words[if words[0] == "UID" { 2 } else { 1 }];
                let last = messages.len() - usize::from(lie == Lie::Sync && set == "1:*");
                let range = match set.parse::<usize>() {
                    Ok(n) => n..=n,
                    Err(_) => 1..=last,
                };
                if lie == Lie::Silence && command.contains("BODY.PEEK[]") {
                    continue;
                }
                for n in range {
                    let mut body = messages[n - 1].clone();
                    let size = body.len();
                    bytes.extend_from_slice(format!("* {n} FETCH (UID {n} RFC822.SIZE {size}").as_bytes());
                    if command.contains("BODY.PEEK[]") {
                        if lie == Lie::Body {
                            body[size / 2] ^= 1;
                        }
                        bytes.extend_from_slice(format!(" BODY[] {{{size}}}\r\n").as_bytes());
                        bytes.extend_from_slice(&body);
                    }
                    bytes.extend_from_slice(b")\r\n");
                }
            }
            _ => {}
        }
        drop(boxes);
        bytes.extend_from_slice(text.as_bytes());
        bytes.extend_from_slice(format!("{tag} {status}\r\n").as_bytes());
        out.write_all(&bytes).ok()?;
    }
}

fn measured(lie: Lie, scenarios: &[&str]) -> Report {
    let about = Description {
        name: "liar".into(),
        imap: format!("imap://127.0.0.1:{}", serve(lie)),
        lmtp: None,
        user: "u{n}".into(),
        password: "p".into(),
        recipient: "{n}".into(),
        accounts: 3,
        authorities: None,
        pid_file: None,
        pid: None,
        cgroup: None,
        data: None,
        layout: Default::default(),
        commands: Default::default(),
        wrong_answers: Default::default(),
        settings: BTreeMap::new(),
    };
    let names: Vec<String> = scenarios.iter().map(|s| (*s).to_owned()).collect();
    let plan = Plan { timeout: 2.0, time: 0.2, ..Plan::tiny() };
    let progress = Progress::new(true);
    let run = Run {
        servers: vec![Server::new(about, PathBuf::new()).unwrap()],
        scenarios: scenario::chosen(&names).unwrap(),
        mail: mail::generated(40, 3, SizeProfile::Small).into(),
        plan: &plan,
        folder: None,
        progress: &progress,
    };
    run.go().unwrap()
}

/// Wrong, refused and late answers of a scenario, all rows together.
fn counts(report: &Report, scenario: &str) -> (u64, u64, u64) {
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let mut sum = (0, 0, 0);
    for class in report.rows.iter().filter(|r| r.scenario == scenario).filter_map(|r| r.all()) {
        sum = (sum.0 + class.wrong, sum.1 + class.refused, sum.2 + class.late);
    }
    sum
}

#[test]
fn an_honest_server_is_right() {
    let report = measured(Lie::None, &["append"]);
    assert_eq!(counts(&report, "append"), (0, 0, 0));
    assert!(report.is_right());
    assert!(report.rows.iter().all(|row| row.units > 0 || row.is_open()), "{:?}", report.rows);
}

#[test]
fn changed_bodies_are_seen() {
    let report = measured(Lie::Body, &["fetch-body", "append"]);
    assert!(counts(&report, "fetch-body").0 > 0 && counts(&report, "append").0 > 0);
    assert!(!report.is_right());
    let examples = report.rows.iter().filter_map(|row| row.all()).flat_map(|class| &class.examples);
    assert!(examples.into_iter().any(|text| text.contains("not those loaded")));
}

#[test]
fn missing_messages_are_seen() {
    assert!(counts(&measured(Lie::Sync, &["sync-warm"]), "sync-warm").0 > 0);
    assert!(counts(&measured(Lie::Lose, &["append"]), "append").0 > 0);
}

#[test]
fn wrong_hits_are_seen() {
    let nothing = measured(Lie::Nothing, &["search-word", "search-phrase", "search-nohit"]);
    assert!(counts(&nothing, "search-word").0 > 0 && counts(&nothing, "search-phrase").0 > 0);
    assert_eq!(counts(&nothing, "search-nohit"), (0, 0, 0), "nothing is right where nothing is to be found");
    let everything = measured(Lie::Everything, &["search-nohit", "search-header"]);
    assert!(counts(&everything, "search-nohit").0 > 0 && counts(&everything, "search-header").0 > 0);
}

#[test]
fn refused_and_late_answers_are_seen() {
    let refused = measured(Lie::Refuse, &["search-word"]);
    assert!(counts(&refused, "search-word").1 > 0);
    let late = measured(Lie::Silence, &["fetch-body"]);
    assert!(counts(&late, "fetch-body").2 > 0);
    assert!(!refused.is_right() && !late.is_right());
}
