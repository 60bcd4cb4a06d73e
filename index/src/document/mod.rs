//! Text of documents that are attached to messages: what office suites write, PDF, RTF, HTML and plain text.
//!
//! Pure, as the rest of the crate, but not safe to run on a stranger's file in the server's process: libraries take the files apart, and
//! a library may panic, loop or ask for more memory than there is. The server runs this in processes of their own
//! (`trawl document-worker`), which it kills. What can be bounded cheaply is bounded here all the same (`limits.rs`).
//!
//! The text is what a reader sees, in reading order: lines for paragraphs, cells set apart by tabs or line ends, no layout. Of a
//! damaged document it is what could be read. Archives, and documents inside of documents, are not opened.

mod archive;
mod kind;
mod office;
mod output;
mod pdf;
mod plain;
mod rtf;
mod xml;

pub use kind::Kind;

use crate::limits::DOCUMENT_TEXT_BYTES_MAX;
use output::{Out, Stop};

/// Version of the text; what keeps it names the version that made it.
pub const VERSION: u16 = 1;

/// What the text of one document may cost beyond the constants in `limits.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of text (UTF-8).
    pub text_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { text_bytes_max: DOCUMENT_TEXT_BYTES_MAX }
    }
}

/// The text of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    /// There is more in the document: over a limit, or in a part that could not be read.
    pub cut: bool,
}

/// Why there is no text. All of them are final: the same octets fail again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("needs a password")]
    Encrypted,
    #[error("is damaged")]
    Damaged,
    /// What there is too much of.
    #[error("has too many {0}")]
    TooLarge(&'static str),
    #[error("is of a kind that is not read")]
    Unsupported,
}

/// The text of a document of this kind. `charset_hint`: the charset that the message names for it, for plain text and HTML.
///
/// A file that evidently is of another kind that is read here is read as what it is.
pub fn text(
    kind: Kind,
    charset_hint: Option<&str>,
    content: &[u8],
    limits: &Limits,
) -> Result<Text, Failure> {
    let mut out = Out::new(limits.text_bytes_max);
    let read = match evident(kind, content) {
        Kind::Docx | Kind::Xlsx | Kind::Pptx | Kind::Odt | Kind::Ods | Kind::Odp => {
            office::read(content, &mut out)
        }
        Kind::Pdf => pdf::read(content, &mut out),
        Kind::Rtf => rtf::read(content, &mut out),
        Kind::Html => plain::html(charset_hint, content, &mut out),
        Kind::Plain => plain::plain(charset_hint, content, &mut out),
        Kind::Other => Err(Failure::Unsupported.into()),
    };
    match read {
        Ok(()) => out.finish(),
        Err(Stop::Full) => {
            out.miss(Failure::TooLarge("octets of text"));
            out.finish()
        }
        Err(Stop::Failed(failure)) => {
            out.miss(failure);
            out.finish()
        }
    }
}

/// What a file is by its first octets, where they leave no doubt; mail programs name files `.doc` that are RTF, and the like.
fn evident(kind: Kind, content: &[u8]) -> Kind {
    let start = content.trim_ascii_start();
    match kind {
        Kind::Plain | Kind::Html => kind,
        _ if start.starts_with(b"{\\rtf") => Kind::Rtf,
        _ if start.starts_with(b"%PDF-") => Kind::Pdf,
        Kind::Pdf | Kind::Rtf | Kind::Other if content.starts_with(b"PK\x03\x04") => Kind::Docx,
        _ => kind,
    }
}
