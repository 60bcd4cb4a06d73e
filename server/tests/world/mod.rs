//! A world for sessions: one shard on the simulated disk, sessions over pipes in memory, virtual time.
//!
//! Everything between the bytes of a client and the bytes of the log is the real code.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};
use trawl_index::account::AccountIndex;
use trawl_server::config::Config;
use trawl_server::core::{
    AccountRef, Auth, AuthError, Core, CoreParts, Lanes, Registry, UidValidities, Unavailable,
};
use trawl_server::indexing::Of;
use trawl_server::lanes::Timed;
use trawl_server::lanes::arrange::{ArrangeJob, Arranged};
use trawl_server::lanes::inline::InlineLanes;
use trawl_server::lanes::search::{Found, SearchError, SearchJob};
use trawl_server::session::{self, Connection, Start};
use trawl_store::LocalBoxFuture;
use trawl_store::clock::{Clock, SimClock};
use trawl_store::disk::sim::SimDisk;
use trawl_store::disk::sim_executor::SimExecutor;
use trawl_store::seed::SimSeed;
use trawl_store::shard::{Env, Shard, ShardOptions};
use trawl_store::types::{AccountId, ShardId, UidValidity, WallTime};

pub struct World {
    pub executor: SimExecutor,
    pub core: Rc<Core>,
    account: AccountRef,
    connections: Cell<u64>,
}

struct NoAuth;

impl Auth for NoAuth {
    fn verify<'a>(
        &'a self,
        _user: &'a str,
        _password: &'a str,
        _peer: Option<IpAddr>,
    ) -> LocalBoxFuture<'a, Result<AccountRef, AuthError>> {
        Box::pin(async { Err(AuthError::Wrong) })
    }
}

struct Counting(Cell<u32>);

impl UidValidities for Counting {
    fn next(&self) -> LocalBoxFuture<'_, Result<UidValidity, Unavailable>> {
        self.0.set(self.0.get() + 1);
        Box::pin(async { UidValidity::new(self.0.get()).ok_or(Unavailable("used up".into())) })
    }
}

struct Everyone;

impl Registry for Everyone {
    fn admit(&self, _account: &AccountRef) -> Option<Box<dyn Any>> {
        Some(Box::new(()))
    }
}

/// Lanes on which every search takes a while.
struct Slow {
    lanes: InlineLanes,
    clock: SimClock,
    takes: Duration,
}

impl Lanes for Slow {
    fn search(&self, job: SearchJob) -> LocalBoxFuture<'_, Result<Found, SearchError>> {
        Box::pin(async move {
            self.clock.sleep(self.takes).await;
            self.lanes.search(job).await
        })
    }
    fn arrange(&self, job: ArrangeJob) -> LocalBoxFuture<'_, Result<Timed<Arranged>, SearchError>> {
        self.lanes.arrange(job)
    }
    fn index<'a>(&'a self, account: &'a AccountRef, of: Of) -> LocalBoxFuture<'a, Option<Arc<AccountIndex>>> {
        self.lanes.index(account, of)
    }
    fn analyse(&self, message: Vec<u8>) -> LocalBoxFuture<'_, Vec<u8>> {
        self.lanes.analyse(message)
    }
}

impl World {
    /// A world with one account that has its first mailboxes, INBOX with UIDVALIDITY 1001.
    pub fn new(seed: u64) -> World {
        World::with_lanes(seed, |shard, _| Rc::new(InlineLanes::new(shard)))
    }

    /// The same with searches that take so long.
    pub fn slow(seed: u64, takes: Duration) -> World {
        World::with_lanes(seed, |shard, clock| Rc::new(Slow { lanes: InlineLanes::new(shard), clock, takes }))
    }

    fn with_lanes(seed: u64, lanes: impl FnOnce(Shard, SimClock) -> Rc<dyn Lanes>) -> World {
        let clock = SimClock::new(WallTime(1_700_000_000_000));
        let executor = SimExecutor::new(clock.clone(), seed);
        let disk = SimDisk::new();
        let env = Env {
            disk: Rc::new(disk),
            clock: Rc::new(clock.clone()),
            seed: Rc::new(SimSeed::new(seed)),
            shard: ShardId(0),
            store_uuid: [7; 16],
            epoch: 1,
        };
        let id = AccountId(1);
        let options = ShardOptions { segment_bytes: 8 << 20, preallocate: false, ..ShardOptions::default() };
        let shard = executor.run_until(Shard::create(env, options)).unwrap().unwrap();
        let committer = shard.clone();
        executor.spawn(async move { committer.run().await });
        let validities = [1001, 1002, 1003, 1004, 1005, 1006].map(|n| UidValidity::new(n).unwrap());
        executor.run_until(shard.create_account(id, "ann", validities)).unwrap().unwrap();
        let core = Core::new(CoreParts {
            config: Arc::new(Config::default()),
            auth: Rc::new(NoAuth),
            lanes: lanes(shard.clone(), clock.clone()),
            uid_validities: Rc::new(Counting(Cell::new(2000))),
            registry: Rc::new(Everyone),
            clock: Rc::new(clock),
        });
        core.own(ShardId(0), shard);
        let account = AccountRef { name: "ann".into(), account: id, shard: ShardId(0) };
        World { executor, core: Rc::new(core), account, connections: Cell::new(0) }
    }

