//! Sorting of very many terms: into buckets by what they begin with, and inside of these by comparison.

use std::cmp::Ordering;

/// So few are sorted without buckets.
const FEW: usize = if cfg!(test) { 16 } else { 1 << 12 };
const BUCKET_BITS: u32 = 16;

/// Sorts by `compare`, which has to agree with `prefix` where that is not the same for two of them.
pub fn sort_in_buckets<T: Copy>(
    items: &mut Vec<T>,
    prefix: impl Fn(&T) -> u64,
    compare: impl Fn(&T, &T) -> Ordering,
) {
    let ends = items.iter().map(&prefix).fold((u64::MAX, 0), |(least, most), p| (least.min(p), most.max(p)));
    if items.len() < FEW || ends.0 == ends.1 {
        items.sort_unstable_by(compare);
        return;
    }
    // The bits behind those that all have.
    let shift = (u64::BITS - (ends.0 ^ ends.1).leading_zeros()).saturating_sub(BUCKET_BITS);
    let bucket = |item: &T| (prefix(item) >> shift) as usize & ((1 << BUCKET_BITS) - 1);
    let mut starts = vec![0usize; (1 << BUCKET_BITS) + 1];
    items.iter().for_each(|item| starts[bucket(item) + 1] += 1);
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut sorted = items.clone();
    for item in items.iter() {
        let place = &mut starts[bucket(item)];
        sorted[*place] = *item;
        *place += 1;
    }
    // Where buckets began they end now.
    let mut start = 0;
    for &end in &starts[..1 << BUCKET_BITS] {
        sorted[start..end].sort_unstable_by(&compare);
        start = end;
    }
    *items = sorted;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gives_what_sorting_gives(
            items in prop::collection::vec((any::<u64>(), any::<u8>()), 0..100), common in 0..64u32, odd in any::<u64>(),
        ) {
            let mut items: Vec<(u64, u8)> =
                items.into_iter().map(|(first, then)| (first >> common | odd & !(u64::MAX >> common), then)).collect();
            let mut expected = items.clone();
            expected.sort_unstable();
            sort_in_buckets(&mut items, |item| item.0, Ord::cmp);
            prop_assert_eq!(items, expected);
        }
    }
}
