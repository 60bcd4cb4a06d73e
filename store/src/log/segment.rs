//! Segment files: names, and the header block that describes a segment by itself.
//!
//! Layout in `FORMAT.md`, "Header block". Pure except for `read_header`.

use std::io;

use super::Address;
use super::record::{Salt, u32_at, u64_at};
use crate::disk::DiskFile;
use crate::error::StoreError;
use crate::limits;
use crate::types::{Lsn, ShardId, WallTime};

const MAGIC: &[u8; 8] = b"TRAWLSEG";
/// The highest format that this code reads.
pub const FORMAT: u32 = 4;
/// What this code writes, the lowest that will do: a segment without a dictionary, one that begins with one, one whose commits
/// may hold operations on annotations, and one that may hold Documents records and operations on them; the last two with a dictionary or
/// without.
pub const PLAIN: u32 = 1;
pub const WITH_DICTIONARY: u32 = 2;
pub const ANNOTATED: u32 = 3;
pub const DOCUMENTED: u32 = 4;
const LEN: usize = 112;
const COPY: usize = 2048;
const BLOCK: usize = limits::block_bytes as usize;

const _: () = assert!(LEN <= COPY && COPY + LEN <= BLOCK);

/// What a segment says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentHeader {
    pub format: u32,
    pub store_uuid: [u8; 16],
    pub shard: ShardId,
    pub epoch: u32,
    pub number: u32,
    /// 0: not encrypted.
    pub key_id: u32,
    pub first: Lsn,
    pub durable_before: Lsn,
    /// 0 for none.
    pub previous_segment: u32,
    pub previous_end: u32,
    pub wall: WallTime,
    pub salt: [u8; 16],
}

/// Result of looking at the first block of a file.
pub enum HeaderRead {
    Valid(SegmentHeader),
    /// Neither copy is readable.
    Unreadable,
    /// Both copies agree on being of a later format.
    Later(u32),
}

impl SegmentHeader {
    pub fn salt(&self) -> Salt {
        Salt::new(&self.salt)
    }

