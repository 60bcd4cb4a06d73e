//! XML as a stream of elements and texts, with bounded memory: no tree, no entities but the predefined ones and characters by number
//! (so that nothing expands), names without their prefixes. A document of declarations of entities is a document without text.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};

use super::Failure;
use super::archive::failure;
use super::output::Stop;
use crate::limits::{DOCUMENT_XML_DEPTH_MAX, DOCUMENT_XML_EVENT_BYTES_MAX};

/// What is done with a document's elements and texts. An element without content begins and ends.
pub trait Handler {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop>;
    fn end(&mut self, name: &str) -> Result<(), Stop>;
    fn text(&mut self, text: &str) -> Result<(), Stop>;
}

/// The begin of an element.
pub struct Element<'a> {
    start: &'a BytesStart<'a>,
}

impl Element<'_> {
    /// Without prefix.
    pub fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// The value of an attribute, by its name without prefix; the first one if there are several.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.find(|attribute| attribute.key.local_name().into_inner() == name)?.value;
        Some(
            quick_xml::escape::unescape(&value)
                .map_or_else(|_| value.to_string(), |value| value.into_owned()),
        )
    }

    /// The value of an attribute by its name as it is written, prefix and all.
    pub fn get_exactly(&self, name: &str) -> Option<String> {
        self.find(|attribute| attribute.key.0 == name).map(|attribute| attribute.value.to_string())
    }

    fn find(&self, is: impl Fn(&Attribute<'_>) -> bool) -> Option<Attribute<'_>> {
        let mut attributes = self.start.attributes();
        attributes.with_checks(false).filter_map(Result::ok).find(is)
    }
}

/// Hands a document to `handler`.
pub fn walk(source: impl BufRead, handler: &mut impl Handler) -> Result<(), Stop> {
    let left = Rc::new(Cell::new(DOCUMENT_XML_EVENT_BYTES_MAX));
    let mut reader = Reader::from_reader(Utf8::new(source, Rc::clone(&left)));
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut buffer = Vec::new();
    let mut depth = 0usize;
    loop {
        buffer.clear();
        left.set(DOCUMENT_XML_EVENT_BYTES_MAX);
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(start)) => {
                depth += 1;
                if depth > DOCUMENT_XML_DEPTH_MAX {
                    return Err(Failure::TooLarge("elements inside each other").into());
                }
                handler.begin(&Element { start: &start })?;
            }
            Ok(Event::Empty(start)) => {
                let element = Element { start: &start };
                handler.begin(&element)?;
                handler.end(element.name())?;
            }
            Ok(Event::End(end)) => {
                depth = depth.saturating_sub(1);
                handler.end(end.local_name().into_inner())?;
            }
            Ok(Event::Text(text)) => handler.text(&text)?,
            Ok(Event::CData(text)) => handler.text(&text)?,
            Ok(Event::GeneralRef(reference)) => match reference.resolve_char_ref() {
                Ok(Some(character)) => handler.text(character.encode_utf8(&mut [0; 4]))?,
                Ok(None) => {
                    if let Some(text) = quick_xml::escape::resolve_predefined_entity(&reference) {
                        handler.text(text)?;
                    }
                }
                Err(_) => {}
            },
            Ok(Event::Eof) => return Ok(()),
            Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_)) => {}
            Err(quick_xml::Error::Io(error)) => return Err(failure(&error).into()),
            Err(_) => return Err(Failure::Damaged.into()),
        }
    }
}

/// Octets as UTF-8: as they are, or from UTF-16 where the document begins like it. What is malformed becomes U+FFFD.
struct Utf8<R> {
    source: R,
    decoder: Option<encoding_rs::Decoder>,
    decoded: String,
    at: usize,
    ended: bool,
    /// Octets that may be given until the reader says that it has made something of them.
    left: Rc<Cell<usize>>,
}

