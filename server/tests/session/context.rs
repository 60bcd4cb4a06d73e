//! Contexts (RFC 5267): a client that does to its copy of a result what it is told, and nothing else, always has what the same
//! search finds anew.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use trawl_server::limits::{CONTEXT_AGES_MS, CONTEXTS_MAX};
use trawl_server::sim::world::{Client, World};
use trawl_store::shard::Shard;
use trawl_store::types::AccountId;

/// The account that all of them are in.
const ANN: AccountId = AccountId(1);

use crate::documents::read_documents;
use crate::{MESSAGE, answer};

/// A copy of a result, as the client has it.
#[derive(Clone, Debug)]
struct Copy {
    tag: String,
    by_uid: bool,
    /// What follows the return options: for SORT its criteria, charset, keys.
    search: String,
    sorted: bool,
    /// In its order.
    numbers: Vec<u32>,
    /// The server has given it up.
    lost: bool,
}

/// What the client has of the mailbox.
#[derive(Clone, Default, Debug)]
struct Watched {
    exists: u32,
    copies: Vec<Copy>,
}

/// `1:3,7` in its order.
fn set(text: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (low, high) = range.split_once(':').unwrap_or((range, range));
        low.parse::<u32>().unwrap()..=high.parse().unwrap()
    };
    text.split(',').flat_map(range).collect()
}

/// Names and values.
type Items = Vec<(String, String)>;

/// The tag of an ESEARCH response, whether it is about UIDs, and its items.
fn esearch(line: &str) -> Option<(&str, bool, Items)> {
    let (tag, rest) = line.strip_prefix("* ESEARCH (TAG \"")?.split_once('"')?;
    let (_, mut rest) = rest.split_once(')')?;
    let by_uid = rest.strip_prefix(" UID");
    rest = by_uid.unwrap_or(rest);
    let mut items = Vec::new();
    while let Some((name, after)) = rest.trim_start().split_once(' ') {
        let end = match after.starts_with('(') {
            true => after.find(')').unwrap() + 1,
            false => after.find(' ').unwrap_or(after.len()),
        };
        items.push((name.to_owned(), after[..end].trim_matches(['(', ')']).to_owned()));
        rest = &after[end..];
    }
    Some((tag, by_uid.is_some(), items))
}

impl Copy {
    fn apply(&mut self, name: &str, value: &str, exists: u32) {
        if name == "ALL" {
            self.numbers = set(value);
            return;
        }
        let words: Vec<&str> = value.split(' ').collect();
        for pair in words.chunks(2) {
            let (position, numbers): (usize, _) = (pair[0].parse().unwrap(), set(pair[1]));
            assert_eq!(position == 0, !self.sorted, "{name} ({value}) of {self:?}");
            if !self.by_uid {
                assert!(numbers.iter().all(|n| (1..=exists).contains(n)), "{name} ({value}): {exists} exist");
            }
            match (name, position) {
                (_, 0) => {
                    let mut copy: BTreeSet<u32> = self.numbers.iter().copied().collect();
                    let new = |n: u32| match name {
                        "ADDTO" => copy.insert(n),
                        _ => copy.remove(&n),
                    };
                    assert!(numbers.into_iter().all(new), "{name} ({value}): {self:?}");
                    self.numbers = copy.into_iter().collect();
                }
                ("ADDTO", _) => drop(self.numbers.splice(position - 1..position - 1, numbers)),
                ("REMOVEFROM", _) => {
                    let end = position - 1 + numbers.len();
                    let gone: Vec<u32> = self.numbers.drain(position - 1..end).collect();
                    assert_eq!(gone, numbers, "{name} ({value})");
                }
                _ => panic!("{name}"),
            }
        }
    }
}

