//! A small IMAP client for one purpose: APPEND, many messages a command (RFC 3502), several commands ahead of the
//! answers. Messages of a mailbox keep their order. What the server refuses in company is sent again alone, so that one
//! bad message costs itself only.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Write};

use trawl_index::mime::header;
use trawl_store::types::ZonedTime;

use super::source::Incoming;
use crate::response::encode;
use crate::wire::name::NameEncoding;

/// Messages in one APPEND.
const BATCH_MESSAGES_MAX: usize = 256;
/// Bytes in one APPEND, unless a single message is larger.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// APPENDs sent and not answered; bounds the memory of the import.
const COMMANDS_AHEAD_MAX: usize = 3;
/// Longest response line without literals that makes sense here.
const RESPONSE_BYTES_MAX: u64 = 16 << 20;

/// A message that the server did not take.
pub struct NotStored {
    pub origin: String,
    pub reason: String,
}

/// What became of the messages.
#[derive(Default)]
pub struct Outcome {
    pub stored: u64,
    pub stored_bytes: u64,
    pub duplicates: u64,
    pub mailboxes: u64,
}

pub struct Upload<S> {
    stream: BufReader<S>,
    tags: u64,
    batch: Vec<Incoming>,
    batch_bytes: usize,
    ahead: VecDeque<(String, Vec<Incoming>)>,
    /// Mailboxes that were made, or why they could not be.
    made: HashMap<String, Result<(), String>>,
    /// Size and Message-ID of what each mailbox holds, when duplicates are to be skipped.
    known: Option<HashMap<String, HashSet<(u64, u64)>>>,
    /// What the server said when it ended the session.
    bye: String,
    pub outcome: Outcome,
    pub refused: Vec<NotStored>,
}

impl<S: Read + Write> Upload<S> {
    /// Over a connection whose greeting has not been read.
    pub fn new(stream: BufReader<S>, skip_duplicates: bool) -> io::Result<Upload<S>> {
        let mut upload = Upload {
            stream,
            tags: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            ahead: VecDeque::new(),
            made: HashMap::new(),
            known: skip_duplicates.then(HashMap::new),
            bye: String::new(),
            outcome: Outcome::default(),
            refused: Vec::new(),
        };
        let greeting = upload.response()?;
        if !greeting.starts_with(b"* PREAUTH") {
            return Err(io::Error::other(format!(
                "unexpected greeting: {}",
                String::from_utf8_lossy(&greeting)
            )));
        }
        Ok(upload)
    }

    /// Takes one message; what was refused meanwhile is in `refused`.
    pub fn put(&mut self, message: Incoming) -> io::Result<()> {
        if let Err(reason) = self.make_mailbox(&message.mailbox)? {
            self.refused.push(NotStored { origin: message.origin, reason });
            return Ok(());
        }
        if self.is_duplicate(&message) {
            self.outcome.duplicates += 1;
            return Ok(());
        }
        let same = self.batch.first().is_none_or(|first| first.mailbox == message.mailbox);
        let room = self.batch.len() < BATCH_MESSAGES_MAX
            && self.batch_bytes + message.bytes.len() <= BATCH_BYTES_MAX;
        if !(self.batch.is_empty() || same && room) {
            self.send_batch()?;
        }
        self.batch_bytes += message.bytes.len();
        self.batch.push(message);
        Ok(())
    }

    /// Sends what is left and waits for every answer.
    pub fn finish(&mut self) -> io::Result<()> {
        self.send_batch()?;
        self.settle(0)?;
        let tag = self.send(b"LOGOUT\r\n")?;
        self.answer(&tag, |_| ())?;
        Ok(())
    }

