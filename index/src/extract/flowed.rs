//! format=flowed (RFC 3676): soft line breaks joined, space-stuffing and, with DelSp, the trailing space removed.
//!
//! A paragraph ends where the next line has another quote depth or where a line is not flowed; its first line keeps its
//! quote marks (`>>` and a space). The signature separator `-- ` is never flowed.

/// Streaming: feed the decoded text in pieces of any size.
#[derive(Debug, Default)]
pub struct Flowed {
    delsp: bool,
    line: String,
    /// Quote depth of the line before, if it was flowed.
    open: Option<usize>,
    started: bool,
}

impl Flowed {
    pub fn new(delsp: bool) -> Flowed {
        Flowed { delsp, ..Flowed::default() }
    }

    /// Appends the joined text of every complete line.
    pub fn push(&mut self, text: &str, out: &mut String) {
        for piece in text.split_inclusive('\n') {
            self.line.push_str(piece);
            if piece.ends_with('\n') {
                self.flush(out);
            }
        }
    }

    /// Appends the last line.
    pub fn finish(&mut self, out: &mut String) {
        if !self.line.is_empty() {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut String) {
        let line = std::mem::take(&mut self.line);
        let whole = line.strip_suffix('\n').unwrap_or(&line);
        let whole = whole.strip_suffix('\r').unwrap_or(whole);
        let content = whole.trim_start_matches('>');
        let depth = whole.len() - content.len();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let signature = content == "-- ";
        if self.open != Some(depth) || signature {
            if self.started {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', depth));
            if depth > 0 {
                out.push(' ');
            }
        }
        self.started = true;
        let flowed = content.ends_with(' ') && !signature;
        let content = if flowed && self.delsp { &content[..content.len() - 1] } else { content };
        out.push_str(content);
        self.open = flowed.then_some(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases() {
        for (delsp, text, expected) in [
            (false, "a \r\nb\r\nc", "a b\nc"),
            (true, "a \r\nb", "ab"),
            (false, " From x\r\n > y", "From x\n> y"),
            (false, "> a \r\n> b\r\n>> c \r\nd", "> a b\n>> c \nd"),
            (false, "a \n-- \nb", "a \n-- \nb"),
            (false, "", ""),
            (false, "a  \r\nb", "a  b"),
        ] {
            let mut out = String::new();
            let mut flowed = Flowed::new(delsp);
            for c in text.chars() {
                flowed.push(c.encode_utf8(&mut [0; 4]), &mut out);
            }
            flowed.finish(&mut out);
            assert_eq!(out, expected, "{text:?}");
        }
    }
}
