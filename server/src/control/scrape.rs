//! `metrics.listen`: the figures of `trawl metrics` for a Prometheus that asks over HTTP (RFC 9112), without TLS or passwords.
//!
//! What must hold: one path, which changes nothing; requests, connections and the time of an exchange are bounded; whatever is wrong with a
//! request, the connection ends with an answer that says so.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::server::metrics_text;
use crate::limits::{SCRAPE_CONNECTIONS_MAX, SCRAPE_REQUEST_BYTES_MAX, SCRAPE_TIME_MS};
use crate::net::admission::{Admission, Caps};
use crate::runtime::executor::{Priority, sleep, spawn};
use crate::runtime::listener::accept_until;
use crate::runtime::socket::Socket;
use crate::runtime::state::CoreState;

/// Serves a listening socket until the core closes its listeners.
pub async fn serve(core: Rc<CoreState>, socket: OwnedFd) {
    let caps = Caps {
        connections_max: SCRAPE_CONNECTIONS_MAX,
        per_address_max: SCRAPE_CONNECTIONS_MAX,
        per_user_max: SCRAPE_CONNECTIONS_MAX,
    };
    let admission = Admission::new(caps);
    let closing = core.closing.clone();
    accept_until(closing.wait(), socket, |mut socket| {
        // Who asks comes again.
        let Ok(place) = admission.connect(None) else { return };
        let core = Rc::clone(&core);
        spawn(Priority::Interactive, async move {
            let late = sleep(Duration::from_millis(SCRAPE_TIME_MS));
            let stopping = core.closing.wait();
            or(exchange(&core, &mut socket), or(late, stopping)).await;
            drop(place);
        });
    })
    .await;
}

/// One request and its answer; the connection ends then.
async fn exchange(core: &Rc<CoreState>, socket: &mut Socket) {
    let Some(head) = read_head(socket).await else { return };
    let (status, body) = match asked(&head) {
        Ok(()) => match metrics_text(core).await {
            Ok(text) => ("200 OK", text),
            Err(error) => ("503 Service Unavailable", format!("{error}\n")),
        },
        Err(status) => (status, "The figures are at /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
        body.len(),
        if status.starts_with("405") { "Allow: GET\r\n" } else { "" }
    );
    for part in [head, body] {
        if socket.write_all(part.as_bytes()).await.is_err() {
            return;
        }
    }
    // A client that is gone has what it wanted.
    let _ = socket.flush().await;
    let _ = socket.close().await;
}

/// Up to the empty line, or as much as a request may have; `None` when the client is gone.
async fn read_head(socket: &mut Socket) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() <= SCRAPE_REQUEST_BYTES_MAX && !is_whole(&head) {
        match socket.read(&mut buffer).await {
            Ok(count @ 1..) => head.extend_from_slice(buffer.get(..count)?),
            _ => return None,
        }
    }
    Some(head)
}

fn is_whole(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"\r\n\r\n").is_some()
}

/// Whether a request asks for the figures; else the status of the answer.
fn asked(head: &[u8]) -> Result<(), &'static str> {
    if head.len() > SCRAPE_REQUEST_BYTES_MAX || !is_whole(head) {
        return Err("431 Request Header Fields Too Large");
    }
    let line = head.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let mut words = line.split(|octet| *octet == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("400 Bad Request");
    };
    if !version.starts_with(b"HTTP/1.") {
        return Err("505 HTTP Version Not Supported");
    }
    if method != b"GET" {
        return Err("405 Method Not Allowed");
    }
    // A query says nothing here.
    let path = target.split(|octet| *octet == b'?').next().unwrap_or_default();
    if path == b"/metrics" { Ok(()) } else { Err("404 Not Found") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_is_served() {
        let code = |head: &str| asked(head.as_bytes()).map_err(|status| &status[..3]);
        assert_eq!(code("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(()));
        assert_eq!(code("GET /metrics?name=x HTTP/1.0\r\n\r\n"), Ok(()));
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405"),
            ("GET /metrics HTTP/2.0\r\n\r\n", "505"),
            ("GET /metrics\r\n\r\n", "400"),
            ("a LOGIN x y\r\n\r\n", "400"),
            ("\r\n\r\n", "400"),
            ("GET /metrics HTTP/1.1\r\n", "431"),
            (&format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(SCRAPE_REQUEST_BYTES_MAX)), "431"),
        ] {
            assert_eq!(code(head), Err(status), "{head}");
        }
    }
}
