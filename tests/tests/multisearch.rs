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

/// Numbers that a seed decides.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(end)) as u32
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// A program with keys that mean the same everywhere, and some that each mailbox knows for itself.
    fn program(&mut self, depth: u32) -> String {
        let n = 1 + self.below(6);
        if depth == 0 || self.below(3) == 0 {
            return match self.below(20) {
                0..4 => format!("BODY word{}", self.below(12)),
                4 => "TEXT common".to_owned(),
                5 => format!("SUBJECT \"box {n}\""),
                6 => "BODY nothing-like-this".to_owned(),
                7..10 => self.one_of(&["UNSEEN", "SEEN", "FLAGGED", "UNFLAGGED", "DELETED"]).to_owned(),
                10 => format!("LARGER {}", 110 + n),
                11 => {
                    self.one_of(&["SINCE 1-Jan-2020", "BEFORE 1-Jan-2020", "SENTSINCE 5-Mar-2021"]).to_owned()
                }
                12 => self.one_of(&["KEYWORD $one", "UNKEYWORD $two"]).to_owned(),
                13 => format!("{n}:{}", n + self.below(6)),
                14 => format!("UID {n},{}:{}", n + 2, n + 4),
                15 => "$".to_owned(),
                16 => "NOT ALL".to_owned(),
                17 => format!("X-TRAWL-QUERY \"in:box{n} OR word{n}\""),
                _ => "ALL".to_owned(),
            };
        }
        match self.below(4) {
            0 => format!("NOT {}", self.program(depth - 1)),
            1 => format!("OR {} {}", self.program(depth - 1), self.program(depth - 1)),
            _ => format!("({} {})", self.program(depth - 1), self.program(depth - 1)),
        }
    }

    /// Something is changed in a mailbox, or a mailbox is made or removed.
    fn change(&mut self, client: &mut Client, round: u32) {
        let (one, other) = (self.below(BOXES), self.below(BOXES));
        match self.below(8) {
            0 => _ = client.command(&format!("CREATE more{round}")),
            1 => _ = client.command(&format!("DELETE more{}", self.below(round + 1))),
            // Queries name the first ones.
            2 => _ = client.command(&format!("RENAME box{} renamed{round}", one.max(10))),
            _ => {
                if !client.command(&format!("SELECT box{one}")).is_ok() {
                    return;
                }
                let (low, n) = (1 + self.below(4), 1 + self.below(8));
                let flag = self.one_of(&["\\Seen", "\\Flagged", "$one", "$two", "\\Deleted"]);
                let sign = self.one_of(&["+", "-"]);
                match self.below(4) {
                    0 => _ = client.command(&format!("UID COPY {low}:{n} box{other}")),
                    1 => _ = client.command(&format!("UID COPY {low}:{n} box{one}")),
                    2 => _ = client.command("EXPUNGE"),
                    _ => {}
                }
                client.ok(&format!("UID STORE {low}:{n} {sign}FLAGS.SILENT ({flag})"));
                client.ok("UNSELECT");
            }
        }
    }
}

/// Says that it is over when it goes.
struct Over<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// More than a row of small mailboxes has, with a few messages each.
const BOXES: u32 = 90;

/// What every mailbox with a match is answered, behind its name.
fn answers(client: &mut Client, search: &str) -> BTreeMap<String, String> {
    let lines = client.ok(&format!("ESEARCH IN (personal) {search}")).lines();
    let found = lines.iter().filter_map(|line| line.strip_prefix("ESEARCH (TAG ")).map(|rest| {
        let (_, rest) = rest.split_once(" MAILBOX ").unwrap();
        let (name, rest) = rest.split_once(" UIDVALIDITY ").unwrap();
        (name.to_owned(), rest.to_owned())
    });
    let found: BTreeMap<String, String> = found.collect();
    assert_eq!(
        found.len(),
        lines.iter().filter(|line| line.starts_with("ESEARCH")).count(),
        "once each: {lines:?}"
    );
    found
}

