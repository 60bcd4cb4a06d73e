//! A blocking conversation, for everything that is not timed: logging in, loading, looking afterwards. It becomes a
//! connection of the driver by [`Session::into_parts`].

use std::io;

use super::parse;
use super::reader::Reader;
use super::transport::{Endpoint, Transport};
use super::{Error, Result, shown};

pub struct Session {
    transport: Transport,
    reader: Reader,
    tags: u32,
    /// Capabilities, upper case, as last told; after LOGIN those of the logged-in state.
    pub capabilities: Vec<String>,
}

/// What one command was answered.
#[derive(Debug, Default, Clone)]
pub struct Answer {
    /// Untagged lines with their literals, without `* ` and the last CRLF.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged line without its tag.
    pub status: Vec<u8>,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.status.starts_with(b"OK")
    }

    /// The argument of a response code: of `OK [APPENDUID 1 2] x` it is `1 2`. Untagged OK lines count too (SELECT).
    pub fn code(&self, name: &str) -> Option<String> {
        std::iter::once(&self.status)
            .chain(self.untagged.iter().filter(|l| l.starts_with(b"OK [")))
            .find_map(|line| parse::code(line, name))
    }

    /// Numbers of all `* SEARCH` or `* SORT` lines, in their order.
    pub fn numbers(&self, name: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        for line in &self.untagged {
            if let Some(rest) = line.strip_prefix(name) {
                parse::numbers(rest, &mut found);
            }
        }
        found
    }

    /// The number before `word`: EXISTS, RECENT.
    pub fn count(&self, word: &str) -> Option<u32> {
        self.untagged.iter().find_map(|line| {
            let (number, rest) = parse::number(line)?;
            rest.strip_prefix(b" ")?.eq_ignore_ascii_case(word.as_bytes()).then_some(number)
        })
    }
}

impl Session {
    /// Connects and reads the greeting.
    pub fn connect(to: &Endpoint) -> Result<Session> {
        let transport = Transport::connect(to)?;
        let mut session = Session { transport, reader: Reader::default(), tags: 0, capabilities: Vec::new() };
        let greeting = session.line()?;
        if !greeting.starts_with(b"* OK") && !greeting.starts_with(b"220") {
            return Err(Error::Protocol(format!("greeting: {}", shown(&greeting, 200))));
        }
        Ok(session)
    }

    /// Connects, logs in, asks for the capabilities.
    pub fn login(to: &Endpoint, user: &str, password: &str) -> Result<Session> {
        let mut session = Session::connect(to)?;
        session.ok(format!("LOGIN {} {}", parse::quoted(user), parse::quoted(password)).as_bytes())?;
        session.learn()?;
        Ok(session)
    }

    fn learn(&mut self) -> Result<()> {
        let answer = self.ok(b"CAPABILITY")?;
        self.capabilities = answer
            .untagged
            .iter()
            .filter_map(|line| line.strip_prefix(b"CAPABILITY "))
            .flat_map(|rest| {
                String::from_utf8_lossy(rest).split_whitespace().map(str::to_uppercase).collect::<Vec<_>>()
            })
            .collect();
        Ok(())
    }

