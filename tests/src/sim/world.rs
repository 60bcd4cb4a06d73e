//! A server without sockets and threads: one core, one shard, the directory, on any disk.

use std::any::Any;
use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use trawl_index::account::AccountIndex;
use trawl_server::config::Config;
use trawl_server::core::{
    AccountRef, Auth, AuthError, Core, CoreParts, Lanes, Registry, UidValidities, Unavailable,
};
use trawl_server::indexing::Of;
use trawl_server::lanes::Timed;
use trawl_server::lanes::analyse::analyse;
use trawl_server::lanes::arrange::{ArrangeJob, Arranged};
use trawl_server::lanes::search::{Found, SearchError, SearchJob};
use trawl_server::session::{self, Connection, Start};
use trawl_store::LocalBoxFuture;
use trawl_store::clock::{Clock, SimClock};
use trawl_store::directory::{Directory, DirectoryEnv};
use trawl_store::disk::Disk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::error::StoreError;
use trawl_store::seed::{Seed, SimSeed};
use trawl_store::shard::{Env, Shard, ShardOptions};
use trawl_store::types::{AccountId, ShardId, UidValidity, WallTime};

use super::client::Client;
use super::pipe::pipe;

pub const USER: &str = "anna";
const SHARD: ShardId = ShardId(0);
const STORE_UUID: [u8; 16] = *b"simulated store!";

/// See the module.
#[derive(Clone)]
pub struct World {
    pub executor: SimExecutor,
    pub clock: SimClock,
    pub core: Rc<Core>,
    pub shard: Shard,
    pub directory: Directory,
    pub account: AccountId,
    connections: Rc<Cell<u64>>,
}

/// Small sizes, so that a short run sees segments change and checkpoints.
pub fn options() -> ShardOptions {
    ShardOptions {
        segment_bytes: 96 * 1024,
        preallocate: true,
        reserve_bytes: 0,
        checkpoint_log_bytes: 256 * 1024,
        dictionary_sample_bytes: 24 * 1024,
        read_only: false,
    }
}

pub fn executor(seed: u64) -> (SimExecutor, SimClock) {
    let clock = SimClock::new(WallTime(1_600_000_000_000));
    (SimExecutor::new(clock.clone(), seed), clock)
}

impl World {
    /// Makes a store with one account.
    pub async fn create(
        disk: Rc<dyn Disk>,
        executor: SimExecutor,
        clock: SimClock,
        seed: u64,
    ) -> Result<World, StoreError> {
        let random: Rc<dyn Seed> = Rc::new(SimSeed::new(seed));
        let directory = Directory::create(directory_env(&disk, &clock, &random)).await?;
        let running = directory.clone();
        executor.spawn(async move { running.run().await });
        let user = directory.add_user(USER, None).await.expect("a new directory takes a user");
        let shard = Shard::create(shard_env(&disk, &clock, &random), options()).await?;
        let world = World::with(executor, clock, shard, directory, user.account);
        let mut validities = Vec::new();
        for _ in 0..6 {
            validities
                .push(world.directory.next_uid_validity().await.expect("the directory gives UIDVALIDITYs"));
        }
        let validities: [UidValidity; 6] = validities.try_into().expect("six");
        world
            .shard
            .create_account(user.account, USER, validities)
            .await
            .expect("a new shard takes an account");
        Ok(world)
    }

    /// Opens what [`World::create`] made, after whatever has happened to the disk.
    pub async fn open(
        disk: Rc<dyn Disk>,
        executor: SimExecutor,
        clock: SimClock,
        seed: u64,
    ) -> Result<World, StoreError> {
        let random: Rc<dyn Seed> = Rc::new(SimSeed::new(seed));
        let directory = Directory::open(directory_env(&disk, &clock, &random), false).await?;
        let running = directory.clone();
        executor.spawn(async move { running.run().await });
        let shard = Shard::open(shard_env(&disk, &clock, &random), options()).await?;
        let account = directory.users().get(USER).expect("the user was durable before anything else").account;
        Ok(World::with(executor, clock, shard, directory, account))
    }

