//! The payloads of message and chunk records (`FORMAT.md`): encoding, decoding, compressing. Pure and `Send`.

use super::dictionary::Dictionary;
use crate::codec::{BadBytes, Reader, Writer};
use crate::limits;
use crate::log::Address;
use crate::types::{EmailId, ThreadId, ZonedTime};
use std::io::Cursor;
use std::num::NonZeroU32;
use zstd::zstd_safe::{CCtx, DCtx, get_dict_id_from_frame};

const VERSION: u8 = 1;
/// Level 3: measured to be the last one that keeps up with a fast disk.
const ZSTD_LEVEL: i32 = 3;
/// With a dictionary level 2 makes generated mail an eighth smaller than level 3 does without, in less time; level 3 would save 1 % more and
/// take half as long again or more.
pub(super) const DICTIONARY_LEVEL: i32 = 2;
const STORED: u8 = 0;
const ZSTD: u8 = 1;
const WITH_DICTIONARY: u8 = 2;
/// The byte before a chunk's content: how it is stored.
pub(crate) const CHUNK_HEAD: usize = 1;

/// One chunk of content: where its record is, bytes of the record's payload, bytes of content in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub address: Address,
    pub stored_len: u32,
    pub raw_len: u32,
}

/// The message record: everything that is immutable about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageRecord {
    pub email_id: EmailId,
    pub thread_id: ThreadId,
    pub size: u32,
    /// Octets up to and including the first empty line.
    pub header_len: u32,
    pub internal: ZonedTime,
    pub sent_day: Option<i32>,
    pub header: Vec<Extent>,
    pub body: Vec<Extent>,
    pub summary_version: u16,
    pub summary: Vec<u8>,
}

impl MessageRecord {
    /// The record's payload, with this summary instead of the one in `self`.
    pub(crate) fn encode_with(&self, summary: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u64(self.email_id.0);
        out.u64(self.thread_id.0);
        out.number(self.size);
        out.number(self.header_len);
        out.zoned(self.internal);
        out.day(self.sent_day);
        for extents in [&self.header, &self.body] {
            out.count(extents.len());
            for extent in extents {
                out.address(extent.address);
                out.number(extent.stored_len);
                out.number(extent.raw_len);
            }
        }
        out.number(self.summary_version);
        out.bytes(summary);
        out.bytes
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<MessageRecord, BadBytes> {
        let (record, summary) = MessageRecord::decode_apart(payload)?;
        Ok(MessageRecord { summary: summary.to_vec(), ..record })
    }

    /// The record without its summary, and the summary.
    pub(crate) fn decode_apart(payload: &[u8]) -> Result<(MessageRecord, &[u8]), BadBytes> {
        let mut input = Reader::new(payload);
        if input.u8()? != VERSION {
            return Err(BadBytes);
        }
        let record = MessageRecord {
            email_id: EmailId(input.u64()?),
            thread_id: ThreadId(input.u64()?),
            size: input.u32()?,
            header_len: input.u32()?,
            internal: input.zoned()?,
            sent_day: input.day()?,
            header: extents(&mut input)?,
            body: extents(&mut input)?,
            summary_version: input.u16()?,
            summary: Vec::new(),
        };
        let summary = input.bytes()?;
        input.end()?;
        let raw = |extents: &[Extent]| extents.iter().map(|extent| u64::from(extent.raw_len)).sum::<u64>();
        let (header, body) = (raw(&record.header), raw(&record.body));
        if header != u64::from(record.header_len) || header + body != u64::from(record.size) {
            return Err(BadBytes);
        }
        Ok((record, summary))
    }

    /// All extents with the octets of the message that they hold: (start, extent), ascending.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (u64, Extent)> + '_ {
        self.header.iter().chain(&self.body).scan(0, |at, extent| {
            let start = *at;
            *at += u64::from(extent.raw_len);
            Some((start, *extent))
        })
    }
}

fn extents(input: &mut Reader<'_>) -> Result<Vec<Extent>, BadBytes> {
    (0..input.count(4)?)
        .map(|_| {
            let extent =
                Extent { address: input.address()?, stored_len: input.u32()?, raw_len: input.u32()? };
            let fits = extent.raw_len as usize <= limits::chunk_raw_bytes_max
                && extent.stored_len as usize <= limits::chunk_raw_bytes_max + CHUNK_HEAD;
            if fits { Ok(extent) } else { Err(BadBytes) }
        })
        .collect()
}

/// The id of the dictionary that a chunk's payload needs, which is that of its segment.
pub(crate) fn needed_by_chunk(payload: &[u8]) -> Option<NonZeroU32> {
    let (how, frame) = payload.split_first()?;
    if *how == WITH_DICTIONARY { get_dict_id_from_frame(frame) } else { None }
}

/// Compresses and inflates chunks; keeps zstd's work space.
pub(crate) struct Squeezer {
    compressor: Option<CCtx<'static>>,
    decompressor: Option<DCtx<'static>>,
}

