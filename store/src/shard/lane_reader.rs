//! Reading messages on another thread: says which bytes of which files it needs, verifies and inflates them.
//!
//! Not here: the reading itself (a lane has an io_uring of its own). It is `Send`, and needs nothing of the shard:
//! segments describe themselves, addresses come from applied state, and what they point at never changes.

use super::dictionary::Known;
use super::documents::{Document, DocumentsRecord};
use super::message::{Extent, MessageRecord, Squeezer, needed_by_chunk};
use super::read::{MESSAGE_BYTES_GUESS, not_content};
use super::{Shard, log_dir};
use crate::codec::BadBytes;
use crate::error::{Damage, ReadError};
use crate::limits;
use crate::log::reader::{Cut, ReadRun, cut, plan};
use crate::log::record::Salt;
use crate::log::segment::{self, HeaderRead, SegmentHeader};
use crate::log::{Address, RecordBytes, RecordType};
use crate::types::ShardId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that a lane is to read: a path below the store's root, an offset, a length (fewer at the file's end).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadAt {
    pub path: String,
    pub offset: u64,
    pub len: usize,
}

/// A message as a lane reads it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LaneMessage {
    pub header: Vec<u8>,
    /// Empty when it was not asked for.
    pub body: Vec<u8>,
}

/// See the module. Clones share what they learned about segments.
#[derive(Clone)]
pub struct LaneReader {
    store_uuid: [u8; 16],
    shard: ShardId,
    salts: Arc<Mutex<HashMap<u32, Salt>>>,
    dictionaries: Known,
}

impl Shard {
    /// What a lane needs to read messages of this shard by itself.
    pub fn lane_reader(&self) -> LaneReader {
        self.inner.lanes_reader.clone()
    }
}

/// Reads a batch: one answer a request, in order.
type ReadBatch<'a> = &'a mut dyn FnMut(&[ReadAt]) -> Vec<io::Result<Vec<u8>>>;
type Payload = Result<RecordBytes, ReadError>;
/// A message, and its summary as stored, with its version.
type Summarised = (LaneMessage, (u16, Vec<u8>));
/// What was read already, by segment and offset.
type Held = BTreeMap<(u32, u64), Arc<Vec<u8>>>;

fn damaged(address: Address, damage: Damage) -> ReadError {
    ReadError::Damaged { address, damage }
}

impl LaneReader {
    pub fn new(store_uuid: [u8; 16], shard: ShardId) -> LaneReader {
        LaneReader { store_uuid, shard, salts: Arc::default(), dictionaries: Known::default() }
    }

    pub(super) fn dictionaries(&self) -> &Known {
        &self.dictionaries
    }

    /// Header (and with `bodies` the body) of each message, in the order asked for. `read` reads a batch: one answer a
    /// request, in order. It is called about three times: segment headers that are new, message records, chunks that do not lie among
    /// these; and for dictionaries that are new.
    pub fn read_messages(
        &self,
        addresses: &[Address],
        bodies: bool,
        read: ReadBatch<'_>,
    ) -> Vec<Result<LaneMessage, ReadError>> {
        let decode = |payload: &[u8]| Ok((MessageRecord::decode_apart(payload)?.0, ()));
        let messages = self.read_decoded(addresses, bodies, decode, read);
        messages.into_iter().map(|message| Ok(message?.0)).collect()
    }

    /// Whole messages with their summaries, which stand in the records that have to be read anyway.
    pub fn read_summarised(
        &self,
        addresses: &[Address],
        read: ReadBatch<'_>,
    ) -> Vec<Result<Summarised, ReadError>> {
        let decode = |payload: &[u8]| {
            let (record, summary) = MessageRecord::decode_apart(payload)?;
            let summary = (record.summary_version, summary.to_vec());
            Ok((record, summary))
        };
        self.read_decoded(addresses, true, decode, read)
    }

