//! When operations are due. The server has no say in it.

use std::time::Duration;

use crate::chance::{Chance, Purpose};
use crate::clock::nanos;

/// How operations follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// The next one when the one before is answered.
    Closed,
    /// Exactly so many each second, over all threads.
    Fixed { rate: f64 },
    /// A Poisson process of that rate, operations each second, over all threads.
    Poisson { rate: f64 },
}

impl Pattern {
    pub fn is_open(&self) -> bool {
        !matches!(self, Pattern::Closed)
    }
    pub fn rate(&self) -> Option<f64> {
        match self {
            Pattern::Closed => None,
            Pattern::Fixed { rate } | Pattern::Poisson { rate } => Some(*rate),
        }
    }
}

/// The due times of one thread of `threads`, from `start` (nanoseconds) on, ascending, without end.
pub struct Schedule {
    next: f64,
    step: f64,
    chance: Option<Chance>,
}

impl Schedule {
    /// `None` for a closed loop.
    pub fn new(pattern: Pattern, start: u64, thread: usize, threads: usize, seed: u64) -> Option<Schedule> {
        let rate = pattern.rate()?.max(1e-6);
        let all = nanos(Duration::from_secs(1)) as f64 / rate;
        let step = all * threads as f64;
        let mut schedule = match pattern {
            Pattern::Poisson { .. } => Schedule {
                next: start as f64,
                step,
                // The sum of independent Poisson processes is one.
                chance: Some(Chance::new(seed ^ 0x5c4e_d01e, Purpose::Structure, thread as u64)),
            },
            _ => Schedule { next: start as f64 + all * thread as f64, step, chance: None },
        };
        if schedule.chance.is_some() {
            schedule.pop();
        }
        Some(schedule)
    }

    /// The next due time, nanoseconds.
    pub fn peek(&self) -> u64 {
        self.next as u64
    }

    pub fn pop(&mut self) -> u64 {
        let due = self.peek();
        self.next += match &mut self.chance {
            Some(chance) => -(1.0 - chance.unit()).ln() * self.step,
            None => self.step,
        };
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_rates_are_even_over_threads() {
        let mut due = Vec::new();
        for thread in 0..3 {
            let mut schedule = Schedule::new(Pattern::Fixed { rate: 1000.0 }, 500, thread, 3, 1).unwrap();
            due.extend((0..4).map(|_| schedule.pop()));
        }
        due.sort_unstable();
        assert_eq!(due, (0..12).map(|n| 500 + n * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_poisson_process_has_its_rate_and_spread() {
        let mut schedule = Schedule::new(Pattern::Poisson { rate: 1000.0 }, 0, 0, 1, 7).unwrap();
        let due: Vec<u64> = (0..20_000).map(|_| schedule.pop()).collect();
        let gaps: Vec<f64> = due.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((0.97..1.03).contains(&mean) && (0.9..1.1).contains(&variance), "{mean} {variance}");
        assert!(Schedule::new(Pattern::Closed, 0, 0, 1, 7).is_none());
    }
}
