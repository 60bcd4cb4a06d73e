//! THREAD (RFC 5256 3; THREAD=REFS as draft-ietf-morg-inthread-01 has it): which messages answer which.
//!
//! Messages are nodes of a forest; a dummy stands for a message that others refer to and that is not there. Message ids are
//! compared by hashes of 64 bits.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::entry::Text;
use super::page::Pages;
use super::sort::{self, By, Criterion};
use super::{Item, Stop, Stopped};

/// threading-algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    OrderedSubject,
    References,
    /// Like REFERENCES, but subjects do not join threads, and threads are in the order of their newest messages.
    Refs,
}

const NONE: u32 = u32::MAX;
/// Steps between two looks at whether the caller is gone.
const STEPS: u32 = 16_384;

/// Threads in order; in each, children in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Threads {
    roots: Vec<u32>,
    /// By node, its first child and its next sibling. Nodes are the items by their index, and dummies behind them.
    first: Vec<u32>,
    next: Vec<u32>,
    items: u32,
}

/// The threads of messages.
pub fn thread(
    items: &[Item],
    pages: &Pages,
    algorithm: Algorithm,
    stop: Stop<'_>,
) -> Result<Threads, Stopped> {
    match algorithm {
        Algorithm::OrderedSubject => ordered_subject(items, pages, stop),
        Algorithm::References | Algorithm::Refs => {
            let mut forest = Forest::new(items, pages, stop)?;
            let mut order: Vec<(u64, u32)> = sort::sent(items, pages).zip(0..).collect();
            order.sort_unstable();
            let parents = forest.settle(items.len() as u32);
            if algorithm == Algorithm::Refs {
                return Ok(in_order_of_newest(&order, &parents));
            }
            let mut subjects = Subjects { items, pages, parents };
            subjects.join(&order, stop)?;
            Ok(Threads::new(&order, &subjects.parents))
        }
    }
}

/// "Poor man's threading".
fn ordered_subject(items: &[Item], pages: &Pages, stop: Stop<'_>) -> Result<Threads, Stopped> {
    let by = |by| Criterion { by, reverse: false };
    let order = sort::sort(items, pages, &[by(By::Text(Text::Subject)), by(By::Date)], stop)?;
    let sent: Vec<u64> = sort::sent(items, pages).collect();
    let message = |at: u32| items[at as usize].message;
    let subjects = pages.entries(order.iter().map(|&at| message(at)));
    let mut parents = vec![NONE; items.len()];
    // The first message of the thread and its subject.
    let mut last: Option<(u32, &[u8])> = None;
    for (&at, entry) in order.iter().zip(subjects) {
        let subject = entry.map_or(&b""[..], |entry| entry.text(Text::Subject));
        match last {
            Some((first, of)) if of == subject => parents[at as usize] = first,
            _ => last = Some((at, subject)),
        }
    }
    let mut order: Vec<(u64, u32)> = sent.into_iter().zip(0..).collect();
    order.sort_unstable();
    Ok(Threads::new(&order, &parents))
}

/// Steps 1 to 3: links by references, and dummies that say nothing removed.
struct Forest {
    /// By node.
    parent: Vec<u32>,
    /// The item that a node is; `NONE` for a dummy.
    item: Vec<u32>,
    has_children: Vec<bool>,
    steps: u32,
}

impl Forest {
    fn new(items: &[Item], pages: &Pages, stop: Stop<'_>) -> Result<Forest, Stopped> {
        let count = items.len();
        let mut forest = Forest {
            parent: Vec::with_capacity(count * 2),
            item: Vec::with_capacity(count * 2),
            has_children: Vec::with_capacity(count * 2),
            steps: 0,
        };
        let mut by_id: HashMap<u64, u32, RandomState> =
            HashMap::with_capacity_and_hasher(count * 2, RandomState::default());
        let entries = pages.entries(items.iter().map(|item| item.message));
        for (entry, item) in entries.zip(0u32..) {
            forest.step(stop)?;
            let node = match entry.and_then(|entry| entry.message_id()) {
                Some(id) => {
                    let node = *by_id.entry(id).or_insert_with(|| forest.add());
                    // Of two messages with one id, the first has it.
                    if forest.item[node as usize] == NONE { node } else { forest.add() }
                }
                None => forest.add(),
            };
            forest.item[node as usize] = item;
            let mut before = NONE;
            for id in entry.into_iter().flat_map(|entry| entry.references()) {
                let referred = *by_id.entry(id).or_insert_with(|| forest.add());
                if before != NONE && forest.parent[referred as usize] == NONE {
                    forest.link(before, referred, stop)?;
                }
                before = referred;
            }
            // What another message said of its parent gives way to what it says itself.
            forest.parent[node as usize] = NONE;
            if before != NONE {
                forest.link(before, node, stop)?;
            }
        }
        Ok(forest)
    }

