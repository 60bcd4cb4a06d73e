//! The edges of commands in the stream of bytes, found under bounds and before any meaning.
//!
//! Bytes go in by [`Fragmenter::push`], events come out of [`Fragmenter::poll`] one at a time; the same bytes give the same
//! events however they were cut. Small things (lines, literals of arguments) are collected; the messages of APPEND stream
//! through as [`Event::MessageData`] and are never collected. Whatever a client sends, memory stays within [`Policy`] and the
//! step with the stream is kept, or [`Event::Absurd`] says that it is not worth keeping.
//!
//! How a session drives it:
//!
//! ```text
//! loop { match fragmenter.poll() {
//!   NeedMore            => read from the socket, push (end of input: the client is gone)
//!   Continue            => send "+ OK\r\n"
//!   Command(bytes)      => wire::parse(&bytes), run, answer
//!   AppendLiteral(lit)  => wire::append::parse_start / parse_next (lit.head); then either
//!                            accept_message() and, if lit.synchronising, send "+ OK\r\n"; or
//!                            skip_command() and answer the tagged NO or BAD at once
//!   MessageData(bytes)  => write them; on failure skip_command() and answer
//!   MessageEnd          => that message is whole
//!   AppendEnd(rest)     => wire::append::parse_end(rest), commit all messages, answer
//!   TooBig{..}          => tagged BAD [TOOBIG]          LineTooLong{..} => tagged BAD
//!   ValueTooBig{..}     => tagged NO [METADATA MAXSIZE n]
//!   Line(bytes)         => what was asked for by expect_line() (IDLE's DONE, AUTHENTICATE's response)
//!   Absurd              => BYE, close
//! } }
//! ```
//!
//! A line ends with LF; the CR before it is dropped when it is there (a bare LF is tolerated). Whether the end of a line is a
//! literal is decided by its last bytes alone: inside a quoted string a line end is a syntax error anyway.

use super::ast::Tag;
use super::table::tag_of;
use crate::limits;

/// The bounds in force. [`Policy::unauthenticated`] until login, then [`Policy::authenticated`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// One line, its CR counted, LF not.
    pub line_bytes_max: usize,
    /// One literal that is not a message.
    pub literal_bytes_max: u64,
    /// One non-synchronising literal that is not a message: less than the above where only LITERAL- is offered.
    pub non_synchronising_bytes_max: u64,
    /// One command, its literals counted, messages not.
    pub command_bytes_max: usize,
    /// What is read to be thrown away for one command.
    pub discard_bytes_max: u64,
}

