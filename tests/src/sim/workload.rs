//! What clients do in the simulated world: every kind of command, at random, on mailboxes that they share, and what they
//! are told meanwhile.

use std::io;
use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::actor::{Actor, Journal, Selected};
use super::facts::Fact;
use super::world::{USER, World};

/// Every kind of command; each must have been answered OK at least once.
pub const KINDS: [&str; 36] = [
    "CAPABILITY",
    "NOOP",
    "ID",
    "NAMESPACE",
    "ENABLE",
    "LOGIN",
    "AUTHENTICATE",
    "LOGOUT",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "STATUS",
    "SETMETADATA",
    "GETMETADATA",
    "APPEND",
    "MULTIAPPEND",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "EXPUNGE",
    "SEARCH",
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID EXPUNGE",
    "UID SEARCH",
    "UID FETCH",
    "UID STORE",
    "IDLE",
];

const NAMES: [&str; 8] =
    ["INBOX", "Archive", "Trash", "work", "work/old", "work/new", "lists", "lists/linux"];
const FLAGS: [&str; 7] = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "todo"];

impl Actor {
    pub async fn run(
        world: World,
        journal: Rc<Journal>,
        seed: u64,
        number: u64,
        commands: u32,
    ) -> io::Result<()> {
        let client = world.connect().await;
        let random = SmallRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number));
        let mut actor = Actor {
            world,
            journal,
            random,
            client,
            selected: None,
            number,
            messages: 0,
            history: Default::default(),
        };
        actor.log_in().await?;
        for _ in 0..commands {
            actor.step().await?;
        }
        actor.command("LOGOUT", "LOGOUT").await?;
        Ok(())
    }

    pub(super) async fn log_in(&mut self) -> io::Result<()> {
        if self.random.random_bool(0.5) {
            self.command("LOGIN", &format!("LOGIN {USER} secret")).await?;
        } else {
            self.command("AUTHENTICATE", "AUTHENTICATE PLAIN AGFubmEAc2VjcmV0").await?;
        }
        if self.random.random_bool(0.4) {
            self.command("ENABLE", "ENABLE IMAP4rev2").await?;
        }
        if self.random.random_bool(0.4) {
            self.command("ENABLE", "ENABLE METADATA-SERVER").await?;
        }
        Ok(())
    }

    fn name(&mut self) -> &'static str {
        NAMES.choose(&mut self.random).expect("there are names")
    }

    fn entry(&mut self) -> String {
        format!("/private/comment/{}", self.random.random_range(0..4))
    }

    fn uid_set(&mut self) -> String {
        let known: Vec<u32> = self.selected.iter().flat_map(|s| s.uids.iter().flatten().copied()).collect();
        match (self.random.random_range(0..4), known.choose(&mut self.random)) {
            (0, _) | (_, None) => "1:*".to_owned(),
            (1, Some(uid)) => format!("{uid}:*"),
            (2, Some(uid)) => format!("{}:{uid}", uid.saturating_sub(3).max(1)),
            (_, Some(uid)) => uid.to_string(),
        }
    }

    fn seq(&mut self) -> Option<u32> {
        let count = self.selected.as_ref().map_or(0, |s| s.uids.len() as u32);
        (count > 0).then(|| self.random.random_range(1..=count))
    }

    fn flags(&mut self) -> String {
        let count = self.random.random_range(0..3);
        FLAGS.choose_multiple(&mut self.random, count).copied().collect::<Vec<_>>().join(" ")
    }

    fn message(&mut self) -> Vec<u8> {
        self.messages += 1;
        let mark = format!("s{}n{}", self.number, self.messages);
        let mut text = format!(
            "From: Anna <anna@example.org>\r\nSubject: message {mark}\r\nMessage-ID: <{mark}@example.org>\r\n\
             Date: Mon, 14 Sep 2020 10:00:00 +0200\r\n\r\n"
        );
        // Most are small, some fill several blocks, a few several chunks.
        let lines = match self.random.random_range(0..30) {
            0 => 3000,
            1..5 => 200,
            _ => self.random.random_range(0..20),
        };
        for line in 0..lines {
            text.push_str(&format!("{mark} {line} {:x}\r\n", self.random.random::<u64>()));
        }
        text.into_bytes()
    }

    async fn step(&mut self) -> io::Result<()> {
        if self.selected.is_none() && self.random.random_bool(0.6) {
            return self.select().await;
        }
        match self.random.random_range(0..100) {
            0..22 => self.append().await,
            22..40 => self.store().await,
            40..48 => self.fetch().await,
            48..52 => self.search().await,
            52..62 => self.copy_or_move().await,
            62..68 => self.expunge().await,
            68..80 => self.manage().await,
            80..86 => self.select().await,
            86..91 => self.leave().await,
            91..94 => self.idle().await,
            _ => self.trivial().await,
        }
    }

    async fn trivial(&mut self) -> io::Result<()> {
        match self.random.random_range(0..7) {
            0 => self.command("CAPABILITY", "CAPABILITY").await.map(drop),
            1 | 2 => self.command("NOOP", "NOOP").await.map(drop),
            3 => self.command("ID", "ID (\"name\" \"simulation\")").await.map(drop),
            4 => self.command("NAMESPACE", "NAMESPACE").await.map(drop),
            5 => self.command("NOOP", "NOOP").await.map(drop),
            _ => {
                self.command("LOGOUT", "LOGOUT").await?;
                self.selected = None;
                self.client = self.world.connect().await;
                self.log_in().await
            }
        }
    }

    async fn select(&mut self) -> io::Result<()> {
        let kind = if self.random.random_bool(0.8) { "SELECT" } else { "EXAMINE" };
        let name = if self.random.random_bool(0.5) { "INBOX" } else { self.name() };
        self.selected = None;
        let (ok, lines, _) = self.command(kind, &format!("{kind} {name}")).await?;
        if !ok {
            return Ok(());
        }
        let text: Vec<String> = lines.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
        let number = |code: &str| -> Option<u32> {
            let line = text.iter().find(|l| l.contains(code))?;
            line.split_once(code)?.1.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
        };
        let exists = text.iter().find_map(|l| l.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse().ok());
        if let (Some(uid_validity), Some(uid_next), Some(exists)) =
            (number("[UIDVALIDITY "), number("[UIDNEXT "), exists)
        {
            self.tell(Fact::UidNext { uid_validity, uid_next }, kind);
            self.tell(Fact::Level(name.to_owned()), kind);
            self.selected = Some(Selected { uid_validity, uids: vec![None; exists] });
        }
        Ok(())
    }

    async fn leave(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        let kind = *["CLOSE", "UNSELECT", "CHECK", "CHECK"].choose(&mut self.random).expect("not empty");
        self.command(kind, kind).await?;
        if kind != "CHECK" {
            self.selected = None;
        }
        Ok(())
    }

    async fn append(&mut self) -> io::Result<()> {
        let count = if self.random.random_bool(0.8) { 1 } else { self.random.random_range(2..5) };
        let kind = if count == 1 { "APPEND" } else { "MULTIAPPEND" };
        let name = if self.random.random_bool(0.6) { "INBOX" } else { self.name() };
        let messages: Vec<Vec<u8>> = (0..count).map(|_| self.message()).collect();
        let mut command = format!("APPEND {name}").into_bytes();
        for message in &messages {
            let flags = self.flags();
            let date = if self.random.random_bool(0.5) { " \"03-Jun-2019 23:30:00 -0700\"" } else { "" };
            command.extend_from_slice(format!(" ({flags}){date} {{{}+}}\r\n", message.len()).as_bytes());
            command.extend_from_slice(message);
        }
        let begun_at = self.journal.states.get();
        let (ok, _, status) = self.command_bytes(kind, &command).await?;
        if !ok {
            return Ok(());
        }
        let code = code(&status, "APPENDUID").expect("an OK to APPEND has APPENDUID");
        let uid_validity: u32 = code[0].parse().expect("a number");
        let uids = numbers(&code[1]);
        assert_eq!(uids.len(), messages.len(), "{status}");
        for (uid, message) in uids.into_iter().zip(messages) {
            let before = self.journal.contents.borrow_mut().insert((uid_validity, uid), message);
            assert!(before.is_none(), "UID {uid} of {uid_validity} was given out twice");
            self.tell_since(Fact::Row { uid_validity, uid }, begun_at, kind);
        }
        Ok(())
    }

    async fn store(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        let how =
            *["+FLAGS", "-FLAGS", "FLAGS", "+FLAGS.SILENT"].choose(&mut self.random).expect("not empty");
        let flags = self.flags();
        match self.seq() {
            Some(seq) if self.random.random_bool(0.3) => {
                self.command("STORE", &format!("STORE {seq} {how} ({flags})")).await?;
            }
            _ => {
                let set = self.uid_set();
                self.command("UID STORE", &format!("UID STORE {set} {how} ({flags})")).await?;
            }
        }
        Ok(())
    }

    async fn fetch(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        let items = *[
            "(UID FLAGS)",
            "(UID FLAGS BODY[TEXT]<0.10>)",
            "(UID ENVELOPE INTERNALDATE)",
            "(UID FLAGS RFC822.SIZE)",
        ]
        .choose(&mut self.random)
        .expect("not empty");
        match self.seq() {
            Some(seq) if self.random.random_bool(0.3) => {
                self.command("FETCH", &format!("FETCH {seq} {items}")).await?;
            }
            _ => {
                let set = self.uid_set();
                self.command("UID FETCH", &format!("UID FETCH {set} {items}")).await?;
            }
        }
        Ok(())
    }

    async fn search(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        let program = *[
            "UNSEEN",
            "SUBJECT s1n",
            "NOT DELETED LARGER 1000",
            "KEYWORD todo",
            "OR FLAGGED SENTSINCE 1-Jan-2020",
        ]
        .choose(&mut self.random)
        .expect("not empty");
        let kind = if self.random.random_bool(0.5) { "SEARCH" } else { "UID SEARCH" };
        self.command(kind, &format!("{kind} {program}")).await?;
        Ok(())
    }

    async fn copy_or_move(&mut self) -> io::Result<()> {
        let Some(uid_validity) = self.selected.as_ref().map(|s| s.uid_validity) else { return Ok(()) };
        let (kind, verb) =
            if self.random.random_bool(0.5) { ("COPY", "UID COPY") } else { ("MOVE", "UID MOVE") };
        let set = self.uid_set();
        let target = self.name();
        let begun_at = self.journal.states.get();
        let (ok, lines, status) = self.command(kind, &format!("{verb} {set} {target}")).await?;
        if !ok {
            return Ok(());
        }
        let texts = lines.iter().map(|l| String::from_utf8_lossy(l).into_owned()).chain([status]);
        for text in texts {
            let Some(code) = code(&text, "COPYUID") else { continue };
            let target: u32 = code[0].parse().expect("a number");
            for (from, to) in numbers(&code[1]).into_iter().zip(numbers(&code[2])) {
                self.tell_since(Fact::Row { uid_validity: target, uid: to }, begun_at, kind);
                if kind == "MOVE" {
                    self.tell_since(Fact::Gone { uid_validity, uid: from }, begun_at, kind);
                }
                let mut contents = self.journal.contents.borrow_mut();
                if let Some(text) = contents.get(&(uid_validity, from)).cloned() {
                    let before = contents.insert((target, to), text);
                    assert!(before.is_none(), "UID {to} of {target} was given out twice");
                }
            }
        }
        Ok(())
    }

    async fn expunge(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        if self.random.random_bool(0.5) {
            self.command("EXPUNGE", "EXPUNGE").await?;
        } else {
            let set = self.uid_set();
            self.command("UID EXPUNGE", &format!("UID EXPUNGE {set}")).await?;
        }
        Ok(())
    }

    async fn manage(&mut self) -> io::Result<()> {
        let name = self.name();
        let begun_at = self.journal.states.get();
        match self.random.random_range(0..12) {
            0 | 1 => {
                if self.command("CREATE", &format!("CREATE {name}")).await?.0 {
                    self.tell_since(Fact::Level(name.to_owned()), begun_at, "CREATE");
                }
            }
            2 => {
                if name != "INBOX" && self.command("DELETE", &format!("DELETE {name}")).await?.0 {
                    self.tell_since(Fact::NoMailbox(name.to_owned()), begun_at, "DELETE");
                }
            }
            3 => {
                let to = self.name();
                if self.command("RENAME", &format!("RENAME {name} {to}")).await?.0 {
                    self.tell_since(Fact::Level(to.to_owned()), begun_at, "RENAME");
                }
            }
            4 => {
                if self.command("SUBSCRIBE", &format!("SUBSCRIBE {name}")).await?.0 {
                    self.tell_since(Fact::Subscribed(name.to_owned()), begun_at, "SUBSCRIBE");
                }
            }
            5 => {
                if self.command("UNSUBSCRIBE", &format!("UNSUBSCRIBE {name}")).await?.0 {
                    self.tell_since(Fact::NotSubscribed(name.to_owned()), begun_at, "UNSUBSCRIBE");
                }
            }
            6 => self.command("LIST", "LIST \"\" \"*\"").await.map(drop)?,
            7 => self.command("LSUB", "LSUB \"\" \"*\"").await.map(drop)?,
            8 | 9 => {
                self.messages += 1;
                let value = format!("s{}n{}", self.number, self.messages);
                let value = self.random.random_bool(0.7).then_some(value);
                let entry = self.entry();
                let written = value.as_ref().map_or("NIL".to_owned(), |value| format!("\"{value}\""));
                let command = format!("SETMETADATA \"\" ({entry} {written})");
                if self.command("SETMETADATA", &command).await?.0 {
                    self.tell_since(Fact::Annotation(entry, value), begun_at, "SETMETADATA");
                }
            }
            10 => {
                let entry = self.entry();
                let command = format!("GETMETADATA \"\" {entry}");
                let (_, lines, _) = self.command("GETMETADATA", &command).await?;
                let answer = format!("* METADATA \"\" ({entry} ");
                let texts = lines.iter().map(|line| String::from_utf8_lossy(line).into_owned());
                let told =
                    texts.filter_map(|line| Some(line.strip_prefix(&answer)?.strip_suffix(')')?.to_owned()));
                for value in told.collect::<Vec<_>>() {
                    let value = (value != "NIL").then(|| value.trim_matches('"').to_owned());
                    self.tell_since(Fact::Annotation(entry.clone(), value), begun_at, "GETMETADATA");
                }
            }
            _ => {
                let (ok, lines, _) = self
                    .command("STATUS", &format!("STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))
                    .await?;
                let text = lines
                    .iter()
                    .map(|l| String::from_utf8_lossy(l).into_owned())
                    .find(|l| l.starts_with("* STATUS "));
                if let (true, Some(text)) = (ok, text) {
                    let words: Vec<&str> = text.split([' ', '(', ')']).collect();
                    let after = |word: &str| {
                        let at = words.iter().position(|w| *w == word)?;
                        words.get(at + 1)?.parse::<u32>().ok()
                    };
                    if let (Some(uid_next), Some(uid_validity)) = (after("UIDNEXT"), after("UIDVALIDITY")) {
                        self.tell_since(Fact::UidNext { uid_validity, uid_next }, begun_at, "STATUS");
                    }
                }
            }
        }
        Ok(())
    }

    async fn idle(&mut self) -> io::Result<()> {
        if self.selected.is_none() {
            return Ok(());
        }
        let begun_at = self.journal.states.get();
        let tag = self.client.tag();
        self.client.send(format!("{tag} IDLE\r\n").as_bytes()).await?;
        let mut sent = false;
        loop {
            let line = self.client.line().await?;
            if line.starts_with(b"+") && !sent {
                self.client.send(b"DONE\r\n").await?;
                sent = true;
            } else if line.starts_with(tag.as_bytes()) {
                self.answered("IDLE", &line);
                return Ok(());
            } else if line.starts_with(b"* BYE") {
                return self.again().await;
            } else {
                self.hear(&line, begun_at, "IDLE");
            }
        }
    }
}

/// The words of a response code: `[COPYUID 1 2:3 4:5]`.
fn code(text: &str, name: &str) -> Option<Vec<String>> {
    let rest = text.split_once(&format!("[{name} "))?.1.split_once(']')?.0;
    Some(rest.split(' ').map(str::to_owned).collect())
}

/// All numbers of a set without `*`, in its order.
fn numbers(set: &str) -> Vec<u32> {
    let bound = |word: &str| word.parse::<u32>().expect("a number");
    set.split(',')
        .flat_map(|range| match range.split_once(':') {
            Some((low, high)) => bound(low)..=bound(high),
            None => bound(range)..=bound(range),
        })
        .collect()
}
