//! The directory: users and UIDVALIDITYs, through restarts and crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::rc::Rc;
use trawl_store::clock::SimClock;
use trawl_store::directory::{
    Credentials, Directory, DirectoryEnv, DirectoryError, ScramVerifier, UserState, route,
};
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::seed::SimSeed;
use trawl_store::types::{AccountId, ShardId, UidValidity, WallTime};

struct World {
    disk: SimDisk,
    executor: SimExecutor,
    directory: Directory,
}

fn open(disk: SimDisk) -> World {
    let clock = SimClock::new(WallTime(1_700_000_000_000));
    let executor = SimExecutor::new(clock.clone(), 1);
    let env = DirectoryEnv {
        disk: Rc::new(disk.clone()),
        clock: Rc::new(clock),
        seed: Rc::new(SimSeed::new(1)),
        store_uuid: [3; 16],
        epoch: 1,
        shards: 3,
    };
    let is_new = disk.files().is_empty();
    let opening =
        async move { if is_new { Directory::create(env).await } else { Directory::open(env, false).await } };
    let directory = executor.run_until(opening).unwrap().unwrap();
    let running = directory.clone();
    executor.spawn(async move { running.run().await });
    World { disk, executor, directory }
}

impl World {
    fn run<T>(&self, main: impl Future<Output = T>) -> T {
        self.executor.run_until(main).unwrap()
    }
}

fn credentials(n: u8) -> Credentials {
    Credentials {
        argon2: format!("$argon2id${n}"),
        scram_sha_256: ScramVerifier {
            salt: vec![n; 16],
            iterations: 4096,
            stored_key: [n; 32],
            server_key: [n + 1; 32],
        },
    }
}

#[test]
fn users_come_and_go_and_account_ids_never_come_again() {
    let world = open(SimDisk::new());
    let directory = &world.directory;
    world.run(async {
        for bad in ["", " x", "x ", "a\nb", &"x".repeat(300)] {
            assert!(
                matches!(directory.add_user(bad, None).await, Err(DirectoryError::BadName(_))),
                "{bad:?}"
            );
        }
        let ann = directory.add_user("ann", Some(credentials(1))).await.unwrap();
        let bob = directory.add_user("bob", None).await.unwrap();
        assert_eq!((ann.account, bob.account), (AccountId(1), AccountId(2)));
        assert_eq!(directory.add_user("ann", None).await.map(|_| ()), Err(DirectoryError::UserExists));
        let changed = directory.set_credentials("ann", credentials(9)).await.unwrap();
        assert!(changed.credentials_version > ann.credentials_version);
        directory.begin_delete("bob").await.unwrap();
        assert_eq!(directory.users().get("bob").unwrap().state, UserState::Deleting);
        directory.finish_delete("bob").await.unwrap();
        assert_eq!(directory.finish_delete("bob").await, Err(DirectoryError::NoSuchUser));
    });
    let again = open(world.disk.after_crash(5));
    let users = again.directory.users();
    assert_eq!(users.iter().count(), 1);
    let ann = users.get("ann").unwrap();
    assert!(ann.credentials == Some(credentials(9)) && ann.state == UserState::Active);
    let carl = again.run(again.directory.add_user("carl", None)).unwrap();
    assert_eq!((carl.account, carl.shard), (AccountId(3), route(AccountId(3), 3)));
    assert!(users.get("carl").is_none(), "a snapshot stays as it was");
    assert!((0..100).all(|n| route(AccountId(n), 3) < ShardId(3)));
}

#[test]
fn uid_validities_only_grow() {
    let mut world = open(SimDisk::new());
    let mut last = 0;
    for round in 0..4 {
        let given: Vec<u32> = world.run(async {
            let mut given = Vec::new();
            for _ in 0..700 {
                given.push(world.directory.next_uid_validity().await.unwrap().get());
            }
            given
        });
        if round == 0 {
            assert_eq!(given[0], 1_700_000_000, "the first is the wall clock's");
        }
        for validity in given {
            assert!(validity > last, "{validity} after {last}");
            last = validity;
        }
        if round == 2 {
            let floor = UidValidity::new(2_000_000_000).unwrap();
            world.run(world.directory.raise_above(floor)).unwrap();
            last = 2_000_000_000;
        }
        world = open(world.disk.after_crash(round));
    }
    let floor = UidValidity::new(u32::MAX).unwrap();
    assert_eq!(world.run(world.directory.raise_above(floor)), Err(DirectoryError::Exhausted));
}
