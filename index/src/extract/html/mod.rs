//! Text of HTML: the tree that html5ever builds, read in document order.
//!
//! A block element and `br` are a space where they begin and where they end, inline elements are nothing; script, style
//! and comments are left out; `title`, `alt` and the targets of links follow as separate texts.
//!
//! Hostile input is bounded in three ways, none of which real mail meets: a tag has at most so many attributes
//! ([`limiter`]), and when the tree gets too deep or too large for its text the rest of the part is read as text between
//! tags, without a tree ([`guard`]). Nothing here recurses.

mod dom;
mod guard;
mod limiter;

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use html5ever::TokenizerResult;
use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Tokenizer, TokenizerOpts};

use crate::mime::charset::{self, Charset};
use guard::Guard;
use limiter::Limiter;

/// Streaming: feed the decoded text in pieces of any size.
pub struct Html {
    tokenizer: Tokenizer<Guard>,
    queue: BufferQueue,
    limiter: Limiter,
    limited: String,
}

/// The texts of one HTML part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HtmlText {
    pub text: String,
    /// Titles, alternative texts and link targets, in document order.
    pub apart: Vec<String>,
}

impl Html {
    pub fn new() -> Html {
        Html {
            tokenizer: Tokenizer::new(Guard::new(), TokenizerOpts::default()),
            queue: BufferQueue::default(),
            limiter: Limiter::default(),
            limited: String::new(),
        }
    }

    pub fn push(&mut self, text: &str) {
        self.limited.clear();
        self.limiter.push(text, &mut self.limited);
        self.tokenizer.sink.input(text.len());
        self.queue.push_back(StrTendril::from_slice(&self.limited));
        while !matches!(self.tokenizer.feed(&self.queue), TokenizerResult::Done) {}
    }

    /// `Break`: `stop` was raised.
    pub fn finish(self, stop: &AtomicBool) -> ControlFlow<(), HtmlText> {
        self.tokenizer.end();
        self.tokenizer.sink.into_text(stop)
    }
}

/// The charset that an HTML document declares itself: a byte order mark, or `meta` within its first 1024 octets.
pub fn declared(octets: &[u8]) -> Charset {
    let octets = &octets[..octets.len().min(1024)];
    for (mark, name) in
        [(&b"\xef\xbb\xbf"[..], &b"utf-8"[..]), (b"\xff\xfe", b"utf-16le"), (b"\xfe\xff", b"utf-16be")]
    {
        if octets.starts_with(mark) {
            return charset::lookup(name).unwrap_or(Charset::GUESS);
        }
    }
    let lower = octets.to_ascii_lowercase();
    let mut rest = lower.as_slice();
    while let Some(at) = memchr::memmem::find(rest, b"<meta") {
        let tag = &rest[at + 5..];
        let tag = &tag[..tag.iter().position(|&b| b == b'>').unwrap_or(tag.len())];
        if let Some(name) = charset_of(tag) {
            // A document that was read this far is not UTF-16 whatever it says.
            let name = if name.starts_with(b"utf-16") { b"utf-8" } else { name };
            return charset::lookup(name).unwrap_or(Charset::GUESS);
        }
        rest = &rest[at + 5..];
    }
    Charset::GUESS
}

