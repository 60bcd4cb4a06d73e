//! Files with one message each, `.eml`, in folders that become mailboxes. Dates from Received or Date, else the file's.

use std::io;
use std::path::{Path, PathBuf};

use super::source::{self, Folder, Incoming, Item, Totals, Unreadable};

/// The folders below `path` that hold `.eml` files; or one file by itself, whatever its name.
pub fn folders(path: &Path) -> io::Result<(Vec<Folder>, Totals)> {
    let mut totals = Totals::default();
    let mut found = Vec::new();
    if path.is_dir() {
        walk(path, "", &mut found, &mut totals)?;
        if found.is_empty() {
            return Err(io::Error::other("has no .eml files in it"));
        }
    } else {
        totals.bytes = path.metadata()?.len();
        found.push(Folder { mailbox: "INBOX".into(), path: path.to_owned() });
    }
    Ok((found, totals))
}

fn is_eml(name: &str) -> bool {
    !name.starts_with('.') && name.len() > 4 && name.to_ascii_lowercase().ends_with(".eml")
}

fn walk(folder: &Path, name: &str, found: &mut Vec<Folder>, totals: &mut Totals) -> io::Result<()> {
    let mut files = 0;
    for (entry, path, is_dir) in source::entries(folder)? {
        if path.is_symlink() && is_dir || entry.starts_with('.') {
            continue;
        }
        if is_dir {
            walk(&path, &source::below(name, &entry), found, totals)?;
        } else if is_eml(&entry) {
            files += 1;
            totals.bytes += path.metadata().map_or(0, |m| m.len());
        } else {
            totals.ignored += 1;
        }
    }
    if files > 0 {
        let inbox = name.is_empty() || name.eq_ignore_ascii_case("inbox");
        let mailbox = if inbox { "INBOX" } else { name };
        found.push(Folder { mailbox: mailbox.to_owned(), path: folder.to_owned() });
    }
    Ok(())
}

/// The messages of one folder in the order of their names.
pub fn messages(folder: Folder, bytes_max: u64) -> impl Iterator<Item = Item> {
    let files: Vec<Result<PathBuf, Unreadable>> = if folder.path.is_dir() {
        match source::entries(&folder.path) {
            Ok(entries) => entries
                .into_iter()
                .filter(|(name, _, is_dir)| !is_dir && is_eml(name))
                .map(|(_, path, _)| Ok(path))
                .collect(),
            Err(e) => {
                vec![Err(Unreadable {
                    origin: folder.path.display().to_string(),
                    reason: e.to_string(),
                    source_bytes: 0,
                })]
            }
        }
    } else {
        vec![Ok(folder.path.clone())]
    };
    files.into_iter().map(move |path| {
        let path = path?;
        let origin = path.display().to_string();
        let (bytes, metadata) = source::read_file(&path, bytes_max).map_err(|e| Unreadable {
            origin: origin.clone(),
            reason: e.to_string(),
            source_bytes: path.metadata().map_or(0, |m| m.len()),
        })?;
        Ok(Incoming {
            origin,
            mailbox: folder.mailbox.clone(),
            source_bytes: bytes.len() as u64,
            date: source::header_date(&bytes).or_else(|| source::modified(&metadata)),
            bytes: source::crlf(bytes),
            flags: Vec::new(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_and_messages() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("Lists/日本")).unwrap();
        fs::write(root.path().join("b.eml"), "Date: Mon, 2 Jan 2017 15:04:05 +0100\n\nx\n").unwrap();
        fs::write(root.path().join("a.EML"), "not a message at all").unwrap();
        fs::write(root.path().join("README.md"), "no mail").unwrap();
        fs::write(root.path().join("Lists/日本/1.eml"), "").unwrap();
        let (found, totals) = folders(root.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.mailbox.as_str()).collect();
        assert_eq!(names, ["Lists/日本", "INBOX"]);
        assert_eq!(totals.ignored, 1);
        let inbox: Vec<Incoming> = messages(found[1].clone(), 1000).map(Result::unwrap).collect();
        assert_eq!(inbox[0].bytes, b"not a message at all");
        assert!(inbox[0].date.is_some());
        assert_eq!(inbox[1].date.map(|d| d.zone_minutes), Some(60));
        let empty: Vec<Incoming> = messages(found[0].clone(), 1000).map(Result::unwrap).collect();
        assert_eq!(empty[0].bytes, b"");
        let single = folders(&root.path().join("README.md")).unwrap().0;
        assert_eq!(messages(single[0].clone(), 1000).count(), 1);
    }
}
