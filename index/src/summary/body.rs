//! BODY and BODYSTRUCTURE (RFC 3501 7.4.2, RFC 9051 7.5.2) and the part table, from the part tree.
//!
//! Both are always valid: a multipart has parts (the parser sees to that), a message/rfc822 has an envelope, and what is
//! not known is NIL. An embedded message that is transfer-encoded against RFC 2046 5.2.1 shows an empty envelope.

use std::ops::Range;

use memchr::memchr_iter;

use super::envelope::Envelope;
use super::imap::Writer;
use super::{NestedMessage, PartEntry};
use crate::mime::header::{Field, fields};
use crate::mime::{Encoding, Kind, Part, Structure, params};

/// Writes BODYSTRUCTURE, or BODY if `extended` is false, of the part at `index`.
pub(super) fn write(
    message: &[u8],
    structure: &Structure,
    index: usize,
    extended: bool,
    writer: &mut Writer,
) {
    let Some(part) = structure.parts.get(index) else { return };
    let described = Described::of(message, part);
    writer.raw("(");
    if let Kind::Multipart(children) = &part.kind {
        for &child in children {
            write(message, structure, child, extended, writer);
        }
        writer.raw(" ");
        writer.string(part.media.1.to_ascii_uppercase().as_bytes());
        if extended {
            writer.raw(" ");
            parameters(&part.parameters, writer);
            described.extension(part, writer);
        }
        writer.raw(")");
        return;
    }
    writer.string(part.media.0.to_ascii_uppercase().as_bytes());
    writer.raw(" ");
    writer.string(part.media.1.to_ascii_uppercase().as_bytes());
    writer.raw(" ");
    parameters(&part.parameters, writer);
    writer.raw(" ");
    writer.nstring(described.id.as_deref());
    writer.raw(" ");
    writer.nstring(described.description.as_deref());
    writer.raw(" ");
    writer.string(&described.encoding(part));
    writer.raw(" ");
    writer.number(part.body.len());
    let lines = || memchr_iter(b'\n', &message[part.body.clone()]).count();
    if part.is("message", "rfc822") || part.is("message", "global") {
        writer.raw(" ");
        match part.kind {
            Kind::Message(child) => {
                let header = structure.parts.get(child).map_or(0..0, |part| part.header.clone());
                Envelope::of(&message[header]).write(writer);
                writer.raw(" ");
                write(message, structure, child, extended, writer);
            }
            _ => {
                Envelope::of(b"").write(writer);
                writer.raw(" (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
            }
        }
        writer.raw(" ");
        writer.number(lines());
    } else if part.media.0 == "text" {
        writer.raw(" ");
        writer.number(lines());
    }
    if extended {
        writer.raw(" ");
        writer.nstring(described.md5.as_deref());
        described.extension(part, writer);
    }
    writer.raw(")");
}

/// The fields of a part's header that structures show.
#[derive(Default)]
struct Described {
    id: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    encoding: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
    languages: Vec<Vec<u8>>,
    location: Option<Vec<u8>>,
}

impl Described {
    fn of(message: &[u8], part: &Part) -> Described {
        let mut out = Described::default();
        let value = |field: &Field<'_>| Some(field.unfolded().into_owned());
        for field in fields(&message[part.header.clone()]) {
            if !field.name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-")) {
                continue;
            }
            match field.name[8..].to_ascii_lowercase().as_slice() {
                b"id" if out.id.is_none() => out.id = value(&field),
                b"description" if out.description.is_none() => out.description = value(&field),
                b"transfer-encoding" if out.encoding.is_none() => {
                    out.encoding = Some(params::split(&field.unfolded()).0);
                }
                b"md5" if out.md5.is_none() => out.md5 = value(&field),
                b"location" if out.location.is_none() => out.location = value(&field),
                b"language" if out.languages.is_empty() => {
                    let (list, _) = params::split(&field.unfolded());
                    out.languages = list
                        .split(|&b| b == b',')
                        .filter(|tag| !tag.is_empty())
                        .map(<[u8]>::to_vec)
                        .collect();
                }
                _ => {}
            }
        }
        out
    }

    /// The encoding as written, in upper case; 7BIT where none or nonsense is written.
    fn encoding(&self, part: &Part) -> Vec<u8> {
        let written = self.encoding.as_deref().unwrap_or_default();
        let token = !written.is_empty() && written.iter().all(|b| b.is_ascii_graphic());
        match part.kind {
            // What is taken apart is not encoded, whatever its header says (RFC 2045 6.4).
            Kind::Message(_) if !matches!(part.encoding, Encoding::Identity) => b"7BIT".to_vec(),
            _ if token => written.to_ascii_uppercase(),
            _ => b"7BIT".to_vec(),
        }
    }

    /// Disposition, language and location, with the blank in front.
    fn extension(&self, part: &Part, writer: &mut Writer) {
        writer.raw(" ");
        match &part.disposition {
            Some((token, list)) if !writer.is_full() => {
                writer.raw("(");
                writer.string(&token.to_ascii_uppercase());
                writer.raw(" ");
                parameters(list, writer);
                writer.raw(")");
            }
            _ => writer.nil(),
        }
        writer.raw(" ");
        match self.languages.as_slice() {
            [] => writer.nil(),
            _ if writer.is_full() => writer.nil(),
            [one] => writer.string(one),
            several => {
                writer.raw("(");
                for (n, tag) in several.iter().enumerate() {
                    if n > 0 {
                        writer.raw(" ");
                    }
                    writer.string(tag);
                }
                writer.raw(")");
            }
        }
        writer.raw(" ");
        writer.nstring(self.location.as_deref());
    }
}

