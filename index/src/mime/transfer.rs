//! Content-Transfer-Encoding (RFC 2045 6), whole and streaming, tolerant of damage.
//!
//! base64: octets outside the alphabet are skipped, `=` ends a quantum and decoding goes on after it (concatenated
//! base64 exists). Quoted-printable: a `=` that no hex digits or line end follow stands for itself, lower case digits
//! count, white space before a line end is dropped. uuencode: lines between `begin` and `end`.

use memchr::memchr;

/// How the octets of a part are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// 7bit, 8bit, binary or none.
    Identity = 0,
    Base64 = 1,
    QuotedPrintable = 2,
    /// x-uuencode and its other names.
    Uuencode = 3,
    /// Some other token: searched as it is; BINARY answers UNKNOWN-CTE.
    Unknown = 4,
}

impl Encoding {
    /// From the value of a Content-Transfer-Encoding field, comments and white space aside.
    pub fn from_name(name: &[u8]) -> Encoding {
        const NAMES: [(&[u8], Encoding); 9] = [
            (b"7bit", Encoding::Identity),
            (b"8bit", Encoding::Identity),
            (b"binary", Encoding::Identity),
            (b"base64", Encoding::Base64),
            (b"quoted-printable", Encoding::QuotedPrintable),
            (b"x-uuencode", Encoding::Uuencode),
            (b"x-uue", Encoding::Uuencode),
            (b"uuencode", Encoding::Uuencode),
            (b"x-uu", Encoding::Uuencode),
        ];
        if name.is_empty() {
            return Encoding::Identity;
        }
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Encoding::Unknown, |&(_, encoding)| encoding)
    }
}

/// Streaming decoder: feed the encoded octets in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Identity,
    Base64 { bits: u32, count: u8 },
    QuotedPrintable(QuotedPrintable),
    Uuencode { line: Vec<u8>, inside: bool },
}

impl Decoder {
    pub fn new(encoding: Encoding) -> Decoder {
        Decoder {
            state: match encoding {
                Encoding::Identity | Encoding::Unknown => State::Identity,
                Encoding::Base64 => State::Base64 { bits: 0, count: 0 },
                Encoding::QuotedPrintable => State::QuotedPrintable(QuotedPrintable::default()),
                Encoding::Uuencode => State::Uuencode { line: Vec::new(), inside: false },
            },
        }
    }

    /// Appends what `input` decodes to.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => out.extend_from_slice(input),
            State::Base64 { bits, count } => base64(input, bits, count, out),
            State::QuotedPrintable(state) => state.push(input, out),
            State::Uuencode { line, inside } => {
                for &b in input {
                    if b == b'\n' {
                        uu_line(line, inside, out);
                        line.clear();
                    } else if line.len() < UU_LINE_BYTES_MAX {
                        line.push(b);
                    }
                }
            }
        }
    }

    /// Appends what was held back; the decoder is at its start again.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => {}
            State::Base64 { bits, count } => flush_base64(bits, count, out),
            State::QuotedPrintable(state) => state.finish(out),
            State::Uuencode { line, inside } => {
                uu_line(line, inside, out);
                line.clear();
                *inside = false;
            }
        }
    }
}

