//! MIME (RFC 2045-2047, 2231, 5322): structure with byte offsets, header fields, transfer encodings, charsets.
//!
//! Nothing here fails: what does not follow the RFCs has a defined reading (see each module).

pub mod address;
pub mod charset;
pub mod date;
pub mod header;
pub mod params;
pub mod transfer;
mod tree;
pub mod words;

pub use header::header_end;
pub use transfer::Encoding;
pub use tree::{Kind, Part, Structure, parse, parse_until};