    fn send_batch(&mut self) -> io::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let tag = self.append(&batch)?;
        self.ahead.push_back((tag, batch));
        self.settle(COMMANDS_AHEAD_MAX)
    }

    /// Waits until at most `ahead_max` commands are not answered.
    fn settle(&mut self, ahead_max: usize) -> io::Result<()> {
        let mut again = Vec::new();
        while self.ahead.len() > ahead_max || (!again.is_empty() && !self.ahead.is_empty()) {
            let Some((tag, batch)) = self.ahead.pop_front() else { break };
            let status = self.answer(&tag, |_| ())?;
            if status.starts_with("OK") {
                self.stored(&batch);
            } else if let [one] = &batch[..] {
                self.refused.push(NotStored { origin: one.origin.clone(), reason: status });
            } else {
                again.extend(batch);
            }
        }
        for message in again {
            let tag = self.append(std::slice::from_ref(&message))?;
            let status = self.answer(&tag, |_| ())?;
            if status.starts_with("OK") {
                self.stored(std::slice::from_ref(&message));
            } else {
                self.refused.push(NotStored { origin: message.origin, reason: status });
            }
        }
        Ok(())
    }

    fn stored(&mut self, batch: &[Incoming]) {
        self.outcome.stored += batch.len() as u64;
        self.outcome.stored_bytes += batch.iter().map(|m| m.bytes.len() as u64).sum::<u64>();
    }

    fn append(&mut self, batch: &[Incoming]) -> io::Result<String> {
        let Some(first) = batch.first() else { unreachable!("a batch is never empty") };
        let mut command = format!("APPEND {}", name(&first.mailbox)).into_bytes();
        for message in batch {
            if !message.flags.is_empty() {
                command.extend_from_slice(format!(" ({})", message.flags.join(" ")).as_bytes());
            }
            if let Some(date) = message.date {
                command.push(b' ');
                command.extend_from_slice(&date_time(date));
            }
            // RFC 3516 4.4: NUL can only be in a literal8.
            let literal8 = if memchr::memchr(0, &message.bytes).is_some() { "~" } else { "" };
            command.extend_from_slice(format!(" {literal8}{{{}+}}\r\n", message.bytes.len()).as_bytes());
            command.extend_from_slice(&message.bytes);
        }
        command.extend_from_slice(b"\r\n");
        self.send(&command)
    }

    /// Creates and subscribes a mailbox once; `Ok(Err(reason))` when the server refuses.
    fn make_mailbox(&mut self, mailbox: &str) -> io::Result<Result<(), String>> {
        if let Some(made) = self.made.get(mailbox) {
            return Ok(made.clone());
        }
        self.send_batch()?;
        self.settle(0)?;
        let name = self::name(mailbox);
        if !mailbox.eq_ignore_ascii_case("INBOX") {
            let tag = self.send(format!("CREATE {name}\r\n").as_bytes())?;
            let status = self.answer(&tag, |_| ())?;
            if !status.starts_with("OK") && !status.contains("ALREADYEXISTS") {
                let refused = Err(format!("mailbox \"{mailbox}\": {status}"));
                self.made.insert(mailbox.to_owned(), refused.clone());
                return Ok(refused);
            }
            let tag = self.send(format!("SUBSCRIBE {name}\r\n").as_bytes())?;
            self.answer(&tag, |_| ())?;
        }
        if self.known.is_some() {
            let held = self.contents(&name)?;
            if let Some(known) = &mut self.known {
                known.insert(mailbox.to_owned(), held);
            }
        }
        self.made.insert(mailbox.to_owned(), Ok(()));
        self.outcome.mailboxes += 1;
        Ok(Ok(()))
    }

    /// Size and Message-ID of every message of a mailbox.
    fn contents(&mut self, name: &str) -> io::Result<HashSet<(u64, u64)>> {
        let mut held = HashSet::new();
        let tag = self.send(format!("EXAMINE {name}\r\n").as_bytes())?;
        if !self.answer(&tag, |_| ())?.starts_with("OK") {
            return Ok(held);
        }
        let tag = self.send(b"UID FETCH 1:* (RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])\r\n")?;
        self.answer(&tag, |line| {
            let Some(at) = memchr::memmem::find(line, b"RFC822.SIZE ") else { return };
            let digits: String =
                line[at + 12..].iter().take_while(|b| b.is_ascii_digit()).map(|b| char::from(*b)).collect();
            if let (Ok(size), Some(id)) = (digits.parse(), message_id(line)) {
                held.insert((size, id));
            }
        })?;
        let tag = self.send(b"UNSELECT\r\n")?;
        self.answer(&tag, |_| ())?;
        Ok(held)
    }

    /// A message without a Message-ID is never called a duplicate.
    fn is_duplicate(&mut self, message: &Incoming) -> bool {
        let Some(held) = self.known.as_mut().and_then(|known| known.get_mut(&message.mailbox)) else {
            return false;
        };
        let Some(field) = header::fields(&message.bytes).find(|f| f.is(b"Message-ID")) else { return false };
        message_id(&field.unfolded()).is_some_and(|id| !held.insert((message.bytes.len() as u64, id)))
    }

    fn send(&mut self, command: &[u8]) -> io::Result<String> {
        self.tags += 1;
        let tag = format!("i{}", self.tags);
        let stream = self.stream.get_mut();
        stream.write_all(format!("{tag} ").as_bytes())?;
        stream.write_all(command)?;
        stream.flush()?;
        Ok(tag)
    }

    /// The tagged line of `tag` without the tag; untagged lines are shown to `untagged`.
    fn answer(&mut self, tag: &str, mut untagged: impl FnMut(&[u8])) -> io::Result<String> {
        loop {
            let line = self.response()?;
            if let Some(rest) = line.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" ")) {
                return Ok(String::from_utf8_lossy(rest).into_owned());
            }
            if let Some(text) = line.strip_prefix(b"* BYE ") {
                self.bye = String::from_utf8_lossy(text).into_owned();
            }
            untagged(&line);
        }
    }

    /// One response with its literals, without the last CRLF.
    fn response(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            (&mut self.stream).take(RESPONSE_BYTES_MAX).read_until(b'\n', &mut line)?;
            let Some(text) = line.strip_suffix(b"\r\n") else {
                let text = format!("the server closed the connection: {}", self.bye);
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text.trim_end_matches([':', ' '])));
            };
            match literal(text) {
                None => {
                    line.truncate(line.len() - 2);
                    return Ok(line);
                }
                Some(size) => {
                    (&mut self.stream).take(size).read_to_end(&mut line)?;
                }
            }
        }
    }
}