/// body-fld-param: names in upper case, values as UTF-8 after RFC 2231 (a literal where not ASCII).
fn parameters(list: &[params::Parameter], writer: &mut Writer) {
    if list.is_empty() || writer.is_full() {
        return writer.nil();
    }
    writer.raw("(");
    for (n, parameter) in list.iter().enumerate() {
        if n > 0 {
            if writer.is_full() {
                break;
            }
            writer.raw(" ");
        }
        writer.string(parameter.name.to_ascii_uppercase().as_bytes());
        writer.raw(" ");
        writer.string(parameter.text.as_bytes());
    }
    writer.raw(")");
}

/// Every part that a section number can name, in order (RFC 3501 6.4.5): a message that is no multipart has one part, 1.
pub(super) fn table(structure: &Structure) -> Vec<PartEntry> {
    let mut out = Vec::new();
    if structure.parts.is_empty() {
        return out;
    }
    message_parts(structure, 0, &mut Vec::new(), &mut out);
    out
}

/// The parts of the message whose root part is `index`, below `path`.
fn message_parts(structure: &Structure, index: usize, path: &mut Vec<u32>, out: &mut Vec<PartEntry>) {
    match structure.parts.get(index).map(|part| &part.kind) {
        Some(Kind::Multipart(children)) => {
            for (n, &child) in (1u32..).zip(children) {
                path.push(n);
                entry(structure, child, path, out);
                path.pop();
            }
        }
        _ => {
            path.push(1);
            entry(structure, index, path, out);
            path.pop();
        }
    }
}

fn entry(structure: &Structure, index: usize, path: &mut Vec<u32>, out: &mut Vec<PartEntry>) {
    let Some(part) = structure.parts.get(index) else { return };
    let child = match part.kind {
        Kind::Message(child) => structure.parts.get(child).map(|inner| (child, inner)),
        Kind::Leaf | Kind::Multipart(_) => None,
    };
    let end = range(&(part.body.end..part.body.end));
    out.push(PartEntry {
        path: path.clone(),
        mime: range(&part.header),
        body: range(&part.body),
        encoding: part.encoding,
        text: part.media.0 == "text",
        message: match child {
            Some((_, inner)) => {
                Some(NestedMessage { header: range(&inner.header), text: range(&inner.body) })
            }
            None if part.is_encoded_message() => {
                Some(NestedMessage { header: end.clone(), text: end.clone() })
            }
            None => None,
        },
    });
    if part.is_encoded_message() {
        // BODYSTRUCTURE has to show a message in it and shows an empty one: what it names can be fetched.
        let mut inner = path.clone();
        inner.push(1);
        let encoding = Encoding::Identity;
        out.push(PartEntry {
            path: inner,
            mime: end.clone(),
            body: end,
            encoding,
            text: true,
            message: None,
        });
    }
    match (&part.kind, child) {
        (_, Some((child, _))) => message_parts(structure, child, path, out),
        (Kind::Multipart(_), _) => message_parts(structure, index, path, out),
        _ => {}
    }
}

fn range(range: &Range<usize>) -> Range<u32> {
    let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    clip(range.start)..clip(range.end)
}
