//! Feeds an account's index with the mail in files and folders and prints what that costs:
//!
//!     cargo run --release -p trawl-index --example feed_cost -- [--at-once N] [--folder F] FILE|FOLDER...
//!
//! Messages come `--at-once` together (1: single deliveries), and whatever the policy says is done after each. Reading them from
//! a log is not part of it. Processor time, so that other work on the machine does not count.
#![allow(clippy::expect_used, reason = "a tool: it may fail loudly")]

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use memchr::memmem;
use roaring::RoaringBitmap;
use trawl_index::account::work::{Batch, Content, Source, Wanted, Work};
use trawl_index::account::{AccountIndex, Fingerprint, Identity, Known};
use trawl_index::mime::header_end;
use trawl_store::log::Address;

/// Seconds of processor time that this process, which has one thread, has used.
fn now() -> f64 {
    let stat = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let used = stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    used.expect("Linux says what a thread has used") / 1e9
}

/// The messages of mbox files and of folders with a message per file.
fn read(path: &Path, mail: &mut Vec<Vec<u8>>) -> io::Result<()> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| read(entry, mail));
    }
    let bytes = fs::read(path)?;
    if !bytes.starts_with(b"From ") {
        mail.push(bytes);
        return Ok(());
    }
    let mut start = 0;
    for end in memmem::find_iter(&bytes, b"\nFrom ").map(|at| at + 1).chain([bytes.len()]) {
        let message = &bytes[start..end];
        let line = memchr::memchr(b'\n', message).map_or(message.len(), |at| at + 1);
        mail.push(message[line..].to_vec());
        start = end;
    }
    Ok(())
}

struct Log {
    mail: Vec<Vec<u8>>,
    next: u32,
}

impl Log {
    fn fingerprint(&self, message: u32) -> Fingerprint {
        Fingerprint { size: self.mail[message as usize].len() as u32, internal: 0 }
    }
}

impl Source for Log {
    fn known(&mut self, witness: Option<u32>) -> io::Result<Known> {
        let witness = witness.map(|message| self.fingerprint(message));
        Ok(Known { lsn: 1, next: self.next, witness })
    }
    fn batch(&mut self, from: u32, messages_max: usize) -> io::Result<Batch> {
        let upto = self.next.min(from + messages_max as u32);
        let address = Address { segment: 0, offset: 0 };
        let wanted = (from..upto)
            .map(|message| Wanted {
                message,
                address,
                documents: None,
                fingerprint: self.fingerprint(message),
            })
            .collect();
        Ok(Batch { wanted, upto, lsn: 1 })
    }
    fn read(&mut self, wanted: &[Wanted]) -> Vec<Result<Content, String>> {
        let content = |wanted: &Wanted| {
            let message = &self.mail[wanted.message as usize];
            let (header, body) = message.split_at(header_end(message));
            Ok(Content { header: header.to_vec(), body: body.to_vec(), ..Content::default() })
        };
        wanted.iter().map(content).collect()
    }
    fn live(&mut self) -> Option<RoaringBitmap> {
        None
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut at_once, mut folder, mut inputs) = (1, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &argument[..] {
            "--at-once" => at_once = arguments.next().unwrap_or_default().parse()?,
            "--folder" => folder = arguments.next().map(PathBuf::from),
            _ => inputs.push(PathBuf::from(argument)),
        }
    }
    let mut mail = Vec::new();
    inputs.iter().try_for_each(|input| read(input, &mut mail))?;
    let count = mail.len() as u32;
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join(format!("feed-{}", std::process::id())));
    let identity = Identity { store: [0; 16], epoch: 0, shard: 0, account: 0, documented: false };
    let mut log = Log { mail, next: 0 };
    let (index, _) = AccountIndex::open(&folder, &identity, "one", &mut log)?;
    let stop = AtomicBool::new(false);
    let (mut tail_bytes, mut most) = (0u64, 0);
    // For builds and merges: steps, messages, bytes, seconds, longest step.
    let mut sums = [(0u32, 0u64, 0u64, 0f64, 0f64); 2];
    let (mut aside, mut raw) = (0, 0u64);
    while log.next < count {
        let more = (log.next..count.min(log.next + at_once))
            .map(|n| u64::from(log.fingerprint(n).size))
            .sum::<u64>();
        log.next = count.min(log.next + at_once);
        (tail_bytes, raw) = (tail_bytes + more, raw + more);
        while let Some(work) = index.needs(log.next, tail_bytes, false) {
            let sum = &mut sums[usize::from(work != Work::Build)];
            let start = now();
            let done = index.work(work, &mut log, &stop)?;
            let took = now() - start;
            *sum =
                (sum.0 + 1, sum.1 + u64::from(done.docs), sum.2 + done.bytes, sum.3 + took, sum.4.max(took));
            aside += done.set_aside.len() + done.unvouched as usize;
            tail_bytes =
                (index.snapshot().next()..log.next).map(|n| u64::from(log.fingerprint(n).size)).sum();
            most = most.max(index.figures().segments);
        }
    }
    let figures = index.figures();
    println!(
        "{count} messages, {raw} octets: {} in {} segments (at most {most}), {} octets of text, {} on disk, {aside} left to the scan",
        figures.docs, figures.segments, figures.text, figures.disk
    );
    for (what, (steps, messages, bytes, seconds, longest)) in ["builds", "merges"].into_iter().zip(sums) {
        println!(
            "{what}: {steps} of {messages} messages, {bytes} octets written, {:.1} s, {:.3} ms a message of all, longest {longest:.2} s",
            seconds,
            seconds * 1e3 / f64::from(count)
        );
    }
    drop(index);
    fs::remove_dir_all(&folder)?;
    Ok(())
}
