//! Workers that read documents, in the real program: what they read, what they cannot do, and what becomes of those that break down.
#![cfg(debug_assertions)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trawl_index::document::Kind;
use trawl_server::documents::{Bounds, Document, Extractor, Outcome, Probe, Program, Reason, Worker};

const BOUNDS: Bounds =
    Bounds { time: Duration::from_secs(60), memory: 128 << 20, text: 1 << 20, size: 32 << 20 };

fn worker(bounds: Bounds) -> Worker {
    Worker::new(Program::at(env!("CARGO_BIN_EXE_trawl")), bounds, Arc::new(AtomicBool::new(false)))
}

fn text(text: &str) -> Outcome {
    Outcome::Text { text: text.into(), cut: false }
}

fn plain(content: &[u8]) -> Document<'_> {
    Document { kind: Kind::Plain, media_type: "", charset: None, content }
}

/// That the worker reads what comes next.
fn reads(worker: &mut Worker) {
    assert_eq!(worker.extract(&plain(b"as before")), text("as before"));
}

#[test]
fn documents_are_read() {
    let mut worker = worker(BOUNDS);
    assert_eq!(worker.process(), None);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../index/tests/documents");
    let mut read = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(kind) = Kind::of("", Some(&name)) else { continue };
        let content = std::fs::read(folder.join(&name)).unwrap();
        let expected = std::fs::read_to_string(folder.join(format!("{name}.expected"))).unwrap();
        let outcome = worker.extract(&Document { kind, media_type: "", charset: None, content: &content });
        match outcome {
            Outcome::Text { text, cut: false } => assert_eq!(text, expected.trim_end_matches('\n'), "{name}"),
            other => {
                assert_eq!((name.as_str(), other), ("locked.pdf", Outcome::Failed(Reason::Encrypted)));
            }
        }
        read += 1;
    }
    assert!(read > 10);
    let process = worker.process().unwrap();
    let koi8 =
        Document { kind: Kind::Plain, media_type: "", charset: Some("koi8-r"), content: b"\xcd\xc9\xd2" };
    assert_eq!(worker.extract(&koi8), text("мир"));
    assert_eq!(worker.process(), Some(process), "one process reads many documents");
    worker.turn_to_another_account();
    reads(&mut worker);
    assert_ne!(worker.process(), Some(process), "but those of one account only");
    let process = worker.process();
    drop(worker.extract(&koi8));
    assert_eq!(worker.process(), process);
}

#[test]
fn sizes_are_bounded_on_both_ways() {
    let mut worker = worker(Bounds { text: 5, size: 10, ..BOUNDS });
    assert_eq!(worker.extract(&plain(b"123456")), Outcome::Text { text: "12345".into(), cut: true });
    assert_eq!(worker.extract(&plain(b"12345678901")), Outcome::Failed(Reason::TooLarge));
    let other = Document { kind: Kind::Other, ..plain(b"x") };
    assert_eq!(worker.extract(&other), Outcome::Failed(Reason::Unsupported));
    // More than a pipe holds.
    let mut worker = self::worker(BOUNDS);
    let large = "0123456789abcde\n".repeat(40_000);
    assert_eq!(worker.extract(&plain(large.as_bytes())), text(&large));
}

#[test]
fn a_worker_can_do_nothing_but_read_and_answer() {
    let mut worker = worker(BOUNDS);
    assert_eq!(worker.probe(Probe::Escape, b""), text(""));
    let process = worker.process().unwrap();
    let about = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    let status = about("status");
    let value = |name: &str| {
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}"));
        line.trim().to_owned()
    };
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Threads:"), "1");
    assert_eq!(value("Seccomp:"), "2", "a kernel without seccomp runs these tests");
    assert_eq!(value("CapEff:"), "0000000000000000");
    let uids: Vec<String> = value("Uid:").split_whitespace().map(str::to_owned).collect();
    assert!(uids.iter().all(|uid| uid != "0"), "{uids:?}");
    let limits = about("limits");
    for (name, value) in [
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "3"),
        ("Max processes", "0"),
        ("Max stack size", "16777216"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
        let columns: Vec<&str> = line[name.len()..].split_whitespace().collect();
        assert_eq!(columns[..2], [value, value], "{line}");
    }
    reads(&mut worker);
}

#[test]
fn memory_is_bounded() {
    let mut worker = worker(BOUNDS);
    let bytes = BOUNDS.memory.to_string();
    assert_eq!(worker.probe(Probe::Allocate, bytes.as_bytes()), Outcome::Failed(Reason::OutOfMemory));
    reads(&mut worker);
    // After another document, a process without a past decides.
    assert_eq!(worker.probe(Probe::Allocate, bytes.as_bytes()), Outcome::Failed(Reason::OutOfMemory));
    let mut worker = self::worker(Bounds { memory: 512 << 20, ..BOUNDS });
    assert_eq!(worker.probe(Probe::Allocate, bytes.as_bytes()), text("all of it"));
}

