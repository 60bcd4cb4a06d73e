//! Builds segments from mail and measures searches in them; compares answers with the scan on demand.
//!
//! An offline tool: it reads files and the clock, one thread, everything warm. Needles are drawn from the texts with a seed, so
//! that a figure can be repeated.
//!
//! ```text
//! cargo run --release -p trawl-index --example search_bench -- [OPTIONS] MBOX-OR-FOLDER...
//!   --segments DIR  keep segments there and reuse them
//!   --build WORDS   what segments are made of: no-joints,no-edges,head-edges,no-literals,bits=4,head-bits=4,term-bits=4
//!   --copies N      take the input N times (other numbers, same texts)
//!   --queries N     per class [200]
//!   --check N       compare the first N of each class with the scan
//!   --seed N        of the needles [1]
//!   --only TEXT     classes whose name contains one of these, separated by commas
//!   --needle TEXT   only this one, in bodies and in TEXT, as often as there are queries
//!   --field NAME    in this header field as well
//!   --slow N        show the slowest N of each class, with what they did
//! ```

mod input;
mod needles;

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use trawl_index::bits::Bits;
use trawl_index::query::Node;
use trawl_index::scan::Compiled;
use trawl_index::search::{Cx, Query, Trace};
use trawl_index::segment::{BuildOptions, Edges, Segment};

use input::Mail;

struct Options {
    inputs: Vec<PathBuf>,
    segments: Option<PathBuf>,
    build: BuildOptions,
    copies: usize,
    queries: usize,
    check: usize,
    seed: u64,
    only: String,
    needle: Option<String>,
    field: Option<String>,
    slow: usize,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        inputs: Vec::new(),
        segments: None,
        build: BuildOptions::default(),
        copies: 1,
        queries: 200,
        check: 0,
        seed: 1,
        only: String::new(),
        needle: None,
        field: None,
        slow: 0,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--segments" => options.segments = Some(value()?.into()),
            "--build" => options.build = build_options(&value()?)?,
            "--copies" => options.copies = value()?.parse()?,
            "--queries" => options.queries = value()?.parse()?,
            "--check" => options.check = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--only" => options.only = value()?,
            "--field" => options.field = Some(value()?),
            "--needle" => options.needle = Some(value()?),
            "--slow" => options.slow = value()?.parse()?,
            _ => options.inputs.push(argument.into()),
        }
    }
    Ok(options)
}

fn build_options(words: &str) -> Result<BuildOptions, Box<dyn Error>> {
    let mut options = BuildOptions::default();
    for word in words.split(',').filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some(("bits", n)) => options.bits_per_gram = n.parse()?,
            Some(("head-bits", n)) => options.head_bits_per_gram = n.parse()?,
            Some(("term-bits", n)) => options.vocabulary_bits_per_gram = n.parse()?,
            None if word == "no-joints" => options.joints = false,
            None if word == "no-edges" => options.edges = Edges::None,
            None if word == "head-edges" => options.edges = Edges::BodyAndHead,
            None if word == "no-literals" => options.literals = false,
            _ => return Err(format!("{word} is no part of a segment").into()),
        }
    }
    Ok(options)
}

#[allow(clippy::disallowed_methods)] // a measurement needs the real clock
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    let mail = Mail::read(&options.inputs)?;
    let segments = input::segments(&mail, options.copies, options.build, options.segments.as_deref())?;
    report_sizes(&segments);
    println!("{:34} {:>5} {:>9} {:>9} {:>9} {:>9}  hits p50/max", "ms", "n", "p50", "p90", "p99", "max");
    let mut wrong = 0;
    let classes = match &options.needle {
        Some(needle) => needles::only(needle, options.field.as_deref(), options.queries),
        None => needles::classes(&segments, options.queries, options.seed),
    };
    for class in classes {
        if !options.only.split(',').any(|part| class.name.contains(part)) {
            continue;
        }
        measure(&class, &segments, options.slow)?;
        for node in class.nodes.iter().take(options.check) {
            wrong += differences(node, &segments, &mail)?;
        }
    }
    if options.check > 0 {
        println!("differences from the scan: {wrong}");
    }
    if wrong > 0 { Err("the index is wrong".into()) } else { Ok(()) }
}

