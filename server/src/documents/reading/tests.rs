use std::ops::Range;

use super::*;
use trawl_index::mime::header_end;
use trawl_store::types::AccountId;

const ACCOUNT: AccountId = AccountId(3);

type Texts = (u32, Vec<Document>);

/// Messages of which each is at its number.
#[derive(Default)]
struct Mail {
    messages: Vec<String>,
    /// In no mailbox.
    gone: Vec<u32>,
    /// Cannot be read.
    damaged: Vec<u32>,
    seen: u32,
    /// What was written down: texts by message, and up to where.
    added: Vec<(Vec<Texts>, u32)>,
    /// Messages that were read.
    read: Vec<u32>,
    full: bool,
}

impl Source for Mail {
    fn next(&mut self, messages_max: usize) -> io::Result<Window> {
        let next = self.messages.len() as u32;
        let upto = next.min(self.seen.saturating_add(messages_max as u32).min(self.seen + 100));
        let message = |n: u32| Message {
            number: MessageNumber(n),
            email_id: EmailId::of(ACCOUNT, MessageNumber(n)),
            address: Address { segment: 1, offset: n },
        };
        let held = (self.seen..upto).filter(|n| !self.gone.contains(n));
        let range = (self.seen < next).then_some(MessageNumber(self.seen)..MessageNumber(upto));
        Ok(Window { messages: held.map(message).collect(), more: range.is_some() && upto < next, range })
    }

    fn summaries(&mut self, addresses: &[Address]) -> Vec<Result<(u16, Vec<u8>), String>> {
        let summary = |address: &Address| match address.offset {
            // One of a version that is not known, and one that cannot be read: what they say does not count.
            n if n % 10 == 8 => Ok((9, Vec::new())),
            n if n % 10 == 9 => Err("damaged".to_owned()),
            n => Ok((summary::VERSION, Summary::build(self.messages[n as usize].as_bytes()).encode())),
        };
        addresses.iter().map(summary).collect()
    }

    fn message(&mut self, address: Address) -> Result<LaneMessage, String> {
        self.read.push(address.offset);
        if self.damaged.contains(&address.offset) {
            return Err("damaged".to_owned());
        }
        let message = self.messages[address.offset as usize].as_bytes();
        let (header, body) = message.split_at(header_end(message));
        Ok(LaneMessage { header: header.to_vec(), body: body.to_vec() })
    }

    fn add(
        &mut self,
        found: Vec<(MessageNumber, DocumentsRecord)>,
        looked: Range<MessageNumber>,
    ) -> io::Result<()> {
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let decoded = found.into_iter().map(|(number, record)| {
            let (email_id, documents) = record.decoded().unwrap();
            assert_eq!(email_id, EmailId::of(ACCOUNT, number));
            (number.0, documents)
        });
        assert_eq!(looked.start.0, self.seen, "what is said begins where it ended");
        self.added.push((decoded.collect(), looked.end.0));
        self.seen = looked.end.0;
        Ok(())
    }
}

/// Reads what begins with `text: `; others fail in the way that they say.
#[derive(Default)]
struct Reader {
    gone: bool,
}

impl Extractor for Reader {
    fn extract(&mut self, document: &super::super::Document<'_>) -> Outcome {
        assert!(document.kind == Kind::Rtf && document.media_type == "application/rtf");
        let content = std::str::from_utf8(document.content).unwrap();
        match content.trim_end().split_once(": ") {
            _ if self.gone => Outcome::Failed(Reason::Unavailable),
            Some(("text", text)) => Outcome::Text { text: text.to_owned(), cut: text.len() > 20 },
            _ => Outcome::Failed(Reason::Damaged),
        }
    }
}

fn with(documents: &[&str]) -> String {
    let part = |content: &&str| format!("--b\r\nContent-Type: application/rtf\r\n\r\n{content}\r\n");
    let parts: String = documents.iter().map(part).collect();
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nbody\r\n{parts}--b--\r\n")
}

fn run(mail: &mut Mail, reader: &mut Reader) -> (io::Result<Again>, u64, u64) {
    let (figures, config) = (Figures::default(), DocumentsConfig::default());
    let again = step(mail, reader, &config, &figures, &AtomicBool::new(false));
    (again, figures.read.into_inner(), figures.failed.into_inner())
}

