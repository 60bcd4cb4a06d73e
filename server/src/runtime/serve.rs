//! The server from start to stop: what `trawl serve` runs, and what the other commands run inside themselves when no server does.
//!
//! Order of the start: io_uring, the lock, TLS, threads, shards (each core its own), indexing lanes, interrupted user operations, control socket, listeners. A
//! failure at any step undoes the steps before it and is told in one sentence. Order of the stop: listeners, sessions (BYE, the commands
//! in flight end), lanes, shards (drained and checkpointed), directory, executors.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use futures_lite::future::{block_on, or};
use trawl_store::LocalBoxFuture;
use trawl_store::clock::Clock;
use trawl_store::directory::{Directory, DirectoryEnv};
use trawl_store::disk::Disk;
use trawl_store::disk::blocking::BlockingDisk;
use trawl_store::disk::glommio::GlommioDisk;
use trawl_store::meta::StoreMeta;
use trawl_store::seed::{Seed, SystemSeed};
use trawl_store::shard::{Env, Shard, ShardOptions, ShardReport};
use trawl_store::types::ShardId;

use super::clock::{CoreClock, ProcessStart};
use super::connection::{Opening, welcome};
use super::documents as runtime_documents;
use super::executor::{self, IoUringRefused, Priority, sleep, spawn};
use super::indexing::{self as runtime_indexing, Opener};
use super::lanes::LanePools;
use super::listener::{self, accept_until};
use super::lock::{LockError, lock};
use super::mesh::{Mesh, Visits, owner};
use super::pool::{Pool, PoolThreads};
use super::seams::Seams;
use super::state::{CoreState, Shared, SharedParts};
use super::{memory, os, signals, users};
use crate::auth::argon::{HashCost, HashError};
use crate::auth::{AuthSettings, Authenticator};
use crate::config::Config;
use crate::control;
use crate::core::{Core, CoreParts};
use crate::documents::service::Documents;
use crate::indexing::backlog::Task;
use crate::indexing::{self, IndexKey, Indexing};
use crate::limits::{MEMORY_IDLE_MS, STOP_MS, STOP_SESSIONS_MS};
use crate::net::admission::{Admission, Caps};
use crate::net::tls::{CertificateFiles, TlsError, TlsSettings};

/// How to serve.
#[derive(Default)]
pub struct ServeOptions {
    /// Listeners, TLS and signals; without it only the control socket, until somebody says stop there.
    pub network: bool,
    /// Told when the control socket and the listeners accept.
    pub ready: Option<SyncSender<()>>,
}

/// Why the server did not start, or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    IoUring(#[from] IoUringRefused),
    #[error("{}: {}", .0.display(), .1)]
    Lock(PathBuf, LockError),
    #[error("{} is not a store: make one with `trawl init`", .0.display())]
    NotAStore(PathBuf),
    #[error("{}: {}", .0.display(), .1)]
    Store(PathBuf, String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("listening on {0}: {1}")]
    Listen(String, std::io::Error),
    #[error("password hashing: {0}")]
    Hashing(#[from] HashError),
    #[error("starting threads: {0}")]
    Threads(std::io::Error),
    #[error("core {0}: {1}")]
    Core(usize, String),
}

