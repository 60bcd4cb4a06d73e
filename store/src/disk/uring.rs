//! The only unsafe code of the store: an io_uring for batched reads, and three system calls.
//!
//! What must hold for it to be sound: a buffer handed to the kernel is neither moved, freed nor looked at before
//! its completion has been seen. `read_all` owns all buffers and does not return (nor unwind) before that; the system calls
//! are done with theirs when they return.

#![allow(unsafe_code, reason = "system calls without a safe wrapper among the dependencies")]
#![allow(clippy::disallowed_types, reason = "part of the disk")]

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{IoUring, opcode, types};

/// Fills `bytes` from getrandom(2).
pub(super) fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the pointer and length describe `rest`, which is exclusively borrowed for the call.
        let n = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(n) {
            Ok(n) => filled += n,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// fallocate(2) of `[0, len)`, extending the file.
pub(super) fn allocate(file: &std::fs::File, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    loop {
        // SAFETY: no pointers; the descriptor is open as long as `file` is borrowed.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Reads from `pos` of the open file `fd` what the page cache has at hand, without waiting for the disk (preadv2(2) with RWF_NOWAIT): bytes
/// read, at least one; `None` when the disk would have to be waited for, the file system cannot do this, or the file may end there: preadv2(2)
/// tells of kernels (5.9, 5.10) that say 0 before the end as well.
pub(super) fn read_cached(fd: RawFd, pos: u64, buffer: &mut [u8]) -> Option<usize> {
    let pos = i64::try_from(pos).ok()?;
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: one valid `iovec` that describes `buffer`, which is exclusively borrowed for the call. A descriptor that is not open is an
    // error like any other.
    let n = unsafe { libc::preadv2(fd, &raw const part, 1, pos, libc::RWF_NOWAIT) };
    usize::try_from(n).ok().filter(|&n| n > 0)
}

/// One read; `fd` is open until the read is done. `None` is skipped.
pub(super) struct Read {
    pub fd: Option<RawFd>,
    pub pos: u64,
    pub buffer: Vec<u8>,
    /// Bytes read; less than the buffer only at the end of the file.
    pub done: usize,
    pub error: Option<io::Error>,
}

impl Read {
    fn wants(&self) -> bool {
        self.fd.is_some() && self.error.is_none() && self.done < self.buffer.len()
    }

    /// Takes the result of one read; true when there is more to read.
    fn complete(&mut self, result: i32) -> bool {
        match usize::try_from(result) {
            Ok(0) => false,
            Ok(n) => {
                self.done += n;
                self.wants()
            }
            Err(_) if matches!(-result, libc::EINTR | libc::EAGAIN) => true,
            Err(_) => {
                self.error = Some(io::Error::from_raw_os_error(-result));
                false
            }
        }
    }
}

/// A ring for reads.
pub(super) struct Uring {
    ring: IoUring,
    entries: usize,
}

impl Uring {
    pub fn new(entries: u32) -> io::Result<Uring> {
        Ok(Uring { ring: IoUring::new(entries)?, entries: entries as usize })
    }

    /// Does all reads, as many at once as the ring holds.
    pub fn read_all(&mut self, mut reads: Vec<Read>) -> Vec<Read> {
        let mut next: Vec<usize> = (0..reads.len()).rev().filter(|i| reads[*i].wants()).collect();
        let mut flying = 0;
        while flying > 0 || !next.is_empty() {
            while flying < self.entries
                && let Some(i) = next.pop()
            {
                let read = &mut reads[i];
                let Some(fd) = read.fd else { continue };
                let rest = &mut read.buffer[read.done..];
                let len = u32::try_from(rest.len()).unwrap_or(1 << 30);
                let entry = opcode::Read::new(types::Fd(fd), rest.as_mut_ptr(), len)
                    .offset(read.pos + read.done as u64)
                    .build()
                    .user_data(i as u64);
                // SAFETY: the buffer lives in `reads`, which is neither changed in length nor dropped before this
                // entry has completed, and its bytes are not touched until then; `fd` is open (see `Read`).
                if unsafe { self.ring.submission().push(&entry) }.is_err() {
                    next.push(i);
                    break;
                }
                flying += 1;
            }
            if let Err(error) = self.ring.submit_and_wait(1)
                && !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
            {
                // Entries may be in flight, and their buffers must not be freed: nothing else is sound.
                eprintln!("io_uring_enter failed with reads in flight: {error}");
                std::process::abort();
            }
            for completion in self.ring.completion() {
                flying -= 1;
                let i = completion.user_data() as usize;
                if reads[i].complete(completion.result()) {
                    next.push(i);
                }
            }
        }
        reads
    }
}

/// The same with pread, one after another.
pub(super) fn read_all_blocking(mut reads: Vec<Read>) -> Vec<Read> {
    for read in &mut reads {
        while let (true, Some(fd)) = (read.wants(), read.fd) {
            let rest = &mut read.buffer[read.done..];
            let pos = libc::off_t::try_from(read.pos + read.done as u64).unwrap_or(libc::off_t::MAX);
            // SAFETY: pointer and length describe `rest`, exclusively borrowed for the call; `fd` is open.
            let n = unsafe { libc::pread(fd, rest.as_mut_ptr().cast(), rest.len(), pos) };
            let result = match i32::try_from(n) {
                Ok(n) if n >= 0 => n,
                Ok(_) => -io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
                Err(_) => i32::MAX,
            };
            if !read.complete(result) {
                break;
            }
        }
    }
    reads
}
