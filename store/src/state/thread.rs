//! THREADID assignment (RFC 8474 5.2): which thread a new message belongs to, by the hashes of its Message-ID and of
//! what it refers to.
//!
//! Not here: the THREAD command. A thread is named by its first message; threads are never merged later, because
//! what a client was told once does not change. It holds: 12 bytes an entry and little slack.

use crate::types::MessageNumber;
use std::rc::Rc;

/// Mean entries of a bucket before the table doubles.
const BUCKET_ENTRIES: usize = 256;

#[derive(Clone, Default)]
struct Bucket {
    /// Sorted; `threads` runs beside it.
    hashes: Vec<u64>,
    threads: Vec<u32>,
}

/// Hash of a Message-ID -> thread (number of the thread's first message).
#[derive(Clone)]
pub struct ThreadTable {
    /// A power of two; the top bits of a hash choose.
    buckets: Vec<Rc<Bucket>>,
    len: usize,
}

/// What a hash costs in a bucket.
pub const ENTRY_BYTES: usize = size_of::<u64>() + size_of::<u32>();

impl Default for ThreadTable {
    fn default() -> ThreadTable {
        ThreadTable { buckets: vec![Rc::default()], len: 0 }
    }
}

impl ThreadTable {
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn bucket(&self, hash: u64) -> usize {
        // One bucket would mean a shift by 64.
        hash.checked_shr(u64::BITS - self.buckets.len().trailing_zeros()).unwrap_or(0) as usize
    }

    pub fn get(&self, hash: u64) -> Option<MessageNumber> {
        let bucket = &self.buckets[self.bucket(hash)];
        let at = bucket.hashes.binary_search(&hash).ok()?;
        Some(MessageNumber(bucket.threads[at]))
    }

    /// Records the thread of a hash; the first one stays.
    pub fn add(&mut self, hash: u64, thread: MessageNumber) {
        let bucket = self.bucket(hash);
        let Err(at) = self.buckets[bucket].hashes.binary_search(&hash) else { return };
        let bucket = Rc::make_mut(&mut self.buckets[bucket]);
        if bucket.hashes.len() == bucket.hashes.capacity() {
            let more = 4 + bucket.hashes.len() / 16;
            bucket.hashes.reserve_exact(more);
            bucket.threads.reserve_exact(more);
        }
        bucket.hashes.insert(at, hash);
        bucket.threads.insert(at, thread.0);
        self.len += 1;
        if self.len > self.buckets.len() * BUCKET_ENTRIES {
            self.double();
        }
    }

    /// Adds entries that are all new and ascend by hash, above all that were added before; `messages` is about how many
    /// entries there will be. Buckets get what they need and no more.
    pub(crate) fn extend_ascending(&mut self, mut entries: &[(u64, MessageNumber)], messages: usize) -> bool {
        if self.is_empty() {
            self.buckets = vec![Rc::default(); (messages / BUCKET_ENTRIES).next_power_of_two()];
        }
        while let [first, ..] = entries {
            let at = self.bucket(first.0);
            let (now, rest) = entries.split_at(entries.partition_point(|entry| self.bucket(entry.0) <= at));
            let bucket = Rc::make_mut(&mut self.buckets[at]);
            bucket.hashes.reserve_exact(now.len());
            bucket.threads.reserve_exact(now.len());
            for (hash, thread) in now {
                if bucket.hashes.last().is_some_and(|last| last >= hash) {
                    return false;
                }
                bucket.hashes.push(*hash);
                bucket.threads.push(thread.0);
            }
            self.len += now.len();
            entries = rest;
        }
        while self.len > self.buckets.len() * BUCKET_ENTRIES * 2 {
            self.double();
        }
        true
    }