/// Serves a store until SIGTERM, SIGINT or a stop over the control socket. Blocks the calling thread.
pub fn serve(config: Config, options: ServeOptions) -> Result<(), ServeError> {
    executor::check_io_uring()?;
    os::raise_open_files_max();
    let store = config.store.clone();
    if !store.join(trawl_store::meta::PATH).exists() {
        return Err(ServeError::NotAStore(store));
    }
    let _lock = lock(&store).map_err(|error| ServeError::Lock(store.clone(), error))?;
    let fault = |error: &dyn std::fmt::Display| ServeError::Store(store.clone(), error.to_string());
    let disk = BlockingDisk::new(store.clone());
    let meta = block_on(StoreMeta::read(&disk)).map_err(|error| fault(&error))?;
    let meta = meta.ok_or_else(|| ServeError::NotAStore(store.clone()))?;
    let tls = if options.network { Some(Arc::new(tls_settings(&config)?)) } else { None };

    let config = Arc::new(config);
    let hashing_queue = config.auth.hashing_queue_max as usize;
    let (hashing, hashing_threads) =
        Pool::start("hashing", usize::from(config.auth.hashing_threads), hashing_queue)
            .map_err(ServeError::Threads)?;
    let (lanes, lane_threads) =
        LanePools::start(store.clone(), config.runtime.lanes_effective()).map_err(ServeError::Threads)?;
    let (indexing, opening_threads) = match indexing(&config, &meta, &options).map_err(ServeError::Threads)? {
        Some((indexing, opener, threads)) => (Some((indexing, opener)), Some(threads)),
        None => (None, None),
    };
    let (stop, stopped) = async_channel::bounded(1);
    let (mesh, visits) = Mesh::new(config.runtime.cores_effective());
    let shared = Arc::new(Shared::new(SharedParts {
        authenticator: Authenticator::new(auth_settings(&config), hashing.clone())?,
        admission: Admission::new(Caps {
            connections_max: config.limits.connections_max as usize,
            per_address_max: config.limits.connections_per_address_max as usize,
            per_user_max: config.limits.connections_per_user_max as usize,
        }),
        meta,
        mesh,
        tls: tls.clone(),
        lanes,
        indexing,
        documents: (options.network && config.documents.enabled)
            .then(|| Arc::new(Documents::new(config.documents.clone()))),
        stop: stop.clone(),
        config,
    }));

    let cores = Cores::start(&shared, visits)?;
    let index_threads = match (&shared.indexing, opening_threads) {
        (Some((indexing, _)), Some(opening)) => {
            let lanes = shared.config.index.lanes_effective();
            Some(runtime_indexing::start(&shared, indexing, lanes, opening).map_err(ServeError::Threads)?)
        }
        _ => None,
    };
    let document_threads = match &shared.documents {
        Some(documents) => Some(runtime_documents::start(&shared, documents).map_err(ServeError::Threads)?),
        None => None,
    };
    let served = run(&shared, &options, stopped, stop, tls);
    let watchdog = options.network.then(Watchdog::start).flatten();
    let stopped = cores.stop(&shared);
    hashing.stop();
    hashing_threads.join();
    lane_threads.join();
    if let Some(threads) = index_threads {
        threads.join();
    }
    if let Some(threads) = document_threads {
        threads.join();
    }
    control::server::unbind(&shared.store);
    drop(watchdog);
    served.and(stopped)
}

/// What keeps the search indexes, if the settings want them. A server for one command indexes nothing unasked.
fn indexing(
    config: &Config,
    meta: &StoreMeta,
    options: &ServeOptions,
) -> std::io::Result<Option<(Arc<Indexing>, Opener, PoolThreads)>> {
    if !config.index.enabled {
        return Ok(None);
    }
    let settings = indexing::Settings {
        store: config.store.clone(),
        store_uuid: meta.uuid,
        epoch: meta.epoch,
        memory_bytes: config.index.memory_effective(),
        lanes: config.index.lanes_effective(),
        on_arrival: options.network,
    };
    let (opener, threads) = runtime_indexing::opener()?;
    Ok(Some((Arc::new(Indexing::new(settings)), opener, threads)))
}

/// From running cores to the wish to stop.
fn run(
    shared: &Arc<Shared>,
    options: &ServeOptions,
    stopped: async_channel::Receiver<()>,
    stop: async_channel::Sender<()>,
    tls: Option<Arc<TlsSettings>>,
) -> Result<(), ServeError> {
    let control = control::server::bind(&shared.store).map_err(|error| {
        ServeError::Listen(shared.store.join("control.sock").display().to_string(), error)
    })?;
    let listeners = if options.network { bind_all(shared)? } else { Vec::new() };
    let scraped = if options.network { bind_metrics(shared)? } else { Vec::new() };
    let _signals =
        if options.network { Some(signals::start(stop, tls).map_err(ServeError::Threads)?) } else { None };
    let gone = |_| ServeError::Core(0, "it stopped by itself".to_owned());
    block_on(async {
        let recovered = shared.mesh.ask(0, |core| Box::pin(async move { users::recover(&core).await }));
        recovered.await.map_err(gone)?.map_err(|text| ServeError::Core(0, text))?;
        for (core, opening, socket) in listeners {
            let begin = move |core: &Rc<CoreState>| listen(core, opening, socket);
            shared.mesh.send(core, begin).await.map_err(gone)?;
        }
        let begin = move |core: &Rc<CoreState>| {
            spawn(Priority::Interactive, control::server::serve(Rc::clone(core), control));
            for socket in scraped {
                spawn(Priority::Interactive, control::scrape::serve(Rc::clone(core), socket));
            }
        };
        shared.mesh.send(0, begin).await.map_err(gone)
    })?;
    tracing::info!(
        store = %shared.store.display(),
        cores = shared.mesh.cores(),
        shards = shared.meta.shards,
        listening = ?shared.listening(),
        "serving"
    );
    if options.network
        && let Some((indexing, _)) = &shared.indexing
    {
        indexing.backlog.add(Task::Survey);
    }
    if let Some(ready) = &options.ready {
        // Whoever asked may have stopped waiting.
        let _ = ready.try_send(());
    }
    // An error means that nobody can ask any more, which is the same.
    let _ = stopped.recv_blocking();
    Ok(())
}

