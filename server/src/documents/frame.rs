//! What server and worker say to each other over two pipes: heads of a fixed size, then octets of which the head says how many.
//!
//! A worker that was taken over says what it likes, so the server believes nothing: sizes are bounded before anything is read, and what
//! is not as it should be is no answer.
//!
//! Numbers are little endian. Request: `"TQ"`, version, kind, octets of charset (u8), three zeros, octets of text that are wanted at most
//! (u32), octets of content (u32); charset; content. Answer: `"TA"`, version, status, flags, three zeros, octets of text (u32); text.

use super::Reason;
use trawl_index::document::Kind;

/// Server and worker are the same program; this is for a worker that is neither.
const VERSION: u8 = 1;

pub const REQUEST_HEAD_BYTES: usize = 16;
pub const ANSWER_HEAD_BYTES: usize = 12;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Document(Kind),
    /// For tests: to do what must not be possible, by a number from [`FIRST_PROBE`] on.
    Probe(u8),
}

/// Kinds of documents are below it.
pub const FIRST_PROBE: u8 = 0xe0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub task: Task,
    pub charset_bytes: u8,
    pub text_bytes_max: u32,
    pub content_bytes: u32,
}

impl RequestHead {
    pub fn encode(self) -> [u8; REQUEST_HEAD_BYTES] {
        let task = match self.task {
            Task::Document(kind) => kind.code(),
            Task::Probe(number) => number,
        };
        let mut head = [0; REQUEST_HEAD_BYTES];
        head[..5].copy_from_slice(&[b'T', b'Q', VERSION, task, self.charset_bytes]);
        head[8..12].copy_from_slice(&self.text_bytes_max.to_le_bytes());
        head[12..].copy_from_slice(&self.content_bytes.to_le_bytes());
        head
    }

    pub fn decode(head: &[u8; REQUEST_HEAD_BYTES]) -> Option<RequestHead> {
        let [b'T', b'Q', VERSION, task, charset_bytes, 0, 0, 0, t0, t1, t2, t3, c0, c1, c2, c3] = *head
        else {
            return None;
        };
        let task = match Kind::from_code(task) {
            Some(kind) => Task::Document(kind),
            None if task >= FIRST_PROBE => Task::Probe(task),
            None => return None,
        };
        Some(RequestHead {
            task,
            charset_bytes,
            text_bytes_max: u32::from_le_bytes([t0, t1, t2, t3]),
            content_bytes: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The worker is ready. Its flags say which of its restraints it could not put on.
    Ready,
    /// Flag 1: there is more in the document.
    Text,
    Failed(Reason),
}

const READY: u8 = 0xff;
const TEXT: u8 = 0;
pub const FLAG_CUT: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    pub status: Status,
    pub flags: u8,
    /// 0 unless there is text.
    pub text_bytes: u32,
}

impl AnswerHead {
    pub fn encode(self) -> [u8; ANSWER_HEAD_BYTES] {
        let status = match self.status {
            Status::Ready => READY,
            Status::Text => TEXT,
            Status::Failed(reason) => reason.code(),
        };
        let mut head = [0; ANSWER_HEAD_BYTES];
        head[..5].copy_from_slice(&[b'T', b'A', VERSION, status, self.flags]);
        head[8..].copy_from_slice(&self.text_bytes.to_le_bytes());
        head
    }

    /// `None`: this is no answer to a request for at most so many octets.
    pub fn decode(head: &[u8; ANSWER_HEAD_BYTES], text_bytes_max: u32) -> Option<AnswerHead> {
        let [b'T', b'A', VERSION, status, flags, 0, 0, 0, t0, t1, t2, t3] = *head else { return None };
        let text_bytes = u32::from_le_bytes([t0, t1, t2, t3]);
        let status = match status {
            READY => Status::Ready,
            TEXT => Status::Text,
            // What became of a worker is not for the worker to say.
            code => Status::Failed(Reason::from_code(code).filter(|reason| reason.is_of_content())?),
        };
        let fits = match status {
            Status::Text => flags & !FLAG_CUT == 0 && text_bytes <= text_bytes_max,
            Status::Ready => text_bytes == 0,
            Status::Failed(_) => text_bytes == 0 && flags == 0,
        };
        fits.then_some(AnswerHead { status, flags, text_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn statuses() -> impl Strategy<Value = Status> {
        prop_oneof![
            Just(Status::Ready),
            Just(Status::Text),
            (1..=8u8).prop_map(|code| Status::Failed(Reason::from_code(code).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn requests_read_back(code in 1..=11u8, probe in any::<bool>(), charset_bytes: u8, text_bytes_max: u32, content_bytes: u32) {
            let task = if probe { Task::Probe(FIRST_PROBE + code) } else { Task::Document(Kind::from_code(code).unwrap()) };
            let head = RequestHead { task, charset_bytes, text_bytes_max, content_bytes };
            prop_assert_eq!(RequestHead::decode(&head.encode()), Some(head));
        }

        #[test]
        fn answers_read_back_if_they_keep_to_what_was_asked(
            status in statuses(), flags in 0..4u8, text_bytes in 0..200u32, text_bytes_max in 0..200u32,
        ) {
            let head = AnswerHead { status, flags, text_bytes };
            let fits = match status {
                Status::Text => flags <= 1 && text_bytes <= text_bytes_max,
                Status::Ready => text_bytes == 0,
                Status::Failed(reason) => reason.is_of_content() && text_bytes == 0 && flags == 0,
            };
            prop_assert_eq!(AnswerHead::decode(&head.encode(), text_bytes_max), fits.then_some(head));
        }

        #[test]
        fn what_is_read_is_what_was_written(octets: [u8; REQUEST_HEAD_BYTES], begin in any::<bool>(), max: u32) {
            let mut octets = octets;
            if begin {
                octets[..3].copy_from_slice(b"TQ\x01");
                octets[5..8].fill(0);
            }
            if let Some(head) = RequestHead::decode(&octets) {
                prop_assert_eq!(head.encode(), octets);
            }
            let mut answer: [u8; ANSWER_HEAD_BYTES] = octets[..ANSWER_HEAD_BYTES].try_into().unwrap();
            if begin {
                answer[..2].copy_from_slice(b"TA");
            }
            if let Some(head) = AnswerHead::decode(&answer, max) {
                prop_assert_eq!(head.encode(), answer);
                prop_assert!(head.text_bytes <= max);
            }
        }
    }
}
