//! What a FETCH asks for, worked out once for all its messages.
//!
//! Not here: messages. What must hold: the plan says what has to be read (nothing, the summary, the
//! header, more) before any message is looked at, and labels are ready bytes.

use trawl_index::summary::listed::is_listed;
use trawl_store::types::{Flags, Row};

use super::fields::Keep;
use super::section::Of;
use crate::response::encode;
use crate::wire::ast::{FetchItem, Numbers, Part, Partial, SectionText, SeenMode};
use crate::wire::print;

/// One item of the answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Uid,
    Flags,
    InternalDate,
    SaveDate,
    EmailId,
    ThreadId,
    Size,
    Envelope,
    Body,
    BodyStructure,
    Content(ContentItem),
    BinarySize { label: Vec<u8>, path: Vec<u32> },
}

/// Bytes of the message.
#[derive(Clone, PartialEq, Debug)]
pub struct ContentItem {
    /// What stands before the bytes: `BODY[1.MIME]<0>`.
    pub label: Vec<u8>,
    pub path: Vec<u32>,
    pub kind: ContentKind,
    pub partial: Option<Partial>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum ContentKind {
    Section(Of),
    /// HEADER.FIELDS and HEADER.FIELDS.NOT.
    Fields {
        names: Vec<Vec<u8>>,
        keep: Keep,
    },
    Binary,
}

impl ContentItem {
    /// The names of HEADER.FIELDS of the message itself, when summaries keep all of them.
    pub fn listed_names(&self) -> Option<&[Vec<u8>]> {
        match &self.kind {
            ContentKind::Fields { names, keep: Keep::Named }
                if self.path.is_empty()
                    && self.partial.is_none()
                    && names.iter().all(|name| is_listed(name)) =>
            {
                Some(names)
            }
            _ => None,
        }
    }

    /// The header of the message itself, or some of it, is all that has to be read.
    fn is_top_header(&self) -> bool {
        let of_header = matches!(self.kind, ContentKind::Section(Of::Header) | ContentKind::Fields { .. });
        self.path.is_empty() && of_header
    }
}

/// What has to be read for each message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reads {
    /// Mailbox state is enough.
    State,
    Summary,
    /// The summary and the header.
    Header,
    /// The message's record, for any part of it.
    Content,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub items: Vec<Item>,
    pub reads: Reads,
    /// Messages without \Seen get it.
    pub sets_seen: bool,
    /// UID is in the answer.
    pub uid: bool,
}

impl Plan {
    /// The plan for `items`; the UID form answers the UID whether or not it was asked for (RFC 3501 6.4.8).
    pub fn new(items: &[FetchItem], by: Numbers) -> Plan {
        let mut plan = Plan { items: Vec::new(), reads: Reads::State, sets_seen: false, uid: false };
        if by == Numbers::Uid {
            plan.add(Item::Uid);
        }
        for item in items {
            plan.sets_seen |= sets_seen(item);
            plan.add(Item::of(item));
        }
        plan
    }

    /// Adds an item once: an answer that names one twice helps nobody.
    fn add(&mut self, item: Item) {
        let reads = match &item {
            Item::Uid | Item::Flags | Item::InternalDate | Item::SaveDate | Item::Size => Reads::State,
            Item::EmailId | Item::ThreadId => Reads::State,
            Item::Envelope | Item::Body | Item::BodyStructure => Reads::Summary,
            Item::Content(content) if content.listed_names().is_some() => Reads::Summary,
            Item::Content(content) if content.is_top_header() => Reads::Header,
            Item::Content(_) | Item::BinarySize { .. } => Reads::Content,
        };
        self.reads = self.reads.max(reads);
        self.uid |= item == Item::Uid;
        if !self.items.contains(&item) {
            self.items.push(item);
        }
    }

    /// Whether fetching the message of `row` changes its flags.
    pub fn makes_seen(&self, row: &Row) -> bool {
        self.sets_seen && !row.flags.contains(Flags::SEEN)
    }
}

fn sets_seen(item: &FetchItem) -> bool {
    match item {
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        FetchItem::Section { mode, .. } | FetchItem::Binary { mode, .. } => *mode == SeenMode::Sets,
        _ => false,
    }
}

impl Item {
    pub fn of(item: &FetchItem) -> Item {
        match item {
            FetchItem::Uid => Item::Uid,
            FetchItem::Flags => Item::Flags,
            FetchItem::InternalDate => Item::InternalDate,
            FetchItem::SaveDate => Item::SaveDate,
            FetchItem::EmailId => Item::EmailId,
            FetchItem::ThreadId => Item::ThreadId,
            FetchItem::Rfc822Size => Item::Size,
            FetchItem::Envelope => Item::Envelope,
            FetchItem::Body => Item::Body,
            FetchItem::BodyStructure => Item::BodyStructure,
            FetchItem::Rfc822 => Item::rfc822(b"RFC822", Of::Whole),
            FetchItem::Rfc822Header => Item::rfc822(b"RFC822.HEADER", Of::Header),
            FetchItem::Rfc822Text => Item::rfc822(b"RFC822.TEXT", Of::Text),
            FetchItem::Section { section, partial, .. } => {
                let kind = match &section.text {
                    SectionText::Whole => ContentKind::Section(Of::Whole),
                    SectionText::Header => ContentKind::Section(Of::Header),
                    SectionText::Text => ContentKind::Section(Of::Text),
                    SectionText::Mime => ContentKind::Section(Of::Mime),
                    SectionText::HeaderFields(names) => {
                        ContentKind::Fields { names: names.clone(), keep: Keep::Named }
                    }
                    SectionText::HeaderFieldsNot(names) => {
                        ContentKind::Fields { names: names.clone(), keep: Keep::Others }
                    }
                };
                let label = label(b"BODY[", &section.part, &section.text, *partial);
                Item::Content(ContentItem { label, path: path(&section.part), kind, partial: *partial })
            }
            FetchItem::Binary { part, partial, .. } => Item::Content(ContentItem {
                label: label(b"BINARY[", part, &SectionText::Whole, *partial),
                path: path(part),
                kind: ContentKind::Binary,
                partial: *partial,
            }),
            FetchItem::BinarySize { part } => Item::BinarySize {
                label: label(b"BINARY.SIZE[", part, &SectionText::Whole, None),
                path: path(part),
            },
        }
    }

