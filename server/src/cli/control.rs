//! The client side of the control socket, and the server that is started for the length of a command when none runs.
//!
//! Commands that change accounts or mail have one code path: they talk to a server. Without one this process becomes
//! it: the same server, no network, ended with the command.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;

use super::error::CliError;
use crate::config::Config;
use crate::control::protocol::{Answer, LINE_BYTES_MAX, Request, SOCKET};
use crate::runtime::lock::LockError;
use crate::runtime::{self, ServeError, ServeOptions};

/// One connection to a server.
pub struct Control(BufReader<UnixStream>);

impl Control {
    /// `None` when no server listens there.
    pub fn connect(store: &Path) -> Result<Option<Control>, CliError> {
        match UnixStream::connect(store.join(SOCKET)) {
            Ok(stream) => Ok(Some(Control(BufReader::new(stream)))),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(e) => {
                Err(CliError::new(format_args!("control socket {}: {e}", store.join(SOCKET).display())))
            }
        }
    }

    /// Asks and waits; a refusal is an error.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, CliError> {
        let gone =
            |e: &dyn std::fmt::Display| CliError::new(format_args!("the server ended the conversation: {e}"));
        let mut line = serde_json::to_string(request).map_err(CliError::new)?;
        line.push('\n');
        self.0.get_mut().write_all(line.as_bytes()).map_err(|e| gone(&e))?;
        let mut answer = Vec::new();
        (&mut self.0).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut answer).map_err(|e| gone(&e))?;
        if answer.is_empty() {
            return Err(gone(&"no answer"));
        }
        match serde_json::from_slice(&answer).map_err(|e| gone(&e))? {
            Answer::Refused { text } => Err(CliError::refused(text)),
            answer => Ok(answer),
        }
    }

    /// Turns the connection into an IMAP session of `user`; the greeting is the next thing to read.
    pub fn imap(mut self, user: &str) -> Result<BufReader<UnixStream>, CliError> {
        self.ask(&Request::Imap { user: user.to_owned() })?;
        Ok(self.0)
    }
}

/// A server to talk to: one that runs already, or one of our own.
pub struct Server<'a> {
    store: &'a Path,
    own: Option<Own>,
}

/// The thread of a server of our own.
type Own = std::thread::JoinHandle<Result<(), ServeError>>;

enum StartError {
    /// Another process has the store.
    Owned(String),
    Other(String),
}

/// How long a command waits for a server that owns the store and does not listen yet: 200 times 50 ms.
const STARTING_TRIES_MAX: u32 = 200;
const STARTING_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

impl<'a> Server<'a> {
    pub fn find_or_start(config: &'a Config) -> Result<Server<'a>, CliError> {
        let store = config.store.as_path();
        super::init::require_store(store)?;
        // A server that has just been started owns the store before its socket listens: give it time.
        let mut tries_left = STARTING_TRIES_MAX;
        loop {
            if Control::connect(store)?.is_some() {
                return Ok(Server { store, own: None });
            }
            match Self::start(config) {
                Err(StartError::Owned(_)) if tries_left > 0 => {
                    tries_left -= 1;
                    #[allow(
                        clippy::disallowed_methods,
                        reason = "the command line has no executor to block"
                    )]
                    std::thread::sleep(STARTING_PAUSE);
                }
                Ok(own) => return Ok(Server { store, own: Some(own) }),
                Err(StartError::Owned(text) | StartError::Other(text)) => return Err(CliError::new(text)),
            }
        }
    }

    /// This process becomes the server.
    fn start(config: &Config) -> Result<Own, StartError> {
        let (ready, started) = mpsc::sync_channel(1);
        let settings = config.clone();
        #[allow(
            clippy::disallowed_methods,
            reason = "the command line has no executor; the server gets a thread"
        )]
        let own = std::thread::spawn(move || {
            runtime::serve(settings, ServeOptions { network: false, ready: Some(ready) })
        });
        if started.recv().is_ok() {
            return Ok(own);
        }
        // The sender is gone: the server ended before it was ready.
        match own.join() {
            Ok(Err(error @ ServeError::Lock(_, LockError::Held(_)))) => {
                Err(StartError::Owned(error.to_string()))
            }
            Ok(Err(error)) => Err(StartError::Other(error.to_string())),
            Ok(Ok(())) | Err(_) => Err(StartError::Other("the server did not start".into())),
        }
    }

    /// Whether the server was there before this command.
    pub fn was_running(&self) -> bool {
        self.own.is_none()
    }

    pub fn connect(&self) -> Result<Control, CliError> {
        Control::connect(self.store)?.ok_or_else(|| CliError::new("the server has stopped"))
    }

    /// Ends a server of our own: everything it did is durable when this returns `Ok`.
    pub fn finish(mut self) -> Result<(), CliError> {
        match self.own.take() {
            None => Ok(()),
            Some(own) => {
                self.connect()?.ask(&Request::Stop)?;
                end(own).map_err(CliError::new)
            }
        }
    }
}

fn end(own: Own) -> Result<(), String> {
    own.join().map_or_else(|_| Err("the server broke down".into()), |ended| ended.map_err(|e| e.to_string()))
}

impl Drop for Server<'_> {
    /// On the way out of an error: a graceful stop still, whose own errors add nothing.
    fn drop(&mut self) {
        if let Some(own) = self.own.take()
            && let Ok(Some(mut control)) = Control::connect(self.store)
        {
            let _ = control.ask(&Request::Stop);
            let _ = end(own);
        }
    }
}
