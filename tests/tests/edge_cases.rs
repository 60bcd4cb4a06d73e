//! Every edge case of the shared corpus through the real server: BODY[] is what was appended, and ENVELOPE, BODY,
//! BODYSTRUCTURE and every section are valid IMAP for a parser that is not ours (imap-codec).
//!
//! The corpus is not part of the repository; without `../shared/corpus` this test says so and ends.

// A test that cannot get an answer has failed; it may say so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::path::Path;

use imap_codec::ResponseCodec;
use imap_codec::decode::Decoder;
use imap_codec::imap_types::body::{BodyStructure, SpecificFields};
use imap_codec::imap_types::fetch::MessageDataItem;
use imap_codec::imap_types::response::{Data, Response};
use trawl_tests::client::Client;
use trawl_tests::server::{PASSWORD, Server};

/// Nested deeper than imap-codec reads (it bounds its own recursion); our own tests and imapclient hold these.
const TOO_DEEP: [&str; 7] = [
    "synthetic/t_nest20.",
    "synthetic/t_nest100.",
    "synthetic/t_nest1000.",
    "synthetic/t_nest5000.",
    "synthetic/t_rfc822x10.",
    "synthetic/t_rfc822x100.",
    "testmsgs__frag.msg",
];

fn messages(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let file = std::io::Cursor::new(std::fs::read(archive).unwrap());
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let apart = ["LICENCES", "README.md", "manifest.tsv"].iter().any(|name| path.contains(name));
        if entry.header().entry_type().is_file() && !apart {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.push((path, bytes));
        }
    }
    found
}

/// The one change that file import makes as well: a bare LF becomes CRLF.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// The numbers of all parts below `structure`, and whether each is a message.
fn parts(structure: &BodyStructure<'_>, prefix: &str, found: &mut Vec<(String, bool)>) {
    let child = |n: usize| if prefix.is_empty() { n.to_string() } else { format!("{prefix}.{n}") };
    match structure {
        BodyStructure::Multi { bodies, .. } => {
            for (n, body) in bodies.as_ref().iter().enumerate() {
                let number = child(n + 1);
                found.push((number.clone(), message_of(body).is_some()));
                below(body, &number, found);
            }
        }
        BodyStructure::Single { .. } => {
            found.push((child(1), message_of(structure).is_some()));
            below(structure, &child(1), found);
        }
    }
}

fn message_of<'a, 'b>(structure: &'a BodyStructure<'b>) -> Option<&'a BodyStructure<'b>> {
    match structure {
        BodyStructure::Single { body, .. } => match &body.specific {
            SpecificFields::Message { body_structure, .. } => Some(body_structure),
            _ => None,
        },
        BodyStructure::Multi { .. } => None,
    }
}

fn below(structure: &BodyStructure<'_>, number: &str, found: &mut Vec<(String, bool)>) {
    match message_of(structure) {
        Some(inner) => parts(inner, number, found),
        None if matches!(structure, BodyStructure::Multi { .. }) => parts(structure, number, found),
        None => {}
    }
}

/// Asks for `items` of one message and gives the FETCH response as imap-codec understands it.
fn fetch(client: &mut Client, name: &str, uid: u32, items: &str, faults: &mut Vec<String>) -> Vec<u8> {
    let answer = client.ok(&format!("UID FETCH {uid} ({items})"));
    let mut line = b"* ".to_vec();
    match answer.untagged.iter().find(|l| l.windows(7).any(|w| w == b" FETCH ")) {
        Some(found) => line.extend_from_slice(found),
        None => faults.push(format!("{name}: no FETCH response to {items}")),
    }
    line.extend_from_slice(b"\r\n");
    line
}

fn decode<'a>(line: &'a [u8], name: &str, faults: &mut Vec<String>) -> Vec<MessageDataItem<'a>> {
    match ResponseCodec::default().decode(line) {
        Ok(([], Response::Data(Data::Fetch { items, .. }))) => items.as_ref().to_vec(),
        Ok(_) => {
            faults.push(format!("{name}: not one FETCH response: {}", String::from_utf8_lossy(line)));
            Vec::new()
        }
        Err(error) => {
            let text = String::from_utf8_lossy(&line[..line.len().min(1500)]).into_owned();
            faults.push(format!("{name}: imap-codec says {error:?} to {text}"));
            Vec::new()
        }
    }
}

