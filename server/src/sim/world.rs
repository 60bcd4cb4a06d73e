//! A whole server in simulated time: one core, one shard, some users, and clients that speak to it through pipes.
//!
//! What fails here panics: it is the ground that tests stand on.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a broken world ends the test, with its seed"
)]

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use trawl_store::clock::SimClock;
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::event::OneshotReceiver;
use trawl_store::seed::SimSeed;
use trawl_store::shard::{Env, Shard, ShardOptions};
use trawl_store::types::{AccountId, ShardId, WallTime};

use super::pipe::{Pipe, pipe};
use super::{SimAuth, SimLanes, SimRegistry, SimUidValidities};
use crate::config::Config;
use crate::core::{AccountRef, Core, CoreParts};
use crate::session::{self, Connection, Outcome, Start};

/// Bytes that a pipe holds in each direction.
const PIPE_BYTES_MAX: usize = 256 * 1024;
/// 2026-01-01T00:00:00Z.
const START: WallTime = WallTime(1_767_225_600_000);
/// Every user's password.
pub const PASSWORD: &str = "secret";

/// See the head of this file.
pub struct World {
    pub executor: SimExecutor,
    pub clock: SimClock,
    pub disk: SimDisk,
    pub shard: Shard,
    pub core: Rc<Core>,
    pub auth: SimAuth,
    /// How many sessions of users are admitted.
    pub sessions_max: Rc<Cell<usize>>,
    pub validities: SimUidValidities,
    seed: u64,
    connections: Cell<u64>,
}

impl World {
    /// An empty store with the user `ann`.
    pub fn new(seed: u64) -> World {
        World::with_config(seed, Config::default())
    }

    pub fn with_config(seed: u64, config: Config) -> World {
        let clock = SimClock::new(START);
        let disk = SimDisk::new();
        let executor = SimExecutor::new(clock.clone(), seed);
        let env = Env {
            disk: Rc::new(disk.clone()),
            clock: Rc::new(clock.clone()),
            seed: Rc::new(SimSeed::new(seed)),
            shard: ShardId(0),
            store_uuid: [7; 16],
            epoch: 1,
        };
        let options = ShardOptions { segment_bytes: 4 << 20, preallocate: false, ..ShardOptions::default() };
        let shard = executor.run_until(Shard::create(env, options)).expect("runs").expect("an empty disk");
        let run = shard.clone();
        executor.spawn(async move { run.run().await });
        let auth = SimAuth::default();
        let validities = SimUidValidities::starting_at(1_000);
        let registry = SimRegistry::new(1_000);
        let sessions_max = Rc::clone(&registry.sessions_max);
        let core = Rc::new(Core::new(CoreParts {
            config: Arc::new(config),
            auth: Rc::new(auth.clone()),
            lanes: Rc::new(SimLanes { shard: shard.clone() }),
            uid_validities: Rc::new(validities.clone()),
            registry: Rc::new(registry),
            clock: Rc::new(clock.clone()),
        }));
        core.own(ShardId(0), shard.clone());
        let world = World {
            executor,
            clock,
            disk,
            shard,
            core,
            auth,
            sessions_max,
            validities,
            seed,
            connections: Cell::new(0),
        };
        world.add_user("ann", 1);
        world
    }

    /// Makes an account with a user.
    pub fn add_user(&self, name: &str, id: u32) -> AccountRef {
        let values = std::array::from_fn(|_| self.validities.take().expect("numbers are left"));
        let account = AccountRef { name: name.into(), account: AccountId(id), shard: ShardId(0) };
        self.run(self.shard.create_account(account.account, name, values)).expect("a new account");
        self.auth.add(PASSWORD, account.clone());
        account
    }

    /// Runs everything until `main` is done.
    pub fn run<T>(&self, main: impl Future<Output = T>) -> T {
        match self.executor.run_until(main) {
            Ok(value) => value,
            Err(halt) => panic!("the world stands still: {halt:?}, seed {}", self.seed),
        }
    }

