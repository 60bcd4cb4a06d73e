//! Runs one script: sessions over TCP, steps in order, the first mismatch ends it with its file and line.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use super::pattern::{Messages, Pattern, Value, Variables, braced, resolve, variable};
use super::{Action, Expected, Kind, Script, text};
use crate::client::Client;

/// Whom a script may log in as.
#[derive(Debug, Clone)]
pub struct Accounts {
    pub user: String,
    pub other: String,
    pub password: String,
}

struct Session {
    client: Client,
    /// Tags of commands that are not answered yet.
    open: VecDeque<String>,
}

struct Runner<'s> {
    script: &'s Script,
    port: u16,
    sessions: BTreeMap<u32, Session>,
    variables: Variables,
    /// What was said, for the report of a failure.
    transcript: Vec<String>,
}

/// Lines of the conversation that a failure shows.
const TRANSCRIPT_LINES: usize = 25;

/// Runs the script at `path` against the server on `port`. The error names the line and shows the conversation before it.
pub fn run(path: &Path, port: u16, accounts: &Accounts) -> Result<(), String> {
    let script = Script::read(path)?;
    let variables = [("user", &accounts.user), ("other", &accounts.other), ("password", &accounts.password)];
    let variables = variables.into_iter().map(|(n, v)| (n.to_owned(), v.clone().into_bytes())).collect();
    let mut runner =
        Runner { script: &script, port, sessions: BTreeMap::new(), variables, transcript: Vec::new() };
    let mut current = 1;
    for step in &script.steps {
        let done = match &step.action {
            Action::Session(n) => {
                current = *n;
                Ok(())
            }
            action => runner.step(current, action),
        };
        done.map_err(|e| {
            let from = runner.transcript.len().saturating_sub(TRANSCRIPT_LINES);
            let line = e.line.unwrap_or(step.line);
            format!("{}:{line}: {}\n    {}", path.display(), e.what, runner.transcript[from..].join("\n    "))
        })?;
    }
    Ok(())
}

struct Failure {
    /// The line of the script, when it is not the one of the step.
    line: Option<usize>,
    what: String,
}
impl From<String> for Failure {
    fn from(what: String) -> Failure {
        Failure { line: None, what }
    }
}
impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        Failure { line: None, what: format!("the connection failed: {e}") }
    }
}

