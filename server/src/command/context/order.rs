//! Where messages belong in a result that is sorted already.
//!
//! A few are looked up by halving, all of them at once, so that little of a large result is looked at; many are sorted anew with all
//! others. Both compare as SORT does; equals are in the order of the mailbox.

use std::cmp::Ordering;

use roaring::RoaringBitmap;
use trawl_index::arrange::{Criterion, Wanted, compare};

use super::judge::positions;
use crate::command::arrange::{arranged, entries};
use crate::command::search::numbers;
use crate::lanes::SearchError;
use crate::lanes::arrange::{Arranged, How};
use crate::response::status::Refusal;
use crate::session::{Cx, Selected};
use crate::wire::ast::Numbers;

/// More than one of so many messages: all are sorted anew.
const FEW: u64 = 16;

/// The UIDs `added` in the order of the criteria, each with the number of those of `known` that are before it; `known` is in that
/// order.
pub async fn places(
    s: &mut Selected,
    cx: &Cx,
    criteria: &[Criterion],
    known: &[u32],
    added: &RoaringBitmap,
) -> Result<Vec<(usize, u32)>, Refusal> {
    if added.is_empty() {
        return Ok(Vec::new());
    }
    if added.len() * FEW > known.len() as u64 {
        let all = added | known.iter().collect::<RoaringBitmap>();
        let order = sorted(s, cx, criteria, &all).await?;
        let mut before = 0;
        let mut places = Vec::new();
        for uid in order {
            if added.contains(uid) {
                places.push((before, uid));
            } else if known.get(before) == Some(&uid) {
                before += 1;
            } else {
                // A message that could not be read is compared otherwise than when it could.
                return Err(SearchError::Failed.into());
            }
        }
        return Ok(places);
    }
    let added = sorted(s, cx, criteria, added).await?;
    halve(s, cx, criteria, known, added).await
}

/// UIDs in the order of the criteria.
async fn sorted(
    s: &mut Selected,
    cx: &Cx,
    criteria: &[Criterion],
    uids: &RoaringBitmap,
) -> Result<Vec<u32>, Refusal> {
    let positions = positions(s, uids);
    let how = How::Sort(criteria.to_vec(), Wanted::ALL);
    let arranged = arranged(s, cx, &positions, how, entries::are_needed(criteria), &[]).await?;
    let Arranged::Order(order) = arranged else { return Err(SearchError::Failed.into()) };
    let uids: Vec<u32> = numbers::numbers(s.view.sequence_numbers(), Numbers::Uid, &positions).collect();
    Ok(order.items().filter_map(|item| uids.get(item as usize).copied()).collect())
}

/// Looks for all places at once: each round compares each message with the one in the middle of where it can be.
async fn halve(
    s: &mut Selected,
    cx: &Cx,
    criteria: &[Criterion],
    known: &[u32],
    added: Vec<u32>,
) -> Result<Vec<(usize, u32)>, Refusal> {
    let needs_entries = entries::are_needed(criteria);
    let mut open: Vec<(usize, usize, u32)> = added.into_iter().map(|uid| (0, known.len(), uid)).collect();
    loop {
        let pairs = open.iter().enumerate().filter(|(_, (low, high, _))| low < high);
        let pairs: Vec<(usize, usize, u32, u32)> = pairs
            .filter_map(|(at, &(low, high, uid))| {
                let middle = low + (high - low) / 2;
                Some((at, middle, uid, *known.get(middle)?))
            })
            .collect();
        if pairs.is_empty() {
            return Ok(open.into_iter().map(|(before, _, uid)| (before, uid)).collect());
        }
        let looked: RoaringBitmap = pairs.iter().flat_map(|(_, _, uid, other)| [*uid, *other]).collect();
        let (items, pages) = entries::gather(s, cx, &positions(s, &looked), needs_entries).await?;
        // In the order of the mailbox, as the UIDs are.
        let item = |uid: u32| items.get((looked.rank(uid) as usize).checked_sub(1)?);
        for (at, middle, uid, other) in pairs {
            let (Some(item), Some(place), Some(other_item)) = (item(uid), open.get_mut(at), item(other))
            else {
                return Err(SearchError::Failed.into());
            };
            match compare(criteria, &pages, other_item, item).then(other.cmp(&uid)) {
                Ordering::Less => place.0 = middle + 1,
                Ordering::Equal | Ordering::Greater => place.1 = middle,
            }
        }
    }
}
