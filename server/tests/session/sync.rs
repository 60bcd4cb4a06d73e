//! What sessions of one mailbox tell each other: sequence numbers are every session's own, and always right.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trawl_server::sim::world::{Client, World};

use crate::{MESSAGE, expect};

#[test]
fn expunges_wait_for_a_command_that_may_tell_them() {
    let world = World::new(61);
    let (mut a, mut b) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        for _ in 0..3 {
            a.append("INBOX", MESSAGE).await;
        }
        b.ok("NOOP").await;
        a.ok("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
        a.ok("EXPUNGE").await;
        // Still there for b, also its content, and the numbers are what they were.
        let lines = b.ok("FETCH 2 (UID BODY.PEEK[TEXT])").await;
        assert!(lines[0].starts_with("* 2 FETCH (UID 2 "), "{lines:?}");
        for command in ["FETCH 1:3 UID", "STORE 3 +FLAGS (\\Seen)", "SEARCH ALL"] {
            let lines = b.command(command).await;
            assert!(
                !lines.iter().any(|line| line.contains("EXPUNGE") && line.starts_with('*')),
                "{command}: {lines:?}"
            );
        }
        // A new message counts on top of what the view still holds.
        a.append("INBOX", MESSAGE).await;
        let lines = b.ok("FETCH 1 UID").await;
        assert!(lines.contains(&"* 4 EXISTS".to_owned()), "{lines:?}");
        let lines = b.ok("UID FETCH 1 UID").await;
        assert!(lines.contains(&"* 2 EXPUNGE".to_owned()), "{lines:?}");
        assert_eq!(
            b.ok("FETCH 1:3 UID").await,
            ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)", "* 3 FETCH (UID 4)"]
        );
    });
}

#[test]
fn flag_changes_are_told_to_the_others_and_not_twice() {
    let world = World::new(62);
    let (mut a, mut b) = (world.select("ann", "INBOX"), world.select("ann", "INBOX"));
    world.run(async {
        a.append("INBOX", MESSAGE).await;
        b.ok("NOOP").await;
        assert_eq!(a.ok("STORE 1 +FLAGS.SILENT (\\Seen)").await, Vec::<String>::new());
        assert_eq!(a.ok("STORE 1 +FLAGS (\\Flagged)").await.len(), 1);
        assert!(a.ok("NOOP").await.is_empty());
        let lines = b.ok("NOOP").await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen"), "{lines:?}");
        // A keyword that is new to the mailbox is announced before its first use.
        a.ok("STORE 1 +FLAGS (todo)").await;
        let lines = b.ok("NOOP").await;
        assert!(lines[0].starts_with("* FLAGS (") && lines[0].contains("todo"), "{lines:?}");
        assert!(lines[1].starts_with("* OK [PERMANENTFLAGS ("), "{lines:?}");
        assert!(lines[2].contains("FETCH (UID 1 FLAGS (") && lines[2].contains("todo"), "{lines:?}");
        expect(&mut b, "NOOP", &["OK NOOP done"]).await;
    });
}

/// A client that believes what it is told and nothing else.
#[derive(Default, Debug)]
struct Model {
    /// UIDs by sequence number, where the client knows them, and flags by UID.
    uids: Vec<Option<u32>>,
    flags: BTreeMap<u32, String>,
}

impl Model {
    fn apply(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["*", n, "EXISTS"] => {
                    let exists: usize = n.parse().unwrap();
                    assert!(exists >= self.uids.len(), "EXISTS shrinks: {line}");
                    self.uids.resize(exists, None);
                }
                ["*", n, "EXPUNGE"] => {
                    self.uids.remove(n.parse::<usize>().unwrap() - 1);
                }
                ["*", n, "FETCH", ..] => {
                    let uid: u32 =
                        line.split("UID ").nth(1).unwrap().split([' ', ')']).next().unwrap().parse().unwrap();
                    let known = &mut self.uids[n.parse::<usize>().unwrap() - 1];
                    assert!(known.is_none_or(|known| known == uid), "{line}: the model has {known:?}");
                    *known = Some(uid);
                    if let Some(flags) = line.split("FLAGS (").nth(1) {
                        let flags = flags.split(')').next().unwrap();
                        let mut flags: Vec<&str> =
                            flags.split(' ').filter(|flag| !matches!(*flag, "" | "\\Recent")).collect();
                        flags.sort_unstable();
                        self.flags.insert(uid, flags.join(" "));
                    }
                }
                _ => {}
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Flag { who: usize, nth: u32, by_uid: bool, silent: bool, add: bool, flag: u8 },
    Delete { who: usize, nth: u32 },
    Expunge(usize),
    Move { who: usize, nth: u32 },
    Look { who: usize, by_uid: bool },
    Noop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3usize;
    prop_oneof![
        3 => who.clone().prop_map(Step::Append),
        3 => (who.clone(), 1..9u32, any::<bool>(), any::<bool>(), any::<bool>(), 0..3u8)
            .prop_map(|(who, nth, by_uid, silent, add, flag)| Step::Flag { who, nth, by_uid, silent, add, flag }),
        2 => (who.clone(), 1..9u32).prop_map(|(who, nth)| Step::Delete { who, nth }),
        1 => who.clone().prop_map(Step::Expunge),
        1 => (who.clone(), 1..9u32).prop_map(|(who, nth)| Step::Move { who, nth }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, by_uid)| Step::Look { who, by_uid }),
        2 => who.prop_map(Step::Noop),
    ]
}

