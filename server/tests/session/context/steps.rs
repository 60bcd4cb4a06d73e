//! What may happen to a mailbox while a client watches it, and who makes it happen.

use proptest::prelude::*;
use trawl_server::sim::world::{Client, World};
use trawl_store::shard::Shard;
use trawl_store::types::AccountId;

use super::copy::{Copy, Watched, esearch};
use crate::documents::read_documents;

/// The account that all of them are in.
pub const ANN: AccountId = AccountId(1);

/// Keys whose result does not depend on time alone; of the last two each session has its own.
pub const KEYS: [&str; 19] = [
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

pub const CRITERIA: [&str; 9] = [
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
pub const LOOKS: [&str; 7] = [
    "NOOP",
    "FETCH 1:* FLAGS",
    "UID FETCH 1:* FLAGS",
    "SEARCH UNSEEN",
    "UID SEARCH UNSEEN",
    "CHECK",
    "STORE 1 +FLAGS.SILENT (\\Answered)",
];

/// Some alike, so that orders are decided late.
pub fn message(n: usize) -> String {
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
pub enum Step {
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

pub fn others(who: std::ops::Range<usize>) -> impl Strategy<Value = Step> {
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

pub fn step() -> impl Strategy<Value = Step> {
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
pub struct Cast {
    pub clients: Vec<Client>,
    pub watched: Watched,
    /// Sees the mailbox as it is.
    pub truth: Client,
    pub shard: Shard,
}

impl Cast {
    pub fn new(world: &World) -> Cast {
        Cast {
            clients: (0..3).map(|_| world.select("ann", "INBOX")).collect(),
            watched: Watched::default(),
            truth: world.select("ann", "INBOX"),
            shard: world.shard.clone(),
        }
    }

    pub async fn command(&mut self, who: usize, command: &str) {
        // The message with UID 1 stays.
        let lines = self.clients[who].command(command).await;
        if who == 0 {
            self.watched.apply(&lines);
        }
    }

    pub async fn perform(&mut self, step: &Step) {
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

    pub async fn perform_all(&mut self, steps: &[Step]) {
        for step in steps {
            self.perform(step).await;
        }
    }

    /// Others do something, and the watcher hears of it in IDLE.
    pub async fn idle(&mut self, steps: &[Step]) {
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

    pub async fn check(&mut self, told: &str) {
        self.command(0, "NOOP").await;
        let watched = self.watched.clone();
        watched.check(&mut self.clients[0], told, |_| false).await;
    }
}
