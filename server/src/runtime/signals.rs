//! Signals of the operating system, on a thread of their own: SIGTERM and SIGINT stop the server, SIGHUP reads the certificates again.

use std::sync::Arc;

use async_channel::Sender;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGURG};
use signal_hook::iterator::{Handle, Signals};

use crate::net::tls::TlsSettings;

/// Makes SIGURG, which nothing else uses, end system calls and do nothing else; see `os::interrupt`.
pub fn catch_interrupts() -> std::io::Result<()> {
    signal_hook::flag::register(SIGURG, Arc::default()).map(drop)
}

/// Listens until it is dropped.
pub struct SignalThread(Handle);

/// Starts the thread. The first stop signal asks `stop`; a second one ends the process at once (everything
/// acknowledged is durable anyway).
pub fn start(stop: Sender<()>, tls: Option<Arc<TlsSettings>>) -> std::io::Result<SignalThread> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            match signal {
                SIGHUP => match tls.as_deref().map(TlsSettings::reload) {
                    Some(Ok(())) => tracing::info!("certificates read again"),
                    Some(Err(error)) => tracing::error!(%error, "certificates stay as they were"),
                    None => {}
                },
                _ if asked => std::process::exit(128 + signal),
                _ => {
                    asked = true;
                    tracing::info!(signal, "stopping");
                    // A request that is queued already is as good.
                    let _ = stop.try_send(());
                }
            }
        }
    })?;
    Ok(SignalThread(handle))
}

impl Drop for SignalThread {
    fn drop(&mut self) {
        self.0.close();
    }
}
