//! A server to be measured, as a TOML file describes it. Only `name`, `imap`, `user` and `password` are needed; everything
//! else lets more be measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::transport::tls;
use crate::client::{Endpoint, Error, Result, Session};
use crate::clock;
use crate::process::Processes;
use crate::process::disk::{Disk, Layout, usage};

/// What a wrong answer means for the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WrongAnswers {
    #[default]
    Fail,
    /// The server is known to answer some things wrongly; how often is the figure.
    Counted,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub name: String,
    /// `imap://host:port` or `imaps://host:port`.
    pub imap: String,
    /// `host:port`, if it takes mail by LMTP.
    pub lmtp: Option<String>,
    /// `{n}` is the number of the account, from 0.
    pub user: String,
    pub password: String,
    /// What LMTP calls them; `{n}` as above.
    #[serde(default = "default_recipient")]
    pub recipient: String,
    /// How many accounts there are.
    #[serde(default = "one")]
    pub accounts: usize,
    /// PEM file of the authorities that are trusted; without it any certificate is.
    pub authorities: Option<PathBuf>,
    /// The server's main process, as a number in a file or here, or the name of its control group (`system.slice/x.service`).
    pub pid_file: Option<PathBuf>,
    pub pid: Option<u32>,
    pub cgroup: Option<PathBuf>,
    /// Folder of all its data, and what is what in it.
    pub data: Option<PathBuf>,
    #[serde(default)]
    pub layout: Layout,
    #[serde(default)]
    pub commands: Commands,
    #[serde(default)]
    pub wrong_answers: WrongAnswers,
    /// For the report: version, durability, everything that makes a difference.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// Shell commands, run in the folder of the description.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Commands {
    /// Return when the server answers, and when it is gone.
    pub start: Option<String>,
    pub stop: Option<String>,
    /// kill -9 of everything.
    pub kill: Option<String>,
    /// Completes the search index.
    pub index: Option<String>,
}

fn default_recipient() -> String {
    "{n}".to_owned()
}

fn one() -> usize {
    1
}

#[derive(Clone)]
pub struct Server {
    pub about: Description,
    pub imap: Endpoint,
    pub lmtp: Option<Endpoint>,
    folder: PathBuf,
}

