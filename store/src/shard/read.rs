//! Reading messages on the core that owns them: records, summaries, headers, ranges.

use super::Shard;
use super::dictionary::Known;
use super::message::{Extent, MessageRecord, needed_by_chunk};
use crate::codec::BadBytes;
use crate::error::{Damage, ReadError};
use crate::log::segment::first_record;
use crate::log::{Address, RecordBytes};
use crate::types::{EmailId, ThreadId};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::rc::Rc;

/// Most message records with their summary are smaller; a larger one costs a second read.
pub(super) const MESSAGE_BYTES_GUESS: usize = 3_000;

/// A summary as it was recorded, with what the record says beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredSummary {
    pub version: u16,
    pub bytes: Rc<[u8]>,
    pub email_id: EmailId,
    pub thread_id: ThreadId,
}

/// The payload passed its checksum and is not what it should be.
pub(super) fn not_content(address: Address) -> impl Fn(BadBytes) -> ReadError {
    move |BadBytes| ReadError::Damaged { address, damage: Damage::Payload }
}

impl Shard {
    async fn records(&self, addresses: &[Address]) -> Vec<Result<RecordBytes, ReadError>> {
        let wanted: Vec<(Address, usize)> =
            addresses.iter().map(|address| (*address, MESSAGE_BYTES_GUESS)).collect();
        self.inner.log.read_many(&wanted).await
    }

    /// The message record at a [`crate::types::MessageFacts::address`].
    pub async fn read_message(&self, address: Address) -> Result<MessageRecord, ReadError> {
        let payload = self.inner.log.read(address, MESSAGE_BYTES_GUESS).await?;
        MessageRecord::decode(&payload).map_err(not_content(address))
    }

    /// Message records, neighbours read together; results in the order asked for.
    pub async fn read_messages(&self, addresses: &[Address]) -> Vec<Result<MessageRecord, ReadError>> {
        let decode = |(payload, address): (Result<RecordBytes, ReadError>, &Address)| {
            MessageRecord::decode(&payload?).map_err(not_content(*address))
        };
        self.records(addresses).await.into_iter().zip(addresses).map(decode).collect()
    }

    /// Summaries, neighbours read together; results in the order asked for.
    pub async fn read_summaries(&self, addresses: &[Address]) -> Vec<Result<StoredSummary, ReadError>> {
        let records = self.records(addresses).await;
        let decode = |(payload, address): (Result<RecordBytes, ReadError>, &Address)| {
            let payload = payload?;
            let (record, summary) = MessageRecord::decode_apart(&payload).map_err(not_content(*address))?;
            Ok(StoredSummary {
                version: record.summary_version,
                bytes: summary.into(),
                email_id: record.email_id,
                thread_id: record.thread_id,
            })
        };
        records.into_iter().zip(addresses).map(decode).collect()
    }

    /// The header: the bytes up to and including the first empty line.
    pub async fn read_header(&self, address: Address) -> Result<Vec<u8>, ReadError> {
        let record = self.read_message(address).await?;
        self.read_range_of(&record, 0, record.header_len as usize).await
    }

    /// Headers of many messages, neighbours read together; results in the order asked for.
    pub async fn read_headers(&self, addresses: &[Address]) -> Vec<Result<Vec<u8>, ReadError>> {
        let records = self.records(addresses).await;
        let mut wanted = Vec::new();
        let mut extents = Vec::with_capacity(addresses.len());
        for (payload, address) in records.into_iter().zip(addresses) {
            let header = payload.and_then(|payload| {
                let decoded = MessageRecord::decode_apart(&payload).map_err(not_content(*address));
                decoded.map(|(record, _)| record.header)
            });
            if let Ok(header) = &header {
                wanted.extend(header.iter().map(|extent| (extent.address, extent.stored_len as usize)));
            }
            extents.push(header);
        }
        let mut chunks = self.read_chunks(&wanted).await.into_iter();
        let mut assemble = |header: Result<Vec<Extent>, ReadError>| {
            let header = header?;
            // Taken from the iterator in full also when one fails: the next header's begin behind them.
            let chunks: Vec<_> = chunks.by_ref().take(header.len()).collect();
            self.inflate(&header, chunks)
        };
        extents.into_iter().map(&mut assemble).collect()
    }