/// The size announced at the end of a line: `{12}`.
fn literal(line: &[u8]) -> Option<u64> {
    let digits = line.strip_suffix(b"}")?;
    let open = memchr::memrchr(b'{', digits)?;
    std::str::from_utf8(&digits[open + 1..]).ok()?.parse().ok().filter(|size| *size <= RESPONSE_BYTES_MAX)
}

/// A hash of what stands between `<` and `>` in a Message-ID.
fn message_id(text: &[u8]) -> Option<u64> {
    let start = memchr::memchr(b'<', text)?;
    let end = start + memchr::memchr(b'>', &text[start..])?;
    let mut hasher = DefaultHasher::new();
    text[start..end].hash(&mut hasher);
    Some(hasher.finish())
}

/// A mailbox name as an argument.
fn name(mailbox: &str) -> String {
    let mut out = Vec::new();
    encode::mailbox(&mut out, mailbox, NameEncoding::ModifiedUtf7);
    String::from_utf8_lossy(&out).into_owned()
}

/// RFC 9051 date-time, quoted.
fn date_time(date: ZonedTime) -> Vec<u8> {
    let mut out = Vec::new();
    encode::internal_date(&mut out, date);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose answers are written beforehand.
    struct Script {
        answers: io::Cursor<Vec<u8>>,
        sent: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.sent.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn upload(answers: &str, skip_duplicates: bool) -> Upload<Script> {
        let answers = io::Cursor::new(format!("* PREAUTH hello\r\n{answers}").into_bytes());
        Upload::new(BufReader::new(Script { answers, sent: Vec::new() }), skip_duplicates).unwrap()
    }

    fn message(mailbox: &str, text: &str) -> Incoming {
        Incoming {
            origin: text.chars().take(8).collect(),
            mailbox: mailbox.into(),
            bytes: text.as_bytes().to_vec(),
            flags: vec!["\\Seen".into(), "work".into()],
            date: Some(ZonedTime { seconds: 1_483_365_845, zone_minutes: 60 }),
            source_bytes: 0,
        }
    }

    fn sent(upload: &Upload<Script>) -> String {
        String::from_utf8_lossy(&upload.stream.get_ref().sent).into_owned()
    }

    #[test]
    fn one_command_for_the_messages_of_a_mailbox() {
        let mut upload = upload("i1 OK done\r\ni2 OK\r\ni3 OK done\r\n* BYE\r\ni4 OK\r\n", false);
        upload.put(message("Entwürfe & mehr", "one")).unwrap();
        upload.put(message("Entwürfe & mehr", "t\0o")).unwrap();
        upload.finish().unwrap();
        assert_eq!(
            sent(&upload),
            "i1 CREATE \"Entw&APw-rfe &- mehr\"\r\ni2 SUBSCRIBE \"Entw&APw-rfe &- mehr\"\r\n\
             i3 APPEND \"Entw&APw-rfe &- mehr\" (\\Seen work) \" 2-Jan-2017 15:04:05 +0100\" {3+}\r\none \
             (\\Seen work) \" 2-Jan-2017 15:04:05 +0100\" ~{3+}\r\nt\0o\r\ni4 LOGOUT\r\n"
        );
        assert_eq!((upload.outcome.stored, upload.outcome.stored_bytes), (2, 6));
    }

    #[test]
    fn a_refused_message_costs_itself_only() {
        let answers = "i1 NO [LIMIT] no\r\ni2 OK\r\ni3 NO [TOOBIG] too big\r\ni4 OK\r\ni5 OK\r\n";
        let mut upload = upload(answers, false);
        for text in ["one", "two", "three"] {
            upload.put(message("INBOX", text)).unwrap();
        }
        upload.finish().unwrap();
        assert_eq!(upload.outcome.stored, 2);
        assert_eq!(upload.refused.len(), 1);
        assert_eq!(
            (upload.refused[0].origin.as_str(), upload.refused[0].reason.as_str()),
            ("two", "NO [TOOBIG] too big")
        );
    }

    #[test]
    fn a_mailbox_that_cannot_be_made() {
        let mut upload = upload("i1 NO [CANNOT] bad name\r\ni2 OK\r\n", false);
        upload.put(message("a//b", "one")).unwrap();
        upload.put(message("a//b", "two")).unwrap();
        upload.finish().unwrap();
        assert_eq!((upload.outcome.stored, upload.refused.len()), (0, 2));
        assert!(upload.refused[0].reason.contains("a//b"), "{}", upload.refused[0].reason);
    }

    #[test]
    fn duplicates_are_left_out_when_asked() {
        let answers = "i1 OK\r\n* 1 FETCH (UID 1 RFC822.SIZE 31 BODY[HEADER.FIELDS (MESSAGE-ID)] {23}\r\n\
                       Message-ID: <a@b>\r\n\r\n\r\n)\r\ni2 OK\r\ni3 OK\r\ni4 OK\r\ni5 OK\r\n";
        let mut upload = upload(answers, true);
        upload.put(message("INBOX", "Message-ID: <a@b>\r\n\r\n12345\r\n...")).unwrap();
        upload.put(message("INBOX", "Message-ID: <c@d>\r\n\r\nother")).unwrap();
        upload.put(message("INBOX", "Message-ID: <c@d>\r\n\r\nother")).unwrap();
        upload.put(message("INBOX", "Subject: none\r\n\r\nsame")).unwrap();
        upload.put(message("INBOX", "Subject: none\r\n\r\nsame")).unwrap();
        upload.finish().unwrap();
        assert_eq!((upload.outcome.stored, upload.outcome.duplicates), (3, 2));
    }

    #[test]
    fn the_end_of_the_server_is_an_error_with_its_words() {
        let mut upload = upload("* BYE shutting down\r\n", false);
        upload.put(message("INBOX", "one")).unwrap();
        let error = upload.finish().unwrap_err();
        assert!(error.to_string().contains("shutting down"), "{error}");
        assert_eq!(upload.outcome.stored, 0);
    }
}