impl Runner<'_> {
    fn session(&mut self, number: u32) -> Result<&mut Session, Failure> {
        if !self.sessions.contains_key(&number) {
            let mut client = Client::connect(self.port)?;
            self.transcript.push(format!("{number} connects: {}", client.greeting));
            if self.script.login {
                let text = |name: &str| String::from_utf8_lossy(&self.variables[name]).into_owned();
                let answer =
                    client.try_command(format!("LOGIN {} {}", text("user"), text("password")).as_bytes())?;
                if !answer.is_ok() {
                    return Err(format!("LOGIN: {}", answer.status).into());
                }
            }
            self.sessions.insert(number, Session { client, open: VecDeque::new() });
        }
        self.sessions.get_mut(&number).ok_or_else(|| unreachable!("inserted above"))
    }

    fn step(&mut self, number: u32, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Session(_) => Ok(()),
            Action::Close => {
                self.sessions.remove(&number);
                self.transcript.push(format!("{number} closes"));
                Ok(())
            }
            Action::Mbox { file, mailbox } => self.fill(file, mailbox),
            Action::Command(text) => {
                let session = self.session(number)?;
                let tag = session.client.next_tag();
                session.open.push_back(tag.clone());
                self.send(number, &format!("{tag} {text}"), true)
            }
            Action::Line(text) => self.send(number, text, true),
            Action::Raw(text) => self.send(number, text, false),
            Action::Expect(expected) => self.expect(number, expected),
        }
    }

    fn fill(&mut self, file: &str, mailbox: &str) -> Result<(), Failure> {
        let messages = &self.script.messages[file];
        let text = |name: &str| String::from_utf8_lossy(&self.variables[name]).into_owned();
        let mut client = Client::connect(self.port)?;
        let answer = client.try_command(format!("LOGIN {} {}", text("user"), text("password")).as_bytes())?;
        if !answer.is_ok() {
            return Err(format!("LOGIN: {}", answer.status).into());
        }
        for message in messages {
            let answer = client.try_append(mailbox, message)?;
            if !answer.is_ok() {
                return Err(format!("APPEND to {mailbox}: {}", answer.status).into());
            }
        }
        client.try_command(b"LOGOUT")?;
        Ok(())
    }

    /// Sends `text` with its variables and braces resolved. A synchronising literal waits for its continuation.
    fn send(&mut self, number: u32, text: &str, line: bool) -> Result<(), Failure> {
        let messages = &self.script.messages;
        let mut parts = if line {
            command_parts(text, &self.variables, messages)?
        } else {
            raw_parts(text, &self.variables)?
        };
        if line && let Some(last) = parts.last_mut() {
            last.extend_from_slice(b"\r\n");
        }
        let count = parts.len();
        for (i, part) in parts.iter().enumerate() {
            self.transcript.push(format!("{number} C: {}", shown(part)));
            let session = self.session(number)?;
            session.client.send(part)?;
            if i + 1 < count {
                let answer = session.client.line()?;
                self.transcript.push(format!("{number} S: {}", shown(&answer)));
                if !answer.starts_with(b"+") {
                    return Err("the literal was not asked for".to_owned().into());
                }
            }
        }
        Ok(())
    }

    fn expect(&mut self, number: u32, expected: &[Expected]) -> Result<(), Failure> {
        let mut never: Vec<(usize, String)> = Vec::new();
        for e in expected {
            if let Kind::Never(text) = &e.kind {
                let text = substitute(text, &self.variables);
                never.push((e.line, text.map_err(|what| Failure { line: Some(e.line), what })?));
            }
        }
        let mut skip = false;
        for e in expected {
            let failed = |what: String| Failure { line: Some(e.line), what };
            match &e.kind {
                Kind::Never(_) => {}
                Kind::Skip => skip = true,
                Kind::Closed => {
                    match self.session(number)?.client.line() {
                        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {}
                        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
                        Err(e) => return Err(failed(format!("the connection failed: {e}"))),
                        Ok(line) => {
                            return Err(failed(format!("the connection is not closed: {}", shown(&line))));
                        }
                    }
                    self.sessions.remove(&number);
                    skip = false;
                }
                Kind::Next(pattern) => {
                    self.next(number, pattern, None, skip, &never).map_err(|f| failed(f.what))?;
                    skip = false;
                }
                Kind::Tagged(pattern) => {
                    let tag = self.session(number)?.open.pop_front();
                    let tag = tag.ok_or_else(|| failed("there is no command to be answered".to_owned()))?;
                    self.next(number, pattern, Some(&tag), skip, &never).map_err(|f| failed(f.what))?;
                    skip = false;
                }
                Kind::AnyOrder(group) => {
                    let mut left: Vec<&(usize, Pattern)> = group.iter().collect();
                    while !left.is_empty() {
                        let line = self.line(number, &never).map_err(|f| failed(f.what))?;
                        let hit = left.iter().enumerate().find_map(|(i, (_, pattern))| {
                            pattern.matches(&line, &self.variables, &self.script.messages).map(|v| (i, v))
                        });
                        match hit {
                            Some((i, variables)) => {
                                self.variables = variables;
                                left.remove(i);
                            }
                            None if skip && line.starts_with(b"* ") => {}
                            None => {
                                let lines: Vec<String> = left.iter().map(|(n, _)| n.to_string()).collect();
                                let lines = lines.join(", ");
                                return Err(failed(format!(
                                    "expected one of lines {lines}, got: {}",
                                    shown(&line)
                                )));
                            }
                        }
                    }
                    skip = false;
                }
            }
        }
        Ok(())
    }

    fn next(
        &mut self,
        number: u32,
        pattern: &Pattern,
        tag: Option<&str>,
        skip: bool,
        never: &[(usize, String)],
    ) -> Result<(), Failure> {
        loop {
            let line = self.line(number, never)?;
            let body = match tag {
                Some(tag) => line.strip_prefix(format!("{tag} ").as_bytes()),
                None => Some(line.as_slice()),
            };
            let matched = body.and_then(|b| pattern.matches(b, &self.variables, &self.script.messages));
            if let Some(variables) = matched {
                self.variables = variables;
                return Ok(());
            }
            if !(skip && line.starts_with(b"* ")) {
                return Err(format!("got: {}", shown(&line)).into());
            }
        }
    }

    fn line(&mut self, number: u32, never: &[(usize, String)]) -> Result<Vec<u8>, Failure> {
        let line = self.session(number)?.client.line()?;
        self.transcript.push(format!("{number} S: {}", shown(&line)));
        let text = String::from_utf8_lossy(&line);
        match never.iter().find(|(_, n)| text.contains(n.as_str())) {
            Some((at, n)) => {
                Err(Failure { line: Some(*at), what: format!("must not be seen: {n} in {}", shown(&line)) })
            }
            None => Ok(line),
        }
    }
}

