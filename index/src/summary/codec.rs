//! The byte form of a summary, version 2.
//!
//! All numbers are LEB128 varints (`n`); a byte string is its length and its octets.
//!
//! | field | form |
//! |---|---|
//! | version | `n` = 2 |
//! | size, header length | `n`, `n` |
//! | ENVELOPE, BODY, BODYSTRUCTURE | byte strings |
//! | listed fields | `n`: 0 if they are not kept, else their octets and 1 more; then the octets |
//! | flags | one octet: 1 a sent date follows, 2 a message id follows, 4 is a reply |
//! | sent date | if flagged: zigzag `n` seconds, zigzag `n` zone minutes |
//! | message id | if flagged: byte string |
//! | In-Reply-To, References | each `n` and so many byte strings |
//! | base subject | byte string, UTF-8 |
//! | parts | `n`, then each: path (`n` and so many `n`), MIME range, body range (start `n`, length `n`), one octet encoding |
//! | | (low 4 bits), 0x10 if header range and text range of an embedded message follow, 0x20 for text/* |
//!
//! What listing a mailbox needs stands in front, so that [`SummaryView`] reads nothing else.
//!
//! Nothing follows the last part. A change of this layout, or of what [`Summary::build`] puts into it, is a new version.

use std::ops::Range;

use trawl_store::types::ZonedTime;

use super::{DecodeError, NestedMessage, PartEntry, Summary, SummaryKeys, SummaryView, VERSION};
use crate::mime::Encoding;

const HAS_SENT: u8 = 1;
const HAS_MESSAGE_ID: u8 = 2;
const IS_REPLY: u8 = 4;
const EMBEDDED: u8 = 0x10;
const TEXT: u8 = 0x20;

pub(super) fn encode(summary: &Summary) -> Vec<u8> {
    let size = summary.envelope.len()
        + summary.body.len()
        + summary.body_structure.len()
        + summary.listed.as_ref().map_or(0, Vec::len);
    let mut w = Vec::with_capacity(size + 128 + summary.parts.len() * 24);
    number(&mut w, u64::from(VERSION));
    number(&mut w, u64::from(summary.size));
    number(&mut w, u64::from(summary.header_len));
    bytes(&mut w, &summary.envelope);
    bytes(&mut w, &summary.body);
    bytes(&mut w, &summary.body_structure);
    match &summary.listed {
        None => number(&mut w, 0),
        Some(listed) => {
            number(&mut w, listed.len() as u64 + 1);
            w.extend_from_slice(listed);
        }
    }
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    w.push(
        flag(summary.sent.is_some(), HAS_SENT)
            | flag(summary.message_id.is_some(), HAS_MESSAGE_ID)
            | flag(summary.is_reply, IS_REPLY),
    );
    if let Some(sent) = summary.sent {
        number(&mut w, zigzag(sent.seconds));
        number(&mut w, zigzag(i64::from(sent.zone_minutes)));
    }
    if let Some(id) = &summary.message_id {
        bytes(&mut w, id);
    }
    for list in [&summary.in_reply_to, &summary.references] {
        number(&mut w, list.len() as u64);
        list.iter().for_each(|id| bytes(&mut w, id));
    }
    bytes(&mut w, summary.base_subject.as_bytes());
    number(&mut w, summary.parts.len() as u64);
    for part in &summary.parts {
        number(&mut w, part.path.len() as u64);
        part.path.iter().for_each(|&n| number(&mut w, u64::from(n)));
        range(&mut w, &part.mime);
        range(&mut w, &part.body);
        w.push(part.encoding as u8 | flag(part.message.is_some(), EMBEDDED) | flag(part.text, TEXT));
        if let Some(message) = &part.message {
            range(&mut w, &message.header);
            range(&mut w, &message.text);
        }
    }
    w
}

fn number(w: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        w.push(n as u8 | 0x80);
        n >>= 7;
    }
    w.push(n as u8);
}

fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63) as u64
}

fn bytes(w: &mut Vec<u8>, text: &[u8]) {
    number(w, text.len() as u64);
    w.extend_from_slice(text);
}

fn range(w: &mut Vec<u8>, range: &Range<u32>) {
    number(w, u64::from(range.start));
    number(w, u64::from(range.end.saturating_sub(range.start)));
}

