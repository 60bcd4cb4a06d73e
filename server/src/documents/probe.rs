//! For tests, in builds with debug assertions only: a worker tries what it must not be able to do, or does what a broken one would.

use std::hint::black_box;
use std::io::Write;

use trawl_index::document::Text;

use super::Reason;
use super::frame::FIRST_PROBE;

/// What is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Probe {
    /// Answers what worked of opening files and sockets, starting threads and processes.
    Escape = FIRST_PROBE,
    /// Takes twice as much memory as the content says, as a number.
    Allocate,
    /// Never ends.
    Spin,
    /// Waits for ever.
    Wait,
    /// Writes what is no answer.
    Junk,
    /// Writes that there is more text than was asked for.
    TooMuch,
    /// Writes an answer that is not UTF-8.
    NotText,
    /// Calls itself for ever.
    Recurse,
    Panic,
    Abort,
    /// Ends as if all were well.
    Exit,
}

const ALL: [Probe; 11] = [
    Probe::Escape,
    Probe::Allocate,
    Probe::Spin,
    Probe::Wait,
    Probe::Junk,
    Probe::TooMuch,
    Probe::NotText,
    Probe::Recurse,
    Probe::Panic,
    Probe::Abort,
    Probe::Exit,
];

pub fn run(number: u8, content: &[u8]) -> Result<Text, Reason> {
    let probe = ALL.into_iter().find(|probe| *probe as u8 == number).ok_or(Reason::Unsupported)?;
    let text = match probe {
        Probe::Escape => escape(),
        Probe::Allocate => allocate(content),
        Probe::Spin => loop {
            black_box(0);
        },
        Probe::Wait => loop {
            std::thread::park();
        },
        Probe::Junk => write(b"nothing that anybody could understand as an answer"),
        Probe::TooMuch => write(b"TA\x01\x00\x00\x00\x00\x00\xff\xff\xff\xff"),
        Probe::NotText => write(b"TA\x01\x00\x00\x00\x00\x00\x02\x00\x00\x00\xff\xfe"),
        Probe::Recurse => recurse(0).to_string(),
        Probe::Panic => {
            return crate::runtime::panics::guarded(|| panic!("as asked")).map_err(|_| Reason::Damaged);
        }
        Probe::Abort => std::process::abort(),
        Probe::Exit => std::process::exit(0),
    };
    Ok(Text { text, cut: false })
}

fn escape() -> String {
    let mut worked = Vec::new();
    let mut attempt = |what: &'static str, result: bool| {
        if result {
            worked.push(what);
        }
    };
    attempt("read a file", std::fs::read("/etc/passwd").is_ok());
    attempt("read its own memory map", std::fs::read("/proc/self/maps").is_ok());
    attempt("write a file", std::fs::write("/tmp/trawl-document-worker-escaped", b"x").is_ok());
    attempt("list a folder", std::fs::read_dir("/").is_ok());
    attempt("listen", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
    attempt("make a UDP socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    attempt("make a Unix socket", std::os::unix::net::UnixDatagram::unbound().is_ok());
    attempt("make a pipe", std::io::pipe().is_ok());
    attempt("start a thread", std::thread::Builder::new().spawn(|| ()).is_ok());
    attempt("start a process", std::process::Command::new("/bin/true").status().is_ok());
    worked.join(", ")
}

fn allocate(content: &[u8]) -> String {
    let bytes: usize = std::str::from_utf8(content).ok().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let mut all = Vec::new();
    for _ in 0..(2 * bytes) >> 20 {
        all.push(vec![1u8; 1 << 20]);
        black_box(&all);
    }
    "all of it".into()
}

fn write(octets: &[u8]) -> String {
    let _ = std::io::stdout().write_all(octets).and_then(|()| std::io::stdout().flush());
    String::new()
}

#[allow(unconditional_recursion, reason = "what it is for")]
fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    recurse(here[63] + 1) + here[0]
}