/// A line for people: cut, escaped.
fn shown(line: &[u8]) -> String {
    const BYTES: usize = 400;
    let cut = &line[..line.len().min(BYTES)];
    let mut text = String::from_utf8_lossy(cut).replace('\r', "\\r").replace('\n', "\\n");
    if cut.len() < line.len() {
        text.push_str(" …");
    }
    text
}

/// The bytes of a `C:` or `L:` line, cut after each synchronising literal's announcement.
fn command_parts(text: &str, variables: &Variables, messages: &Messages) -> Result<Vec<Vec<u8>>, String> {
    let mut parts = vec![Vec::new()];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let last = parts.len() - 1;
        if let Some((name, plus, n)) = rest.strip_prefix('$').and_then(variable) {
            let value = resolve(variables, &name, plus).ok_or_else(|| format!("${name} is not known"))?;
            parts[last].extend(value);
            rest = &rest[n + 1..];
            continue;
        }
        if first == '{' {
            let (inner, n) = braced(&rest[1..])?;
            let (inner, synchronising) = match inner.strip_prefix('!') {
                Some(inner) => (inner, true),
                None => (inner, false),
            };
            if let Some(quoted) = inner.strip_prefix("base64 ") {
                let value = Value::parse(&substitute(quoted, variables)?)?;
                parts[last].extend(text::base64(value.bytes(messages)?).into_bytes());
            } else if let Some((count, what)) = inner.split_once('*')
                && let Ok(count) = count.parse()
            {
                parts[last].extend(what.repeat(count).into_bytes());
            } else if inner.starts_with(['"', '=']) {
                let value = Value::parse(inner)?;
                let bytes = value.bytes(messages)?;
                let plus = if synchronising { "" } else { "+" };
                parts[last].extend(format!("{{{}{plus}}}\r\n", bytes.len()).into_bytes());
                if synchronising {
                    parts.push(Vec::new());
                }
                let last = parts.len() - 1;
                parts[last].extend_from_slice(bytes);
            } else {
                parts[last].extend_from_slice(&rest.as_bytes()[..n + 1]);
            }
            rest = &rest[n + 1..];
            continue;
        }
        let n = first.len_utf8();
        parts[last].extend_from_slice(&rest.as_bytes()[..n]);
        rest = &rest[n..];
    }
    Ok(parts)
}

/// `text` with its variables in place.
fn substitute(text: &str, variables: &Variables) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match variable(rest) {
            Some((name, plus, n)) => {
                let value = resolve(variables, &name, plus).ok_or_else(|| format!("${name} is not known"))?;
                out.push_str(&String::from_utf8_lossy(&value));
                rest = &rest[n..];
            }
            None => out.push('$'),
        }
    }
    Ok(out + rest)
}

/// The bytes of an `R:` line: variables, repetitions, then escapes.
fn raw_parts(text: &str, variables: &Variables) -> Result<Vec<Vec<u8>>, String> {
    let text = substitute(text, variables)?;
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let repeated = braced(&rest[1..]).ok().and_then(|(inner, n)| {
            let (count, what) = inner.split_once('*')?;
            Some((what.repeat(count.parse().ok()?), n + 1))
        });
        match repeated {
            Some((what, n)) => {
                out.push_str(&what);
                rest = &rest[n..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    text::unescape(&out).map(|bytes| vec![bytes])
}
