//! `trawl explain`.

use std::process::ExitCode;

use indicatif::HumanCount;

use super::args::ExplainArgs;
use super::control::Server;
use super::error::CliError;
use super::search::{keys, senseless};
use crate::config::Config;
use crate::control::protocol::{Answer, ExplainRequest, Explained, Request};
use crate::observe::step::{How, Look, Pieces, Step, Word};

pub fn run(config: &Config, arguments: &ExplainArgs) -> Result<ExitCode, CliError> {
    let asked = ExplainRequest {
        mailbox: arguments.mailbox.clone(),
        program: keys(&arguments.program)?,
        returns: arguments.returns.clone(),
        sort: arguments.sort.clone(),
        thread: arguments.thread.clone(),
    };
    let request = Request::Explain { user: arguments.user.clone(), asked };
    let server = Server::find_or_start(config)?;
    let mut control = server.connect()?;
    let answers = (0..arguments.repeat.max(1)).map(|_| control.ask(&request)).collect::<Result<Vec<_>, _>>();
    drop(control);
    server.finish()?;
    // The last one: what came before has warmed the caches.
    let Some(Answer::Explained { explained }) = answers?.pop() else { return Err(senseless()) };
    if arguments.json {
        say!("{}", serde_json::to_string(&explained).map_err(CliError::new)?);
    } else {
        tell(&explained);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(explained: &Explained) {
    let Explained {
        program,
        mailboxes,
        messages,
        searches,
        left_by_state,
        state_us,
        indexed,
        in_memory,
        read,
        found,
        answer,
        total_us,
        steps,
        is_cut,
    } = explained;
    say!("program        {program}");
    match mailboxes {
        1 => say!("messages       {}", HumanCount(*messages)),
        mailboxes => say!("messages       {} in {mailboxes} mailboxes", HumanCount(*messages)),
    }
    match searches {
        1 => say!("left by state  {} in {state_us} us", HumanCount(*left_by_state)),
        searches => {
            say!("left by state  {} in {state_us} us, in {searches} searches", HumanCount(*left_by_state))
        }
    }
    say!(
        "looked at      {} by the index, {} in memory, {} read from the log",
        HumanCount(*indexed),
        HumanCount(*in_memory),
        HumanCount(*read)
    );
    if !steps.iter().any(has_text) {
        say!("  mailbox state alone answers it");
    }
    let mut lines = Vec::new();
    write(steps, 1, &mut lines);
    lines.iter().for_each(|line| say!("{line}"));
    if *is_cut {
        say!("  ...");
    }
    let looked_at = steps.iter().any(|step| matches!(step, Step::Ends { all: false, .. }));
    let of = if looked_at { " of those looked at" } else { "" };
    say!("found          {}{of} in {total_us} us", HumanCount(*found));
    if let Some(answer) = answer {
        say!("answer         {answer}");
    }
}

fn has_text(step: &Step) -> bool {
    match step {
        Step::Look(_) | Step::Together { .. } => true,
        Step::Tier { steps, .. } | Step::Mailbox { steps, .. } => steps.iter().any(has_text),
        _ => false,
    }
}

/// One line and more for each step; what is inside of one stands deeper.
fn write(steps: &[Step], depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    for step in steps {
        let mut line = |text: String| lines.push(format!("{indent}{text}"));
        match step {
            // What is not inside of another is told in front.
            Step::State { .. } if depth == 1 => {}
            Step::State { messages, left, text, us } => {
                let what = if *text { "can match" } else { "match" };
                line(format!("state: {left} of {messages} messages {what}, in {us} us"));
            }
            Step::Look(look) => write_look(look, &mut line),
            Step::Ends { looks, all, unread, us } => line(match all {
                false => format!("early end: looks {looks}, {unread} messages not looked at, in {us} us"),
                true => format!("early end: looks {looks}, not enough, then all others, in {us} us"),
            }),
            Step::Words { words, waited_us, us } => {
                line(format!(
                    "words spelled alike looked up in {us} us, of it {waited_us} us waiting for a lane"
                ));
                for Word { word, like } in words {
                    let like = if like.is_empty() { "none".to_owned() } else { like.join(" ") };
                    line(format!("  {word}: {like}"));
                }
            }
            Step::Tier { name, program, found, relevancy, us, .. } => {
                let relevancy = relevancy.map_or_else(String::new, |(low, high)| {
                    if low == high {
                        format!(", relevancy {low}")
                    } else {
                        format!(", relevancy {low} to {high}")
                    }
                });
                line(format!("FUZZY {name}: {found} messages more{relevancy}, in {us} us"));
                line(format!("  searched for: {program}"));
            }
            Step::Mailbox { name, how, us, .. } => {
                let how = match how {
                    How::State => "its state alone answers",
                    How::Alone => "searched for itself",
                    How::Together => "searched together with others",
                    How::Gone => "is no more",
                };
                line(format!("{name}: {how}, {us} us"));
            }
            Step::Joined { mailboxes, made, us, .. } => {
                line(format!(
                    "{mailboxes} small mailboxes as one, {made} of them looked at anew, in {us} us"
                ));
            }
            Step::Together { mailboxes, messages, us, .. } => {
                line(format!("together: {messages} messages of {mailboxes} mailboxes, in {us} us"));
            }
            Step::Gathered { messages, in_memory, saved, read, read_us, us } => line(format!(
                "gathered what is compared of {messages} messages in {us} us: {in_memory} in memory, {read} read from the log and {saved} from what was saved before in {read_us} us"
            )),
            Step::Arranged { messages, ordered: Some(0), .. } if *messages > 0 => {
                line(format!("{messages} messages not sorted: no order is asked for"));
            }
            Step::Arranged { messages, threads, ordered, on_lane, waited_room_us, waited_us, worked_us } => {
                let what = match (threads, ordered) {
                    (Some(threads), _) => format!("threaded into {threads} threads"),
                    (None, Some(ordered)) if ordered < messages => {
                        format!("selected from, {ordered} of them sorted,")
                    }
                    _ => "sorted".to_owned(),
                };
                let place = if *on_lane { "a lane" } else { "the executor" };
                line(format!(
                    "{messages} messages {what} on {place} in {worked_us} us; waited {waited_us} us for a lane, {waited_room_us} us for memory"
                ));
            }
        }
        match step {
            Step::Tier { steps, .. }
            | Step::Mailbox { steps, .. }
            | Step::Joined { steps, .. }
            | Step::Together { steps, .. } => {
                write(steps, depth + 1, lines);
            }
            _ => {}
        }
    }
}

fn write_look(look: &Look, line: &mut dyn FnMut(String)) {
    let Look { candidates, indexed, in_memory, read, left, found, us, .. } = look;
    line(format!(
        "texts of {candidates} messages: {indexed} by the index, {in_memory} in memory, {read} read from the log; {found} match, in {us} us"
    ));
    let ways = [("index", look.index), ("memory", look.memory), ("log", look.log)];
    for (name, Pieces { pieces, waited_us, worked_us }) in ways {
        if pieces > 0 {
            line(format!(
                "  {name}: {pieces} pieces, waited {waited_us} us for a lane, worked {worked_us} us"
            ));
        }
    }
    if look.verified > 0 {
        line(format!(
            "  verified in the text: {} -> {} messages in {} us",
            look.verified, look.matched, look.verify_us
        ));
    }
    if look.no_index {
        line("  there is no index yet".to_owned());
    }
    if *left > 0 {
        line(format!(
            "  {left} messages are looked at again: their index is damaged, they had left memory, or they are there twice"
        ));
    }
    look.lines.iter().for_each(|text| line(format!("  {text}")));
}
