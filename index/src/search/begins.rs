//! Whether a document has a field of certain names whose value begins with a needle.

use super::needle::Needle;
use super::text::{Text, owner};
use super::{Cx, Halt};
use crate::prepare::Area;
use crate::segment::Segment;
use crate::segment::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, TEXT};
use crate::tokens::Class;

pub(super) struct Begins<'a> {
    segment: &'a Segment,
    cx: Cx<'a>,
    /// Vocabulary entries, rising.
    names: &'a [u32],
    needle: &'a Needle,
}

impl<'a> Begins<'a> {
    pub fn new(segment: &'a Segment, cx: Cx<'a>, names: &'a [u32], needle: &'a Needle) -> Begins<'a> {
        Begins { segment, cx, names, needle }
    }

    pub fn has(&self, doc: u32) -> Result<bool, Halt> {
        self.cx.check()?;
        let page = self.segment.page(doc, Area::Head)?;
        let mut text = Text::new(&page);
        Ok(text.any_mark(|text, mark| {
            let mut at = mark;
            owner(self.segment.vocabulary(), text.codes, &mut at)
                .and_then(|owner| owner.name)
                .is_some_and(|name| self.names.binary_search(&name).is_ok())
                && self.begins(text, at)
        }))
    }

    /// Whether the tokens from `at` on begin with the needle.
    fn begins(&self, text: &mut Text<'_>, mut at: usize) -> bool {
        let vocabulary = self.segment.vocabulary();
        let mut rest = self.needle.bytes();
        let mut after_word = false;
        while !rest.is_empty() {
            let place = at;
            let (class, token) = match codes::next(text.codes, &mut at) {
                None | Some(TEXT) => return false,
                Some(rank @ (LITERAL_WORD | LITERAL_SEPARATOR)) => {
                    let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
                    (Some(class), text.literal(place).unwrap_or_default())
                }
                Some(rank) => {
                    let ord = vocabulary.ord_of_rank(rank);
                    (
                        ord.and_then(|ord| vocabulary.class(ord)),
                        ord.map_or(&[][..], |ord| vocabulary.term(ord)),
                    )
                }
            };
            let word = class == Some(Class::Word);
            let space: &[u8] = if word && after_word { b" " } else { b"" };
            after_word = word;
            // A damaged vocabulary has empty terms.
            if token.is_empty() {
                return false;
            }
            for part in [space, token] {
                let shared = part.len().min(rest.len());
                if part[..shared] != rest[..shared] {
                    return false;
                }
                rest = &rest[shared..];
            }
        }
        true
    }
}
