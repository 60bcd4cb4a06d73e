//! What a SEARCH answers and keeps: RETURN options (RFC 4731, RFC 9051 6.4.4, RFC 9394) and `$` (RFC 5182 2.4, RFC 9394 3.2).
//!
//! Pure: from the positions found to the values of a response.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::numbers;
use crate::mailbox::numbers::SequenceNumbers;
use crate::response::encode::ESearch;
use crate::wire::ast::{Numbers, PartialRange, SearchReturn};

/// `RETURN ()` and the silent default of rev2 mean ALL; UPDATE or CONTEXT alone is not that.
pub fn or_all(returns: SearchReturn) -> SearchReturn {
    if returns == SearchReturn::default() { SearchReturn { all: true, ..returns } } else { returns }
}

/// SAVE, and nothing that an answer could say: no ESEARCH is sent.
pub fn only_saves(returns: SearchReturn) -> bool {
    let SearchReturn { min, max, all, count, save, relevancy, partial, update: _, context: _ } = returns;
    save && !(min || max || all || count || relevancy || partial.is_some())
}

/// The positions that `$` holds after a search with SAVE found `found`.
pub fn saved(returns: SearchReturn, found: &RoaringBitmap) -> RoaringBitmap {
    let some = returns.min || returns.max || returns.partial.is_some();
    if returns.all || returns.count || !some {
        return found.clone();
    }
    let mut saved = returns.partial.map_or_else(RoaringBitmap::new, |partial| part(found, partial));
    saved.extend(found.min().filter(|_| returns.min));
    saved.extend(found.max().filter(|_| returns.max));
    saved
}

/// The positions among those found that a range of them names.
fn part(found: &RoaringBitmap, partial: PartialRange) -> RoaringBitmap {
    let range = partial.of(u32::try_from(found.len()).unwrap_or(u32::MAX));
    let mut part = RoaringBitmap::new();
    if let (false, Some(first), Some(last)) =
        (range.is_empty(), found.select(range.start), found.select(range.end.saturating_sub(1)))
    {
        part.insert_range(first..=last);
        part &= found;
    }
    part
}

/// The ESEARCH of positions that were found in a view.
pub fn esearch(returns: SearchReturn, found: &RoaringBitmap, by: Numbers, view: &SequenceNumbers) -> ESearch {
    let one = |at: Option<u32>| numbers::numbers(view, by, &at.into_iter().collect()).next();
    ESearch {
        uid: by == Numbers::Uid,
        min: one(found.min().filter(|_| returns.min)),
        max: one(found.max().filter(|_| returns.max)),
        count: returns.count.then(|| u32::try_from(found.len()).unwrap_or(u32::MAX)),
        all: returns.all.then(|| numbers::ranges(view, by, found)),
        partial: returns.partial.map(|partial| (partial, numbers::ranges(view, by, &part(found, partial)))),
        relevancy: None,
    }
}

/// The same of runs of positions, which ascend and do not touch.
pub fn esearch_of(
    returns: SearchReturn,
    runs: &[Range<u32>],
    by: Numbers,
    view: &SequenceNumbers,
) -> ESearch {
    let ranges = |runs: &[Range<u32>]| numbers::ranges_of(view, by, runs.iter().cloned());
    let one = |at: Option<u32>| {
        let range = at.map(|at| numbers::ranges_of(view, by, std::iter::once(at..at.saturating_add(1))));
        range?.first().map(|range| *range.start())
    };
    let count: u32 = runs.iter().map(|run| run.end - run.start).sum();
    ESearch {
        uid: by == Numbers::Uid,
        min: one(runs.first().map(|run| run.start).filter(|_| returns.min)),
        max: one(runs.last().map(|run| run.end.saturating_sub(1)).filter(|_| returns.max)),
        count: returns.count.then_some(count),
        all: returns.all.then(|| ranges(runs)),
        partial: returns.partial.map(|partial| (partial, ranges(&part_of(runs, partial.of(count))))),
        relevancy: None,
    }
}