fn report_sizes(segments: &[Segment]) {
    let docs: u32 = segments.iter().map(Segment::docs).sum();
    let unvouched: u32 = segments.iter().map(|segment| segment.unvouched().count()).sum();
    println!("{docs} messages in {} segments, {unvouched} left to the scan", segments.len());
    let mut pieces: Vec<(String, u64)> = Vec::new();
    for (name, size) in segments.iter().flat_map(Segment::sizes) {
        match pieces.iter_mut().find(|piece| piece.0 == name) {
            Some(piece) => piece.1 += size,
            None => pieces.push((name, size)),
        }
    }
    let total: u64 = pieces.iter().map(|piece| piece.1).sum();
    let shown: Vec<String> =
        pieces.iter().map(|(name, size)| format!("{name} {:.1}", *size as f64 / 1e6)).collect();
    println!("{:.1} MB: {}", total as f64 / 1e6, shown.join(", "));
}

fn run(
    query: &Query,
    segments: &[Segment],
    trace: Option<&Trace<'_>>,
) -> Result<(Duration, u32), Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let masks: Vec<Bits> = segments.iter().map(|segment| Bits::full(segment.docs())).collect();
    let start = now();
    let mut hits = 0;
    for (segment, mask) in segments.iter().zip(&masks) {
        hits += query.run(segment, mask, &Cx { stop: &stop, trace })?.count();
    }
    Ok((start.elapsed(), hits))
}

fn measure(class: &needles::Class, segments: &[Segment], slow: usize) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for (n, node) in class.nodes.iter().enumerate() {
        // Compiling belongs to the answer. The first run is for the caches, the least of the others counts: what
        // else the machine does is not the needle's fault.
        let mut best = (Duration::MAX, 0, n);
        for warm in [false, true, true, true] {
            let start = now();
            let query = Query::new(node);
            let compile = start.elapsed();
            let (time, hits) = run(&query, segments, None)?;
            if warm {
                best = best.min((time + compile, hits, n));
            }
        }
        times.push(best);
    }
    times.sort();
    let mut hits: Vec<u32> = times.iter().map(|time| time.1).collect();
    hits.sort_unstable();
    let at = |share: usize| (times.len() * share / 1000).min(times.len().saturating_sub(1));
    let ms = |share| times.get(at(share)).map_or(0.0, |time| time.0.as_secs_f64() * 1e3);
    println!(
        "{:34} {:5} {:9.3} {:9.3} {:9.3} {:9.3}  {}/{}",
        class.name,
        times.len(),
        ms(500),
        ms(900),
        ms(990),
        ms(1000),
        hits.get(at(500)).copied().unwrap_or(0),
        hits.last().copied().unwrap_or(0),
    );
    for (time, _, n) in times.iter().rev().take(slow) {
        println!("    {time:?}: {:?}", class.nodes[*n]);
        let origin = now();
        let clock = || origin.elapsed().as_nanos() as u64;
        let trace = Trace::new(&clock);
        run(&Query::new(&class.nodes[*n]), segments, Some(&trace))?;
        for step in trace.take().iter().take(30) {
            println!("      {step}");
        }
    }
    Ok(())
}

/// Messages for which the index and the scan do not say the same.
fn differences(node: &Node, segments: &[Segment], mail: &Mail) -> Result<usize, Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let cx = Cx { stop: &stop, trace: None };
    let (query, scan) = (Query::new(node), Compiled::new(node));
    let mut wrong = 0;
    for segment in segments {
        let mut mask = Bits::full(segment.docs());
        mask.and_not(segment.unvouched());
        let found = query.run(segment, &mask, &cx)?;
        for doc in mask.iter() {
            let number = segment.message(doc).ok_or("a document without a message")?;
            let message = mail.message(number as usize);
            let expected = scan.matches(number, &message, &stop).map_err(|_| "stopped")?;
            if expected != found.contains(doc) {
                wrong += 1;
                if wrong <= 3 {
                    println!("  DIFFERENT: {node:?} message {number}: the scan says {expected}");
                }
            }
        }
    }
    Ok(wrong)
}
