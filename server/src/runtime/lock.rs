//! One process at a time owns a store: an advisory lock on `<store>/LOCK`, which ends with the process however it ends.

use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::os;

/// Held as long as the store is owned.
pub struct StoreLock(#[allow(dead_code, reason = "the lock ends when the descriptor is closed")] OwnedFd);

/// Why the store cannot be owned.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process (pid {0}) owns the store; stop it first, or use it through its control socket")]
    Held(String),
    #[error("the lock file: {0}")]
    Io(#[from] std::io::Error),
}

/// Takes the lock and writes our pid into the file, for the message of the next who wants it.
pub fn lock(store: &Path) -> Result<StoreLock, LockError> {
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(store.join("LOCK"))?;
    if !os::lock_exclusively(&file)? {
        let mut holder = String::new();
        // Only for the message: the holder may be between its lock and its pid.
        let _ = (&mut file).take(32).read_to_string(&mut holder);
        let holder = holder.trim();
        return Err(LockError::Held(if holder.is_empty() { "unknown" } else { holder }.to_owned()));
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(StoreLock(file.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_owner_is_told_who_the_first_is() {
        let store = tempfile::tempdir().unwrap();
        let first = lock(store.path()).unwrap();
        let error = lock(store.path()).err().unwrap().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(first);
        lock(store.path()).unwrap();
    }
}
