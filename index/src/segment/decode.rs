//! Texts back from codes and literals, octet for octet.

use super::codes::{self, LITERAL_SEPARATOR, LITERAL_WORD, NESTED, TEXT};
use super::vocabulary::END;
use super::{Damaged, Segment};
use crate::prepare::{Area, Kind};
use crate::tokens::Class;

/// What a run of codes says, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A text begins. In header texts and addresses with the entry that is its name.
    Text {
        nested: bool,
        name: Option<u32>,
    },
    /// An entry of the vocabulary.
    Entry {
        rank: u32,
        ord: u32,
    },
    Literal {
        class: Class,
        token: &'a [u8],
    },
}

impl Segment {
    /// The texts of one area of a message, in the order in which they were in it, octet for octet.
    pub fn decode(&self, doc: u32, area: Area, each: &mut dyn FnMut(Kind<'_>, &[u8])) -> Result<(), Damaged> {
        let vocabulary = self.vocabulary();
        let mut text = Vec::new();
        let mut kind = None;
        let mut after_word = false;
        self.steps(doc, area, &mut |step| {
            let (class, token) = match step {
                Step::Text { nested, name } => {
                    if let Some(kind) = kind.take() {
                        each(kind, &text);
                    }
                    text.clear();
                    after_word = false;
                    kind = Some(match name {
                        None => Kind::Body,
                        Some(name) => match (vocabulary.which(name), vocabulary.term(name)) {
                            (Some(which), _) => Kind::Pseudo { which },
                            (None, [_, name @ ..]) if nested => Kind::Nested { name },
                            (None, [_, name @ ..]) => Kind::Own { name },
                            (None, []) => return Err(Damaged("name")),
                        },
                    });
                    return Ok(());
                }
                Step::Entry { ord, .. } => vocabulary.token(ord).ok_or(Damaged("a token"))?,
                Step::Literal { class, token } => (class, token),
            };
            if after_word && class == Class::Word {
                text.push(b' ');
            }
            after_word = class == Class::Word;
            text.extend_from_slice(token);
            Ok(())
        })?;
        if let Some(kind) = kind {
            each(kind, &text);
        }
        Ok(())
    }

    /// Walks the codes of one area of a message together with its literals. Names are names, by their ords, and entries are tokens.
    pub(super) fn steps(
        &self,
        doc: u32,
        area: Area,
        each: &mut dyn FnMut(Step<'_>) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let page = self.page(doc, area)?;
        let run = &page.codes[..];
        let mut literals = page.literals.get();
        let mut at = 0;
        let mut begun = false;
        while at < run.len() {
            let rank = codes::next(run, &mut at).ok_or(Damaged("code"))?;
            if !begun && rank != TEXT {
                return Err(Damaged("a token outside of a text"));
            }
            let entry = |rank| self.vocabulary().ord_of_rank(rank).ok_or(Damaged("rank"));
            let tokens = self.vocabulary().tokens();
            each(match rank {
                TEXT => {
                    begun = true;
                    if area == Area::Body {
                        Step::Text { nested: false, name: None }
                    } else {
                        let mut name = codes::next(run, &mut at).ok_or(Damaged("name"))?;
                        let nested = name == NESTED;
                        if nested {
                            name = codes::next(run, &mut at).ok_or(Damaged("name"))?;
                        }
                        let name = entry(name)?;
                        if name < tokens {
                            return Err(Damaged("a token as a name"));
                        }
                        Step::Text { nested, name: Some(name) }
                    }
                }
                LITERAL_WORD | LITERAL_SEPARATOR => {
                    let end = memchr::memchr(END, literals).ok_or(Damaged("literal"))?;
                    let token = &literals[..end];
                    literals = &literals[end + 1..];
                    let class = if rank == LITERAL_WORD { Class::Word } else { Class::Separator };
                    Step::Literal { class, token }
                }
                NESTED => return Err(Damaged("a nested text")),
                rank => {
                    let ord = entry(rank)?;
                    if ord >= tokens {
                        return Err(Damaged("a name in a text"));
                    }
                    Step::Entry { rank, ord }
                }
            })?;
        }
        Ok(())
    }
}