impl Squeezer {
    pub fn new() -> Squeezer {
        Squeezer { compressor: None, decompressor: None }
    }

    /// The payload of a chunk record; stored as it is when compressing does not make it smaller.
    pub fn squeeze(&mut self, raw: &[u8], dictionary: Option<&Dictionary>) -> Vec<u8> {
        debug_assert!(raw.len() <= limits::chunk_raw_bytes_max);
        let mut payload = vec![0; CHUNK_HEAD + raw.len()];
        // A buffer of the raw length less one: what does not fit is not smaller.
        let room = &mut payload[CHUNK_HEAD..];
        let room_len = room.len().saturating_sub(1);
        let room = &mut room[..room_len];
        if self.compressor.is_none() {
            self.compressor = CCtx::try_create();
        }
        let squeezed = self.compressor.as_mut().and_then(|compressor| {
            if let Some(encoder) = dictionary.and_then(Dictionary::encoder) {
                let len = compressor.compress_using_cdict(room, raw, encoder).ok()?;
                return Some((WITH_DICTIONARY, len));
            }
            let len = compressor.compress(room, raw, ZSTD_LEVEL).ok()?;
            Some((ZSTD, len))
        });
        match squeezed {
            Some((how, len)) => {
                payload[0] = how;
                payload.truncate(CHUNK_HEAD + len);
            }
            None => {
                payload[0] = STORED;
                payload[CHUNK_HEAD..].copy_from_slice(raw);
            }
        }
        payload
    }

    /// Adds the content of a chunk record to `out`; it must have `raw_len` bytes. `dictionary` is that of the chunk's segment.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        raw_len: u32,
        dictionary: Option<&Dictionary>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadBytes> {
        let (head, stored) = payload.split_at_checked(CHUNK_HEAD).ok_or(BadBytes)?;
        let raw_len = raw_len as usize;
        if head[0] == STORED {
            if stored.len() != raw_len {
                return Err(BadBytes);
            }
            out.extend_from_slice(stored);
            return Ok(());
        }
        if raw_len > limits::chunk_raw_bytes_max {
            return Err(BadBytes);
        }
        if self.decompressor.is_none() {
            self.decompressor = DCtx::try_create();
        }
        let decompressor = self.decompressor.as_mut().ok_or(BadBytes)?;
        let start = out.len();
        out.reserve(raw_len);
        let mut room = Cursor::new(&mut *out);
        room.set_position(start as u64);
        let room = &mut room;
        let inflated = match (head[0], dictionary) {
            (ZSTD, _) => decompressor.decompress(room, stored).ok(),
            (WITH_DICTIONARY, Some(dictionary)) => {
                decompressor.decompress_using_ddict(room, stored, dictionary.decoder()).ok()
            }
            _ => None,
        };
        if inflated == Some(raw_len) {
            return Ok(());
        }
        out.truncate(start);
        Err(BadBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_come_back(unit in prop::collection::vec(any::<u8>(), 0..300), times in 1usize..200) {
            let mut raw = unit.repeat(times);
            raw.truncate(limits::chunk_raw_bytes_max);
            let mut squeezer = Squeezer::new();
            let payload = squeezer.squeeze(&raw, None);
            prop_assert!(payload.len() <= raw.len() + CHUNK_HEAD);
            let mut out = b"before".to_vec();
            prop_assert_eq!(squeezer.inflate(&payload, raw.len() as u32, None, &mut out), Ok(()));
            prop_assert_eq!(&out[6..], &raw);
            prop_assert!(squeezer.inflate(&payload, raw.len() as u32 + 1, None, &mut out).is_err());
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, raw_len in 0u32..200_000) {
            let _ = Squeezer::new().inflate(&bytes, raw_len, None, &mut Vec::new());
            let _ = MessageRecord::decode(&bytes);
            let _ = Dictionary::decode(&bytes);
        }
    }

    #[test]
    fn records_come_back_and_their_sums_are_checked() {
        let extent = |n: u32| Extent {
            address: Address { segment: n, offset: n * 8 },
            stored_len: n + 1,
            raw_len: n * 10,
        };
        let record = MessageRecord {
            email_id: EmailId(u64::MAX),
            thread_id: ThreadId(3),
            size: 60,
            header_len: 10,
            internal: ZonedTime { seconds: -1, zone_minutes: -720 },
            sent_day: Some(-1),
            header: vec![extent(1)],
            body: vec![extent(2), extent(3)],
            summary_version: 7,
            summary: b"summary".to_vec(),
        };
        let bytes = record.encode_with(&record.summary);
        assert_eq!(MessageRecord::decode(&bytes), Ok(record.clone()));
        assert_eq!(record.placed().map(|(start, _)| start).collect::<Vec<_>>(), [0, 10, 30]);
        let wrong = MessageRecord { size: 61, ..record };
        assert!(MessageRecord::decode(&wrong.encode_with(b"")).is_err());
    }
}