    fn with(
        executor: SimExecutor,
        clock: SimClock,
        shard: Shard,
        directory: Directory,
        account: AccountId,
    ) -> World {
        let running = shard.clone();
        executor.spawn(async move { running.run().await });
        let trained = shard.clone();
        executor.spawn(async move {
            while let Some(training) = trained.training().await {
                trained.use_dictionary(training.run());
            }
        });
        let core = Core::new(CoreParts {
            config: Arc::new(Config::default()),
            auth: Rc::new(Open { account }),
            lanes: Rc::new(Inline { shard: shard.clone() }),
            uid_validities: Rc::new(Counter { directory: directory.clone() }),
            registry: Rc::new(Unbounded),
            clock: Rc::new(clock.clone()) as Rc<dyn Clock>,
        });
        core.own(SHARD, shard.clone());
        World { executor, clock, core: Rc::new(core), shard, directory, account, connections: Rc::default() }
    }

    /// A new connection, greeted but not logged in.
    pub async fn connect(&self) -> Client {
        let (ours, theirs) = pipe();
        self.connections.set(self.connections.get() + 1);
        let connection = Connection { id: self.connections.get(), peer: None, tls: false, starttls: false };
        let core = Rc::clone(&self.core);
        self.executor.spawn(async move {
            let mut stream = theirs;
            session::run(&mut stream, &connection, Start::Greet, Vec::new(), &core).await;
        });
        let mut client = Client::new(ours);
        client.line().await.expect("a greeting");
        client
    }
}

fn directory_env(disk: &Rc<dyn Disk>, clock: &SimClock, seed: &Rc<dyn Seed>) -> DirectoryEnv {
    DirectoryEnv {
        disk: Rc::clone(disk),
        clock: Rc::new(clock.clone()),
        seed: Rc::clone(seed),
        store_uuid: STORE_UUID,
        epoch: 1,
        shards: 1,
    }
}

fn shard_env(disk: &Rc<dyn Disk>, clock: &SimClock, seed: &Rc<dyn Seed>) -> Env {
    Env {
        disk: Rc::clone(disk),
        clock: Rc::new(clock.clone()),
        seed: Rc::clone(seed),
        shard: SHARD,
        store_uuid: STORE_UUID,
        epoch: 1,
    }
}

/// Everybody is the one user; passwords have tests of their own.
struct Open {
    account: AccountId,
}

impl Auth for Open {
    fn verify<'a>(
        &'a self,
        user: &'a str,
        _: &'a str,
        _: Option<IpAddr>,
    ) -> LocalBoxFuture<'a, Result<AccountRef, AuthError>> {
        let answer = match user {
            USER => Ok(AccountRef { name: USER.into(), account: self.account, shard: SHARD }),
            _ => Err(AuthError::Wrong),
        };
        Box::pin(async move { answer })
    }
}

/// Lanes without threads.
struct Inline {
    shard: Shard,
}

impl Lanes for Inline {
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>> {
        Box::pin(async move { job.run_inline(&self.shard).await })
    }
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>> {
        Box::pin(async move { job.run().map(Timed::at_once) })
    }
    fn index<'a>(&'a self, _: &'a AccountRef, _: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>> {
        Box::pin(async { None })
    }
    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        Box::pin(async move { analyse(&message) })
    }
}

struct Counter {
    directory: Directory,
}

impl UidValidities for Counter {
    fn next(&self) -> LocalBoxFuture<'_, Result<UidValidity, Unavailable>> {
        Box::pin(async move {
            self.directory.next_uid_validity().await.map_err(|error| Unavailable(error.to_string()))
        })
    }
}

struct Unbounded;

impl Registry for Unbounded {
    fn admit(&self, _: &AccountRef) -> Option<Box<dyn Any>> {
        Some(Box::new(()))
    }
}