#[test]
fn edge_cases_are_valid_imap_for_a_foreign_parser() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/edge-cases.tar.zst");
    if !archive.exists() {
        println!("left out: ../shared/corpus is not beside the project");
        return;
    }
    let server = Server::start();
    server.user("edge");
    let mut client = Client::login(server.imap, "edge", PASSWORD);
    let messages = messages(&archive);
    assert!(messages.len() > 1800, "only {} messages in the archive", messages.len());
    let mut uids = Vec::new();
    for (name, bytes) in &messages {
        let text = crlf(bytes);
        let mark = if text.contains(&0) { "~" } else { "" };
        let mut command = format!("APPEND INBOX {mark}{{{}+}}\r\n", text.len()).into_bytes();
        command.extend_from_slice(&text);
        let answer = client.try_command(&command).unwrap();
        if text.is_empty() {
            assert!(!answer.is_ok(), "an empty literal is no message (RFC 3502 4)");
            continue;
        }
        assert!(answer.is_ok(), "{name}: {}", answer.status);
        let uid: u32 = answer.code("APPENDUID").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        uids.push((name, text, uid));
    }
    client.ok("SELECT INBOX");
    let (mut faults, mut sections, mut too_deep) = (Vec::new(), 0, 0);
    for (name, text, uid) in &uids {
        let line = fetch(&mut client, name, *uid, "BODY.PEEK[]", &mut faults);
        let start = line.iter().position(|&b| b == b'}').map_or(0, |at| at + 3);
        let shown: Vec<u8> = text.iter().map(|&b| if b == 0 { 0x80 } else { b }).collect();
        if !line[start..].starts_with(&shown)
            || !line[..start].ends_with(format!("{{{}}}\r\n", text.len()).as_bytes())
        {
            faults.push(format!("{name}: BODY[] is not what was appended"));
        }
        for item in ["ENVELOPE", "BODY", "BODYSTRUCTURE"] {
            let line = fetch(&mut client, name, *uid, item, &mut faults);
            if item != "ENVELOPE" && TOO_DEEP.iter().any(|deep| name.contains(deep)) {
                too_deep += 1;
                continue;
            }
            for item in decode(&line, name, &mut faults) {
                let MessageDataItem::BodyStructure(structure) = item else { continue };
                let mut numbers = Vec::new();
                parts(&structure, "", &mut numbers);
                let mut wanted = vec!["HEADER".to_owned(), "TEXT".to_owned()];
                for (number, message) in numbers {
                    wanted.push(number.clone());
                    wanted.push(format!("{number}.MIME"));
                    if message {
                        wanted.push(format!("{number}.HEADER"));
                        wanted.push(format!("{number}.TEXT"));
                    }
                }
                let items: Vec<String> = wanted.iter().map(|w| format!("BODY.PEEK[{w}]")).collect();
                for some in items.chunks(20) {
                    let line = fetch(&mut client, name, *uid, &some.join(" "), &mut faults);
                    let found = decode(&line, name, &mut faults);
                    let bodies = found
                        .iter()
                        .filter(|i| matches!(i, MessageDataItem::BodyExt { data, .. } if data.0.is_some()));
                    if bodies.count() != some.len() {
                        faults.push(format!(
                            "{name}: a section that BODYSTRUCTURE names is NIL or missing: {some:?}"
                        ));
                    }
                    sections += some.len();
                }
            }
        }
    }
    println!(
        "{} messages, {sections} sections, {too_deep} structures left out as too deep for imap-codec",
        uids.len()
    );
    assert!(
        faults.is_empty(),
        "{} faults, the first of them:\n{}",
        faults.len(),
        faults[..faults.len().min(20)].join("\n")
    );
}