    /// A session of the account, greeted.
    pub fn connect(&self) -> Client {
        let id = self.connections.get() + 1;
        self.connections.set(id);
        let connection = Connection { id, peer: None, tls: false, starttls: false };
        let pipe = Pipe::default();
        let (mut stream, core, account) = (pipe.clone(), Rc::clone(&self.core), self.account.clone());
        self.executor.spawn(async move {
            session::run(&mut stream, &connection, Start::Preauth(account), Vec::new(), &core).await;
            stream.close();
        });
        let client = Client { executor: self.executor.clone(), pipe, tags: Cell::new(0) };
        let greeting = client.read_line();
        assert!(greeting.starts_with("* PREAUTH "), "{greeting}");
        client
    }

    /// A session with INBOX selected.
    pub fn inbox(&self) -> Client {
        let client = self.connect();
        client.ok("SELECT INBOX");
        client
    }
}

/// Both directions of a connection.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    closed: bool,
    server: Option<Waker>,
    client: Option<Waker>,
}

impl Pipe {
    fn close(&self) {
        let mut ends = self.0.borrow_mut();
        ends.closed = true;
        ends.client.take().into_iter().for_each(Waker::wake);
    }
}

impl trawl_server::core::Stream for Pipe {}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.borrow_mut();
        if ends.to_server.is_empty() {
            if ends.closed {
                return Poll::Ready(Ok(0));
            }
            ends.server = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = ends.to_server.len().min(buf.len());
        buf[..n].copy_from_slice(&ends.to_server[..n]);
        ends.to_server.drain(..n);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut ends = self.0.borrow_mut();
        ends.to_client.extend_from_slice(buf);
        ends.client.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(buf.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

pub struct Client {
    executor: SimExecutor,
    pipe: Pipe,
    tags: Cell<u32>,
}

impl Client {
    /// Sends bytes as they are.
    pub fn send(&self, bytes: &[u8]) {
        let mut ends = self.pipe.0.borrow_mut();
        ends.to_server.extend_from_slice(bytes);
        ends.server.take().into_iter().for_each(Waker::wake);
    }

    /// Ends the connection; what waits for it is woken.
    pub fn hang_up(self) {
        let mut ends = self.pipe.0.borrow_mut();
        ends.closed = true;
        ends.server.take().into_iter().for_each(Waker::wake);
    }

    /// Lets the world run until `enough` finds what it wants at the front of what came; takes that much.
    fn read_until(&self, enough: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        let pipe = self.pipe.clone();
        let came = std::future::poll_fn(move |cx| {
            let mut ends = pipe.0.borrow_mut();
            if let Some(len) = enough(&ends.to_client) {
                let rest = ends.to_client.split_off(len);
                return Poll::Ready(Ok(std::mem::replace(&mut ends.to_client, rest)));
            }
            if ends.closed {
                return Poll::Ready(Err(String::from_utf8_lossy(&ends.to_client).into_owned()));
            }
            ends.client = Some(cx.waker().clone());
            Poll::Pending
        });
        self.executor.run_until(came).expect("the world goes on").expect("the session goes on")
    }

    pub fn read_line(&self) -> String {
        let line = self.read_until(|bytes| bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1));
        String::from_utf8(line).unwrap()
    }

    /// Sends a command with a tag of its own and gives all that came up to its tagged answer; in both
    /// the tag is written as `a`. Each byte becomes the character of its number.
    pub fn command(&self, command: impl AsRef<[u8]>) -> String {
        self.tags.set(self.tags.get() + 1);
        let tag = format!("t{}", self.tags.get());
        self.send(&[tag.as_bytes(), b" ", command.as_ref(), b"\r\n"].concat());
        let tagged = format!("{tag} ");
        let answer = self.read_until(|bytes| {
            let at = (0..bytes.len()).find(|at| {
                bytes[*at..].starts_with(tagged.as_bytes()) && (*at == 0 || bytes[at - 1] == b'\n')
            })?;
            bytes[at..].iter().position(|byte| *byte == b'\n').map(|end| at + end + 1)
        });
        let text: String = answer.iter().map(|byte| char::from(*byte)).collect();
        text.replace(&tagged, "a ").replace(&format!("\"{tag}\""), "\"a\"")
    }

    /// The same for a command that must be answered with OK; gives what came before the tagged answer.
    pub fn ok(&self, command: impl AsRef<[u8]>) -> String {
        let answer = self.command(command.as_ref());
        let at = answer.rfind("\r\na ").map_or(0, |at| at + 2);
        assert!(answer[at..].starts_with("a OK "), "{}: {answer}", String::from_utf8_lossy(command.as_ref()));
        answer[..at].to_owned()
    }

    /// The tagged answer alone.
    pub fn tagged(&self, command: impl AsRef<[u8]>) -> String {
        let answer = self.command(command);
        answer[answer.rfind("\r\na ").map_or(0, |at| at + 2)..].to_owned()
    }

    /// Appends to INBOX; `arguments` are flags and date, with a space behind.
    pub fn append(&self, arguments: &str, message: &[u8]) {
        let head = format!("APPEND INBOX {arguments}{{{}+}}\r\n", message.len());
        self.ok([head.as_bytes(), message].concat());
    }
}
