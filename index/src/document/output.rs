//! The text of a document while it is made: bounded, and with what stands between two pieces of it.

use super::{Failure, Text};

/// Why reading ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There is as much text as may be.
    Full,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// What is to stand between what was written and what follows; nothing at the begin and the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Tab,
    Line,
}

/// See the module.
#[derive(Debug)]
pub struct Out {
    text: String,
    bytes_max: usize,
    gap: Gap,
    /// Why something is not in the text.
    missing: Option<Failure>,
}

impl Out {
    pub fn new(bytes_max: usize) -> Out {
        Out { text: String::new(), bytes_max, gap: Gap::None, missing: None }
    }

    /// Appends text. What is over the limit is left out.
    pub fn push(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        let gap = match std::mem::replace(&mut self.gap, Gap::None) {
            _ if self.text.is_empty() => "",
            Gap::None => "",
            Gap::Space => " ",
            Gap::Tab => "\t",
            Gap::Line => "\n",
        };
        let room = self.bytes_max.saturating_sub(self.text.len());
        if gap.len() + text.len() <= room {
            self.text.push_str(gap);
            self.text.push_str(text);
            return Ok(());
        }
        if gap.len() < room {
            self.text.push_str(gap);
            self.text.push_str(&text[..text.floor_char_boundary(room - gap.len())]);
        }
        Err(Stop::Full)
    }

    /// What follows is another word.
    pub fn space(&mut self) {
        self.gap = self.gap.max(Gap::Space);
    }

    /// What follows stands in another cell.
    pub fn cell(&mut self) {
        self.gap = self.gap.max(Gap::Tab);
    }

    /// What follows stands on another line.
    pub fn line(&mut self) {
        self.gap = Gap::Line;
    }

    /// Notes that something is missing; the first reason is kept.
    pub fn miss(&mut self, failure: Failure) {
        self.missing.get_or_insert(failure);
    }

    /// Goes on after a part of the document that could not be read; not if nothing more can be written or read at all.
    pub fn after_part(&mut self, read: Result<(), Stop>) -> Result<(), Stop> {
        match read {
            Err(Stop::Failed(failure @ Failure::Damaged)) => {
                self.miss(failure);
                self.line();
                Ok(())
            }
            other => other,
        }
    }

    /// Octets that can still be written.
    pub fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.text.len())
    }

    /// The text; a failure if there is none for a reason.
    pub fn finish(self) -> Result<Text, Failure> {
        match self.missing {
            Some(failure) if self.text.trim().is_empty() => Err(failure),
            missing => Ok(Text { text: self.text, cut: missing.is_some() }),
        }
    }
}
