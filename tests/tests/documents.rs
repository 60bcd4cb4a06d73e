//! Text of attached documents, from the message that comes in to the search that finds it: over restarts, kills and indexes that are made anew.
//!
//! How a document is read is tested where that is done (`index/tests/documents.rs`, `server/tests/documents.rs`); here are the same files in messages.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_types, clippy::disallowed_methods)]

use std::path::Path;

use trawl_bench::mime;
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

/// Files, their media types, something in them, and something that no other of them has.
const FILES: [(&str, &str, &str); 9] = [
    ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "AFFLICTIONS"),
    ("letter.odt", "application/octet-stream", "afflictions"),
    ("letter.pdf", "application/pdf", "running FOOT"),
    ("letter.rtf", "application/rtf", "Only on Sundays"),
    ("sheet.ods", "application/vnd.oasis.opendocument.spreadsheet", "laid up"),
    ("sheet.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "1234.5"),
    ("slides.odp", "application/vnd.oasis.opendocument.presentation", "fresnel"),
    ("slides.pptx", "application/zip", "storm of 1703"),
    // As many programs send RTF.
    ("hand.rtf", "application/msword", "m\u{fc}ller"),
];

fn with_file(name: &str, media_type: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../index/tests/documents").join(name);
    let content = mime::base64_lines(&std::fs::read(path).unwrap());
    let mut message = format!(
        "From: anna@example.org\r\nSubject: {name}\r\nContent-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n\
        --=_b\r\n\r\nSee the attachment.\r\n--=_b\r\nContent-Type: {media_type}; name=\"{name}\"\r\n\
        Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n\r\n"
    )
    .into_bytes();
    message.extend_from_slice(&content);
    message.extend_from_slice(b"\r\n--=_b--\r\n");
    message
}

fn append(client: &mut Client, message: &[u8]) {
    assert!(client.try_append("INBOX", message).unwrap().is_ok());
}

fn search(client: &mut Client, program: &str) -> Vec<u32> {
    let lines = client.ok(&format!("SEARCH CHARSET UTF-8 {program}")).lines();
    let line = lines.iter().find_map(|line| line.strip_prefix("SEARCH")).unwrap();
    line.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Everything that is said of them is found, and only there.
fn check(client: &mut Client, wait: &str) {
    for (at, (file, _, text)) in (1u32..).zip(FILES) {
        let found = search(client, &format!("BODY {{{}+}}\r\n{text}", text.len()));
        assert!(found.contains(&at), "{wait}: {file}: {text}: {found:?}");
        let others = found.iter().all(|other| {
            let (name, ..) = FILES[*other as usize - 1];
            name[..5] == file[..5]
        });
        assert!(others, "{wait}: {file}: {text}: {found:?}");
        let text = search(client, &format!("TEXT {{{}+}}\r\n{text}", text.len()));
        assert_eq!(text, found, "{wait}");
        assert!(search(client, &format!("NOT BODY \"See the attachment\" SUBJECT \"{file}\"")).is_empty());
    }
    assert_eq!(search(client, "BODY \"Lighthouse talk\""), [7, 8], "{wait}");
    assert_eq!(search(client, "OR SUBJECT sheet.ods BODY \"Lighthouse talk\""), [5, 7, 8], "{wait}");
    assert_eq!(search(client, "X-TRAWL-QUERY \"berth has:attachment filename:ods\""), [5], "{wait}");
    assert!(search(client, "HEADER subject lighthouse").is_empty());
}

#[test]
fn they_are_read_once_and_found_ever_after() {
    let mut server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    for (file, media_type, _) in FILES {
        append(&mut client, &with_file(file, media_type));
    }
    append(&mut client, b"Subject: plain\r\n\r\nnothing attached\r\n");
    append(&mut client, &with_file("locked.pdf", "application/pdf"));
    client.ok("SELECT INBOX");
    server.tool(&["reindex", "--keep", "--wait"]);
    check(&mut client, "read");
    let status = server.tool(&["status"]);
    assert!(status.contains("9 documents read") && status.contains("1 could not be read"), "{status}");
    // A copy is the same message; nothing is read for it.
    client.ok("COPY 7 Archive");
    let elsewhere = client.ok("ESEARCH IN (personal) RETURN (COUNT) BODY \"Lighthouse talk\"").lines();
    assert!(
        elsewhere.iter().any(|line| line.contains("Archive") && line.ends_with("COUNT 1")),
        "{elsewhere:?}"
    );
    server.tool(&["reindex", "--wait"]);
    check(&mut client, "with nothing in memory");
    let hits = server.tool(&["search", "anna", "-q", "\"keepers of the light\""]);
    assert!(hits.contains("slides.odp") && hits.contains("Archive"), "{hits}");
    server.kill();
    server.serve();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    check(&mut client, "after kill -9");
    let _ = std::fs::remove_dir_all(server.store().join("index"));
    assert_eq!(server.stop(), Some(0));
    server.serve();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    check(&mut client, "after a restart");
    server.tool(&["reindex", "--wait"]);
    check(&mut client, "made anew");
    let status = server.tool(&["status"]);
    assert!(status.contains("0 documents read"), "what was read is in the log: {status}");
    server.tool(&["reindex", "anna", "--documents", "--wait"]);
    check(&mut client, "read again");
    let status = server.tool(&["status"]);
    assert!(status.contains("9 documents read"), "{status}");
    assert_eq!(server.stop(), Some(0));
    let report = server.tool(&["check"]);
    assert!(report.contains("texts of documents"), "{report}");
}

#[test]
fn switched_off_nothing_is_read_and_what_was_read_stays() {
    let mut server = Server::start();
    server.user("anna");
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    let (file, media_type, _) = FILES[2];
    append(&mut client, &with_file(file, media_type));
    server.tool(&["reindex", "--keep", "--wait"]);
    assert_eq!(server.stop(), Some(0));
    let settings = std::fs::read_to_string(server.folder.path().join("trawl.toml")).unwrap();
    let off = format!("{settings}\n[documents]\nenabled = false\n");
    std::fs::write(server.folder.path().join("trawl.toml"), off).unwrap();
    server.serve();
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    append(&mut client, &with_file(file, media_type));
    client.ok("SELECT INBOX");
    server.tool(&["reindex", "--wait"]);
    assert_eq!(search(&mut client, "BODY fjord"), [1]);
    assert_eq!(server.stop(), Some(0));
    std::fs::write(server.folder.path().join("trawl.toml"), settings).unwrap();
    server.serve();
    server.tool(&["reindex", "--keep", "--wait"]);
    let mut client = Client::login(server.imap, "anna", PASSWORD);
    client.ok("SELECT INBOX");
    assert_eq!(search(&mut client, "BODY fjord"), [1, 2], "looked at once it is switched on again");
}
