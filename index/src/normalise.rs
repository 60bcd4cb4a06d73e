//! i;unicode-casemap (RFC 5051) and white space folding.

/// Streaming form.
#[derive(Debug, Default)]
pub struct Normaliser;

/// Normalises a whole text.
pub fn normalise(text: &str) -> String {
    text.to_owned()
}
