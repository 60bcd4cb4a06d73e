//! A pool of messages for APPEND and LMTP, in memory, so that making them costs the driver nothing while it measures.

use std::io;

use crate::chance::{Chance, Purpose};
use crate::mail::{Mail, append_arguments};

/// Messages of the pool at most, and their octets.
const COUNT_MAX: usize = 2000;
const BYTES_MAX: usize = 64 << 20;

pub struct Letter {
    pub bytes: Vec<u8>,
    /// Flags and date of an APPEND.
    pub arguments: String,
    pub crc: u32,
}

pub struct Letters(pub Vec<Letter>);

impl Letters {
    /// Random ones of the mail, by a seed.
    pub fn draw(mail: &dyn Mail, seed: u64) -> io::Result<Letters> {
        let mut chance = Chance::new(seed ^ 0x6c65_7474, Purpose::Structure, 0);
        let (mut letters, mut octets) = (Vec::new(), 0);
        while letters.len() < COUNT_MAX.min(mail.count()) && octets < BYTES_MAX {
            let letter = mail.letter(chance.below(mail.count() as u64) as usize)?;
            octets += letter.bytes.len();
            let crc = crc32fast::hash(&letter.bytes);
            letters.push(Letter { arguments: append_arguments(&letter), bytes: letter.bytes, crc });
        }
        Ok(Letters(letters))
    }

    /// One of them for operation `n`.
    pub fn nth(&self, n: usize) -> &Letter {
        &self.0[n % self.0.len()]
    }

    /// Whether a message of this checksum is in the pool.
    pub fn has(&self, crc: u32) -> bool {
        self.0.iter().any(|letter| letter.crc == crc)
    }
}