    /// Messages, each with what `decode` takes from its record beside where its content is.
    fn read_decoded<T>(
        &self,
        addresses: &[Address],
        bodies: bool,
        decode: impl Fn(&[u8]) -> Result<(MessageRecord, T), BadBytes>,
        read: ReadBatch<'_>,
    ) -> Vec<Result<(LaneMessage, T), ReadError>> {
        let wanted: Vec<(Address, usize)> =
            addresses.iter().map(|address| (*address, MESSAGE_BYTES_GUESS)).collect();
        // Records of neighbours are read together with what lies between them, which mostly is their content.
        let mut held = Held::new();
        let records: Vec<Result<(MessageRecord, T), ReadError>> = self
            .read_held(&wanted, RecordType::Message, &mut held, read)
            .into_iter()
            .zip(addresses)
            .map(|(payload, address)| decode(&payload?).map_err(not_content(*address)))
            .collect();
        let extents = |record: &MessageRecord| -> Vec<Extent> {
            record
                .header
                .iter()
                .chain(bodies.then_some(&record.body).into_iter().flatten())
                .copied()
                .collect()
        };
        let wanted: Vec<(Address, usize)> = records
            .iter()
            .flatten()
            .flat_map(|(record, _)| extents(record))
            .map(|extent| (extent.address, extent.stored_len as usize))
            .collect();
        let chunks = self.read_held(&wanted, RecordType::Chunk, &mut held, read);
        self.learn_dictionaries(&wanted, &chunks, read);
        let mut chunks = chunks.into_iter();
        let mut squeezer = Squeezer::new();
        let assemble = |record: Result<(MessageRecord, T), ReadError>| {
            let (record, beside) = record?;
            let extents = extents(&record);
            // In full also when one fails: the next message's begin behind them.
            let chunks: Vec<Payload> = chunks.by_ref().take(extents.len()).collect();
            let mut message = LaneMessage::default();
            for (nth, (extent, chunk)) in extents.iter().zip(chunks).enumerate() {
                let out = if nth < record.header.len() { &mut message.header } else { &mut message.body };
                let chunk = chunk?;
                let dictionary =
                    needed_by_chunk(&chunk).and_then(|_| self.dictionaries.get(extent.address.segment));
                squeezer
                    .inflate(&chunk, extent.raw_len, dictionary.as_deref(), out)
                    .map_err(not_content(extent.address))?;
            }
            Ok((message, beside))
        };
        records.into_iter().map(assemble).collect()
    }

    /// The documents of messages, in the order asked for; addresses are those of Documents records.
    pub fn read_documents(
        &self,
        addresses: &[Address],
        read: ReadBatch<'_>,
    ) -> Vec<Result<Vec<Document>, ReadError>> {
        if addresses.is_empty() {
            return Vec::new();
        }
        let wanted: Vec<(Address, usize)> =
            addresses.iter().map(|address| (*address, MESSAGE_BYTES_GUESS)).collect();
        let records = self.read_records(&wanted, RecordType::Documents, read);
        let decode = |(payload, address): (Payload, &Address)| {
            let (_, documents) = DocumentsRecord::decode(&payload?).map_err(not_content(*address))?;
            Ok(documents)
        };
        records.into_iter().zip(addresses).map(decode).collect()
    }

    /// Summaries of messages, in the order asked for, with their versions.
    pub fn read_summaries(
        &self,
        addresses: &[Address],
        read: ReadBatch<'_>,
    ) -> Vec<Result<(u16, Vec<u8>), ReadError>> {
        let wanted: Vec<(Address, usize)> =
            addresses.iter().map(|address| (*address, MESSAGE_BYTES_GUESS)).collect();
        let records = self.read_records(&wanted, RecordType::Message, read);
        let decode = |(payload, address): (Payload, &Address)| {
            let payload = payload?;
            let (record, summary) = MessageRecord::decode_apart(&payload).map_err(not_content(*address))?;
            Ok((record.summary_version, summary.to_vec()))
        };
        records.into_iter().zip(addresses).map(decode).collect()
    }

    /// Reads the dictionaries that these chunks need and that are not known. A chunk of which it cannot be found will not inflate.
    fn learn_dictionaries(&self, wanted: &[(Address, usize)], chunks: &[Payload], read: ReadBatch<'_>) {
        // What cannot be found is looked for once, not for each chunk.
        let mut tried = HashSet::new();
        for (chunk, (address, _)) in chunks.iter().zip(wanted) {
            let number = address.segment;
            let Ok(chunk) = chunk else { continue };
            let Some(id) = needed_by_chunk(chunk).filter(|_| self.dictionaries.get(number).is_none()) else {
                continue;
            };
            if !tried.insert((number, id)) {
                continue;
            }
            for place in Known::places(number) {
                let at = [(segment::first_record(place), limits::dictionary_record_bytes_max)];
                let found = self.read_records(&at, RecordType::Dictionary, read).pop();
                if let Some(Ok(record)) = found
                    && self.dictionaries.learn(number, id, &record).is_ok()
                {
                    break;
                }
            }
        }
    }

    fn path(&self, number: u32) -> String {
        format!("{}/{}", log_dir(self.shard), segment::file_name(number))
    }