async fn perform(clients: &mut [(Client, Model)], step: &Step) {
    let (who, command) = match step {
        Step::Append(who) => {
            let (client, model) = &mut clients[*who];
            let lines = client.append("INBOX", MESSAGE).await;
            return model.apply(&lines);
        }
        Step::Flag { who, nth, by_uid, silent, add, flag } => {
            let (sign, silent) = (if *add { '+' } else { '-' }, if *silent { ".SILENT" } else { "" });
            let flag = ["\\Seen", "\\Flagged", "note"][usize::from(*flag)];
            let uid = if *by_uid { "UID " } else { "" };
            (*who, format!("{uid}STORE {nth} {sign}FLAGS{silent} ({flag})"))
        }
        Step::Delete { who, nth } => (*who, format!("STORE {nth} +FLAGS (\\Deleted)")),
        Step::Expunge(who) => (*who, "EXPUNGE".to_owned()),
        Step::Move { who, nth } => (*who, format!("MOVE {nth} Trash")),
        Step::Look { who, by_uid } => {
            (*who, if *by_uid { "UID FETCH 1:* FLAGS" } else { "FETCH 1:* (UID FLAGS)" }.to_owned())
        }
        Step::Noop(who) => (*who, "NOOP".to_owned()),
    };
    let (client, model) = &mut clients[who];
    // STORE does not say UIDs unless asked by UID: the model knows them from elsewhere.
    let lines: Vec<String> = client.command(&command).await;
    let silently = lines
        .iter()
        .filter(|line| !line.contains("FETCH") || line.contains("UID "))
        .cloned()
        .collect::<Vec<_>>();
    if command.starts_with("STORE") {
        for line in lines.iter().filter(|line| line.contains(" FETCH (FLAGS")) {
            let seq: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
            if let Some(uid) = model.uids[seq - 1] {
                let told = line.replace("(FLAGS", &format!("(UID {uid} FLAGS"));
                model.apply(&[told]);
            }
        }
    }
    model.apply(&silently);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn three_sessions_agree_with_what_they_are_told(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..60)) {
        let world = World::new(seed);
        let mut clients: Vec<(Client, Model)> =
            (0..3).map(|_| (world.select("ann", "INBOX"), Model::default())).collect();
        world.run(async {
            for step in &steps {
                perform(&mut clients, step).await;
            }
            // In the end, told everything, each has exactly the mailbox, with the flags it has.
            let mut truth = world.connect();
            truth.line().await.unwrap();
            truth.ok("LOGIN ann secret").await;
            truth.ok("EXAMINE INBOX").await;
            let mut want = Model::default();
            let lines = truth.command("UID FETCH 1:* FLAGS").await;
            want.uids = vec![None; lines.iter().filter(|line| line.contains("FETCH (")).count()];
            want.apply(&lines);
            for (client, model) in &mut clients {
                let lines = client.command("NOOP").await;
                model.apply(&lines);
                assert_eq!(model.uids.len(), want.uids.len(), "seed {seed}");
                for (known, uid) in model.uids.iter().zip(&want.uids) {
                    assert!(known.is_none() || known == uid, "seed {seed}: {model:?} {want:?}");
                }
                // What it believes of flags it was told by somebody or did itself, all but silently.
                let silent = steps.iter().any(|step| matches!(step, Step::Flag { silent: true, .. }));
                for uid in want.uids.iter().flatten() {
                    if let (false, Some(flags)) = (silent, model.flags.get(uid)) {
                        assert_eq!(flags, &want.flags[uid], "seed {seed}: flags of {uid}");
                    }
                }
                // Its sequence numbers are the server's.
                let lines = client.command("UID FETCH 1:* FLAGS").await;
                model.apply(&lines);
                assert_eq!(&model.uids, &want.uids, "seed {seed}");
            }
        });
    }
}
