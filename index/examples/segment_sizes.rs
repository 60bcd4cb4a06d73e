//! Builds one segment of the mail in files and folders and prints what its pieces cost:
//!
//!     cargo run --release -p trawl-index --example segment_sizes -- [options] FILE|FOLDER...
//!
//! Files that begin with `From ` are mbox, all others one message each. Options: `--max N` messages, `--no-joints`, `--edges
//! none|body|head`, `--bits B` (per gram, literals), `--term-bits B` (per gram, vocabulary), `--no-literals`, `--merge N` (split into
//! N segments first and merge them).
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a tool: it reads its own clock and may fail loudly"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use trawl_index::mime::header_end;
use trawl_index::prepare::{Area, Prepared};
use trawl_index::scan::Message;
use trawl_index::segment::{BuildOptions, Builder, Edges, OwnedBytes, Segment, Verify, merge};

fn main() {
    let mut options = BuildOptions::default();
    let (mut max, mut parts, mut paths) = (usize::MAX, 1, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the option wants a value");
        match &argument[..] {
            "--max" => max = value().parse().expect("--max wants a number"),
            "--merge" => parts = value().parse().expect("--merge wants a number"),
            "--head-bits" => {
                options.head_bits_per_gram = value().parse().expect("--head-bits wants a number")
            }
            "--bits" => options.bits_per_gram = value().parse().expect("--bits wants a number"),
            "--term-bits" => {
                options.vocabulary_bits_per_gram = value().parse().expect("--term-bits wants a number")
            }
            "--no-joints" => options.joints = false,
            "--no-literals" => options.literals = false,
            "--edges" => {
                options.edges = match &value()[..] {
                    "none" => Edges::None,
                    "body" => Edges::Body,
                    _ => Edges::BodyAndHead,
                }
            }
            _ => paths.push(argument),
        }
    }
    let mut messages = Vec::new();
    paths.iter().for_each(|path| collect(Path::new(path), max, &mut messages));
    let raw: usize = messages.iter().map(Vec::len).sum();
    let header: usize = messages.iter().map(|message| header_end(message)).sum();

    let clock = Instant::now();
    let stop = AtomicBool::new(false);
    let prepared: Vec<Prepared> = messages
        .iter()
        .map(|message| {
            let (header, body) = message.split_at(header_end(message));
            Prepared::new(&Message::new(header, body), &stop).unwrap_or_else(|_| Prepared::unvouched())
        })
        .collect();
    let prepare = clock.elapsed();
    let count = messages.len();
    drop(messages);

    let text: usize = prepared.iter().map(Prepared::text_bytes).sum();
    let unvouched = prepared.iter().filter(|prepared| !prepared.is_vouched()).count();
    println!(
        "{count} messages, {} raw ({} header), {} normalised text; {unvouched} left to the scan",
        mb(raw),
        mb(header),
        mb(text)
    );
    for area in Area::ALL {
        let bytes: usize =
            prepared.iter().flat_map(|prepared| prepared.area(area)).map(|(_, text)| text.len()).sum();
        println!("  {area:?} {}", mb(bytes));
    }
    println!("prepare: {}", rate(count, raw, prepare));

    let clock = Instant::now();
    let mut push = Duration::ZERO;
    let mut memory = 0;
    let mut files = Vec::new();
    let mut used = 0;
    for part in prepared.chunks(count.div_ceil(parts).max(1)) {
        let clock = Instant::now();
        let mut builder = Builder::new(options);
        for prepared in part {
            if builder.is_full() {
                println!("full after {used} messages; the rest is left out");
                break;
            }
            builder.push(used as u32, prepared).expect("numbers rise");
            used += 1;
        }
        push += clock.elapsed();
        memory = memory.max(builder.memory());
        files.push(builder.finish().expect("it can be built"));
    }
    let build = clock.elapsed();
    let raw = if used == count { raw } else { raw * used / count };
    println!(
        "build:   {} (of it collecting {push:.2?}); builder's memory {}",
        rate(used, raw, build),
        mb(memory)
    );
    let segments: Vec<Segment> = files
        .into_iter()
        .map(|file| Segment::open(OwnedBytes::new(file), Verify::Checksums).expect("what was built opens"))
        .collect();
    let segment = if segments.len() == 1 {
        segments.into_iter().next().expect("there is one")
    } else {
        let clock = Instant::now();
        let file = merge(&segments.iter().collect::<Vec<_>>(), &|_| true, options, &|| false)
            .expect("it can be merged");
        println!("merge:   {}", rate(used, raw, clock.elapsed()));
        Segment::open(OwnedBytes::new(file), Verify::Checksums).expect("what was merged opens")
    };
    let clock = Instant::now();
    let mut octets = 0;
    for doc in 0..segment.docs() {
        for area in Area::ALL {
            segment.decode(doc, area, &mut |_, text| octets += text.len()).expect("it decodes");
        }
    }
    println!("decode:  {} ({} of text)", rate(used, raw, clock.elapsed()), mb(octets));
    println!(
        "vocabulary: {} entries, {} names",
        segment.vocabulary().len(),
        segment.vocabulary().names().len()
    );
    let mut groups: BTreeMap<&str, u64> = BTreeMap::new();
    let sizes = segment.sizes();
    for (name, bytes) in &sizes {
        println!("  {name:<22} {:>12} {:6.2} % of raw", bytes, percent(*bytes, raw));
        let group = ["Codes", "Literals", "Signature", "Tantivy", "Offsets"]
            .into_iter()
            .find(|part| name.contains(part));
        *groups.entry(group.unwrap_or("tables")).or_default() += bytes;
    }
    for (group, bytes) in groups {
        println!("{group:<24} {bytes:>12} {:6.2} % of raw", percent(bytes, raw));
    }
    let total: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    println!(
        "{:<24} {total:>12} {:6.2} % of raw, {:.2} % of text",
        "all",
        percent(total, raw),
        percent(total, text)
    );
}

fn collect(path: &Path, max: usize, out: &mut Vec<Vec<u8>>) {
    if path.is_dir() {
        let mut inside: Vec<_> = std::fs::read_dir(path)
            .expect("the folder is readable")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        inside.sort();
        inside.iter().for_each(|path| collect(path, max, out));
        return;
    }
    let bytes = std::fs::read(path).expect("the file is readable");
    if !bytes.starts_with(b"From ") {
        if out.len() < max {
            out.push(bytes);
        }
        return;
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(memchr::memmem::find_iter(&bytes, b"\nFrom ").map(|at| at + 1))
        .chain([bytes.len()])
        .collect();
    for range in starts.windows(2) {
        let message = &bytes[range[0]..range[1]];
        let line = message.iter().position(|&b| b == b'\n').map_or(message.len(), |at| at + 1);
        if out.len() < max {
            out.push(message[line..].to_vec());
        }
    }
}

fn mb(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn percent(bytes: u64, of: usize) -> f64 {
    bytes as f64 * 100.0 / of.max(1) as f64
}

fn rate(count: usize, raw: usize, time: Duration) -> String {
    let seconds = time.as_secs_f64().max(1e-9);
    format!(
        "{:.0} messages/s, {:.1} MB of raw mail/s, {time:.2?}",
        count as f64 / seconds,
        raw as f64 / 1e6 / seconds
    )
}
