//! Where a needle is looked for inside a segment: an area, and which of its texts count.

use crate::prepare::{Area, Which};
use crate::segment::Segment;

use super::texts::Owner;

/// Vocabulary entries stand for field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Body,
    /// The values of all header fields of every level.
    Head,
    /// The message's own fields of one name.
    Field(u32),
    /// Canonical addresses.
    Address(u32),
}

impl Scope {
    /// `None`: no message of the segment has such a field.
    pub fn field(segment: &Segment, name: &[u8]) -> Option<Scope> {
        segment.vocabulary().name(name).map(Scope::Field)
    }

    pub fn address(segment: &Segment, which: Which) -> Option<Scope> {
        segment.vocabulary().pseudo_name(which).map(Scope::Address)
    }

    pub fn area(self) -> Area {
        match self {
            Scope::Body => Area::Body,
            Scope::Head | Scope::Field(_) => Area::Head,
            Scope::Address(_) => Area::Addr,
        }
    }

    /// Whether all texts of the area count.
    pub fn is_whole_area(self) -> bool {
        matches!(self, Scope::Body | Scope::Head)
    }

    pub fn takes(self, owner: Owner) -> bool {
        match self {
            Scope::Body | Scope::Head => true,
            Scope::Field(name) => !owner.nested && owner.name == Some(name),
            Scope::Address(name) => owner.name == Some(name),
        }
    }
}
