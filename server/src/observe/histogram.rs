//! How long things took, as counts in buckets of fixed bounds: nothing is allocated once it is made, and those of all cores add up.
//!
//! Whole microseconds. Below 16 each has a bucket of its own, above that a power of two has eight: what a bucket says is wrong by an
//! eighth at most. An hour and more is one bucket; the greatest value is kept as it was.

/// Buckets of a power of two are 2 to this.
const FINE_BITS: u32 = 3;
/// Values below have a bucket each.
const EXACT: u64 = 2 << FINE_BITS;
/// Values of so many bits and more are in the last bucket.
const BITS_MAX: u32 = 32;
const BUCKETS: usize = (EXACT + ((BITS_MAX - FINE_BITS - 1) as u64) * (EXACT / 2)) as usize;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: Box::new([0; BUCKETS]), count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    pub fn add(&mut self, micros: u64) {
        if let Some(bucket) = self.buckets.get_mut(bucket_of(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(micros);
        self.max = self.max.max(micros);
    }

    pub fn add_all(&mut self, other: &Histogram) {
        self.buckets.iter_mut().zip(other.buckets.iter()).for_each(|(own, more)| *own += more);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// A value that so many of a thousand values do not exceed: not less than the exact one, and not an eighth more.
    pub fn permille(&self, permille: u64) -> u64 {
        let rank = (self.count.saturating_mul(permille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return greatest_in(bucket).min(self.max);
            }
        }
        self.max
    }

    /// How many values are less than 2 to this power.
    pub fn below_power(&self, power: u32) -> u64 {
        let buckets = if power >= BITS_MAX { BUCKETS } else { bucket_of(1 << power) };
        self.buckets.iter().take(buckets).sum()
    }
}

fn bucket_of(value: u64) -> usize {
    let value = value.min((1 << BITS_MAX) - 1);
    if value < EXACT {
        return value as usize;
    }
    let power = value.ilog2();
    let fine = (value >> (power - FINE_BITS)) & (EXACT / 2 - 1);
    (EXACT + u64::from(power - FINE_BITS - 1) * (EXACT / 2) + fine) as usize
}

/// The greatest value of a bucket; of the last one there is none, other than what the histogram has.
fn greatest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let Some(over) = bucket.checked_sub(EXACT) else { return bucket };
    if bucket as usize + 1 == BUCKETS {
        return u64::MAX;
    }
    let (shift, fine) = (over / (EXACT / 2) + 1, over % (EXACT / 2));
    ((EXACT / 2 + fine + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.add(*value));
        histogram
    }

    /// Values of every size.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(
            (0u32..40, any::<u64>()).prop_map(|(bits, value)| value & ((1 << bits) - 1)),
            1..200,
        )
    }

    #[test]
    fn buckets_lie_side_by_side() {
        for bucket in 0..BUCKETS - 1 {
            let greatest = greatest_in(bucket);
            assert_eq!((bucket_of(greatest), bucket_of(greatest + 1)), (bucket, bucket + 1), "{greatest}");
        }
        assert_eq!((bucket_of(u64::MAX), greatest_in(BUCKETS - 2) < u64::MAX), (BUCKETS - 1, true));
    }

    #[test]
    fn an_empty_one_says_nothing() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.sum(), empty.max(), empty.permille(500)), (0, 0, 0, 0));
        assert_eq!(empty.below_power(32), 0);
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values(mut all in values(), permille in 1u64..=1000) {
            let histogram = of(&all);
            all.sort_unstable();
            let exact = all[(all.len() as u64 * permille).div_ceil(1000) as usize - 1];
            let said = histogram.permille(permille);
            prop_assert!(said >= exact, "{said} {exact}");
            // What is longer than an hour is told as the longest of all.
            prop_assert!(said <= exact + exact / 8 || exact >= 15 << (BITS_MAX - 4), "{said} {exact}");
            prop_assert_eq!(histogram.permille(1000), *all.last().unwrap());
        }

        #[test]
        fn what_is_below_a_power_of_two_is_counted_exactly(all in values(), power in 0u32..BITS_MAX) {
            let below = all.iter().filter(|value| **value < 1 << power).count() as u64;
            prop_assert_eq!(of(&all).below_power(power), below);
            prop_assert_eq!(of(&all).below_power(BITS_MAX), all.len() as u64);
        }

        #[test]
        fn two_add_up(one in values(), other in values()) {
            let mut sum = of(&one);
            sum.add_all(&of(&other));
            let all: Vec<u64> = one.into_iter().chain(other).collect();
            prop_assert_eq!(&sum, &of(&all));
            prop_assert_eq!((sum.count(), sum.sum()), (all.len() as u64, all.iter().sum::<u64>()));
        }
    }
}
