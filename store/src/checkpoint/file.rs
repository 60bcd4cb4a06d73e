//! The file of a checkpoint: a header that says what it is of, checksummed frames, an end (`FORMAT.md`).

use crate::codec::{Reader, Writer};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::limits;
use crate::log::{Address, Position};
use crate::shard::Env;
use crate::types::{Lsn, WallTime};
use std::io;
use std::rc::Rc;

const MAGIC: &[u8; 8] = b"TRAWLCKP";
/// Format 1 says nothing of annotations, nor of the threads that messages belong to; format 2 says nothing of documents, which no log had
/// then, and is read.
const FORMAT: u32 = 3;
const READ_LEAST: u32 = 2;
const HEADER: usize = 68;
const FRAME_HEAD: usize = 8;
/// Length of the frame that says that all were there.
const END: u32 = u32::MAX;

fn crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

fn header(env: &Env, format: u32, position: Position, wall: WallTime) -> ([u8; HEADER], u32) {
    let mut out = Writer::new();
    out.raw(MAGIC);
    out.raw(&format.to_le_bytes());
    out.raw(&env.store_uuid);
    out.raw(&u32::from(env.shard.0).to_le_bytes());
    out.raw(&env.epoch.to_le_bytes());
    out.raw(&position.address.segment.to_le_bytes());
    out.raw(&position.address.offset.to_le_bytes());
    out.u64(position.next.0);
    out.u64(wall.0.cast_unsigned());
    // Ties the frames to this file: their checksums begin with the header's.
    let sum = crc(0, &[&out.bytes]);
    out.raw(&sum.to_le_bytes());
    let mut bytes = [0; HEADER];
    bytes[..out.bytes.len()].copy_from_slice(&out.bytes);
    (bytes, sum)
}

/// Writes a checkpoint.
pub(super) struct Output {
    file: Rc<dyn DiskFile>,
    seed: u32,
    frames: u64,
    pos: u64,
    pending: Vec<u8>,
}

impl Output {
    pub async fn create(
        disk: &dyn Disk,
        path: &str,
        env: &Env,
        position: Position,
        wall: WallTime,
    ) -> io::Result<Output> {
        let file = disk.open(path, OpenMode::Create).await?;
        let (header, seed) = header(env, FORMAT, position, wall);
        Ok(Output { file, seed, frames: 0, pos: 0, pending: header.to_vec() })
    }

    pub async fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let len = (payload.len() as u32).to_le_bytes();
        self.pending.extend_from_slice(&len);
        self.pending.extend_from_slice(&crc(self.seed, &[&len, payload]).to_le_bytes());
        self.pending.extend_from_slice(payload);
        self.frames += 1;
        if self.pending.len() >= limits::checkpoint_write_bytes {
            self.flush().await?;
        } else {
            futures_lite::future::yield_now().await;
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.pos, &self.pending).await?;
        self.pos += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    pub async fn finish(mut self) -> io::Result<()> {
        let (len, frames) = (END.to_le_bytes(), self.frames.to_le_bytes());
        self.pending.extend_from_slice(&len);
        self.pending.extend_from_slice(&crc(self.seed, &[&len, &frames]).to_le_bytes());
        self.pending.extend_from_slice(&frames);
        self.flush().await?;
        self.file.sync().await
    }
}

/// Reads a checkpoint, verifying.
pub(super) struct Input {
    file: Rc<dyn DiskFile>,
    pub position: Position,
    pub wall: WallTime,
    seed: u32,
    frames: u64,
    /// Where `buffer` ends in the file.
    pos: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Input {
    /// `None` for one of an older format, which says too little to start from.
    pub async fn open(disk: &dyn Disk, path: &str, env: &Env) -> Result<Option<Input>, String> {
        let text = |error: io::Error| error.to_string();
        let file = disk.open(path, OpenMode::Read).await.map_err(text)?;
        let position = Position { address: Address { segment: 0, offset: 0 }, next: Lsn(0) };
        let wall = WallTime(0);
        let mut input =
            Input { file, position, wall, seed: 0, frames: 0, pos: 0, buffer: Vec::new(), used: 0 };
        let bytes = input.take(HEADER).await?.to_vec();
        let mut fields = Reader::new(&bytes);
        let mut u32_field = |skip: usize| -> Option<u32> {
            fields.raw(skip).ok()?;
            fields.array().ok().map(u32::from_le_bytes)
        };
        let format = if &bytes[..8] == MAGIC { u32_field(8) } else { None };
        let format = match format {
            Some(format @ READ_LEAST..=FORMAT) => format,
            Some(1..READ_LEAST) => return Ok(None),
            Some(other) => return Err(format!("format {other}, this program reads {FORMAT}")),
            None => return Err("not a checkpoint".to_owned()),
        };
        let segment = u32_field(16 + 8).unwrap_or(0);
        let offset = u32_field(0).unwrap_or(0);
        let next = Lsn(fields.u64().unwrap_or(0));
        input.wall = WallTime(fields.u64().unwrap_or(0).cast_signed());
        input.position = Position { address: Address { segment, offset }, next };
        // Made again from what it should say: any difference is damage, or of another store, shard or epoch.
        let (expected, seed) = header(env, format, input.position, input.wall);
        if bytes != expected {
            return Err("its header is damaged or of another store".to_owned());
        }
        input.seed = seed;
        Ok(Some(input))
    }

    /// The next `len` bytes.
    async fn take(&mut self, len: usize) -> Result<&[u8], String> {
        if self.buffer.len() - self.used < len {
            self.buffer.drain(..self.used);
            self.used = 0;
            let want = (len - self.buffer.len()).max(limits::checkpoint_read_bytes);
            let more = self.file.read_at(self.pos, want).await.map_err(|error| error.to_string())?;
            self.pos += more.len() as u64;
            self.buffer.extend_from_slice(&more);
            if self.buffer.len() < len {
                return Err("it ends too early".to_owned());
            }
        }
        let start = self.used;
        self.used += len;
        Ok(&self.buffer[start..start + len])
    }

    /// The next frame; `None` behind the last, when all were there.
    pub async fn frame(&mut self) -> Result<Option<Vec<u8>>, String> {
        let head = self.take(FRAME_HEAD).await?;
        let (mut len, mut sum) = ([0; 4], [0; 4]);
        len.copy_from_slice(&head[..4]);
        sum.copy_from_slice(&head[4..]);
        let is_end = u32::from_le_bytes(len) == END;
        let payload_len = if is_end { 8 } else { u32::from_le_bytes(len) as usize };
        if payload_len > limits::checkpoint_frame_bytes_max {
            return Err("a frame is damaged".to_owned());
        }
        let payload = self.take(payload_len).await?.to_vec();
        if u32::from_le_bytes(sum) != crc(self.seed, &[&len, &payload]) {
            return Err("a frame is damaged".to_owned());
        }
        if is_end {
            return if payload == self.frames.to_le_bytes() {
                Ok(None)
            } else {
                Err("frames are missing".to_owned())
            };
        }
        self.frames += 1;
        Ok(Some(payload))
    }
}
