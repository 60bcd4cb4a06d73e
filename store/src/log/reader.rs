//! Reading records by address: verified, neighbours together, with few files open.
//!
//! Not here: deciding what is durable (whoever has an address got it from applied state).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::record::{self, HEADER, Salt};
use super::segment::{self, HeaderRead};
use super::{Address, RecordBytes, RecordType};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::{Damage, ReadError};
use crate::limits;
use crate::types::ShardId;

/// Read when the length of a record is not known.
const GUESS: usize = 4096;

#[derive(Clone)]
pub(super) struct OpenSegment {
    pub file: Rc<dyn DiskFile>,
    pub salt: Salt,
    pub format: u32,
}

/// See the module.
pub(super) struct Reader {
    disk: Rc<dyn Disk>,
    dir: String,
    store_uuid: [u8; 16],
    shard: ShardId,
    /// Least recently used first.
    open: RefCell<Vec<(u32, OpenSegment)>>,
}

/// Which bytes to read, and which of the wanted records lie in them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadRun {
    pub segment: u32,
    pub pos: u64,
    pub len: usize,
    /// Indexes into what was asked for.
    pub members: Vec<usize>,
}

/// Joins neighbours (a gap below `limits::read_gap_bytes_max`, a run up to `limits::read_run_bytes_max`).
pub(crate) fn plan(wanted: &[(Address, usize)]) -> Vec<ReadRun> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i].0);
    let mut runs: Vec<ReadRun> = Vec::new();
    for i in order {
        let (address, hint) = wanted[i];
        let pos = u64::from(address.offset);
        let len = HEADER + if hint == 0 { GUESS } else { hint };
        if let Some(run) = runs.last_mut()
            && run.segment == address.segment
            && pos <= run.pos + run.len as u64 + u64::from(limits::read_gap_bytes_max)
            && pos + len as u64 - run.pos <= u64::from(limits::read_run_bytes_max)
        {
            run.len = run.len.max((pos - run.pos) as usize + len);
            run.members.push(i);
            continue;
        }
        runs.push(ReadRun { segment: address.segment, pos, len, members: vec![i] });
    }
    runs
}

/// What `bytes`, which begin at a record, hold.
pub(crate) enum Cut {
    Whole(RecordBytes),
    /// Good so far; the record with its header has this many bytes.
    Needs(usize),
    Bad(Damage),
}

/// Verifies the record at `at` in `buffer`.
pub(crate) fn cut(buffer: &Arc<Vec<u8>>, at: usize, salt: Salt) -> Cut {
    let bytes = buffer.get(at..).unwrap_or_default();
    if bytes.len() < HEADER {
        return Cut::Bad(Damage::Truncated);
    }
    let Some(header) = record::decode_header(bytes, salt) else { return Cut::Bad(Damage::Header) };
    let whole = HEADER + header.payload_len as usize;
    if bytes.len() < whole {
        return Cut::Needs(whole);
    }
    if !header.verify(&bytes[HEADER..whole], salt) {
        return Cut::Bad(Damage::Payload);
    }
    Cut::Whole(RecordBytes {
        buffer: buffer.clone(),
        start: at + HEADER,
        end: at + whole,
        kind: header.kind,
        lsn: header.lsn,
    })
}

impl Reader {
    pub fn new(disk: Rc<dyn Disk>, dir: String, store_uuid: [u8; 16], shard: ShardId) -> Reader {
        Reader { disk, dir, store_uuid, shard, open: RefCell::default() }
    }