    fn rfc822(label: &[u8], of: Of) -> Item {
        let kind = ContentKind::Section(of);
        Item::Content(ContentItem { label: label.to_vec(), path: Vec::new(), kind, partial: None })
    }
}

fn path(part: &Part) -> Vec<u32> {
    part.0.iter().map(|number| number.get()).collect()
}

fn label(name: &[u8], part: &Part, text: &SectionText, partial: Option<Partial>) -> Vec<u8> {
    let mut label = name.to_vec();
    print::section_spec(&mut label, part, text);
    label.push(b']');
    if let Some(partial) = partial {
        label.push(b'<');
        encode::number(&mut label, partial.start);
        label.push(b'>');
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ast::{CommandBody, Section};
    use std::num::{NonZeroU32, NonZeroU64};

    fn plan(command: &str) -> Plan {
        match crate::wire::parse(format!("a {command}").as_bytes()).unwrap().body {
            CommandBody::Fetch { by, items, .. } => Plan::new(&items, by),
            other => panic!("{other:?}"),
        }
    }

    fn labels(command: &str) -> Vec<String> {
        let label = |item: &Item| match item {
            Item::Content(ContentItem { label, .. }) | Item::BinarySize { label, .. } => {
                String::from_utf8(label.clone()).unwrap()
            }
            other => format!("{other:?}"),
        };
        plan(command).items.iter().map(label).collect()
    }

    #[test]
    fn answers_name_what_was_asked() {
        assert_eq!(
            labels(
                "FETCH 1 (BODY.PEEK[1.2.header.fields (From \"To\")]<0.10> BINARY[3]<5.6> BINARY.SIZE[3])"
            ),
            ["BODY[1.2.HEADER.FIELDS (From To)]<0>", "BINARY[3]<5>", "BINARY.SIZE[3]"]
        );
        assert_eq!(labels("FETCH 1 (BODY[] RFC822 RFC822.TEXT BODY[1.MIME])").len(), 4);
        assert_eq!(labels("FETCH 1 (FLAGS FLAGS)"), ["Flags"]);
        assert_eq!(labels("UID FETCH 1 (FLAGS)"), ["Uid", "Flags"]);
        assert_eq!(labels("UID FETCH 1 (FLAGS UID)"), ["Uid", "Flags"]);
    }

    #[test]
    fn no_more_is_read_than_needed() {
        assert_eq!(plan("FETCH 1 FAST").reads, Reads::State);
        assert_eq!(plan("FETCH 1 ALL").reads, Reads::Summary);
        assert_eq!(plan("FETCH 1 FULL").reads, Reads::Summary);
        assert_eq!(plan("FETCH 1 (ENVELOPE BODY.PEEK[HEADER])").reads, Reads::Header);
        assert_eq!(plan("FETCH 1 RFC822.HEADER").reads, Reads::Header);
        assert_eq!(plan("FETCH 1 BODY.PEEK[1.HEADER]").reads, Reads::Content);
        assert_eq!(plan("FETCH 1 BODY.PEEK[TEXT]").reads, Reads::Content);
        assert_eq!(plan("FETCH 1 BINARY.SIZE[1]").reads, Reads::Content);
    }

    #[test]
    fn only_items_that_show_text_set_seen() {
        for command in ["RFC822", "RFC822.TEXT", "BODY[]", "BODY[HEADER]", "BINARY[1]"] {
            assert!(plan(&format!("FETCH 1 ({command})")).sets_seen, "{command}");
        }
        for command in ["RFC822.HEADER", "BODY.PEEK[]", "BINARY.PEEK[1]", "BINARY.SIZE[1]", "BODY", "FULL"] {
            assert!(!plan(&format!("FETCH 1 {command}")).sets_seen, "{command}");
        }
    }

    #[test]
    fn paths_and_partials_come_through() {
        let part = Part(vec![NonZeroU32::new(4).unwrap(), NonZeroU32::MIN]);
        let section = Section { part, text: SectionText::Mime };
        let partial = Some(Partial { start: 7, length: NonZeroU64::MIN });
        let item = Item::of(&FetchItem::Section { mode: SeenMode::Peeks, section, partial });
        let Item::Content(content) = item else { panic!("{item:?}") };
        assert_eq!((content.path.as_slice(), content.partial), ([4, 1].as_slice(), partial));
        assert_eq!(content.label, b"BODY[4.1.MIME]<7>");
        assert_eq!(content.kind, ContentKind::Section(Of::Mime));
    }
}
