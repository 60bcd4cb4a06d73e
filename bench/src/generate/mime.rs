//! MIME on the way out: transfer encodings, charsets, encoded words, folding, multiparts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;

use crate::chance::Chance;
use crate::limits::{ENCODED_LINE_BYTES_MAX, ENCODED_WORD_BYTES_MAX};
use crate::words::Language;

/// A body part: header lines without CRLF (folded ones hold CRLF inside) and the encoded body, CRLF line ends.
pub struct Part {
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

/// A charset that mail in `language` is written in.
pub fn charset(language: Language, chance: &mut Chance) -> &'static str {
    let older: &[&str] = match language {
        Language::English | Language::German | Language::French | Language::Spanish => {
            &["iso-8859-1", "iso-8859-1", "windows-1252", "iso-8859-15"]
        }
        Language::Polish => &["iso-8859-2", "windows-1250"],
        Language::Russian => &["koi8-r", "windows-1251"],
        Language::Greek => &["iso-8859-7"],
        Language::Japanese => &["iso-2022-jp", "shift_jis", "euc-jp"],
        Language::Chinese => &["gb2312", "gb18030"],
    };
    if chance.permille(720) { "utf-8" } else { older[chance.below(older.len() as u64) as usize] }
}

/// `text` in `charset`, or in UTF-8 when the charset cannot hold it; and the charset used.
pub fn encode_charset(text: &str, charset: &'static str) -> (Vec<u8>, &'static str) {
    match Encoding::for_label(charset.as_bytes()) {
        Some(encoding) => match encoding.encode(text) {
            (bytes, _, false) => (bytes.into_owned(), charset),
            _ => (text.as_bytes().to_vec(), "utf-8"),
        },
        None => (text.as_bytes().to_vec(), "utf-8"),
    }
}

/// RFC 2045 6.8, in lines of 76.
pub fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let encoded = STANDARD.encode(bytes);
    let mut lines = Vec::with_capacity(encoded.len() + encoded.len() / 38 + 2);
    for line in encoded.as_bytes().chunks(ENCODED_LINE_BYTES_MAX) {
        lines.extend_from_slice(line);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// RFC 2045 6.7 of text whose lines end in LF or CRLF.
pub fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for line in bytes.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut width = 0;
        for (at, &byte) in line.iter().enumerate() {
            let last = at + 1 == line.len();
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (matches!(byte, b' ' | b'\t') && !last);
            let cost = if plain { 1 } else { 3 };
            if width + cost > ENCODED_LINE_BYTES_MAX - 1 {
                out.extend_from_slice(b"=\r\n");
                width = 0;
            }
            if plain {
                out.push(byte)
            } else {
                out.extend_from_slice(format!("={byte:02X}").as_bytes())
            }
            width += cost;
        }
        out.extend_from_slice(b"\r\n");
    }
    out.truncate(out.len() - 2);
    out
}

/// RFC 2047 encoded words, separated by a space; plain text when it is ASCII.
pub fn encoded_words(text: &str, charset: &'static str, chance: &mut Chance) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let base64 = chance.permille(600) || charset == "iso-2022-jp";
    let mut words = Vec::new();
    let mut piece = String::new();
    for letter in text.chars() {
        let mut longer = piece.clone();
        longer.push(letter);
        if encoded_word(&longer, charset, base64).len() > ENCODED_WORD_BYTES_MAX && !piece.is_empty() {
            words.push(encoded_word(&piece, charset, base64));
            piece = letter.to_string();
        } else {
            piece = longer;
        }
    }
    words.push(encoded_word(&piece, charset, base64));
    words.join(" ")
}

fn encoded_word(text: &str, charset: &'static str, base64: bool) -> String {
    let (bytes, charset) = encode_charset(text, charset);
    if base64 {
        return format!("=?{charset}?B?{}?=", STANDARD.encode(bytes));
    }
    let mut q = String::new();
    for byte in bytes {
        match byte {
            b' ' => q.push('_'),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'*' | b'+' | b'-' | b'/' => {
                q.push(char::from(byte))
            }
            _ => q.push_str(&format!("={byte:02X}")),
        }
    }
    format!("=?{charset}?Q?{q}?=")
}

