//! Dictionaries: content becomes smaller by them, nothing else depends on them, and one that is damaged costs nothing
//! while a neighbour has the same.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use support::{ACCOUNT, World, mail, new_message, open, options, validities};
use trawl_store::disk::sim::SimDisk;
use trawl_store::log::Address;
use trawl_store::shard::{MessageRecord, ShardOptions};
use trawl_store::types::Flags;

/// A world with one account that has got so many messages.
fn filled(options: ShardOptions, messages: u32) -> World {
    let world = open(SimDisk::new(), 1, options);
    world.run(world.shard.create_account(ACCOUNT, "somebody", validities(100))).unwrap();
    add(&world, 0..messages);
    world
}

fn add(world: &World, messages: std::ops::Range<u32>) {
    let inbox = world.mailbox("INBOX");
    for nth in messages {
        world.run(async {
            let message = new_message(&world.shard, &mail(nth), Flags::default(), &[]).await.unwrap();
            world.shard.append(ACCOUNT, inbox, vec![message]).await.unwrap();
        });
    }
}

fn addresses(world: &World) -> Vec<Address> {
    let of = |account: &trawl_store::state::account::Account| {
        let inbox = account.mailbox_named("INBOX").unwrap();
        inbox.rows().map(|row| account.facts(row.message).unwrap().address).collect()
    };
    world.shard.with_account(ACCOUNT, of).unwrap()
}

/// Reads all messages in every way; how many there are, and those that cannot be read.
fn read(world: &World) -> (usize, Vec<Address>) {
    let addresses = addresses(world);
    let disk = world.disk.clone();
    let mut on_lane = |wanted: &[trawl_store::shard::ReadAt]| {
        let bytes = |at: &trawl_store::shard::ReadAt| {
            let file = disk.peek(&at.path).ok_or(std::io::ErrorKind::NotFound)?;
            let end = file.len().min(at.offset as usize + at.len);
            Ok(file[(at.offset as usize).min(end)..end].to_vec())
        };
        wanted.iter().map(bytes).collect()
    };
    // One that has learned nothing yet.
    let lanes = trawl_store::shard::LaneReader::new([5; 16], trawl_store::types::ShardId(0));
    let from_lane = lanes.read_messages(&addresses, true, &mut on_lane);
    let mut octets = 0;
    let summarised = lanes.read_summarised(&addresses, &mut |wanted| {
        let read = on_lane(wanted);
        octets += read.iter().flatten().map(Vec::len).sum::<usize>();
        read
    });
    let alone = lanes.read_summaries(&addresses, &mut on_lane);
    for ((message, summarised), summary) in from_lane.iter().zip(summarised).zip(alone) {
        match summarised {
            Ok((whole, beside)) => {
                assert_eq!(*message.as_ref().unwrap(), whole);
                assert_eq!(beside, summary.unwrap());
            }
            Err(_) => assert!(message.is_err()),
        }
    }
    // The log up to the last record of each segment, and little of it twice; a dictionary that is lost is looked for in many places.
    let ends: BTreeMap<u32, u32> = addresses.iter().map(|at| (at.segment, at.offset)).collect();
    let log = ends.values().map(|end| *end as usize).sum::<usize>();
    let all_read = from_lane.iter().all(Result::is_ok);
    assert!(!all_read || octets < log * 3 / 2, "{octets} octets were read of {log}");
    let mut bad = Vec::new();
    world.run(async {
        let summaries = world.shard.read_summaries(&addresses).await;
        let headers = world.shard.read_headers(&addresses).await;
        for (nth, (address, lane)) in addresses.iter().zip(from_lane).enumerate() {
            let expected = mail(nth as u32);
            match world.shard.read_all(*address).await {
                Ok(content) => {
                    assert_eq!(content, expected);
                    assert!(expected.starts_with(headers[nth].as_ref().unwrap()));
                    assert_eq!(*summaries[nth].as_ref().unwrap().bytes, *support::summary(expected.len()));
                    let lane = lane.unwrap();
                    assert_eq!([lane.header, lane.body].concat(), expected);
                }
                Err(_) => {
                    assert!(lane.is_err());
                    bad.push(*address);
                }
            }
        }
    });
    (addresses.len(), bad)
}

