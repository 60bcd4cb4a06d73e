//! A running server whose mail arrives, is copied, moves and leaves while it is indexed, killed and loses its index: every
//! search answers what the definition says about the mail that is there.
//!
//! Messages and programs are those of the differential test of the index alone; here they go through IMAP, so that positions,
//! message numbers, the tail and the feed take part.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

use trawl_bench::chance::{Chance, Purpose};
use trawl_bench::mime;
use trawl_index::document::Kind;
use trawl_index::extract::documents;
use trawl_index::mime::header_end;
use trawl_index::query::{Field, Node};
use trawl_tests::client::Client;
use trawl_tests::search::compose::Composer;
use trawl_tests::search::oracle::{Mail, Oracle};
use trawl_tests::search::queries;
use trawl_tests::server::{PASSWORD, Server};

/// Unless `TRAWL_TEST_SEED` says another.
const SEED: u64 = 10;
const STEPS: u64 = 90;
/// Messages that arrive at once; enough arrive in all for several segments.
const BATCH: u64 = 120;
const MESSAGES_MAX: usize = 2_400;
const QUESTIONS: u64 = 5;
const MAILBOXES: [&str; 2] = ["INBOX", "Archive"];

struct World {
    seed: u64,
    server: Server,
    client: Client,
    chance: Chance,
    composer: Composer,
    /// What each mailbox holds, by UID.
    held: [BTreeMap<u32, Rc<Held>>; 2],
    selected: usize,
    done: BTreeMap<&'static str, usize>,
}

/// A message as searches find it.
struct Held {
    mail: Mail,
    /// The same before the document in it was read, until it is known that it was.
    unread: RefCell<Option<Mail>>,
}

