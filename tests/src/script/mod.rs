//! Protocol scripts: conversations with the server, written down as text, run against the real binary.
//!
//! Not here: a language. A script is a list of steps; what it can say is this:
//!
//! ```text
//! # a comment; empty lines do not matter
//! login no                    sessions start not authenticated (without it they log in as $user)
//! mbox basic.mbox INBOX       the messages of a file beside the script are appended to a mailbox
//! 1:                          the steps below belong to session 1 (connects at its first use)
//! C: FETCH 1 FLAGS            sends a command with a tag of its own
//! L: DONE                     sends a line as it is, with CRLF
//! R: x1 NOOP\r\n              sends exactly these bytes; escapes: \r \n \t \0 \\ \" \xHH
//! S: * 1 FETCH (FLAGS ())     the next response line is this one
//! U: * FLAGS ...              the next lines are those of this group of U lines, in any order
//! S: ...                      any untagged lines may come before the next expected one
//! S: OK [READ-WRITE]          the tagged answer of the oldest command that is not answered yet
//! S: [closed]                 the server has closed the connection
//! !: EXPUNGE                  no line of this exchange holds this; `$name` in it stands for what was captured before
//! close                       closes the connection of the session
//! ```
//!
//! Every line that the server sends must be expected: an untagged response too many is a failure. In patterns:
//!
//! * `...` anything, also nothing; status lines (`OK`, `* BYE`, `+`) need not be written to their end;
//! * `$name` (lower case) what was captured under this name, or captures a word; `$(name+1)` that number plus one;
//!   known from the start: `$user`, `$password`, `$other` (a second account);
//! * `%(a|b c|d)` a parenthesised list of these items in any order;
//! * `{"text"}` a string in whatever form (quoted or literal), `~{"text"}` as literal8, with the escapes above;
//! * `{=basic.mbox#2}` the second message of that file as a string.
//!
//! In `C:` lines `{"text"}` and `{=basic.mbox#2}` are sent as non-synchronising literals, with `!` after the brace as
//! synchronising ones (the continuation is awaited), with `~` before it as literal8; `{50*x}` is 50 times `x`;
//! `{base64 "…"}` what it says.

pub mod pattern;
mod run;
mod text;

pub use run::{Accounts, run};

use std::collections::BTreeMap;
use std::path::Path;

use pattern::Pattern;

/// What to do, and the line of the script that says so.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    Session(u32),
    Command(String),
    Line(String),
    Raw(String),
    Expect(Vec<Expected>),
    Close,
    Mbox { file: String, mailbox: String },
}

/// One line of what is expected after a command.
#[derive(Debug)]
pub struct Expected {
    pub line: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    /// This line next.
    Next(Pattern),
    /// The tagged answer next.
    Tagged(Pattern),
    /// These lines next, in any order.
    AnyOrder(Vec<(usize, Pattern)>),
    /// Anything untagged may come before the next expected line.
    Skip,
    Closed,
    Never(String),
}

#[derive(Debug)]
pub struct Script {
    pub name: String,
    pub login: bool,
    pub steps: Vec<Step>,
    /// Messages of the `.mbox` files beside the script, by file name.
    pub messages: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Script {
    /// Reads a script and the fixtures beside it; the error names file and line.
    pub fn read(path: &Path) -> Result<Script, String> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut messages = BTreeMap::new();
        for entry in path.parent().into_iter().flat_map(|p| p.read_dir().into_iter().flatten().flatten()) {
            if entry.path().extension().is_some_and(|e| e == "mbox") {
                let bytes =
                    std::fs::read(entry.path()).map_err(|e| format!("{}: {e}", entry.path().display()))?;
                messages.insert(entry.file_name().to_string_lossy().into_owned(), text::split_mbox(&bytes));
            }
        }
        let mut script = Script { name, login: true, steps: Vec::new(), messages };
        for (i, line) in text.lines().enumerate() {
            script.add(i + 1, line).map_err(|e| format!("{}:{}: {e}", path.display(), i + 1))?;
        }
        Ok(script)
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), String> {
        let text = text.trim_end();
        if text.is_empty() || text.starts_with('#') {
            return Ok(());
        }
        let action = if let Some(rest) = text.strip_prefix("C: ") {
            Action::Command(rest.to_owned())
        } else if let Some(rest) = text.strip_prefix("L:") {
            Action::Line(rest.trim_start().to_owned())
        } else if let Some(rest) = text.strip_prefix("R: ") {
            Action::Raw(rest.to_owned())
        } else if let Some(rest) = text.strip_prefix("S: ") {
            let kind = match rest {
                "..." => Kind::Skip,
                "[closed]" => Kind::Closed,
                _ if is_tagged(rest) => Kind::Tagged(Pattern::parse(rest)?.open_ended()),
                _ if is_status(rest) => Kind::Next(Pattern::parse(rest)?.open_ended()),
                _ => Kind::Next(Pattern::parse(rest)?),
            };
            return self.expect(Expected { line, kind });
        } else if let Some(rest) = text.strip_prefix("U: ") {
            let pattern = Pattern::parse(rest)?;
            let pattern = if is_status(rest) { pattern.open_ended() } else { pattern };
            if let Some(Step { action: Action::Expect(list), .. }) = self.steps.last_mut()
                && let Some(Expected { kind: Kind::AnyOrder(group), .. }) = list.last_mut()
            {
                group.push((line, pattern));
                return Ok(());
            }
            return self.expect(Expected { line, kind: Kind::AnyOrder(vec![(line, pattern)]) });
        } else if let Some(rest) = text.strip_prefix("!: ") {
            return self.expect(Expected { line, kind: Kind::Never(rest.to_owned()) });
        } else if text == "close" {
            Action::Close
        } else if text == "login no" {
            self.login = false;
            return Ok(());
        } else if let Some(rest) = text.strip_prefix("mbox ") {
            let (file, mailbox) = rest.split_once(' ').ok_or("mbox FILE MAILBOX")?;
            if !self.messages.contains_key(file) {
                return Err(format!("there is no {file} beside the script"));
            }
            Action::Mbox { file: file.to_owned(), mailbox: mailbox.to_owned() }
        } else if let Some(n) = text.strip_suffix(':').and_then(|n| n.parse().ok()) {
            Action::Session(n)
        } else {
            return Err(format!("not a step: {text}"));
        };
        self.steps.push(Step { line, action });
        Ok(())
    }

    fn expect(&mut self, expected: Expected) -> Result<(), String> {
        if let Some(Step { action: Action::Expect(list), .. }) = self.steps.last_mut() {
            list.push(expected);
        } else {
            self.steps.push(Step { line: expected.line, action: Action::Expect(vec![expected]) });
        }
        Ok(())
    }
}

fn is_result(word: Option<&str>) -> bool {
    matches!(word, Some("OK" | "NO" | "BAD" | "BYE" | "PREAUTH"))
}

/// `OK …`: the tag is the runner's.
fn is_tagged(text: &str) -> bool {
    is_result(text.split(' ').next())
}

/// `* OK …`, `x1 BAD …`, `+ …`.
fn is_status(text: &str) -> bool {
    text.starts_with("+ ") || text == "+" || is_result(text.split(' ').nth(1))
}
