//! What SORT and THREAD compare of one message, and its byte form in a page.
//!
//! The form lives in memory only. Texts are in i;unicode-casemap (RFC 5051), so that comparing octets compares them as RFC 5256 3 asks.

use std::borrow::Cow;

use super::keys::{display, mailbox, message_id_hash};
use crate::normalise;
use crate::summary::{EnvelopeField, SummaryKeys, envelope_address};

/// Octets of one text that are kept: longer texts that begin alike are equal here, so that a mailbox full of them takes no more memory
/// than others.
const TEXT_BYTES_MAX: usize = 1024;

/// The texts that are compared, in the order in which they are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Text {
    /// The base subject (RFC 5256 2.1).
    Subject,
    /// addr-mailbox of the first address.
    From,
    To,
    Cc,
    /// The name to display of the first address (RFC 5957 3).
    DisplayFrom,
    DisplayTo,
}

pub(super) const TEXTS: usize = 6;

const HAS_SENT: u8 = 1;
const IS_REPLY: u8 = 2;
const HAS_ID: u8 = 4;

/// Octets of the fixed part: flags, sent date, hash of the message id, how many references, lengths of the texts.
const FIXED: usize = 1 + 8 + 8 + 2 + TEXTS * 2;

/// What is compared of one message, borrowed from a page.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    fixed: &'a [u8; FIXED],
    rest: &'a [u8],
}

/// Appends the form of a message.
pub(super) fn push(summary: &SummaryKeys<'_>, out: &mut Vec<u8>) {
    let address = |field| envelope_address(summary.envelope, field).unwrap_or_default();
    let [from, to, cc] = [EnvelopeField::From, EnvelopeField::To, EnvelopeField::Cc].map(address);
    let texts = [
        summary.base_subject.into(),
        mailbox(&from),
        mailbox(&to),
        mailbox(&cc),
        display(&from),
        display(&to),
    ]
    .map(|text: Cow<'_, str>| {
        let mut text = normalise(&text);
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text
    });
    // RFC 5256 3: In-Reply-To counts where there are no references, and only its first id.
    let references = match &summary.references[..] {
        [] => summary.in_reply_to.get(..1).unwrap_or_default(),
        references => references,
    };
    let references = references.get(..usize::from(u16::MAX)).unwrap_or(references);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(
        flag(summary.sent.is_some(), HAS_SENT)
            | flag(summary.is_reply, IS_REPLY)
            | flag(summary.message_id.is_some(), HAS_ID),
    );
    out.extend_from_slice(&summary.sent.map_or(0, |sent| sent.seconds).to_le_bytes());
    let id = summary.message_id.map_or(0, message_id_hash);
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&(references.len() as u16).to_le_bytes());
    texts.iter().for_each(|text| out.extend_from_slice(&(text.len() as u16).to_le_bytes()));
    references.iter().for_each(|id| out.extend_from_slice(&message_id_hash(id).to_le_bytes()));
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

