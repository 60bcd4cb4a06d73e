//! Threads against the steps of RFC 5256 3, written down as they stand there.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::{PAGE_MESSAGES, Pages};
use super::*;
use crate::summary::{Summary, SummaryKeys};
use proptest::prelude::*;
use trawl_store::types::ZonedTime;

#[derive(Clone, Debug)]
struct Message {
    id: Option<u8>,
    references: Vec<u8>,
    subject: u8,
    is_reply: bool,
    sent: Option<i64>,
    internal: i64,
}

const SUBJECTS: [&str; 4] = ["", "one", "Two", "two"];

fn pages(messages: &[Message]) -> (Vec<Item>, Pages) {
    let name = |id: &u8| format!("{id}@x").into_bytes();
    let mut pages = Pages::default();
    let items = messages.iter().zip(0u32..).map(|(message, n)| {
        let number = n * 777;
        let summary = Summary {
            message_id: message.id.as_ref().map(name),
            references: message.references.iter().map(name).collect(),
            base_subject: SUBJECTS[usize::from(message.subject)].to_owned(),
            is_reply: message.is_reply,
            sent: message.sent.map(|seconds| ZonedTime { seconds, zone_minutes: 0 }),
            ..Summary::default()
        };
        Arc::make_mut(pages.0.entry(number / PAGE_MESSAGES).or_default())
            .insert(number, &SummaryKeys::new(&summary.encode()).unwrap());
        Item { message: number, internal: message.internal, size: 0, relevancy: 0 }
    });
    (items.collect(), pages)
}

/// A message or a dummy, with its children.
#[derive(Default, Debug)]
struct Tree {
    item: Option<usize>,
    children: Vec<Tree>,
}

struct Naive<'a>(&'a [Message]);