    /// A connection from loopback, without TLS but with STARTTLS offered.
    pub fn connection(&self) -> Connection {
        self.connections.set(self.connections.get() + 1);
        let peer = Some(([127, 0, 0, 1], 40_000).into());
        Connection { id: self.connections.get(), peer, tls: false, starttls: true }
    }

    /// Connects; the greeting is still to be read.
    pub fn connect(&self) -> Client {
        self.connect_as(self.connection(), Start::Greet, Vec::new())
    }

    pub fn connect_as(&self, connection: Connection, start: Start, input: Vec<u8>) -> Client {
        let (here, mut there) = pipe(PIPE_BYTES_MAX);
        let core = Rc::clone(&self.core);
        let outcome = self.executor.spawn_with_result(async move {
            session::run(&mut there, &connection, start, input, &core).await
        });
        Client { pipe: here, read: Vec::new(), tags: 0, outcome }
    }

    /// A client that is logged in as `user`.
    pub fn login(&self, user: &str) -> Client {
        let mut client = self.connect();
        self.run(async {
            client.line().await.expect("a greeting");
            client.ok(&format!("LOGIN {user} {PASSWORD}")).await;
        });
        client
    }

    /// A client that is logged in and has selected a mailbox.
    pub fn select(&self, user: &str, mailbox: &str) -> Client {
        let mut client = self.login(user);
        self.run(async { client.ok(&format!("SELECT {mailbox}")).await });
        client
    }
}

/// The other end of a session.
pub struct Client {
    pipe: Pipe,
    read: Vec<u8>,
    tags: u32,
    outcome: OneshotReceiver<Outcome>,
}

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has closed the connection does not take it; what it said is still to be read.
        let _ = self.pipe.write_all(bytes.as_ref()).await;
    }

    /// The next response line with its literals in place, without its CRLF; none at the end.
    pub async fn line(&mut self) -> Option<String> {
        let mut taken = 0;
        loop {
            let end = self.read[taken..].windows(2).position(|pair| pair == b"\r\n").map(|at| taken + at);
            let Some(end) = end else {
                self.fill().await?;
                continue;
            };
            let literal = literal_at_end(&self.read[..end]);
            let Some(literal) = literal else {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            };
            taken = end + 2 + literal;
            while self.read.len() < taken {
                self.fill().await?;
            }
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                Some(())
            }
        }
    }

    /// How often the server has written to it.
    pub fn writes(&self) -> u64 {
        self.pipe.writes()
    }

    /// Sends a command under a new tag and gives its responses, the tagged one last and without its tag.
    pub async fn command(&mut self, command: &str) -> Vec<String> {
        let tag = self.begin(command).await;
        self.finish(&tag).await
    }

    /// Sends a command and gives its tag.
    pub async fn begin(&mut self, command: &str) -> String {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.send(format!("{tag} {command}\r\n")).await;
        tag
    }

    /// The responses up to the tagged one (or a BYE and the end), the tagged one without its tag.
    pub async fn finish(&mut self, tag: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            match line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
                Some(answer) => {
                    lines.push(answer.to_owned());
                    return lines;
                }
                None => lines.push(line),
            }
        }
        lines
    }

    /// A command that must succeed: its untagged responses.
    pub async fn ok(&mut self, command: &str) -> Vec<String> {
        let mut lines = self.command(command).await;
        let last = lines.pop().unwrap_or_default();
        assert!(last.starts_with("OK"), "{command}: {lines:?} {last}");
        lines
    }

    /// Appends a message to a mailbox.
    pub async fn append(&mut self, mailbox: &str, message: &str) -> Vec<String> {
        self.command(&format!("APPEND {mailbox} {{{}+}}\r\n{message}", message.len())).await
    }

    /// Sends nothing more, and goes on reading.
    pub async fn end_input(&mut self) {
        // Closing a pipe cannot fail.
        let _ = self.pipe.close().await;
    }

    /// How the session ended; waits for it.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        (&mut self.outcome).await
    }
}

/// The length of the literal that a line announces.
fn literal_at_end(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    std::str::from_utf8(&inner[open + 1..]).ok()?.parse().ok()
}