impl Policy {
    pub const fn unauthenticated() -> Policy {
        Policy {
            line_bytes_max: limits::LINE_UNAUTHENTICATED_BYTES_MAX,
            literal_bytes_max: limits::LITERAL_UNAUTHENTICATED_BYTES_MAX,
            non_synchronising_bytes_max: limits::LITERAL_MINUS_BYTES_MAX,
            command_bytes_max: limits::COMMAND_UNAUTHENTICATED_BYTES_MAX,
            discard_bytes_max: limits::DISCARD_UNAUTHENTICATED_BYTES_MAX,
        }
    }
    pub const fn authenticated() -> Policy {
        Policy {
            line_bytes_max: limits::LINE_BYTES_MAX,
            literal_bytes_max: limits::LITERAL_BYTES_MAX,
            non_synchronising_bytes_max: limits::LITERAL_BYTES_MAX,
            command_bytes_max: limits::COMMAND_BYTES_MAX,
            discard_bytes_max: limits::DISCARD_BYTES_MAX,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Nothing more without more bytes.
    NeedMore,
    /// A synchronising literal of an argument was announced and fits: ask for it.
    Continue,
    /// A whole command with its literals in place, without its line end.
    Command(Vec<u8>),
    /// A message literal of APPEND was announced; [`Fragmenter::accept_message`] or [`Fragmenter::skip_command`] must follow.
    AppendLiteral(MessageLiteral),
    /// Bytes of the accepted message; never empty.
    MessageData(Vec<u8>),
    /// All announced bytes of the message were handed out.
    MessageEnd,
    /// The end of the APPEND command: what stands after the last message literal, normally nothing.
    AppendEnd(Vec<u8>),
    /// The line asked for by [`Fragmenter::expect_line`], without its end.
    Line(Vec<u8>),
    /// A literal or a whole command is larger than the policy allows. All of it has been consumed, or, when it was
    /// synchronising, was not asked for.
    TooBig { tag: Option<Tag>, synchronising: bool },
    /// The same of a value of SETMETADATA, for which there is an answer of its own (RFC 5464 4.3).
    ValueTooBig { tag: Option<Tag> },
    /// A line was longer than the policy allows; it has been consumed.
    LineTooLong { tag: Option<Tag> },
    /// More than the policy is willing to throw away. Final: nothing but this event follows.
    Absurd,
}

/// The announcement of one message of APPEND.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageLiteral {
    /// The first message of the command: `head` begins with the tag.
    pub first: bool,
    /// What stands before the literal: since the command's start, or since the previous message.
    pub head: Vec<u8>,
    pub size: u64,
    /// `~{…}`: literal8, NUL allowed (RFC 3516, RFC 6855).
    pub binary: bool,
    pub synchronising: bool,
}

#[derive(Debug)]
enum State {
    /// Reading lines of a command; `collected` holds what came before.
    Command,
    /// Collecting a literal of an argument.
    Literal {
        left: u64,
    },
    /// The next line is not a command.
    Line,
    /// A message literal waits for the session's decision.
    Offered {
        size: u64,
        synchronising: bool,
    },
    /// Handing out a message.
    Message {
        left: u64,
    },
    Discard(Discard),
    Absurd,
}

/// Throwing away the rest of a command: `left` bytes of a literal, then lines until one does not end in a literal.
#[derive(Debug)]
struct Discard {
    left: u64,
    /// The last bytes of the current line, to see the literal at its end.
    tail: Vec<u8>,
    spent: u64,
    report: Option<Event>,
}

/// The longest literal announcement at the end of a line: `~{` 20 digits `+}` CR.
const SUFFIX_BYTES_MAX: usize = 32;
/// An empty buffer keeps no more capacity than this, so that idle connections are small.
const IDLE_CAPACITY_BYTES_MAX: usize = 4096;

#[derive(Debug)]
pub struct Fragmenter {
    policy: Policy,
    state: State,
    buffer: Vec<u8>,
    /// Where unconsumed bytes begin in `buffer`.
    start: usize,
    /// Up to where `buffer` was searched for LF.
    searched: usize,
    collected: Vec<u8>,
    /// At least one message of the current command was accepted.
    in_append: bool,
}

impl Fragmenter {
    pub fn new(policy: Policy) -> Fragmenter {
        Fragmenter {
            policy,
            state: State::Command,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            collected: Vec::new(),
            in_append: false,
        }
    }

    /// Takes effect with the next line or literal.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Appends what was read. The caller reads only after [`Event::NeedMore`], so no more than one read is ever buffered here
    /// beyond what the policy bounds.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Absurd) {
            return self.discard_buffered();
        }
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event is a [`Event::Line`] (or LineTooLong), not a command. Called between two commands only.
    pub fn expect_line(&mut self) {
        debug_assert!(self.is_between_commands());
        self.state = State::Line;
    }

    /// The session wants the message that was offered.
    pub fn accept_message(&mut self) {
        if let State::Offered { size, .. } = self.state {
            self.in_append = true;
            self.state = State::Message { left: size };
        }
    }

    /// The session has answered the current APPEND; whatever still comes of it is consumed silently.
    pub fn skip_command(&mut self) {
        let left = match self.state {
            // The client was not asked for the literal: after the tagged answer it starts a new command.
            State::Offered { synchronising: true, .. } => return self.reset(),
            State::Offered { size, .. } => size,
            State::Message { left } => left,
            State::Command if self.in_append => 0,
            _ => return,
        };
        self.discard(left, None);
    }

    /// No part of a command was consumed yet.
    pub fn is_between_commands(&self) -> bool {
        matches!(self.state, State::Command) && self.collected.is_empty() && !self.in_append
    }

