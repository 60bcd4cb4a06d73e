//! What a mailbox's words are made of: the figures behind the split into vocabulary and literals (`index/DESIGN.md`).
//!
//! Usage: `vocabulary NAME=PATH[,PATH...] ... [--at 5000,20000,50000]`, each PATH an mbox file or a folder of .eml files. Prints one row of
//! a Markdown table for each corpus and count. Every header field of every level counts, as SEARCH TEXT sees them; the
//! canonical addresses of From, To, Cc and Bcc count apart.
//!
//! Not here: times and sizes of the index itself, which `search_bench` measures.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use trawl_index::mime::header_end;
use trawl_index::prepare::{Kind, Prepared};
use trawl_index::scan::Message;
use trawl_index::tokens::{Class, tokens};

/// The normalised texts of one message with their areas, and how many header fields it has.
struct Read {
    texts: Prepared,
    fields: usize,
}

fn prepare(message: &[u8]) -> Read {
    let (header, body) = message.split_at(header_end(message));
    let stop = AtomicBool::new(false);
    let texts = Prepared::new(&Message::new(header, body), &stop).unwrap_or_else(|_| Prepared::unvouched());
    Read { texts, fields: trawl_index::mime::header::fields(header).count() }
}

/// Body, header, addresses: three areas, as in the index.
fn area(kind: &Kind<'_>) -> usize {
    kind.area() as usize
}

/// A term of the corpus: in how many messages, in which areas (bits).
#[derive(Default)]
struct Term {
    messages: u32,
    last: u32,
    areas: u8,
}

#[derive(Default)]
struct Totals {
    raw: u64,
    text: [u64; 3],
    tokens: [u64; 3],
    fields: Vec<usize>,
    terms: HashMap<u64, Term>,
    /// Terms first seen, by the area of their first occurrence.
    fresh: [u64; 3],
}

impl Totals {
    fn add(&mut self, number: u32, message: &[u8], hasher: &RandomState) {
        let prepared = prepare(message);
        self.raw += message.len() as u64;
        self.fields.push(prepared.fields);
        for (kind, text) in prepared.texts.texts() {
            let area = area(&kind);
            self.text[area] += text.len() as u64;
            for (class, token) in tokens(text) {
                // A single space between two words is implied and costs nothing.
                if token == " " {
                    continue;
                }
                self.tokens[area] += 1;
                if class == Class::Single || token.len() < 3 {
                    continue;
                }
                let term = self.terms.entry(hasher.hash_one(token)).or_default();
                if term.messages == 0 {
                    self.fresh[area] += 1;
                }
                if term.messages == 0 || term.last != number {
                    term.messages += 1;
                    term.last = number;
                }
                term.areas |= 1 << area;
            }
        }
    }
}

/// What would be literals: per message, the terms that no other message has.
#[derive(Default)]
struct Literals {
    bytes: [u64; 3],
    grams: [u64; 3],
}

fn literals(messages: &[Vec<u8>], terms: &HashMap<u64, Term>, hasher: &RandomState) -> Literals {
    let mut out = Literals::default();
    for message in messages {
        // Canonical addresses share the signature of the header.
        let mut grams: [HashSet<[u8; 3]>; 2] = Default::default();
        for (kind, text) in prepare(message).texts.texts() {
            let area = area(&kind);
            for (class, token) in tokens(text) {
                if class == Class::Single || token.len() < 3 {
                    continue;
                }
                if terms.get(&hasher.hash_one(token)).is_some_and(|t| t.messages == 1) {
                    out.bytes[area] += token.len() as u64 + 1;
                    grams[area.min(1)]
                        .extend(token.as_bytes().windows(3).map(|w| [w[0] & 63, w[1] & 63, w[2] & 63]));
                }
            }
        }
        for (sum, grams) in out.grams.iter_mut().zip(&grams) {
            *sum += grams.len() as u64;
        }
    }
    out
}

