//! Texts of documents from a server of Apache Tika, over HTTP: `PUT /tika`, with the document as the body.
//!
//! Not here: TLS. Tika is to run beside the mail server or behind something that does TLS, since it is given everybody's mail.

use std::io::Read;
use std::time::Duration;

use super::{Bounds, Document, Extractor, Outcome, Reason};

/// Time to answer beyond what a document may take: Tika has limits of its own, and queues.
const GRACE: Duration = Duration::from_secs(10);

/// See the module.
pub struct Tika {
    agent: ureq::Agent,
    url: String,
    bounds: Bounds,
}

impl Tika {
    /// `url`: `http://host:port`, with or without a path in front of Tika's own.
    pub fn new(url: &str, bounds: Bounds) -> Tika {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(bounds.time.saturating_add(GRACE)))
            .timeout_connect(Some(GRACE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent("trawl")
            .build()
            .new_agent();
        Tika { agent, url: format!("{}/tika", url.trim_end_matches('/')), bounds }
    }

    fn put(&self, document: &Document<'_>) -> Result<Outcome, ureq::Error> {
        let mut answer = self
            .agent
            .put(&self.url)
            .header("Accept", "text/plain; charset=UTF-8")
            .header("Content-Type", content_type(document))
            .send(document.content)?;
        let failed = match answer.status().as_u16() {
            200 => None,
            204 => return Ok(Outcome::Text { text: String::new(), cut: false }),
            413 => Some(Reason::TooLarge),
            415 => Some(Reason::Unsupported),
            // It understood that this is a document, but there is a password, or damage, or nobody who reads it.
            422 => Some(Reason::Damaged),
            // Over its load, not found, broken down: nothing of that is the document's.
            _ => Some(Reason::Unavailable),
        };
        if let Some(reason) = failed {
            return Ok(Outcome::Failed(reason));
        }
        let mut octets = Vec::new();
        let limit = self.bounds.text as u64 + 1;
        answer.body_mut().as_reader().take(limit).read_to_end(&mut octets)?;
        let over = octets.len() > self.bounds.text;
        let mut text = String::from_utf8_lossy(&octets).into_owned();
        text.truncate(text.floor_char_boundary(self.bounds.text));
        if over && text.ends_with('\u{fffd}') {
            // Half a character.
            text.pop();
        }
        Ok(Outcome::Text { text, cut: over })
    }
}

/// The media type of a document as a header field can carry it.
fn content_type(document: &Document<'_>) -> String {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.len() <= 127
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    let media_type = match document.media_type.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => document.media_type,
        _ => document.kind.media_type(),
    };
    // What says nothing is better not believed: Tika looks for itself.
    let vague =
        trawl_index::document::Kind::of(media_type, None).is_none() && !media_type.starts_with("text/");
    let media_type = if vague { document.kind.media_type() } else { media_type };
    match document.charset.filter(|charset| is_token(charset)) {
        Some(charset) => format!("{media_type}; charset={charset}"),
        None => media_type.to_owned(),
    }
}

impl Extractor for Tika {
    fn extract(&mut self, document: &Document<'_>) -> Outcome {
        if document.content.len() > self.bounds.size {
            return Outcome::Failed(Reason::TooLarge);
        }
        self.put(document).unwrap_or_else(|error| {
            tracing::debug!(%error, "Tika does not answer");
            Outcome::Failed(Reason::Unavailable)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use trawl_index::document::Kind;

    use super::*;

    const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), memory: 0, text: 8, size: 1000 };

    /// Answers one request with these octets; gives back its head and its body.
    #[allow(clippy::disallowed_methods, reason = "the other side of a socket")]
    fn responder(answer: Vec<u8>) -> (String, JoinHandle<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/path/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let (mut head, mut size) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    size = length.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; size];
            reader.read_exact(&mut body).unwrap();
            let _ = (&stream).write_all(&answer);
            (head, body)
        });
        (url, thread)
    }

    fn document(content: &[u8]) -> Document<'_> {
        Document { kind: Kind::Pdf, media_type: "application/pdf", charset: None, content }
    }

    #[test]
    fn answers_and_what_they_mean() {
        let text = |text: &str, cut| Outcome::Text { text: text.into(), cut };
        for (answer, expected) in [
            ("200 OK\r\nContent-Length: 6\r\n\r\nh\u{e9}llo", text("h\u{e9}llo", false)),
            (
                "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                text("abcde", false),
            ),
            ("200 OK\r\nContent-Length: 12\r\n\r\n123456789012", text("12345678", true)),
            ("200 OK\r\nContent-Length: 12\r\n\r\n1234567\u{e9}890", text("1234567", true)),
            ("200 OK\r\nContent-Length: 12\r\n\r\nabc", Outcome::Failed(Reason::Unavailable)),
            ("204 No Content\r\n\r\n", text("", false)),
            ("413 Too Large\r\nContent-Length: 0\r\n\r\n", Outcome::Failed(Reason::TooLarge)),
            ("415 Unsupported\r\nContent-Length: 0\r\n\r\n", Outcome::Failed(Reason::Unsupported)),
            ("422 Unprocessable\r\nContent-Length: 0\r\n\r\n", Outcome::Failed(Reason::Damaged)),
            ("500 Oh\r\nContent-Length: 2\r\n\r\nno", Outcome::Failed(Reason::Unavailable)),
            ("503 Busy\r\nContent-Length: 0\r\n\r\n", Outcome::Failed(Reason::Unavailable)),
            (
                "302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                Outcome::Failed(Reason::Unavailable),
            ),
            ("nonsense", Outcome::Failed(Reason::Unavailable)),
        ] {
            let (url, thread) = responder(format!("HTTP/1.1 {answer}").into_bytes());
            assert_eq!(Tika::new(&url, BOUNDS).extract(&document(b"%PDF")), expected, "{answer}");
            let (head, body) = thread.join().unwrap();
            assert!(head.starts_with("PUT /path/tika HTTP/1.1\r\n"), "{head}");
            let head = head.to_ascii_lowercase();
            assert!(head.contains("accept: text/plain; charset=utf-8\r\n"), "{head}");
            assert!(head.contains("content-type: application/pdf\r\n"), "{head}");
            assert_eq!(body, b"%PDF");
        }
    }

    #[test]
    fn nobody_there_and_too_much_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let mut tika = Tika::new(&url, BOUNDS);
        assert_eq!(tika.extract(&document(b"")), Outcome::Failed(Reason::Unavailable));
        assert_eq!(tika.extract(&document(&[0; 1001])), Outcome::Failed(Reason::TooLarge));
    }

    #[test]
    fn media_types_are_put_into_order() {
        for (kind, media_type, charset, expected) in [
            (Kind::Docx, "application/octet-stream", None, Kind::Docx.media_type()),
            (Kind::Pdf, "a\r\nb: c/d", None, "application/pdf"),
            (Kind::Other, "application/msword", None, "application/msword"),
            (Kind::Other, "application/octet-stream", None, "application/octet-stream"),
            (Kind::Plain, "application/json", Some("koi8-r"), "application/json; charset=koi8-r"),
            (Kind::Plain, "", Some("x\r\ny"), "text/plain"),
        ] {
            assert_eq!(content_type(&Document { kind, media_type, charset, content: b"" }), expected);
        }
    }
}