impl Naive<'_> {
    fn date(&self, item: usize) -> (i64, usize) {
        (self.0[item].sent.unwrap_or(self.0[item].internal), item)
    }

    /// Of a dummy that of its first child.
    fn tree_date(&self, tree: &Tree) -> (i64, usize) {
        tree.item.map_or_else(
            || tree.children.iter().map(|child| self.tree_date(child)).min().unwrap(),
            |item| self.date(item),
        )
    }

    fn sort(&self, trees: &mut [Tree]) {
        trees.iter_mut().for_each(|tree| self.sort(&mut tree.children));
        trees.sort_by_key(|tree| self.tree_date(tree));
    }

    /// Steps 1 to 3.
    fn linked(&self) -> Vec<Tree> {
        let mut ids: HashMap<u8, usize> = HashMap::new();
        let mut parents: Vec<Option<usize>> = Vec::new();
        let mut item_of: Vec<Option<usize>> = Vec::new();
        let descends = |parents: &[Option<usize>], mut a: usize, b: usize| loop {
            if a == b {
                return true;
            }
            match parents[a] {
                Some(parent) => a = parent,
                None => return false,
            }
        };
        for (item, message) in self.0.iter().enumerate() {
            let add = |item_of: &mut Vec<Option<usize>>, parents: &mut Vec<Option<usize>>| {
                item_of.push(None);
                parents.push(None);
                item_of.len() - 1
            };
            let mut node = None;
            if let Some(id) = message.id {
                let of_id = *ids.entry(id).or_insert_with(|| add(&mut item_of, &mut parents));
                node = item_of[of_id].is_none().then_some(of_id);
            }
            let node = node.unwrap_or_else(|| add(&mut item_of, &mut parents));
            item_of[node] = Some(item);
            let mut before: Option<usize> = None;
            for reference in &message.references {
                let referred = *ids.entry(*reference).or_insert_with(|| add(&mut item_of, &mut parents));
                if let Some(before) = before
                    && parents[referred].is_none()
                    && !descends(&parents, before, referred)
                {
                    parents[referred] = Some(before);
                }
                before = Some(referred);
            }
            parents[node] = None;
            if let Some(last) = before
                && !descends(&parents, last, node)
            {
                parents[node] = Some(last);
            }
        }
        let tree = |root| build(root, &parents, &item_of);
        let roots = (0..parents.len()).filter(|&node| parents[node].is_none()).map(tree);
        let mut threads = Vec::new();
        for mut root in roots {
            root.children = pruned(root.children);
            match (root.item, root.children.len()) {
                (None, 0) => {}
                (None, 1) => threads.append(&mut root.children),
                _ => threads.push(root),
            }
        }
        threads
    }

    fn subject(&self, tree: &Tree) -> (String, bool) {
        let first =
            || tree.children.iter().min_by_key(|child| self.tree_date(child)).and_then(|child| child.item);
        let message = &self.0[tree.item.or_else(first).unwrap()];
        (crate::normalise(SUBJECTS[usize::from(message.subject)]), message.is_reply)
    }

    /// Steps 4 and 5.
    fn joined(&self, mut threads: Vec<Tree>) -> Vec<Tree> {
        self.sort(&mut threads);
        let mut table: HashMap<String, usize> = HashMap::new();
        let mut threads: Vec<Option<Tree>> = threads.into_iter().map(Some).collect();
        for n in 0..threads.len() {
            let tree = threads[n].as_ref().unwrap();
            let (subject, is_reply) = self.subject(tree);
            if subject.is_empty() {
                continue;
            }
            let Some(&of_table) = table.get(&subject) else {
                table.insert(subject, n);
                continue;
            };
            let other = threads[of_table].as_ref().unwrap();
            if other.item.is_some() && (tree.item.is_none() || self.subject(other).1 && !is_reply) {
                table.insert(subject, n);
            }
        }
        for n in 0..threads.len() {
            let (subject, is_reply) = self.subject(threads[n].as_ref().unwrap());
            let Some(&of_table) = table.get(&subject).filter(|&&of_table| of_table != n) else { continue };
            let mut tree = threads[n].take().unwrap();
            let is_reply_of_table = self.subject(threads[of_table].as_ref().unwrap()).1;
            let other = threads[of_table].as_mut().unwrap();
            match (other.item, tree.item) {
                (None, None) => other.children.append(&mut tree.children),
                (None, Some(_)) => other.children.push(tree),
                _ if is_reply && !is_reply_of_table => other.children.push(tree),
                _ => {
                    let other = threads[of_table].take().unwrap();
                    threads[of_table] = None;
                    table.insert(subject, threads.len());
                    threads.push(Some(Tree { item: None, children: vec![tree, other] }));
                }
            }
        }
        threads.into_iter().flatten().collect()
    }

    fn references(&self) -> String {
        let mut threads = self.joined(self.linked());
        self.sort(&mut threads);
        written(&threads)
    }

    fn refs(&self) -> String {
        let mut threads = self.linked();
        self.sort(&mut threads);
        threads.sort_by_key(|tree| self.newest(tree));
        written(&threads)
    }

    fn newest(&self, tree: &Tree) -> i64 {
        let own = tree.item.map_or(i64::MIN, |item| self.date(item).0);
        tree.children.iter().map(|child| self.newest(child)).fold(own, i64::max)
    }

    fn ordered_subject(&self) -> String {
        let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
        for (item, message) in self.0.iter().enumerate() {
            groups.entry(crate::normalise(SUBJECTS[usize::from(message.subject)])).or_default().push(item);
        }
        let leaf = |item: usize| Tree { item: Some(item), children: Vec::new() };
        let mut threads: Vec<Tree> = groups
            .into_values()
            .map(|mut group| {
                group.sort_by_key(|&item| self.date(item));
                Tree { children: group[1..].iter().copied().map(leaf).collect(), ..leaf(group[0]) }
            })
            .collect();
        self.sort(&mut threads);
        written(&threads)
    }
}

fn build(node: usize, parents: &[Option<usize>], item_of: &[Option<usize>]) -> Tree {
    let children = (0..parents.len()).filter(|&child| parents[child] == Some(node));
    Tree { item: item_of[node], children: children.map(|child| build(child, parents, item_of)).collect() }
}

