//! Every scenario that Trawl supports, tiny, against the real `trawl` binary: all answers are right, all outputs are made.
//! No times are looked at.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use trawl_bench::SizeProfile;
use trawl_bench::mail;
use trawl_bench::plan::Plan;
use trawl_bench::process::disk::Layout;
use trawl_bench::report::{Report, html, table};
use trawl_bench::run::Run;
use trawl_bench::run::progress::Progress;
use trawl_bench::scenario;
use trawl_bench::server::{Commands, Description, Server};
use trawl_bench::size::Site;
use trawl_bench::size::profile::Profile;

/// Accounts; the scenarios use 0 for the loaded mail.
const ACCOUNTS: usize = 6;

/// A store with accounts, and the description of the server on it; stopped when dropped.
struct Trawl {
    folder: tempfile::TempDir,
    server: Server,
}

/// The binary beside this test's own (`target/<profile>/trawl`); build the workspace first.
fn binary() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let binary = me.parent().and_then(Path::parent).unwrap().join("trawl");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace` first", binary.display());
    binary
}

impl Trawl {
    fn new(imaps: bool) -> Trawl {
        let folder = tempfile::Builder::new().prefix("trawl-bench-").tempdir().unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (imap, tls) = (free(), free());
        let path = folder.path().display();
        let text = format!(
            "store = \"{path}/store\"\n[listen]\nimap = [\"127.0.0.1:{imap}\"]\nimaps = [\"127.0.0.1:{tls}\"]\n\
             [auth]\nargon2_memory = \"64 KiB\"\nargon2_passes = 1\nscram_iterations = 4096\n"
        );
        std::fs::write(folder.path().join("trawl.toml"), text).unwrap();
        let run = |words: &[&str], input: &str| {
            use std::io::Write;
            let mut child = Command::new(binary())
                .arg("--config")
                .arg(folder.path().join("trawl.toml"))
                .args(words)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "trawl {words:?}");
        };
        run(&["init"], "");
        for n in 0..ACCOUNTS {
            run(&["user", "add", &format!("u{n}"), "--password-stdin"], "secret\n");
        }
        let trawl = format!("'{}' --config trawl.toml", binary().display());
        let about = Description {
            name: "trawl".into(),
            imap: if imaps { format!("imaps://127.0.0.1:{tls}") } else { format!("imap://127.0.0.1:{imap}") },
            lmtp: None,
            user: "u{n}".into(),
            password: "secret".into(),
            recipient: "{n}".into(),
            accounts: ACCOUNTS,
            authorities: None,
            pid_file: Some("pid".into()),
            pid: None,
            cgroup: None,
            data: Some("store".into()),
            layout: Layout { index: vec!["index/".into()], mail: vec!["log/".into()], metadata: Vec::new() },
            commands: Commands {
                start: Some(format!("{trawl} serve >>out 2>&1 & echo $! >pid")),
                stop: Some(
                    "kill $(cat pid) && while kill -0 $(cat pid) 2>/dev/null; do sleep 0.05; done".into(),
                ),
                kill: None,
                index: Some(format!("{trawl} reindex --wait --keep")),
            },
            wrong_answers: Default::default(),
            settings: BTreeMap::from([("version".into(), "under test".into())]),
        };
        let server = Server::new(about, folder.path().to_owned()).unwrap();
        Trawl { folder, server }
    }
}

impl Drop for Trawl {
    fn drop(&mut self) {
        let _ = self.server.kill();
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default());
        }
    }
}

fn measured(trawl: &Trawl, scenarios: &str, plan: &Plan, out: &Path) -> Report {
    let progress = Progress::new(true);
    let run = Run {
        servers: vec![trawl.server.clone()],
        scenarios: scenario::chosen(&[scenarios.to_owned()]).unwrap(),
        mail: mail::generated(120, 5, SizeProfile::Typical).into(),
        plan,
        folder: Some(out),
        progress: &progress,
    };
    run.go().unwrap()
}

#[test]
fn every_scenario_is_right() {
    let (trawl, out) = (Trawl::new(false), tempfile::tempdir().unwrap());
    let plan = Plan { rounds: 2, fleet_accounts: 3, ..Plan::tiny() };
    let report = measured(&trawl, "all", &plan, out.path());
    let text = table::table(&report);
    assert!(report.is_right(), "{text}");
    for scenario in scenario::all() {
        let ran = report.rows.iter().any(|row| row.scenario == scenario.name());
        let unsupported = report.unsupported.iter().any(|missing| missing.scenario == scenario.name());
        assert!(ran != unsupported, "{} neither ran nor is unsupported\n{text}", scenario.name());
    }
    // What is lacking is what is not advertised, and nothing else.
    let capabilities = &report.servers[0].capabilities;
    for missing in &report.unsupported {
        assert!(
            missing.what == "LMTP" || !capabilities.iter().any(|c| c.starts_with(&missing.what)),
            "{missing:?}"
        );
    }
    for row in report.rows.iter().filter(|row| row.seconds > 0.0) {
        // In the short time of an open loop here nothing may fall due.
        let some = row.units > 0 || row.is_open();
        assert!(some && row.rounds.len() == plan.rounds, "{} {}", row.scenario, row.label);
    }
    assert!(report.rows.iter().any(|row| row.usage.is_some_and(|usage| usage.pss > 0)));

    let logs = std::fs::read_dir(out.path()).unwrap().count();
    assert!(logs > 20, "{logs} histogram logs");
    let json = serde_json::to_string(&report).unwrap();
    let again: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(table::table(&again), text, "the table is made of nothing but what is in the JSON");
    let page = html::html(&again);
    assert!(
        page.contains("</html>")
            && page.contains("<svg")
            && !page.contains("http://")
            && !page.contains("src=")
    );

    let profile = Profile::of(&again, "trawl").unwrap();
    let site = Site { accounts: Some(1000.0), messages: Some(5000.0), ..Site::default() };
    let (needs, arithmetic) = site.needs(&profile).unwrap();
    assert!(needs.cores > 0.0 && needs.memory_bytes > 0.0 && needs.disk_bytes > 0.0, "{arithmetic}");
}

#[test]
fn over_tls_and_with_one_rate() {
    let (trawl, out) = (Trawl::new(true), tempfile::tempdir().unwrap());
    let plan = Plan { rate: Some(40.0), fixed: true, ..Plan::tiny() };
    let report = measured(&trawl, "fetch-body", &plan, out.path());
    assert!(report.is_right(), "{}", table::table(&report));
    assert!(report.rows.iter().any(|row| row.rate == Some(40.0)));
}
