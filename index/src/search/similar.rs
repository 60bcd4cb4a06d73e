//! Words that are spelled like another one, for FUZZY (RFC 6203).
//!
//! Words of four letters and more have others at a distance of one edit, those of eight and more of two: a letter more, a letter
//! less, another letter, two side by side swapped. Only words whose first or last half is that of the word are looked at, which are
//! two ranges of the vocabulary: what is wrong in both halves is not found. Words that a single message has are in no vocabulary.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Halt;
use crate::limits::{SIMILAR_LOOKED_AT_MAX, SIMILAR_WORD_CHARS_MAX};
use crate::segment::Segment;
use crate::tokens::Class;

/// Words between two looks at the stop flag; each takes some hundred nanoseconds.
const STEP_WORDS: usize = 1024;

/// How many edits make a word of so many characters one that is spelled like it.
fn edits(chars: usize) -> usize {
    match chars {
        0..4 => 0,
        4..8 => 1,
        8..=SIMILAR_WORD_CHARS_MAX => 2,
        _ => 0,
    }
}

/// For each of some normalised words at most `most` others of the segments that are spelled like it, the nearest and most frequent ones first.
/// Words with the word inside are left out: whoever looks for the word finds them.
pub fn similar(
    segments: &[Arc<Segment>],
    words: &[String],
    most: usize,
    stop: &AtomicBool,
) -> Result<Vec<Vec<String>>, Halt> {
    words.iter().map(|word| similar_to(segments, word, most, stop)).collect()
}

fn similar_to(
    segments: &[Arc<Segment>],
    word: &str,
    most: usize,
    stop: &AtomicBool,
) -> Result<Vec<String>, Halt> {
    let wanted: Vec<char> = word.chars().collect();
    let allowed = edits(wanted.len());
    let mut found: HashMap<String, (usize, u32)> = HashMap::new();
    if allowed == 0 {
        return Ok(Vec::new());
    }
    // No edit touches both of them: at least one character stands between.
    let half = (wanted.len() - 1) / 2;
    let start: String = wanted[..half].iter().collect();
    let end: String = wanted[wanted.len() - half..].iter().collect();
    for segment in segments {
        let vocabulary = segment.vocabulary();
        let starting = vocabulary.prefix(start.as_bytes()).take(SIMILAR_LOOKED_AT_MAX);
        let ending = vocabulary.suffix(end.as_bytes()).take(SIMILAR_LOOKED_AT_MAX);
        let ords = starting.chain(ending.map(|position| vocabulary.reversed(position)));
        for (n, ord) in ords.enumerate() {
            if n.is_multiple_of(STEP_WORDS) && stop.load(Ordering::Relaxed) {
                return Err(Halt::Stopped);
            }
            let Some((Class::Word, token)) = vocabulary.token(ord) else { continue };
            let Ok(token) = std::str::from_utf8(token) else { continue };
            if token.contains(word) {
                continue;
            }
            if let Some(distance) = distance(&wanted, token, allowed) {
                // Ranks are lower for words that are more frequent.
                let rank = vocabulary.rank(ord);
                let known = found.entry(token.to_owned()).or_insert((distance, rank));
                known.1 = known.1.min(rank);
            }
        }
    }
    let mut found: Vec<(usize, u32, String)> =
        found.into_iter().map(|(word, (distance, rank))| (distance, rank, word)).collect();
    found.sort_unstable();
    Ok(found.into_iter().take(most).map(|(_, _, word)| word).collect())
}

/// The number of edits between two words, if it is not more than `most`. (Optimal string alignment: no character is edited
/// twice.)
fn distance(one: &[char], other: &str, most: usize) -> Option<usize> {
    const COLUMNS: usize = SIMILAR_WORD_CHARS_MAX + 1;
    let chars = other.chars().count();
    if chars.abs_diff(one.len()) > most || one.len() >= COLUMNS {
        return None;
    }
    // Three rows of the table: before the last one, the last one, this one.
    let mut rows = [[0usize; COLUMNS]; 3];
    for (column, cell) in rows[1].iter_mut().enumerate() {
        *cell = column;
    }
    let mut before = None;
    for (row, c) in other.chars().enumerate() {
        rows[2][0] = row + 1;
        let mut least = row + 1;
        for (column, &wanted) in one.iter().enumerate() {
            let replaced = rows[1][column] + usize::from(wanted != c);
            let mut cell = replaced.min(rows[1][column + 1] + 1).min(rows[2][column] + 1);
            if column > 0 && before == Some(wanted) && one[column - 1] == c {
                cell = cell.min(rows[0][column - 1] + 1);
            }
            rows[2][column + 1] = cell;
            least = least.min(cell);
        }
        if least > most {
            return None;
        }
        rows.rotate_left(1);
        before = Some(c);
    }
    Some(rows[1][one.len()]).filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Said by its definition, without a table.
    fn naive(one: &[char], other: &[char]) -> usize {
        let ([.., a], [.., b]) = (one, other) else { return one.len().max(other.len()) };
        let (one_less, other_less) = (&one[..one.len() - 1], &other[..other.len() - 1]);
        let least = (naive(one_less, other_less) + usize::from(a != b))
            .min(naive(one_less, other) + 1)
            .min(naive(one, other_less) + 1);
        match (one, other) {
            ([one @ .., a, b], [other @ .., c, d]) if (a, b) == (d, c) => least.min(naive(one, other) + 1),
            _ => least,
        }
    }

    proptest! {
        #[test]
        fn a_distance_is_the_least_number_of_edits(one in "[ABÉ]{0,6}", other in "[ABÉ]{0,6}", most in 0usize..4) {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let wanted = naive(&chars(&one), &chars(&other));
            prop_assert_eq!(distance(&chars(&one), &other, most), Some(wanted).filter(|n| *n <= most));
        }
    }

    #[test]
    fn long_words_are_not_compared() {
        let long: Vec<char> = "A".repeat(SIMILAR_WORD_CHARS_MAX + 1).chars().collect();
        assert_eq!(edits(long.len()), 0);
        assert_eq!(distance(&long, &"A".repeat(long.len()), 2), None);
        assert_eq!(distance(&long[1..], &"A".repeat(long.len()), 2), Some(1));
    }
}
