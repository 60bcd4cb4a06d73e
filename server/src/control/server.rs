//! The server's side of the control socket, on core 0.
//!
//! What must hold: only the owner of the store can open it (mode 0600 from its first moment); connections and lines are bounded; passwords that
//! come over it are never logged; a request is answered before the next one is read.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use trawl_store::LocalBoxFuture;
use trawl_store::shard::shard_dir;
use trawl_store::types::ShardId;

use super::protocol::{
    Answer, DocumentsStatus, IndexStatus, LINE_BYTES_MAX, Request, SOCKET, ShardStatus, Status,
};
use super::{explain, metrics, query};
use crate::core::AccountRef;
use crate::documents::reading::Figures;
use crate::documents::service::Documents;
use crate::indexing::backlog::Task;
use crate::indexing::{IndexKey, Indexing};
use crate::limits::CONTROL_CONNECTIONS_MAX;
use crate::net::admission::{Admission, Caps};
use crate::runtime::connection::preauthenticate;
use crate::runtime::executor::{Priority, spawn};
use crate::runtime::listener::accept_until;
use crate::runtime::os;
use crate::runtime::seams::account_of;
use crate::runtime::serve::recovery_text;
use crate::runtime::socket::Socket;
use crate::runtime::state::CoreState;
use crate::runtime::users;

/// Binds the socket in a store that this process has locked; one that a dead process left is replaced.
pub fn bind(store: &Path) -> std::io::Result<OwnedFd> {
    let path = store.join(SOCKET);
    match std::fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    os::with_private_umask(|| UnixListener::bind(&path)).map(OwnedFd::from)
}

/// Removes the socket's name; connections that are open stay.
pub fn unbind(store: &Path) {
    // It may be gone already; the next start replaces it anyway.
    let _ = std::fs::remove_file(store.join(SOCKET));
}

/// Serves the socket until the core closes its listeners.
pub async fn serve(core: Rc<CoreState>, socket: OwnedFd) {
    let caps = Caps {
        connections_max: CONTROL_CONNECTIONS_MAX,
        per_address_max: CONTROL_CONNECTIONS_MAX,
        per_user_max: CONTROL_CONNECTIONS_MAX,
    };
    let admission = Admission::new(caps);
    let closing = core.closing.clone();
    accept_until(closing.wait(), socket, |socket| {
        let Ok(place) = admission.connect(None) else {
            tracing::warn!("control connection refused: too many");
            return;
        };
        let core = Rc::clone(&core);
        spawn(Priority::Interactive, async move {
            converse(&core, socket).await;
            drop(place);
        });
    })
    .await;
}

/// Answers the requests of one connection.
async fn converse(core: &Rc<CoreState>, mut socket: Socket) {
    let mut input = Vec::new();
    loop {
        let Some(line) = read_line(&mut socket, &mut input).await else { return };
        let request = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => request,
            Err(error) => {
                // The error names keys and positions, never values of strings.
                let text = format!("not a request: line {} column {}", error.line(), error.column());
                if !answer(&mut socket, &Answer::Refused { text }).await {
                    return;
                }
                continue;
            }
        };
        tracing::debug!(?request, "control");
        if let Request::Imap { user } = &request {
            match session_of(core, user) {
                Ok((account, place)) => {
                    if answer(&mut socket, &Answer::Done).await {
                        preauthenticate(core, socket, place, account, input).await;
                    }
                    return;
                }
                Err(text) => {
                    if !answer(&mut socket, &Answer::Refused { text }).await {
                        return;
                    }
                    continue;
                }
            }
        }
        let stops = matches!(request, Request::Stop);
        let said = perform(core, request).await;
        if !answer(&mut socket, &said).await {
            return;
        }
        if stops {
            // A request that is queued already is as good.
            let _ = core.shared.stop.try_send(());
        }
    }
}