impl<'a> Entry<'a> {
    /// What [`push`] wrote at the start of these octets; more may follow.
    pub(super) fn new(octets: &'a [u8]) -> Option<Entry<'a>> {
        let (fixed, rest) = octets.split_first_chunk()?;
        Some(Entry { fixed, rest })
    }

    /// How many octets it has.
    pub(super) fn len(&self) -> usize {
        FIXED + self.u16(17) * 8 + (0..TEXTS).map(|text| self.u16(19 + text * 2)).sum::<usize>()
    }

    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.fixed[at], self.fixed[at + 1]]))
    }

    fn u64(octets: &[u8]) -> u64 {
        octets.first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// The Date field, seconds since 1970 in UTC, if it holds a date.
    pub fn sent(&self) -> Option<i64> {
        (self.fixed[0] & HAS_SENT != 0).then(|| Entry::u64(&self.fixed[1..]) as i64)
    }

    /// RFC 5256 3: the subject is that of a reply or a forward.
    pub fn is_reply(&self) -> bool {
        self.fixed[0] & IS_REPLY != 0
    }

    /// A hash of the Message-ID.
    pub fn message_id(&self) -> Option<u64> {
        (self.fixed[0] & HAS_ID != 0).then(|| Entry::u64(&self.fixed[9..]))
    }

    /// Hashes of the references, from the oldest to the parent.
    pub fn references(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (hashes, _) = self.rest.get(..self.u16(17) * 8).unwrap_or_default().as_chunks::<8>();
        hashes.iter().map(|octets| u64::from_le_bytes(*octets))
    }

    /// Empty if the message has none.
    pub fn text(&self, text: Text) -> &'a [u8] {
        let len = |text: usize| self.u16(19 + text * 2);
        let start = self.u16(17) * 8 + (0..text as usize).map(len).sum::<usize>();
        self.rest.get(start..start + len(text as usize)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Summary;

    fn entry(header: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let summary = Summary::build(format!("{header}\r\n\r\nbody").as_bytes()).encode();
        push(&SummaryKeys::new(&summary).unwrap(), &mut out);
        out
    }

    fn text(octets: &[u8], text: Text) -> &str {
        std::str::from_utf8(Entry::new(octets).unwrap().text(text)).unwrap()
    }

    #[test]
    fn texts_are_those_of_the_rfcs() {
        let octets = entry(
            "From: =?utf-8?q?J=C3=BCrgen?= <Jo@x.example>, b@y\r\nTo: Friends: c@z;\r\nCc: plain@host\r\nSubject: Re: [l] Straße (fwd)",
        );
        assert_eq!(text(&octets, Text::Subject), normalise("Straße"));
        assert_eq!(text(&octets, Text::From), "JO");
        assert_eq!(text(&octets, Text::DisplayFrom), normalise("Jürgen"));
        // A group: its name is where a mailbox would be.
        assert_eq!(text(&octets, Text::To), "FRIENDS");
        assert_eq!(text(&octets, Text::DisplayTo), "FRIENDS");
        assert_eq!(text(&octets, Text::Cc), "PLAIN");
        let octets = entry("From: plain@Host");
        assert_eq!(text(&octets, Text::DisplayFrom), "PLAIN@HOST");
        assert_eq!((text(&octets, Text::Subject), text(&octets, Text::To)), ("", ""));
    }

    #[test]
    fn relations_are_those_of_rfc_5256() {
        let none = entry("Subject: x");
        let none = Entry::new(&none).unwrap();
        assert_eq!(
            (none.sent(), none.message_id(), none.is_reply(), none.references().count()),
            (None, None, false, 0)
        );
        let octets = entry(
            "Date: 1 Jan 1970 01:00:10 +0100\r\nMessage-ID: <\"a\"@b>\r\nReferences: <r1@b> <r2@b>\r\nIn-Reply-To: <i@b>\r\nSubject: Re: x",
        );
        let entry_of = Entry::new(&octets).unwrap();
        assert_eq!((entry_of.sent(), entry_of.is_reply()), (Some(10), true));
        // Quoting does not make another id.
        assert_eq!(entry_of.message_id(), Some(message_id_hash(b"a@b")));
        assert_eq!(
            entry_of.references().collect::<Vec<_>>(),
            [message_id_hash(b"r1@b"), message_id_hash(b"r2@b")]
        );
        let octets = entry("In-Reply-To: <i@b> <j@b>");
        assert_eq!(Entry::new(&octets).unwrap().references().collect::<Vec<_>>(), [message_id_hash(b"i@b")]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let octets = entry(&format!("Subject: {}", "a€".repeat(700)));
        let subject = text(&octets, Text::Subject);
        assert!((1020..=TEXT_BYTES_MAX).contains(&subject.len()) && subject.starts_with("A€A€"));
    }

    #[test]
    fn damage_gives_less_and_never_panics() {
        let octets = entry("From: a@b\r\nReferences: <r@b>\r\nSubject: subject");
        for cut in 0..octets.len() {
            let Some(entry) = Entry::new(&octets[..cut]) else { continue };
            entry.references().count();
            assert!(entry.text(Text::DisplayTo).is_empty());
        }
    }
}
