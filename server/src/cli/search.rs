//! `trawl search` and `trawl reindex`.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget};

use super::args::{Program, ReindexArgs, SearchArgs};
use super::control::{Control, Server};
use super::error::CliError;
use crate::config::Config;
use crate::control::protocol::{Answer, Hit, Request};
use crate::wire::query::{self, Room};

/// How often a command that waits for indexing looks.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

pub(super) fn senseless() -> CliError {
    CliError::new("the server gave an answer that makes no sense")
}

/// Keys of SEARCH: a query is the argument of one.
pub(super) fn keys(program: &Program) -> Result<String, CliError> {
    let Program { program, query } = program;
    let Some(text) = query else { return Ok(program.clone().unwrap_or_default()) };
    query::parse(text, Room::WHOLE).map_err(|error| CliError::new(format!("in the query: {error}")))?;
    Ok(format!("X-TRAWL-QUERY {{{}+}}\r\n{text}", text.len()))
}

pub fn search(config: &Config, arguments: &SearchArgs) -> Result<ExitCode, CliError> {
    let request = Request::Search {
        user: arguments.user.clone(),
        mailbox: arguments.mailbox.clone(),
        program: keys(&arguments.program)?,
        max: arguments.max,
    };
    let server = Server::find_or_start(config)?;
    let answer = server.connect()?.ask(&request)?;
    server.finish()?;
    let Answer::Hits { hits, total } = answer else { return Err(senseless()) };
    if arguments.json {
        say!("{}", serde_json::to_string(&hits).map_err(CliError::new)?);
    } else {
        print(&hits, total);
    }
    Ok(if total == 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn print(hits: &[Hit], total: u64) {
    let width = |text: fn(&Hit) -> &str| hits.iter().map(|hit| text(hit).chars().count()).max().unwrap_or(0);
    let (mailbox, from) = (width(|hit| &hit.mailbox), width(|hit| &hit.from).min(40));
    for hit in hits {
        let sender: String = hit.from.chars().take(from).collect();
        say!("{:mailbox$}  {:>8}  {}  {sender:from$}  {}", hit.mailbox, hit.uid, hit.date, hit.subject);
    }
    let shown = hits.len() as u64;
    if total > shown {
        say!("{} of {} messages; --max shows more", HumanCount(shown), HumanCount(total));
    }
}

pub fn reindex(config: &Config, arguments: &ReindexArgs) -> Result<ExitCode, CliError> {
    let server = Server::find_or_start(config)?;
    let mut control = server.connect()?;
    let user = arguments.user.clone();
    let request =
        Request::Reindex { user: user.clone(), keep: arguments.keep, documents: arguments.documents };
    let Answer::Reindex { accounts } = control.ask(&request)? else { return Err(senseless()) };
    say!("Queued the search index of {}.", counted(accounts));
    // A server of our own ends with this command, and its indexing with it.
    if arguments.wait || !server.was_running() {
        wait(&mut control, user)?;
    }
    drop(control);
    server.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn counted(accounts: u64) -> String {
    if accounts == 1 { "1 account".to_owned() } else { format!("{} accounts", HumanCount(accounts)) }
}

fn wait(control: &mut Control, user: Option<String>) -> Result<(), CliError> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let request = Request::Indexing { user };
    let mut before = None;
    loop {
        let Answer::Indexing { busy, index } = control.ask(&request)? else { return Err(senseless()) };
        let done = index.indexed_messages - *before.get_or_insert(index.indexed_messages);
        if !busy {
            bar.finish_and_clear();
            say!("Done: {} messages indexed.", HumanCount(done));
            return Ok(());
        }
        bar.set_message(format!("{} messages indexed", HumanCount(done)));
        bar.set_position(done);
        #[allow(clippy::disallowed_methods, reason = "the command line has no executor to block")]
        std::thread::sleep(LOOK_PAUSE);
    }
}