    async fn segment(&self, number: u32, at: Address) -> Result<OpenSegment, ReadError> {
        let known = {
            let mut open = self.open.borrow_mut();
            open.iter().position(|(n, _)| *n == number).map(|i| {
                let entry = open.remove(i);
                let segment = entry.1.clone();
                open.push(entry);
                segment
            })
        };
        if let Some(segment) = known {
            return Ok(segment);
        }
        let io = |source| ReadError::Io { address: at, source: Arc::new(source) };
        let unreadable = ReadError::Damaged { address: at, damage: Damage::Segment };
        let path = format!("{}/{}", self.dir, segment::file_name(number));
        let file = match self.disk.open(&path, OpenMode::Read).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(unreadable),
            Err(error) => return Err(io(error)),
        };
        let HeaderRead::Valid(header) = segment::read_header(&*file).await.map_err(io)? else {
            return Err(unreadable);
        };
        if header.check(&path, &self.store_uuid, self.shard, number).is_err() {
            return Err(unreadable);
        }
        let segment = OpenSegment { file, salt: header.salt(), format: header.format };
        let mut open = self.open.borrow_mut();
        if open.len() >= limits::segments_open_max {
            open.remove(0);
        }
        // Two readers may have opened it at the same time; either handle will do.
        if open.iter().all(|(n, _)| *n != number) {
            open.push((number, segment.clone()));
        }
        Ok(segment)
    }

    /// Forgets a segment that was removed.
    pub fn forget(&self, number: u32) {
        self.open.borrow_mut().retain(|(n, _)| *n != number);
    }

    /// See [`super::Log::dictionary_of`].
    pub async fn dictionary_of(&self, number: u32) -> Result<Option<RecordBytes>, ReadError> {
        let address = segment::first_record(number);
        let format = self.segment(number, address).await?.format;
        if format < segment::WITH_DICTIONARY {
            return Ok(None);
        }
        let record = self.read(address, limits::dictionary_record_bytes_max).await?;
        if record.kind != RecordType::Dictionary {
            if format > segment::WITH_DICTIONARY {
                return Ok(None);
            }
            return Err(ReadError::Damaged { address, damage: Damage::Payload });
        }
        Ok(Some(record))
    }

    pub async fn read(&self, address: Address, payload_len: usize) -> Result<RecordBytes, ReadError> {
        let segment = self.segment(address.segment, address).await?;
        let mut len = HEADER + if payload_len == 0 { GUESS } else { payload_len };
        loop {
            let bytes = segment.file.read_at(u64::from(address.offset), len).await;
            let bytes = bytes.map_err(|source| ReadError::Io { address, source: Arc::new(source) })?;
            let got = bytes.len();
            match cut(&Arc::new(bytes), 0, segment.salt) {
                Cut::Whole(record) => return Ok(record),
                Cut::Needs(more) if got == len => len = more,
                Cut::Needs(_) => return Err(ReadError::Damaged { address, damage: Damage::Truncated }),
                Cut::Bad(damage) => return Err(ReadError::Damaged { address, damage }),
            }
        }
    }

    pub async fn read_many(&self, wanted: &[(Address, usize)]) -> Vec<Result<RecordBytes, ReadError>> {
        let mut results: Vec<Option<Result<RecordBytes, ReadError>>> = vec![None; wanted.len()];
        for run in plan(wanted) {
            let whole = self.read_run(&run, wanted, &mut results).await;
            for i in run.members {
                // A run that failed as a whole may hide records that can be read alone.
                if results[i].is_none() || (whole.is_err() && !matches!(results[i], Some(Ok(_)))) {
                    results[i] = Some(self.read(wanted[i].0, wanted[i].1).await);
                }
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Fills in what one read gives; leaves alone what needs another.
    async fn read_run(
        &self,
        run: &ReadRun,
        wanted: &[(Address, usize)],
        results: &mut [Option<Result<RecordBytes, ReadError>>],
    ) -> Result<(), ReadError> {
        if let [_] = run.members[..] {
            return Ok(());
        }
        let at = Address { segment: run.segment, offset: run.pos as u32 };
        let segment = self.segment(run.segment, at).await?;
        let bytes = segment.file.read_at(run.pos, run.len).await;
        let bytes =
            Arc::new(bytes.map_err(|source| ReadError::Io { address: at, source: Arc::new(source) })?);
        for &i in &run.members {
            let from = (u64::from(wanted[i].0.offset) - run.pos) as usize;
            if let Cut::Whole(record) = cut(&bytes, from, segment.salt) {
                results[i] = Some(Ok(record));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u32, offset: u32) -> Address {
        Address { segment, offset }
    }

    #[test]
    fn neighbours_are_read_together_and_far_ones_are_not() {
        let wanted = [(at(1, 200_000), 100), (at(1, 4096), 100), (at(2, 4096), 100), (at(1, 60_000), 100)];
        let runs = plan(&wanted);
        assert_eq!(runs.len(), 3);
        assert_eq!(runs[0].members, [1, 3]);
        assert_eq!((runs[0].pos, runs[0].len), (4096, 60_000 - 4096 + 124));
        assert_eq!(runs[1].members, [0]);
        assert_eq!(runs[2].members, [2]);
    }

    #[test]
    fn a_run_is_bounded() {
        let wanted: Vec<(Address, usize)> = (0..100).map(|i| (at(1, 4096 + i * 60_000), 50_000)).collect();
        for run in plan(&wanted) {
            assert!(run.len <= limits::read_run_bytes_max as usize, "{run:?}");
        }
        // One record larger than a run still is one.
        assert_eq!(plan(&[(at(1, 4096), 3 << 20)]).len(), 1);
    }
}
