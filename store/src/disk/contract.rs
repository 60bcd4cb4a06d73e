//! What every disk has to do alike, as a test that each implementation runs.

use std::io::ErrorKind;
use std::rc::Rc;

use super::{Disk, OpenMode};

pub(crate) async fn check(disk: Rc<dyn Disk>) {
    disk.create_dir_all("a/b").await.unwrap();
    disk.create_dir_all("a/b").await.unwrap();
    let missing = disk.open("a/b/file", OpenMode::Read).await.err().unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(disk.list("none").await.unwrap_err().kind(), ErrorKind::NotFound);

    let file = disk.open("a/b/file", OpenMode::Create).await.unwrap();
    let taken = disk.open("a/b/file", OpenMode::Create).await.err().unwrap();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    // Larger than any single operation, and not at the start.
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    file.write_at(100, &data).await.unwrap();
    file.sync().await.unwrap();
    assert_eq!(file.len().await.unwrap(), 3_000_100);
    assert_eq!(disk.file_len("a/b/file").await.unwrap(), 3_000_100);
    assert_eq!(file.read_at(0, 100).await.unwrap(), vec![0; 100]);
    assert_eq!(file.read_at(100, data.len() + 50).await.unwrap(), data);
    assert!(file.read_at(5_000_000, 10).await.unwrap().is_empty());
    file.write_at(50, b"").await.unwrap();
    file.allocate(4_000_000).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 4_000_000);
    file.allocate(1000).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 4_000_000);
    file.truncate(200).await.unwrap();
    file.truncate(300).await.unwrap();
    assert_eq!(file.read_at(150, 1000).await.unwrap(), [&data[50..100], &[0; 100]].concat());

    let reader = disk.open("a/b/file", OpenMode::Read).await.unwrap();
    assert_eq!(reader.read_at(0, 300).await.unwrap().len(), 300);
    assert!(reader.write_at(0, b"x").await.is_err());
    let again = disk.open("a/b/file", OpenMode::ReadWrite).await.unwrap();
    again.write_at(0, b"again").await.unwrap();
    assert_eq!(reader.read_at(0, 5).await.unwrap(), b"again");

    let other = disk.open("a/b/other", OpenMode::Create).await.unwrap();
    other.write_at(0, b"other").await.unwrap();
    assert_eq!(disk.list("a/b").await.unwrap(), ["file", "other"]);
    disk.rename("a/b/other", "a/b/file").await.unwrap();
    disk.sync_dir("a/b").await.unwrap();
    disk.sync_dir("").await.unwrap();
    assert_eq!(disk.list("a/b").await.unwrap(), ["file"]);
    let renamed = disk.open("a/b/file", OpenMode::Read).await.unwrap();
    assert_eq!(renamed.read_at(0, 10).await.unwrap(), b"other");
    assert_eq!(reader.read_at(0, 5).await.unwrap(), b"again", "an open file outlives its name");

    disk.remove("a/b/file").await.unwrap();
    assert_eq!(disk.remove("a/b/file").await.unwrap_err().kind(), ErrorKind::NotFound);
    disk.open("a/b/last", OpenMode::Create).await.unwrap();
    disk.remove_dir_all("a").await.unwrap();
    disk.remove_dir_all("a").await.unwrap();
    assert!(disk.list("").await.unwrap().is_empty());
}
