//! What SORT answers and keeps with return options (RFC 5267 3.1, RFC 9394 3).
//!
//! Pure: from the order to the values of a response. MIN and MAX are the first and the last in the order.

use roaring::RoaringBitmap;

use crate::response::encode::{ESearch, number_ranges};
use crate::wire::ast::{Numbers, PartialRange, SearchReturn};

/// The part of an order that a range names.
pub fn part(order: &[u32], partial: PartialRange) -> &[u32] {
    let range = partial.of(u32::try_from(order.len()).unwrap_or(u32::MAX));
    order.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// The ESEARCH of items in an order; `called` is what they are called.
pub fn esearch(returns: SearchReturn, order: &[u32], by: Numbers, called: &[u32]) -> ESearch {
    let call = |item: &u32| called.get(*item as usize).copied();
    // Ranges only where numbers rise by one (RFC 5267 3.2).
    let all = |order: &[u32]| number_ranges(order.iter().filter_map(call));
    ESearch {
        uid: by == Numbers::Uid,
        min: order.first().filter(|_| returns.min).and_then(call),
        max: order.last().filter(|_| returns.max).and_then(call),
        count: returns.count.then(|| u32::try_from(order.len()).unwrap_or(u32::MAX)),
        all: returns.all.then(|| all(order)),
        partial: returns.partial.map(|partial| (partial, all(part(order, partial)))),
        relevancy: None,
    }
}

/// The positions that `$` holds; `positions` are those of the items, rising.
pub fn saved(returns: SearchReturn, order: &[u32], positions: &RoaringBitmap) -> RoaringBitmap {
    let some = returns.min || returns.max || returns.partial.is_some();
    if returns.all || returns.count || !some {
        return positions.clone();
    }
    let mut items: Vec<u32> = returns.partial.map_or(&[][..], |partial| part(order, partial)).to_vec();
    items.extend(order.first().filter(|_| returns.min));
    items.extend(order.last().filter(|_| returns.max));
    items.iter().filter_map(|item| positions.select(*item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn partial(from_end: bool, one: u32, other: u32) -> Option<PartialRange> {
        let number = |n| NonZeroU32::new(n).unwrap();
        Some(PartialRange { from_end, one: number(one), other: number(other) })
    }

    #[test]
    fn answers_are_in_the_order() {
        let (order, called) = ([3, 0, 1, 2], [10, 11, 12, 20]);
        let returns =
            SearchReturn { min: true, max: true, count: true, all: true, ..SearchReturn::default() };
        let answer = esearch(returns, &order, Numbers::Uid, &called);
        assert_eq!((answer.min, answer.max, answer.count), (Some(20), Some(12), Some(4)));
        assert_eq!(answer.all, Some(vec![20..=20, 10..=12]));
        let returns = SearchReturn { partial: partial(true, 1, 2), ..SearchReturn::default() };
        let answer = esearch(returns, &order, Numbers::Sequence, &called);
        assert_eq!(answer.partial.map(|(_, part)| part), Some(vec![11..=12]));
        let answer = esearch(returns, &[], Numbers::Sequence, &[]);
        assert_eq!(answer.partial.map(|(_, part)| part), Some(vec![]));
    }

    #[test]
    fn saved_is_what_was_answered() {
        let positions: RoaringBitmap = [5, 6, 8, 9].into_iter().collect();
        let order = [3, 0, 1, 2];
        let save = SearchReturn { save: true, ..SearchReturn::default() };
        let saved = |returns| saved(returns, &order, &positions).iter().collect::<Vec<_>>();
        assert_eq!(saved(save), [5, 6, 8, 9]);
        assert_eq!(saved(SearchReturn { min: true, ..save }), [9]);
        assert_eq!(saved(SearchReturn { max: true, ..save }), [8]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), ..save }), [5, 6]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), min: true, ..save }), [5, 6, 9]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), count: true, ..save }), [5, 6, 8, 9]);
    }
}