/// The same of each mailbox asked alone.
fn each_alone(client: &mut Client, search: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let listed = client.ok("LIST \"\" *").lines();
    for name in listed.iter().filter_map(|line| line.rsplit(' ').next()) {
        let opened = client.ok(&format!("EXAMINE {name}")).lines();
        let validity =
            opened.iter().find_map(|line| line.split_once("UIDVALIDITY ")?.1.split_once(']')).unwrap().0;
        let lines = client.ok(&format!("UID SEARCH {search}")).lines();
        let (_, rest) = lines.iter().find_map(|line| line.strip_prefix("ESEARCH ")?.split_once(')')).unwrap();
        if !(rest.ends_with(" UID") || rest.contains(" COUNT 0") || rest.contains(" NIL)")) {
            found.insert(name.to_owned(), format!("{validity}){rest}"));
        }
    }
    client.ok("UNSELECT");
    found
}

/// Random programs over mailboxes that change from one to the next, while mail comes that is not asked for.
#[test]
fn random_programs_have_the_answers_of_each_mailbox_alone_while_messages_arrive() {
    let server = Server::start();
    server.user("anna");
    let login = || Client::login(server.imap, "anna", PASSWORD);
    let (mut client, mut other) = (login(), login());
    let mut chance = Chance(7);
    for n in 0..BOXES {
        client.ok(&format!("CREATE box{n}"));
    }
    // Neighbours in a mailbox are no neighbours in the account.
    let mut left = Vec::from_iter((0..BOXES).flat_map(|n| [n; 6]));
    while !left.is_empty() {
        let n = left.swap_remove(chance.below(left.len() as u32) as usize);
        let year = 2018 + chance.below(6);
        let text = format!(
            "Subject: box {n}\r\nDate: 5 Mar {year} 10:00:00 +0000\r\n\r\nThe common text and word{}, {}.\r\n",
            chance.below(12),
            "x".repeat(chance.below(9) as usize),
        );
        client.ok(&format!("APPEND box{n} \" 5-Mar-{year} 10:00:00 +0000\" {{{}+}}\r\n{text}", text.len()));
    }
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let mut arriving = login();
    std::thread::scope(|scope| {
        let arrival = scope.spawn(|| {
            let (mut chance, mut arrived) = (Chance(9), 0);
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let text = "Subject: arriving\r\n\r\nThe common text and word1\r\n";
                let mailbox = chance.below(BOXES);
                let append = format!("APPEND box{mailbox} {{{}+}}\r\n{text}", text.len());
                arrived += u32::from(arriving.command(&append).is_ok());
            }
            arrived
        });
        // Also if a comparison fails.
        let over = Over(&is_over);
        let mut hits = 0;
        for round in 0..40 {
            chance.change(&mut other, round);
            let returns =
                chance.one_of(&["ALL", "COUNT", "MIN MAX COUNT", "PARTIAL 2:3", "PARTIAL -1:-2", "MAX"]);
            let program = chance.program(3);
            let search = format!("RETURN ({returns}) NOT SUBJECT arriving {program}");
            let together = answers(&mut client, &search);
            let again = answers(&mut client, &search);
            let alone = each_alone(&mut other, &search);
            // A part that is beyond what was found is NIL: asked alone it cannot be told from nothing found.
            let told = |all: BTreeMap<String, String>| -> BTreeMap<String, String> {
                all.into_iter().filter(|(_, rest)| !rest.contains(" NIL)")).collect()
            };
            hits += alone.len();
            assert_eq!(told(together), alone, "round {round}: {search}");
            assert_eq!(told(again), alone, "again in round {round}: {search}");
            if round == 20 {
                server.tool(&["reindex", "anna", "--wait"]);
            }
        }
        drop(over);
        assert!(arrival.join().unwrap() > 20);
        assert!(hits > 300, "{hits}");
    });
}
