//! What the vocabulary of one segment says about a needle; found out once per search and segment, and only what is asked for.

use std::cell::OnceCell;
use std::ops::Range;

use super::needle::Needle;
use crate::segment::codes;
use crate::segment::{Segment, Vocabulary};
use crate::tokens::Class;

#[derive(Default)]
pub(super) struct Facts {
    containing: OnceCell<Vec<u32>>,
    pattern: OnceCell<Pattern>,
}

/// A needle of several tokens as codes.
pub(super) enum Pattern {
    /// No text of the segment has it.
    Impossible,
    /// These tokens are whole, and none of them is vocabulary: few messages have them as literals.
    Rare(Vec<usize>),
    Codes(Codes),
}

/// A run of codes and what must stand beside it. The run is empty if the needle is two parts.
pub(super) struct Codes {
    pub left: Edge,
    pub run: Vec<u8>,
    pub right: Edge,
}

/// A first or last token that may be part of one of the text.
pub(super) enum Edge {
    /// The token is whole and belongs to the run.
    Whole,
    Part(Part),
}

#[derive(Clone)]
pub(super) struct Part {
    pub class: Class,
    /// Positions in the order of reversed terms for the left edge, ords for the right one.
    pub range: Range<u32>,
    /// A space beside a word, which is left out between words: then any word will do.
    pub any_word: bool,
}

impl Facts {
    /// Vocabulary entries with the needle, which is one token, inside; frequent ones first.
    pub fn containing(&self, vocabulary: &Vocabulary, needle: &Needle) -> &[u32] {
        self.containing.get_or_init(|| {
            let mut ords = Vec::new();
            if needle.class(0) == Class::Single {
                ords.extend(vocabulary.ord(needle.bytes()));
            } else {
                vocabulary.containing(needle.bytes(), &mut ords);
                vocabulary.sort_by_rank(&mut ords);
            }
            ords
        })
    }

    /// The needle, which is several tokens, as codes.
    pub fn pattern(&self, segment: &Segment, needle: &Needle) -> &Pattern {
        self.pattern.get_or_init(|| compile(segment.vocabulary(), needle))
    }
}

fn compile(vocabulary: &Vocabulary, needle: &Needle) -> Pattern {
    let last = needle.len() - 1;
    let is_part = |token: usize| (token == 0 || token == last) && needle.class(token) != Class::Single;
    let word = |token: usize| needle.class(token) == Class::Word;
    let mut run = Vec::new();
    let mut rare = Vec::new();
    for token in (0..=last).filter(|&token| !is_part(token)) {
        let bytes = needle.token(token);
        if bytes == b" " && token > 0 && token < last && word(token - 1) && word(token + 1) {
            continue;
        }
        match vocabulary.ord(bytes).map(|ord| vocabulary.rank(ord)) {
            Some(rank) => codes::push(rank, &mut run),
            // Single characters and short tokens are always vocabulary.
            None if bytes.len() < LITERAL_BYTES_MIN || needle.class(token) == Class::Single => {
                return Pattern::Impossible;
            }
            None => rare.push(token),
        }
    }
    if !rare.is_empty() {
        return Pattern::Rare(rare);
    }
    let edge = |token: usize, beside: usize, range: fn(&Vocabulary, &[u8]) -> Range<u32>| {
        if !is_part(token) {
            return Edge::Whole;
        }
        let bytes = needle.token(token);
        let any_word = bytes == b" " && word(beside);
        Edge::Part(Part { class: needle.class(token), range: range(vocabulary, bytes), any_word })
    };
    Pattern::Codes(Codes {
        left: edge(0, 1, Vocabulary::suffix),
        run,
        right: edge(last, last - 1, Vocabulary::prefix),
    })
}

/// Shorter tokens are never literals.
pub(super) const LITERAL_BYTES_MIN: usize = 3;
