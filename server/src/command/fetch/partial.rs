//! Byte ranges of a section: the `<n.m>` of FETCH (RFC 3501 6.4.5), and the NUL rule of BODY[].
//!
//! Not here: where a section lies in its message (`section`).

use std::ops::Range;

use crate::wire::ast::Partial;

/// `whole`, or what `partial` leaves of it; empty when it begins beyond the end.
pub fn clip(whole: Range<u64>, partial: Option<Partial>) -> Range<u64> {
    let Some(Partial { start, length }) = partial else { return whole };
    let start = whole.start.saturating_add(start).min(whole.end);
    let end = start.saturating_add(length.get()).min(whole.end);
    start..end
}

/// Lets through the bytes of a stream that lie in a range, counted from the start of the stream.
#[derive(Debug)]
pub struct Window {
    wanted: Range<u64>,
    at: u64,
}

impl Window {
    pub fn new(partial: Option<Partial>) -> Window {
        Window { wanted: clip(0..u64::MAX, partial), at: 0 }
    }

    /// What of the next bytes of the stream is wanted.
    pub fn of<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let len = bytes.len() as u64;
        let from = self.wanted.start.saturating_sub(self.at).min(len);
        let to = self.wanted.end.saturating_sub(self.at).min(len).max(from);
        self.at += len;
        &bytes[from as usize..to as usize]
    }

    /// Nothing that still comes is wanted.
    pub fn is_past(&self) -> bool {
        self.at >= self.wanted.end
    }
}

/// Shows every raw NUL as 0x80: a literal of BODY[] cannot hold NUL (RFC 3501 `CHAR8`), and the
/// number of bytes must not change. BINARY gives the NUL as it is.
pub fn show_nul(bytes: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr(0, &bytes[from..]) {
        bytes[from + at] = 0x80;
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU64;

    fn partial(start: u64, length: u64) -> Option<Partial> {
        Some(Partial { start, length: NonZeroU64::new(length).unwrap() })
    }

    #[test]
    fn a_partial_is_cut_at_the_end() {
        let of = |start, length| clip(10..20, partial(start, length));
        assert_eq!(of(0, 5), 10..15);
        assert_eq!(of(8, 5), 18..20);
        assert_eq!(of(10, 1), 20..20);
        assert_eq!(of(11, 1), 20..20);
        assert_eq!(of(u64::MAX, u64::MAX), 20..20);
        assert_eq!(of(1, u64::MAX), 11..20);
        assert_eq!(clip(3..4, None), 3..4);
    }

    #[test]
    fn a_window_cuts_a_stream_as_clip_cuts_a_range() {
        let stream: Vec<u8> = (0..40).collect();
        for (start, length) in [(0, 1), (0, 100), (7, 9), (39, 2), (40, 1), (u64::MAX, 1)] {
            for cut in 1..stream.len() {
                let mut window = Window::new(partial(start, length));
                let got: Vec<u8> = stream.chunks(cut).flat_map(|piece| window.of(piece).to_vec()).collect();
                let want = clip(0..40, partial(start, length));
                assert_eq!(got, stream[want.start as usize..want.end as usize]);
                assert_eq!(window.is_past(), start.saturating_add(length) <= 40);
            }
        }
    }

    #[test]
    fn nul_is_shown_as_0x80() {
        let mut bytes = *b"\0a\0\0b\0";
        show_nul(&mut bytes);
        assert_eq!(&bytes, b"\x80a\x80\x80b\x80");
        let mut none = *b"abc";
        show_nul(&mut none);
        assert_eq!(&none, b"abc");
    }
}
