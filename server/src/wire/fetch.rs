//! FETCH and its items.

use std::num::NonZeroU64;

use super::ast::{
    CommandBody, FetchItem, Numbers, Part, Partial, PartialRange, Section, SectionText, SeenMode,
};
use super::cursor::{Cursor, Parsed, bad};
use super::numbers;
use crate::limits;

/// `fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")`
/// (RFC 9051 6.4.5); UID FETCH may have modifiers behind that.
pub fn fetch(c: &mut Cursor<'_>, by: Numbers) -> Parsed<CommandBody> {
    c.space()?;
    let set = numbers::set(c)?;
    c.space()?;
    let items = if c.peek() == Some(b'(') {
        c.list(limits::FETCH_ITEMS_MAX, item)?
    } else if let Some(items) = take_macro(c) {
        items
    } else {
        vec![item(c)?]
    };
    if items.is_empty() {
        return bad("A list of fetch items is empty");
    }
    let partial = if by == Numbers::Uid && c.take(b' ') { modifiers(c)? } else { None };
    Ok(CommandBody::Fetch { by, set, items, partial })
}

/// `"(" modifier-partial ")"` (RFC 9394 3.3; RFC 4466 2.4)
fn modifiers(c: &mut Cursor<'_>) -> Parsed<Option<PartialRange>> {
    let mut partial = None;
    c.list(1, |c| {
        if c.keyword()? != "PARTIAL" {
            return bad("There is no such modifier of UID FETCH");
        }
        c.space()?;
        partial = Some(numbers::partial(c)?);
        Ok(())
    })?;
    if partial.is_none() { bad("A list of modifiers is empty") } else { Ok(partial) }
}

fn take_macro(c: &mut Cursor<'_>) -> Option<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    if c.take_word("ALL") {
        Some(vec![Flags, InternalDate, Rfc822Size, Envelope])
    } else if c.take_word("FAST") {
        Some(vec![Flags, InternalDate, Rfc822Size])
    } else if c.take_word("FULL") {
        Some(vec![Flags, InternalDate, Rfc822Size, Envelope, Body])
    } else {
        None
    }
}

/// ```text
/// fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "SAVEDATE" / "EMAILID" / "THREADID" / "RFC822.SIZE" /
///             "BODY" ["STRUCTURE"] / "UID" /
///             "BODY" [".PEEK"] section ["<" number64 "." nz-number64 ">"] /
///             "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary /
///             "RFC822" [".HEADER" / ".TEXT"]                                        ; RFC 3501 only
/// ```
fn item(c: &mut Cursor<'_>) -> Parsed<FetchItem> {
    // The name is an atom up to `[`, which is an ATOM-CHAR.
    let name = c.run(|b| b.is_ascii_alphanumeric() || b == b'.').to_ascii_uppercase();
    let section_follows = c.peek() == Some(b'[');
    let item = match (&name[..], section_follows) {
        (b"UID", false) => FetchItem::Uid,
        (b"FLAGS", false) => FetchItem::Flags,
        (b"INTERNALDATE", false) => FetchItem::InternalDate,
        (b"SAVEDATE", false) => FetchItem::SaveDate,
        (b"EMAILID", false) => FetchItem::EmailId,
        (b"THREADID", false) => FetchItem::ThreadId,
        (b"RFC822.SIZE", false) => FetchItem::Rfc822Size,
        (b"ENVELOPE", false) => FetchItem::Envelope,
        (b"BODY", false) => FetchItem::Body,
        (b"BODYSTRUCTURE", false) => FetchItem::BodyStructure,
        (b"RFC822", false) => FetchItem::Rfc822,
        (b"RFC822.HEADER", false) => FetchItem::Rfc822Header,
        (b"RFC822.TEXT", false) => FetchItem::Rfc822Text,
        (b"BODY", true) => {
            FetchItem::Section { mode: SeenMode::Sets, section: section(c)?, partial: partial(c)? }
        }
        (b"BODY.PEEK", true) => {
            FetchItem::Section { mode: SeenMode::Peeks, section: section(c)?, partial: partial(c)? }
        }
        (b"BINARY", true) => {
            FetchItem::Binary { mode: SeenMode::Sets, part: section_binary(c)?, partial: partial(c)? }
        }
        (b"BINARY.PEEK", true) => {
            FetchItem::Binary { mode: SeenMode::Peeks, part: section_binary(c)?, partial: partial(c)? }
        }
        (b"BINARY.SIZE", true) => FetchItem::BinarySize { part: section_binary(c)? },
        _ => return bad("There is no such fetch item"),
    };
    Ok(item)
}

/// `section-part = nz-number *("." nz-number)`; stops before a dot that is not followed by a digit.
fn part(c: &mut Cursor<'_>) -> Parsed<Part> {
    let mut numbers = Vec::new();
    if !c.peek().is_some_and(|b| b.is_ascii_digit()) {
        return Ok(Part(numbers));
    }
    loop {
        if numbers.len() == limits::PART_DEPTH_MAX {
            return bad("A part number is too deep");
        }
        numbers.push(c.nz_number()?);
        let more = matches!(c.rest(), [b'.', digit, ..] if digit.is_ascii_digit());
        if !more {
            return Ok(Part(numbers));
        }
        c.take(b'.');
    }
}

/// `section-binary = "[" [section-part] "]"` (RFC 3516 5)
fn section_binary(c: &mut Cursor<'_>) -> Parsed<Part> {
    const REASON: &str = "A section is malformed";
    c.expect(b'[', REASON)?;
    let part = part(c)?;
    c.expect(b']', REASON)?;
    Ok(part)
}

