//! What a FUZZY key is relaxed to, step by step (RFC 6203 3 and 5). Pure.
//!
//! What must hold: what a tier finds, the next one finds as well; a key that is not fuzzy is the same in all of them. Hence nothing
//! is relaxed below a NOT.

use std::collections::HashMap;

use trawl_index::normalise;
use trawl_index::query::{Field, TextKey};
use trawl_index::tokens::{Class, tokens};

use crate::limits::FUZZY_WORDS_MAX;
use crate::wire::ast::{Day, SearchKey};

/// How far keys are relaxed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    /// As it is written, and what TEXT looks for is in the subject.
    Subject,
    /// As it is written.
    Exact,
    /// All words of a text, anywhere and in any order.
    Words,
    /// Or words that are spelled like them; dates and sizes nearly.
    Similar,
}

impl Tier {
    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Subject => "as it is written, in the subject",
            Tier::Exact => "as it is written",
            Tier::Words => "all words",
            Tier::Similar => "words spelled like them",
        }
    }
}

/// What a FUZZY key means while a program is taken apart.
#[derive(Clone, Copy)]
pub struct Fuzz<'a> {
    pub tier: Tier,
    /// For a normalised word those that are spelled like it.
    pub similar: &'a HashMap<String, Vec<String>>,
}

/// Days by which a date is missed.
const DAYS: i32 = 3;
/// A size is missed by a tenth of it.
const SIZE_PART: u64 = 10;

/// What is looked for instead of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Relaxed {
    Key(TextKey),
    /// One of each.
    AllOf(Vec<Vec<TextKey>>),
}

/// The words of a needle, normalised, each once; none if there are too many.
pub fn words(needle: &str) -> Vec<String> {
    let needle = normalise(needle);
    let mut words: Vec<String> = Vec::new();
    for (class, token) in tokens(&needle) {
        if class == Class::Separator || words.iter().any(|word| word == token) {
            continue;
        }
        if words.len() == FUZZY_WORDS_MAX {
            return Vec::new();
        }
        words.push(token.to_owned());
    }
    words
}

/// A text key in a tier; `room` is how many keys may stand for those of the program. One for which there is none left stays as it is, in
/// all tiers.
pub fn text(key: TextKey, fuzz: Fuzz<'_>, room: &mut usize) -> Relaxed {
    match fuzz.tier {
        Tier::Subject if key.field == Field::Text => {
            Relaxed::Key(TextKey { field: Field::Subject, needle: key.needle })
        }
        Tier::Subject | Tier::Exact => Relaxed::Key(key),
        Tier::Words | Tier::Similar => {
            let words = words(&key.needle);
            let keys: usize = words.iter().map(|word| 1 + fuzz.similar.get(word).map_or(0, Vec::len)).sum();
            let Some(left) = room.checked_sub(keys).filter(|_| keys > 0) else { return Relaxed::Key(key) };
            *room = left;
            let one = |needle: &String| TextKey { field: key.field.clone(), needle: needle.clone() };
            let any_of = |word: &String| {
                let similar = fuzz.similar.get(word).filter(|_| fuzz.tier == Tier::Similar);
                std::iter::once(word).chain(similar.into_iter().flatten()).map(one).collect()
            };
            Relaxed::AllOf(words.iter().map(any_of).collect())
        }
    }
}

