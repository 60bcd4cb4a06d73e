//! `trawl import`: mail from files into an account, through the control socket.

mod eml;
mod maildir;
mod mbox;
mod source;
mod upload;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::source::{Folder, Item, Totals};
use self::upload::Upload;
use super::args::{ImportArgs, ImportKind};
use super::control::Server;
use super::error::CliError;
use crate::config::Config;

/// Messages that could not be stored and are named; more are only counted.
const NAMED_FAILURES_MAX: u64 = 50;

/// Messages between two drawings of the progress bar.
const DRAW_EVERY: u64 = 64;

pub fn run(config: &Config, kind: &ImportKind) -> Result<ExitCode, CliError> {
    let arguments = kind.arguments();
    let path = arguments.path.as_path();
    let (folders, totals) =
        list(kind, path).map_err(|e| CliError::new(format_args!("{}: {e}", path.display())))?;

    let server = Server::find_or_start(config)?;
    let stream = server.connect()?.imap(&arguments.user)?;
    let mut upload = Upload::new(stream, arguments.skip_duplicates)?;
    let mut progress = Progress::new(totals, arguments.quiet);
    let sent = send(config, kind, folders, &mut upload, &mut progress);
    drop(progress.bar.take());
    // What was acknowledged is stored, whatever ended the import.
    let finished = server.finish();
    progress.summary(&upload.outcome, totals);
    sent.map_err(|e| CliError::refused(format_args!("the import stopped early: {e}")))?;
    finished?;
    Ok(if progress.failures == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn list(kind: &ImportKind, path: &Path) -> io::Result<(Vec<Folder>, Totals)> {
    // A clear message for the commonest mistake.
    path.metadata()?;
    match kind {
        ImportKind::Maildir(_) => maildir::folders(path),
        ImportKind::Mbox(_) => mbox::folders(path),
        ImportKind::Eml(_) => eml::folders(path),
    }
}

fn messages(kind: &ImportKind, folder: Folder, bytes_max: u64) -> Box<dyn Iterator<Item = Item>> {
    match kind {
        ImportKind::Maildir(_) => Box::new(maildir::messages(folder, bytes_max)),
        ImportKind::Mbox(_) => mbox::messages(folder, bytes_max),
        ImportKind::Eml(_) => Box::new(eml::messages(folder, bytes_max)),
    }
}

fn send<S: io::Read + io::Write>(
    config: &Config,
    kind: &ImportKind,
    folders: Vec<Folder>,
    upload: &mut Upload<S>,
    progress: &mut Progress,
) -> io::Result<()> {
    let bytes_max = config.limits.append_bytes_max.0;
    for mut folder in folders {
        folder.mailbox = target(kind.arguments(), &folder.mailbox);
        for item in messages(kind, folder, bytes_max) {
            match item {
                Ok(message) => {
                    progress.read(message.source_bytes);
                    upload.put(message)?;
                }
                Err(unreadable) => {
                    progress.read(unreadable.source_bytes);
                    progress.failure(&unreadable.origin, &unreadable.reason);
                }
            }
            for refused in upload.refused.drain(..) {
                progress.failure(&refused.origin, &refused.reason);
            }
        }
    }
    upload.finish()?;
    for refused in upload.refused.drain(..) {
        progress.failure(&refused.origin, &refused.reason);
    }
    Ok(())
}

/// Below `--into`, which takes the place of INBOX.
fn target(arguments: &ImportArgs, mailbox: &str) -> String {
    match (&arguments.into, mailbox) {
        (None, mailbox) => mailbox.to_owned(),
        (Some(into), "INBOX") => into.clone(),
        (Some(into), mailbox) => source::below(into, mailbox),
    }
}

struct Progress {
    bar: Option<ProgressBar>,
    clock: ProgressBar,
    messages: u64,
    failures: u64,
    quiet: bool,
}

impl Progress {
    fn new(totals: Totals, quiet: bool) -> Progress {
        let clock = ProgressBar::hidden();
        let bar = (!quiet && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(totals.bytes), ProgressDrawTarget::stderr());
            let template =
                "{bar:30} {percent:>3}%  {msg}  {bytes} of {total_bytes}  {binary_bytes_per_sec}  ETA {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        });
        Progress { bar, clock, messages: 0, failures: 0, quiet }
    }

    fn read(&mut self, bytes: u64) {
        self.messages += 1;
        let Some(bar) = &self.bar else { return };
        bar.inc(bytes);
        if self.messages.is_multiple_of(DRAW_EVERY) {
            let rate = self.messages as f64 / self.clock.elapsed().as_secs_f64().max(0.001);
            bar.set_message(format!("{} messages, {rate:.0}/s", HumanCount(self.messages)));
        }
    }

    fn failure(&mut self, origin: &str, reason: &str) {
        self.failures += 1;
        if self.failures > NAMED_FAILURES_MAX {
            return;
        }
        let line = format!("not imported: {origin}: {reason}");
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    fn summary(&self, outcome: &upload::Outcome, totals: Totals) {
        if self.failures > NAMED_FAILURES_MAX {
            eprintln!("not imported: {} more", self.failures - NAMED_FAILURES_MAX);
        }
        if self.quiet {
            return;
        }
        let seconds = self.clock.elapsed().as_secs_f64().max(0.001);
        say!(
            "Imported {} messages ({}) into {} mailboxes in {seconds:.1} s: {:.0} messages/s, {}/s.",
            HumanCount(outcome.stored),
            HumanBytes(outcome.stored_bytes),
            outcome.mailboxes,
            outcome.stored as f64 / seconds,
            HumanBytes((outcome.stored_bytes as f64 / seconds) as u64),
        );
        for (count, text) in [
            (outcome.duplicates, "were there already and were skipped"),
            (self.failures, "could not be imported"),
            (totals.ignored, "other files were left alone"),
        ] {
            if count > 0 {
                say!("{} {text}.", HumanCount(count));
            }
        }
    }
}
