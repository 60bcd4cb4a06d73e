//! Header field selection for `BODY[HEADER.FIELDS (…)]` and `BODY[HEADER.FIELDS.NOT (…)]`
//! (RFC 3501 6.4.5, RFC 9051 6.4.5.1).
//!
//! Not a header parser: bytes of the chosen fields are copied as they are, folded lines included.
//! What must hold: every line of the header belongs to exactly one field, so that the same names
//! with and without `.NOT` split the header into two halves that lose nothing.

use super::transform::Transform;

/// Whether the fields that were named are kept or left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    Named,
    Others,
}

/// Bytes of a line in which the colon after a field name is looked for; a longer name is no name.
const NAME_BYTES_MAX: usize = 1024;

/// Copies the fields of a header that `keep` asks for, then the blank line.
///
/// Names match exactly but in any case. The blank line is there unless the message has neither a
/// blank line nor a body, as the RFC says.
#[derive(Debug)]
pub struct FieldSelector<'a, N> {
    names: &'a [N],
    keep: Keep,
    has_body: bool,
    /// The start of the current line, until it is known whose it is; empty after that.
    start: Vec<u8>,
    line: Line,
    keeping: bool,
    blank: bool,
    ends_line: bool,
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
enum Line {
    /// Its first bytes are gathered in `start`.
    Starting,
    /// Its field is known: `keeping` holds for the rest of it.
    Known,
}

impl<'a, N: AsRef<[u8]>> FieldSelector<'a, N> {
    /// `has_body`: the message goes on behind its header.
    pub fn new(names: &'a [N], keep: Keep, has_body: bool) -> Self {
        FieldSelector {
            names,
            keep,
            has_body,
            start: Vec::new(),
            line: Line::Starting,
            keeping: false,
            blank: false,
            ends_line: true,
        }
    }

    fn keep_bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.keeping && !bytes.is_empty() {
            out.extend_from_slice(bytes);
            self.ends_line = bytes.ends_with(b"\n");
        }
    }

    /// Decides whose the line that begins with `start` is, and gives `start` out if it is kept.
    fn decide(&mut self, out: &mut Vec<u8>) {
        let start = std::mem::take(&mut self.start);
        if matches!(start.as_slice(), b"\r\n" | b"\n") {
            self.blank = true;
            return;
        }
        if !matches!(start.first(), Some(b' ' | b'\t')) {
            let named = field_name(&start).is_some_and(|name| {
                self.names.iter().any(|wanted| wanted.as_ref().eq_ignore_ascii_case(name))
            });
            self.keeping = named == (self.keep == Keep::Named);
        }
        self.keep_bytes(&start, out);
    }
}

impl<N: AsRef<[u8]>> Transform for FieldSelector<'_, N> {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            let newline = memchr::memchr(b'\n', input);
            let end = newline.map_or(input.len(), |at| at + 1);
            let (piece, after) = input.split_at(end);
            match self.line {
                Line::Known => self.keep_bytes(piece, out),
                Line::Starting => {
                    self.start.extend_from_slice(piece);
                    let folded = matches!(self.start.first(), Some(b' ' | b'\t'));
                    if newline.is_some()
                        || folded
                        || self.start.len() > NAME_BYTES_MAX
                        || memchr::memchr(b':', piece).is_some()
                    {
                        self.decide(out);
                        self.line = Line::Known;
                    }
                }
            }
            if newline.is_some() {
                self.line = Line::Starting;
            }
            input = after;
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.start.is_empty() {
            self.decide(out);
        }
        if self.blank || self.has_body {
            if !self.ends_line {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The name of the field that starts with `line`, without the white space before its colon (the
/// obsolete form of RFC 5322 4.5); `None` for a line that is no field.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', &line[..line.len().min(NAME_BYTES_MAX)])?;
    Some(line[..colon].trim_ascii_end())
}

#[cfg(test)]
mod tests {
    use super::super::transform::testing::run;
    use super::*;
    use proptest::prelude::*;

    const HEADER: &[u8] = b"From: a@b\r\nSubject: one\r\n two\r\nX-Y : z\r\nfrom: c@d\r\n\r\n";

    fn select(header: &[u8], names: &[&str], keep: Keep, has_body: bool) -> Vec<u8> {
        run(FieldSelector::new(names, keep, has_body), header, usize::MAX)
    }

    fn named(names: &[&str]) -> String {
        String::from_utf8(select(HEADER, names, Keep::Named, true)).unwrap()
    }

    #[test]
    fn fields_are_kept_with_their_folds_and_in_any_case() {
        assert_eq!(named(&["SUBJECT"]), "Subject: one\r\n two\r\n\r\n");
        assert_eq!(named(&["FROM"]), "From: a@b\r\nfrom: c@d\r\n\r\n");
        assert_eq!(named(&["x-y"]), "X-Y : z\r\n\r\n");
        assert_eq!(named(&["x"]), "\r\n");
        assert_eq!(named(&["sub", "ject"]), "\r\n");
    }

    #[test]
    fn not_is_the_other_half() {
        let not = select(HEADER, &["from"], Keep::Others, true);
        assert_eq!(not, b"Subject: one\r\n two\r\nX-Y : z\r\n\r\n");
        assert_eq!(select(HEADER, &["none"], Keep::Others, true), HEADER);
    }

    #[test]
    fn the_blank_line_is_missing_only_where_there_is_neither_it_nor_a_body() {
        assert_eq!(select(b"A: b\r\n", &["a"], Keep::Named, false), b"A: b\r\n");
        assert_eq!(select(b"A: b", &["a"], Keep::Named, false), b"A: b");
        assert_eq!(select(b"A: b", &["a"], Keep::Named, true), b"A: b\r\n\r\n");
        assert_eq!(select(b"", &["a"], Keep::Named, false), b"");
        assert_eq!(select(b"\r\n", &["a"], Keep::Named, false), b"\r\n");
    }

    #[test]
    fn lines_that_are_no_field_go_with_the_others() {
        let header = b"A: b\r\nnonsense\r\n more\r\nC: d\r\n\r\n";
        assert_eq!(select(header, &["a"], Keep::Named, true), b"A: b\r\n\r\n");
        assert_eq!(select(header, &["a"], Keep::Others, true), b"nonsense\r\n more\r\nC: d\r\n\r\n");
    }

    #[test]
    fn a_line_without_end_is_held_in_bounded_memory() {
        let names = ["a"];
        let mut selector = FieldSelector::new(&names, Keep::Named, true);
        let mut out = Vec::new();
        for _ in 0..100 {
            selector.push(&[b'x'; 1000], &mut out);
            assert!(selector.start.len() <= NAME_BYTES_MAX + 1000);
        }
        selector.finish(&mut out);
        assert_eq!(out, b"\r\n");
    }

    proptest! {
        #[test]
        fn the_cut_of_the_input_does_not_matter(
            lines in prop::collection::vec("(A|b|X-Y|)[:| ]?[a ]{0,4}\r?\n", 0..8), size in 1usize..20,
        ) {
            let header: Vec<u8> =
                lines.concat().split("\r\n\r\n").next().unwrap_or("").trim_start_matches(['\r', '\n']).into();
            for keep in [Keep::Named, Keep::Others] {
                let names = ["a", "x-y"];
                let whole = run(FieldSelector::new(&names, keep, true), &header, usize::MAX);
                let cut = run(FieldSelector::new(&names, keep, true), &header, size);
                prop_assert_eq!(whole, cut);
            }
        }
    }
}