/// Dummies give way to their children.
fn pruned(trees: Vec<Tree>) -> Vec<Tree> {
    let mut out = Vec::new();
    for mut tree in trees {
        tree.children = pruned(tree.children);
        if tree.item.is_some() { out.push(tree) } else { out.append(&mut tree.children) }
    }
    out
}

fn written(trees: &[Tree]) -> String {
    trees.iter().map(|tree| format!("({})", members(tree))).collect()
}

fn members(tree: &Tree) -> String {
    let item = tree.item.map(|item| (item + 1).to_string());
    let below = match &tree.children[..] {
        [] => None,
        [only] if item.is_some() => Some(members(only)),
        several => Some(written(several)),
    };
    item.into_iter().chain(below).collect::<Vec<_>>().join(" ")
}

fn threads(messages: &[Message], algorithm: Algorithm) -> String {
    let (items, pages) = pages(messages);
    let mut out = Vec::new();
    thread(&items, &pages, algorithm, &|| false).unwrap().write(|item| item + 1, &mut out);
    String::from_utf8(out).unwrap()
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    let message = (
        prop::option::weighted(0.9, 0u8..12),
        prop::collection::vec(0u8..12, 0..4),
        0..SUBJECTS.len() as u8,
        any::<bool>(),
        prop::option::weighted(0.8, 0i64..6),
        0i64..6,
    );
    let message = message.prop_map(|(id, references, subject, is_reply, sent, internal)| Message {
        id,
        references,
        subject,
        is_reply,
        sent,
        internal,
    });
    prop::collection::vec(message, 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn they_are_what_the_steps_of_the_rfc_give(messages in messages()) {
        prop_assert_eq!(threads(&messages, Algorithm::References), Naive(&messages).references());
        prop_assert_eq!(threads(&messages, Algorithm::Refs), Naive(&messages).refs());
        prop_assert_eq!(threads(&messages, Algorithm::OrderedSubject), Naive(&messages).ordered_subject());
    }
}

fn message(id: u8, references: &[u8], subject: u8, sent: i64) -> Message {
    let references = references.to_vec();
    Message {
        id: Some(id),
        is_reply: !references.is_empty(),
        references,
        subject,
        sent: Some(sent),
        internal: 0,
    }
}

#[test]
fn a_reply_follows_what_it_answers() {
    // 1 <- 2 <- 4, 1 <- 3; 5 answers what is not there, as 6 does.
    let messages = [
        message(1, &[], 1, 1),
        message(2, &[1], 1, 2),
        message(3, &[1], 1, 3),
        message(4, &[1, 2], 1, 4),
        message(5, &[9], 0, 5),
        message(6, &[9], 0, 6),
    ];
    assert_eq!(threads(&messages, Algorithm::References), "(1 (2 4)(3))((5)(6))");
    assert_eq!(threads(&messages, Algorithm::OrderedSubject), "(1 (2)(3)(4))(5 6)");
}

#[test]
fn a_long_conversation_needs_no_stack() {
    let (count, mut pages) = (100_000u32, Pages::default());
    let items: Vec<Item> = (0..count)
        .map(|n| {
            let id = |n: u32| format!("{n}@x").into_bytes();
            let summary = Summary {
                message_id: Some(id(n)),
                references: n.checked_sub(1).map(id).into_iter().collect(),
                ..Summary::default()
            };
            Arc::make_mut(pages.0.entry(n / PAGE_MESSAGES).or_default())
                .insert(n, &SummaryKeys::new(&summary.encode()).unwrap());
            Item { message: n, internal: n.into(), size: 0, relevancy: 0 }
        })
        .collect();
    for algorithm in [Algorithm::References, Algorithm::Refs] {
        let mut out = Vec::new();
        thread(&items, &pages, algorithm, &|| false).unwrap().write(|item| item + 1, &mut out);
        assert!(out.starts_with(b"(1 2 3 4 ") && out.ends_with(b" 100000)"));
    }
    assert_eq!(thread(&items, &pages, Algorithm::References, &|| true), Err(Stopped));
}
