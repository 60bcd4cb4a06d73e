//! The state of the process that all cores share, and the state of one core.
//!
//! `Shared` is `Sync` and holds no mail; `CoreState` never leaves its thread and holds the shards. What must hold: users are published
//! (`Shared::users`) only by the operations of core 0, after everything a log-in needs is durable.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_channel::Sender;
use trawl_store::directory::{Directory, Users};
use trawl_store::disk::Disk;
use trawl_store::event::Event;
use trawl_store::meta::StoreMeta;

use super::indexing::Opener;
use super::lanes::LanePools;
use super::mesh::Mesh;
use crate::auth::Authenticator;
use crate::config::Config;
use crate::core::{Core, Stop};
use crate::documents::service::Documents;
use crate::indexing::Indexing;
use crate::net::admission::Admission;
use crate::net::tls::TlsSettings;

/// What every core sees.
pub struct Shared {
    pub config: Arc<Config>,
    /// Folder of the store.
    pub store: PathBuf,
    pub meta: StoreMeta,
    pub mesh: Mesh<CoreState>,
    pub users: ArcSwap<Users>,
    pub authenticator: Authenticator,
    pub admission: Admission,
    /// None: no network.
    pub tls: Option<Arc<TlsSettings>>,
    pub lanes: LanePools,
    /// None: every search reads messages.
    pub indexing: Option<(Arc<Indexing>, Opener)>,
    /// None: nobody reads documents.
    pub documents: Option<Arc<Documents>>,
    /// One message stops the server.
    pub stop: Sender<()>,
    listening: Mutex<Vec<String>>,
    next_connection: AtomicU64,
}

/// What a [`Shared`] is made of.
pub struct SharedParts {
    pub config: Arc<Config>,
    pub meta: StoreMeta,
    pub mesh: Mesh<CoreState>,
    pub authenticator: Authenticator,
    pub admission: Admission,
    pub tls: Option<Arc<TlsSettings>>,
    pub lanes: LanePools,
    pub indexing: Option<(Arc<Indexing>, Opener)>,
    pub documents: Option<Arc<Documents>>,
    pub stop: Sender<()>,
}

impl Shared {
    pub fn new(parts: SharedParts) -> Shared {
        let SharedParts {
            config,
            meta,
            mesh,
            authenticator,
            admission,
            tls,
            lanes,
            indexing,
            documents,
            stop,
        } = parts;
        Shared {
            store: config.store.clone(),
            config,
            meta,
            mesh,
            users: ArcSwap::default(),
            authenticator,
            admission,
            tls,
            lanes,
            indexing,
            documents,
            stop,
            listening: Mutex::default(),
            next_connection: AtomicU64::new(1),
        }
    }

    /// A number for a connection, unique in the process.
    pub fn connection_id(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes an address that is served, as `imap 127.0.0.1:143`.
    pub fn note_listener(&self, listener: String) {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub fn listening(&self) -> Vec<String> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One core.
pub struct CoreState {
    pub index: usize,
    pub shared: Arc<Shared>,
    /// What sessions see.
    pub core: Rc<Core>,
    /// Rooted at the store's folder.
    pub disk: Rc<dyn Disk>,
    /// On core 0 only.
    pub directory: Option<Directory>,
    /// Listeners end.
    pub closing: Stop,
    guests: Cell<usize>,
    guest_left: Event,
}

/// Counts a connection while it is on this core.
pub struct GuestTicket(Rc<CoreState>);

impl CoreState {
    pub fn new(
        index: usize,
        shared: Arc<Shared>,
        core: Rc<Core>,
        disk: Rc<dyn Disk>,
        directory: Option<Directory>,
    ) -> CoreState {
        CoreState {
            index,
            shared,
            core,
            disk,
            directory,
            closing: Stop::default(),
            guests: Cell::new(0),
            guest_left: Event::new(),
        }
    }

    pub fn guest(self: &Rc<Self>) -> GuestTicket {
        self.guests.set(self.guests.get() + 1);
        GuestTicket(Rc::clone(self))
    }

    /// Resolves when no connection is left on this core.
    pub async fn deserted(&self) {
        self.guest_left.until(|| self.guests.get() == 0).await;
    }
}

impl Drop for GuestTicket {
    fn drop(&mut self) {
        self.0.guests.set(self.0.guests.get() - 1);
        self.0.guest_left.notify();
    }
}