impl Server {
    pub fn read(path: &Path) -> Result<Server> {
        let wrong = |what: String| Error::Protocol(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        let about: Description = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        Server::new(about, folder)
    }

    /// Relative paths of `about` are relative to `folder`, in which its commands run.
    pub fn new(mut about: Description, folder: PathBuf) -> Result<Server> {
        for path in [&mut about.authorities, &mut about.pid_file, &mut about.data].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        let wrong = |what: &str| Error::Protocol(format!("{}: {what} is not host:port", about.name));
        let (secure, address) = match about.imap.split_once("://") {
            Some(("imaps", address)) => (true, address),
            Some(("imap", address)) => (false, address),
            _ => {
                return Err(Error::Protocol(format!(
                    "{}: imap is not imap://... or imaps://...",
                    about.name
                )));
            }
        };
        let mut imap = endpoint(address).ok_or_else(|| wrong("imap"))?;
        if secure {
            imap.tls = Some(tls(about.authorities.as_deref())?);
        }
        let lmtp = match &about.lmtp {
            Some(address) => Some(endpoint(address).ok_or_else(|| wrong("lmtp"))?),
            None => None,
        };
        Ok(Server { about, imap, lmtp, folder })
    }

    pub fn name(&self) -> &str {
        &self.about.name
    }

    pub fn user(&self, account: usize) -> String {
        self.about.user.replace("{n}", &account.to_string())
    }

    pub fn recipient(&self, account: usize) -> String {
        let written = if self.about.recipient == default_recipient() {
            &self.about.user
        } else {
            &self.about.recipient
        };
        written.replace("{n}", &account.to_string())
    }

    pub fn login(&self, account: usize) -> Result<Session> {
        Session::login(&self.imap, &self.user(account), &self.about.password)
    }

    pub fn processes(&self) -> Option<Processes> {
        if let Some(group) = &self.about.cgroup {
            // A name is one below the root of control groups; an absolute path stays itself.
            return Some(Processes::Group(Path::new("/sys/fs/cgroup").join(group)));
        }
        let from_file = || {
            let text = std::fs::read_to_string(self.about.pid_file.as_ref()?).ok()?;
            text.trim().parse().ok()
        };
        self.about.pid.or_else(from_file).map(Processes::Tree)
    }

    pub fn disk(&self) -> Option<Disk> {
        self.about.data.as_ref().map(|folder| usage(folder, &self.about.layout))
    }

    /// Runs one of its commands; `Ok(false)` if there is none.
    pub fn run(&self, command: Option<&String>) -> Result<bool> {
        let Some(command) = command else { return Ok(false) };
        let status = self.shell(command).status()?;
        if status.success() {
            return Ok(true);
        }
        Err(Error::Protocol(format!("{}: `{command}`: {status}", self.about.name)))
    }

    fn shell(&self, command: &str) -> Command {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        shell
    }

    /// Starts it, if the description says how, and waits until it answers.
    pub fn start(&self) -> Result<()> {
        if self.run(self.about.commands.start.as_ref())? {
            self.wait(Duration::from_secs(600))?;
        }
        Ok(())
    }

    /// Begins to start it and does not wait for anything; `None` if the description does not say how.
    pub fn begin(&self) -> Result<Option<std::process::Child>> {
        let Some(command) = &self.about.commands.start else { return Ok(None) };
        Ok(Some(self.shell(command).spawn()?))
    }

    /// kill -9.
    pub fn kill(&self) -> Result<()> {
        if self.run(self.about.commands.kill.as_ref())? {
            return Ok(());
        }
        let pids = self.processes().map(|p| p.pids()).unwrap_or_default();
        if pids.is_empty() {
            return Err(Error::Protocol(format!("{}: no processes to kill", self.about.name)));
        }
        let words = pids.iter().map(u32::to_string);
        Command::new("kill").arg("-9").args(words).status()?;
        Ok(())
    }

    pub fn stop(&self) -> Result<()> {
        self.run(self.about.commands.stop.as_ref()).map(|_| ())
    }

    /// Waits for a greeting; the error is the last one.
    pub fn wait(&self, time: Duration) -> Result<()> {
        let until = clock::now() + clock::nanos(time);
        loop {
            match Session::connect(&self.imap) {
                Ok(_) => return Ok(()),
                Err(error) if clock::now() > until => return Err(error),
                Err(_) => clock::pause(Duration::from_millis(2)),
            }
        }
    }
}

fn endpoint(address: &str) -> Option<Endpoint> {
    let (host, port) = address.rsplit_once(':')?;
    Some(Endpoint::plain(host.trim_matches(['[', ']']), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        std::fs::write(
            &path,
            "name = \"x\"\nimap = \"imap://127.0.0.1:1143\"\nuser = \"u{n}\"\npassword = \"p\"\ndata = \"d\"\n\
             wrong_answers = \"counted\"\n[commands]\nstart = \"true\"\n[settings]\nfsync = \"always\"\n",
        )
        .unwrap();
        let server = Server::read(&path).unwrap();
        assert_eq!(
            (server.user(3).as_str(), server.recipient(4).as_str(), server.imap.port),
            ("u3", "u4", 1143)
        );
        assert_eq!(server.about.data.as_deref(), Some(folder.path().join("d").as_path()));
        assert!(server.run(server.about.commands.start.as_ref()).unwrap());
        assert!(!server.run(server.about.commands.stop.as_ref()).unwrap());
        std::fs::write(&path, "name = \"x\"\nimap = \"127.0.0.1:1\"\nuser = \"u\"\npassword = \"p\"\n")
            .unwrap();
        assert!(Server::read(&path).is_err());
        std::fs::write(&path, "nome = \"x\"\n").unwrap();
        assert!(Server::read(&path).is_err());
    }
}
