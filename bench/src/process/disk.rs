//! What a server's data folder takes: allocated blocks, split by the names of files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Which files are what: a file belongs to the first kind of which a pattern is part of its path below the data folder; to
/// `metadata` if there is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    pub index: Vec<String>,
    pub mail: Vec<String>,
    pub metadata: Vec<String>,
}

/// Octets of allocated blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub mail: u64,
    pub metadata: u64,
    pub index: u64,
}

impl Disk {
    pub fn total(&self) -> u64 {
        self.mail + self.metadata + self.index
    }

    pub fn since(&self, before: &Disk) -> Disk {
        Disk {
            mail: self.mail.saturating_sub(before.mail),
            metadata: self.metadata.saturating_sub(before.metadata),
            index: self.index.saturating_sub(before.index),
        }
    }
}

/// Everything below `folder`. Files that vanish meanwhile are left out.
pub fn usage(folder: &Path, layout: &Layout) -> Disk {
    let mut disk = Disk::default();
    walk(folder, folder, layout, &mut disk);
    disk
}

fn walk(root: &Path, folder: &Path, layout: &Layout, disk: &mut Disk) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let octets = metadata.blocks() * 512;
        let has = |patterns: &[String]| patterns.iter().any(|pattern| below.contains(pattern.as_str()));
        if has(&layout.index) {
            disk.index += octets;
        } else if has(&layout.mail) {
            disk.mail += octets;
        } else {
            disk.metadata += octets;
        }
        if metadata.is_dir() {
            walk(root, &path, layout, disk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/index")).unwrap();
        for (name, size) in [("a/index/1", 9_000), ("a/u.1", 20_000), ("a/other", 5_000)] {
            fs::write(folder.path().join(name), vec![1; size]).unwrap();
        }
        let layout = Layout { index: vec!["index/".into()], mail: vec!["u.".into()], metadata: Vec::new() };
        let disk = usage(folder.path(), &layout);
        assert!(disk.index >= 9_000 && disk.mail >= 20_000 && disk.metadata >= 5_000, "{disk:?}");
        assert!(disk.mail < 30_000);
    }
}