    /// Chunk records, and the dictionaries that they need.
    async fn read_chunks(&self, wanted: &[(Address, usize)]) -> Vec<Result<RecordBytes, ReadError>> {
        let mut chunks = self.inner.log.read_many(wanted).await;
        // What cannot be found is looked for once, not for each chunk.
        let mut lost: HashMap<(u32, NonZeroU32), ReadError> = HashMap::new();
        for (chunk, (address, _)) in chunks.iter_mut().zip(wanted) {
            let Ok(payload) = chunk else { continue };
            if self.dictionaries().get(address.segment).is_some() {
                continue;
            }
            let Some(id) = needed_by_chunk(payload) else { continue };
            let key = (address.segment, id);
            if !lost.contains_key(&key)
                && let Err(error) = self.learn_dictionary(address.segment, id).await
            {
                lost.insert(key, error);
            }
            if let Some(error) = lost.get(&key) {
                *chunk = Err(error.clone());
            }
        }
        chunks
    }

    /// Reads the dictionary with this id for a segment. The error is that of the segment's own; a neighbour's may do.
    async fn learn_dictionary(&self, segment: u32, id: NonZeroU32) -> Result<(), ReadError> {
        let mut own = None;
        for place in Known::places(segment) {
            let learned = match self.inner.log.dictionary_of(place).await {
                Ok(Some(record)) => {
                    self.dictionaries().learn(segment, id, &record).map_err(not_content(first_record(place)))
                }
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match learned {
                Ok(()) => return Ok(()),
                Err(error) => own = own.or(Some(error)),
            }
        }
        own.map_or(Ok(()), Err)
    }

    fn inflate(
        &self,
        extents: &[Extent],
        chunks: Vec<Result<RecordBytes, ReadError>>,
    ) -> Result<Vec<u8>, ReadError> {
        let mut out = Vec::with_capacity(extents.iter().map(|extent| extent.raw_len as usize).sum());
        let mut squeezer = self.inner.squeezer.borrow_mut();
        for (extent, chunk) in extents.iter().zip(chunks) {
            let chunk = chunk?;
            let dictionary =
                needed_by_chunk(&chunk).and_then(|_| self.dictionaries().get(extent.address.segment));
            squeezer
                .inflate(&chunk, extent.raw_len, dictionary.as_deref(), &mut out)
                .map_err(not_content(extent.address))?;
        }
        Ok(out)
    }

    /// Octets `start..start + len` of the message; fewer at its end, none beyond it. Inflates only the chunks it needs.
    pub async fn read_range(&self, address: Address, start: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        let record = self.read_message(address).await?;
        self.read_range_of(&record, start, len).await
    }

    /// The same of a message whose record was read before.
    pub async fn read_range_of(
        &self,
        record: &MessageRecord,
        start: u64,
        len: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let end = start.saturating_add(len as u64).min(u64::from(record.size));
        if start >= end {
            return Ok(Vec::new());
        }
        let overlaps = |(at, extent): &(u64, Extent)| *at < end && at + u64::from(extent.raw_len) > start;
        let placed: Vec<(u64, Extent)> = record.placed().filter(overlaps).collect();
        let Some((first, _)) = placed.first().copied() else { return Ok(Vec::new()) };
        let extents: Vec<Extent> = placed.iter().map(|(_, extent)| *extent).collect();
        let wanted: Vec<(Address, usize)> =
            extents.iter().map(|extent| (extent.address, extent.stored_len as usize)).collect();
        let chunks = self.read_chunks(&wanted).await;
        let mut bytes = self.inflate(&extents, chunks)?;
        bytes.truncate((end - first) as usize);
        bytes.drain(..(start - first) as usize);
        Ok(bytes)
    }

    /// The whole message.
    pub async fn read_all(&self, address: Address) -> Result<Vec<u8>, ReadError> {
        let record = self.read_message(address).await?;
        self.read_range_of(&record, 0, record.size as usize).await
    }
}