fn charset_of(tag: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(tag, b"charset")?;
    let value = tag[at + 7..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end =
        value.iter().position(|b| b"\"'; />".contains(b) || b.is_ascii_whitespace()).unwrap_or(value.len());
    Some(&value[..end]).filter(|name| !name.is_empty())
}

/// Elements that stand on lines of their own (HTML, rendering: `display: block`, `list-item` and the parts of tables).
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "br"
            | "caption"
            | "center"
            | "col"
            | "colgroup"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "frameset"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "listing"
            | "main"
            | "menu"
            | "nav"
            | "noframes"
            | "ol"
            | "optgroup"
            | "option"
            | "p"
            | "plaintext"
            | "pre"
            | "search"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
            | "xmp"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> (String, Vec<String>) {
        let whole = {
            let mut parser = Html::new();
            parser.push(html);
            let ControlFlow::Continue(found) = parser.finish(&AtomicBool::new(false)) else {
                panic!("not stopped")
            };
            found
        };
        let mut parser = Html::new();
        for c in html.chars() {
            parser.push(c.encode_utf8(&mut [0; 4]));
        }
        let ControlFlow::Continue(pieces) = parser.finish(&AtomicBool::new(false)) else {
            panic!("not stopped")
        };
        assert_eq!(whole, pieces, "{html:?} in pieces");
        let words: Vec<&str> = whole.text.split_ascii_whitespace().collect();
        (words.join(" "), whole.apart)
    }

    #[test]
    fn cases() {
        for (html, expected, apart) in [
            ("", "", &[][..]),
            ("plain", "plain", &[]),
            ("a<b>b</b>c<p>d</p>e<br>f", "abc d e f", &[]),
            ("<td>a</td><td>b", "ab", &[]),
            ("<table><tr><td>a</td><td>b</table>", "a b", &[]),
            ("x<script>var a='<b>'</script>y<style>p{}</style>z<!-- c -->w", "xyzw", &[]),
            (
                "<title>T &amp; t</title><img alt='An &eacute;' src=x><a href='http://x/?a&amp;b'>l</a>",
                "l",
                &["T & t", "An é", "http://x/?a&b"],
            ),
            ("&lt;&nbsp;&#65;&#x42;&notit;&unknown;", "<\u{a0}AB¬it;&unknown;", &[]),
            ("<table><tr>foster<td>cell</table>", "foster cell", &[]),
            ("<b><p>x</b>y</p>", "xy", &[]),
            ("<noscript>n</noscript><textarea><b>t</textarea>", "n<b>t", &[]),
            ("<p><template>in</template>out", "inout", &[]),
            ("<svg><title>s</title></svg>", "", &["s"]),
            ("a\0b", "ab", &[]),
        ] {
            let expected_apart: Vec<String> = apart.iter().map(|s| s.to_string()).collect();
            assert_eq!(text(html), (expected.to_owned(), expected_apart), "{html:?}");
        }
    }

    #[test]
    fn hostile_input_is_bounded() {
        for (open, n) in
            [("<div>", 200_000), ("<b>", 200_000), ("<p><b id=1><i>", 50_000), ("<table><td>", 100_000)]
        {
            let html = format!("{}deep{}", open.repeat(n), "<p>end<script>no</script>");
            let mut parser = Html::new();
            for piece in html.as_bytes().chunks(65_536) {
                parser.push(std::str::from_utf8(piece).unwrap());
            }
            let ControlFlow::Continue(found) = parser.finish(&AtomicBool::new(false)) else {
                panic!("not stopped")
            };
            assert_eq!(found.text.split_ascii_whitespace().collect::<Vec<_>>(), ["deep", "end"], "{open}");
        }
        let attributes: String = (0..100_000).map(|n| format!(" a{n}=1")).collect();
        let mut parser = Html::new();
        parser.push(&format!("x<p{attributes}>y"));
        let ControlFlow::Continue(found) = parser.finish(&AtomicBool::new(false)) else {
            panic!("not stopped")
        };
        assert_eq!(found.text.trim(), "x y");
    }

    #[test]
    fn declared_charsets() {
        for (html, name) in [
            ("<meta charset=koi8-r>", "KOI8-R"),
            ("<META http-equiv=Content-Type content=\"text/html; charset=windows-1251\">", "windows-1251"),
            ("<meta name=x><meta charset='utf-16'>", "UTF-8"),
            ("<p>", "us-ascii"),
        ] {
            assert_eq!(format!("{:?}", declared(html.as_bytes())), format!("Charset({name})"), "{html:?}");
        }
    }
}
