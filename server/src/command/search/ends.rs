//! Searches of which only the first or the last results are wanted: MIN, MAX (RFC 4731 3.1), PARTIAL (RFC 9394 3.1).
//!
//! Texts, or rows where nothing else is asked about, are looked at from that end on, in a few growing steps, until there are enough;
//! if that does not help, all others are, none twice. What must hold: the answer is the one that is made of all results.

use roaring::RoaringBitmap;

use crate::observe::metrics::Phase;
use crate::observe::step::Step;
use crate::response::status::Refusal;
use crate::session::Cx;
use crate::wire::ast::SearchReturn;

/// Where results are counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    First,
    Last,
}

/// How many results from which ends are all that is asked for; `None`: all of them.
pub fn wanted(returns: SearchReturn) -> Option<Vec<(End, u64)>> {
    let SearchReturn { min, max, all, count, save: _, relevancy, partial, update, context: _ } = returns;
    let of_part = partial.map(|partial| {
        let end = if partial.from_end { End::Last } else { End::First };
        (end, u64::from(partial.one.max(partial.other).get()))
    });
    let ends = [min.then_some((End::First, 1)), max.then_some((End::Last, 1)), of_part];
    let wanted: Vec<_> = ends.into_iter().flatten().collect();
    (!(all || count || relevancy || update || wanted.is_empty())).then_some(wanted)
}

/// Those of the positions `candidates` that match, as `look` finds among some of them: at least so many from these ends, or all.
pub async fn find(
    cx: &Cx,
    candidates: RoaringBitmap,
    wanted: &[(End, u64)],
    steps: [u32; 2],
    mut look: impl AsyncFnMut(RoaringBitmap) -> Result<RoaringBitmap, Refusal>,
) -> Result<RoaringBitmap, Refusal> {
    let (mut found, mut rest) = (RoaringBitmap::new(), candidates);
    let (began, mut looks, mut all) = (cx.micros(), 0, false);
    for &(end, enough) in wanted {
        let mut here = 0;
        for step in steps {
            if here < enough && rest.len() > u64::from(step) {
                let some = take(&mut rest, end, step);
                let start = cx.micros();
                let new = look(some).await?;
                cx.took(Phase::EndStep, cx.micros().saturating_sub(start));
                looks += 1;
                here += new.len();
                found |= new;
            }
            // Where there is nothing among some thousands there is little elsewhere.
            if here == 0 || here >= enough {
                break;
            }
        }
        if here < enough {
            found |= look(std::mem::take(&mut rest)).await?;
            all = true;
            break;
        }
    }
    cx.observer.tell(|| Step::Ends { looks, all, unread: rest.len(), us: cx.micros().saturating_sub(began) });
    Ok(found)
}

/// Takes so many of them, or all, from an end.
fn take(positions: &mut RoaringBitmap, end: End, count: u32) -> RoaringBitmap {
    let all = u32::try_from(positions.len()).unwrap_or(u32::MAX);
    let place = match end {
        End::First => positions.select(count),
        End::Last => {
            all.checked_sub(count).filter(|place| *place > 0).and_then(|place| positions.select(place))
        }
    };
    let Some(border) = place else { return std::mem::take(positions) };
    let mut low = positions.clone();
    low.remove_range(border..);
    let mut high = std::mem::take(positions);
    high.remove_range(..border);
    let (taken, rest) = if end == End::First { (low, high) } else { (high, low) };
    *positions = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ast::PartialRange;
    use proptest::prelude::*;
    use std::num::NonZeroU32;

    #[test]
    fn what_is_not_asked_for_is_not_looked_for() {
        let none = SearchReturn::default();
        let number = |n| NonZeroU32::new(n).unwrap();
        let partial = |from_end| Some(PartialRange { from_end, one: number(9), other: number(50) });
        assert_eq!(wanted(SearchReturn { min: true, save: true, ..none }), Some(vec![(End::First, 1)]));
        assert_eq!(
            wanted(SearchReturn { min: true, max: true, partial: partial(true), ..none }),
            Some(vec![(End::First, 1), (End::Last, 1), (End::Last, 50)])
        );
        assert_eq!(
            wanted(SearchReturn { partial: partial(false), context: true, ..none }),
            Some(vec![(End::First, 50)])
        );
        let min = SearchReturn { min: true, ..none };
        for all in [
            SearchReturn { save: true, ..none },
            SearchReturn { all: true, ..min },
            SearchReturn { count: true, ..min },
            SearchReturn { relevancy: true, ..min },
            SearchReturn { update: true, ..min },
            none,
        ] {
            assert_eq!(wanted(all), None, "{all:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_at_its_end(all in prop::collection::btree_set(0u32..200, 0..60), count in 1u32..70, last: bool) {
            let end = if last { End::Last } else { End::First };
            let mut rest: RoaringBitmap = all.iter().copied().collect();
            let taken: Vec<u32> = take(&mut rest, end, count).iter().collect();
            let all: Vec<u32> = all.into_iter().collect();
            let count = all.len().min(count as usize);
            let (wanted, others) = match end {
                End::First => (&all[..count], &all[count..]),
                End::Last => (&all[all.len() - count..], &all[..all.len() - count]),
            };
            prop_assert_eq!((taken, rest.iter().collect::<Vec<_>>()), (wanted.to_vec(), others.to_vec()));
        }
    }
}
