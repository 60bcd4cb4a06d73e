//! Reading messages: records, headers, ranges, summaries; and what a lane needs to read them itself.

use super::{Extent, Shard};
use crate::error::ReadError;
use crate::log::Address;
use crate::types::{EmailId, ThreadId, ZonedTime};
use std::rc::Rc;

/// The message record: everything that is immutable about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRecord {
    pub email_id: EmailId,
    pub thread_id: ThreadId,
    pub size: u32,
    pub header_len: u32,
    pub internal: ZonedTime,
    pub sent_day: Option<i32>,
    pub header: Vec<Extent>,
    pub body: Vec<Extent>,
    pub summary_version: u16,
    pub summary: Vec<u8>,
}

/// A summary as it was recorded, with what the record says beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSummary {
    pub version: u16,
    pub bytes: Rc<[u8]>,
    pub email_id: EmailId,
    pub thread_id: ThreadId,
}

#[allow(unused_variables)]
impl Shard {
    /// The message record at a [`crate::types::MessageFacts::address`].
    pub async fn read_message(&self, address: Address) -> Result<MessageRecord, ReadError> {
        unreachable!()
    }

    /// Summaries, neighbours read together; results in the order asked for.
    pub async fn read_summaries(&self, addresses: &[Address]) -> Vec<Result<StoredSummary, ReadError>> {
        unreachable!()
    }

    /// The header: the bytes up to and including the first empty line.
    pub async fn read_header(&self, address: Address) -> Result<Vec<u8>, ReadError> {
        unreachable!()
    }

    /// Headers of many messages, neighbours read together; results in the order asked for.
    pub async fn read_headers(&self, addresses: &[Address]) -> Vec<Result<Vec<u8>, ReadError>> {
        unreachable!()
    }

    /// Octets `start..start + len` of the message; fewer at its end, none beyond it. Inflates only the chunks it needs.
    pub async fn read_range(&self, address: Address, start: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        unreachable!()
    }

    /// The same of a message whose record was read before.
    pub async fn read_range_of(
        &self,
        record: &MessageRecord,
        start: u64,
        len: usize,
    ) -> Result<Vec<u8>, ReadError> {
        unreachable!()
    }

    /// The whole message.
    pub async fn read_all(&self, address: Address) -> Result<Vec<u8>, ReadError> {
        unreachable!()
    }

    /// What a lane needs to read messages of this shard by itself.
    pub fn lane_reader(&self) -> LaneReader {
        unreachable!()
    }
}

/// Bytes that a lane is to read: a path below the store's root, an offset, a length (fewer at the file's end).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadAt {
    pub path: String,
    pub offset: u64,
    pub len: usize,
}

/// Reads messages on another thread (it is `Send`): says what to read, verifies and inflates what was read.
#[derive(Clone)]
pub struct LaneReader {}

#[allow(unused_variables)]
impl LaneReader {
    /// Header (and with `bodies` the body) of each message, in the order asked for. `read` reads a batch: one answer a
    /// request, in order. Rounds: message records, then chunks.
    pub fn read_messages(
        &self,
        addresses: &[Address],
        bodies: bool,
        read: &mut dyn FnMut(&[ReadAt]) -> Vec<std::io::Result<Vec<u8>>>,
    ) -> Vec<Result<LaneMessage, ReadError>> {
        unreachable!()
    }
}

/// A message as a lane reads it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaneMessage {
    pub header: Vec<u8>,
    /// Empty when it was not asked for.
    pub body: Vec<u8>,
}
