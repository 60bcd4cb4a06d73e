//! Randomness as a trait, with a simulated twin that repeats.
//!
//! Used for segment salts, identifiers and verifiers. Not a source for key material in the simulated form.

use std::cell::Cell;
use std::io;

/// A source of random bytes.
pub trait Seed {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// getrandom(2), drawn in blocks so that it costs a system call only now and then.
pub struct SystemSeed {
    pool: std::cell::RefCell<Pool>,
}

struct Pool {
    bytes: [u8; 256],
    used: usize,
}

impl SystemSeed {
    /// # Errors
    /// When the system has no randomness to give (never on a Linux that has booted).
    pub fn new() -> io::Result<SystemSeed> {
        let mut bytes = [0; 256];
        super::disk::system_random(&mut bytes)?;
        Ok(SystemSeed { pool: std::cell::RefCell::new(Pool { bytes, used: 0 }) })
    }
}

impl Seed for SystemSeed {
    fn fill(&self, out: &mut [u8]) {
        let mut pool = self.pool.borrow_mut();
        for byte in out {
            if pool.used == pool.bytes.len() {
                if let Err(error) = super::disk::system_random(&mut pool.bytes) {
                    // It worked when this object was made; going on with predictable bytes would be worse.
                    panic!("getrandom failed: {error}");
                }
                pool.used = 0;
            }
            let used = pool.used;
            *byte = std::mem::take(&mut pool.bytes[used]);
            pool.used += 1;
        }
    }
}

/// SplitMix64 from a number: the same bytes in every run.
pub struct SimSeed {
    state: Cell<u64>,
}

impl SimSeed {
    pub fn new(seed: u64) -> SimSeed {
        SimSeed { state: Cell::new(seed) }
    }

    /// The next number of the sequence.
    pub fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 when `bound` is 0).
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// True once in `n` on average.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }
}

impl Seed for SimSeed {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_randomness_repeats_and_system_randomness_does_not() {
        let (a, b) = (SimSeed::new(7), SimSeed::new(7));
        assert_eq!((a.next(), a.next()), (b.next(), b.next()));
        let seed = SystemSeed::new().unwrap();
        let drawn: Vec<u64> = (0..100).map(|_| seed.next_u64()).collect();
        let distinct: std::collections::HashSet<&u64> = drawn.iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}
