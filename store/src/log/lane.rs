//! Reading records on a lane: many at once through an io_uring of its own, away from the executors.
//!
//! `Send`, one per lane and log. It verifies like the log's own reader. Not here: which records to read (the core
//! that owns the shard says so).

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::reader::{Cut, ReadRun, cut, plan};
use super::record::{HEADER, Salt};
use super::segment::{self, HeaderRead, SegmentHeader};
use super::{Address, RecordBytes};
use crate::disk::blocking::{BatchReader, ReadRequest};
use crate::error::{Damage, ReadError};
use crate::limits;

type Answer = Result<RecordBytes, ReadError>;

/// See the module.
pub struct LaneReader {
    dir: PathBuf,
    batch: BatchReader,
    /// By segment number; headers never change.
    salts: HashMap<u32, Salt>,
}

impl LaneReader {
    /// For the log whose segments are in the folder `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> LaneReader {
        LaneReader { dir: dir.into(), batch: BatchReader::new(), salts: HashMap::new() }
    }

    /// Why reads go one after another, when they do.
    pub fn uring_refused(&self) -> Option<&io::Error> {
        self.batch.refused()
    }

    fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(segment::file_name(segment))
    }

    /// Reads and verifies records, given by address and length of the payload (a hint; 0 is unknown). Results are in
    /// the order asked for, all in memory at once: the caller bounds what it asks for.
    pub fn read(&mut self, wanted: &[(Address, usize)]) -> Vec<Answer> {
        self.load_salts(wanted);
        let mut answers: Vec<Option<Answer>> = vec![None; wanted.len()];
        let again = self.round(plan(wanted), wanted, &mut answers);
        if !again.is_empty() {
            let hints: Vec<(Address, usize)> =
                again.iter().map(|(i, whole)| (wanted[*i].0, whole - HEADER)).collect();
            let runs = (0..hints.len()).map(|i| ReadRun {
                segment: hints[i].0.segment,
                pos: u64::from(hints[i].0.offset),
                len: HEADER + hints[i].1,
                members: vec![i],
            });
            let mut second: Vec<Option<Answer>> = vec![None; hints.len()];
            for (i, _) in self.round(runs.collect(), &hints, &mut second) {
                // Read at its full length, and still not whole.
                second[i] = Some(damaged(hints[i].0, Damage::Truncated));
            }
            for ((i, _), answer) in again.into_iter().zip(second) {
                answers[i] = answer;
            }
        }
        answers.into_iter().flatten().collect()
    }

    fn load_salts(&mut self, wanted: &[(Address, usize)]) {
        let mut missing: Vec<u32> = wanted.iter().map(|(at, _)| at.segment).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.retain(|segment| !self.salts.contains_key(segment));
        let len = limits::block_bytes as usize;
        let requests: Vec<ReadRequest> =
            missing.iter().map(|n| ReadRequest { path: self.path(*n), pos: 0, len }).collect();
        for (number, block) in missing.into_iter().zip(self.batch.read_batch(&requests)) {
            if let Ok(block) = block
                && let HeaderRead::Valid(header) = SegmentHeader::decode(&block)
                && header.number == number
            {
                self.salts.insert(number, header.salt());
            }
        }
    }

    /// Reads runs; gives the indexes of records that are longer than was hinted, with their whole length.
    fn round(
        &mut self,
        runs: Vec<ReadRun>,
        wanted: &[(Address, usize)],
        answers: &mut [Option<Answer>],
    ) -> Vec<(usize, usize)> {
        let mut again = Vec::new();
        let requests: Vec<ReadRequest> = runs
            .iter()
            .map(|run| ReadRequest { path: self.path(run.segment), pos: run.pos, len: run.len })
            .collect();
        for (run, result) in runs.into_iter().zip(self.batch.read_batch(&requests)) {
            let salt = self.salts.get(&run.segment).copied();
            let read = result.map(Arc::new).map_err(Arc::new);
            for i in run.members {
                let address = wanted[i].0;
                answers[i] = Some(match (&read, salt) {
                    (_, None) => damaged(address, Damage::Segment),
                    (Err(source), _) => Err(ReadError::Io { address, source: source.clone() }),
                    (Ok(bytes), Some(salt)) => {
                        match cut(bytes, (u64::from(address.offset) - run.pos) as usize, salt) {
                            Cut::Whole(record) => Ok(record),
                            Cut::Bad(damage) => damaged(address, damage),
                            Cut::Needs(whole) => {
                                again.push((i, whole));
                                damaged(address, Damage::Truncated)
                            }
                        }
                    }
                });
            }
        }
        again
    }
}

fn damaged(address: Address, damage: Damage) -> Answer {
    Err(ReadError::Damaged { address, damage })
}
