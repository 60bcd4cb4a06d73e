//! The protocol scripts of `tests/imap`, each against a fresh account of one real server.
//!
//! `TRAWL_SCRIPT=name` runs the scripts whose names contain it.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use trawl_tests::script::pattern::{Messages, Pattern, Variables};
use trawl_tests::script::{Accounts, Script, run};
use trawl_tests::server::{PASSWORD, Server};

/// Scripts that run at the same time.
const THREADS: usize = 4;
/// There is at least one for each command family.
const SCRIPTS_MIN: usize = 20;

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("imap");
    let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "imap"));
    paths.sort();
    paths
}

#[test]
fn scripts_hold() {
    let all = scripts();
    assert!(all.len() >= SCRIPTS_MIN, "only {} scripts", all.len());
    let wanted = std::env::var("TRAWL_SCRIPT").unwrap_or_default();
    let chosen: Vec<&PathBuf> =
        all.iter().filter(|p| p.file_stem().unwrap().to_string_lossy().contains(&wanted)).collect();
    assert!(!chosen.is_empty(), "no script is named {wanted}");
    let server = Server::start();
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(path) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = path.file_stem().unwrap().to_string_lossy();
                    let accounts = Accounts {
                        user: name.to_string(),
                        other: format!("{name}-other"),
                        password: PASSWORD.to_owned(),
                    };
                    server.user(&accounts.user);
                    server.user(&accounts.other);
                    if let Err(e) = run(path, server.imap, &accounts) {
                        failures.lock().unwrap().push(e);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} scripts failed:\n{}",
        failures.len(),
        chosen.len(),
        failures.join("\n")
    );
}

#[test]
fn scripts_are_well_formed() {
    for path in scripts() {
        if let Err(e) = Script::read(&path) {
            panic!("{e}");
        }
    }
}

#[test]
fn patterns() {
    let messages: Messages = [("a.mbox".to_owned(), vec![b"x\r\n".to_vec()])].into();
    let known: Variables = [("uid".to_owned(), b"7".to_vec())].into();
    let cases: &[(&str, &[u8], bool)] = &[
        ("* 3 EXISTS", b"* 3 EXISTS", true),
        ("* 3 EXISTS", b"* 3 EXISTS ", false),
        ("* 3 EX...", b"* 3 EXISTS", true),
        ("... EXISTS", b"* 3 EXPUNGE", false),
        ("* $n EXISTS", b"* 12 EXISTS", true),
        ("UID $uid", b"UID 7", true),
        ("UID $uid", b"UID 8", false),
        ("UID $(uid+2)", b"UID 9", true),
        ("$x $x", b"a a", true),
        ("$x $x", b"a b", false),
        ("FLAGS ($Junk)", b"FLAGS ($Junk)", true),
        ("(FLAGS %(a|b))", b"(FLAGS (b a))", true),
        ("(FLAGS %(a|b))", b"(FLAGS (b))", false),
        ("(FLAGS %(a))", b"(FLAGS (a b))", false),
        ("%()", b"()", true),
        ("FETCH %(UID $u|FLAGS %(\\Seen|\\Draft)) x", b"FETCH (FLAGS (\\Draft \\Seen) UID 3) x", true),
        ("%(A {\"b|\"}|C)", b"(C A \"b|\")", true),
        ("{\"a\\r\\n\"})", b"{3}\r\na\r\n)", true),
        ("{\"a\"}", b"\"a\"", true),
        ("{\"a\"}", b"\"b\"", false),
        ("{\"a\"}", b"~{1}\r\na", false),
        ("~{\"a\"}", b"~{1}\r\na", true),
        ("{=a.mbox#1}", b"{3}\r\nx\r\n", true),
        ("{=a.mbox#2}", b"{3}\r\nx\r\n", false),
        ("{12}", b"{12}", true),
    ];
    for (pattern, line, want) in cases {
        let got = Pattern::parse(pattern).unwrap().matches(line, &known, &messages).is_some();
        assert_eq!(got, *want, "{pattern} on {}", line.escape_ascii());
    }
}
