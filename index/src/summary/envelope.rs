//! ENVELOPE (RFC 3501 7.4.2, RFC 9051 7.5.2) from a header.
//!
//! The first field of each name counts, for addresses all of them do. Values are the octets as written, unfolded;
//! encoded-words stay encoded. Sender and Reply-To default to From. An address without a domain has the empty host,
//! because a NIL host means a group; a display name may come from the comment beside an address, as old mailers wrote it.

use std::borrow::Cow;

use super::imap::Writer;
use crate::mime::address::{self, Addresses, Entry, Mailbox};
use crate::mime::header::fields;

const NAMES: [&[u8]; 10] = [
    b"date",
    b"subject",
    b"from",
    b"sender",
    b"reply-to",
    b"to",
    b"cc",
    b"bcc",
    b"in-reply-to",
    b"message-id",
];
const FROM: usize = 2;
const ADDRESSES: std::ops::RangeInclusive<usize> = FROM..=7;

/// The fields that an ENVELOPE shows.
pub(super) struct Envelope<'a> {
    values: [Option<Cow<'a, [u8]>>; 10],
}

impl<'a> Envelope<'a> {
    pub fn of(header: &'a [u8]) -> Envelope<'a> {
        let mut values: [Option<Cow<'a, [u8]>>; 10] = Default::default();
        for field in fields(header) {
            let Some(n) = NAMES.iter().position(|name| field.is(name)) else { continue };
            match &mut values[n] {
                slot @ None => *slot = Some(field.unfolded()),
                Some(before) if ADDRESSES.contains(&n) => {
                    let before = before.to_mut();
                    before.extend_from_slice(b", ");
                    before.extend_from_slice(&field.unfolded());
                }
                Some(_) => {}
            }
        }
        Envelope { values }
    }

    pub fn date(&self) -> Option<&[u8]> {
        self.values[0].as_deref()
    }

    pub fn subject(&self) -> Option<&[u8]> {
        self.values[1].as_deref()
    }

    pub fn in_reply_to(&self) -> Option<&[u8]> {
        self.values[8].as_deref()
    }

    pub fn message_id(&self) -> Option<&[u8]> {
        self.values[9].as_deref()
    }

    pub fn write(&self, writer: &mut Writer) {
        writer.raw("(");
        let from = self.values[FROM].as_deref().map(address::parse).unwrap_or_default();
        for (n, value) in self.values.iter().enumerate() {
            if n > 0 {
                writer.raw(" ");
            }
            let value = value.as_deref();
            if !ADDRESSES.contains(&n) {
                writer.nstring(value);
                continue;
            }
            let list = match value {
                _ if n == FROM => Addresses::default(),
                Some(value) => address::parse(value),
                None => Addresses::default(),
            };
            let defaults_to_from = matches!(n, 3 | 4) && list.entries.is_empty();
            write_list(if n == FROM || defaults_to_from { &from } else { &list }, writer);
        }
        writer.raw(")");
    }
}

fn write_list(list: &Addresses, writer: &mut Writer) {
    if list.entries.is_empty() || writer.is_full() {
        return writer.nil();
    }
    writer.raw("(");
    let mut in_group = false;
    for entry in &list.entries {
        // A group that was opened is closed, so that what is left out does not join it.
        if writer.is_full() && !(in_group && *entry == Entry::GroupEnd) {
            continue;
        }
        match entry {
            Entry::GroupStart(name) => {
                in_group = true;
                writer.raw("(NIL NIL ");
                writer.string(name);
                writer.raw(" NIL)");
            }
            Entry::GroupEnd => {
                in_group = false;
                writer.raw("(NIL NIL NIL NIL)");
            }
            Entry::Mailbox(mailbox) => write_mailbox(mailbox, writer),
        }
    }
    writer.raw(")");
}

fn write_mailbox(mailbox: &Mailbox, writer: &mut Writer) {
    writer.raw("(");
    writer.nstring(mailbox.name.as_deref().or(mailbox.comment.as_deref()));
    writer.raw(" ");
    writer.nstring(mailbox.route.as_deref());
    writer.raw(" ");
    writer.string(&mailbox.local);
    writer.raw(" ");
    writer.string(mailbox.domain.as_deref().unwrap_or_default());
    writer.raw(")");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(header: &str) -> String {
        let mut writer = Writer::default();
        Envelope::of(header.as_bytes()).write(&mut writer);
        String::from_utf8_lossy(&writer.out).into_owned()
    }

    #[test]
    fn cases() {
        let a = r#"((NIL NIL "a" "b"))"#;
        for (header, expected) in [
            ("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)".to_owned()),
            ("From: a@b\r\n", format!("(NIL NIL {a} {a} {a} NIL NIL NIL NIL NIL)")),
            (
                "Date: x\r\nSubject: =?utf-8?q?a?=\r\n b\r\nTo: a@b\r\nTo: N <c@d>\r\nMessage-ID: <i@j>\r\nIn-Reply-To:\r\n",
                "(\"x\" \"=?utf-8?q?a?= b\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(\"N\" NIL \"c\" \"d\")) NIL NIL \"\" \"<i@j>\")"
                    .to_owned(),
            ),
            (
                "To: g: a@b, x;\r\n",
                format!("(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL){}(NIL NIL \"x\" \"\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)",
                    &a[1..a.len() - 1]),
            ),
            ("Reply-To: ,\r\nFrom: a@b\r\n", format!("(NIL NIL {a} {a} {a} NIL NIL NIL NIL NIL)")),
            ("From: a@b (N \"q\")\r\n", {
                let n = "(({5}\r\nN \"q\" NIL \"a\" \"b\"))";
                format!("(NIL NIL {n} {n} {n} NIL NIL NIL NIL NIL)")
            }),
        ] {
            assert_eq!(envelope(header), expected, "{header:?}");
        }
    }
}