/// A key on a date or a size with its bounds moved, in the last tier; `None` for others.
pub fn widened(key: &SearchKey, tier: Tier) -> Option<SearchKey> {
    use SearchKey as K;
    if tier != Tier::Similar {
        return None;
    }
    let moved = |day: &Day, days: i32| Day(day.0.saturating_add(days));
    let about = |day: &Day, since: fn(Day) -> K, before: fn(Day) -> K| {
        K::And(vec![since(moved(day, -DAYS)), before(moved(day, DAYS + 1))])
    };
    Some(match key {
        K::Before(day) => K::Before(moved(day, DAYS)),
        K::Since(day) => K::Since(moved(day, -DAYS)),
        K::On(day) => about(day, K::Since, K::Before),
        K::SentBefore(day) => K::SentBefore(moved(day, DAYS)),
        K::SentSince(day) => K::SentSince(moved(day, -DAYS)),
        K::SentOn(day) => about(day, K::SentSince, K::SentBefore),
        K::SavedBefore(day) => K::SavedBefore(moved(day, DAYS)),
        K::SavedSince(day) => K::SavedSince(moved(day, -DAYS)),
        K::SavedOn(day) => about(day, K::SavedSince, K::SavedBefore),
        K::Larger(bytes) => K::Larger(bytes - bytes / SIZE_PART),
        K::Smaller(bytes) => K::Smaller(bytes.saturating_add(bytes / SIZE_PART)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(field: Field, needle: &str) -> TextKey {
        TextKey { field, needle: needle.into() }
    }

    fn relaxed(field: Field, needle: &str, tier: Tier) -> Relaxed {
        let similar = HashMap::from([("HELO".to_owned(), vec!["HELLO".to_owned(), "HELP".to_owned()])]);
        text(key(field, needle), Fuzz { tier, similar: &similar }, &mut 20)
    }

    #[test]
    fn texts_are_relaxed_word_by_word() {
        let all_of = |words: &[&[&str]]| {
            let any_of = |words: &&[&str]| words.iter().map(|word| key(Field::Body, word)).collect();
            Relaxed::AllOf(words.iter().map(any_of).collect())
        };
        for tier in [Tier::Subject, Tier::Exact] {
            assert_eq!(relaxed(Field::Body, "Helo, you", tier), Relaxed::Key(key(Field::Body, "Helo, you")));
        }
        assert_eq!(relaxed(Field::Body, "Helo, you helo", Tier::Words), all_of(&[&["HELO"], &["YOU"]]));
        assert_eq!(
            relaxed(Field::Body, "Helo, you", Tier::Similar),
            all_of(&[&["HELO", "HELLO", "HELP"], &["YOU"]])
        );
        assert_eq!(relaxed(Field::Text, "x", Tier::Subject), Relaxed::Key(key(Field::Subject, "x")));
    }

    #[test]
    fn what_has_no_words_or_too_many_stays() {
        for needle in ["", " -- ", &"a b c d e f g h i j k l m n o p q r s t u v w x y z ".repeat(2)] {
            assert_eq!(
                relaxed(Field::Body, needle, Tier::Similar),
                Relaxed::Key(key(Field::Body, needle)),
                "{needle}"
            );
        }
    }

    #[test]
    fn a_program_has_so_many_keys_at_most_the_same_ones_in_all_tiers() {
        let similar = HashMap::from([("HELO".to_owned(), vec!["HELLO".to_owned(), "HELP".to_owned()])]);
        for tier in [Tier::Words, Tier::Similar] {
            let mut room = 7;
            let mut is_relaxed = |needle| {
                text(key(Field::Body, needle), Fuzz { tier, similar: &similar }, &mut room)
                    != Relaxed::Key(key(Field::Body, needle))
            };
            assert_eq!(
                ["helo you", "helo you", "you", "helo", "me"].map(&mut is_relaxed),
                [true, false, true, false, true]
            );
        }
    }

    #[test]
    fn bounds_move_outwards_and_never_over_the_edge() {
        use SearchKey as K;
        let moved = |key| widened(&key, Tier::Similar).unwrap();
        assert_eq!(moved(K::Before(Day(10))), K::Before(Day(13)));
        assert_eq!(moved(K::SentSince(Day(10))), K::SentSince(Day(7)));
        assert_eq!(moved(K::SavedOn(Day(10))), K::And(vec![K::SavedSince(Day(7)), K::SavedBefore(Day(14))]));
        assert_eq!(moved(K::Larger(1_000_000)), K::Larger(900_000));
        assert_eq!(moved(K::Smaller(u64::MAX)), K::Smaller(u64::MAX));
        assert_eq!(moved(K::Since(Day(i32::MIN))), K::Since(Day(i32::MIN)));
        assert_eq!(moved(K::Before(Day(i32::MAX))), K::Before(Day(i32::MAX)));
        assert_eq!(widened(&K::Seen, Tier::Similar), None);
        assert_eq!(widened(&K::Larger(9), Tier::Words), None);
    }
}
