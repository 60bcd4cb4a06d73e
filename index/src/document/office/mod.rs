//! What office suites write: Office Open XML (ECMA-376, ISO/IEC 29500) and OpenDocument (ISO/IEC 26300), which are archives of XML.
//!
//! What a file is comes from what is in it, not from its name or media type.

mod open_document;
mod properties;
mod relations;
mod runs;
mod sheets;

use properties::Properties;
use relations::{Relations, folder_of};
use runs::Runs;

use super::Failure;
use super::archive::Archive;
use super::output::{Out, Stop};
use super::xml::{self, Element, Handler};

/// The begin of a compound file, which an office suite makes of a document with a password ([MS-OFFCRYPTO] 2.3), and which its
/// predecessors' documents are.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

pub fn read(content: &[u8], out: &mut Out) -> Result<(), Stop> {
    if content.starts_with(COMPOUND_FILE) {
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let encrypted = memchr::memmem::find(content, &name).is_some();
        return Err(if encrypted { Failure::Encrypted } else { Failure::Unsupported }.into());
    }
    let start = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    if start.starts_with(b"<") {
        return open_document::flat(content, out);
    }
    let mut archive = Archive::open(content)?;
    if archive.has("[Content_Types].xml") || archive.has("_rels/.rels") {
        return open_xml(&mut archive, out);
    }
    if archive.has("content.xml") {
        return open_document::read(&mut archive, out);
    }
    Err(Failure::Unsupported.into())
}

/// Reads an entry; one that is not there is no error.
fn part(archive: &mut Archive<'_>, name: &str, handler: &mut impl Handler) -> Result<(), Stop> {
    match archive.entry(name)? {
        Some(entry) => xml::walk(entry, handler),
        None => Ok(()),
    }
}

/// All parts of these names, as runs of text.
fn texts(archive: &mut Archive<'_>, names: Vec<String>, out: &mut Out) -> Result<(), Stop> {
    for name in names {
        out.line();
        let read = part(archive, &name, &mut Runs::new(out));
        out.after_part(read)?;
    }
    Ok(())
}

fn open_xml(archive: &mut Archive<'_>, out: &mut Out) -> Result<(), Stop> {
    let read = part(archive, "docProps/core.xml", &mut Properties::new(out));
    out.after_part(read)?;
    let main = Relations::of(archive, "").map_or(None, |relations| relations.target("officeDocument"));
    let usual = ["word/document.xml", "xl/workbook.xml", "ppt/presentation.xml"];
    let main = main.into_iter().chain(usual.map(str::to_owned)).find(|name| archive.has(name));
    let Some(main) = main else { return Err(Failure::Unsupported.into()) };
    let mut root = Root::default();
    // What ends the walk is the root itself.
    let _ = part(archive, &main, &mut root);
    match root.name.as_str() {
        "document" => word(archive, &main, out),
        "workbook" => sheets::read(archive, &main, out),
        "presentation" => presentation(archive, &main, out),
        "" => Err(Failure::Damaged.into()),
        _ => Err(Failure::Unsupported.into()),
    }
}

/// The name of the outermost element.
#[derive(Default)]
struct Root {
    name: String,
}

impl Handler for Root {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        self.name = element.name().to_owned();
        Err(Stop::Full)
    }
    fn end(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
}

/// The body, then what stands apart from it.
fn word(archive: &mut Archive<'_>, main: &str, out: &mut Out) -> Result<(), Stop> {
    texts(archive, vec![main.to_owned()], out)?;
    let folder = folder_of(main);
    for name in ["header", "footer", "footnotes", "endnotes", "comments", "diagrams/data"] {
        let names = archive.names(&format!("{folder}{name}"), ".xml");
        // Besides comments there are files that say who has seen them.
        let names = names.into_iter().filter(|n| name != "comments" || n.ends_with("/comments.xml"));
        let names = names.collect();
        texts(archive, names, out)?;
    }
    Ok(())
}

/// The slides in their order, each with its notes and comments.
fn presentation(archive: &mut Archive<'_>, main: &str, out: &mut Out) -> Result<(), Stop> {
    let mut order = Slides::default();
    let read = part(archive, main, &mut order);
    out.after_part(read)?;
    let relations = Relations::of(archive, main)?;
    let mut slides: Vec<String> = order.0.iter().filter_map(|id| relations.by_id(id)).collect();
    if slides.is_empty() {
        slides = archive.names(&format!("{}slides/slide", folder_of(main)), ".xml");
    }
    for slide in slides {
        let Ok(relations) = Relations::of(archive, &slide) else {
            out.miss(Failure::Damaged);
            continue;
        };
        let apart = ["notesSlide", "comments", "diagramData"].iter().flat_map(|kind| relations.targets(kind));
        let names = std::iter::once(slide).chain(apart).collect();
        texts(archive, names, out)?;
    }
    Ok(())
}

/// The ids of the relations to slides, in the order of the slides.
#[derive(Default)]
struct Slides(Vec<String>);

impl Handler for Slides {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        if element.name() == "sldId" {
            self.0.extend(element.get_exactly("r:id"));
        }
        Ok(())
    }
    fn end(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), Stop> {
        Ok(())
    }
}