/// Binds every listener of every core, before the first connection is accepted.
fn bind_all(shared: &Shared) -> Result<Vec<(usize, Opening, OwnedFd)>, ServeError> {
    let listen = &shared.config.listen;
    let all = || listen.imap.iter().chain(&listen.imaps);
    let mut bound = Vec::new();
    for (name, opening, addresses) in
        [("imap", Opening::Clear, &listen.imap), ("imaps", Opening::Tls, &listen.imaps)]
    {
        for address in addresses {
            // `[::]` serves IPv4 as well, unless IPv4 is listed with the same port.
            let ipv6_only = all().any(|other| other.is_ipv4() && other.port() == address.port());
            let (address, sockets) = listener::bind(*address, shared.mesh.cores(), ipv6_only)
                .map_err(|error| ServeError::Listen(format!("{name} {address}"), error))?;
            shared.note_listener(format!("{name} {address}"));
            bound.extend(sockets.into_iter().enumerate().map(|(core, socket)| (core, opening, socket)));
        }
    }
    Ok(bound)
}

/// Binds the listeners of figures, which are served on core 0.
fn bind_metrics(shared: &Shared) -> Result<Vec<OwnedFd>, ServeError> {
    let mut bound = Vec::new();
    for address in &shared.config.metrics.listen {
        let (address, sockets) = listener::bind(*address, 1, address.is_ipv6())
            .map_err(|error| ServeError::Listen(format!("metrics {address}"), error))?;
        shared.note_listener(format!("metrics {address}"));
        bound.extend(sockets);
    }
    Ok(bound)
}

fn listen(core: &Rc<CoreState>, opening: Opening, socket: OwnedFd) {
    let core = Rc::clone(core);
    spawn(Priority::Interactive, async move {
        let closing = core.closing.clone();
        accept_until(closing.wait(), socket, |socket| welcome(&core, socket, opening)).await;
    });
}

fn tls_settings(config: &Config) -> Result<TlsSettings, TlsError> {
    let files = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
        }
        _ => None,
    };
    TlsSettings::load(files, &config.store)
}

fn auth_settings(config: &Config) -> AuthSettings {
    let auth = &config.auth;
    AuthSettings {
        cost: HashCost {
            memory_kib: u32::try_from(auth.argon2_memory.0 / 1024).unwrap_or(u32::MAX),
            passes: auth.argon2_passes,
            lanes: auth.argon2_lanes,
        },
        scram_iterations: auth.scram_iterations,
        cache_life: auth.cache_life.0,
        failures_max: auth.failures_max,
        failures_window: auth.failures_window.0,
    }
}

/// The threads of the cores.
struct Cores(Vec<std::thread::JoinHandle<std::io::Result<()>>>);

impl Cores {
    /// Starts every core and waits until each has opened its shards.
    fn start(shared: &Arc<Shared>, visits: Vec<Visits<CoreState>>) -> Result<Cores, ServeError> {
        let cpus = os::allowed_cpus();
        let cores = visits.len();
        // More cores than processors: they would fight for some and leave others idle.
        let pin = cores > 1 && cores <= cpus.len();
        let start = ProcessStart::now();
        let (report, reports) = sync_channel(cores);
        let mut threads = Vec::new();
        for (index, visits) in visits.into_iter().enumerate() {
            let (shared, report) = (Arc::clone(shared), report.clone());
            let cpu = pin.then(|| cpus[index]);
            let main = move || core_main(index, shared, visits, report, start);
            threads.push(executor::start(format!("core-{index}"), cpu, main).map_err(ServeError::Threads)?);
        }
        drop(report);
        let started = Cores(threads);
        let (mut up, mut failed) = (0, None);
        for report in reports {
            match report {
                Ok(()) => up += 1,
                Err((index, text)) => failed = Some(ServeError::Core(index, text)),
            }
        }
        if up == cores {
            return Ok(started);
        }
        // A core that could not even make its executor has left its error in its thread.
        let stopped = started.stop(shared);
        Err(failed.or(stopped.err()).unwrap_or(ServeError::Core(0, "it did not start".to_owned())))
    }