/// ```text
/// section      = "[" [section-spec] "]"
/// section-spec = section-msgtext / (section-part ["." section-text])
/// section-text = section-msgtext / "MIME"
/// section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
/// header-list  = "(" astring *(SP astring) ")"
/// ```
fn section(c: &mut Cursor<'_>) -> Parsed<Section> {
    const REASON: &str = "A section is malformed";
    c.expect(b'[', REASON)?;
    let part = part(c)?;
    if c.take(b']') {
        return Ok(Section { part, text: SectionText::Whole });
    }
    if !part.0.is_empty() {
        c.expect(b'.', REASON)?;
    }
    let name = c.run(|b| b.is_ascii_alphabetic() || b == b'.').to_ascii_uppercase();
    let text = match &name[..] {
        b"HEADER" => SectionText::Header,
        b"TEXT" => SectionText::Text,
        b"MIME" if !part.0.is_empty() => SectionText::Mime,
        b"HEADER.FIELDS" => SectionText::HeaderFields(header_list(c)?),
        b"HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(header_list(c)?),
        _ => return bad("There is no such section"),
    };
    c.expect(b']', REASON)?;
    Ok(Section { part, text })
}

fn header_list(c: &mut Cursor<'_>) -> Parsed<Vec<Vec<u8>>> {
    c.space()?;
    let names = c.list(limits::HEADER_FIELDS_MAX, |c| {
        let name = c.astring()?;
        // The name is repeated in the answer inside the brackets; nothing but a field name can be asked for anyway.
        let good = !name.is_empty() && name.iter().all(|&b| matches!(b, b'!'..=b'~') && b != b':');
        if good { Ok(name) } else { bad("A header field's name is malformed") }
    })?;
    if names.is_empty() { bad("A list of header fields is empty") } else { Ok(names) }
}

/// `partial = "<" number64 "." nz-number64 ">"` (RFC 9051 9)
fn partial(c: &mut Cursor<'_>) -> Parsed<Option<Partial>> {
    const REASON: &str = "A partial range is written <start.length>";
    if !c.take(b'<') {
        return Ok(None);
    }
    let start = c.number64()?;
    c.expect(b'.', REASON)?;
    let length = c.number64()?;
    c.expect(b'>', REASON)?;
    match NonZeroU64::new(length) {
        Some(length) => Ok(Some(Partial { start, length })),
        None => bad("The length of a partial range must not be zero"),
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::tests::{bad, good};

    #[test]
    fn cases() {
        good(&[
            ("FETCH 1 flags", "FETCH 1 (FLAGS)"),
            ("FETCH 1:* ALL", "FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
            ("FETCH 1 fast", "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)"),
            ("FETCH 1 FULL", "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)"),
            ("UID FETCH $ (UID BODYSTRUCTURE BODY)", "UID FETCH $ (UID BODYSTRUCTURE BODY)"),
            ("FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)", "FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)"),
            ("FETCH 1 body[]", "FETCH 1 (BODY[])"),
            ("FETCH 1 BODY.PEEK[]<0.100>", "FETCH 1 (BODY.PEEK[]<0.100>)"),
            ("FETCH 1 BODY[1.2.3]", "FETCH 1 (BODY[1.2.3])"),
            ("FETCH 1 BODY[1.mime]", "FETCH 1 (BODY[1.MIME])"),
            ("FETCH 1 BODY[2.1.header.fields.not (a \"b\")]", "FETCH 1 (BODY[2.1.HEADER.FIELDS.NOT (a b)])"),
            (
                "FETCH 1 BODY.PEEK[HEADER.FIELDS (From {2}\r\nTo)]",
                "FETCH 1 (BODY.PEEK[HEADER.FIELDS (From To)])",
            ),
            (
                "FETCH 1 (BODY[HEADER] BODY[TEXT]<5.9223372036854775807>)",
                "FETCH 1 (BODY[HEADER] BODY[TEXT]<5.9223372036854775807>)",
            ),
            (
                "FETCH 1 (BINARY[1]<0.1> BINARY.PEEK[] BINARY.SIZE[1.2])",
                "FETCH 1 (BINARY[1]<0.1> BINARY.PEEK[] BINARY.SIZE[1.2])",
            ),
        ]);
        bad(&[
            "FETCH",
            "FETCH 1",
            "FETCH 1 ()",
            "FETCH 1 (ALL)",
            "FETCH 1,$ FLAGS",
            "FETCH 0 FLAGS",
            "FETCH 1 FOO",
            "FETCH 1 (FLAGS",
            "FETCH 1 FLAGS UID",
            "FETCH 1 FLAGS)",
            "FETCH 1 BODY[",
            "FETCH 1 BODY[MIME]",
            "FETCH 1 BODY[0]",
            "FETCH 1 BODY[1.]",
            "FETCH 1 BODY[1.0]",
            "FETCH 1 BODY[HEADER.FIELDS]",
            "FETCH 1 BODY[HEADER.FIELDS ()]",
            "FETCH 1 BODY[HEADER.FIELDS (\"a b\")]",
            "FETCH 1 BODY[HEADER.FIELDS (a:)]",
            "FETCH 1 BODY[]<0>",
            "FETCH 1 BODY[]<0.0>",
            "FETCH 1 BODY[]<0.1",
            "FETCH 1 BODY[]<-1.1>",
            "FETCH 1 BODYSTRUCTURE[]",
            "FETCH 1 RFC822[]",
            "FETCH 1 BINARY",
            "FETCH 1 BINARY[HEADER]",
            "FETCH 1 BINARY.SIZE[1]<0.1>",
            "FETCH 1 BODY.PEEK",
        ]);
        let deep = format!("FETCH 1 BODY[{}]", vec!["1"; crate::limits::PART_DEPTH_MAX + 1].join("."));
        bad(&[&deep]);
    }
}