async fn perform(core: &Rc<CoreState>, request: Request) -> Answer {
    let done = match request {
        Request::UserAdd { name, password } => users::add(core, &name, &password).await,
        Request::UserPasswd { name, password } => users::set_password(core, &name, &password).await,
        Request::UserDelete { name } => users::delete(core, &name).await,
        Request::UserList => match users::list(core).await {
            Ok(users) => return Answer::Users { users },
            Err(text) => Err(text),
        },
        Request::Status => match status(core).await {
            Ok(status) => return Answer::Status { status },
            Err(text) => Err(text),
        },
        Request::Metrics => match metrics_text(core).await {
            Ok(text) => return Answer::Metrics { text },
            Err(text) => Err(text),
        },
        Request::Reindex { user, keep, documents } => {
            match reindex(core, user.as_deref(), keep, documents).await {
                Ok(accounts) => return Answer::Reindex { accounts },
                Err(text) => Err(text),
            }
        }
        Request::Indexing { user } => match indexing(core, user.as_deref()) {
            Ok((busy, index)) => return Answer::Indexing { busy, index },
            Err(text) => Err(text),
        },
        Request::Search { user, mailbox, program, max } => {
            let asked = at_owner(core, &user, move |there, account| {
                Box::pin(async move {
                    query::search(&there, account, mailbox.as_deref(), &program, max as usize).await
                })
            });
            match asked.await {
                Ok((hits, total)) => return Answer::Hits { hits, total },
                Err(text) => Err(text),
            }
        }
        Request::Explain { user, asked } => {
            let asked = at_owner(core, &user, move |there, account| {
                Box::pin(async move { explain::explain(&there, account, asked).await })
            });
            match asked.await {
                Ok(explained) => return Answer::Explained { explained },
                Err(text) => Err(text),
            }
        }
        Request::Stop => Ok(()),
        Request::Imap { .. } => unreachable!("sessions are made by the caller"),
    };
    match done {
        Ok(()) => Answer::Done,
        Err(text) => Answer::Refused { text },
    }
}

fn session_of(core: &CoreState, user: &str) -> Result<(AccountRef, crate::net::admission::Place), String> {
    let account = account(core, user)?;
    let place = core.shared.admission.connect(None).map_err(|full| full.to_string())?;
    Ok((account, place))
}

/// The account of a user, for whom who has the socket may act.
fn account(core: &CoreState, user: &str) -> Result<AccountRef, String> {
    let name = crate::auth::prepare::user_name(user).map_err(|error| error.to_string())?;
    let users = core.shared.users.load();
    Ok(users.get(&name).and_then(|user| account_of(user)).ok_or("no such user")?)
}

/// Asks the core that owns a user's account.
async fn at_owner<T: Send + 'static>(
    core: &Rc<CoreState>,
    user: &str,
    question: impl FnOnce(Rc<CoreState>, AccountRef) -> LocalBoxFuture<'static, Result<T, String>>
    + Send
    + 'static,
) -> Result<T, String> {
    let account = account(core, user)?;
    let owner = core.shared.mesh.owner(account.shard);
    let asked = core.shared.mesh.ask(owner, move |there| question(there, account));
    asked.await.map_err(|error| error.to_string())?
}

const NO_INDEX: &str = "the search index is switched off (index.enabled)";
const NO_DOCUMENTS: &str =
    "documents are read by a running server only, and not when documents.enabled is off";

/// Queues the indexes of an account, or of all, with `documents` also reading documents again; how many accounts that are.
async fn reindex(
    core: &Rc<CoreState>,
    user: Option<&str>,
    keep: bool,
    documents: bool,
) -> Result<u64, String> {
    let (indexing, _) = core.shared.indexing.as_ref().ok_or(NO_INDEX)?;
    if documents && core.shared.documents.is_none() {
        return Err(NO_DOCUMENTS.to_owned());
    }
    let accounts: Vec<AccountRef> = match user {
        Some(user) => vec![account(core, user)?],
        None => core.shared.users.load().iter().filter_map(|user| account_of(user)).collect(),
    };
    for account in &accounts {
        if documents {
            read_again(core, account).await?;
        }
        let task = if keep { Task::Account } else { Task::Anew };
        for key in IndexKey::all((account.shard, account.account)) {
            indexing.backlog.add(task(key));
        }
    }
    Ok(accounts.len() as u64)
}

/// Forgets what was read in the documents of an account and has them read again.
async fn read_again(core: &Rc<CoreState>, account: &AccountRef) -> Result<(), String> {
    let (shard, id) = (account.shard, account.account);
    let owner = core.shared.mesh.owner(shard);
    let asked = core.shared.mesh.ask(owner, move |core: Rc<CoreState>| {
        Box::pin(async move {
            let shard = core.core.shard(shard).ok_or_else(|| "the shard is not there".to_owned())?;
            shard.forget_documents(id).await.map_err(|error| error.to_string())
        })
    });
    asked.await.map_err(|error| error.to_string())??;
    if let Some(documents) = &core.shared.documents {
        documents.backlog.add((shard, id));
    }
    Ok(())
}

