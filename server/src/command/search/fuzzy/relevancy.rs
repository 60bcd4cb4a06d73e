//! Relevancy scores (RFC 6203 4): 100 for what is most like what was asked for, 1 for what is least.
//!
//! Each tier has a band of scores; inside of it, who came later is more relevant.

use std::ops::RangeInclusive;

use roaring::RoaringBitmap;
use trawl_store::types::MessageNumber;

use super::Hits;
use crate::command::search::{breathe, places, text::windows};
use crate::response::status::Refusal;
use crate::session::{Cx, Selected};

/// From the strictest tier on; the last of them where there are fewer tiers.
const BANDS: [RangeInclusive<u8>; 4] = [91..=100, 71..=90, 41..=70, 1..=40];

/// The scores of what was found, in the order of the positions.
pub async fn scores(s: &mut Selected, cx: &Cx, hits: &Hits) -> Result<Vec<u8>, Refusal> {
    let numbers = places::numbers(s, cx).await?;
    let mut seconds: Vec<i64> = Vec::with_capacity(hits.positions.len() as usize);
    for window in windows(&hits.positions) {
        s.auth.look(|account| {
            seconds.extend(window.iter().map(|position| {
                let facts = account.facts(MessageNumber(numbers.number(*position)));
                facts.map_or(0, |facts| facts.internal.seconds)
            }));
        })?;
        breathe(cx).await?;
    }
    Ok(of(hits, &seconds))
}

/// With the INTERNALDATE of each position that was found.
fn of(Hits { positions, tiers }: &Hits, seconds: &[i64]) -> Vec<u8> {
    let mut scores = vec![*BANDS[0].end(); seconds.len()];
    let bands = BANDS.len().saturating_sub(tiers.len());
    for (tier, band) in tiers.iter().zip(&BANDS[bands..]) {
        // A band that is the first goes up to the top.
        let top = if *band.end() == *BANDS[bands].end() { *BANDS[0].end() } else { *band.end() };
        fill(tier, positions, seconds, *band.start()..=top, &mut scores);
    }
    scores
}

fn fill(
    tier: &RoaringBitmap,
    positions: &RoaringBitmap,
    seconds: &[i64],
    band: RangeInclusive<u8>,
    scores: &mut [u8],
) {
    let mut at = tier.iter().peekable();
    let all = positions.iter().zip(seconds).zip(scores);
    let mut own: Vec<(i64, &mut u8)> = all
        .filter_map(|((position, seconds), score)| {
            at.next_if_eq(&position)?;
            Some((*seconds, score))
        })
        .collect();
    let (Some(first), Some(last)) =
        (own.iter().map(|(seconds, _)| *seconds).min(), own.iter().map(|(seconds, _)| *seconds).max())
    else {
        return;
    };
    let (span, width) = (last.abs_diff(first).max(1) as f64, f64::from(band.end() - band.start()));
    for (seconds, score) in &mut own {
        let later = last.abs_diff(*seconds) as f64 / span;
        **score = band.end() - (later * width).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(tiers: &[&[u32]]) -> Hits {
        let tiers: Vec<RoaringBitmap> = tiers.iter().map(|tier| tier.iter().copied().collect()).collect();
        Hits { positions: tiers.iter().fold(RoaringBitmap::new(), |all, tier| all | tier), tiers }
    }

    #[test]
    fn stricter_tiers_and_later_messages_are_more_relevant() {
        let found = hits(&[&[4], &[2, 6], &[], &[1, 3, 9]]);
        // Positions 1, 2, 3, 4, 6, 9.
        let scores = of(&found, &[10, 50, 30, 7, 40, 20]);
        assert_eq!(scores, [1, 90, 40, 100, 71, 20]);
        // Without a tier of its own for subjects the first one goes to the top.
        assert_eq!(of(&hits(&[&[1, 2, 3], &[4], &[]]), &[10, 30, 20, 0]), [71, 100, 85, 70]);
        assert_eq!(of(&hits(&[&[], &[], &[], &[]]), &[]), [0u8; 0]);
    }

    #[test]
    fn dates_at_the_ends_of_time_have_scores() {
        let scores = of(&hits(&[&[0, 1], &[], &[], &[2]]), &[i64::MIN, i64::MAX, i64::MIN]);
        assert_eq!(scores, [91, 100, 40]);
    }
}