    /// The whole header block.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = [0; LEN];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(8, &self.format.to_le_bytes());
        put(12, &(LEN as u32).to_le_bytes());
        put(16, &self.store_uuid);
        put(32, &self.shard.0.to_le_bytes());
        put(36, &self.epoch.to_le_bytes());
        put(40, &self.number.to_le_bytes());
        put(44, &self.key_id.to_le_bytes());
        put(48, &self.first.0.to_le_bytes());
        put(56, &self.durable_before.0.to_le_bytes());
        put(64, &self.previous_segment.to_le_bytes());
        put(68, &self.previous_end.to_le_bytes());
        put(72, &self.wall.0.to_le_bytes());
        put(80, &self.salt);
        let crc = crc32fast::hash(&head[..LEN - 4]);
        head[LEN - 4..].copy_from_slice(&crc.to_le_bytes());
        let mut block = vec![0; BLOCK];
        block[..LEN].copy_from_slice(&head);
        block[COPY..COPY + LEN].copy_from_slice(&head);
        block
    }

    fn decode_copy(head: &[u8]) -> Option<SegmentHeader> {
        let head = head.get(..LEN)?;
        let valid = &head[..8] == MAGIC
            && (1..=FORMAT).contains(&u32_at(head, 8))
            && u32_at(head, 12) == LEN as u32
            && u32_at(head, LEN - 4) == crc32fast::hash(&head[..LEN - 4]);
        if !valid {
            return None;
        }
        let (mut store_uuid, mut salt) = ([0; 16], [0; 16]);
        store_uuid.copy_from_slice(&head[16..32]);
        salt.copy_from_slice(&head[80..96]);
        Some(SegmentHeader {
            format: u32_at(head, 8),
            store_uuid,
            shard: ShardId(u16::from_le_bytes([head[32], head[33]])),
            epoch: u32_at(head, 36),
            number: u32_at(head, 40),
            key_id: u32_at(head, 44),
            first: Lsn(u64_at(head, 48)),
            durable_before: Lsn(u64_at(head, 56)),
            previous_segment: u32_at(head, 64),
            previous_end: u32_at(head, 68),
            wall: WallTime(u64_at(head, 72).cast_signed()),
            salt,
        })
    }

    /// Reads either copy out of the first block of a file (which may be shorter than a block).
    pub fn decode(block: &[u8]) -> HeaderRead {
        let second = block.get(COPY..).unwrap_or_default();
        if let Some(header) = Self::decode_copy(block).or_else(|| Self::decode_copy(second)) {
            return HeaderRead::Valid(header);
        }
        let format = |head: &[u8]| {
            let head = head.get(..12)?;
            (&head[..8] == MAGIC).then(|| u32_at(head, 8)).filter(|format| *format > FORMAT)
        };
        match (format(block), format(second)) {
            (Some(a), Some(b)) if a == b => HeaderRead::Later(a),
            _ => HeaderRead::Unreadable,
        }
    }

    /// Refuses a segment of another store, shard or number, and one that needs a key.
    pub fn check(
        &self,
        path: &str,
        store_uuid: &[u8; 16],
        shard: ShardId,
        number: u32,
    ) -> Result<(), StoreError> {
        let foreign = |found: String, expected: String| {
            Err(StoreError::Foreign { path: path.to_owned(), found, expected })
        };
        if self.store_uuid != *store_uuid {
            return foreign(format!("store {}", hex(&self.store_uuid)), format!("store {}", hex(store_uuid)));
        }
        if self.shard != shard {
            return foreign(format!("shard {}", self.shard), format!("shard {shard}"));
        }
        if self.number != number {
            return foreign(format!("segment {}", self.number), format!("segment {number}"));
        }
        if self.key_id != 0 {
            return Err(StoreError::Corrupt {
                path: path.to_owned(),
                what: format!("is encrypted with key {}, which this program cannot use", self.key_id),
            });
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads the header of an open segment file.
pub async fn read_header(file: &dyn DiskFile) -> io::Result<HeaderRead> {
    Ok(SegmentHeader::decode(&file.read_at(0, BLOCK).await?))
}

/// Where the first record of a segment is.
pub fn first_record(number: u32) -> Address {
    Address { segment: number, offset: limits::block_bytes as u32 }
}

/// File name of a segment.
pub fn file_name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// Number of a segment from its file name; `None` for other files.
pub fn parse_file_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (number > 0 && file_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            format: PLAIN,
            store_uuid: *b"0123456789abcdef",
            shard: ShardId(3),
            epoch: 1,
            number: 7,
            key_id: 0,
            first: Lsn(100),
            durable_before: Lsn(90),
            previous_segment: 6,
            previous_end: 8192,
            wall: WallTime(-5),
            salt: [9; 16],
        }
    }

    #[test]
    fn either_copy_is_enough_and_no_changed_byte_is_believed() {
        let block = header().encode();
        for at in 0..block.len() {
            let mut one = block.clone();
            one[at] ^= 0x41;
            let HeaderRead::Valid(read) = SegmentHeader::decode(&one) else { panic!("byte {at}") };
            assert_eq!(read, header());
        }
        for at in 0..LEN {
            let mut both = block.clone();
            both[at] ^= 0x41;
            both[COPY + at] ^= 0x41;
            assert!(!matches!(SegmentHeader::decode(&both), HeaderRead::Valid(_)), "byte {at}");
        }
        for len in 0..LEN {
            assert!(matches!(SegmentHeader::decode(&block[..len]), HeaderRead::Unreadable));
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut block = header().encode();
        let later = FORMAT as u8 + 1;
        block[8] = later;
        block[COPY + 8] = later;
        assert!(matches!(SegmentHeader::decode(&block), HeaderRead::Later(found) if found == FORMAT + 1));
    }

    #[test]
    fn names_round_trip_and_strangers_are_ignored() {
        assert_eq!(parse_file_name(&file_name(12)), Some(12));
        assert_eq!(parse_file_name(&file_name(u32::MAX)), Some(u32::MAX));
        for name in ["00000000.seg", "1.seg", "reserve", "00000001.seg.tmp", "+0000001.seg", "0000000a.seg"] {
            assert_eq!(parse_file_name(name), None, "{name}");
        }
    }
}
