//! The file `STORE` in the store's root: what the store is. Written whole and atomically.

use crate::disk::Disk;
use crate::error::StoreError;

pub const PATH: &str = "STORE";
/// The format that this program writes, and the latest that it reads.
pub const FORMAT: u32 = 1;

/// What a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreMeta {
    pub uuid: [u8; 16],
    pub format: u32,
    /// Raised when the store is restored from a backup or a standby is promoted.
    pub epoch: u32,
    /// Fixed when the store is made.
    pub shards: u16,
}

#[allow(unused_variables)]
impl StoreMeta {
    /// Reads the file; `None` when there is none.
    pub async fn read(disk: &dyn Disk) -> Result<Option<StoreMeta>, StoreError> {
        unreachable!()
    }
    /// Writes the file, durably.
    pub async fn write(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        unreachable!()
    }
}
