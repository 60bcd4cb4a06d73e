//! Texts of documents are found from the moment on that they are durable, in every mailbox that holds the message, by every search.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trawl_server::sim::world::World;
use trawl_store::shard::{Document, DocumentsRecord, Shard};
use trawl_store::types::{AccountId, EmailId, MessageNumber};

const ANN: AccountId = AccountId(1);

/// Says that these texts were read in documents of messages, and that all below `upto` were looked at.
pub async fn read_documents(
    shard: &Shard,
    account: AccountId,
    texts: impl IntoIterator<Item = (u32, &str)>,
    upto: u32,
) {
    let found = texts.into_iter().map(record).collect();
    shard.add_documents(account, found, MessageNumber(0)..MessageNumber(upto)).await.unwrap();
}

fn record((number, text): (u32, &str)) -> (MessageNumber, DocumentsRecord) {
    let number = MessageNumber(number);
    let other = Document { part: "3".to_owned(), outcome: 9, ..Document::default() };
    let documents = [Document { part: "2".to_owned(), text: text.to_owned(), ..Document::default() }, other];
    (number, DocumentsRecord::new(EmailId::of(ANN, number), &documents))
}

/// A message at a place: its number, and whether it is flagged.
type Place = (u32, bool);

const WORDS: [&str; 5] = ["alpha", "beta", "gamma", "delta", "a be"];

/// As far as the structure of the message says.
fn may_have_documents(n: u32) -> bool {
    n % 3 != 1
}

fn message(n: u32) -> String {
    let date = format!("{} Jan 2026 00:00:00 +0000", 1 + n % 28);
    let kind = if may_have_documents(n) { "Content-Type: text/plain; as=application\r\n" } else { "" };
    format!("Subject: delta {n}\r\nDate: {date}\r\n{kind}\r\n{}\r\n", WORDS[n as usize % 3])
}

/// Whether the body or a document has the word; `delta` is in every subject.
fn has(number: u32, documents: &BTreeMap<u32, String>, word: &str) -> bool {
    let in_document = documents.get(&number).is_some_and(|text| text.contains(word));
    in_document || WORDS[number as usize % 3].contains(word)
}

/// A program, and whether it matches.
type Key = (String, Box<dyn Fn(&Place, &BTreeMap<u32, String>) -> bool>);

fn keys() -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for word in WORDS {
        keys.push((format!("BODY \"{word}\""), Box::new(move |(n, _), texts| has(*n, texts, word))));
        keys.push((format!("NOT BODY \"{word}\""), Box::new(move |(n, _), texts| !has(*n, texts, word))));
        let flagged =
            move |(n, flagged): &Place, texts: &BTreeMap<u32, String>| *flagged || has(*n, texts, word);
        keys.push((format!("OR FLAGGED BODY \"{word}\""), Box::new(flagged)));
        let both =
            move |(n, flagged): &Place, texts: &BTreeMap<u32, String>| !*flagged && has(*n, texts, word);
        keys.push((format!("UNFLAGGED BODY \"{word}\""), Box::new(both)));
        let all = move |(n, _): &Place, texts: &BTreeMap<u32, String>| {
            has(*n, texts, word) && has(*n, texts, "beta")
        };
        keys.push((format!("BODY \"{word}\" BODY beta"), Box::new(all)));
        let subject = move |_: &Place, _: &BTreeMap<u32, String>| word == "delta";
        keys.push((format!("SUBJECT \"{word}\""), Box::new(subject)));
        let text =
            move |(n, _): &Place, texts: &BTreeMap<u32, String>| word == "delta" || has(*n, texts, word);
        keys.push((format!("TEXT \"{word}\""), Box::new(text)));
    }
    keys
}

