//! What the driver sends and how answers are judged: an operation is a small state machine over response lines.

/// One operation on one connection. Operations on a connection are answered in the order in which they were sent.
pub trait Operation: Send {
    /// Puts the first octets into `io.out`. `tag` is unique on the connection.
    fn start(&mut self, tag: u32, io: &mut Io<'_>);
    /// One complete response line with its literals, without the last CRLF.
    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step;
}

/// What an operation may touch.
pub struct Io<'a> {
    /// Octets to be sent.
    pub out: &'a mut Vec<u8>,
    /// When the line was received, nanoseconds (`clock::now`).
    pub now: u64,
    /// Times beside that of the operation as a whole.
    pub notes: &'a mut Vec<Note>,
}

/// One more measured time: class and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    pub class: usize,
    pub nanos: u64,
}

#[derive(Debug)]
pub enum Step {
    /// The answer is not complete.
    More,
    Done(Outcome),
}

#[derive(Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    /// What throughput is counted in: messages of a FETCH, 1 for a query.
    pub units: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// An answer that cannot be true; with an example for people.
    Wrong(String),
    /// NO, BAD, BYE, 4xx, 5xx.
    Refused(String),
}

impl Step {
    pub fn right(units: u64) -> Step {
        Step::Done(Outcome { verdict: Verdict::Right, units })
    }
    pub fn wrong(what: String) -> Step {
        Step::Done(Outcome { verdict: Verdict::Wrong(what), units: 0 })
    }
    pub fn refused(line: &[u8]) -> Step {
        let verdict = Verdict::Refused(crate::client::shown(line, 200));
        Step::Done(Outcome { verdict, units: 0 })
    }
}

/// An operation with the class its time is recorded under.
pub struct Job {
    pub class: usize,
    pub operation: Box<dyn Operation>,
}

/// Where operations come from; each driver thread has one of its own.
pub trait Source: Send {
    /// The next operation for connection `connection` (its number in the run); `None` when there are no more.
    fn next(&mut self, connection: usize) -> Option<Job>;
}

impl<F: FnMut(usize) -> Option<Job> + Send> Source for F {
    fn next(&mut self, connection: usize) -> Option<Job> {
        self(connection)
    }
}

/// Judges the answer of one IMAP command. Lines come without `* `.
pub trait Check: Send {
    fn untagged(&mut self, line: &[u8]);
    /// After a tagged OK: the verdict and the units.
    fn done(&mut self, status: &[u8]) -> Outcome;
}

/// Any OK is right, and counts as so many units.
pub struct AnyOk(pub u64);

impl Check for AnyOk {
    fn untagged(&mut self, _: &[u8]) {}
    fn done(&mut self, _: &[u8]) -> Outcome {
        Outcome { verdict: Verdict::Right, units: self.0 }
    }
}

/// One IMAP command. Each piece but the first is sent after a continuation request (synchronising literals); with
/// LITERAL+ there is one piece. No piece holds the tag; the last ends without CRLF.
pub struct Command<C> {
    pieces: Vec<Vec<u8>>,
    sent: usize,
    tag: Vec<u8>,
    check: C,
}

impl<C: Check> Command<C> {
    pub fn new(text: impl Into<Vec<u8>>, check: C) -> Command<C> {
        Command::pieces(vec![text.into()], check)
    }
    pub fn pieces(pieces: Vec<Vec<u8>>, check: C) -> Command<C> {
        Command { pieces, sent: 0, tag: Vec::new(), check }
    }
    fn send(&mut self, out: &mut Vec<u8>) {
        if let Some(piece) = self.pieces.get(self.sent) {
            out.extend_from_slice(piece);
            self.sent += 1;
            if self.sent == self.pieces.len() {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// The tag of operation `n` of a connection, with the space behind it.
pub fn tag(n: u32) -> Vec<u8> {
    let mut tag = Vec::with_capacity(12);
    tag.push(b't');
    let mut digits = [0; 10];
    let (mut at, mut left) = (digits.len(), n);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    tag.extend_from_slice(&digits[at..]);
    tag.push(b' ');
    tag
}

impl<C: Check> Operation for Command<C> {
    fn start(&mut self, number: u32, io: &mut Io<'_>) {
        self.tag = tag(number);
        io.out.extend_from_slice(&self.tag);
        self.send(io.out);
    }

    fn line(&mut self, line: &[u8], io: &mut Io<'_>) -> Step {
        if let Some(rest) = line.strip_prefix(b"* ") {
            if rest.starts_with(b"BYE") {
                return Step::refused(rest);
            }
            self.check.untagged(rest);
            return Step::More;
        }
        if line.starts_with(b"+") {
            if self.sent == self.pieces.len() {
                return Step::wrong(format!(
                    "a continuation that nothing asked for: {}",
                    crate::client::shown(line, 80)
                ));
            }
            self.send(io.out);
            return Step::More;
        }
        let Some(status) = line.strip_prefix(&self.tag[..]) else {
            return Step::wrong(format!("an answer with another tag: {}", crate::client::shown(line, 80)));
        };
        if !status.starts_with(b"OK") {
            return Step::refused(status);
        }
        Step::Done(self.check.done(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synchronising_literals_wait_to_be_asked_for() {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut command =
            Command::pieces(vec![b"X {2}\r\n".to_vec(), b"ab {1}\r\n".to_vec(), b"c".to_vec()], AnyOk(3));
        let mut io = Io { out: &mut out, now: 0, notes: &mut notes };
        command.start(12, &mut io);
        assert_eq!(*io.out, b"t12 X {2}\r\n");
        assert!(matches!(command.line(b"+ go on", &mut io), Step::More));
        assert!(matches!(command.line(b"* 3 EXISTS", &mut io), Step::More));
        assert!(matches!(command.line(b"+", &mut io), Step::More));
        assert_eq!(*io.out, b"t12 X {2}\r\nab {1}\r\nc\r\n");
        let Step::Done(outcome) = command.line(b"t12 OK done", &mut io) else { panic!("not done") };
        assert_eq!((outcome.verdict, outcome.units), (Verdict::Right, 3));
        // One that nothing asked for, and an answer to something else.
        for line in [&b"+ more"[..], b"t13 OK done"] {
            let Step::Done(outcome) = command.line(line, &mut io) else { panic!("not done") };
            assert!(matches!(outcome.verdict, Verdict::Wrong(_)), "{outcome:?}");
        }
        let Step::Done(outcome) = command.line(b"t12 NO full", &mut io) else { panic!("not done") };
        assert_eq!(outcome.verdict, Verdict::Refused("NO full".into()));
    }
}