fn report(name: &str, messages: &[Vec<u8>], hasher: &RandomState, totals: &mut Totals) {
    let count = messages.len() as u64;
    let per = |sum: u64| sum as f64 / count as f64;
    totals.fields.sort_unstable();
    let found = literals(messages, &totals.terms, hasher);
    let once = |area: usize| {
        let of = totals.terms.values().filter(|t| t.areas & 1 << area != 0);
        let (all, once) = of.fold((0u64, 0u64), |(a, o), t| (a + 1, o + u64::from(t.messages == 1)));
        100.0 * once as f64 / all.max(1) as f64
    };
    let vocabulary = totals.terms.values().filter(|t| t.messages > 1).count();
    println!(
        "| {name} | {count} | {:.1} | {:.1} / {:.1} / {:.2} | {} / {} | {:.0} / {:.0} | {:.1} / {:.1} | {:.0} / {:.0} | {:.0} / {:.0} / {:.0} | {:.0} / {:.0} | {} k |",
        per(totals.raw) / 1e3,
        per(totals.text[0]) / 1e3,
        per(totals.text[1]) / 1e3,
        per(totals.text[2]) / 1e3,
        totals.fields[totals.fields.len() / 2],
        totals.fields[totals.fields.len() * 9 / 10],
        per(totals.tokens[0]),
        per(totals.tokens[1] + totals.tokens[2]),
        per(totals.fresh[0]),
        per(totals.fresh[1] + totals.fresh[2]),
        once(0),
        once(1),
        per(found.bytes[0]),
        per(found.bytes[1]),
        per(found.bytes[2]),
        per(found.grams[0]),
        per(found.grams[1]),
        vocabulary / 1000,
    );
}

fn crlf(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len() + source.len() / 32);
    for (at, &byte) in source.iter().enumerate() {
        if byte == b'\n' && (at == 0 || source[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// Splits at lines that begin with `From `, which mboxrd quotes elsewhere.
fn mbox(source: &[u8], limit: usize, out: &mut Vec<Vec<u8>>) {
    let mut starts: Vec<usize> = memchr::memmem::find_iter(source, b"\nFrom ").map(|at| at + 1).collect();
    if source.starts_with(b"From ") {
        starts.insert(0, 0);
    }
    starts.push(source.len());
    for pair in starts.windows(2) {
        if out.len() >= limit {
            return;
        }
        let message = &source[pair[0]..pair[1]];
        let body = memchr::memchr(b'\n', message).map_or(message.len(), |at| at + 1);
        out.push(crlf(&message[body..]));
    }
}

fn read(path: &Path, limit: usize, out: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    if path.is_file() {
        let source = std::fs::read(path)?;
        if path.extension().is_some_and(|e| e == "eml") {
            out.push(crlf(&source));
        } else if path.extension().is_some_and(|e| e == "mbox") {
            mbox(&source, limit, out);
        }
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)?.map(|e| Ok(e?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if out.len() < limit {
            read(&entry, limit, out)?;
        }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let mut corpora = Vec::new();
    let mut at = vec![5_000, 20_000, 50_000];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--at" {
            at = arguments.next().unwrap_or_default().split(',').filter_map(|n| n.parse().ok()).collect();
        } else if let Some((name, paths)) = argument.split_once('=') {
            corpora.push((name.to_owned(), paths.split(',').map(str::to_owned).collect::<Vec<_>>()));
        }
    }
    let limit = at.iter().copied().max().unwrap_or(0);
    println!(
        "| corpus | messages | raw KB | text KB: body / head / addr | fields p50 / p90 | tokens: body / header | new terms: body / header | % of terms once: body / header | literal bytes: body / head / addr | literal 3-grams: body / header | vocabulary |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let hasher = RandomState::new();
    for (name, paths) in corpora {
        let mut messages = Vec::new();
        for path in &paths {
            read(Path::new(path), limit, &mut messages)?;
        }
        let mut totals = Totals::default();
        for (n, message) in messages.iter().enumerate() {
            totals.add(n as u32, message, &hasher);
            if at.contains(&(n + 1)) || n + 1 == messages.len() {
                report(&name, &messages[..=n], &hasher, &mut totals);
            }
        }
    }
    Ok(())
}
