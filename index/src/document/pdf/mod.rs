//! PDF (ISO 32000-1): `lopdf` reads the file, its objects, filters and encryption; what pages show is read here.
//!
//! Documents that are encrypted with an empty password, which everybody can open, are read.

mod cmap;
mod encoding;
mod font;
mod layout;
mod lexer;
mod page;

use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId};

use super::Failure;
use super::output::{Out, Stop};
use crate::limits::DOCUMENT_PDF_STREAM_BYTES_MAX;

/// References that are followed from one object to the next, and levels of the tree of pages above a page.
const LEVELS_MAX: usize = 32;

pub fn read(content: &[u8], out: &mut Out) -> Result<(), Stop> {
    let options = LoadOptions {
        password: None,
        max_decompressed_size: Some(DOCUMENT_PDF_STREAM_BYTES_MAX),
        ..LoadOptions::default()
    };
    let document = Document::load_mem_with_options(content, options).map_err(|error| match error {
        lopdf::Error::InvalidPassword | lopdf::Error::Decryption(_) => Failure::Encrypted,
        lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
            Failure::TooLarge("octets when inflated")
        }
        _ => Failure::Damaged,
    })?;
    if document.is_encrypted() {
        return Err(Failure::Encrypted.into());
    }
    information(&document, out)?;
    let mut pages = page::Pages::new(&document);
    let mut any = false;
    for id in document.page_iter() {
        any = true;
        out.line();
        let read = pages.read(id, out);
        out.after_part(read)?;
        annotations(&document, id, out)?;
    }
    if !any {
        out.miss(Failure::Damaged);
    }
    Ok(())
}

/// What the document says of itself (14.3.3).
fn information(document: &Document, out: &mut Out) -> Result<(), Stop> {
    let Ok(Object::Dictionary(information)) =
        document.trailer.get(b"Info").map(|object| resolved(document, object))
    else {
        return Ok(());
    };
    for key in [&b"Title"[..], b"Subject", b"Author", b"Keywords"] {
        string(document, information, key, out)?;
    }
    Ok(())
}

/// Comments on a page and what is filled into its forms (12.5, 12.7.3): contents and values, not how they look.
fn annotations(document: &Document, page: ObjectId, out: &mut Out) -> Result<(), Stop> {
    let Some(page) = document.get_dictionary(page).ok() else { return Ok(()) };
    let Some(Object::Array(annotations)) = get(document, page, b"Annots") else { return Ok(()) };
    for annotation in annotations {
        if let Object::Dictionary(annotation) = resolved(document, annotation) {
            // What a link says is on the page.
            if get(document, annotation, b"Subtype").and_then(|kind| kind.as_name().ok()) == Some(b"Link") {
                continue;
            }
            for key in [&b"Contents"[..], b"V"] {
                string(document, annotation, key, out)?;
            }
        }
    }
    Ok(())
}

/// Writes a text string on a line of its own.
fn string(document: &Document, of: &Dictionary, key: &[u8], out: &mut Out) -> Result<(), Stop> {
    let Some(Object::String(octets, _)) = get(document, of, key) else { return Ok(()) };
    out.line();
    out.push(text_string(octets).trim())?;
    out.line();
    Ok(())
}

/// A text string (7.9.2.2): UTF-16, UTF-8 or PDFDocEncoding.
fn text_string(octets: &[u8]) -> String {
    if let Some(utf16) = octets.strip_prefix(b"\xfe\xff") {
        return encoding_rs::UTF_16BE.decode_without_bom_handling(utf16).0.into_owned();
    }
    if let Some(utf16) = octets.strip_prefix(b"\xff\xfe") {
        return encoding_rs::UTF_16LE.decode_without_bom_handling(utf16).0.into_owned();
    }
    if let Some(utf8) = octets.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8_lossy(utf8).into_owned();
    }
    let object = Object::string_literal(octets);
    lopdf::decode_text_string(&object).unwrap_or_else(|_| String::from_utf8_lossy(octets).into_owned())
}

/// An object, through references to it.
fn resolved<'d>(document: &'d Document, object: &'d Object) -> &'d Object {
    let mut object = object;
    for _ in 0..LEVELS_MAX {
        match object {
            Object::Reference(id) => match document.objects.get(id) {
                Some(found) => object = found,
                None => return &Object::Null,
            },
            _ => return object,
        }
    }
    &Object::Null
}

/// The value of a key, through references.
fn get<'d>(document: &'d Document, of: &'d Dictionary, key: &[u8]) -> Option<&'d Object> {
    of.get(key).ok().map(|object| resolved(document, object)).filter(|object| !object.is_null())
}

fn dictionary<'d>(document: &'d Document, of: &'d Dictionary, key: &[u8]) -> Option<&'d Dictionary> {
    match get(document, of, key)? {
        Object::Dictionary(found) => Some(found),
        Object::Stream(stream) => Some(&stream.dict),
        _ => None,
    }
}

fn number(object: &Object) -> Option<f64> {
    match object {
        Object::Integer(number) => Some(*number as f64),
        Object::Real(number) => Some(f64::from(*number)),
        _ => None,
    }
}

fn numbers(document: &Document, object: Option<&Object>) -> Option<Vec<f64>> {
    let Object::Array(array) = object? else { return None };
    Some(array.iter().take(64).filter_map(|object| number(resolved(document, object))).collect())
}

/// The content of a stream, inflated.
fn inflated(stream: &lopdf::Stream) -> Result<Vec<u8>, Failure> {
    stream.get_plain_content_with_limit(DOCUMENT_PDF_STREAM_BYTES_MAX).map_err(|error| match error {
        lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded { .. }) => {
            Failure::TooLarge("octets when inflated")
        }
        _ => Failure::Damaged,
    })
}
