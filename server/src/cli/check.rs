//! `trawl check`: the store's own check, told to a person. Exit code 0 sound, 1 damaged, 2 could not run.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::rc::Rc;

use console::Term;
use futures_lite::future;
use indicatif::{HumanBytes, HumanCount};
use trawl_store::check::{CheckReport, check};
use trawl_store::clock::SystemClock;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::seed::SystemSeed;

use super::error::CliError;
use crate::config::Config;
use crate::runtime::lock;

pub fn run(config: &Config) -> Result<ExitCode, CliError> {
    let store = config.store.as_path();
    super::init::require_store(store)?;
    let _lock = lock::lock(store).map_err(|e| CliError::new(format_args!("{}: {e}", store.display())))?;
    let term = Term::stderr();
    let shown = io::stderr().is_terminal();
    let mut progress = |what: &str| {
        if shown {
            // A terminal that cannot be written to shows no progress; the check goes on.
            let _ = term.clear_line().and_then(|()| term.write_str(&format!("checking {what}")));
        }
    };
    let disk = Rc::new(BlockingDisk::new(store.to_owned()));
    let clock = Rc::new(SystemClock::new());
    let seed = Rc::new(SystemSeed::new()?);
    let report = future::block_on(check(disk, clock, seed, &mut progress));
    if shown {
        let _ = term.clear_line();
    }
    Ok(print(&report?))
}

fn print(report: &CheckReport) -> ExitCode {
    say!(
        "Checked {} of log in {} segments of {} shards: {} records in {} commits.",
        HumanBytes(report.log_bytes),
        report.segments,
        report.shards,
        HumanCount(report.records),
        HumanCount(report.commits)
    );
    say!(
        "{} accounts, {} mailboxes, {} annotations, {} messages ({}) and texts of documents in {}, all of them read.",
        report.accounts,
        report.mailboxes,
        report.annotations,
        HumanCount(report.messages),
        HumanBytes(report.message_bytes),
        HumanCount(report.documents)
    );
    for note in &report.notes {
        say!("note: {note}");
    }
    for problem in &report.problems {
        say!("DAMAGED {}: {}", problem.place, problem.what);
    }
    let shown = report.problems.len() as u64;
    if report.problems_count > shown {
        say!("DAMAGED: {} more", report.problems_count - shown);
    }
    if report.is_sound() {
        say!("No damage.");
        ExitCode::SUCCESS
    } else {
        say!("{} problems. What is not named above can be read.", HumanCount(report.problems_count));
        ExitCode::from(1)
    }
}
