//! The seven-bit East Asian charsets that WHATWG replaces or restricts: ISO-2022-KR (RFC 1557), -CN (RFC 1922, GB 2312
//! only), -JP-1/-2 (RFC 2237, 1554), and HZ (RFC 1843). Characters are looked up through the EUC forms of encoding_rs.

const BROKEN: char = '\u{fffd}';

#[derive(Clone, Copy, Default, PartialEq)]
enum Set {
    #[default]
    Ascii,
    Gb2312,
    Ksc5601,
    Jisx0208,
    Jisx0212,
    Katakana,
    /// Two octets a character, not known here.
    Unknown,
}

impl Set {
    fn pair(self, a: u8, b: u8, out: &mut String) {
        let (encoding, euc): (_, &[u8]) = match self {
            Set::Gb2312 => (encoding_rs::GBK, &[a | 0x80, b | 0x80]),
            Set::Ksc5601 => (encoding_rs::EUC_KR, &[a | 0x80, b | 0x80]),
            Set::Jisx0208 => (encoding_rs::EUC_JP, &[a | 0x80, b | 0x80]),
            Set::Jisx0212 => (encoding_rs::EUC_JP, &[0x8f, a | 0x80, b | 0x80]),
            Set::Ascii | Set::Katakana | Set::Unknown => return out.push(BROKEN),
        };
        out.push_str(&encoding.decode_without_bom_handling(euc).0);
    }
}

/// ISO 2022 with the designations that mail uses.
#[derive(Default)]
pub(super) struct Iso2022 {
    g0: Set,
    g1: Set,
    /// The upper half of ISO-8859-7 instead of ISO-8859-1.
    g2_greek: bool,
    shifted: bool,
    single_shift: bool,
    lead: Option<u8>,
    escape: Vec<u8>,
}

impl Iso2022 {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            if !self.escape.is_empty() {
                self.escape.push(b);
                if self.designate() {
                    self.escape.clear();
                } else if self.escape.len() >= 4 || !b" $().*".contains(&b) {
                    self.escape.clear();
                    out.push(BROKEN);
                }
                continue;
            }
            match b {
                0x1b | 0x0e | 0x0f | b'\n' => {
                    if self.lead.take().is_some() {
                        out.push(BROKEN);
                    }
                    match b {
                        0x1b => self.escape.push(b),
                        0x0e => self.shifted = true,
                        0x0f => self.shifted = false,
                        _ => {
                            (self.g0, self.shifted, self.single_shift) = (Set::Ascii, false, false);
                            out.push('\n');
                        }
                    }
                }
                _ => self.character(b, out),
            }
        }
    }

    fn character(&mut self, b: u8, out: &mut String) {
        if std::mem::take(&mut self.single_shift) {
            let encoding = if self.g2_greek { encoding_rs::ISO_8859_7 } else { encoding_rs::WINDOWS_1252 };
            out.push_str(&encoding.decode_without_bom_handling(&[b | 0x80]).0);
            return;
        }
        let set = if self.shifted { self.g1 } else { self.g0 };
        match (set, self.lead.take(), b) {
            (Set::Katakana, None, 0x21..=0x5f) => {
                out.push(char::from_u32(0xff61 + u32::from(b) - 0x21).unwrap_or(BROKEN));
            }
            (Set::Ascii, None, 0..0x80) | (_, None, 0..=0x20 | 0x7f) => out.push(b as char),
            (_, Some(a), 0x21..=0x7e) => set.pair(a, b, out),
            (_, Some(_), _) => out.push(BROKEN),
            (Set::Ascii | Set::Katakana, None, _) | (_, None, 0x80..) => out.push(BROKEN),
            (_, None, _) => self.lead = Some(b),
        }
    }

    /// Whether the escape sequence is complete; then it has been obeyed.
    fn designate(&mut self) -> bool {
        match self.escape.get(1..).unwrap_or_default() {
            b"(B" | b"(J" => self.g0 = Set::Ascii,
            b"(I" => self.g0 = Set::Katakana,
            b"$B" | b"$@" | b"$(B" | b"$(@" | b"$(Q" | b"$(O" => self.g0 = Set::Jisx0208,
            b"$(D" => self.g0 = Set::Jisx0212,
            b"$A" | b"$(A" => self.g0 = Set::Gb2312,
            b"$(C" => self.g0 = Set::Ksc5601,
            b"$)C" => self.g1 = Set::Ksc5601,
            b"$)A" | b"$)E" => self.g1 = Set::Gb2312,
            b"$)G" => self.g1 = Set::Unknown,
            b"$*H" => {}
            b".A" => self.g2_greek = false,
            b".F" => self.g2_greek = true,
            b"N" => self.single_shift = true,
            _ => return false,
        }
        true
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        if self.lead.take().is_some() || !self.escape.is_empty() {
            out.push(BROKEN);
            self.escape.clear();
        }
    }
}

/// HZ: `~{` GB 2312 `~}`, `~~` a tilde, `~` at a line end joins lines.
#[derive(Default)]
pub(super) struct Hz {
    chinese: bool,
    tilde: bool,
    lead: Option<u8>,
}

impl Hz {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        for &b in bytes {
            if std::mem::take(&mut self.tilde) {
                match b {
                    b'{' => self.chinese = true,
                    b'}' => self.chinese = false,
                    b'~' => out.push('~'),
                    b'\n' => self.chinese = false,
                    b'\r' => self.tilde = true,
                    _ => out.push(BROKEN),
                }
                continue;
            }
            match (self.lead.take(), b) {
                (Some(a), 0x21..=0x7e) => Set::Gb2312.pair(a, b, out),
                (lead, _) => {
                    if lead.is_some() {
                        out.push(BROKEN);
                    }
                    match b {
                        b'~' => self.tilde = true,
                        b'\n' => {
                            self.chinese = false;
                            out.push('\n');
                        }
                        0x80.. => out.push(BROKEN),
                        0x21.. if self.chinese => self.lead = Some(b),
                        _ => out.push(b as char),
                    }
                }
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut String) {
        if self.lead.take().is_some() || std::mem::take(&mut self.tilde) {
            out.push(BROKEN);
        }
    }
}
