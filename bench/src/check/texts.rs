//! The texts of a message in which a search key must find its needle, and those in which it may.
//!
//! *Must* texts are decoded and lower-cased, line by line as they are; *may* texts are also folded: compatibility
//! decomposition, upper then lower case, every run of white space one space. Taken apart by `mail-parser`. Where readings of
//! the RFCs differ (HTML, format=flowed, names of parts), *may* has each of them.

use mail_parser::decoders::html::html_to_text;
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders, PartType};
use unicode_normalization::UnicodeNormalization;

use super::facts::{header_end, name_and_value, split_fields};

/// One place in which needles are looked for.
#[derive(Debug, Default)]
pub struct Place {
    /// A needle that stands in all of these must be found; if there are none, nothing must.
    pub must: Vec<String>,
    /// A needle that stands in one of these may be found.
    pub may: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Texts {
    /// For BODY and TEXT.
    pub body: Vec<Place>,
    /// Fields of the message itself: lower-case name and place. For HEADER, SUBJECT, FROM, TO, CC, BCC, and TEXT.
    pub fields: Vec<(String, Place)>,
    /// For TEXT only: fields as they stand, and those of parts.
    pub more: Vec<Place>,
    /// Something does not decode: any text key may match.
    pub unsure: bool,
}

impl Texts {
    pub fn of(bytes: &[u8]) -> Texts {
        let mut texts = Texts::default();
        fields(bytes, &mut texts);
        match MessageParser::default().parse(bytes) {
            Some(message) => body(&message, &mut texts, 0),
            None => texts.unsure = true,
        }
        texts
    }
}

fn fields(bytes: &[u8], texts: &mut Texts) {
    for field in split_fields(&bytes[..header_end(bytes)]) {
        let Some((name, value)) = name_and_value(field) else { continue };
        let name = String::from_utf8_lossy(name).to_lowercase();
        let raw = unfolded(value);
        let decoded = decode(value);
        texts.unsure |= decoded.contains('\u{fffd}');
        let mut place = Place { must: vec![lower(&decoded)], may: vec![fold(&decoded)] };
        if raw != decoded {
            place.may.push(fold(&raw));
        }
        if matches!(name.as_str(), "from" | "to" | "cc" | "bcc") {
            let written = addresses(value);
            place.must.push(lower(&written));
            place.may.push(fold(&written));
        }
        let named = format!("{name}: {}", raw.trim_start());
        let named_decoded = format!("{name}: {}", decoded.trim_start());
        texts.more.push(Place { must: Vec::new(), may: vec![fold(&named), fold(&named_decoded)] });
        texts.fields.push((name, place));
    }
}

fn body(message: &Message<'_>, texts: &mut Texts, depth: usize) {
    for (n, part) in message.parts.iter().enumerate() {
        if n > 0 || depth > 0 {
            let header = message
                .raw_message
                .get(part.offset_header as usize..part.offset_body as usize)
                .unwrap_or_default();
            for field in split_fields(header) {
                let decoded = name_and_value(field).map_or_else(String::new, |(name, value)| {
                    format!("{}: {}", String::from_utf8_lossy(name), decode(value).trim_start())
                });
                let raw = unfolded(field);
                texts.more.push(Place { must: Vec::new(), may: vec![fold(&raw), fold(&decoded)] });
            }
        }
        // Names of parts in the forms of RFC 2231, decoded.
        for parameters in [part.content_disposition(), part.content_type()].into_iter().flatten() {
            let values = parameters.attributes().unwrap_or_default();
            let may =
                values.iter().map(|attribute| fold(&format!("{}=\"{}\"", attribute.name, attribute.value)));
            texts.more.push(Place { must: Vec::new(), may: may.collect() });
        }
        texts.unsure |= part.is_encoding_problem;
        match &part.body {
            PartType::Text(text) => {
                texts.unsure |= text.contains('\u{fffd}');
                let mut may = vec![fold(text)];
                if text.contains("\n>") || text.contains(" \r\n") {
                    // format=flowed (RFC 3676): joined lines, without the quote marks of all but the first.
                    may.push(fold(&joined(text, " ")));
                    may.push(fold(&joined(text, "")));
                }
                texts.body.push(Place { must: vec![lower(text)], may });
            }
            PartType::Html(source) => {
                texts.unsure |= source.contains('\u{fffd}');
                let may = vec![
                    fold(source),
                    fold(&html_to_text(source)),
                    fold(&html_to_text(&untagged(source, ""))),
                    fold(&html_to_text(&untagged(source, " "))),
                ];
                let seen = visible(source);
                texts.body.push(Place { must: vec![lower(&seen), lower(&html_to_text(&seen))], may });
            }
            PartType::Message(inner) => body(inner, texts, depth + 1),
            PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => {}
        }
    }
}

fn unfolded(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace("\r\n", "").trim().to_owned()
}

/// A field's value with its encoded-words decoded.
pub fn decode(value: &[u8]) -> String {
    let plain = unfolded(value);
    if !plain.contains("=?") {
        return plain;
    }
    let line = [value, b"\r\n"].concat();
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => plain,
    }
}