/// The positions with these places among those of the runs.
fn part_of(runs: &[Range<u32>], places: Range<u32>) -> Vec<Range<u32>> {
    let mut before = 0;
    let part = runs.iter().filter_map(|run| {
        let len = run.end - run.start;
        let (from, to) =
            (places.start.saturating_sub(before).min(len), places.end.saturating_sub(before).min(len));
        before += len;
        (from < to).then(|| run.start + from..run.start + to)
    });
    part.collect()
}

/// The scores that are answered: of the part that was asked for, else of all results (RFC 6203 4). `scores` are in their order.
pub fn relevancy(returns: SearchReturn, scores: Vec<u8>) -> Vec<u8> {
    let Some(partial) = returns.partial else { return scores };
    let range = partial.of(u32::try_from(scores.len()).unwrap_or(u32::MAX));
    scores.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::encode;
    use crate::wire::ast::Tag;
    use proptest::prelude::*;
    use trawl_store::types::Uid;

    fn set(numbers: &[u32]) -> RoaringBitmap {
        numbers.iter().copied().collect()
    }

    /// The answer that names just these numbers.
    fn answer(returns: SearchReturn, by: Numbers, numbers: &[u32]) -> String {
        let view = SequenceNumbers::new(&numbers.iter().filter_map(|n| Uid::new(*n)).collect());
        let found = match by {
            Numbers::Uid => (0..view.len()).collect(),
            Numbers::Sequence => numbers.iter().map(|n| n - 1).collect(),
        };
        let mut out = Vec::new();
        encode::esearch(&mut out, &Tag::new(b"A1").unwrap(), &esearch(returns, &found, by, &view));
        String::from_utf8(out).unwrap()
    }

    const NONE: SearchReturn = SearchReturn {
        min: false,
        max: false,
        all: false,
        count: false,
        save: false,
        relevancy: false,
        partial: None,
        update: false,
        context: false,
    };
    const EVERY: SearchReturn = SearchReturn { min: true, max: true, all: true, count: true, ..NONE };

    #[test]
    fn esearch_says_what_was_asked() {
        let all = or_all(NONE);
        assert_eq!(
            answer(all, Numbers::Sequence, &[1, 2, 3, 7, 9, 10]),
            "* ESEARCH (TAG \"A1\") ALL 1:3,7,9:10\r\n"
        );
        assert_eq!(answer(all, Numbers::Uid, &[]), "* ESEARCH (TAG \"A1\") UID\r\n");
        assert_eq!(
            answer(EVERY, Numbers::Uid, &[4, 6]),
            "* ESEARCH (TAG \"A1\") UID MIN 4 MAX 6 COUNT 2 ALL 4,6\r\n"
        );
        assert_eq!(answer(EVERY, Numbers::Sequence, &[]), "* ESEARCH (TAG \"A1\") COUNT 0\r\n");
        // Not empty, so it is not ALL (RFC 4731 3.1).
        let update = or_all(SearchReturn { update: true, ..NONE });
        assert_eq!(answer(update, Numbers::Uid, &[4]), "* ESEARCH (TAG \"A1\") UID\r\n");
        let max = SearchReturn { max: true, ..NONE };
        assert_eq!(
            answer(max, Numbers::Uid, &[4, u32::MAX]),
            "* ESEARCH (TAG \"A1\") UID MAX 4294967295\r\n"
        );
    }

    #[test]
    fn what_is_saved_follows_the_table_of_rfc_5182() {
        let found = set(&[3, 5, 8]);
        let save = SearchReturn { save: true, ..NONE };
        assert!(only_saves(save) && or_all(save) == save && !only_saves(EVERY));
        assert!(only_saves(SearchReturn { update: true, ..save }));
        assert_eq!(saved(save, &found), found);
        assert_eq!(saved(SearchReturn { min: true, ..save }, &found), set(&[3]));
        assert_eq!(saved(SearchReturn { max: true, ..save }, &found), set(&[8]));
        assert_eq!(saved(SearchReturn { min: true, max: true, ..save }, &found), set(&[3, 8]));
        assert_eq!(saved(SearchReturn { min: true, count: true, ..save }, &found), found);
        assert_eq!(saved(SearchReturn { max: true, all: true, ..save }, &found), found);
        assert_eq!(saved(SearchReturn { min: true, ..save }, &set(&[])), set(&[]));
    }

    /// `FIRST:SECOND` or, from the end, both negative.
    fn partial(first: i64, second: i64) -> Option<PartialRange> {
        let number = |n: i64| u32::try_from(n.abs()).ok().and_then(std::num::NonZeroU32::new).unwrap();
        Some(PartialRange { from_end: first < 0, one: number(first), other: number(second) })
    }

    #[test]
    fn a_part_is_named_from_either_end() {
        let numbers = [1, 2, 3, 7, 9, 10];
        let asked = |first, second| SearchReturn { partial: partial(first, second), ..NONE };
        for (first, second, wanted) in [
            (1, 2, "(1:2 1:2)"),
            (4, 2, "(4:2 2:3,7)"),
            (5, 100, "(5:100 9:10)"),
            (7, 100, "(7:100 NIL)"),
            (-1, -2, "(-1:-2 9:10)"),
            (-100, -6, "(-100:-6 1)"),
            (-7, -8, "(-7:-8 NIL)"),
        ] {
            let wanted = format!("* ESEARCH (TAG \"A1\") UID PARTIAL {wanted}\r\n");
            assert_eq!(answer(asked(first, second), Numbers::Uid, &numbers), wanted);
        }
        assert_eq!(
            answer(asked(1, 2), Numbers::Sequence, &[]),
            "* ESEARCH (TAG \"A1\") PARTIAL (1:2 NIL)\r\n"
        );
    }

    proptest! {
        #[test]
        fn runs_are_answered_like_the_positions_in_them(
            held in prop::collection::btree_set(1u32..90, 0..60), found in prop::collection::btree_set(0u32..60, 0..40),
            first in 1i64..20, second in 1i64..20, from_end: bool, by_uid: bool,
        ) {
            let view = SequenceNumbers::new(&held.iter().filter_map(|n| Uid::new(*n)).collect());
            let found: RoaringBitmap = found.into_iter().filter(|at| *at < view.len()).collect();
            let mut positions = found.iter();
            let runs: Vec<_> =
                std::iter::from_fn(|| positions.next_range()).map(|run| *run.start()..run.end() + 1).collect();
            let sign = if from_end { -1 } else { 1 };
            let returns = SearchReturn { partial: partial(sign * first, sign * second), ..EVERY };
            let by = if by_uid { Numbers::Uid } else { Numbers::Sequence };
            prop_assert_eq!(esearch_of(returns, &runs, by, &view), esearch(returns, &found, by, &view));
        }
    }

    #[test]
    fn what_is_saved_of_a_part_follows_the_table_of_rfc_9394() {
        let found = set(&[3, 5, 8, 9]);
        let save = SearchReturn { save: true, partial: partial(2, 3), ..NONE };
        assert!(!only_saves(save) && or_all(save) == save);
        assert_eq!(saved(save, &found), set(&[5, 8]));
        assert_eq!(saved(SearchReturn { min: true, ..save }, &found), set(&[3, 5, 8]));
        assert_eq!(saved(SearchReturn { max: true, ..save }, &found), set(&[5, 8, 9]));
        assert_eq!(saved(SearchReturn { min: true, max: true, ..save }, &found), found);
        assert_eq!(saved(SearchReturn { count: true, ..save }, &found), found);
        assert_eq!(saved(SearchReturn { partial: partial(7, 9), ..save }, &found), set(&[]));
    }
}