    /// Whether a capability is advertised (`LITERAL+`, `QRESYNC`, `SORT`, ...).
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c == capability)
    }

    pub fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let count = self.transport.write(bytes)?;
            if count == 0 {
                return Err(Error::Io(io::ErrorKind::WriteZero.into()));
            }
            bytes = &bytes[count..];
        }
        Ok(self.transport.flush()?)
    }

    /// One line with its literals, without the last CRLF.
    pub fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(line) = self.reader.line().map_err(|_| Error::Protocol("a line too long".into()))? {
                return Ok(line.to_vec());
            }
            let count = self.transport.read(self.reader.space())?;
            if count == 0 {
                return Err(Error::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            self.reader.filled(count);
        }
    }

    pub fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("p{}", self.tags)
    }

    /// Reads up to the tagged line of `tag`, giving each untagged line (without `* `) to `each`; returns the status.
    pub fn until(&mut self, tag: &str, mut each: impl FnMut(&[u8])) -> Result<Vec<u8>> {
        loop {
            let line = self.line()?;
            if let Some(rest) = line.strip_prefix(b"* ") {
                if rest.starts_with(b"BYE") && !tag.is_empty() {
                    return Err(Error::Protocol(shown(rest, 200)));
                }
                each(rest);
            } else if let Some(rest) =
                line.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" "))
            {
                return Ok(rest.to_vec());
            }
        }
    }

    /// Sends a command and gathers its answer, whatever it is. Literals have to be non-synchronising.
    pub fn command(&mut self, command: &[u8]) -> Result<Answer> {
        let tag = self.next_tag();
        let mut bytes = format!("{tag} ").into_bytes();
        bytes.extend_from_slice(command);
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes)?;
        let mut untagged = Vec::new();
        let status = self.until(&tag, |line| untagged.push(line.to_vec()))?;
        Ok(Answer { untagged, status })
    }

    /// A command that has to be answered OK.
    pub fn ok(&mut self, command: &[u8]) -> Result<Answer> {
        let answer = self.command(command)?;
        if answer.is_ok() {
            return Ok(answer);
        }
        let sent = if command.starts_with(b"LOGIN") { "LOGIN".to_owned() } else { shown(command, 120) };
        Err(Error::Refused { sent, answer: shown(&answer.status, 300) })
    }

    /// APPEND of messages, each with what stands before its literal (flags, date; may be empty), by MULTIAPPEND if there are several.
    /// Synchronises where LITERAL+ is not advertised.
    pub fn append(&mut self, mailbox: &str, messages: &[(String, Vec<u8>)]) -> Result<Answer> {
        let plus = self.can("LITERAL+");
        let tag = self.next_tag();
        let mut bytes = format!("{tag} APPEND {}", parse::quoted(mailbox)).into_bytes();
        for (before, message) in messages {
            let space = if before.is_empty() { "" } else { " " };
            let sign = if plus { "+" } else { "" };
            bytes.extend_from_slice(format!("{space}{before} {{{}{sign}}}\r\n", message.len()).as_bytes());
            if !plus {
                self.send(&bytes)?;
                bytes.clear();
                loop {
                    let line = self.line()?;
                    if line.starts_with(b"+") {
                        break;
                    }
                    if line.starts_with(tag.as_bytes()) {
                        return Err(Error::Refused { sent: "APPEND".into(), answer: shown(&line, 300) });
                    }
                }
            }
            bytes.extend_from_slice(message);
        }
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes)?;
        let mut untagged = Vec::new();
        let status = self.until(&tag, |line| untagged.push(line.to_vec()))?;
        let answer = Answer { untagged, status };
        if answer.is_ok() {
            return Ok(answer);
        }
        Err(Error::Refused { sent: format!("APPEND {mailbox}"), answer: shown(&answer.status, 300) })
    }

    /// Messages in a mailbox by STATUS.
    pub fn messages(&mut self, mailbox: &str) -> Result<u32> {
        let answer = self.ok(format!("STATUS {} (MESSAGES)", parse::quoted(mailbox)).as_bytes())?;
        answer
            .untagged
            .iter()
            .filter(|line| line.starts_with(b"STATUS "))
            .find_map(|line| parse::after(line, b"MESSAGES "))
            .ok_or_else(|| Error::Protocol(format!("STATUS {mailbox} without MESSAGES")))
    }

    /// Makes a mailbox anew, empty.
    pub fn recreate(&mut self, mailbox: &str) -> Result<()> {
        let name = parse::quoted(mailbox);
        let _ = self.command(format!("DELETE {name}").as_bytes())?;
        self.ok(format!("CREATE {name}").as_bytes()).map(|_| ())
    }

    /// The transport, for the driver. Nothing may be under way.
    pub fn into_parts(self) -> (Transport, Reader) {
        (self.transport, self.reader)
    }
}
