//! The items of a FETCH response that are in memory or in the summary.
//!
//! Pure: from a row, its facts and the summary to bytes, straight into the output buffer.

use std::rc::Rc;

use trawl_index::summary::{Summary, SummaryView, listed};
use trawl_store::types::{AccountId, EmailId, MessageFacts, Row, ThreadId, ZonedTime};

use super::partial::show_nul;
use super::plan::Item;
use crate::response::encode;
use crate::wire::object_id::{self, Kind};

/// One message of the view while it is answered.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub account: AccountId,
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
        Item::SaveDate => {
            // RFC 8514 4.2. Which zone whoever saved it was in is nobody's concern.
            let seconds = i64::from(known.row.save_date);
            out.extend_from_slice(b"SAVEDATE ");
            encode::internal_date(out, ZonedTime { seconds, zone_minutes: 0 });
        }
        Item::EmailId => {
            // RFC 8474 5.3
            out.extend_from_slice(b"EMAILID ");
            object_id::write(out, Kind::Email, EmailId::of(known.account, known.row.message).0);
        }
        Item::ThreadId => {
            out.extend_from_slice(b"THREADID ");
            object_id::write(out, Kind::Thread, ThreadId::of(known.account, known.facts.thread).0);
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
    /// See [`listed`].
    pub listed: Option<&'a [u8]>,
}

impl<'a> Ready<'a> {
    pub fn of(summary: &'a Summary) -> Ready<'a> {
        let Summary { envelope, body, body_structure, listed, .. } = summary;
        Ready { envelope, body, body_structure, listed: listed.as_deref() }
    }

    /// From the recorded form, without taking the rest of it apart; `None` when it cannot be read.
    pub fn read(recorded: &'a [u8]) -> Option<Ready<'a>> {
        let SummaryView { envelope, body, body_structure, listed, .. } = SummaryView::new(recorded).ok()?;
        Some(Ready { envelope, body, body_structure, listed })
    }

    /// Writes `NAME value` of an item that the summary answers; false (and nothing written) for the others.
    pub fn write(&self, out: &mut Vec<u8>, item: &Item) -> bool {
        let (name, value): (&[u8], &[u8]) = match item {
            Item::Envelope => (b"ENVELOPE ", self.envelope),
            Item::Body => (b"BODY ", self.body),
            Item::BodyStructure => (b"BODYSTRUCTURE ", self.body_structure),
            Item::Content(content) => {
                let (Some(listed), Some(names)) = (self.listed, content.listed_names()) else { return false };
                out.extend_from_slice(&content.label);
                out.push(b' ');
                write_listed(out, listed, names);
                return true;
            }
            _ => return false,
        };
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        true
    }
}

/// The literal with those of the `listed` fields that have one of `names`, and the empty line.
fn write_listed(out: &mut Vec<u8>, listed: &[u8], names: &[Vec<u8>]) {
    let mut value = Vec::with_capacity(listed.len() + 2);
    listed::select(listed, |name| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)), &mut value);
    value.extend_from_slice(b"\r\n");
    show_nul(&mut value);
    encode::literal_header(out, value.len() as u64);
    out.extend_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::super::fields::{FieldSelector, Keep};
    use super::super::transform::testing::run;
    use super::*;
    use trawl_store::log::Address;
    use trawl_store::types::{Flags, MessageNumber, ModSeq, Uid};

    proptest::proptest! {
        /// What the summary answers is what selecting from the header answers, byte for byte.
        #[test]
        fn listed_fields_are_those_of_the_header(
            lines in proptest::collection::vec("(From|TO|Subject|Date|X-Other|date x|)[ ]{0,2}[:| ]?[a\0 :]{0,6}(\r\n|\n|\r)", 0..12),
            end in "(\r\n|\n|)(body)?",
            names in proptest::collection::vec("(from|To|SUBJECT|date|cc)", 1..4),
        ) {
            let message = (lines.concat() + &end).into_bytes();
            let summary = Summary::build(&message);
            let names: Vec<Vec<u8>> = names.into_iter().map(String::into_bytes).collect();
            let header = &message[..summary.header_len as usize];
            let mut want = run(FieldSelector::new(&names, Keep::Named, header.len() < message.len()), header, 7);
            show_nul(&mut want);
            match &summary.listed {
                Some(listed) => {
                    let mut got = Vec::new();
                    write_listed(&mut got, listed, &names);
                    let head = format!("{{{}}}\r\n", want.len()).into_bytes();
                    proptest::prop_assert_eq!(got, [head, want].concat(), "{:?}", message);
                }
                None => proptest::prop_assert!(!header.ends_with(b"\n\n") && !header.ends_with(b"\n\r\n")),
            }
        }
    }

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
        let thread = MessageNumber(3);
        let facts = MessageFacts { size: 4711, internal, sent_day: None, address, thread };
        let known = Known { account: AccountId(2), seq: 12, row, facts, recent: false };
        let mut out = Vec::new();
        begin(&mut out, known.seq);
        let items = [Item::Uid, Item::Flags, Item::InternalDate, Item::SaveDate, Item::Size];
        for item in items.into_iter().chain([Item::EmailId, Item::ThreadId]) {
            assert!(write_state(&mut out, &item, &known, &[]));
            out.push(b' ');
        }
        assert!(!write_state(&mut out, &Item::Envelope, &known, &[]));
        end(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "* 12 FETCH (UID 77 FLAGS (\\Draft) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" \
             SAVEDATE \" 1-Jan-1970 00:00:00 +0000\" RFC822.SIZE 4711 \
             EMAILID (M0000000200000005) THREADID (T0000000200000003) )\r\n"
        );
    }
}
