//! File names of parts, and whether something is attached (`docs/search.md`, "Attachments").

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use super::{Source, TextSink, in_steps, running};
use crate::mime::{Kind, Part, Structure, params};

/// Hands out the names of all parts, then whether one of them is an attachment. Not those of messages that have to be decoded first.
pub(super) fn texts(structure: &Structure, stop: &AtomicBool, sink: &mut impl TextSink) -> ControlFlow<()> {
    let related = related(structure);
    let mut attached = false;
    for (index, part) in structure.parts.iter().enumerate() {
        if index % 256 == 0 {
            running(stop)?;
        }
        for name in names(part) {
            in_steps(name, stop, |piece| sink.piece(Source::FileName, piece))?;
            sink.end(Source::FileName)?;
        }
        attached |= is_attachment(part, related.binary_search(&index).is_ok());
    }
    if attached { sink.end(Source::Attachment) } else { ControlFlow::Continue(()) }
}

/// Numbers of the parts that stand directly in a multipart/related (RFC 2387), rising.
fn related(structure: &Structure) -> Vec<usize> {
    let mut related = Vec::new();
    for part in &structure.parts {
        if let Kind::Multipart(children) = &part.kind
            && part.media.1 == "related"
        {
            related.extend_from_slice(children);
        }
    }
    related.sort_unstable();
    related
}

/// `filename` of Content-Disposition (RFC 2183 2.3) and, if it is another one, `name` of Content-Type. A multipart has none.
pub(super) fn names(part: &Part) -> impl Iterator<Item = &str> {
    let filename = part.disposition.as_ref().and_then(|(_, list)| params::get(list, "filename"));
    let name = params::get(&part.parameters, "name").filter(|name| filename != Some(name));
    let is_name = |name: &&str| !name.is_empty() && !matches!(part.kind, Kind::Multipart(_));
    filename.into_iter().chain(name).filter(is_name)
}

/// A part with a disposition other than `inline` (RFC 2183 2.8: one that is not known counts as `attachment`), or with a file
/// name. What is in a multipart/related belongs to its text, as pictures do, unless its disposition says otherwise.
fn is_attachment(part: &Part, related: bool) -> bool {
    let disposed = part.disposition.as_ref().is_some_and(|(token, _)| !token.eq_ignore_ascii_case(b"inline"));
    !matches!(part.kind, Kind::Multipart(_)) && (disposed || !related && names(part).next().is_some())
}