/// Decodes a whole part.
pub fn decode(encoded: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut decoder = Decoder::new(encoding);
    decoder.push(encoded, &mut out);
    decoder.finish(&mut out);
    out
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;
const BASE64: [u8; 256] = {
    let mut table = [SKIP; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table[b'=' as usize] = PAD;
    table
};

fn base64(input: &[u8], bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    out.reserve(input.len() / 4 * 3 + 3);
    let mut rest = input;
    while !rest.is_empty() {
        if *count == 0 {
            // Whole clean quanta: the common case. Several at once first.
            while let Some((octets, tail)) = rest.split_first_chunk::<16>() {
                let values = octets.map(|octet| BASE64[usize::from(octet)]);
                if values.iter().fold(0, |all, value| all | value) >= 0x80 {
                    break;
                }
                let mut decoded = [0; 12];
                let quanta = values.as_chunks::<4>().0.iter().zip(decoded.as_chunks_mut::<3>().0);
                quanta.for_each(|(&[a, b, c, d], out)| *out = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
                out.extend_from_slice(&decoded);
                rest = tail;
            }
            while let [a, b, c, d, tail @ ..] = rest {
                let v = [a, b, c, d].map(|&x| BASE64[usize::from(x)]);
                if (v[0] | v[1] | v[2] | v[3]) >= 0x80 {
                    break;
                }
                let n =
                    u32::from(v[0]) << 18 | u32::from(v[1]) << 12 | u32::from(v[2]) << 6 | u32::from(v[3]);
                out.extend_from_slice(&[(n >> 16) as u8, (n >> 8) as u8, n as u8]);
                rest = tail;
            }
        }
        let [first, tail @ ..] = rest else { break };
        rest = tail;
        match BASE64[usize::from(*first)] {
            SKIP => {}
            PAD => flush_base64(bits, count, out),
            value => {
                *bits = *bits << 6 | u32::from(value);
                *count += 1;
                if *count == 4 {
                    out.extend_from_slice(&[(*bits >> 16) as u8, (*bits >> 8) as u8, *bits as u8]);
                    *bits = 0;
                    *count = 0;
                }
            }
        }
    }
}

fn flush_base64(bits: &mut u32, count: &mut u8, out: &mut Vec<u8>) {
    match *count {
        2 => out.push((*bits >> 4) as u8),
        3 => out.extend_from_slice(&[(*bits >> 10) as u8, (*bits >> 2) as u8]),
        _ => {}
    }
    *bits = 0;
    *count = 0;
}

#[derive(Debug, Default)]
struct QuotedPrintable {
    /// White space that is dropped if the line ends here. Bounded: beyond the bound it is taken as content.
    blanks: Vec<u8>,
    /// `=`, or `=` and one more octet, whose continuation has not arrived yet.
    escape: Vec<u8>,
}

impl QuotedPrintable {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len());
        let mut rest = input;
        while !rest.is_empty() {
            let line = memchr(b'\n', rest);
            if let Some(end) = line
                && self.escape.is_empty()
                && self.blanks.is_empty()
                && whole_line(&rest[..end], out)
            {
                rest = &rest[end + 1..];
                continue;
            }
            let (line, behind) = rest.split_at(line.map_or(rest.len(), |end| end + 1));
            self.part_of_line(line, out);
            rest = behind;
        }
    }

    fn part_of_line(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let mut rest = line;
        while !rest.is_empty() {
            if self.escape.is_empty() {
                let plain = rest
                    .iter()
                    .position(|b| matches!(b, b'=' | b' ' | b'\t' | b'\r' | b'\n'))
                    .unwrap_or(rest.len());
                if plain > 0 {
                    out.append(&mut self.blanks);
                    out.extend_from_slice(&rest[..plain]);
                    rest = &rest[plain..];
                }
            }
            let [b, tail @ ..] = rest else { break };
            rest = tail;
            self.octet(*b, out);
        }
    }

    fn octet(&mut self, b: u8, out: &mut Vec<u8>) {
        match (self.escape.as_slice(), b) {
            ([], b'=') => self.escape.push(b),
            ([], b' ' | b'\t') => {
                if self.blanks.len() >= BLANKS_MAX {
                    out.append(&mut self.blanks);
                }
                self.blanks.push(b);
            }
            ([], b'\r') => {
                // A CR may belong to the line end; its blanks wait with it.
                self.blanks.push(b);
            }
            ([], b'\n') => {
                let cr = self.blanks.last() == Some(&b'\r');
                self.blanks.clear();
                out.extend_from_slice(if cr { b"\r\n" } else { b"\n" });
            }
            ([], _) => {
                out.append(&mut self.blanks);
                out.push(b);
            }
            ([b'='], b'\n') => {
                // Soft line break.
                self.escape.clear();
                out.append(&mut self.blanks);
            }
            ([b'='], b' ' | b'\t' | b'\r') => self.escape.push(b),
            ([b'='], _) if b.is_ascii_hexdigit() => self.escape.push(b),
            ([b'=', high], _) if high.is_ascii_hexdigit() => {
                let high = *high;
                match (hex(high), hex(b)) {
                    (Some(h), Some(l)) => {
                        self.escape.clear();
                        out.append(&mut self.blanks);
                        out.push(h << 4 | l);
                    }
                    _ => self.literal(b, out),
                }
            }
            // `=` and white space before the line end is a soft line break as well.
            ([b'=', ..], b'\n') => {
                self.escape.clear();
                out.append(&mut self.blanks);
            }
            ([b'=', ..], b' ' | b'\t' | b'\r') if self.escape.len() < BLANKS_MAX => self.escape.push(b),
            _ => self.literal(b, out),
        }
    }

    /// What looked like an escape is none: the `=` stands for itself, the rest is read again.
    fn literal(&mut self, b: u8, out: &mut Vec<u8>) {
        out.append(&mut self.blanks);
        let held = std::mem::take(&mut self.escape);
        out.push(b'=');
        for &h in held.get(1..).unwrap_or_default() {
            // Held octets are hex digits or blanks: none of them can start an escape.
            self.octet(h, out);
        }
        self.octet(b, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match std::mem::take(&mut self.escape).as_slice() {
            [] => self.blanks.retain(|&b| b == b'\r'),
            [b'=', rest @ ..] if rest.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) => {}
            held => self.blanks.extend_from_slice(held),
        }
        out.append(&mut self.blanks);
    }
}

/// Decodes a line that nothing is held back before; given without its LF, which is there. False, with nothing appended, for one that is
/// not as RFC 2045 6.7 has it, or has very many blanks at its end.
fn whole_line(line: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
    let (content, blanks) = line.split_at(line.iter().rposition(|b| !is_blank(b)).map_or(0, |last| last + 1));
    if blanks.len() >= BLANKS_MAX {
        return false;
    }
    let mut rest = content;
    loop {
        // Text that is not ASCII has escapes one behind the other.
        let at = if rest.starts_with(b"=") { Some(0) } else { memchr(b'=', rest) };
        let Some(at) = at else { break };
        out.extend_from_slice(&rest[..at]);
        match &rest[at + 1..] {
            // Soft line break.
            [] => return true,
            [high, low, behind @ ..] if HEX[usize::from(*high)] | HEX[usize::from(*low)] < 16 => {
                out.push(HEX[usize::from(*high)] << 4 | HEX[usize::from(*low)]);
                rest = behind;
            }
            _ => {
                out.truncate(start);
                return false;
            }
        }
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(if blanks.ends_with(b"\r") { b"\r\n" } else { b"\n" });
    true
}

/// White space held back in quoted-printable before it is taken as content.
const BLANKS_MAX: usize = 1024;
/// Octets of a uuencoded line that are looked at; a correct one has 61.
const UU_LINE_BYTES_MAX: usize = 128;

/// Values of hex digits, 255 for what is none.
const HEX: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let (digits, letters) = (b"0123456789abcdef", b"0123456789ABCDEF");
    let mut i = 0;
    while i < 16 {
        table[digits[i] as usize] = i as u8;
        table[letters[i] as usize] = i as u8;
        i += 1;
    }
    table
};

fn hex(b: u8) -> Option<u8> {
    Some(HEX[usize::from(b)]).filter(|&value| value < 16)
}

fn uu_line(line: &[u8], inside: &mut bool, out: &mut Vec<u8>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !*inside {
        *inside = line.starts_with(b"begin ");
        return;
    }
    if line == b"end" {
        *inside = false;
        return;
    }
    let [length, data @ ..] = line else { return };
    let length = usize::from(length.wrapping_sub(32) & 0x3f);
    let start = out.len();
    for quantum in data.chunks(4) {
        let v = |i: usize| u32::from(quantum.get(i).copied().unwrap_or(b' ').wrapping_sub(32) & 0x3f);
        let n = v(0) << 18 | v(1) << 12 | v(2) << 6 | v(3);
        out.extend_from_slice(&[(n >> 16) as u8, (n >> 8) as u8, n as u8]);
    }
    out.truncate(out.len().min(start + length));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Octet by octet no line is decoded as a whole.
        #[test]
        fn lines_are_decoded_as_octets_are(encoded in quoted(), cut in any::<prop::sample::Index>()) {
            let mut decoder = Decoder::new(Encoding::QuotedPrintable);
            let mut expected = Vec::new();
            encoded.iter().for_each(|octet| decoder.push(&[*octet], &mut expected));
            decoder.finish(&mut expected);
            prop_assert_eq!(decode(&encoded, Encoding::QuotedPrintable), &expected[..]);
            let (before, behind) = encoded.split_at(cut.index(encoded.len() + 1));
            let mut out = Vec::new();
            [before, behind].iter().for_each(|part| decoder.push(part, &mut out));
            decoder.finish(&mut out);
            prop_assert_eq!(out, expected);
        }
    }

    fn quoted() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[a-g ]{0,9}".prop_map(String::into_bytes),
            4 => "=[0-9A-Fa-f]{2}".prop_map(String::into_bytes),
            2 => "[ \t\r]{0,3}\n".prop_map(String::into_bytes),
            2 => "=[ \t\r]{0,2}\n".prop_map(String::into_bytes),
            1 => "[= \t\r\n0-9a-f]{1,4}".prop_map(String::into_bytes),
            1 => (BLANKS_MAX - 2..BLANKS_MAX + 2, "[\n=x]").prop_map(|(blanks, behind)| {
                [vec![b' '; blanks], behind.into_bytes()].concat()
            }),
            1 => prop::collection::vec(any::<u8>(), 0..3),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn cases() {
        use Encoding::*;
        for (encoding, encoded, expected) in [
            (Identity, &b"a=41\r\n"[..], &b"a=41\r\n"[..]),
            (Base64, b"aGVs\r\nbG8=", b"hello"),
            (Base64, b"aGVsbG8", b"hello"),
            (Base64, b"aA==aA==", b"hh"),
            (Base64, b"a G*V!s\nbG8=\r\n-- \r\n", b"hello"),
            (Base64, b"a", b""),
            (QuotedPrintable, b"a=41=\r\nb  \r\nc=e9", b"aAb\r\nc\xe9"),
            (QuotedPrintable, b"a =\nb=\t\r\nc", b"a bc"),
            (QuotedPrintable, b"1=2 =zz ==41 =4", b"1=2 =zz =A =4"),
            (QuotedPrintable, b"x= y", b"x= y"),
            (QuotedPrintable, b"a\rb \t", b"a\rb"),
            (QuotedPrintable, b"end=", b"end"),
            (Uuencode, b"text\nbegin 666 a.txt\n%:&5L;&\\ \n`\nend\nrest", b"hello"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&decode(encoded, encoding)),
                String::from_utf8_lossy(expected),
                "{encoding:?} {:?}",
                String::from_utf8_lossy(encoded)
            );
            let mut out = Vec::new();
            let mut decoder = Decoder::new(encoding);
            for b in encoded {
                decoder.push(&[*b], &mut out);
            }
            decoder.finish(&mut out);
            assert_eq!(out, expected, "{encoding:?} octet by octet");
        }
    }
}
