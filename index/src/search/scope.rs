//! Where a needle is looked for inside a segment: an area, and which of its texts count.

use crate::prepare::{Area, Which};
use crate::segment::{Damaged, Found, Segment, terms};

use super::texts::Owner;

/// Vocabulary entries stand for field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Body,
    /// The values of all header fields of every level.
    Head,
    /// The message's own fields of one name.
    Field(u32),
    /// Canonical addresses, or what there is about attachments.
    Pseudo(u32),
}

impl Scope {
    /// `None`: no message of the segment has such a field.
    pub fn field(segment: &Segment, name: &[u8]) -> Option<Scope> {
        segment.vocabulary().name(name).map(Scope::Field)
    }

    pub fn pseudo(segment: &Segment, which: Which) -> Option<Scope> {
        segment.vocabulary().pseudo_name(which).map(Scope::Pseudo)
    }

    pub fn area(self) -> Area {
        match self {
            Scope::Body => Area::Body,
            Scope::Head | Scope::Field(_) => Area::Head,
            Scope::Pseudo(_) => Area::Pseudo,
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
            Scope::Pseudo(name) => owner.name == Some(name),
        }
    }

    /// The field of the document-level index that says where vocabulary entries are.
    pub fn field_of_words(self) -> terms::Field {
        match self {
            Scope::Body => terms::Field::Body,
            _ => terms::Field::Head,
        }
    }

    /// Calls `each` with the lists of documents that have a vocabulary entry here.
    pub fn lists(
        self,
        segment: &Segment,
        ord: u32,
        each: &mut impl FnMut(&Found) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let names = segment.vocabulary().names();
        match self {
            Scope::Body => segment.body_list(ord).iter().try_for_each(each),
            Scope::Field(name) | Scope::Pseudo(name) => {
                let mut lists = segment.head_lists(ord);
                lists.find(|(field, _)| *field == name).iter().try_for_each(|(_, list)| each(list))
            }
            // Pseudo names are no names.
            Scope::Head => segment
                .head_lists(ord)
                .filter(|(field, _)| *field == terms::NESTED || names.contains(field))
                .try_for_each(|(_, list)| each(&list)),
        }
    }
}
