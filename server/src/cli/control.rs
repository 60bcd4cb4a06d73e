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
use crate::runtime::{self, ServeOptions};

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
    own: Option<std::thread::JoinHandle<Result<(), String>>>,
}

impl<'a> Server<'a> {
    pub fn find_or_start(config: &'a Config) -> Result<Server<'a>, CliError> {
        let store = config.store.as_path();
        super::init::require_store(store)?;
        if Control::connect(store)?.is_some() {
            return Ok(Server { store, own: None });
        }
        let (ready, started) = mpsc::sync_channel(1);
        let settings = config.clone();
        #[allow(
            clippy::disallowed_methods,
            reason = "the command line has no executor; the server gets a thread"
        )]
        let own = std::thread::spawn(move || {
            runtime::serve(settings, ServeOptions { network: false, ready: Some(ready) })
                .map_err(|e| e.to_string())
        });
        match started.recv() {
            Ok(()) => Ok(Server { store, own: Some(own) }),
            // The sender is gone: the server ended before it was ready.
            Err(_) => Err(CliError::new(end(own).err().unwrap_or_else(|| "the server did not start".into()))),
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

fn end(own: std::thread::JoinHandle<Result<(), String>>) -> Result<(), String> {
    own.join().unwrap_or_else(|_| Err("the server broke down".into()))
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
