//! The header splitter: fields with their raw offsets, unfolding, broken lines.
//!
//! Lines end with LF; a CR before it belongs to the line end. The header ends at the first empty line, which is part of
//! it, or with the message. A line without a field name is a field with an empty name.

use std::ops::Range;

/// One header field. Ranges are offsets in the bytes that were split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// As written, without white space before the colon; empty for a line that has no field name.
    pub name: &'a [u8],
    /// Everything behind the colon up to the line end, folding included.
    pub raw: &'a [u8],
    /// The whole field with its line ends.
    pub range: Range<usize>,
}

/// Octets of the header of `message`, with the empty line that ends it.
pub fn header_end(message: &[u8]) -> usize {
    message.len()
}

/// The fields of a header (or of a message: it stops at the empty line).
pub fn fields(_header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::empty()
}

/// `BODY[HEADER.FIELDS (names)]` or, with `not`, `BODY[HEADER.FIELDS.NOT (names)]`: the chosen fields byte for byte and
/// the empty line (RFC 3501 6.4.5).
pub fn select(_header: &[u8], _names: &[impl AsRef<[u8]>], _not: bool) -> Vec<u8> {
    Vec::new()
}