    /// Stops in order; see the module. Cores that never came up are passed over.
    fn stop(self, shared: &Shared) -> Result<(), ServeError> {
        let mesh = &shared.mesh;
        let everywhere = |question: fn(Rc<CoreState>) -> LocalBoxFuture<'static, ()>| async move {
            // All are asked before the first is waited for.
            let mut answers = Vec::new();
            for core in 0..mesh.cores() {
                let (give, take) = async_channel::bounded::<()>(1);
                let visit = move |state: &Rc<CoreState>| {
                    let answer = question(Rc::clone(state));
                    spawn(Priority::Interactive, async move {
                        answer.await;
                        drop(give);
                    });
                };
                if mesh.send(core, visit).await.is_ok() {
                    answers.push(take);
                }
            }
            for answer in answers {
                let _ = answer.recv().await;
            }
        };
        block_on(async {
            everywhere(|core| Box::pin(stop_sessions(core))).await;
            shared.lanes.stop();
            if let Some((indexing, opener)) = &shared.indexing {
                indexing.end();
                opener.stop();
            }
            if let Some(documents) = &shared.documents {
                documents.end();
            }
            everywhere(|core| Box::pin(stop_shards(core))).await;
            everywhere(|core| Box::pin(stop_directory(core))).await;
        });
        for core in 0..mesh.cores() {
            mesh.close(core);
        }
        let mut result = Ok(());
        for (index, thread) in self.0.into_iter().enumerate() {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(ServeError::Core(index, error.to_string())),
                Err(_) => result = Err(ServeError::Core(index, "its thread failed".to_owned())),
            }
        }
        result
    }
}

type Report = Result<(), (usize, String)>;

/// One core from start to stop.
async fn core_main(
    index: usize,
    shared: Arc<Shared>,
    visits: Visits<CoreState>,
    report: SyncSender<Report>,
    start: ProcessStart,
) {
    match open(index, shared, start).await {
        Ok(state) => {
            // The starter waits for every report.
            let _ = report.send(Ok(()));
            // The starter notices a core that cannot report by the end of all reports.
            drop(report);
            let state = Rc::new(state);
            spawn(Priority::Background, give_memory_back(Rc::clone(&state)));
            visits.receive(state).await;
        }
        Err(text) => drop(report.send(Err((index, text)))),
    }
}

/// Gives back what opening took and no longer needs, and later what a quiet core does not use any more, until listeners end.
async fn give_memory_back(core: Rc<CoreState>) {
    let mut seen = None;
    let mut given = None;
    while !core.closing.is_set() {
        let commands = Some(core.core.counters.get().commands);
        if commands != given && (commands == seen || given.is_none()) {
            memory::give_back();
            given = commands;
        }
        seen = commands;
        or(core.closing.wait(), sleep(Duration::from_millis(MEMORY_IDLE_MS))).await;
    }
}

/// Opens what the core owns.
async fn open(index: usize, shared: Arc<Shared>, start: ProcessStart) -> Result<CoreState, String> {
    let clock: Rc<dyn Clock> = Rc::new(CoreClock::new(start));
    let disk: Rc<dyn Disk> = Rc::new(GlommioDisk::new(shared.store.clone()));
    let seed: Rc<dyn Seed> = Rc::new(SystemSeed::new().map_err(|error| error.to_string())?);
    let seams = Rc::new(Seams { shared: Arc::clone(&shared), clock: Rc::clone(&clock) });
    let core = Core::new(CoreParts {
        config: Arc::clone(&shared.config),
        auth: Rc::clone(&seams) as _,
        lanes: Rc::clone(&seams) as _,
        uid_validities: Rc::clone(&seams) as _,
        registry: seams,
        clock: Rc::clone(&clock),
    });
    let meta = shared.meta;
    for shard in (0..meta.shards).map(ShardId) {
        if owner(shard, shared.mesh.cores()) != index {
            continue;
        }
        let env = Env {
            disk: Rc::clone(&disk),
            clock: Rc::clone(&clock),
            seed: Rc::clone(&seed),
            shard,
            store_uuid: meta.uuid,
            epoch: meta.epoch,
        };
        let options = ShardOptions {
            checkpoint_log_bytes: shared.config.storage.checkpoint_bytes.0,
            ..ShardOptions::default()
        };
        let opened = Shard::open(env, options).await.map_err(|error| format!("shard {shard}: {error}"))?;
        tell_recovery(shard, opened.report());
        let running = opened.clone();
        spawn(Priority::Interactive, async move { running.run().await });
        spawn(Priority::Background, train_dictionaries(opened.clone(), Arc::clone(&shared)));
        let (indexing, documents) = (shared.indexing.as_ref(), shared.documents.clone());
        let indexing = indexing.map(|(indexing, _)| Arc::clone(indexing));
        opened.watch_arrivals(move |account, arrived| {
            if let Some(indexing) = &indexing {
                indexing.arrived(IndexKey::mail(shard, account), arrived.messages, arrived.bytes);
            }
            if let Some(documents) = documents.as_ref().filter(|_| !arrived.looked) {
                documents.backlog.add((shard, account));
            }
        });
        core.own(shard, opened);
    }
    let directory = if index == 0 {
        let env = DirectoryEnv {
            disk: Rc::clone(&disk),
            clock,
            seed,
            store_uuid: meta.uuid,
            epoch: meta.epoch,
            shards: meta.shards,
        };
        let directory = Directory::open(env, false).await.map_err(|error| format!("directory: {error}"))?;
        let running = directory.clone();
        spawn(Priority::Interactive, async move { running.run().await });
        Some(directory)
    } else {
        None
    };
    Ok(CoreState::new(index, shared, Rc::new(core), disk, directory))
}