/// Addresses as `Name <local@domain>`, joined by `, `.
fn addresses(value: &[u8]) -> String {
    let line = [value, b"\r\n"].concat();
    let HeaderValue::Address(address) = MessageStream::new(&line).parse_address() else {
        return String::new();
    };
    let all = match address {
        Address::List(list) => list,
        Address::Group(groups) => groups.into_iter().flat_map(|group| group.addresses).collect(),
    };
    let written: Vec<String> = all
        .iter()
        .map(|a| match (&a.name, &a.address) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (name, address) => {
                name.as_ref().or(address.as_ref()).map_or_else(String::new, |text| text.to_string())
            }
        })
        .collect();
    written.join(", ")
}

/// Lines without quote marks, one after the other.
fn joined(text: &str, by: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(|line| line.trim_start_matches('>').trim_start_matches(' ').trim_end()).collect();
    lines.join(by)
}

/// HTML without what no browser shows as text: comments, scripts, styles, the title.
fn visible(source: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let name: String = rest[1..].chars().take(7).flat_map(char::to_lowercase).collect();
        let hidden = ["!--", "script", "style", "title"].into_iter().find(|hidden| name.starts_with(hidden));
        let Some(hidden) = hidden else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        let end = if hidden == "!--" { "-->".to_owned() } else { format!("</{hidden}") };
        // Positions in the lower-cased ASCII are those of the source.
        rest = match rest.to_ascii_lowercase().find(&end) {
            Some(at) => &rest[at + end.len()..],
            None => "",
        };
    }
    out.push_str(rest);
    out
}

/// HTML without its tags, each replaced by `by`; entities stay.
fn untagged(source: &str, by: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        out.push_str(by);
        rest = rest[open..].find('>').map_or("", |close| &rest[open + close + 1..]);
    }
    out.push_str(rest);
    out
}

/// Letter by letter, so that the length of a word's context does not matter.
pub fn lower(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    let mut push = |letter: char| {
        if letter.is_whitespace() {
            if !space {
                out.push(' ');
            }
            space = true;
        } else {
            space = false;
            out.push(letter);
        }
    };
    if text.is_ascii() {
        text.chars().for_each(|letter| push(letter.to_ascii_lowercase()));
    } else {
        text.nfkd()
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase)
            .collect::<String>()
            .nfkd()
            .for_each(push);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_a_message() {
        let bytes = "From: =?utf-8?q?J=C3=B6rg?= <j@x.example>\r\nSubject: a\r\n b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
                     <p>Gr\u{fc}n &amp; <b>ro</b>t</p>\r\n";
        let texts = Texts::of(bytes.as_bytes());
        assert!(!texts.unsure);
        let (name, from) = &texts.fields[0];
        assert_eq!(name, "from");
        assert!(from.must.iter().all(|text| text.contains("jörg <j@x.example>")), "{from:?}");
        assert_eq!(texts.fields[1].1.must, ["a b"]);
        let html = &texts.body[0];
        assert!(html.must.iter().all(|text| text.contains("grün")));
        assert!(
            !html.must.iter().all(|text| text.contains("rot")),
            "tags stand between the letters of the source"
        );
        assert!(html.may.iter().any(|text| text.contains("rot")));
        assert!(html.may.iter().any(|text| text.contains("& rot")), "{:?}", html.may);
        let seen = visible("a<!-- b --><STYLE x>c</style> d<script>e</script><b>f</b><!-- g");
        assert!(
            ["b", "c", "e", "g"]
                .iter()
                .all(|hidden| !seen.replace("<b>", "").replace("</b>", "").contains(hidden))
        );
        assert!(seen.contains("f") && seen.contains(" d") && seen.starts_with('a'));
        assert_eq!(joined("> one \r\n> two", " "), "one two");
    }

    #[test]
    fn names_of_attachments_may_match() {
        let bytes = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\
            Content-Disposition: attachment;\r\n filename*0*=utf-8''gr%C3%BC;\r\n filename*1*=n.png\r\n\r\nx\r\n--b--\r\n";
        let texts = Texts::of(bytes);
        let needle = fold("gr\u{fc}n.png");
        assert!(
            texts.more.iter().any(|place| place.may.iter().any(|text| text.contains(&needle))),
            "{texts:?}"
        );
    }

    #[test]
    fn folding_is_wider_than_lower_case() {
        assert_eq!(fold("Caf\u{e9}\r\n \tX"), "cafe\u{301} x");
        assert_eq!(fold("\u{fb01}n \u{212b}"), "fin a\u{30a}");
        assert_eq!(lower("GR\u{dc}N"), "grün");
    }
}
