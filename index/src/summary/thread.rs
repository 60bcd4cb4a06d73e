//! What threading needs of a header: message ids and the base subject (RFC 5256 2.1).

use crate::limits::{FIELD_BYTES_MAX, MESSAGE_ID_BYTES_MAX, REFERENCES_MAX, SUMMARY_STRING_BYTES_MAX};

/// The ids of a Message-ID, In-Reply-To or References value: what stands between `<` and `>`, white space removed; if
/// there are no brackets, the words that hold an `@`. The last ones, the closest relatives, are kept.
pub(super) fn ids(value: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    // The end of a list holds the closest relatives.
    let value = &value[value.len().saturating_sub(FIELD_BYTES_MAX)..];
    let mut rest = value;
    while let Some(open) = memchr::memchr(b'<', rest) {
        let inner = &rest[open + 1..];
        let Some(close) = memchr::memchr(b'>', inner) else { break };
        let id: Vec<u8> =
            inner[..close].iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'<').collect();
        if !id.is_empty() && id.len() <= MESSAGE_ID_BYTES_MAX {
            out.push(id);
        }
        rest = &inner[close + 1..];
    }
    if out.is_empty() {
        let words = value.split(|b| b.is_ascii_whitespace() || b",;<>".contains(b));
        out = words
            .filter(|word| word.contains(&b'@') && word.len() <= MESSAGE_ID_BYTES_MAX)
            .map(<[u8]>::to_vec)
            .collect();
    }
    let surplus = out.len().saturating_sub(REFERENCES_MAX);
    out.drain(..surplus);
    out
}

/// The base subject, and whether something was removed that marks a reply or forward.
///
/// Case and white space: RFC 5256 compares base subjects by i;unicode-casemap; the text here is as written, with white
/// space folded.
pub(super) fn base_subject(decoded: &str) -> (String, bool) {
    let decoded = &decoded[..decoded.floor_char_boundary(decoded.len().min(SUMMARY_STRING_BYTES_MAX))];
    // (1) tabs and continuations to spaces, runs to one.
    let folded = decoded.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = folded.as_str();
    let mut reply = false;
    loop {
        // (2) subj-trailer
        loop {
            text = text.trim_end();
            match strip_suffix_ignore_case(text, "(fwd)") {
                Some(rest) => {
                    text = rest;
                    reply = true;
                }
                None => break,
            }
        }
        // (3), (4), (5) subj-leader and subj-blob until nothing changes.
        loop {
            let before = text;
            text = text.trim_start();
            if let Some(rest) = leader(text) {
                text = rest;
                reply = true;
            }
            if let Some(rest) = blob(text)
                && !rest.trim().is_empty()
            {
                text = rest;
            }
            if text == before {
                break;
            }
        }
        // (6) "[fwd: ...]"
        let inner = strip_prefix_ignore_case(text, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
        match inner {
            Some(inner) => {
                text = inner;
                reply = true;
            }
            None => return (text.to_owned(), reply),
        }
    }
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    if start.eq_ignore_ascii_case(prefix) { text.get(prefix.len()..) } else { None }
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let end = text.get(at..)?;
    if end.eq_ignore_ascii_case(suffix) { text.get(..at) } else { None }
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn blob(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    let rest = inner.get(end..)?.strip_prefix(']')?;
    Some(rest.trim_start())
}

/// `*subj-blob subj-refwd`; `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(after) = blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| {
        let rest = strip_prefix_ignore_case(rest, word)?.trim_start();
        let rest = blob(rest).unwrap_or(rest);
        rest.strip_prefix(':')
    })?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids() {
        for (value, expected) in [
            ("<a@b>", &["a@b"][..]),
            ("<a@b> text <c@\r\n d>", &["a@b", "c@d"]),
            ("a@b c@d", &["a@b", "c@d"]),
            ("<> <a", &[]),
            ("", &[]),
        ] {
            let found = ids(value.as_bytes());
            let found: Vec<_> = found.iter().map(|id| String::from_utf8_lossy(id)).collect();
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn base_subjects() {
        for (subject, base, reply) in [
            ("", "", false),
            ("Hello  there", "Hello there", false),
            ("Re: Hello", "Hello", true),
            ("RE : [x] Fwd: Hello (fwd) (FWD)", "Hello", true),
            ("[list] Re: [list] Hello", "Hello", true),
            ("[list] Hello", "Hello", false),
            ("[list]", "[list]", false),
            ("Re[2]: Hello", "Hello", true),
            ("[Fwd: Re: Hello]", "Hello", true),
            ("Ré: x", "Ré: x", false),
            ("Re:", "", true),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), reply), "{subject:?}");
        }
    }
}
