//! The real `trawl` binary on a store of its own, for one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const PASSWORD: &str = "secret";

/// A running server; it is killed when dropped.
pub struct Server {
    pub folder: tempfile::TempDir,
    pub imap: u16,
    pub imaps: u16,
    binary: PathBuf,
    child: Option<Child>,
}

/// The binary beside this test's own (`target/<profile>/trawl`); build the workspace first.
pub fn binary() -> PathBuf {
    let me = std::env::current_exe().expect("a test knows its own path");
    let profile = me.parent().and_then(Path::parent).expect("tests run from target/<profile>/deps");
    let binary = profile.join("trawl");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace` first", binary.display());
    binary
}

/// How often a start is tried if another process takes a port between its choice and the start.
const STARTS_MAX: usize = 5;

fn free_ports() -> (u16, u16) {
    let one = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let two = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    (one.local_addr().expect("bound").port(), two.local_addr().expect("bound").port())
}

impl Server {
    /// A fresh store and a server on it. `more` is appended to the configuration file.
    pub fn start_with(more: &str) -> Server {
        let folder = tempfile::Builder::new().prefix("trawl-test-").tempdir().expect("a temporary folder");
        let (imap, imaps) = free_ports();
        let config = format!(
            "store = \"{}\"\n[listen]\nimap = [\"127.0.0.1:{imap}\"]\nimaps = [\"127.0.0.1:{imaps}\"]\n{more}",
            folder.path().join("store").display()
        );
        std::fs::write(folder.path().join("trawl.toml"), config).expect("the folder is writable");
        let mut server = Server { folder, imap, imaps, binary: binary(), child: None };
        server.tool(&["init"]);
        server.serve();
        server
    }

    pub fn start() -> Server {
        Server::start_with("")
    }

    fn base(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.folder.path().join("trawl.toml")).stdin(Stdio::null());
        command
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Runs `trawl` with these words; panics with its output unless it succeeds.
    pub fn tool(&self, words: &[&str]) -> String {
        let output = self.try_tool(words);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "trawl {words:?}: {}\n{text}", output.status);
        text
    }

    /// Runs `trawl` with these words, which may be refused.
    pub fn try_tool(&self, words: &[&str]) -> Output {
        self.base().args(words).output().expect("trawl runs")
    }

    pub fn user(&self, name: &str) {
        use std::io::Write;
        let mut child = self
            .base()
            .args(["user", "add", name, "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("trawl runs");
        let mut input = child.stdin.take().expect("piped");
        writeln!(input, "{PASSWORD}").expect("trawl reads its input");
        drop(input);
        assert!(child.wait().expect("trawl ends").success(), "trawl user add {name} failed");
    }

    /// Starts (again) on the same store; returns when it answers. On other ports if somebody has taken one of those that were free.
    pub fn serve(&mut self) {
        for _ in 0..STARTS_MAX {
            let before = self.log().len();
            match self.try_serve() {
                Ok(()) => return,
                Err(_)
                    if self.log().get(before..).is_some_and(|log| log.contains("Address already in use")) =>
                {
                    self.take_other_ports();
                }
                Err(status) => panic!("trawl serve ended with {status}\n{}", self.log()),
            }
        }
        panic!("no port was free {STARTS_MAX} times\n{}", self.log());
    }

    fn take_other_ports(&mut self) {
        let path = self.folder.path().join("trawl.toml");
        let mut config = std::fs::read_to_string(&path).expect("written before");
        let (imap, imaps) = free_ports();
        for (old, new) in [(self.imap, imap), (self.imaps, imaps)] {
            config = config.replace(&format!("127.0.0.1:{old}"), &format!("127.0.0.1:{new}"));
        }
        std::fs::write(path, config).expect("the folder is writable");
        (self.imap, self.imaps) = (imap, imaps);
    }

    fn try_serve(&mut self) -> Result<(), std::process::ExitStatus> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("the folder is writable");
        let mut child = self
            .base()
            .arg("serve")
            .stdout(log.try_clone().expect("a file handle"))
            .stderr(log)
            .spawn()
            .expect("trawl runs");
        while crate::client::Client::connect(self.imap).is_err() {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                return Err(status);
            }
            #[allow(clippy::disallowed_methods, reason = "no executor here: a test waits for a process")]
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        self.child = Some(child);
        Ok(())
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// kill -9: no chance to tidy up.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a running child can be killed");
            child.wait().expect("a killed child ends");
        }
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        let killed = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
        assert!(killed.success());
        child.wait().expect("the server ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
