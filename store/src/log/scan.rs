//! Reading a segment from end to end: every record verified, bad stretches located.
//!
//! Not here: judging whether a bad stretch is a torn tail or corruption (`recovery`).

use std::io;
use std::rc::Rc;

use super::record::{self, HEADER, RecordHeader, Salt};
use crate::disk::DiskFile;
use crate::limits;
use crate::types::Lsn;

/// What lies at a place of a segment.
pub(super) enum Found<'a> {
    Record {
        header: RecordHeader,
        at: u64,
        /// After the record, before any fill.
        end: u64,
        payload: &'a [u8],
    },
    /// Nothing readable from here on; the next call goes on where something is, if anything is left.
    Bad(u64),
    /// Zeros to the end, or the end.
    End,
}

/// See the module.
pub(super) struct Scan {
    file: Rc<dyn DiskFile>,
    salt: Salt,
    pos: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_pos: u64,
}

impl Scan {
    /// Reads `[pos, end)` of a segment.
    pub fn new(file: Rc<dyn DiskFile>, salt: Salt, pos: u64, end: u64) -> Scan {
        Scan { file, salt, pos: record::place(pos), end, buffer: Vec::new(), buffer_pos: 0 }
    }

    async fn fill(&mut self, pos: u64, len: usize) -> io::Result<()> {
        let have = self.buffer_pos..self.buffer_pos + self.buffer.len() as u64;
        if pos >= have.start && pos + len as u64 <= have.end {
            return Ok(());
        }
        let want = (self.end - pos).min(len.max(limits::recovery_read_bytes) as u64) as usize;
        self.buffer = self.file.read_at(pos, want).await?;
        self.buffer_pos = pos;
        Ok(())
    }

    fn view(&self, pos: u64, len: usize) -> &[u8] {
        let from = (pos - self.buffer_pos) as usize;
        let to = self.buffer.len().min(from + len);
        self.buffer.get(from..to).unwrap_or_default()
    }

    /// The record at `pos`, when it is whole and good; how far it reaches when only its header is.
    async fn at(&mut self, pos: u64) -> io::Result<(Option<RecordHeader>, bool)> {
        if pos + HEADER as u64 > self.end {
            return Ok((None, false));
        }
        self.fill(pos, HEADER).await?;
        let Some(header) = record::decode_header(self.view(pos, HEADER), self.salt) else {
            return Ok((None, false));
        };
        let len = header.payload_len as usize;
        let whole = HEADER + len;
        if pos + whole as u64 > self.end {
            return Ok((Some(header), false));
        }
        self.fill(pos, whole).await?;
        let good = header.verify(self.view(pos + HEADER as u64, len), self.salt);
        Ok((Some(header), good))
    }

    /// The next thing; `expected` is the LSN that should follow.
    pub async fn next(&mut self, expected: Lsn) -> io::Result<Found<'_>> {
        let from = self.pos;
        if let (Some(header), true) = self.at(from).await?
            && header.lsn >= expected
        {
            let end = from + (HEADER + header.payload_len as usize) as u64;
            self.pos = record::place(end);
            let payload = self.view(from + HEADER as u64, header.payload_len as usize);
            return Ok(Found::Record { header, at: from, end, payload });
        }
        if self.zeros(from).await? {
            self.pos = self.end;
            return Ok(Found::End);
        }
        self.pos = self.search(from, expected).await?;
        Ok(Found::Bad(from))
    }

    /// The next place after `from` with a good record of `expected` or later, else the end.
    async fn search(&mut self, from: u64, expected: Lsn) -> io::Result<u64> {
        let mut pos = from + 8;
        while pos + HEADER as u64 <= self.end {
            self.fill(pos, HEADER).await?;
            let Some(lsn) = self.view(pos + 8, 8).first_chunk::<8>().map(|b| u64::from_le_bytes(*b)) else {
                return Ok(self.end);
            };
            // Records between take at least a header each: most places are ruled out without a checksum.
            let most = expected.0.saturating_add((pos - from) / HEADER as u64 + 1);
            if lsn >= expected.0 && lsn <= most && self.at(pos).await?.1 {
                return Ok(pos);
            }
            pos += 8;
        }
        Ok(self.end)
    }

    /// Whether nothing but zeros follows (stops at the first other byte).
    async fn zeros(&mut self, from: u64) -> io::Result<bool> {
        let mut pos = from;
        while pos < self.end {
            self.fill(pos, 1).await?;
            let bytes = self.view(pos, self.buffer.len());
            if bytes.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            if bytes.is_empty() {
                break;
            }
            pos += bytes.len() as u64;
        }
        Ok(true)
    }
}