    fn add(&mut self) -> u32 {
        self.parent.push(NONE);
        self.item.push(NONE);
        self.has_children.push(false);
        (self.parent.len() - 1) as u32
    }

    fn step(&mut self, stop: Stop<'_>) -> Result<(), Stopped> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS) && stop() { Err(Stopped) } else { Ok(()) }
    }

    /// Makes a node that has no parent a child of another one, unless that would be a loop.
    fn link(&mut self, parent: u32, child: u32, stop: Stop<'_>) -> Result<(), Stopped> {
        if parent == child {
            return Ok(());
        }
        // What has no children is nobody's ancestor.
        if self.has_children[child as usize] {
            let mut above = self.parent[parent as usize];
            while above != NONE {
                if above == child {
                    return Ok(());
                }
                self.step(stop)?;
                above = self.parent[above as usize];
            }
        }
        self.parent[child as usize] = parent;
        self.has_children[parent as usize] = true;
        Ok(())
    }

    /// By item its parent, and behind the items by dummy: what is left are dummies at the root with two children at least.
    fn settle(&mut self, items: u32) -> Vec<u32> {
        let nodes = self.parent.len();
        // By node, what its children are children of: the nearest message above them, or the dummy at the root.
        let mut above = vec![NONE; nodes];
        let mut path = Vec::new();
        for node in 0..nodes as u32 {
            let mut at = node;
            // Up to what is known, and down again.
            while above[at as usize] == NONE {
                let parent = self.parent[at as usize];
                if self.item[at as usize] != NONE || parent == NONE {
                    above[at as usize] = at;
                } else {
                    path.push(at);
                    at = parent;
                }
            }
            let known = above[at as usize];
            // A message above is the place of the dummies below it, which are spliced.
            path.drain(..).for_each(|at| above[at as usize] = known);
        }
        let mut children = vec![0u32; nodes];
        for node in 0..nodes {
            if self.item[node] != NONE && self.parent[node] != NONE {
                children[above[self.parent[node] as usize] as usize] += 1;
            }
        }
        let mut parents = vec![NONE; items as usize];
        // Dummies that stay are numbered when they are first met.
        let mut dummies = vec![NONE; nodes];
        for node in 0..nodes {
            let item = self.item[node];
            if item == NONE || self.parent[node] == NONE {
                continue;
            }
            let place = above[self.parent[node] as usize] as usize;
            parents[item as usize] = match self.item[place] {
                NONE if children[place] < 2 => NONE,
                NONE => {
                    if dummies[place] == NONE {
                        dummies[place] = parents.len() as u32;
                        parents.push(NONE);
                    }
                    dummies[place]
                }
                message => message,
            };
        }
        parents
    }
}

/// Step 5: threads with the same subject become one.
struct Subjects<'a> {
    items: &'a [Item],
    pages: &'a Pages,
    /// By node; dummies are behind the items.
    parents: Vec<u32>,
}

