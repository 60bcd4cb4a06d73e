//! OpenDocument (ISO/IEC 26300-1): `content.xml`, in which everything stands in reading order, and the headers and footers of
//! `styles.xml`.

use super::super::Failure;
use super::super::archive::Archive;
use super::super::output::{Out, Stop};
use super::super::xml::{self, Element, Handler};
use super::part;
use super::properties::Properties;

/// Spaces that one element may stand for.
const SPACES: &str = "                                ";

/// How the media type of a text document begins.
const TEXT: &[u8] = b"application/vnd.oasis.opendocument.text";

pub fn read(archive: &mut Archive<'_>, out: &mut Out) -> Result<(), Stop> {
    if let Some(manifest) = archive.whole("META-INF/manifest.xml")?
        && memchr::memmem::find(&manifest, b"encryption-data").is_some()
    {
        return Err(Failure::Encrypted.into());
    }
    let read = part(archive, "meta.xml", &mut Properties::new(out));
    out.after_part(read)?;
    out.line();
    let read = part(archive, "content.xml", &mut Content::new(out, Part::All));
    out.after_part(read)?;
    // Every sheet and slide has some that nobody has written.
    let is_text = archive.whole("mimetype")?.is_some_and(|kind| kind.starts_with(TEXT));
    if !is_text {
        return Ok(());
    }
    out.line();
    let read = part(archive, "styles.xml", &mut Content::new(out, Part::HeadersAndFooters));
    out.after_part(read)
}

/// A document in one file of XML.
pub fn flat(content: &[u8], out: &mut Out) -> Result<(), Stop> {
    let mut root = super::Root::default();
    let _ = xml::walk(content, &mut root);
    if root.name != "document" {
        return Err(Failure::Unsupported.into());
    }
    let read = xml::walk(content, &mut Content::new(out, Part::All));
    out.after_part(read)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    HeadersAndFooters,
}

struct Content<'a> {
    out: &'a mut Out,
    part: Part,
    /// Paragraphs that are open: text elsewhere is none of the document.
    paragraphs: usize,
    /// Of those around a note that is open.
    around: Vec<usize>,
    /// Elements open in one whose content is no text of the document.
    skipped: usize,
    /// Headers and footers that are open.
    in_wanted: usize,
}

impl Content<'_> {
    fn new(out: &mut Out, part: Part) -> Content<'_> {
        Content { out, part, paragraphs: 0, around: Vec::new(), skipped: 0, in_wanted: 0 }
    }

    fn is_wanted(&self) -> bool {
        self.skipped == 0 && (self.part == Part::All || self.in_wanted > 0)
    }
}

fn is_header_or_footer(name: &str) -> bool {
    matches!(name, "header" | "header-left" | "header-first" | "footer" | "footer-left" | "footer-first")
}

/// Text that was deleted and is kept for review, reading aids, numbers of notes, and data.
fn is_skipped(name: &str) -> bool {
    matches!(
        name,
        "tracked-changes" | "ruby-text" | "note-citation" | "binary-data" | "script" | "scripts" | "forms"
    )
}

impl Handler for Content<'_> {
    fn begin(&mut self, element: &Element<'_>) -> Result<(), Stop> {
        let name = element.name();
        if self.skipped > 0 || is_skipped(name) {
            self.skipped += 1;
            return Ok(());
        }
        if is_header_or_footer(name) {
            self.in_wanted += 1;
        }
        match name {
            "p" | "h" => {
                self.paragraphs += 1;
                self.out.line();
            }
            // Their own paragraphs, in the middle of another one.
            "note-body" | "annotation" => {
                self.around.push(std::mem::take(&mut self.paragraphs));
                self.out.line();
            }
            "line-break" | "title" | "desc" => self.out.line(),
            "tab" => self.out.cell(),
            "s" if self.paragraphs > 0 && self.is_wanted() => {
                let count = element.get("c").and_then(|count| count.parse().ok()).unwrap_or(1);
                self.out.push(&SPACES[..SPACES.len().min(count)])?;
            }
            "table" => {
                self.out.line();
                if self.is_wanted()
                    && let Some(name) = element.get("name")
                {
                    self.out.push(&name)?;
                    self.out.line();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), Stop> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(());
        }
        if is_header_or_footer(name) {
            self.in_wanted = self.in_wanted.saturating_sub(1);
        }
        match name {
            "p" | "h" => {
                self.paragraphs = self.paragraphs.saturating_sub(1);
                self.out.line();
            }
            "note-body" | "annotation" => {
                self.paragraphs = self.around.pop().unwrap_or_default();
                self.out.line();
            }
            "title" | "desc" | "table-row" => self.out.line(),
            "table-cell" | "covered-table-cell" => self.out.cell(),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if self.paragraphs > 0 && self.is_wanted() { self.out.push(text) } else { Ok(()) }
    }
}
