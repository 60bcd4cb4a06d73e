//! The smallest form of a wrong answer: which key, which needle, which messages.

use std::sync::atomic::AtomicBool;

use trawl_index::bits::Bits;
use trawl_index::prepare::Prepared;
use trawl_index::query::{Node, TextKey};
use trawl_index::search::{Cx, Query};
use trawl_index::segment::{self, BuildOptions, Builder, OwnedBytes, Segment, Verify};

use super::oracle::{Mail, Oracle};

/// How a segment comes to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Built,
    /// Two, merged into one.
    Merged,
}

type Docs<'a> = [(u32, &'a Mail)];

/// What is left of `node` and the messages of a segment when everything that is not needed for a wrong answer is gone.
pub fn shrunk(node: &Node, docs: &Docs<'_>) -> String {
    if docs.is_empty() {
        return "no segment is to blame".into();
    }
    let mut leaves = Vec::new();
    texts(node, &mut leaves);
    let candidates = leaves.into_iter().chain([node.clone()]);
    let tries = candidates.flat_map(|node| [(node.clone(), Way::Built), (node, Way::Merged)]);
    let Some((mut node, way)) = tries.into_iter().find(|(node, way)| is_wrong(node, docs, *way)) else {
        return format!("a new segment of the same {} messages answers rightly", docs.len());
    };
    let mut docs = docs.to_vec();
    let mut step = docs.len().div_ceil(2);
    loop {
        let mut at = 0;
        while at < docs.len() && docs.len() > 1 {
            let mut fewer = docs.clone();
            fewer.drain(at..(at + step).min(docs.len()));
            if !fewer.is_empty() && is_wrong(&node, &fewer, way) { docs = fewer } else { at += step }
        }
        if step == 1 {
            break;
        }
        step /= 2;
    }
    while let Some(shorter) = shorter(&node).into_iter().find(|node| is_wrong(node, &docs, way)) {
        node = shorter;
    }
    let mut out = format!("{way:?} of {} messages is wrong on {node:?}\n", docs.len());
    for (number, mail) in docs.iter().take(3) {
        let expected = Oracle::new(&node).matches(*number, mail);
        let raw = &mail.raw[..mail.raw.len().min(6_000)];
        out.push_str(&format!("message {number}, should be {expected}: {}\n", raw.escape_ascii()));
    }
    out
}

fn texts(node: &Node, out: &mut Vec<Node>) {
    match node {
        Node::All | Node::None | Node::State(_) => {}
        Node::Text(_) => out.push(node.clone()),
        Node::Not(node) => texts(node, out),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| texts(node, out)),
    }
}

/// The same key with a shorter needle.
fn shorter(node: &Node) -> Vec<Node> {
    let Node::Text(key) = node else { return Vec::new() };
    let chars: Vec<char> = key.needle.chars().collect();
    let mut found = Vec::new();
    for cut in [chars.len() / 2, chars.len() / 4, 1] {
        if cut > 0 && cut < chars.len() {
            found.push(chars[cut..].iter().collect::<String>());
            found.push(chars[..chars.len() - cut].iter().collect());
        }
    }
    let node = |needle| Node::Text(TextKey { field: key.field.clone(), needle });
    found.into_iter().map(node).collect()
}

fn is_wrong(node: &Node, docs: &Docs<'_>, way: Way) -> bool {
    let oracle = Oracle::new(node);
    let right = |(number, vouched, found): (u32, bool, bool)| {
        let mail = docs.iter().find(|(n, _)| *n == number).map(|(_, mail)| *mail);
        !vouched || mail.is_some_and(|mail| oracle.matches(number, mail) == found)
    };
    answers(node, docs, way).is_none_or(|answers| !answers.into_iter().all(right))
}

/// Number, whether the segment vouches for it, and whether it is found; `None`: there is no answer.
fn answers(node: &Node, docs: &Docs<'_>, way: Way) -> Option<Vec<(u32, bool, bool)>> {
    let segment = match way {
        Way::Built => build(docs)?,
        Way::Merged => {
            let (one, two) = docs.split_at(docs.len() / 2);
            let (one, two) = (build(one)?, build(two)?);
            let merged = segment::merge(&[&one, &two], &|_| true, BuildOptions::default(), &|| false).ok()?;
            Segment::open(OwnedBytes::new(merged), Verify::Checksums).ok()?
        }
    };
    let mask = Bits::full(segment.docs());
    let stop = AtomicBool::new(false);
    let found = Query::new(node).run(&segment, &mask, &Cx { stop: &stop, trace: None }).ok()?;
    (0..segment.docs())
        .map(|doc| Some((segment.message(doc)?, !segment.unvouched().contains(doc), found.contains(doc))))
        .collect()
}

fn build(docs: &Docs<'_>) -> Option<Segment> {
    let mut builder = Builder::new(BuildOptions::default());
    for (number, mail) in docs {
        let prepared = Prepared::new(&mail.message(), &AtomicBool::new(false)).ok()?;
        builder.push(*number, &prepared).ok()?;
    }
    Segment::open(OwnedBytes::new(builder.finish().ok()?), Verify::Checksums).ok()
}
