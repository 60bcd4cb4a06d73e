//! The small texts inside script lines: escapes, base64, mbox files.

/// Resolves `\r \n \t \0 \\ \" \xHH`.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let Some((&kind, tail)) = rest.split_first() else { return Err("a backslash at the end".to_owned()) };
        rest = tail;
        out.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' | b'"' => kind,
            b'x' => {
                let digits = rest.get(..2).and_then(|d| std::str::from_utf8(d).ok());
                let byte =
                    digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or("\\xHH needs two digits")?;
                rest = &rest[2..];
                byte
            }
            _ => return Err(format!("there is no escape \\{}", char::from(kind))),
        });
    }
    Ok(out)
}

/// The end of a text that begins after its opening quote: the position of the closing one.
pub fn closing_quote(text: &str) -> Result<usize, String> {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(i),
            _ => {}
        }
    }
    Err("a text has no end".to_owned())
}

pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = ALPHABET[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// The messages of an mbox file: each begins with a `From ` line, which is dropped with the empty line before it; `>From`
/// becomes `From`; lines end with CRLF.
pub fn split_mbox(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.starts_with(b"From ") {
            if let Some(last) = messages.last_mut()
                && last.ends_with(b"\r\n\r\n")
            {
                last.truncate(last.len() - 2);
            }
            messages.push(Vec::new());
            continue;
        }
        let Some(message) = messages.last_mut() else { continue };
        let line = if line.starts_with(b">") && line.trim_start_with(b'>').starts_with(b"From ") {
            &line[1..]
        } else {
            line
        };
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    messages
}

trait TrimStart {
    fn trim_start_with(&self, byte: u8) -> &[u8];
}
impl TrimStart for [u8] {
    fn trim_start_with(&self, byte: u8) -> &[u8] {
        &self[self.iter().take_while(|&&b| b == byte).count()..]
    }
}
