//! Real mail from `../shared/corpus`, where it is; the repository holds none.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The four archives, in the order of their names.
pub fn found() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let mut archives: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    archives.retain(|path| path.to_string_lossy().ends_with(".tar.zst"));
    archives.sort();
    archives
}

/// Every message of an archive, as it would be appended: with CRLF where the file has LF.
pub fn messages(archive: &Path) -> Vec<Vec<u8>> {
    let file = std::io::Cursor::new(std::fs::read(archive).expect("the archive is readable"));
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("the archive is zstd"));
    let mut messages = Vec::new();
    for entry in archive.entries().expect("the archive is tar") {
        let mut entry = entry.expect("the archive is whole");
        let path = entry.path().expect("a name").to_string_lossy().into_owned();
        let apart = ["LICENCES", "README.md", "manifest.tsv"].iter().any(|name| path.contains(name));
        if !entry.header().entry_type().is_file() || apart {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("the archive is whole");
        if bytes.starts_with(FROM) { messages.extend(split(&bytes)) } else { messages.push(crlf(&bytes)) }
    }
    messages
}

const FROM: &[u8] = b"From mboxrd@z ";

/// The messages of an mboxrd file.
fn split(file: &[u8]) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in file.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(FROM) {
            messages.push(Vec::new());
            continue;
        }
        let quoted = line.iter().take_while(|&&b| b == b'>').count();
        let line = if quoted > 0 && line[quoted..].starts_with(b"From ") { &line[1..] } else { line };
        if let Some(message) = messages.last_mut() {
            message.extend_from_slice(line);
        }
    }
    messages.iter().map(|message| crlf(message)).collect()
}

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
