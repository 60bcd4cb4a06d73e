//! Plain text and HTML, in any charset.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::output::{Out, Stop};
use crate::extract::html::{Html, declared};
use crate::limits::{DOCUMENT_HTML_BYTES_MAX, STEP_BYTES_MAX};
use crate::mime::charset::{self, Charset};

/// Octets from which it is judged whether a file is text at all.
const LOOK_BYTES: usize = 4096;

pub fn plain(charset_hint: Option<&str>, content: &[u8], out: &mut Out) -> Result<(), Stop> {
    let charset = charset_of(charset_hint, content, |_| Charset::GUESS)?;
    // No charset takes more than four octets for what is one in UTF-8.
    let (content, whole) = first(content, out.room().saturating_mul(4));
    let text = charset.decode(content);
    out.push(text.strip_prefix('\u{feff}').unwrap_or(&text))?;
    if whole { Ok(()) } else { Err(Stop::Full) }
}

pub fn html(charset_hint: Option<&str>, content: &[u8], out: &mut Out) -> Result<(), Stop> {
    let charset = charset_of(charset_hint, content, declared)?;
    let (content, whole) = first(content, DOCUMENT_HTML_BYTES_MAX);
    let mut html = Html::new();
    let text = charset.decode(content);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(STEP_BYTES_MAX.min(rest.len())));
        html.push(piece);
        rest = tail;
    }
    let ControlFlow::Continue(found) = html.finish(&AtomicBool::new(false)) else { return Ok(()) };
    for text in std::iter::once(&found.text).chain(&found.apart) {
        out.push(text.trim())?;
        out.line();
    }
    if whole { Ok(()) } else { Err(Failure::TooLarge("octets of HTML").into()) }
}

/// So many octets, and whether that is all. A character of UTF-8 is not cut.
fn first(content: &[u8], bytes_max: usize) -> (&[u8], bool) {
    if content.len() <= bytes_max {
        return (content, true);
    }
    let mut end = bytes_max;
    while end > 0 && bytes_max - end < 3 && content[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    (&content[..end], false)
}

/// The charset by a byte order mark, by the zeros that UTF-16 has between letters, by the hint, or as `declared` finds it.
fn charset_of(
    hint: Option<&str>,
    content: &[u8],
    declared: impl Fn(&[u8]) -> Charset,
) -> Result<Charset, Failure> {
    let named = |name: &str| charset::lookup(name.as_bytes());
    let marked = match content {
        [0xef, 0xbb, 0xbf, ..] => named("utf-8"),
        [0xff, 0xfe, 0, 0, ..] => named("utf-32le"),
        [0, 0, 0xfe, 0xff, ..] => named("utf-32be"),
        [0xff, 0xfe, ..] => named("utf-16le"),
        [0xfe, 0xff, ..] => named("utf-16be"),
        _ => None,
    };
    if let Some(charset) = marked.or_else(|| hint.and_then(named)) {
        return Ok(charset);
    }
    let look = &content[..content.len().min(LOOK_BYTES)];
    let zeros = |from: usize| look.iter().skip(from).step_by(2).filter(|&&b| b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let (many, few) = (look.len() / 4, look.len() / 64);
    if odd > many && even <= few {
        return Ok(named("utf-16le").unwrap_or(Charset::GUESS));
    }
    if even > many && odd <= few {
        return Ok(named("utf-16be").unwrap_or(Charset::GUESS));
    }
    let control = look.iter().filter(|&&b| b < 0x20 && !b"\t\n\r\x0c\x1b\x08\x1a".contains(&b)).count();
    if even + odd > 0 && control > look.len() / 20 {
        return Err(Failure::Unsupported);
    }
    Ok(declared(content))
}