impl Watched {
    fn apply(&mut self, lines: &[String]) {
        for line in lines {
            if let Some((tag, by_uid, items)) = esearch(line) {
                let exists = self.exists;
                let Some(copy) = self.copies.iter_mut().find(|copy| copy.tag == tag) else { continue };
                assert!(by_uid == copy.by_uid && !copy.lost, "{line}");
                items.iter().for_each(|(name, value)| copy.apply(name, value, exists));
                continue;
            }
            if let Some((_, tag)) = line.split_once("NO [NOUPDATE \"") {
                let tag = tag.split('"').next().unwrap();
                self.copies.iter_mut().filter(|copy| copy.tag == tag).for_each(|copy| copy.lost = true);
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["*", n, "EXISTS"] => self.exists = n.parse().unwrap(),
                ["*", n, "EXPUNGE"] => {
                    let gone: u32 = n.parse().unwrap();
                    self.exists -= 1;
                    for copy in self.copies.iter_mut().filter(|copy| !copy.by_uid && !copy.lost) {
                        assert!(!copy.numbers.contains(&gone), "EXPUNGE before REMOVEFROM: {line} {copy:?}");
                        copy.numbers.iter_mut().filter(|n| **n > gone).for_each(|n| *n -= 1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Begins a context.
    async fn watch(&mut self, client: &mut Client, by_uid: bool, sorted: bool, search: &str) {
        let tag = self.begin(client, by_uid, sorted, search).await;
        self.finish(client, &tag).await;
    }

    /// Sends the command and gives its tag.
    async fn begin(&mut self, client: &mut Client, by_uid: bool, sorted: bool, search: &str) -> String {
        let uid = if by_uid { "UID " } else { "" };
        let command = if sorted { "SORT" } else { "SEARCH" };
        let tag = client.begin(&format!("{uid}{command} RETURN (UPDATE ALL) {search}")).await;
        let copy = Copy {
            tag: tag.clone(),
            by_uid,
            search: search.to_owned(),
            sorted,
            numbers: Vec::new(),
            lost: false,
        };
        self.copies.push(copy);
        tag
    }

    async fn finish(&mut self, client: &mut Client, tag: &str) {
        let lines = client.finish(tag).await;
        assert!(lines.last().unwrap().starts_with("OK"), "{lines:?}");
        self.apply(&lines);
    }

    /// Each copy is what its search finds now, in a session that has been told everything.
    async fn check(&self, client: &mut Client, told: &str, but: impl Fn(&Copy) -> bool) {
        for copy in self.copies.iter().filter(|copy| !copy.lost && !but(copy)) {
            let uid = if copy.by_uid { "UID " } else { "" };
            let command = if copy.sorted { "SORT" } else { "SEARCH" };
            let lines = client.ok(&format!("{uid}{command} RETURN (ALL) {}", copy.search)).await;
            assert_eq!(lines.len(), 1, "there was more to be told: {lines:?}");
            let (_, _, items) = esearch(&lines[0]).unwrap();
            let wanted = items.first().map_or_else(Vec::new, |(_, all)| set(all));
            assert_eq!(copy.numbers, wanted, "{told}: {}{command} {}", uid, copy.search);
        }
    }
}

/// Keys whose result does not depend on time alone; of the last two each session has its own.
const KEYS: [&str; 19] = [
    "ALL",
    "UNSEEN",
    "SEEN FLAGGED",
    "NOT DELETED",
    "OR FLAGGED KEYWORD note",
    "UNKEYWORD note",
    "TEXT parcel",
    "NOT BODY parcel",
    "OR BODY alpha UNSEEN",
    "SUBJECT beta FLAGGED",
    "NOT (FROM bob KEYWORD note)",
    "LARGER 190 SENTSINCE 1-Jan-2020",
    "UID 4:*",
    "NOT UID *",
    "UID 100:* TEXT parcel",
    "OR UID * FLAGGED",
    "OR DELETED SUBJECT alpha",
    "RECENT",
    "OLD UNSEEN",
];

const CRITERIA: [&str; 9] = [
    "(SUBJECT)",
    "(REVERSE DATE)",
    "(ARRIVAL)",
    "(SIZE REVERSE SUBJECT)",
    "(REVERSE FROM ARRIVAL)",
    "(DISPLAYFROM REVERSE SIZE)",
    "(TO)",
    "(CC REVERSE DATE)",
    "(REVERSE ARRIVAL)",
];

/// Some may tell of EXPUNGE and some may not.
const LOOKS: [&str; 7] = [
    "NOOP",
    "FETCH 1:* FLAGS",
    "UID FETCH 1:* FLAGS",
    "SEARCH UNSEEN",
    "UID SEARCH UNSEEN",
    "CHECK",
    "STORE 1 +FLAGS.SILENT (\\Answered)",
];

/// Some alike, so that orders are decided late.
fn message(n: usize) -> String {
    let subject = ["alpha", "Re: beta", "Alpha", "gamma", "=?utf-8?q?b=C3=A9ta?=", "beta"][n % 6];
    let from = ["Ann <ann@x.example>", "bob@y.example", "\"Zoe\" <bob@z.example>"][n / 2 % 3];
    let date = [
        "Thu, 2 Jan 2020 10:00:00 +0200",
        "Thu, 2 Jan 2020 09:00:00 +0000",
        "Wed, 1 Jan 2003 00:00:00 +0000",
    ];
    let to = ["carl@x", "Dora <d@x>", ""][n / 3 % 3];
    let body = ["the parcel came", "alpha and omega", "", "nothing of interest, but somewhat longer"][n % 4];
    // Some may have documents, as far as their structure says; others are looked at as they come.
    let kind = if n.is_multiple_of(4) { "" } else { "Content-Type: text/plain; as=application\r\n" };
    format!(
        "From: {from}\r\nTo: {to}\r\nCc: {to}\r\nSubject: {subject}\r\nDate: {}\r\n{kind}\r\n{body}\r\n",
        date[n % 3]
    )
}

#[derive(Clone, Debug)]
enum Step {
    Append {
        who: usize,
        what: usize,
    },
    Flag {
        who: usize,
        nth: u32,
        to: u32,
        by_uid: bool,
        add: bool,
        flag: usize,
    },
    Expunge {
        who: usize,
        nth: u32,
        to: u32,
    },
    Move {
        who: usize,
        nth: u32,
        to: u32,
    },
    Back {
        nth: u32,
    },
    Copy {
        who: usize,
        nth: u32,
    },
    Read {
        who: usize,
        nth: u32,
    },
    Look {
        who: usize,
        how: usize,
    },
    /// The documents of the next messages are read, or all are forgotten.
    Documents {
        count: u32,
        word: usize,
        forget: bool,
    },
    /// The same of the watcher, while others do something.
    Meanwhile {
        how: usize,
        others: Vec<Step>,
    },
    Watch {
        keys: usize,
        criteria: Option<usize>,
        by_uid: bool,
        meanwhile: Vec<Step>,
    },
    /// NOOP, and each copy is right.
    Check,
    Cancel {
        nth: usize,
    },
    /// The watcher waits in IDLE while others do so much.
    Idle(Vec<Step>),
}

fn others(who: std::ops::Range<usize>) -> impl Strategy<Value = Step> {
    let (nth, more) = (1..12u32, 0..4u32);
    prop_oneof![
        4 => (who.clone(), 0..24usize).prop_map(|(who, what)| Step::Append { who, what }),
        5 => (who.clone(), nth.clone(), more.clone(), any::<[bool; 2]>(), 0..4usize).prop_map(
            |(who, nth, more, [by_uid, add], flag)| Step::Flag { who, nth, to: nth + more, by_uid, add, flag }),
        2 => (who.clone(), nth.clone(), more.clone())
            .prop_map(|(who, nth, more)| Step::Expunge { who, nth, to: nth + more }),
        1 => (who.clone(), nth.clone(), more).prop_map(|(who, nth, more)| Step::Move { who, nth, to: nth + more }),
        1 => nth.clone().prop_map(|nth| Step::Back { nth }),
        1 => (who.clone(), nth.clone()).prop_map(|(who, nth)| Step::Copy { who, nth }),
        1 => (who, nth).prop_map(|(who, nth)| Step::Read { who, nth }),
        2 => (1..9u32, 0..3usize, 0..8u8).prop_map(
            |(count, word, forget)| Step::Documents { count, word, forget: forget == 0 }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let watch = (0..KEYS.len(), prop::option::of(0..CRITERIA.len()), any::<bool>());
    prop_oneof![
        8 => others(0..3),
        3 => (0..3usize, 0..LOOKS.len()).prop_map(|(who, how)| Step::Look { who, how }),
        2 => (0..LOOKS.len(), prop::collection::vec(others(1..3), 1..4))
            .prop_map(|(how, others)| Step::Meanwhile { how, others }),
        2 => (watch, prop::collection::vec(others(1..3), 0..3)).prop_map(
            |((keys, criteria, by_uid), meanwhile)| Step::Watch { keys, criteria, by_uid, meanwhile }),
        5 => Just(Step::Check),
        1 => (0..6usize).prop_map(|nth| Step::Cancel { nth }),
        2 => prop::collection::vec(others(1..3), 1..5).prop_map(Step::Idle),
    ]
}

/// The watcher is the first of three.
struct Cast {
    clients: Vec<Client>,
    watched: Watched,
    /// Sees the mailbox as it is.
    truth: Client,
    shard: Shard,
}

impl Cast {
    fn new(world: &World) -> Cast {
        Cast {
            clients: (0..3).map(|_| world.select("ann", "INBOX")).collect(),
            watched: Watched::default(),
            truth: world.select("ann", "INBOX"),
            shard: world.shard.clone(),
        }
    }

    async fn command(&mut self, who: usize, command: &str) {
        // The message with UID 1 stays.
        let lines = self.clients[who].command(command).await;
        if who == 0 {
            self.watched.apply(&lines);
        }
    }

    async fn perform(&mut self, step: &Step) {
        match step {
            Step::Append { who, what } => {
                let lines = self.clients[*who].append("INBOX", &message(*what)).await;
                if *who == 0 {
                    self.watched.apply(&lines);
                }
            }
            Step::Flag { who, nth, to, by_uid, add, flag } => {
                let (sign, uid) = (if *add { '+' } else { '-' }, if *by_uid { "UID " } else { "" });
                let flag = ["\\Seen", "\\Flagged", "note", "\\Deleted"][*flag];
                self.command(*who, &format!("{uid}STORE {nth}:{to} {sign}FLAGS.SILENT ({flag})")).await;
            }
            Step::Expunge { who, nth, to } => {
                let (low, high) = (nth + 1, to + 1);
                self.command(*who, &format!("UID STORE {low}:{high} +FLAGS.SILENT (\\Deleted)")).await;
                self.command(*who, &format!("UID EXPUNGE {low}:{high}")).await;
            }
            Step::Move { who, nth, to } => {
                self.command(*who, &format!("UID MOVE {}:{} Trash", nth + 1, to + 1)).await;
            }
            Step::Back { nth } => {
                self.truth.ok("SELECT Trash").await;
                self.truth.command(&format!("MOVE {nth} INBOX")).await;
                self.truth.ok("EXAMINE INBOX").await;
            }
            Step::Copy { who, nth } => self.command(*who, &format!("UID COPY {nth} INBOX")).await,
            Step::Read { who, nth } => self.command(*who, &format!("FETCH {nth} BODY[]")).await,
            Step::Documents { forget: true, .. } => {
                self.shard.forget_documents(ANN).await.unwrap();
            }
            Step::Documents { count, word, .. } => {
                let seen = self.shard.with_account(ANN, |account| account.documents().seen().0).unwrap();
                let text = ["a parcel in it", "Alpha, beta", "nothing"][*word];
                let texts = (seen..seen + count).filter(|n| n % 3 > 0).map(|n| (n, text));
                read_documents(&self.shard, ANN, texts, seen + count).await;
            }
            Step::Look { who, how } => self.command(*who, LOOKS[*how]).await,
            Step::Meanwhile { how, others } => {
                let tag = self.clients[0].begin(LOOKS[*how]).await;
                Box::pin(self.perform_all(others)).await;
                let lines = self.clients[0].finish(&tag).await;
                self.watched.apply(&lines);
            }
            Step::Watch { keys, criteria, by_uid, meanwhile } => {
                let keys = KEYS[*keys];
                let search = match criteria {
                    Some(criteria) => format!("{} UTF-8 {keys}", CRITERIA[*criteria]),
                    None => keys.to_owned(),
                };
                let client = &mut self.clients[0];
                let tag = self.watched.begin(client, *by_uid, criteria.is_some(), &search).await;
                Box::pin(self.perform_all(meanwhile)).await;
                self.watched.finish(&mut self.clients[0], &tag).await;
            }
            Step::Cancel { nth } => {
                if *nth < self.watched.copies.len() {
                    let copy = self.watched.copies.remove(*nth);
                    self.command(0, &format!("CANCELUPDATE \"{}\"", copy.tag)).await;
                }
            }
            Step::Check => self.check("step").await,
            Step::Idle(steps) => Box::pin(self.idle(steps)).await,
        }
    }

    async fn perform_all(&mut self, steps: &[Step]) {
        for step in steps {
            self.perform(step).await;
        }
    }

    /// Others do something, and the watcher hears of it in IDLE.
    async fn idle(&mut self, steps: &[Step]) {
        // The last of all, so that it is told last.
        let ping = self.clients[0].begin("UID SEARCH RETURN (UPDATE) UID 1 KEYWORD ping").await;
        let lines = self.clients[0].finish(&ping).await;
        self.watched.apply(&lines);
        let idling = self.clients[0].begin("IDLE").await;
        self.perform_all(steps).await;
        self.command(1, "NOOP").await;
        // The first may be seen by what is under way already; what tells of the second began after all of the steps.
        for sign in ['+', '-'] {
            self.command(1, &format!("UID STORE 1 {sign}FLAGS.SILENT (ping)")).await;
            loop {
                let line = self.clients[0].line().await.unwrap();
                let pinged = esearch(&line).is_some_and(|(of, _, _)| of == ping);
                self.watched.apply(&[line]);
                if pinged {
                    break;
                }
            }
        }
        self.truth.ok("NOOP").await;
        let own = |copy: &Copy| copy.search.contains("RECENT") || copy.search.contains("OLD");
        self.watched.check(&mut self.truth, "in IDLE", own).await;
        self.clients[0].send("DONE\r\n").await;
        let lines = self.clients[0].finish(&idling).await;
        self.watched.apply(&lines);
        // Contexts that are made later come behind it.
        self.command(0, &format!("CANCELUPDATE \"{ping}\"")).await;
    }

    async fn check(&mut self, told: &str) {
        self.command(0, "NOOP").await;
        let watched = self.watched.clone();
        watched.check(&mut self.clients[0], told, |_| false).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn copies_follow_the_mailbox(
        seed in any::<u64>(), first in 0..20usize, watches in prop::collection::vec((0..KEYS.len(), prop::option::of(0..CRITERIA.len()), any::<bool>()), 1..5),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let world = World::new(seed);
        let mut cast = Cast::new(&world);
        world.run(async {
            cast.truth.ok("EXAMINE INBOX").await;
            for n in 0..=first {
                cast.perform(&Step::Append { who: n % 3, what: n * 7 }).await;
            }
            cast.command(0, "NOOP").await;
            for (keys, criteria, by_uid) in watches {
                cast.perform(&Step::Watch { keys, criteria, by_uid, meanwhile: Vec::new() }).await;
            }
            cast.perform_all(&steps).await;
            cast.check("in the end").await;
        });
    }
}

/// Where little is told between, and then much at once.
#[test]
fn copies_follow_what_happened_meanwhile() {
    let world = World::new(71);
    let mut cast = Cast::new(&world);
    world.run(async {
        for n in 0..40 {
            cast.perform(&Step::Append { who: 1, what: n }).await;
        }
        cast.command(0, "NOOP").await;
        for (keys, criteria) in
            [(0, None), (0, Some(0)), (1, Some(3)), (6, Some(7)), (8, None), (13, Some(4))]
        {
            for by_uid in [false, true] {
                cast.perform(&Step::Watch { keys, criteria, by_uid, meanwhile: Vec::new() }).await;
            }
        }
        for round in 0..4 {
            for n in 0..5 {
                cast.perform(&Step::Append { who: 1, what: n * 3 + round }).await;
            }
            let low = round as u32 * 4 + 2;
            cast.perform(&Step::Flag { who: 2, nth: 1, to: 30, by_uid: true, add: round % 2 == 0, flag: 0 })
                .await;
            cast.perform(&Step::Expunge { who: 1, nth: low, to: low + 2 }).await;
            // Nothing but REMOVEFROM may be told of that.
            let lines = cast.clients[0].ok("FETCH 1 FLAGS").await;
            assert!(lines.iter().any(|line| line.contains("REMOVEFROM")), "{lines:?}");
            assert!(!lines.iter().any(|line| line.ends_with(" EXPUNGE")), "{lines:?}");
            cast.watched.apply(&lines);
            cast.check("later").await;
        }
        assert!(cast.watched.copies.iter().all(|copy| !copy.lost));
    });
}

/// Few that join many: each finds its place.
#[test]
fn one_after_the_other_finds_its_place() {
    let world = World::new(74);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..70 {
            other.append("INBOX", &message(n * 5)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        for criteria in CRITERIA {
            watched.watch(&mut client, true, true, &format!("{criteria} UTF-8 ALL")).await;
        }
        for n in 0..24 {
            other.append("INBOX", &message(n)).await;
            if n % 3 == 0 {
                other.append("INBOX", &message(n * 11)).await;
                other.ok(&format!("UID COPY {} INBOX", n + 1)).await;
            }
            watched.apply(&client.ok("NOOP").await);
            watched.check(&mut client, "one more", |_| false).await;
        }
    });
}

/// It leaves the results once, also if it would come back for not being the largest any more.
#[test]
fn the_largest_is_expunged_and_another_comes() {
    let world = World::new(76);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..3 {
            other.append("INBOX", &message(n)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        for keys in ["NOT UID *", "UID *", "UID 7:*"] {
            watched.watch(&mut client, false, false, keys).await;
        }
        other.ok("STORE 3 +FLAGS.SILENT (\\Deleted)").await;
        other.ok("EXPUNGE").await;
        watched.apply(&client.ok("FETCH 1 UID").await);
        other.append("INBOX", &message(3)).await;
        watched.apply(&client.ok("FETCH 1 UID").await);
        let lines = client.ok("NOOP").await;
        assert_eq!(lines, ["* 3 EXPUNGE"]);
        watched.apply(&lines);
        watched.check(&mut client, "another", |_| false).await;
        assert_eq!(watched.copies[0].numbers, [1, 2]);
    });
}

/// So much that the mailbox does not remember all of it.
#[test]
fn very_much_is_expunged() {
    let world = World::new(75);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..3 {
            other.append("INBOX", &message(n)).await;
        }
        for _ in 0..14 {
            other.ok("COPY 1:* INBOX").await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        assert!(watched.exists > 2 * 16_384);
        watched.watch(&mut client, true, false, "ALL").await;
        watched.watch(&mut client, false, false, "SUBJECT alpha").await;
        watched.watch(&mut client, false, true, "(REVERSE ARRIVAL) UTF-8 UNDELETED").await;
        let odd: Vec<String> = (1..=watched.exists).step_by(2).map(|uid| uid.to_string()).collect();
        other.ok(&format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", odd.join(","))).await;
        other.ok("EXPUNGE").await;
        watched.apply(&client.ok("FETCH 2 UID").await);
        watched.apply(&client.ok("NOOP").await);
        watched.check(&mut client, "very much", |_| false).await;
        assert!(watched.copies.iter().all(|copy| !copy.lost && !copy.numbers.is_empty()));
    });
}

#[test]
fn time_goes_by() {
    let world = World::new(72);
    let mut client = world.select("ann", "INBOX");
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        client.ok("NOOP").await;
        let mut watched = Watched { exists: 1, ..Watched::default() };
        watched.watch(&mut client, true, false, "YOUNGER 100").await;
        watched.watch(&mut client, true, true, "(DATE) UTF-8 OLDER 100").await;
        watched.watch(&mut client, false, false, "NOT (OLDER 150) UNSEEN").await;
        world.core.clock.sleep(Duration::from_millis(2 * CONTEXT_AGES_MS)).await;
        let lines = client.append("INBOX", MESSAGE).await;
        watched.apply(&lines);
        watched.check(&mut client, "after a command", |_| false).await;
        assert_eq!(watched.copies[0].numbers, [2]);
        // IDLE looks by itself.
        let tag = client.begin("IDLE").await;
        while watched.copies[2].numbers.contains(&1) || watched.copies[0].numbers.contains(&2) {
            let line = client.line().await.unwrap();
            watched.apply(&[line]);
        }
        client.send("DONE\r\n").await;
        watched.apply(&client.finish(&tag).await);
        assert_eq!(watched.copies[1].numbers, [1, 2]);
    });
}

#[test]
fn there_are_so_many_and_no_more() {
    let world = World::new(73);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        client.append("INBOX", MESSAGE).await;
        for _ in 0..CONTEXTS_MAX {
            assert_eq!(client.ok("SEARCH RETURN (UPDATE COUNT) UNSEEN").await.len(), 1);
        }
        // What else was asked for is answered (RFC 5267 4.3.1).
        let lines = client.ok("UID SORT RETURN (UPDATE COUNT) (DATE) UTF-8 UNSEEN").await;
        assert!(lines[0].ends_with(" UID COUNT 1") && lines[1].starts_with("* NO [NOUPDATE \""), "{lines:?}");
        other.ok("NOOP").await;
        other.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await;
        let lines = client.ok("NOOP").await;
        assert_eq!(lines.iter().filter(|line| line.ends_with("REMOVEFROM (0 1)")).count(), CONTEXTS_MAX);
        client.ok("CANCELUPDATE \"t5\" \"nobody\"").await;
        assert_eq!(client.ok("SEARCH RETURN (UPDATE COUNT) UNSEEN").await.len(), 1);
        // They end with the mailbox being closed.
        client.ok("SELECT INBOX").await;
        other.ok("STORE 1 -FLAGS.SILENT (\\Seen)").await;
        assert_eq!(client.ok("NOOP").await.len(), 1);
        answer(&mut client, "CANCELUPDATE", "BAD").await;
    });
}

/// Documents are read after the message came, and a session that waits is told.
#[test]
fn what_is_read_in_documents_is_told_in_idle() {
    let world = World::new(78);
    let (mut client, mut other) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for n in 0..4 {
            other.append("INBOX", &message(n)).await;
        }
        let mut watched = Watched::default();
        watched.apply(&client.ok("NOOP").await);
        watched.watch(&mut client, true, false, "BODY contract").await;
        watched.watch(&mut client, true, false, "NOT TEXT contract").await;
        watched.watch(&mut client, true, false, "SUBJECT contract").await;
        let idling = client.begin("IDLE").await;
        assert_eq!(client.line().await.unwrap(), "+ idling");
        read_documents(&world.shard, ANN, [(1, "the CONTRACT"), (3, "a contract")], 4).await;
        for _ in 0..2 {
            let line = client.line().await.unwrap();
            assert!(line.starts_with("* ESEARCH") && line.contains("2,4"), "{line}");
            watched.apply(&[line]);
        }
        client.send("DONE\r\n").await;
        watched.apply(&client.finish(&idling).await);
        watched.check(&mut client, "read", |_| false).await;
        world.shard.forget_documents(ANN).await.unwrap();
        watched.apply(&client.ok("NOOP").await);
        watched.check(&mut client, "forgotten", |_| false).await;
        assert!(watched.copies[0].numbers.is_empty() && watched.copies[1].numbers.len() == 4);
    });
}

/// Texts of documents that come and go while results are brought up to date, one after the other.
#[test]
fn texts_that_come_and_go_leave_nothing_behind() {
    for seed in 0..150 {
        let world = World::new(seed);
        let mut cast = Cast::new(&world);
        world.run(async {
            cast.truth.ok("EXAMINE INBOX").await;
            for n in 0..10 {
                cast.perform(&Step::Append { who: n % 3, what: n * 7 }).await;
            }
            for keys in [7, 8, 9, 6] {
                let none = Vec::new();
                cast.perform(&Step::Watch { keys, criteria: None, by_uid: false, meanwhile: none }).await;
            }
            cast.perform(&Step::Append { who: 1, what: seed as usize }).await;
            let looks = |times| std::iter::repeat_n(Step::Look { who: 1, how: 0 }, times as usize);
            let documents = |forget| Step::Documents { count: 20, word: 0, forget };
            let meanwhile = looks(seed % 5).chain([documents(false)]);
            let others = meanwhile.chain(looks(seed / 5 % 3)).chain([documents(true)]).collect();
            cast.perform(&Step::Meanwhile { how: 0, others }).await;
            cast.check("in the end").await;
        });
    }
}