/// `Name: value`, folded at spaces so that lines stay under 78 octets where there are spaces.
pub fn fold(name: &str, value: &str) -> String {
    let mut line = format!("{name}:");
    let mut width = line.len();
    for word in value.split(' ') {
        if width + 1 + word.len() > 77 && width > name.len() + 1 {
            line.push_str("\r\n ");
            width = 1;
        } else {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += word.len();
    }
    line
}

/// A text part. `text` has LF line ends.
pub fn text_part(subtype: &str, text: &str, charset: &'static str, chance: &mut Chance) -> Part {
    if text.is_ascii() && chance.permille(800) {
        let charset = if chance.permille(700) { "; charset=us-ascii" } else { "; charset=\"utf-8\"" };
        let headers =
            vec![format!("Content-Type: text/{subtype}{charset}"), "Content-Transfer-Encoding: 7bit".into()];
        return Part { headers, body: crlf(text.as_bytes()) };
    }
    let (bytes, charset) = encode_charset(text, charset);
    let wide = matches!(charset, "shift_jis" | "euc-jp" | "gb2312" | "gb18030");
    let (encoding, body) = match chance.below(20) {
        _ if charset == "iso-2022-jp" => ("7bit", crlf(&bytes)),
        0..=2 if !wide => ("8bit", crlf(&bytes)),
        3..=11 if !wide => ("quoted-printable", quoted_printable(&bytes)),
        _ => ("base64", base64_lines(&crlf(&bytes))),
    };
    let quote = if chance.permille(500) { "\"" } else { "" };
    Part {
        headers: vec![
            format!("Content-Type: text/{subtype}; charset={quote}{charset}{quote}"),
            format!("Content-Transfer-Encoding: {encoding}"),
        ],
        body,
    }
}

/// A multipart of `parts`, each followed by a delimiter line (RFC 2046 5.1).
pub fn multipart(subtype: &str, parts: Vec<Part>, chance: &mut Chance) -> Part {
    let boundary = match chance.below(3) {
        0 => format!("----=_Part_{}_{}", chance.below(1_000_000), chance.token(12)),
        1 => format!("000000000000{}", chance.hex(16)),
        _ => format!("_{:03}_{}_", chance.below(10), chance.token(24)),
    };
    let mut body = Vec::new();
    if chance.permille(200) {
        body.extend_from_slice(b"This is a multi-part message in MIME format.\r\n");
    }
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        for header in part.headers {
            body.extend_from_slice(header.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(&part.body);
        if !body.ends_with(b"\r\n") {
            body.extend_from_slice(b"\r\n");
        }
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Part { headers: vec![format!("Content-Type: multipart/{subtype};\r\n boundary=\"{boundary}\"")], body }
}

/// LF to CRLF; the input has no CR.
pub fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for &byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// Breaks text at spaces before `width` characters (anywhere, when there are none).
pub fn wrap(text: &str, width: usize, prefix: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    out.push_str(prefix);
    for word in text.split(' ') {
        let letters = word.chars().count();
        if column > 0 && column + 1 + letters > width {
            out.push('\n');
            out.push_str(prefix);
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        for letter in word.chars() {
            if column >= width * 2 {
                out.push('\n');
                out.push_str(prefix);
                column = 0;
            }
            out.push(letter);
            column += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Purpose;

    #[test]
    fn quoted_printable_lines_are_short_and_ends_encoded() {
        let out = quoted_printable("a = ü \nend ".repeat(20).as_bytes());
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|l| l.len() <= ENCODED_LINE_BYTES_MAX), "{text}");
        assert!(text.starts_with("a =3D =C3=BC=20\r\nend"), "{text}");
    }

    #[test]
    fn encoded_words_are_short_and_whole() {
        let mut chance = Chance::new(3, Purpose::Mime, 0);
        for charset in ["utf-8", "iso-8859-1", "iso-2022-jp"] {
            for text in ["Übergrößenträger ".repeat(9), "会議の報告".repeat(20)] {
                let words = encoded_words(&text, charset, &mut chance);
                assert!(
                    words.is_ascii() && words.split(' ').all(|w| w.len() <= ENCODED_WORD_BYTES_MAX),
                    "{words}"
                );
            }
        }
        assert_eq!(encoded_words("plain", "utf-8", &mut chance), "plain");
    }

    #[test]
    fn folding_keeps_words() {
        let value = "word ".repeat(60).trim_end().to_owned();
        let folded = fold("References", &value);
        assert!(folded.split("\r\n").all(|l| l.len() <= 77), "{folded}");
        assert_eq!(folded.replace("\r\n", ""), format!("References: {value}"));
    }
}
