//! What SORT answers and keeps with return options (RFC 5267 3.1, RFC 9394 3).
//!
//! Pure: from the order to the values of a response. MIN and MAX are the first and the last in the order.

use std::ops::RangeInclusive;

use roaring::RoaringBitmap;
use trawl_index::arrange::{Order, Wanted};

use crate::command::search::{answer, numbers};
use crate::mailbox::numbers::SequenceNumbers;
use crate::response::encode::{ESearch, number_ranges};
use crate::wire::ast::{Numbers, PartialRange, SearchReturn};

/// How much of the order is needed for what is answered and kept; without return options all of it.
pub fn wanted(returns: Option<SearchReturn>) -> Wanted {
    let Some(returns) = returns else { return Wanted::ALL };
    let returns = answer::or_all(returns);
    // Scores are answered in the order, those of the part if one is asked for; who is told of changes has a copy of all of it.
    if returns.all || returns.update || returns.relevancy && returns.partial.is_none() {
        return Wanted::ALL;
    }
    let mut wanted = Wanted { first: returns.min.into(), last: returns.max.into() };
    if let Some(partial) = returns.partial {
        let end = if partial.from_end { &mut wanted.last } else { &mut wanted.first };
        *end = (*end).max(partial.one.max(partial.other).get());
    }
    wanted
}

/// What the items are called, which are at these positions.
pub fn called(
    view: &SequenceNumbers,
    by: Numbers,
    positions: &RoaringBitmap,
    order: &Order,
) -> impl Fn(u32) -> Option<u32> + use<> {
    // Of a few, each by itself.
    let all: Vec<u32> = if order.known() == order.len() {
        numbers::numbers(view, by, positions).collect()
    } else {
        Vec::new()
    };
    let mut some: Vec<(u32, u32)> = Vec::new();
    if order.known() < order.len() {
        let one = |item: u32| {
            let position = positions.select(item)?;
            let called = match by {
                Numbers::Sequence => position.checked_add(1)?,
                Numbers::Uid => view.at(position)?.get(),
            };
            Some((item, called))
        };
        some = order.items().filter_map(one).collect();
        some.sort_unstable();
    }
    move |item| match some.binary_search_by_key(&item, |(item, _)| *item) {
        Ok(at) => some.get(at).map(|(_, called)| *called),
        Err(_) => all.get(item as usize).copied(),
    }
}

/// The items of the part of an order that a range names.
pub fn part(order: &Order, partial: PartialRange) -> impl Iterator<Item = u32> + '_ {
    order.range(partial.of(order.len()))
}

/// The ESEARCH of items in an order; `call` says what they are called.
pub fn esearch(
    returns: SearchReturn,
    order: &Order,
    by: Numbers,
    call: impl Fn(u32) -> Option<u32>,
) -> ESearch {
    // Ranges only where numbers rise by one (RFC 5267 3.2).
    let ranges = |items: &mut dyn Iterator<Item = u32>| -> Vec<RangeInclusive<u32>> {
        number_ranges(items.filter_map(&call))
    };
    ESearch {
        uid: by == Numbers::Uid,
        min: order.first().filter(|_| returns.min).and_then(&call),
        max: order.last().filter(|_| returns.max).and_then(&call),
        count: returns.count.then_some(order.len()),
        all: returns.all.then(|| ranges(&mut order.items())),
        partial: returns.partial.map(|partial| (partial, ranges(&mut part(order, partial)))),
        relevancy: None,
    }
}

/// The positions that `$` holds; `positions` are those of the items, rising.
pub fn saved(returns: SearchReturn, order: &Order, positions: &RoaringBitmap) -> RoaringBitmap {
    let some = returns.min || returns.max || returns.partial.is_some();
    if returns.all || returns.count || !some {
        return positions.clone();
    }
    let of_part = returns.partial.into_iter().flat_map(|partial| part(order, partial));
    let ends = order.first().filter(|_| returns.min).into_iter().chain(order.last().filter(|_| returns.max));
    of_part.chain(ends).filter_map(|item| positions.select(item)).collect()
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
        let (order, names) = (Order::whole(vec![3, 0, 1, 2]), [10, 11, 12, 20]);
        let called = |item: u32| names.get(item as usize).copied();
        let returns =
            SearchReturn { min: true, max: true, count: true, all: true, ..SearchReturn::default() };
        let answer = esearch(returns, &order, Numbers::Uid, called);
        assert_eq!((answer.min, answer.max, answer.count), (Some(20), Some(12), Some(4)));
        assert_eq!(answer.all, Some(vec![20..=20, 10..=12]));
        let returns = SearchReturn { partial: partial(true, 1, 2), ..SearchReturn::default() };
        let answer = esearch(returns, &order, Numbers::Sequence, called);
        assert_eq!(answer.partial.map(|(_, part)| part), Some(vec![11..=12]));
        let answer = esearch(returns, &Order::default(), Numbers::Sequence, called);
        assert_eq!(answer.partial.map(|(_, part)| part), Some(vec![]));
    }

    #[test]
    fn saved_is_what_was_answered() {
        let positions: RoaringBitmap = [5, 6, 8, 9].into_iter().collect();
        let order = Order::whole(vec![3, 0, 1, 2]);
        let save = SearchReturn { save: true, ..SearchReturn::default() };
        let saved = |returns| saved(returns, &order, &positions).iter().collect::<Vec<_>>();
        assert_eq!(saved(save), [5, 6, 8, 9]);
        assert_eq!(saved(SearchReturn { min: true, ..save }), [9]);
        assert_eq!(saved(SearchReturn { max: true, ..save }), [8]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), ..save }), [5, 6]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), min: true, ..save }), [5, 6, 9]);
        assert_eq!(saved(SearchReturn { partial: partial(false, 2, 3), count: true, ..save }), [5, 6, 8, 9]);
    }

    #[test]
    fn no_more_is_ordered_than_is_shown() {
        let none = SearchReturn::default();
        let ends = |first, last| Wanted { first, last };
        for (returns, expected) in [
            (SearchReturn { count: true, ..none }, ends(0, 0)),
            (SearchReturn { save: true, ..none }, ends(0, 0)),
            (SearchReturn { count: true, save: true, context: true, ..none }, ends(0, 0)),
            (SearchReturn { min: true, count: true, ..none }, ends(1, 0)),
            (SearchReturn { max: true, min: true, ..none }, ends(1, 1)),
            (SearchReturn { partial: partial(false, 40, 9), max: true, ..none }, ends(40, 1)),
            (SearchReturn { partial: partial(true, 1, 50), max: true, relevancy: true, ..none }, ends(0, 50)),
            (none, Wanted::ALL),
            (SearchReturn { all: true, min: true, ..none }, Wanted::ALL),
            (SearchReturn { update: true, count: true, ..none }, Wanted::ALL),
            (SearchReturn { relevancy: true, count: true, ..none }, Wanted::ALL),
        ] {
            assert_eq!(wanted(Some(returns)), expected, "{returns:?}");
        }
        assert_eq!(wanted(None), Wanted::ALL);
    }
}
