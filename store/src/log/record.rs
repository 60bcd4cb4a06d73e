//! The frame of one record: encoding, and decoding that accepts nothing but what was written.
//!
//! Layout in `FORMAT.md`, "Batches and records". Pure; never panics on any bytes.

use super::RecordType;
use crate::limits;
use crate::types::Lsn;

/// Bytes of a record header.
pub const HEADER: usize = 24;

/// The part of a segment's salt that seeds the checksums of its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Salt {
    header: u32,
    payload: u32,
}

impl Salt {
    /// From the 16 bytes in the segment header (the last 8 are spare).
    pub fn new(salt: &[u8; 16]) -> Salt {
        Salt { header: u32_at(salt, 0), payload: u32_at(salt, 4) }
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

impl RecordType {
    pub fn from_u8(n: u8) -> Option<RecordType> {
        Some(match n {
            1 => RecordType::Chunk,
            2 => RecordType::Message,
            3 => RecordType::Commit,
            4 => RecordType::Pad,
            5 => RecordType::Dictionary,
            6 => RecordType::Documents,
            _ => return None,
        })
    }
}

/// A verified record header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader {
    pub kind: RecordType,
    pub lsn: Lsn,
    pub payload_len: u32,
    head: [u8; 20],
    payload_crc: u32,
}

fn crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The 24 bytes before `payload`, whose length is at most `limits::record_payload_bytes_max`.
pub fn encode_header(kind: RecordType, lsn: Lsn, payload: &[u8], salt: Salt) -> [u8; HEADER] {
    assert!(payload.len() <= limits::record_payload_bytes_max, "checked by whoever adds a record");
    let mut out = [0; HEADER];
    out[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[4] = kind as u8;
    out[8..16].copy_from_slice(&lsn.0.to_le_bytes());
    let header_crc = crc(salt.header, &[&out[..16]]);
    out[16..20].copy_from_slice(&header_crc.to_le_bytes());
    let payload_crc = crc(salt.payload, &[&out[..20], payload]);
    out[20..].copy_from_slice(&payload_crc.to_le_bytes());
    out
}

/// The header at the start of `bytes`, when it is one of format 1 with a right checksum.
pub fn decode_header(bytes: &[u8], salt: Salt) -> Option<RecordHeader> {
    let bytes = bytes.get(..HEADER)?;
    if u32_at(bytes, 16) != crc(salt.header, &[&bytes[..16]]) {
        return None;
    }
    let payload_len = u32_at(bytes, 0);
    let unused = bytes[5] | bytes[6] | bytes[7];
    if payload_len as usize > limits::record_payload_bytes_max || unused != 0 {
        return None;
    }
    let mut head = [0; 20];
    head.copy_from_slice(&bytes[..20]);
    Some(RecordHeader {
        kind: RecordType::from_u8(bytes[4])?,
        lsn: Lsn(u64_at(bytes, 8)),
        payload_len,
        head,
        payload_crc: u32_at(bytes, 20),
    })
}

impl RecordHeader {
    /// Whether `payload` is what was written after this header.
    pub fn verify(&self, payload: &[u8], salt: Salt) -> bool {
        payload.len() == self.payload_len as usize
            && crc(salt.payload, &[&self.head, payload]) == self.payload_crc
    }
}

/// Where a record header goes that may begin at `offset`: a multiple of 8 that leaves it within one block.
pub fn place(offset: u64) -> u64 {
    let at = offset.next_multiple_of(8);
    let left = limits::block_bytes - at % limits::block_bytes;
    if left < HEADER as u64 { at + left } else { at }
}

/// The fixed part of a commit's payload.
pub const COMMIT_HEAD: usize = 16;

/// Splits a commit payload into durable-before, wall time and ops.
pub fn decode_commit(payload: &[u8]) -> Option<(Lsn, i64, &[u8])> {
    let ops = payload.get(COMMIT_HEAD..)?;
    Some((Lsn(u64_at(payload, 0)), u64_at(payload, 8).cast_signed(), ops))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SALT: Salt = Salt { header: 0x1234_5678, payload: 0x9abc_def0 };

    fn accepted(bytes: &[u8], salt: Salt) -> Option<(RecordHeader, Vec<u8>)> {
        let header = decode_header(bytes, salt)?;
        let payload = bytes.get(HEADER..HEADER + header.payload_len as usize)?;
        header.verify(payload, salt).then(|| (header, payload.to_vec()))
    }

    fn encode(kind: RecordType, lsn: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = encode_header(kind, Lsn(lsn), payload, SALT).to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(kind in 1u8..=5, lsn: u64, payload: Vec<u8>) {
            let kind = RecordType::from_u8(kind).unwrap();
            let bytes = encode(kind, lsn, &payload);
            let (header, read) = accepted(&bytes, SALT).unwrap();
            prop_assert_eq!((header.kind, header.lsn, read), (kind, Lsn(lsn), payload));
        }

        #[test]
        fn changed_bytes_are_never_accepted(
            lsn: u64,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        ) {
            let good = encode(RecordType::Message, lsn, &payload);
            let mut bad = good.clone();
            for (at, mask) in &changes {
                let at = at.index(bad.len());
                bad[at] ^= mask;
            }
            prop_assume!(good != bad);
            if let Some((header, read)) = accepted(&bad, SALT) {
                prop_assert!(false, "accepted {header:?} {read:?}");
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            prop_assert!(accepted(&bytes, SALT).is_none());
            let _ = decode_commit(&bytes);
        }

        #[test]
        fn another_salt_reads_nothing(lsn: u64, payload: Vec<u8>, header: u32, tail: u32) {
            prop_assume!(header != SALT.header && tail != SALT.payload);
            let bytes = encode(RecordType::Commit, lsn, &payload);
            let other = Salt { header, payload: tail };
            prop_assert!(accepted(&bytes, other).is_none());
        }
    }

    #[test]
    fn a_header_never_crosses_a_block() {
        for offset in 0..3 * limits::block_bytes {
            let at = place(offset);
            assert!(at >= offset && at.is_multiple_of(8));
            assert_eq!(at / limits::block_bytes, (at + HEADER as u64 - 1) / limits::block_bytes);
            assert!(at - offset < HEADER as u64 + 8);
        }
    }
}
