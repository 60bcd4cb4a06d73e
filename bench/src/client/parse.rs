//! What the driver understands of responses: numbers, codes, sets, items of FETCH. Scanning, not parsing: a server's
//! grammar is not judged here, its answers are.

use super::reader::literal;

/// A decimal number at the start, and the rest.
pub fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut value: u32 = 0;
    for digit in &bytes[..length] {
        value = value.checked_mul(10)?.checked_add(u32::from(digit - b'0'))?;
    }
    (length > 0).then_some((value, &bytes[length..]))
}

/// All numbers of a list separated by spaces (` 1 2 3`), up to something else.
pub fn numbers(mut bytes: &[u8], into: &mut Vec<u32>) {
    while let Some(rest) = bytes.strip_prefix(b" ") {
        let Some((value, rest)) = number(rest) else { return };
        into.push(value);
        bytes = rest;
    }
}

/// The numbers of a sequence set (`1,4:6`), at most `max` of them.
pub fn set(text: &[u8], max: usize) -> Vec<u32> {
    let mut found = Vec::new();
    for part in text.split(|b| *b == b',') {
        let Some((first, rest)) = number(part) else { break };
        let last = rest.strip_prefix(b":").and_then(number).map_or(first, |(n, _)| n);
        for n in first.min(last)..=last.max(first) {
            if found.len() >= max {
                return found;
            }
            found.push(n);
        }
    }
    found
}

/// The number after the first `word` (which ends in its separator).
pub fn after(line: &[u8], word: &[u8]) -> Option<u32> {
    let at = memchr::memmem::find(line, word)?;
    number(&line[at + word.len()..]).map(|(n, _)| n)
}

/// The 63-bit number after the first `word`.
pub fn after_long(line: &[u8], word: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(line, word)? + word.len();
    let length = line[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&line[at..at + length]).ok()?.parse().ok()
}

/// The argument of response code `name` in a status line.
pub fn code(line: &[u8], name: &str) -> Option<String> {
    let open = line.iter().position(|&b| b == b'[')?;
    let close = line.iter().position(|&b| b == b']')?;
    let inside = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let rest = inside.strip_prefix(name)?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim().to_owned())
}

/// Sequence number and items of `N FETCH (...)`.
pub fn fetch(line: &[u8]) -> Option<(u32, &[u8])> {
    let (sequence, rest) = number(line)?;
    Some((sequence, rest.strip_prefix(b" FETCH ")?))
}

/// The first literal or quoted string behind `name` in a FETCH response. A quoted string is taken as it is: what the driver asks for
/// has none that needs escapes, but for those a copy would be needed (`None`).
pub fn string<'a>(items: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(items, name)? + name.len();
    let rest = items[at..].strip_prefix(b" ").unwrap_or(&items[at..]);
    let rest = rest.strip_prefix(b"~").unwrap_or(rest);
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let end = quoted.iter().position(|&b| b == b'"')?;
        return (!quoted[..end].contains(&b'\\')).then(|| &quoted[..end]);
    }
    let newline = rest.iter().position(|&b| b == b'\n')?;
    let head = rest[..newline].strip_suffix(b"\r")?;
    rest.get(newline + 1..newline + 1 + literal(head)?)
}

/// A quoted string (RFC 9051 4.3). Callers give names and passwords without line breaks.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_responses() {
        assert_eq!(number(b"12 EXISTS"), Some((12, &b" EXISTS"[..])));
        assert_eq!(number(b"99999999999"), None);
        let mut found = Vec::new();
        numbers(b" 1 22 3", &mut found);
        assert_eq!(found, [1, 22, 3]);
        assert_eq!(set(b"1,4:6,9:8", 10), [1, 4, 5, 6, 8, 9]);
        assert_eq!(code(b"OK [APPENDUID 7 9] done", "APPENDUID").as_deref(), Some("7 9"));
        assert_eq!(code(b"OK [UIDVALIDITY 7] x", "UIDNEXT"), None);
        let (sequence, items) = fetch(b"3 FETCH (UID 9 BODY[] {4}\r\na\"\r\n)").unwrap();
        assert_eq!(
            (sequence, after(items, b"UID "), string(items, b"BODY[]")),
            (3, Some(9), Some(&b"a\"\r\n"[..]))
        );
        assert_eq!(string(b"(BODY[TEXT]<0> \"hi\")", b"BODY[TEXT]<0>"), Some(&b"hi"[..]));
        assert_eq!(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
    }
}
