//! Maildir: `cur` and `new`, flags in file names, the file's time as the date of arrival, keywords from Dovecot's
//! `dovecot-keywords`. Folders as Maildir++ (`.Archive.2019`, modified UTF-7) or nested directories, or both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::source::{self, Folder, Incoming, Item, Totals, Unreadable};
use crate::wire::mutf7;

/// The mailboxes below `root`, and how many bytes they hold.
pub fn folders(root: &Path) -> io::Result<(Vec<Folder>, Totals)> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    let mut totals = Totals::default();
    for folder in &found {
        for part in ["cur", "new"] {
            let Ok(entries) = fs::read_dir(folder.path.join(part)) else { continue };
            for entry in entries.flatten() {
                totals.bytes += entry.metadata().map_or(0, |m| m.len());
            }
        }
    }
    if found.is_empty() {
        return Err(io::Error::other("is not a Maildir: there is no folder with `cur` or `new` in it"));
    }
    Ok((found, totals))
}

fn walk(path: &Path, name: &str, found: &mut Vec<Folder>) -> io::Result<()> {
    if path.join("cur").is_dir() || path.join("new").is_dir() {
        let mailbox = if name.is_empty() { "INBOX" } else { name };
        found.push(Folder { mailbox: mailbox.to_owned(), path: path.to_owned() });
    }
    for (entry, path, is_dir) in source::entries(path)? {
        if !is_dir || matches!(entry.as_str(), "cur" | "new" | "tmp") || path.is_symlink() {
            continue;
        }
        let parts: String = match entry.strip_prefix('.') {
            Some(dotted) => dotted.split('.').map(decode).collect::<Vec<_>>().join("/"),
            None => decode(&entry),
        };
        walk(&path, &source::below(name, &parts), found)?;
    }
    Ok(())
}

/// A folder name as written by a server (modified UTF-7) or by a person (UTF-8).
fn decode(name: &str) -> String {
    mutf7::decode(name.as_bytes()).unwrap_or_else(|| name.to_owned())
}

/// The messages of one folder, oldest first as far as file names tell (they begin with the time of arrival).
pub fn messages(folder: Folder, bytes_max: u64) -> impl Iterator<Item = Item> {
    let keywords = keyword_table(&folder.path);
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let mut broken = Vec::new();
    for part in ["cur", "new"] {
        let path = folder.path.join(part);
        match source::entries(&path) {
            Ok(entries) => files.extend(
                entries
                    .into_iter()
                    .filter(|(name, _, is_dir)| !is_dir && !name.starts_with('.'))
                    .map(|(name, path, _)| (name, path)),
            ),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => broken.push(Err(Unreadable {
                origin: path.display().to_string(),
                reason: e.to_string(),
                source_bytes: 0,
            })),
        }
    }
    files.sort_by(|(a, _), (b, _)| arrival(a).cmp(&arrival(b)).then_with(|| a.cmp(b)));
    let messages = files.into_iter().map(move |(name, path)| {
        let origin = path.display().to_string();
        let (bytes, metadata) = source::read_file(&path, bytes_max).map_err(|e| Unreadable {
            origin: origin.clone(),
            reason: e.to_string(),
            source_bytes: path.metadata().map_or(0, |m| m.len()),
        })?;
        let is_new = path.parent().is_some_and(|p| p.ends_with("new"));
        Ok(Incoming {
            origin,
            mailbox: folder.mailbox.clone(),
            source_bytes: bytes.len() as u64,
            bytes: source::crlf(bytes),
            flags: if is_new { Vec::new() } else { flags(&name, &keywords) },
            date: source::modified(&metadata),
        })
    });
    broken.into_iter().chain(messages)
}

/// The seconds that a Maildir name begins with.
fn arrival(name: &str) -> u64 {
    name.split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(u64::MAX)
}

/// Flags of `unique:2,FRSab`: capital letters are Maildir's, small ones index Dovecot's keyword table.
fn flags(name: &str, keywords: &[(char, String)]) -> Vec<String> {
    let Some((_, letters)) = name.rsplit_once([':', ';', '!']).filter(|(_, info)| info.starts_with("2,"))
    else {
        return Vec::new();
    };
    letters[2..]
        .split(',')
        .next()
        .unwrap_or_default()
        .chars()
        .filter_map(|letter| match letter {
            'D' => Some("\\Draft".to_owned()),
            'F' => Some("\\Flagged".to_owned()),
            'P' => Some("$Forwarded".to_owned()),
            'R' => Some("\\Answered".to_owned()),
            'S' => Some("\\Seen".to_owned()),
            'T' => Some("\\Deleted".to_owned()),
            _ => keywords.iter().find(|(k, _)| *k == letter).map(|(_, keyword)| keyword.clone()),
        })
        .collect()
}

/// Lines `0 $Forwarded`; letter `a` is 0.
fn keyword_table(folder: &Path) -> Vec<(char, String)> {
    let text = fs::read_to_string(folder.join("dovecot-keywords")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (index, name) = line.split_once(' ')?;
            let index: u8 = index.parse().ok().filter(|n| *n < 26)?;
            Some((char::from(b'a' + index), source::keyword(name.trim())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn folders_of_both_kinds() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "cur/1.a:2,",
            ".Archive.2019/cur/2.a:2,",
            ".Entw&APw-rfe/new/3.a",
            "Nested/Deep/cur/4.a:2,",
            "tmp/5.a",
        ] {
            put(root.path(), path, "x: y\n\nz\n");
        }
        let (folders, totals) = folders(root.path()).unwrap();
        let mut names: Vec<String> = folders.into_iter().map(|f| f.mailbox).collect();
        names.sort();
        assert_eq!(names, ["Archive/2019", "Entwürfe", "INBOX", "Nested/Deep"]);
        assert_eq!(totals.bytes, 4 * 8);
    }

    #[test]
    fn not_a_maildir() {
        let root = tempfile::tempdir().unwrap();
        assert!(folders(root.path()).is_err());
    }

    #[test]
    fn flags_dates_and_order() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "dovecot-keywords", "0 $Forwarded\n1 work\n2 two words\n");
        put(root.path(), "cur/200.b:2,FRSabc", "Subject: second\n\nx\n");
        put(root.path(), "cur/1000.c:2,T", "Subject: third\n\nx\n");
        put(root.path(), "new/30.a", "Subject: first\r\n\r\nx\r\n");
        let (mut found, _) = folders(root.path()).unwrap();
        let messages: Vec<Incoming> = messages(found.remove(0), 1000).map(Result::unwrap).collect();
        assert_eq!(messages.iter().map(|m| m.bytes.len()).collect::<Vec<_>>(), [21, 22, 21]);
        assert_eq!(messages[0].flags, Vec::<String>::new());
        assert_eq!(messages[1].flags, ["\\Flagged", "\\Answered", "\\Seen", "$Forwarded", "work"]);
        assert_eq!(messages[2].flags, ["\\Deleted"]);
        assert!(messages.iter().all(|m| m.date.is_some() && m.mailbox == "INBOX"));
    }

    #[test]
    fn too_large_is_reported_and_not_read() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "cur/1.a:2,S", &"x".repeat(2000));
        let (mut found, _) = folders(root.path()).unwrap();
        let items: Vec<Item> = messages(found.remove(0), 1000).collect();
        assert!(
            items[0].as_ref().is_err_and(|e| e.reason.contains("larger") && e.source_bytes == 2000),
            "{items:?}"
        );
    }
}