    /// Bytes that came but were not consumed, for the next owner of the connection.
    pub fn take_buffered(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.start);
        self.discard_buffered();
        rest
    }

    /// After STARTTLS: what was sent in clear is forgotten (RFC 9051 6.2.1).
    pub fn discard_buffered(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
        self.searched = 0;
    }

    pub fn poll(&mut self) -> Event {
        loop {
            let step = match &mut self.state {
                State::Command => self.command_line(),
                State::Literal { .. } => self.literal(),
                State::Line => self.line(),
                State::Offered { .. } => {
                    // Not decided: a refusal, the safe reading.
                    self.skip_command();
                    None
                }
                State::Message { .. } => Some(self.message()),
                State::Discard(_) => self.throw_away(),
                State::Absurd => Some(Event::Absurd),
            };
            let Some(event) = step else { continue };
            if event == Event::NeedMore && self.start == self.buffer.len() {
                self.buffer.clear();
                self.buffer.shrink_to(IDLE_CAPACITY_BYTES_MAX);
                self.start = 0;
                self.searched = 0;
            }
            return event;
        }
    }

    fn reset(&mut self) {
        self.state = State::Command;
        self.collected = Vec::new();
        self.in_append = false;
    }

    fn discard(&mut self, left: u64, report: Option<Event>) {
        self.collected = Vec::new();
        self.in_append = false;
        self.state = if left > self.policy.discard_bytes_max {
            State::Absurd
        } else {
            State::Discard(Discard { left, tail: Vec::new(), spent: left, report })
        };
    }

    fn consume(&mut self, n: usize) {
        self.start += n;
        self.searched = self.searched.max(self.start);
    }

    /// The position of the next LF, if it has come.
    fn find_line_end(&mut self) -> Option<usize> {
        let from = self.searched.max(self.start);
        match memchr::memchr(b'\n', &self.buffer[from..]) {
            Some(i) => Some(from + i),
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    fn current_tag(&self) -> Option<Tag> {
        if self.in_append {
            return None;
        }
        let begin = if self.collected.is_empty() { &self.buffer[self.start..] } else { &self.collected };
        // No more than is there however the line was cut.
        tag_of(&begin[..begin.len().min(limits::TAG_BYTES_MAX + 1).min(self.policy.line_bytes_max + 1)])
    }

    /// One line of a command is there, or too long, or not there yet.
    fn command_line(&mut self) -> Option<Event> {
        let end = self.find_line_end();
        if end.unwrap_or(self.buffer.len()) - self.start > self.policy.line_bytes_max {
            let report = Event::LineTooLong { tag: self.current_tag() };
            self.discard(0, Some(report));
            return None;
        }
        let Some(end) = end else { return Some(Event::NeedMore) };
        let line = strip_cr(&self.buffer[self.start..end]);
        let consumed = end + 1 - self.start;
        let Some(announced) = Announced::at_end_of(line) else {
            if self.collected.len() + line.len() > self.policy.command_bytes_max {
                let report = Event::TooBig { tag: self.current_tag(), synchronising: false };
                self.consume(consumed);
                self.reset();
                return Some(report);
            }
            let in_append = self.in_append;
            let mut command = std::mem::take(&mut self.collected);
            command.extend_from_slice(line);
            self.consume(consumed);
            self.reset();
            return Some(if in_append { Event::AppendEnd(command) } else { Event::Command(command) });
        };
        let before = &line[..announced.at];
        if self.in_append || is_message_position(&self.collected, before) {
            let mut head = std::mem::take(&mut self.collected);
            head.extend_from_slice(before);
            let offer = MessageLiteral {
                first: !self.in_append,
                head,
                size: announced.size,
                binary: announced.binary,
                synchronising: announced.synchronising,
            };
            self.consume(consumed);
            if !offer.synchronising && offer.size > self.policy.discard_bytes_max {
                self.state = State::Absurd;
                return None;
            }
            self.state = State::Offered { size: offer.size, synchronising: offer.synchronising };
            return Some(Event::AppendLiteral(offer));
        }
        let allowed = if announced.synchronising {
            self.policy.literal_bytes_max
        } else {
            self.policy.literal_bytes_max.min(self.policy.non_synchronising_bytes_max)
        };
        let total = (self.collected.len() + consumed) as u64 + announced.size.min(allowed);
        if announced.size > allowed || total > self.policy.command_bytes_max as u64 {
            let (tag, synchronising) = (self.current_tag(), announced.synchronising);
            let is_value = is_of_setmetadata(&self.collected, before);
            let report =
                if is_value { Event::ValueTooBig { tag } } else { Event::TooBig { tag, synchronising } };
            self.consume(consumed);
            if announced.synchronising {
                self.reset();
                return Some(report);
            }
            self.discard(announced.size, Some(report));
            return None;
        }
        let raw = &self.buffer[self.start..end + 1];
        self.collected.extend_from_slice(raw);
        self.consume(consumed);
        self.state = State::Literal { left: announced.size };
        announced.synchronising.then_some(Event::Continue)
    }

    fn literal(&mut self) -> Option<Event> {
        let State::Literal { left } = self.state else { unreachable!("only called in this state") };
        let n = self.available(left);
        self.collected.extend_from_slice(&self.buffer[self.start..self.start + n]);
        self.consume(n);
        let left = left - n as u64;
        if left > 0 {
            self.state = State::Literal { left };
            return Some(Event::NeedMore);
        }
        self.state = State::Command;
        None
    }

    fn message(&mut self) -> Event {
        let State::Message { left } = self.state else { unreachable!("only called in this state") };
        if left == 0 {
            self.state = State::Command;
            return Event::MessageEnd;
        }
        let n = self.available(left);
        if n == 0 {
            return Event::NeedMore;
        }
        self.state = State::Message { left: left - n as u64 };
        if self.start == 0 && n == self.buffer.len() {
            self.searched = 0;
            return Event::MessageData(std::mem::take(&mut self.buffer));
        }
        let data = self.buffer[self.start..self.start + n].to_vec();
        self.consume(n);
        Event::MessageData(data)
    }

    fn line(&mut self) -> Option<Event> {
        let end = self.find_line_end();
        if end.unwrap_or(self.buffer.len()) - self.start > self.policy.line_bytes_max {
            self.discard(0, Some(Event::LineTooLong { tag: None }));
            return None;
        }
        let Some(end) = end else { return Some(Event::NeedMore) };
        let line = strip_cr(&self.buffer[self.start..end]).to_vec();
        self.consume(end + 1 - self.start);
        self.reset();
        Some(Event::Line(line))
    }

    fn throw_away(&mut self) -> Option<Event> {
        let State::Discard(d) = &mut self.state else { unreachable!("only called in this state") };
        let rest = &self.buffer[self.start..];
        if d.left > 0 {
            let n = rest.len().min(usize::try_from(d.left).unwrap_or(usize::MAX));
            d.left -= n as u64;
            let need_more = d.left > 0;
            self.consume(n);
            return need_more.then_some(Event::NeedMore);
        }
        let end = memchr::memchr(b'\n', rest);
        let piece = &rest[..end.map_or(rest.len(), |i| i + 1)];
        d.spent += piece.len() as u64;
        d.tail.extend_from_slice(&piece[piece.len().saturating_sub(SUFFIX_BYTES_MAX)..]);
        let excess = d.tail.len().saturating_sub(SUFFIX_BYTES_MAX);
        d.tail.drain(..excess);
        let n = piece.len();
        if d.spent > self.policy.discard_bytes_max {
            self.state = State::Absurd;
            return None;
        }
        if end.is_none() {
            self.consume(n);
            return Some(Event::NeedMore);
        }
        let line = strip_cr(&d.tail[..d.tail.len() - 1]);
        match Announced::at_end_of(line) {
            Some(next) if !next.synchronising => {
                d.tail.clear();
                d.left = next.size;
                d.spent = d.spent.saturating_add(next.size);
                if d.spent > self.policy.discard_bytes_max {
                    self.state = State::Absurd;
                }
                self.consume(n);
                None
            }
            // A synchronising literal will not be asked for, so the client does not send it.
            _ => {
                let report = d.report.take();
                self.consume(n);
                self.reset();
                report
            }
        }
    }

    fn available(&self, left: u64) -> usize {
        (self.buffer.len() - self.start).min(usize::try_from(left).unwrap_or(usize::MAX))
    }
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A literal announced at the end of a line: `["~"] "{" number64 ["+"] "}"` (RFC 9051 9, RFC 7888, RFC 3516).
struct Announced {
    /// Where the announcement begins in the line.
    at: usize,
    size: u64,
    binary: bool,
    synchronising: bool,
}

impl Announced {
    /// A number that does not fit 63 bits is taken as the largest one: too big for everything.
    fn at_end_of(line: &[u8]) -> Option<Announced> {
        let inner = line.strip_suffix(b"}")?;
        let (inner, synchronising) = match inner.strip_suffix(b"+") {
            Some(inner) => (inner, false),
            None => (inner, true),
        };
        let digits = inner.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 20 {
            return None;
        }
        let (before, digits) = inner.split_at(inner.len() - digits);
        let before = before.strip_suffix(b"{")?;
        let size = digits
            .iter()
            .try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))
            .unwrap_or(u64::MAX);
        let (at, binary) = match before.strip_suffix(b"~") {
            Some(before) => (before.len(), true),
            None => (before.len(), false),
        };
        Some(Announced { at, size, binary, synchronising })
    }
}

/// Is a literal that follows `collected` + `line` a message: the command is APPEND and its mailbox is already there?
fn is_message_position(collected: &[u8], line: &[u8]) -> bool {
    let begin = if collected.is_empty() { line } else { collected };
    let Some(space) = begin.iter().position(|&b| b == b' ') else { return false };
    let rest = &begin[space + 1..];
    let Some(name) = rest.get(..7) else { return false };
    if !name.eq_ignore_ascii_case(b"APPEND ") {
        return false;
    }
    // The mailbox itself may be a literal: then nothing stands between APPEND and it.
    !collected.is_empty() || rest.len() > 7
}

/// Is `collected` + `line` the beginning of SETMETADATA?
fn is_of_setmetadata(collected: &[u8], line: &[u8]) -> bool {
    let begin = if collected.is_empty() { line } else { collected };
    let rest = begin.iter().position(|&b| b == b' ').and_then(|space| begin.get(space + 1..));
    rest.and_then(|rest| rest.get(..12)).is_some_and(|name| name.eq_ignore_ascii_case(b"SETMETADATA "))
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