fn indexing(core: &CoreState, user: Option<&str>) -> Result<(bool, IndexStatus), String> {
    let (indexing, _) = core.shared.indexing.as_ref().ok_or(NO_INDEX)?;
    let accounts = match user {
        Some(user) => {
            let account = account(core, user)?;
            vec![(account.shard, account.account)]
        }
        None => Vec::new(),
    };
    let keys: Vec<IndexKey> = accounts.iter().flat_map(|account| IndexKey::all(*account)).collect();
    // In this order: what was read is handed to the indexing before reading is done.
    let reading =
        core.shared.documents.as_ref().is_some_and(|documents| documents.backlog.is_busy(&accounts));
    Ok((reading || indexing.backlog.is_busy(&keys), index_status(indexing)))
}

fn index_status(indexing: &Indexing) -> IndexStatus {
    let figures = indexing.figures();
    IndexStatus {
        open: figures.open,
        segments: figures.segments,
        messages: figures.messages,
        disk_bytes: figures.disk_bytes,
        memory_bytes: figures.memory_bytes,
        queued: figures.queued,
        working: figures.working,
        tail_messages: figures.tail_messages,
        indexed_messages: figures.indexed_messages,
        last_error: figures.last_error,
    }
}

/// The text of Prometheus.
pub(super) async fn metrics_text(core: &Rc<CoreState>) -> Result<String, String> {
    let (figures, counters) = metrics::figures(core).await?;
    Ok(metrics::text(&status(core).await?, &figures, counters))
}

/// Figures of the whole server.
async fn status(core: &Rc<CoreState>) -> Result<Status, String> {
    let shared = &core.shared;
    let mut shards = Vec::new();
    for index in 0..shared.mesh.cores() {
        let figures = shared.mesh.ask(index, |there| Box::pin(shard_figures(there)));
        shards.extend(figures.await.map_err(|error| error.to_string())?);
    }
    shards.sort_by_key(|shard| shard.shard);
    let uptime_ms = core.core.clock.wall().0.saturating_sub(core.core.started.0);
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: u64::try_from(uptime_ms / 1000).unwrap_or(0),
        store: shared.store.display().to_string(),
        format: shared.meta.format,
        cores: u32::try_from(shared.mesh.cores()).unwrap_or(u32::MAX),
        listening: shared.listening(),
        connections: shared.admission.connections() as u64,
        users: shared.users.load().iter().count() as u64,
        index: shared.indexing.as_ref().map(|(indexing, _)| index_status(indexing)),
        documents: shared.documents.as_deref().map(documents_status),
        searches: metrics::searches(&metrics::figures(core).await?.0),
        shards,
    })
}

fn documents_status(documents: &Documents) -> DocumentsStatus {
    let (queued, working) = documents.backlog.waiting();
    let Figures { read, failed, text_bytes } = &documents.figures;
    let count = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    DocumentsStatus {
        queued,
        working,
        read: count(read),
        failed: count(failed),
        text_bytes: count(text_bytes),
    }
}

async fn shard_figures(core: Rc<CoreState>) -> Vec<ShardStatus> {
    let mut figures = Vec::new();
    for (id, shard) in core.core.shards() {
        let stats = shard.stats();
        figures.push(ShardStatus {
            shard: id.0,
            accounts: stats.accounts,
            mailboxes: stats.mailboxes,
            messages: stats.messages,
            log_bytes: log_bytes(&core, id).await,
            durable_lsn: shard.durable_lsn().0,
            poisoned: shard.poisoned().map(|cause| cause.to_string()),
            recovery: recovery_text(shard.report()),
        });
    }
    figures
}

/// Length of the segments of a shard; those that vanish meanwhile count nothing.
async fn log_bytes(core: &CoreState, shard: ShardId) -> u64 {
    let folder = format!("{}/log", shard_dir(shard));
    let mut total = 0;
    for name in core.disk.list(&folder).await.unwrap_or_default() {
        if !name.ends_with(".seg") {
            continue;
        }
        total += core.disk.file_len(&format!("{folder}/{name}")).await.unwrap_or(0);
    }
    total
}

/// The next line without its end; `None` when the client is gone or sends more than a line may hold.
async fn read_line(socket: &mut Socket, input: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut searched = 0;
    loop {
        if let Some(at) = input[searched..].iter().position(|&byte| byte == b'\n') {
            let rest = input.split_off(searched + at + 1);
            let mut line = std::mem::replace(input, rest);
            line.pop();
            return Some(line);
        }
        searched = input.len();
        if searched > LINE_BYTES_MAX {
            return None;
        }
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer).await {
            Ok(count @ 1..) => input.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

/// False when the client is gone.
async fn answer(socket: &mut Socket, answer: &Answer) -> bool {
    let Ok(mut line) = serde_json::to_vec(answer) else { unreachable!("answers have string keys only") };
    line.push(b'\n');
    socket.write_all(&line).await.is_ok() && socket.flush().await.is_ok()
}
