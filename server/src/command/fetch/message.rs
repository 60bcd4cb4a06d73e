//! The items of a FETCH response that are in memory or in the summary.
//!
//! Pure: from a row, its facts and the summary to bytes, straight into the output buffer.

use std::rc::Rc;

use trawl_index::summary::{Summary, SummaryView};
use trawl_store::types::{MessageFacts, Row};

use super::plan::Item;
use crate::response::encode;

/// One message of the view while it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its sequence number in this session.
    pub seq: u32,
    pub row: Row,
    pub facts: MessageFacts,
    pub recent: bool,
}

/// `* n FETCH (`
pub fn begin(out: &mut Vec<u8>, seq: u32) {
    out.extend_from_slice(b"* ");
    encode::number(out, u64::from(seq));
    out.extend_from_slice(b" FETCH (");
}

/// Ends what [`begin`] began.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b")\r\n");
}

/// Writes `NAME value` of an item that state alone answers; false (and nothing written) for the others.
pub fn write_state(out: &mut Vec<u8>, item: &Item, known: &Known, keywords: &[Rc<str>]) -> bool {
    match item {
        Item::Uid => {
            out.extend_from_slice(b"UID ");
            encode::number(out, u64::from(known.row.uid.get()));
        }
        Item::Flags => {
            out.extend_from_slice(b"FLAGS ");
            encode::flags(out, known.row.flags, keywords, known.recent);
        }
        Item::InternalDate => {
            out.extend_from_slice(b"INTERNALDATE ");
            encode::internal_date(out, known.facts.internal);
        }
        Item::Size => {
            out.extend_from_slice(b"RFC822.SIZE ");
            encode::number(out, u64::from(known.facts.size));
        }
        _ => return false,
    }
    true
}

/// The values that a summary has ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready<'a> {
    pub envelope: &'a [u8],
    pub body: &'a [u8],
    pub body_structure: &'a [u8],
}

impl<'a> Ready<'a> {
    pub fn of(summary: &'a Summary) -> Ready<'a> {
        let Summary { envelope, body, body_structure, .. } = summary;
        Ready { envelope, body, body_structure }
    }

    /// From the recorded form, without taking the rest of it apart; `None` when it cannot be read.
    pub fn read(recorded: &'a [u8]) -> Option<Ready<'a>> {
        let SummaryView { envelope, body, body_structure, .. } = SummaryView::new(recorded).ok()?;
        Some(Ready { envelope, body, body_structure })
    }

    /// Writes `NAME value` of an item that the summary answers; false (and nothing written) for the others.
    pub fn write(&self, out: &mut Vec<u8>, item: &Item) -> bool {
        let (name, value): (&[u8], &[u8]) = match item {
            Item::Envelope => (b"ENVELOPE ", self.envelope),
            Item::Body => (b"BODY ", self.body),
            Item::BodyStructure => (b"BODYSTRUCTURE ", self.body_structure),
            _ => return false,
        };
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trawl_store::log::Address;
    use trawl_store::types::{Flags, MessageNumber, ModSeq, Uid, ZonedTime};

    #[test]
    fn state_items() {
        let row = Row {
            uid: Uid::new(77).unwrap(),
            message: MessageNumber(5),
            flags: Flags::DRAFT,
            modseq: ModSeq::FIRST,
            save_date: 0,
        };
        let internal = ZonedTime { seconds: 837_596_665, zone_minutes: -420 };
        let address = Address { segment: 1, offset: 4096 };
        let facts = trawl_store::types::MessageFacts { size: 4711, internal, sent_day: None, address };
        let known = Known { seq: 12, row, facts, recent: false };
        let mut out = Vec::new();
        begin(&mut out, known.seq);
        for item in [Item::Uid, Item::Flags, Item::InternalDate, Item::Size] {
            assert!(write_state(&mut out, &item, &known, &[]));
            out.push(b' ');
        }
        assert!(!write_state(&mut out, &Item::Envelope, &known, &[]));
        end(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "* 12 FETCH (UID 77 FLAGS (\\Draft) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4711 )\r\n"
        );
    }
}