impl<R: BufRead> Utf8<R> {
    fn new(source: R, left: Rc<Cell<usize>>) -> Utf8<R> {
        Utf8 { source, decoder: None, decoded: String::new(), at: 0, ended: false, left }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.at >= self.decoded.len() && !self.ended {
            self.decoded.clear();
            self.at = 0;
            let octets = self.source.fill_buf()?;
            let decoder = self.decoder.get_or_insert_with(|| {
                let encoding = match octets {
                    [b'<', 0, ..] => encoding_rs::UTF_16LE,
                    [0, b'<', ..] => encoding_rs::UTF_16BE,
                    _ => {
                        encoding_rs::Encoding::for_bom(octets).map_or(encoding_rs::UTF_8, |(found, _)| found)
                    }
                };
                encoding.new_decoder_with_bom_removal()
            });
            let octets = &octets[..octets.len().min(16 << 10)];
            self.ended = octets.is_empty();
            self.decoded
                .reserve(decoder.max_utf8_buffer_length(octets.len()).unwrap_or(octets.len()).max(16));
            let (_, read, _) = decoder.decode_to_string(octets, &mut self.decoded, self.ended);
            self.source.consume(read);
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let octets = self.fill_buf()?;
        let size = octets.len().min(into.len());
        into[..size].copy_from_slice(&octets[..size]);
        self.consume(size);
        Ok(size)
    }
}

impl<R: BufRead> BufRead for Utf8<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.fill()?;
        Ok(self.decoded.as_bytes().get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, size: usize) {
        self.at += size;
        self.left.set(self.left.get().saturating_sub(size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collect(String);

    impl Handler for Collect {
        fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
            self.0 += &format!("<{} {:?}>", element.name(), element.get("a"));
            Ok(())
        }
        fn end(&mut self, name: &str) -> Result<(), Stop> {
            self.0 += &format!("</{name}>");
            Ok(())
        }
        fn text(&mut self, text: &str) -> Result<(), Stop> {
            self.0 += text;
            Ok(())
        }
    }

    fn walked(octets: &[u8]) -> (String, Result<(), Stop>) {
        let mut collect = Collect::default();
        let result = walk(octets, &mut collect);
        (collect.0, result)
    }

    #[test]
    fn elements_attributes_references_and_charsets() {
        let xml = "<?xml version='1.0'?><!-- c --><x:r q:a='1 &amp; 2'>a&lt;&#x263a;<![CDATA[<&]]><b/>&unknown;</x:r>";
        let expected = "<r Some(\"1 & 2\")>a<☺<&<b None></b></r>";
        assert_eq!(walked(xml.as_bytes()), (expected.into(), Ok(())));
        let utf16: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(walked(&utf16), (expected.into(), Ok(())));
        let utf16: Vec<u8> =
            [0xfeff].into_iter().chain(xml.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(walked(&utf16), (expected.into(), Ok(())));
        assert_eq!(walked(b"<a>\xff</a>").0, "<a None>\u{fffd}</a>");
    }

    #[test]
    fn entities_do_not_expand() {
        let mut bomb = String::from("<!DOCTYPE b [<!ENTITY l0 'lol'>");
        for n in 1..10 {
            bomb += &format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10));
        }
        bomb += "]><b>&l9;x</b>";
        assert_eq!(walked(bomb.as_bytes()), ("<b None>x</b>".into(), Ok(())));
    }

    #[test]
    fn depth_and_the_size_of_a_text_are_bounded() {
        let deep = "<a>".repeat(DOCUMENT_XML_DEPTH_MAX + 1);
        assert_eq!(walked(deep.as_bytes()).1, Err(Failure::TooLarge("elements inside each other").into()));
        let long = "<a>".to_owned() + &"x".repeat(DOCUMENT_XML_EVENT_BYTES_MAX + (64 << 10));
        assert_eq!(walked(long.as_bytes()).1, Err(Failure::TooLarge("octets when inflated").into()));
    }
}