/// Format of each segment, from its header, and its first record.
fn segments(disk: &SimDisk) -> BTreeMap<String, (u32, Vec<u8>)> {
    let logs = disk.files().into_iter().filter(|path| path.contains("/log/") && path.ends_with(".seg"));
    logs.map(|path| {
        let bytes = disk.peek(&path).unwrap();
        let len = u32::from_le_bytes(bytes[4096..4100].try_into().unwrap()) as usize;
        let format = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        (path, (format, bytes[4096 + 24..4096 + 24 + len].to_vec()))
    })
    .collect()
}

/// A bit of the dictionary in the segment `path` is turned over.
fn damage(disk: &SimDisk, path: &str) {
    let mut bytes = disk.peek(path).unwrap();
    bytes[4096 + 24 + 600] ^= 0x10;
    disk.poke(path, &bytes);
}

#[test]
fn mail_becomes_smaller_and_stays_what_it_was() {
    let with = filled(options(), 600);
    assert_eq!(read(&with), (600, vec![]));
    assert!(with.shard.stats().dictionary_bytes > 500);
    let segments = segments(&with.disk);
    let formats: Vec<u32> = segments.values().map(|(format, _)| *format).collect();
    let plain = formats.iter().take_while(|format| **format == 1).count();
    assert!(plain > 0 && formats.len() > plain + 2, "{formats:?}");
    assert!(formats[plain..].iter().all(|format| *format == 2), "{formats:?}");
    // Chunks are small beside the blocks that commits fill: what is stored is compared, not files.
    let stored = |world: &World| -> u32 {
        let records = world.run(world.shard.read_messages(&addresses(world)));
        let last = records.into_iter().skip(400).map(Result::unwrap);
        last.flat_map(|record| [record.header, record.body].concat()).map(|extent| extent.stored_len).sum()
    };
    let without = filled(ShardOptions { dictionary_sample_bytes: 0, ..options() }, 600);
    assert_eq!(read(&without), (600, vec![]));
    assert_eq!(without.shard.stats().dictionary_bytes, 0);
    assert!(stored(&with) * 2 < stored(&without), "{} of {}", stored(&with), stored(&without));
}

#[test]
fn a_restart_goes_on_with_it() {
    let world = filled(options(), 300);
    let before = world.shard.stats().dictionary_bytes;
    assert!(before > 0);
    let again = open(world.disk.after_crash(1), 2, options());
    assert_eq!(again.shard.stats().dictionary_bytes, before);
    add(&again, 300..320);
    assert_eq!(read(&again), (320, vec![]));
    let segments = segments(&again.disk);
    let mut last = segments.values().rev().map(|(_, first)| first);
    assert_eq!(last.next(), last.next(), "the new segment begins as the one before");
}

#[test]
fn a_damaged_one_costs_nothing_while_a_neighbour_has_it() {
    let world = filled(options(), 600);
    let disk = world.disk.after_kill();
    let with: Vec<String> =
        segments(&disk).into_iter().filter(|(_, (format, _))| *format == 2).map(|(path, _)| path).collect();
    assert!(with.len() > 2);
    damage(&disk, &with[1]);
    damage(&disk, with.last().unwrap());
    let again = open(disk.clone(), 3, options());
    assert_eq!(read(&again), (600, vec![]));
    // Without a word of it in the last segment, writing goes on without one.
    assert_eq!(again.shard.stats().dictionary_bytes, 0);
    add(&again, 600..620);
    assert_eq!(read(&again), (620, vec![]));
}

#[test]
fn without_any_the_rest_is_read_and_written() {
    let world = filled(options(), 600);
    let disk = world.disk.after_kill();
    let mut plain = Vec::new();
    for (path, (format, _)) in segments(&disk) {
        if format == 2 {
            damage(&disk, &path);
        } else {
            plain.push(path);
        }
    }
    let again = open(disk, 3, options());
    let (all, bad) = read(&again);
    assert_eq!(all, 600);
    let in_plain = |at: Address| plain.iter().any(|path| path.ends_with(&format!("{:08}.seg", at.segment)));
    let records = again.run(again.shard.read_messages(&addresses(&again)));
    let depends =
        |record: MessageRecord| [record.header, record.body].concat().iter().any(|e| !in_plain(e.address));
    let records = addresses(&again).into_iter().zip(records);
    let expected: Vec<Address> =
        records.filter(|(_, record)| depends(record.clone().unwrap())).map(|(address, _)| address).collect();
    assert!(!bad.is_empty() && bad.len() < all);
    assert_eq!(bad, expected, "those of which something is in a segment with a dictionary");
    add(&again, 600..640);
    assert_eq!(read(&again), (640, bad));
}