pub(super) fn decode(encoded: &[u8]) -> Result<Summary, DecodeError> {
    let mut r = Reader { rest: encoded };
    r.version()?;
    let SummaryView { size, header_len, envelope, body, body_structure, listed } = r.view()?;
    let keys = r.keys(envelope)?;
    let own = |ids: Vec<&[u8]>| ids.into_iter().map(<[u8]>::to_vec).collect();
    let mut summary = Summary {
        size,
        header_len,
        sent: keys.sent,
        message_id: keys.message_id.map(<[u8]>::to_vec),
        in_reply_to: own(keys.in_reply_to),
        references: own(keys.references),
        base_subject: keys.base_subject.to_owned(),
        is_reply: keys.is_reply,
        envelope: envelope.to_vec(),
        body: body.to_vec(),
        body_structure: body_structure.to_vec(),
        listed: listed.map(<[u8]>::to_vec),
        parts: Vec::new(),
    };
    for _ in 0..r.number()? {
        let mut path = Vec::new();
        for _ in 0..r.number()? {
            path.push(r.u32()?);
        }
        let (mime, body) = (r.range()?, r.range()?);
        let tail = r.octet()?;
        let message = if tail & EMBEDDED != 0 {
            Some(NestedMessage { header: r.range()?, text: r.range()? })
        } else {
            None
        };
        let encoding = encoding(tail & !(EMBEDDED | TEXT)).ok_or(DecodeError::Damaged)?;
        summary.parts.push(PartEntry { path, mime, body, encoding, text: tail & TEXT != 0, message });
    }
    if r.rest.is_empty() { Ok(summary) } else { Err(DecodeError::Damaged) }
}

fn encoding(octet: u8) -> Option<Encoding> {
    const ALL: [Encoding; 5] = [
        Encoding::Identity,
        Encoding::Base64,
        Encoding::QuotedPrintable,
        Encoding::Uuencode,
        Encoding::Unknown,
    ];
    ALL.into_iter().find(|encoding| *encoding as u8 == octet)
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// The front of an encoded summary.
pub(super) fn view(encoded: &[u8]) -> Result<SummaryView<'_>, DecodeError> {
    let mut r = Reader { rest: encoded };
    r.version()?;
    r.view()
}

/// What stands behind the front, and the envelope.
pub(super) fn keys(encoded: &[u8]) -> Result<SummaryKeys<'_>, DecodeError> {
    let mut r = Reader { rest: encoded };
    r.version()?;
    let SummaryView { envelope, .. } = r.view()?;
    r.keys(envelope)
}

impl<'a> Reader<'a> {
    fn keys(&mut self, envelope: &'a [u8]) -> Result<SummaryKeys<'a>, DecodeError> {
        let flags = self.octet()?;
        let mut keys = SummaryKeys { envelope, is_reply: flags & IS_REPLY != 0, ..SummaryKeys::default() };
        if flags & HAS_SENT != 0 {
            let (seconds, zone) = (self.signed()?, self.signed()?);
            let zone_minutes = i16::try_from(zone).map_err(|_| DecodeError::Damaged)?;
            keys.sent = Some(ZonedTime { seconds, zone_minutes });
        }
        if flags & HAS_MESSAGE_ID != 0 {
            keys.message_id = Some(self.bytes()?);
        }
        for list in [&mut keys.in_reply_to, &mut keys.references] {
            // Every element takes an octet at least, so a wrong count ends at the end of the input.
            for _ in 0..self.number()? {
                list.push(self.bytes()?);
            }
        }
        keys.base_subject = std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::Damaged)?;
        Ok(keys)
    }

    fn version(&mut self) -> Result<(), DecodeError> {
        match self.number()? {
            n if n == u64::from(VERSION) => Ok(()),
            n => Err(u16::try_from(n).map_or(DecodeError::Damaged, DecodeError::Version)),
        }
    }

    fn view(&mut self) -> Result<SummaryView<'a>, DecodeError> {
        let (size, header_len) = (self.u32()?, self.u32()?);
        let (envelope, body, body_structure) = (self.bytes()?, self.bytes()?, self.bytes()?);
        let listed = match self.number()? {
            0 => None,
            more => Some(self.octets(more - 1)?),
        };
        Ok(SummaryView { size, header_len, envelope, body, body_structure, listed })
    }

    fn octet(&mut self) -> Result<u8, DecodeError> {
        let (&octet, rest) = self.rest.split_first().ok_or(DecodeError::Damaged)?;
        self.rest = rest;
        Ok(octet)
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            n |= u64::from(octet & 0x7f) << shift;
            if octet < 0x80 {
                return Ok(n);
            }
        }
        Err(DecodeError::Damaged)
    }

    fn signed(&mut self) -> Result<i64, DecodeError> {
        let n = self.number()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.number()?).map_err(|_| DecodeError::Damaged)
    }

    fn range(&mut self) -> Result<Range<u32>, DecodeError> {
        let (start, length) = (self.u32()?, self.u32()?);
        Ok(start..start.checked_add(length).ok_or(DecodeError::Damaged)?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.number()?;
        self.octets(length)
    }

    fn octets(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(length).map_err(|_| DecodeError::Damaged)?;
        let (text, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Damaged)?;
        self.rest = rest;
        Ok(text)
    }
}
