//! Charsets of mail by name: the WHATWG encodings and those that mail uses besides them.

/// A known charset.
#[derive(Clone, Copy, Debug)]
pub struct Charset;

/// The charset of that name (RFC 2978, any case), if known. Also answers SEARCH CHARSET.
pub fn lookup(_label: &[u8]) -> Option<Charset> {
    None
}

impl Charset {
    /// All of `bytes`; what does not decode becomes U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Whether every byte means something in this charset (SEARCH CHARSET refuses the others).
    pub fn decode_strict(self, bytes: &[u8]) -> Option<String> {
        Some(self.decode(bytes))
    }
}
