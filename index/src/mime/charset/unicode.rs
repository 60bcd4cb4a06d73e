//! Unicode encodings that WHATWG lacks: UTF-7 (RFC 2152), UTF-16 by byte order mark (RFC 2781), UTF-32.

const BROKEN: char = '\u{fffd}';

/// UTF-16 units as they come, to characters.
#[derive(Default)]
struct Units {
    high: Option<u16>,
}

impl Units {
    fn push(&mut self, unit: u16, out: &mut String) {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let c = 0x10000 + ((u32::from(high) & 0x3ff) << 10 | u32::from(unit) & 0x3ff);
                out.push(char::from_u32(c).unwrap_or(BROKEN));
            }
            (before, _) => {
                if before.is_some() {
                    out.push(BROKEN);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    _ => out.push(char::from_u32(u32::from(unit)).unwrap_or(BROKEN)),
                }
            }
        }
    }

    fn finish(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(BROKEN);
        }
    }
}

/// UTF-7: `+` base64 of UTF-16 up to the first octet that is no base64; a `-` there is dropped.
#[derive(Default)]
pub(super) struct Utf7 {
    shifted: bool,
    fresh: bool,
    bits: u32,
    count: u32,
    units: Units,
}

impl Utf7 {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            if !self.shifted {
                match b {
                    b'+' => (self.shifted, self.fresh) = (true, true),
                    0x80.. => out.push(BROKEN),
                    _ => out.push(b as char),
                }
                continue;
            }
            let value = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => {
                    let empty = self.fresh;
                    self.unshift(out);
                    match b {
                        b'-' if empty => out.push('+'),
                        b'-' => {}
                        0x80.. => out.push(BROKEN),
                        _ => out.push(b as char),
                    }
                    continue;
                }
            };
            self.fresh = false;
            self.bits = self.bits << 6 | u32::from(value);
            self.count += 6;
            if self.count >= 16 {
                self.count -= 16;
                self.units.push((self.bits >> self.count) as u16, out);
                self.bits &= (1 << self.count) - 1;
            }
        }
    }

    fn unshift(&mut self, out: &mut String) {
        self.units.finish(out);
        (self.shifted, self.bits, self.count) = (false, 0, 0);
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        self.unshift(out);
    }
}

/// UTF-16 in the order of its byte order mark, without one big-endian.
#[derive(Default)]
pub(super) struct Utf16 {
    little_endian: Option<bool>,
    half: Option<u8>,
    units: Units,
}

impl Utf16 {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            let Some(a) = self.half.take() else {
                self.half = Some(b);
                continue;
            };
            match self.little_endian {
                None => {
                    self.little_endian = Some([a, b] == [0xff, 0xfe]);
                    if ![[0xff, 0xfe], [0xfe, 0xff]].contains(&[a, b]) {
                        self.units.push(u16::from_be_bytes([a, b]), out);
                    }
                }
                Some(true) => self.units.push(u16::from_le_bytes([a, b]), out),
                Some(false) => self.units.push(u16::from_be_bytes([a, b]), out),
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        self.units.finish(out);
        if self.half.take().is_some() {
            out.push(BROKEN);
        }
    }
}

/// UTF-32 in the order of its name or byte order mark, else big-endian.
pub(super) struct Utf32 {
    big_endian: Option<bool>,
    held: Vec<u8>,
    started: bool,
}

impl Utf32 {
    pub(super) fn new(big_endian: Option<bool>) -> Utf32 {
        Utf32 { big_endian, held: Vec::with_capacity(4), started: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            self.held.push(b);
            let Ok(quad) = <[u8; 4]>::try_from(self.held.as_slice()) else { continue };
            self.held.clear();
            let first = !std::mem::replace(&mut self.started, true);
            if first && self.big_endian.is_none() {
                self.big_endian = Some(quad != [0xff, 0xfe, 0, 0]);
            }
            let big_endian = self.big_endian.unwrap_or(true);
            let n = if big_endian { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) };
            if !(first && n == 0xfeff) {
                out.push(char::from_u32(n).unwrap_or(BROKEN));
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        if !self.held.is_empty() {
            out.push(BROKEN);
            self.held.clear();
        }
    }
}
