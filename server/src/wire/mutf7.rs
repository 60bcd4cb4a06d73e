//! Modified UTF-7 of IMAP4rev1 (RFC 3501 5.1.3), strictly: one encoding per name.
//!
//! A name that is not exactly what [`encode`] writes is refused, so that two byte strings never mean one mailbox.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Whether a name is written as it is.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'&')
}

/// Printable US-ASCII stands for itself, `&` is `&-`, everything else is UTF-16 in modified BASE64 between `&` and `-`.
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut units: Vec<u16> = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            flush(&mut units, &mut out);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut units, &mut out);
    out
}

fn flush(units: &mut Vec<u16>, out: &mut String) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0u32, 0);
    for unit in units.drain(..) {
        bits = bits << 16 | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(char::from(ALPHABET[(bits >> count & 63) as usize]));
        }
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - count) & 63) as usize]));
    }
    out.push('-');
}

/// The name, or None when `bytes` is not what [`encode`] would have written for any name.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'&' => {
                let end = rest.iter().position(|&b| b == b'-')?;
                if end == 0 {
                    out.push('&')
                } else {
                    decode_shifted(&rest[..end], &mut out)?
                }
                rest = &rest[end + 1..];
            }
            b' '..=b'~' => out.push(char::from(first)),
            _ => return None,
        }
    }
    // Shifted printable characters, needless shifts ("&A-&B-") and dirty padding bits all differ from the one encoding.
    (encode(&out).as_bytes() == bytes).then_some(out)
}

fn decode_shifted(base64: &[u8], out: &mut String) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    let mut units = Vec::with_capacity(base64.len() / 2);
    for b in base64 {
        let value = ALPHABET.iter().position(|a| a == b)? as u32;
        bits = bits << 6 | value;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    for c in char::decode_utf16(units) {
        out.push(c.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors() {
        let cases = [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("a&b", "a&-b"),
            ("&", "&-"),
            ("", ""),
            ("€", "&IKw-"),
            ("😀", "&2D3eAA-"),
            ("\u{1}", "&AAE-"),
        ];
        for (name, wire) in cases {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Some(name), "{wire}");
        }
    }

    #[test]
    fn refuses_every_second_spelling() {
        let wrong: &[&[u8]] = &[
            b"&Jjo",               // no end
            b"&",                  // no end
            b"&Jjo!",              // the example of RFC 3501 5.1.3
            b"&U,BTFw-&ZeVnLIqe-", // needless shift
            b"&AGE-",              // shifted "a"
            b"&APx-",              // padding bits
            b"&AP-",               // half a unit
            b"&2D0-",              // lone surrogate
            b"&AA*-",
            b"caf\xc3\xa9",
            b"a\tb",
        ];
        for w in wrong {
            assert_eq!(decode(w), None, "{:?}", w.escape_ascii().to_string());
        }
    }

    proptest! {
        #[test]
        fn round_trip(name in "\\PC{0,40}") {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Some(name));
        }

        #[test]
        fn what_decodes_is_canonical(bytes in proptest::collection::vec(prop_oneof![Just(b'&'), Just(b'-'), 0x20u8..0x7f], 0..24)) {
            if let Some(name) = decode(&bytes) {
                prop_assert_eq!(encode(&name).into_bytes(), bytes);
            }
        }
    }
}
