//! `trawl user add|passwd|list|delete`.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use console::Term;
use indicatif::{HumanBytes, HumanCount};

use super::args::UserCommand;
use super::control::Server;
use super::error::CliError;
use crate::config::Config;
use crate::control::protocol::{Answer, Request, UserLine};
use crate::limits::PASSWORD_BYTES_MAX;

pub fn run(config: &Config, command: &UserCommand) -> Result<ExitCode, CliError> {
    let request = match command {
        UserCommand::Add { name, password_stdin } => {
            Request::UserAdd { name: name.clone(), password: password(*password_stdin)? }
        }
        UserCommand::Passwd { name, password_stdin } => {
            Request::UserPasswd { name: name.clone(), password: password(*password_stdin)? }
        }
        UserCommand::List { .. } => Request::UserList,
        UserCommand::Delete { name, yes } => {
            if !yes {
                confirm(name)?;
            }
            Request::UserDelete { name: name.clone() }
        }
    };
    let server = Server::find_or_start(config)?;
    let answer = server.connect()?.ask(&request)?;
    server.finish()?;
    match (command, answer) {
        (UserCommand::Add { name, .. }, _) => say!("Added {name}."),
        (UserCommand::Passwd { name, .. }, _) => say!("Changed the password of {name}."),
        (UserCommand::Delete { name, .. }, _) => say!("Deleted {name}."),
        (UserCommand::List { json: true }, Answer::Users { users }) => {
            say!("{}", serde_json::to_string_pretty(&users).map_err(CliError::new)?);
        }
        (UserCommand::List { json: false }, Answer::Users { users }) => list(&users),
        (UserCommand::List { .. }, _) => {
            return Err(CliError::new("the server gave an answer that makes no sense"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(users: &[UserLine]) {
    if users.is_empty() {
        say!("No accounts. `trawl user add NAME` makes one.");
        return;
    }
    let width = users.iter().map(|u| u.name.chars().count()).max().unwrap_or(0).max(4);
    say!("{:width$}  {:>9}  {:>11}  {:>11}", "name", "mailboxes", "messages", "size");
    for user in users {
        say!(
            "{:width$}  {:>9}  {:>11}  {:>11}",
            user.name,
            user.mailboxes,
            HumanCount(user.messages).to_string(),
            HumanBytes(user.bytes).to_string()
        );
    }
}

/// A new password: from a pipe, or asked for twice without showing it.
fn password(from_stdin: bool) -> Result<String, CliError> {
    let password = if from_stdin {
        let mut line = Vec::new();
        io::Read::take(io::stdin().lock(), PASSWORD_BYTES_MAX as u64 + 3).read_until(b'\n', &mut line)?;
        let line = String::from_utf8(line).map_err(|_| CliError::new("the password is not UTF-8"))?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else if io::stdin().is_terminal() {
        let term = Term::stderr();
        let ask = |prompt: &str| {
            term.write_str(prompt)?;
            term.read_secure_line()
        };
        let first = ask("Password: ")?;
        if ask("Again: ")? != first {
            return Err(CliError::new("the two passwords are not the same"));
        }
        first
    } else {
        return Err(CliError::new("there is no terminal to ask for a password; use --password-stdin"));
    };
    match password.len() {
        0 => Err(CliError::new("the password is empty")),
        n if n > PASSWORD_BYTES_MAX => {
            Err(CliError::new(format_args!("the password is longer than {PASSWORD_BYTES_MAX} bytes")))
        }
        _ => Ok(password),
    }
}

fn confirm(name: &str) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::new("there is no terminal to ask; --yes deletes without asking"));
    }
    let term = Term::stderr();
    term.write_str(&format!("Delete {name} and all mail of this account? Type the name again to confirm: "))?;
    if term.read_line()?.trim() == name {
        Ok(())
    } else {
        Err(CliError::refused("not confirmed; nothing was deleted"))
    }
}
