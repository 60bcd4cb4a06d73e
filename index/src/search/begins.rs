//! Whether a document has a field of certain names whose value begins with a needle.

use super::needle::Needle;
use super::text::Text;
use crate::segment::Segment;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, TEXT};
use crate::tokens::Class;

pub(super) struct Begins<'a> {
    segment: &'a Segment,
    /// Vocabulary entries, rising.
    names: &'a [u32],
    needle: &'a Needle,
}

impl<'a> Begins<'a> {
    pub fn new(segment: &'a Segment, names: &'a [u32], needle: &'a Needle) -> Begins<'a> {
        Begins { segment, names, needle }
    }

    pub fn segment(&self) -> &'a Segment {
        self.segment
    }

    /// Whether the entry is one of the names.
    pub fn is_named(&self, name: u32) -> bool {
        self.names.binary_search(&name).is_ok()
    }

    /// Whether the tokens from `at` on begin with the needle; `None` if it depends on what stands in a slot.
    pub fn begins(&self, text: &mut Text<'_>, mut at: usize) -> Option<bool> {
        let vocabulary = self.segment.vocabulary();
        let mut rest = self.needle.bytes();
        let mut after_word = false;
        while !rest.is_empty() {
            let place = at;
            let (class, token) = match codes::next(text.codes, &mut at) {
                None | Some(TEXT) => return Some(false),
                Some(rank) if codes::is_slot(rank) => return None,
                Some(rank @ (LITERAL_WORD | LITERAL_SEPARATOR)) => {
                    let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
                    (Some(class), text.literal(place).unwrap_or_default())
                }
                Some(rank) => {
                    let token = vocabulary.ord_of_rank(rank).and_then(|ord| vocabulary.token(ord));
                    (token.map(|(class, _)| class), token.map_or(&[][..], |(_, token)| token))
                }
            };
            let word = class == Some(Class::Word);
            let space: &[u8] = if word && after_word { b" " } else { b"" };
            after_word = word;
            // A damaged vocabulary has empty terms.
            if token.is_empty() {
                return Some(false);
            }
            for part in [space, token] {
                let shared = part.len().min(rest.len());
                if part[..shared] != rest[..shared] {
                    return Some(false);
                }
                rest = &rest[shared..];
            }
        }
        Some(true)
    }
}