#[test]
fn messages_are_looked_at_in_order_and_read_only_if_need_be() {
    let mut mail = Mail { gone: vec![3], damaged: vec![5], ..Mail::default() };
    mail.messages = (0..10).map(|_| "Subject: plain\r\n\r\nbody\r\n".to_owned()).collect();
    mail.messages[1] = with(&["text: one", "broken", "text: two and very much more of it"]);
    mail.messages[3] = with(&["text: nobody has it"]);
    mail.messages[4] = with(&["broken"]);
    mail.messages[5] = with(&["text: cannot be read"]);
    mail.messages[7] = with(&["text: seven"]);
    let (again, read, failed) = run(&mut mail, &mut Reader::default());
    assert_eq!((again.unwrap(), read, failed), (Again::Never, 3, 2));
    assert_eq!(mail.read, [1, 4, 5, 7, 8, 9]);
    let [(found, 10)] = &mail.added[..] else { panic!("{:?}", mail.added) };
    let document = |part: &str, outcome, cut, text: &str| Document {
        part: part.to_owned(),
        kind: Kind::Rtf.code(),
        outcome,
        cut,
        text: text.to_owned(),
    };
    let first = vec![
        document("2", 0, false, "one"),
        document("3", Reason::Damaged.code(), false, ""),
        document("4", 0, true, "two and very much more of it"),
    ];
    assert_eq!(found[..], [(1, first), (7, vec![document("2", 0, false, "seven")])]);
    assert_eq!(run(&mut mail, &mut Reader::default()).0.unwrap(), Again::Never);
    assert_eq!((mail.added.len(), mail.read.len()), (1, 6), "there is nothing more");
}

#[test]
fn what_cannot_be_read_now_is_read_later_and_nothing_behind_it_before() {
    let mut mail = Mail { messages: vec![with(&["text: a"]); 5], ..Mail::default() };
    mail.messages[0] = "Subject: plain\r\n\r\nbody\r\n".to_owned();
    let (again, ..) = run(&mut mail, &mut Reader { gone: true });
    assert!(matches!(again, Ok(Again::After(_))));
    assert_eq!((mail.seen, mail.read.len()), (1, 1));
    mail.full = true;
    assert!(run(&mut mail, &mut Reader::default()).0.is_err());
    mail.full = false;
    assert_eq!(run(&mut mail, &mut Reader::default()).0.unwrap(), Again::Never);
    let read: Vec<u32> = mail.added.iter().flat_map(|(found, _)| found.iter().map(|(n, _)| *n)).collect();
    assert_eq!((read, mail.seen), (vec![1, 2, 3, 4], 5));
    let stopped = step(
        &mut Mail { messages: vec![with(&["text: a"])], ..Mail::default() },
        &mut Reader::default(),
        &DocumentsConfig::default(),
        &Figures::default(),
        &AtomicBool::new(true),
    );
    assert!(matches!(stopped, Ok(Again::After(_))));
}

#[test]
fn many_are_written_down_in_parts() {
    let mut mail = Mail { messages: vec![with(&["text: a"]); 250], ..Mail::default() };
    let mut again = Vec::new();
    for _ in 0..3 {
        again.push(run(&mut mail, &mut Reader::default()).0.unwrap());
    }
    assert_eq!(again, [Again::Now, Again::Now, Again::Never]);
    assert!(mail.added.iter().all(|(found, _)| found.len() <= DOCUMENTS_COMMIT_MESSAGES));
    assert_eq!((mail.added.iter().map(|(found, _)| found.len()).sum::<usize>(), mail.seen), (250, 250));
}

#[test]
fn a_message_of_too_much_text_is_cut() {
    let large = format!("text: {}", "x".repeat(documents_bytes_max / 2 + 10));
    let mut mail = Mail { messages: vec![with(&[&large, &large, &large, "text: z"])], ..Mail::default() };
    assert_eq!(run(&mut mail, &mut Reader::default()).0.unwrap(), Again::Never);
    let documents = &mail.added[0].0[0].1;
    assert_eq!(documents.iter().map(|document| document.text.len()).sum::<usize>(), documents_bytes_max);
    assert!(documents.len() == 2 && documents[1].cut);
}