    /// The records at addresses, with a guess of their payloads' lengths; neighbours are read together.
    fn read_records(
        &self,
        wanted: &[(Address, usize)],
        kind: RecordType,
        read: ReadBatch<'_>,
    ) -> Vec<Payload> {
        self.read_held(wanted, kind, &mut Held::new(), read)
    }

    /// The same. What `held` has whole is not read again, and it gets what is read.
    fn read_held(
        &self,
        wanted: &[(Address, usize)],
        kind: RecordType,
        held: &mut Held,
        read: ReadBatch<'_>,
    ) -> Vec<Payload> {
        let salts = self.learn_salts(wanted, read);
        let among_held = |address: &Address| {
            let at = (address.segment, u64::from(address.offset));
            let ((_, pos), bytes) = held.range((at.0, 0)..=at).next_back()?;
            let from = usize::try_from(at.1 - pos).ok()?;
            match cut(bytes, from, *salts.get(&at.0)?) {
                Cut::Whole(record) if record.kind == kind => Some(Ok(record)),
                // Whatever it is: reading it tells.
                _ => None,
            }
        };
        let mut results: Vec<Option<Payload>> =
            wanted.iter().map(|(address, _)| among_held(address)).collect();
        let missing: Vec<usize> = (0..wanted.len()).filter(|nth| results[*nth].is_none()).collect();
        let mut runs = plan(&missing.iter().map(|nth| wanted[*nth]).collect::<Vec<_>>());
        runs.iter_mut().flat_map(|run| &mut run.members).for_each(|member| *member = missing[*member]);
        while !runs.is_empty() {
            let batch: Vec<ReadAt> = runs
                .iter()
                .map(|run| ReadAt { path: self.path(run.segment), offset: run.pos, len: run.len })
                .collect();
            let mut answers = read(&batch).into_iter();
            let mut again = Vec::new();
            for run in runs {
                let answer = answers.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
                let bytes = answer.map(Arc::new).map_err(Arc::new);
                if let Ok(bytes) = &bytes {
                    held.insert((run.segment, run.pos), Arc::clone(bytes));
                }
                for nth in run.members {
                    let address = wanted[nth].0;
                    let from = (u64::from(address.offset) - run.pos) as usize;
                    results[nth] = Some(match (&bytes, salts.get(&run.segment)) {
                        (Err(error), _) => Err(ReadError::Io { address, source: error.clone() }),
                        (Ok(_), None) => Err(damaged(address, Damage::Segment)),
                        (Ok(bytes), Some(salt)) => match cut(bytes, from, *salt) {
                            Cut::Whole(record) if record.kind == kind => Ok(record),
                            Cut::Whole(_) => Err(damaged(address, Damage::Payload)),
                            Cut::Bad(damage) => Err(damaged(address, damage)),
                            Cut::Needs(whole) => {
                                // Longer than thought: alone and whole, unless the file ended, or that was tried.
                                if bytes.len() == run.len && from + whole > run.len {
                                    let pos = u64::from(address.offset);
                                    let (segment, members) = (address.segment, vec![nth]);
                                    again.push(ReadRun { segment, pos, len: whole, members });
                                }
                                Err(damaged(address, Damage::Truncated))
                            }
                        },
                    });
                }
            }
            runs = again;
        }
        results.into_iter().flatten().collect()
    }

    /// The salts of the segments that are wanted, read when they are new.
    fn learn_salts(&self, wanted: &[(Address, usize)], read: ReadBatch<'_>) -> HashMap<u32, Salt> {
        let known =
            |salts: &Mutex<HashMap<u32, Salt>>| salts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut salts = known(&self.salts);
        let mut new: Vec<u32> = wanted
            .iter()
            .map(|(address, _)| address.segment)
            .filter(|number| !salts.contains_key(number))
            .collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return salts;
        }
        let batch: Vec<ReadAt> = new
            .iter()
            .map(|number| ReadAt { path: self.path(*number), offset: 0, len: limits::block_bytes as usize })
            .collect();
        for (number, block) in new.into_iter().zip(read(&batch)) {
            let Ok(HeaderRead::Valid(header)) = block.map(|block| SegmentHeader::decode(&block)) else {
                continue;
            };
            if header.check("", &self.store_uuid, self.shard, number).is_ok() {
                salts.insert(number, header.salt());
            }
        }
        self.salts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(salts.iter().map(|(n, salt)| (*n, *salt)));
        salts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_to_other_threads() {
        fn is_send<T: Send>(_: T) {}
        is_send(LaneReader::new([0; 16], ShardId(0)));
    }
}