/// A message with a document, and its text.
fn with_document(chance: &mut Chance, composer: &Composer) -> Option<(Vec<u8>, String)> {
    let text = composer.document(chance);
    // A mark at the beginning says which charset it is.
    if text.is_empty() || text.starts_with('\u{feff}') {
        return None;
    }
    let subject = chance.below(1_000_000);
    let mut raw = format!(
        "Subject: document {subject}\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n\
        --=_b\r\n\r\nSee the document.\r\n--=_b\r\nContent-Type: application/octet-stream; charset=utf-8;\r\n \
        name=\"a.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    raw.extend_from_slice(&mime::base64_lines(text.as_bytes()));
    raw.extend_from_slice(b"\r\n--=_b--\r\n");
    Some((raw, text))
}

/// Whether a segment below the folder is of messages with documents.
fn has_documented_segment(index: &Path) -> bool {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let accounts = entries(index).into_iter().flat_map(|shard| entries(&shard));
    let mut documented = accounts.filter(|account| account.to_string_lossy().ends_with("-documented"));
    documented
        .any(|account| entries(&account).iter().any(|file| file.extension().is_some_and(|e| e == "seg")))
}

/// Whether something in it is taken for a document.
fn has_documents(raw: &[u8]) -> bool {
    let message = raw.split_at(header_end(raw));
    let mut found = false;
    let never = AtomicBool::new(false);
    let _ = documents::each(message, &Kind::of, usize::MAX / 4, &never, &mut |_| {
        found = true;
        ControlFlow::Break(())
    });
    found
}

/// A program in IMAP's words; states are sequence numbers.
fn words(node: &Node, out: &mut Vec<u8>) {
    let literal = |bytes: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(format!("{{{}+}}\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(bytes);
    };
    let all = |nodes: &[Node], before: &[u8], out: &mut Vec<u8>| {
        let Some((last, rest)) = nodes.split_last() else { return };
        for node in rest {
            out.extend_from_slice(before);
            words(node, out);
            out.push(b' ');
        }
        words(last, out);
    };
    match node {
        Node::All => out.extend_from_slice(b"ALL"),
        Node::None => out.extend_from_slice(b"NOT ALL"),
        Node::State(positions) if positions.is_empty() => out.extend_from_slice(b"NOT ALL"),
        Node::State(positions) => {
            let set: Vec<String> = positions.iter().map(|at| (at + 1).to_string()).collect();
            out.extend_from_slice(set.join(",").as_bytes());
        }
        Node::Not(node) => {
            out.extend_from_slice(b"NOT (");
            words(node, out);
            out.push(b')');
        }
        Node::And(nodes) if nodes.is_empty() => out.extend_from_slice(b"ALL"),
        Node::Or(nodes) if nodes.is_empty() => out.extend_from_slice(b"NOT ALL"),
        Node::And(nodes) => {
            out.push(b'(');
            all(nodes, b"", out);
            out.push(b')');
        }
        Node::Or(nodes) => all(nodes, b"OR ", out),
        Node::Text(key) => {
            match &key.field {
                Field::Header(name) => {
                    out.extend_from_slice(b"HEADER ");
                    literal(name.as_bytes(), out);
                }
                Field::Body => out.extend_from_slice(b"BODY"),
                Field::Text => out.extend_from_slice(b"TEXT"),
                Field::Subject => out.extend_from_slice(b"SUBJECT"),
                Field::From => out.extend_from_slice(b"FROM"),
                Field::To => out.extend_from_slice(b"TO"),
                Field::Cc => out.extend_from_slice(b"CC"),
                Field::Bcc => out.extend_from_slice(b"BCC"),
                Field::FileName => {
                    out.extend_from_slice(b"X-TRAWL-QUERY ");
                    let needle = key.needle.replace('\\', "\\\\").replace('"', "\\\"");
                    return literal(format!("filename:\"{needle}\"").as_bytes(), out);
                }
                Field::Attachment => return out.extend_from_slice(b"X-TRAWL-QUERY has:attachment"),
            }
            out.push(b' ');
            literal(key.needle.as_bytes(), out);
        }
    }
}

/// What IMAP cannot carry as an argument is not asked.
fn can_be_asked(node: &Node) -> bool {
    match node {
        Node::Text(key) => {
            let name = if let Field::Header(name) = &key.field { name.as_str() } else { "x" };
            let bytes = key.needle.len() + name.len();
            let said = key.field != Field::Attachment || key.needle.is_empty();
            said && !name.is_empty() && bytes < 30_000 && !name.contains('\0') && !key.needle.contains('\0')
        }
        Node::Not(node) => can_be_asked(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().all(can_be_asked),
        Node::All | Node::None | Node::State(_) => true,
    }
}

impl World {
    fn new() -> World {
        let server = Server::start();
        server.user("anna");
        let seed = std::env::var("TRAWL_TEST_SEED").map_or(SEED, |seed| seed.parse().unwrap());
        let mut chance = Chance::new(seed, Purpose::Text, 0);
        let composer = Composer::new(&mut chance);
        let client = Client::login(server.imap, "anna", PASSWORD);
        let (held, done) = Default::default();
        let mut world = World { seed, server, client, chance, composer, held, selected: 0, done };
        world.select(0);
        world
    }

    fn select(&mut self, mailbox: usize) {
        self.client.ok(&format!("SELECT {}", MAILBOXES[mailbox]));
        self.selected = mailbox;
    }

    fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn log_in(&mut self) {
        self.client = Client::login(self.server.imap, "anna", PASSWORD);
        self.select(self.selected);
    }

    /// Some of the messages of the selected mailbox: neighbours, as clients choose them.
    fn some(&mut self, most: u64) -> Vec<u32> {
        let uids: Vec<u32> = self.held[self.selected].keys().copied().collect();
        if uids.is_empty() {
            return uids;
        }
        let from = self.chance.below(uids.len() as u64) as usize;
        let to = uids.len().min(from + 1 + self.chance.below(most) as usize);
        uids[from..to].to_vec()
    }

    fn arrive(&mut self) {
        let mailbox = usize::from(self.chance.permille(200));
        for _ in 0..1 + self.chance.below(BATCH) {
            let document = match self.chance.permille(500) {
                true => with_document(&mut self.chance, &self.composer),
                false => None,
            };
            let (raw, text) = match document {
                Some((raw, text)) => (raw, Some(text)),
                None => (self.composer.message(&mut self.chance), None),
            };
            // What is composed may have documents by chance, which nobody here has read.
            let by_chance = text.is_none() && has_documents(&raw);
            if raw.contains(&0) || raw.is_empty() || by_chance {
                continue;
            }
            let answer = self.client.try_append(MAILBOXES[mailbox], &raw).unwrap();
            let uid = answer.code("APPENDUID").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let held = match text {
                None => Held { mail: Mail::new(raw), unread: RefCell::default() },
                Some(text) => {
                    self.count("with a document");
                    let unread = RefCell::new(Some(Mail::new(raw.clone())));
                    Held { mail: Mail::new(raw).with_documents(vec![text]), unread }
                }
            };
            self.held[mailbox].insert(uid, Rc::new(held));
        }
        self.count("arrived");
    }

    /// COPY and MOVE: which UIDs the copies got is in COPYUID.
    fn transfer(&mut self, verb: &str) {
        let uids = self.some(40);
        let to = self.chance.below(2) as usize;
        if uids.is_empty() || verb == "MOVE" && to == self.selected {
            return;
        }
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        let answer = self.client.ok(&format!("UID {verb} {} {}", set.join(","), MAILBOXES[to]));
        let said = answer.status.clone() + &answer.lines().join(" ");
        let code = said.split_once("COPYUID ").unwrap().1.split_once(']').unwrap().0.to_owned();
        let new: Vec<u32> = code
            .split(' ')
            .nth(2)
            .unwrap()
            .split(',')
            .flat_map(|range| {
                let (low, high) = range.split_once(':').unwrap_or((range, range));
                low.parse::<u32>().unwrap()..=high.parse().unwrap()
            })
            .collect();
        assert_eq!(new.len(), uids.len());
        for (old, new) in uids.iter().zip(new) {
            let held = Rc::clone(&self.held[self.selected][old]);
            if verb == "MOVE" {
                self.held[self.selected].remove(old);
            }
            self.held[to].insert(new, held);
        }
        self.count(if verb == "MOVE" { "moved" } else { "copied" });
    }

    fn expunge(&mut self) {
        let uids = self.some(30);
        if uids.is_empty() {
            return;
        }
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        self.client.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", set.join(",")));
        self.client.ok("EXPUNGE");
        uids.iter().for_each(|uid| _ = self.held[self.selected].remove(uid));
        self.count("expunged");
    }

    fn step(&mut self) {
        let full = self.held.iter().map(BTreeMap::len).sum::<usize>() >= MESSAGES_MAX;
        match self.chance.below(100) {
            0..40 if !full => self.arrive(),
            40..50 => self.transfer("COPY"),
            50..60 => self.transfer("MOVE"),
            60..67 => self.expunge(),
            67..77 => {
                self.select(1 - self.selected);
                self.count("selected");
            }
            77..85 => {
                self.server.tool(&["reindex", "--keep", "--wait"]);
                self.held.iter().flat_map(BTreeMap::values).for_each(|held| _ = held.unread.take());
                self.count("waited for");
                if has_documented_segment(&self.server.store().join("index")) {
                    self.count("documents indexed");
                }
            }
            85..89 => {
                self.server.tool(&["reindex", "anna"]);
                self.count("made anew");
            }
            89..92 => {
                self.server.kill();
                self.server.serve();
                self.log_in();
                self.count("killed");
            }
            92..94 => {
                let _ = std::fs::remove_dir_all(self.server.store().join("index"));
                self.count("removed");
            }
            94..96 => {
                self.server.tool(&["reindex", "anna", "--documents"]);
                for held in self.held.iter().flat_map(BTreeMap::values) {
                    if !held.mail.message().documents.is_empty() {
                        *held.unread.borrow_mut() = Some(Mail::new(held.mail.raw.clone()));
                    }
                }
                self.count("documents read again");
            }
            _ => {
                self.server.stop();
                self.server.serve();
                self.log_in();
                self.count("restarted");
            }
        }
        for _ in 0..QUESTIONS {
            self.ask();
        }
    }

    fn ask(&mut self) {
        let held = &self.held[self.selected];
        let mails: Vec<&Mail> = held.values().map(|held| &held.mail).collect();
        let mut node = queries::program(&mut self.chance, &mails, mails.len() as u32);
        if self.chance.permille(400) {
            // Only some messages are asked about; others may be the same ones, with other state.
            let part = 1 + self.chance.below(4);
            let some = (0..mails.len() as u32).filter(|_| self.chance.below(4) < part).collect();
            node = Node::And(vec![Node::State(some), node]);
        }
        if mails.is_empty() || !can_be_asked(&node) {
            return;
        }
        let oracle = Oracle::new(&node);
        let matching = (0..).zip(&mails).filter(|(at, mail)| oracle.matches(*at, mail));
        let mut expected: Vec<u32> = matching.map(|(at, _)| at + 1).collect();
        // Documents are read at some time after their message came.
        let open: Vec<u32> = (0..)
            .zip(held.values())
            .filter(|(at, held)| {
                let now = expected.binary_search(&(at + 1)).is_ok();
                held.unread.borrow().as_ref().is_some_and(|unread| oracle.matches(*at, unread) != now)
            })
            .map(|(at, _)| at + 1)
            .collect();
        let mut command = b"SEARCH ".to_vec();
        words(&node, &mut command);
        let answer = self.client.try_command(&command).unwrap();
        let shown = command.escape_ascii();
        assert!(answer.is_ok(), "{}: {shown}", answer.status);
        let lines = answer.lines();
        let line = lines.iter().find_map(|line| line.strip_prefix("SEARCH")).unwrap();
        let found: Vec<u32> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let settled = |numbers: &mut Vec<u32>| numbers.retain(|number| open.binary_search(number).is_err());
        let mut found = found;
        let any = !expected.is_empty();
        settled(&mut found);
        settled(&mut expected);
        assert_eq!(found, expected, "seed {}, {} messages: {shown}", self.seed, mails.len());
        self.count(if any { "found" } else { "nothing found" });
    }
}

#[test]
fn searches_are_exact_while_mail_comes_and_goes_and_the_index_is_made_and_lost() {
    let mut world = World::new();
    for _ in 0..STEPS {
        world.step();
    }
    eprintln!("{:?}", world.done);
    for (what, least) in [
        ("arrived", 10),
        ("with a document", 20),
        ("copied", 3),
        ("moved", 2),
        ("expunged", 2),
        ("selected", 3),
        ("waited for", 3),
        ("made anew", 1),
        ("killed", 1),
        ("documents indexed", 1),
        ("removed", 1),
        ("documents read again", 1),
        ("restarted", 2),
        ("found", 100),
        ("nothing found", 20),
    ] {
        let done = world.done.get(what).copied().unwrap_or(0);
        assert!(done >= least, "{what}: {done} of {least}; {:?}", world.done);
    }
    assert_eq!(world.server.stop(), Some(0));
    world.server.tool(&["check"]);
}
