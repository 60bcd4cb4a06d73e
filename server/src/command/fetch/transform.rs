//! Streaming transformations of section bytes: bounded memory whatever the size of the section.
//!
//! A transformation is fed the stored bytes in pieces of any size and gives the bytes to show. It
//! can be run twice (first to count, then to send), so what it gives must not depend on how the
//! input was cut.

/// One pass over the bytes of a section.
pub trait Transform {
    /// Takes the next piece and appends what follows from it to `out`.
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>);
    /// The input has ended: appends what was held back.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// Bare LF becomes CRLF: text of BINARY is sent in lines of IMAP (RFC 9051 7.5.2), whatever was
/// encoded.
#[derive(Default, Debug)]
pub struct CrlfLines {
    after_cr: bool,
}

impl Transform for CrlfLines {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', input) {
            let after_cr = if at == 0 { self.after_cr } else { input[at - 1] == b'\r' };
            out.extend_from_slice(&input[from..at]);
            if !after_cr {
                out.push(b'\r');
            }
            from = at;
        }
        out.extend_from_slice(&input[from..]);
        if let Some(last) = input.last() {
            self.after_cr = *last == b'\r';
        }
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}
}

/// Counts what a first pass gives, so that the literal's length can be said before its bytes.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measure {
    /// Bytes.
    pub len: u64,
    /// Some byte is NUL: only a literal8 can hold them (RFC 9051 4.3.1).
    pub has_nul: bool,
}

impl Measure {
    pub fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.has_nul = self.has_nul || memchr::memchr(0, bytes).is_some();
    }
}

#[cfg(test)]
pub mod testing {
    use super::Transform;

    /// What `transform` makes of `input` cut into pieces of `size`.
    pub fn run(mut transform: impl Transform, input: &[u8], size: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in input.chunks(size.max(1)) {
            transform.push(piece, &mut out);
        }
        transform.finish(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_lf_becomes_crlf_at_any_cut() {
        let input = b"\na\r\nb\n\nc\r\r\nd\re\n";
        let want = b"\r\na\r\nb\r\n\r\nc\r\r\nd\re\r\n";
        for size in 1..=input.len() {
            assert_eq!(testing::run(CrlfLines::default(), input, size), want, "pieces of {size}");
        }
    }

    #[test]
    fn measure_counts_and_sees_nul() {
        let mut measure = Measure::default();
        measure.add(b"abc");
        assert_eq!(measure, Measure { len: 3, has_nul: false });
        measure.add(b"\0");
        measure.add(b"x");
        assert_eq!(measure, Measure { len: 5, has_nul: true });
    }
}