/// Gives the shard a dictionary when it has seen enough mail for one, and later better ones. Ends with the shard.
async fn train_dictionaries(shard: Shard, shared: Arc<Shared>) {
    while let Some(training) = shard.training().await {
        let trained = shared.lanes.train(training).await;
        tracing::debug!(worth_it = trained.is_some(), "a dictionary was trained");
        shard.use_dictionary(trained);
    }
}

/// Listeners end, sessions say BYE; waits until they are gone, within limits.
async fn stop_sessions(core: Rc<CoreState>) {
    core.closing.set();
    core.core.stop.set();
    or(core.deserted(), sleep(Duration::from_millis(STOP_SESSIONS_MS))).await;
}

async fn stop_shards(core: Rc<CoreState>) {
    for (_, shard) in core.core.shards() {
        shard.stop().await;
    }
}

async fn stop_directory(core: Rc<CoreState>) {
    if let Some(directory) = &core.directory {
        directory.stop().await;
    }
}

/// What recovery found, for a person; empty when there is nothing to say.
pub fn recovery_text(report: &ShardReport) -> String {
    let mut parts = Vec::new();
    if let Some(cut) = &report.log.cut {
        parts.push(format!("an unfinished write at {} was dropped (it was never acknowledged)", cut.from));
    }
    if !report.log.corruption.is_empty() {
        let first: Vec<String> = report.log.corruption.iter().take(3).map(|c| format!("{c:?}")).collect();
        parts.push(format!(
            "{} damaged places in the log: {}",
            report.log.corruption.len(),
            first.join("; ")
        ));
    }
    parts.extend(report.damaged_checkpoints.iter().map(|text| format!("checkpoint not used: {text}")));
    parts.extend(report.misfits.iter().map(|text| format!("a change did not fit: {text}")));
    parts.join(". ")
}

fn tell_recovery(shard: ShardId, report: &ShardReport) {
    let text = recovery_text(report);
    let damaged = !report.log.corruption.is_empty() || !report.misfits.is_empty();
    if damaged {
        tracing::error!(%shard, recovery = %text, "the log is damaged; run `trawl check`");
    } else if !text.is_empty() {
        tracing::warn!(%shard, recovery = %text, "recovered");
    }
    tracing::debug!(%shard, commits = report.log.commits, segments = report.log.segments, "shard open");
}

/// Ends the process when stopping takes too long. What was acknowledged is durable; what was not may wait for ever.
struct Watchdog(SyncSender<()>);

impl Watchdog {
    fn start() -> Option<Watchdog> {
        let (done, wait) = sync_channel::<()>(1);
        let watch = move || {
            if let Err(RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_millis(STOP_MS)) {
                tracing::error!("stopping took too long; what was acknowledged is safe");
                // The log thread needs a moment for the line above.
                let _ = wait.recv_timeout(Duration::from_millis(100));
                std::process::exit(1);
            }
        };
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(watch).ok()?;
        Some(Watchdog(done))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Hanging up is what ends the wait; a message does as well.
        let _ = self.0.try_send(());
    }
}