    fn double(&mut self) {
        let shift = u64::BITS - 1 - self.buckets.len().trailing_zeros();
        let halves = self.buckets.iter().flat_map(|bucket| {
            let middle = bucket.hashes.partition_point(|hash| hash >> shift & 1 == 0);
            let half = |range: std::ops::Range<usize>| {
                Rc::new(Bucket {
                    hashes: bucket.hashes[range.clone()].to_vec(),
                    threads: bucket.threads[range].to_vec(),
                })
            };
            [half(0..middle), half(middle..bucket.hashes.len())]
        });
        self.buckets = halves.collect();
    }

    /// All entries, ascending by hash.
    pub fn iter(&self) -> impl Iterator<Item = (u64, MessageNumber)> + '_ {
        self.buckets.iter().flat_map(|bucket| {
            bucket.hashes.iter().zip(&bucket.threads).map(|(hash, thread)| (*hash, MessageNumber(*thread)))
        })
    }
}

/// The thread of a new message and the hashes to record for it.
///
/// `known` looks a hash up (the table and what is queued). The message joins the thread of its nearest known
/// reference (`references` from the oldest to the parent), else of its own Message-ID (a copy that arrived twice),
/// else it starts one. Its own hashes are recorded, and of its references the oldest and the parent, so that
/// replies that arrive before their parent meet.
pub fn assign(
    own: &[u64],
    references: &[u64],
    number: MessageNumber,
    known: impl Fn(u64) -> Option<MessageNumber>,
) -> (MessageNumber, Vec<u64>) {
    let thread = references.iter().rev().chain(own).find_map(|hash| known(*hash)).unwrap_or(number);
    let mut record: Vec<u64> =
        own.iter().chain(references.first()).chain(references.last()).copied().collect();
    record.sort_unstable();
    record.dedup();
    record.retain(|hash| known(*hash).is_none());
    (thread, record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_plain_map() {
        assert_eq!(ENTRY_BYTES, 12);
        let (mut table, mut plain) = (ThreadTable::default(), BTreeMap::new());
        for n in 0..20_000u32 {
            let hash = u64::from(n % 15_000).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            table.add(hash, MessageNumber(n));
            plain.entry(hash).or_insert(MessageNumber(n));
        }
        assert_eq!(table.len(), plain.len());
        assert!(table.iter().eq(plain.iter().map(|(hash, thread)| (*hash, *thread))));
        assert!(plain.iter().all(|(hash, thread)| table.get(*hash) == Some(*thread)));
        let entries: Vec<_> = table.iter().collect();
        for expected in [0, 3_000, 15_000, 100_000] {
            let mut again = ThreadTable::default();
            assert!(entries.chunks(512).all(|part| again.extend_ascending(part, expected)));
            assert!(again.iter().eq(table.iter()) && again.len() == table.len());
            assert!(entries.iter().all(|(hash, thread)| again.get(*hash) == Some(*thread)));
            assert!(!again.extend_ascending(&entries[14_999..], expected), "not above the last");
        }
        assert_eq!(table.get(1), None);
    }

    #[test]
    fn replies_meet_in_any_order() {
        let mut table = ThreadTable::default();
        let mut arrive = |number: u32, own: u64, references: &[u64]| {
            let number = MessageNumber(number);
            let (thread, record) = assign(&[own], references, number, |hash| table.get(hash));
            record.into_iter().for_each(|hash| table.add(hash, thread));
            thread.0
        };
        assert_eq!(arrive(0, 10, &[]), 0);
        assert_eq!(arrive(1, 11, &[10]), 0);
        assert_eq!(arrive(2, 21, &[20]), 2, "its parent is not here yet");
        assert_eq!(arrive(3, 22, &[20]), 2, "siblings meet");
        assert_eq!(arrive(4, 20, &[]), 2, "the parent comes last");
        assert_eq!(arrive(5, 30, &[99, 20, 11]), 0, "the nearest reference decides");
        assert_eq!(arrive(6, 10, &[]), 0, "the same message again");
        assert_eq!(arrive(7, 40, &[]), 7);
    }
}