fn numbers(line: &str) -> Vec<u32> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u32),
    Flag(u32),
    Copy(u32),
    Expunge(u32),
    Read { count: u32, words: Vec<usize> },
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..4u32).prop_map(Step::Arrive),
        2 => (1..20u32).prop_map(Step::Flag),
        2 => (1..20u32).prop_map(Step::Copy),
        1 => (1..20u32).prop_map(Step::Expunge),
        4 => (0..6u32, prop::collection::vec(0..WORDS.len(), 0..4)).prop_map(|(count, words)| Step::Read { count, words }),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_search_finds_what_documents_say(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..16)) {
        let world = World::new(seed);
        let mut client = world.select("ann", "INBOX");
        let keys = keys();
        world.run(async {
            let (mut places, mut texts) = (Vec::<Place>::new(), BTreeMap::<u32, String>::new());
            let (mut next, mut looked) = (0u32, 0u32);
            for step in &steps {
                match step {
                    Step::Arrive(count) => {
                        for _ in 0..*count {
                            client.append("INBOX", &message(next)).await;
                            places.push((next, false));
                            // What cannot have documents is looked at as it comes.
                            looked = if looked == next && !may_have_documents(next) { next + 1 } else { looked };
                            next += 1;
                        }
                    }
                    Step::Flag(nth) => {
                        client.command(&format!("STORE {nth} +FLAGS.SILENT (\\Flagged)")).await;
                        if let Some((_, flagged)) = places.get_mut(*nth as usize - 1) {
                            *flagged = true;
                        }
                    }
                    Step::Copy(nth) => {
                        client.command(&format!("COPY {nth} INBOX")).await;
                        places.extend(places.get(*nth as usize - 1).copied());
                    }
                    Step::Expunge(nth) if (*nth as usize) <= places.len() => {
                        client.ok(&format!("STORE {nth} +FLAGS.SILENT (\\Deleted)")).await;
                        client.ok("EXPUNGE").await;
                        places.remove(*nth as usize - 1);
                    }
                    Step::Expunge(_) => {}
                    Step::Read { count, words } => {
                        let upto = looked + count;
                        let text = words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ");
                        let new = || (looked..upto).filter(|n| n % 4 != 1).map(|n| (n, text.as_str()));
                        read_documents(&world.shard, ANN, new(), upto).await;
                        texts.extend(new().filter(|(n, _)| *n < next).map(|(n, text)| (n, text.to_owned())));
                        looked = upto.min(next);
                    }
                    Step::Forget => {
                        world.shard.forget_documents(ANN).await.unwrap();
                        (texts, looked) = (BTreeMap::new(), 0);
                    }
                }
                client.ok("NOOP").await;
                for (key, matches) in &keys {
                    let found = client.ok(&format!("SEARCH {key}")).await;
                    let wanted: Vec<u32> =
                        (1..).zip(&places).filter(|(_, place)| matches(place, &texts)).map(|(nth, _)| nth).collect();
                    prop_assert_eq!(numbers(&found[0]), wanted.clone(), "{} {:?} {:?}", key, places, texts);
                    let sorted = client.ok(&format!("SORT (REVERSE ARRIVAL) UTF-8 {key}")).await;
                    let mut there = numbers(&sorted[0]);
                    there.sort_unstable();
                    prop_assert_eq!(there, wanted.clone(), "SORT {}", key);
                    let everywhere = client.ok(&format!("ESEARCH IN (personal) RETURN (COUNT) {key}")).await;
                    let count: usize = everywhere
                        .iter()
                        .filter(|line| line.contains("\"INBOX\"") || line.contains("MAILBOX INBOX"))
                        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
                        .sum();
                    prop_assert_eq!(count, wanted.len(), "ESEARCH {} {:?}", key, everywhere);
                }
            }
            Ok(())
        })?;
    }
}

/// Somebody wants all of it read anew while some of it is being read.
#[test]
fn what_was_being_read_when_all_was_forgotten_is_read_again() {
    let world = World::new(76);
    let mut client = world.select("ann", "INBOX");
    world.run(async {
        for n in 0..8 {
            client.append("INBOX", &message(n * 3)).await;
        }
        let shard = &world.shard;
        let texts = |messages: std::ops::Range<u32>| messages.map(|n| record((n, "omega"))).collect();
        let range = |range: std::ops::Range<u32>| MessageNumber(range.start)..MessageNumber(range.end);
        let seen = || shard.with_account(ANN, |account| account.documents().seen().0).unwrap();
        shard.add_documents(ANN, texts(0..3), range(0..3)).await.unwrap();
        shard.forget_documents(ANN).await.unwrap();
        // Where it was before.
        shard.add_documents(ANN, texts(3..8), range(3..8)).await.unwrap();
        assert_eq!(seen(), 0);
        assert_eq!(client.ok("SEARCH BODY omega").await[0], "* SEARCH");
        shard.add_documents(ANN, texts(0..5), range(0..5)).await.unwrap();
        shard.add_documents(ANN, texts(3..8), range(3..8)).await.unwrap();
        assert_eq!(
            (seen(), client.ok("SEARCH BODY omega").await[0].as_str()),
            (8, "* SEARCH 1 2 3 4 5 6 7 8")
        );
    });
}
