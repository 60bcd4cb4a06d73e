//! Random choices that depend on (seed, purpose, number) only.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream of choices is for. Separate streams keep the thread structure, the text and the envelope of a message
/// independent, so that a reply can ask for its parent's text without making the parent's headers.
#[derive(Clone, Copy)]
pub enum Purpose {
    Structure = 1,
    Text = 2,
    Headers = 3,
    Mime = 4,
    Attachment = 5,
    Person = 6,
}

pub struct Chance(ChaCha8Rng);

impl Chance {
    pub fn new(seed: u64, purpose: Purpose, number: u64) -> Chance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (purpose as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.set_stream(number);
        Chance(rng)
    }

    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..n`; `n` is at least 1.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(n.max(1))) >> 64) as u64
    }

    /// Uniform in `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub fn permille(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A choice by weights.
    pub fn weighted<'a, T>(&mut self, from: &'a [(u64, T)]) -> &'a T {
        let mut left = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in from {
            if left < *weight {
                return value;
            }
            left -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    /// Zipf's law with exponent 1: rank `r` of `0..n` comes in proportion to about `1 / (r + 1)`.
    pub fn zipf(&mut self, n: u64) -> u64 {
        let rank = ((self.unit() * ((n + 1) as f64).ln()).exp() - 1.0) as u64;
        rank.min(n - 1)
    }

    /// Log-uniform in `from..=to`: as many of each order of magnitude.
    pub fn magnitude(&mut self, from: u64, to: u64) -> u64 {
        let (low, high) = ((from as f64).ln(), (to as f64).ln());
        ((low + self.unit() * (high - low)).exp() as u64).clamp(from, to)
    }

    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    /// Letters and digits as in signatures and identifiers.
    pub fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..length).map(|_| char::from(*self.pick(LETTERS))).collect()
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
