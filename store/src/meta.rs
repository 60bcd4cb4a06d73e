//! The file `STORE` in the store's root: what the store is. Text, written whole and atomically.
//!
//! Not here: the lock that keeps a second process out (the server's).

use crate::disk::{Disk, OpenMode};
use crate::error::StoreError;
use std::fmt::Write;
use std::io;

pub const PATH: &str = "STORE";
const NEW: &str = "STORE.new";
/// The format that this program writes, and the latest that it reads.
pub const FORMAT: u32 = 1;
/// The file is about 120 bytes.
const BYTES_MAX: usize = 4_096;

/// What a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreMeta {
    pub uuid: [u8; 16],
    pub format: u32,
    /// Raised when the store is restored from a backup or a standby is promoted.
    pub epoch: u32,
    /// Fixed when the store is made; at least 1.
    pub shards: u16,
}

impl StoreMeta {
    /// Reads the file; `None` when there is none.
    pub async fn read(disk: &dyn Disk) -> Result<Option<StoreMeta>, StoreError> {
        let file = match disk.open(PATH, OpenMode::Read).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(StoreError::io("open", PATH))?,
        };
        let bytes = file.read_at(0, BYTES_MAX).await.map_err(StoreError::io("read", PATH))?;
        StoreMeta::decode(&bytes).map(Some)
    }

    /// Writes the file, durably.
    pub async fn write(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        match disk.remove(NEW).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", NEW)(error));
            }
            _ => {}
        }
        let file = disk.open(NEW, OpenMode::Create).await.map_err(StoreError::io("create", NEW))?;
        file.write_at(0, self.encode().as_bytes()).await.map_err(StoreError::io("write", NEW))?;
        file.sync().await.map_err(StoreError::io("sync", NEW))?;
        disk.rename(NEW, PATH).await.map_err(StoreError::io("rename", PATH))?;
        disk.sync_dir("").await.map_err(StoreError::io("sync", "."))
    }

    fn encode(&self) -> String {
        let uuid: String = self.uuid.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let text = format!(
            "# A Trawl store. Made by `trawl init`; do not edit.\nformat = {}\nuuid = {uuid}\nepoch = {}\nshards = {}\n",
            self.format, self.epoch, self.shards
        );
        let sum = crc32fast::hash(text.as_bytes());
        format!("{text}crc = {sum:08x}\n")
    }

    fn decode(bytes: &[u8]) -> Result<StoreMeta, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt { path: PATH.to_owned(), what: what.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| corrupt("is not text"))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
                .ok_or_else(|| corrupt("lacks a field"))
        };
        let number = |name: &str| field(name)?.parse::<u32>().map_err(|_| corrupt("holds a bad number"));
        let format = number("format")?;
        if format != FORMAT {
            return Err(StoreError::Version { path: PATH.to_owned(), found: format, known: FORMAT });
        }
        let hex = field("uuid")?;
        let mut uuid = [0; 16];
        if hex.len() != 2 * uuid.len() || !hex.is_ascii() {
            return Err(corrupt("holds a bad uuid"));
        }
        for (nth, byte) in uuid.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * nth..2 * nth + 2], 16)
                .map_err(|_| corrupt("holds a bad uuid"))?;
        }
        let shards = u16::try_from(number("shards")?).ok().filter(|shards| *shards > 0);
        let shards = shards.ok_or_else(|| corrupt("holds a bad number of shards"))?;
        let meta = StoreMeta { uuid, format, epoch: number("epoch")?, shards };
        // One form for each value: this compares the checksum, and everything else.
        if meta.encode() == text { Ok(meta) } else { Err(corrupt("does not match its checksum")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_changed_bytes_are_noticed() {
        let meta = StoreMeta { uuid: *b"0123456789abcdef", format: FORMAT, epoch: 3, shards: 2 };
        let text = meta.encode();
        assert_eq!(StoreMeta::decode(text.as_bytes()).unwrap(), meta);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(StoreMeta::decode(&bytes).is_err(), "byte {at}");
            assert!(StoreMeta::decode(&text.as_bytes()[..at]).is_err(), "length {at}");
        }
        let later = text.replace("format = 1", "format = 2");
        assert!(matches!(StoreMeta::decode(later.as_bytes()), Err(StoreError::Version { found: 2, .. })));
    }
}