#[test]
fn time_is_bounded() {
    let mut worker = worker(Bounds { time: Duration::from_secs(1), ..BOUNDS });
    assert_eq!(worker.probe(Probe::Spin, b""), Outcome::Failed(Reason::TimedOut));
    let mut worker = self::worker(Bounds { time: Duration::from_millis(200), ..BOUNDS });
    assert_eq!(worker.probe(Probe::Wait, b""), Outcome::Failed(Reason::TimedOut));
    assert_eq!(worker.process(), None);
}

#[test]
fn who_breaks_down_or_talks_nonsense_is_replaced() {
    let mut worker = worker(BOUNDS);
    for (probe, reason) in [
        (Probe::Junk, Reason::Crashed),
        (Probe::TooMuch, Reason::Crashed),
        (Probe::NotText, Reason::Crashed),
        (Probe::Recurse, Reason::Crashed),
        (Probe::Abort, Reason::Crashed),
        (Probe::Exit, Reason::Crashed),
    ] {
        assert_eq!(worker.probe(probe, b""), Outcome::Failed(reason), "{probe:?}");
        assert_eq!(worker.process(), None, "{probe:?}");
        reads(&mut worker);
    }
    let process = worker.process();
    assert_eq!(worker.probe(Probe::Panic, b""), Outcome::Failed(Reason::Damaged));
    assert_eq!(worker.process(), process, "a panic is caught");
    reads(&mut worker);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the worker belongs to a thread of its own")]
fn who_is_killed_is_replaced() {
    let kill = |process: u32| {
        assert!(
            std::process::Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success()
        );
    };
    let mut worker = self::worker(BOUNDS);
    reads(&mut worker);
    kill(worker.process().unwrap());
    reads(&mut worker);
    // In the middle of a document: the first time another one tries, the second time it is the document's fault.
    let bounds = Bounds { memory: BOUNDS.memory + 77, ..BOUNDS };
    let thread = std::thread::spawn(move || self::worker(bounds).probe(Probe::Spin, b""));
    let mut killed = Vec::new();
    while killed.len() < 2 {
        assert!(!thread.is_finished());
        if let Some(process) = busy(&bounds.memory.to_string()).filter(|process| !killed.contains(process)) {
            kill(process);
            killed.push(process);
        }
    }
    assert_eq!(thread.join().unwrap(), Outcome::Failed(Reason::Crashed));
}

/// A process with this argument that has used a tenth of a second of processor time.
fn busy(argument: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten();
    let mut processes = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    processes.find(|process| {
        let about =
            |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        let ticks = |stat: &str| stat.rsplit_once(") ")?.1.split(' ').nth(11)?.parse::<u64>().ok();
        about("cmdline").split('\0').any(|word| word == argument) && ticks(&about("stat")) >= Some(10)
    })
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the worker belongs to a thread of its own")]
fn a_worker_dies_with_who_started_it() {
    let started = std::thread::spawn(|| {
        let mut worker = self::worker(BOUNDS);
        reads(&mut worker);
        let process = worker.process().unwrap();
        // Nobody ends it, and its pipes stay open.
        std::mem::forget(worker);
        process
    });
    let process = started.join().unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    while !state().contains(") Z ") {
        assert!(!state().is_empty());
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server's stop comes from another thread")]
fn a_server_that_stops_does_not_wait() {
    let stop = Arc::new(AtomicBool::new(false));
    let mut worker = Worker::new(Program::at(env!("CARGO_BIN_EXE_trawl")), BOUNDS, Arc::clone(&stop));
    reads(&mut worker);
    let raise = std::thread::spawn(move || stop.store(true, Ordering::Relaxed));
    assert_eq!(worker.probe(Probe::Wait, b""), Outcome::Failed(Reason::Unavailable));
    raise.join().unwrap();
}

#[test]
fn nobody_to_start_is_no_fault_of_the_document() {
    for program in ["/nonexistent/trawl", "/bin/true", "/bin/cat"] {
        let mut worker = Worker::new(Program::at(program), BOUNDS, Arc::new(AtomicBool::new(false)));
        assert_eq!(worker.extract(&plain(b"x")), Outcome::Failed(Reason::Unavailable), "{program}");
    }
}

#[test]
fn a_worker_ends_when_nobody_asks_any_more() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_trawl"))
        .args(["document-worker", "--memory", "100000000", "--seconds", "5", "--documents", "5"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
}
