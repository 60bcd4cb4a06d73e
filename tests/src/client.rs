//! A blocking IMAP client that knows just enough to be sure of what the server said: lines with their literals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long an answer may take before a test gives up (a bound against hanging, not an expectation).
const ANSWER_SECONDS_MAX: u64 = 120;

pub struct Client {
    reader: BufReader<TcpStream>,
    tags: u32,
    pub greeting: String,
}

/// What one command was answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// Untagged lines without the `* ` and CRLF; literals are inside as they came.
    pub untagged: Vec<Vec<u8>>,
    /// The tagged line without its tag: `OK [CODE] text`.
    pub status: String,
}

impl Answer {
    pub fn is_ok(&self) -> bool {
        self.status.starts_with("OK")
    }
    /// The argument of a response code in the tagged line: `code("APPENDUID")` of `OK [APPENDUID 1 2] x` is `1 2`.
    pub fn code(&self, name: &str) -> Option<&str> {
        let rest = self.status.split_once('[')?.1.split_once(']')?.0;
        rest.strip_prefix(name).map(str::trim)
    }
    /// Untagged lines as text, for looking at.
    pub fn lines(&self) -> Vec<String> {
        self.untagged.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect()
    }
}

impl Client {
    pub fn connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))?;
        let mut client = Client { reader: BufReader::new(stream), tags: 0, greeting: String::new() };
        let line = client.line()?;
        client.greeting = String::from_utf8_lossy(&line).into_owned();
        Ok(client)
    }

    /// A connection that is logged in; panics when that fails.
    pub fn login(port: u16, user: &str, password: &str) -> Client {
        let mut client = Client::connect(port).expect("the server accepts");
        client.ok(&format!("LOGIN {user} {password}"));
        client
    }

    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// One response line with the literals it announces, without the final CRLF.
    pub fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let Some(text) = line.strip_suffix(b"\r\n") else { continue };
            let Some(size) = literal(text) else {
                line.truncate(line.len() - 2);
                return Ok(line);
            };
            let at = line.len();
            line.resize(at + size, 0);
            self.reader.read_exact(&mut line[at..])?;
        }
    }

    pub fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("a{}", self.tags)
    }

    /// Reads up to the tagged line of `tag`.
    pub fn until(&mut self, tag: &str) -> std::io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let line = self.line()?;
            if let Some(rest) = line.strip_prefix(b"* ") {
                answer.untagged.push(rest.to_vec());
            } else if let Some(rest) = line.strip_prefix(format!("{tag} ").as_bytes()) {
                answer.status = String::from_utf8_lossy(rest).into_owned();
                return Ok(answer);
            }
        }
    }

    pub fn try_command(&mut self, command: &[u8]) -> std::io::Result<Answer> {
        let tag = self.next_tag();
        let mut bytes = format!("{tag} ").into_bytes();
        bytes.extend_from_slice(command);
        bytes.extend_from_slice(b"\r\n");
        self.send(&bytes)?;
        self.until(&tag)
    }

    pub fn command(&mut self, command: &str) -> Answer {
        self.try_command(command.as_bytes()).unwrap_or_else(|e| panic!("{command}: {e}"))
    }

    /// A command that has to be answered OK.
    pub fn ok(&mut self, command: &str) -> Answer {
        let answer = self.command(command);
        assert!(answer.is_ok(), "{command}: {} {:?}", answer.status, answer.lines());
        answer
    }

    pub fn try_append(&mut self, mailbox: &str, message: &[u8]) -> std::io::Result<Answer> {
        let mut command = format!("APPEND {mailbox} {{{}+}}\r\n", message.len()).into_bytes();
        command.extend_from_slice(message);
        self.try_command(&command)
    }
}

/// The size of the literal that a line ends with: `{12}` or `~{12}`.
fn literal(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}")?;
    let open = digits.iter().rposition(|&b| b == b'{')?;
    std::str::from_utf8(&digits[open + 1..]).ok()?.parse().ok()
}