impl Subjects<'_> {
    fn is_dummy(&self, node: u32) -> bool {
        node as usize >= self.items.len()
    }

    fn join(&mut self, order: &[(u64, u32)], stop: Stop<'_>) -> Result<(), Stopped> {
        let (items, pages) = (self.items, self.pages);
        // What is at the root, in order, with the message that says the subject: for a dummy its first child.
        let mut roots: Vec<(u32, u32)> = Vec::new();
        let mut met = vec![false; self.parents.len()];
        for &(_, item) in order {
            let root = match self.parents[item as usize] {
                NONE => item,
                parent if self.is_dummy(parent) => parent,
                _ => continue,
            };
            if !std::mem::replace(&mut met[root as usize], true) {
                roots.push((root, item));
            }
        }
        let entries: Vec<(&[u8], bool)> = pages
            .entries(roots.iter().map(|&(_, item)| items[item as usize].message))
            .map(|entry| {
                entry.map_or((&b""[..], false), |entry| (entry.text(Text::Subject), entry.is_reply()))
            })
            .collect();
        if stop() {
            return Err(Stopped);
        }
        // By subject what stands for it, and whether that is a reply. What says that a dummy is none decides nothing.
        let mut table: HashMap<&[u8], (u32, bool), RandomState> =
            HashMap::with_capacity_and_hasher(roots.len(), RandomState::default());
        for (&(root, _), &(subject, is_reply)) in roots.iter().zip(&entries) {
            if subject.is_empty() {
                continue;
            }
            let of_table = table.entry(subject).or_insert((root, is_reply));
            let replaces = self.is_dummy(root) || of_table.1 && !is_reply;
            if !self.is_dummy(of_table.0) && replaces {
                *of_table = (root, is_reply);
            }
        }
        // Dummies whose children go to another one.
        let mut moved: Vec<(u32, u32)> = Vec::new();
        for (&(root, _), &(subject, is_reply)) in roots.iter().zip(&entries) {
            let Some(of_table) = table.get_mut(subject).filter(|of_table| of_table.0 != root) else {
                continue;
            };
            match (self.is_dummy(of_table.0), self.is_dummy(root)) {
                (true, true) => moved.push((root, of_table.0)),
                (true, false) => self.parents[root as usize] = of_table.0,
                _ if is_reply && !of_table.1 => self.parents[root as usize] = of_table.0,
                _ => {
                    let dummy = self.parents.len() as u32;
                    self.parents.push(NONE);
                    self.parents[root as usize] = dummy;
                    self.parents[of_table.0 as usize] = dummy;
                    *of_table = (dummy, false);
                }
            }
        }
        let mut place: Vec<u32> = (0..self.parents.len() as u32).collect();
        moved.iter().for_each(|&(from, to)| place[from as usize] = to);
        for parent in &mut self.parents[..items.len()] {
            if *parent != NONE {
                *parent = place[*parent as usize];
            }
        }
        Ok(())
    }
}

/// THREAD=REFS: threads by the date of their newest message.
fn in_order_of_newest(order: &[(u64, u32)], parents: &[u32]) -> Threads {
    let mut threads = Threads::new(order, parents);
    let root_of = |mut node: u32, known: &mut Vec<u32>| {
        let mut path = Vec::new();
        while known[node as usize] == NONE {
            path.push(node);
            match parents[node as usize] {
                NONE => known[node as usize] = node,
                parent => node = parent,
            }
        }
        let root = known[node as usize];
        path.into_iter().for_each(|node| known[node as usize] = root);
        root
    };
    let mut known = vec![NONE; parents.len()];
    let mut newest = vec![0u64; parents.len()];
    for &(sent, item) in order {
        let root = root_of(item, &mut known);
        newest[root as usize] = newest[root as usize].max(sent);
    }
    // Those of one date stay in the order of their first messages.
    threads.roots.sort_by_key(|&root| newest[root as usize]);
    threads
}

impl Threads {
    /// From the items in order of their dates, and by node its parent.
    fn new(order: &[(u64, u32)], parents: &[u32]) -> Threads {
        let (nodes, items) = (parents.len(), order.len() as u32);
        let mut threads =
            Threads { roots: Vec::new(), first: vec![NONE; nodes], next: vec![NONE; nodes], items };
        let mut last = vec![NONE; nodes];
        // Siblings are met in their order; a dummy is where its first child is.
        for &(_, item) in order {
            let parent = parents[item as usize];
            if parent == NONE {
                threads.roots.push(item);
                continue;
            }
            let place = match last[parent as usize] {
                NONE => &mut threads.first[parent as usize],
                before => &mut threads.next[before as usize],
            };
            *place = item;
            if std::mem::replace(&mut last[parent as usize], item) == NONE && parent >= items {
                threads.roots.push(parent);
            }
        }
        threads
    }

    /// Appends them as a THREAD response has them (RFC 5256 4): `(2)(3 6 (4 23)(44 7 96))`. `number` is what an item is called.
    pub fn write(&self, number: impl Fn(u32) -> u32, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        // Of each list that is open, what comes next in it.
        let mut open: Vec<u32> = Vec::new();
        for &root in &self.roots {
            out.push(b'(');
            let mut at = root;
            'thread: loop {
                let is_item = at < self.items;
                if is_item {
                    out.extend_from_slice(digits.format(number(at)).as_bytes());
                }
                let first = self.first[at as usize];
                if first != NONE {
                    if is_item {
                        out.push(b' ');
                    }
                    let next = self.next[first as usize];
                    if next != NONE {
                        out.push(b'(');
                        open.push(next);
                    }
                    at = first;
                    continue;
                }
                out.push(b')');
                loop {
                    match open.pop() {
                        None => break 'thread,
                        Some(NONE) => out.push(b')'),
                        Some(sibling) => {
                            open.push(self.next[sibling as usize]);
                            out.push(b'(');
                            at = sibling;
                            break;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "thread_tests.rs"]
mod tests;
