//! The simulated disk does what its fault model says, and nothing milder.

use super::*;
use futures_lite::future::block_on;

#[test]
fn a_simulated_disk_keeps_the_contract() {
    block_on(crate::disk::contract::check(Rc::new(SimDisk::new())));
    let short = SimDisk::new();
    short.set_short(true);
    block_on(crate::disk::contract::check(Rc::new(short)));
}

async fn file(disk: &SimDisk, path: &str) -> Rc<dyn DiskFile> {
    let file = disk.open(path, OpenMode::Create).await.unwrap();
    disk.sync_dir("").await.unwrap();
    file
}

/// What a crash can leave of a file, over many seeds.
fn outcomes(disk: &SimDisk, path: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| disk.after_crash(seed).peek(path)).collect()
}

#[test]
fn unsynced_sectors_survive_in_subsets_and_synced_ones_always() {
    let disk = SimDisk::new();
    block_on(async {
        let file = file(&disk, "f").await;
        file.write_at(0, &[1; 1024]).await.unwrap();
        file.sync().await.unwrap();
        file.write_at(512, &[2; 1024]).await.unwrap();
    });
    let outcomes = outcomes(&disk, "f");
    for bytes in outcomes.iter().flatten() {
        assert_eq!(bytes[..512], [1; 512], "a synced sector that was not written");
    }
    let has = |want: &dyn Fn(&[u8]) -> bool| outcomes.iter().flatten().any(|bytes| want(bytes));
    assert!(has(&|b| b == [1; 1024]), "nothing kept");
    assert!(has(&|b| b.len() == 1536 && b[512..] == [2; 1024]), "everything kept");
    assert!(has(&|b| b.len() == 1536 && b[512] == 1 && b[1535] == 2), "the later one alone");
    assert!(has(&|b| b[512] == 2 && b[1023] == 1), "torn");
    assert!(has(&|b| b.len() == 1536 && b[1024..] == [0; 512]), "length without data");
}

#[test]
fn names_survive_in_subsets_until_their_folder_is_synced() {
    let disk = SimDisk::new();
    block_on(async {
        file(&disk, "synced").await;
        for name in ["a", "b"] {
            let file = disk.open(name, OpenMode::Create).await.unwrap();
            file.write_at(0, b"x").await.unwrap();
            // A sync of the file is none of its name.
            file.sync().await.unwrap();
        }
        disk.rename("synced", "renamed").await.unwrap();
    });
    let seen: std::collections::BTreeSet<Vec<String>> =
        (0..400).map(|seed| disk.after_crash(seed).files()).collect();
    assert!(seen.contains(&vec!["synced".to_owned()]));
    assert!(seen.contains(&vec!["b".to_owned(), "renamed".to_owned()]));
    assert!(
        seen.iter()
            .all(|files| { files.contains(&"synced".to_owned()) != files.contains(&"renamed".to_owned()) })
    );
    block_on(disk.sync_dir("")).unwrap();
    assert!((0..50).all(|seed| disk.after_crash(seed).files() == ["a", "b", "renamed"]));
}

#[test]
fn a_failed_sync_loses_data_behind_the_back_of_later_ones() {
    let disk = SimDisk::new();
    block_on(async {
        let file = file(&disk, "f").await;
        disk.inject(SimFault { op: SimOp::Sync, path: String::new(), after: 0, times: 1, errno: libc::EIO });
        file.write_at(0, &[7; 100_000]).await.unwrap();
        assert_eq!(file.sync().await.unwrap_err().raw_os_error(), Some(libc::EIO));
        file.sync().await.unwrap();
        assert_eq!(file.read_at(0, 100_000).await.unwrap(), vec![7; 100_000]);
    });
    assert_ne!(disk.after_crash(1).peek("f").unwrap(), vec![7; 100_000]);
}

#[test]
fn a_full_disk_says_so_and_has_room_again() {
    let disk = SimDisk::new();
    block_on(async {
        let a = file(&disk, "a").await;
        disk.set_capacity(Some(1000));
        a.write_at(0, &[1; 600]).await.unwrap();
        let b = disk.open("b", OpenMode::Create).await.unwrap();
        assert!(crate::disk::is_full(&b.allocate(500).await.unwrap_err()));
        assert!(crate::disk::is_full(&b.write_at(0, &[1; 500]).await.unwrap_err()));
        assert_eq!(b.len().await.unwrap(), 400);
        a.write_at(0, &[2; 600]).await.unwrap();
        disk.remove("b").await.unwrap();
        assert_eq!(disk.used(), 600);
        a.write_at(600, &[2; 400]).await.unwrap();
    });
}

#[test]
fn a_crash_ends_everything_and_a_snapshot_stands_apart() {
    let disk = SimDisk::new();
    block_on(async {
        let file = file(&disk, "f").await;
        let before = disk.snapshot();
        disk.crash_at(disk.crash_points() + 2);
        file.write_at(0, b"one").await.unwrap();
        assert!(file.write_at(3, b"two").await.is_err());
        assert!(disk.crashed());
        assert!(file.read_at(0, 1).await.is_err());
        assert_eq!(before.peek("f").unwrap(), b"");
        let lost = (0..100).filter(|seed| disk.after_crash(*seed).peek("f").unwrap().is_empty()).count();
        assert!((1..100).contains(&lost), "{lost}");
        disk.after_kill().flip("f", 0, 0xff);
        assert_eq!(disk.after_kill().peek("f").unwrap(), b"onetwo");
    });
    let _ = outcomes(&disk, "f");
}
