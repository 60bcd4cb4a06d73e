//! The server's side: one child process, which is started when it is needed, killed when it does not answer, and started anew.
//!
//! Nothing of what a child says is believed ([`super::frame`]). What it wrote to its standard error is looked at for one thing: whether
//! memory was short.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::frame::{ANSWER_HEAD_BYTES, AnswerHead, FLAG_CUT, RequestHead, Status, Task};
use super::lockdown::Lacking;
use super::{Bounds, Document, Extractor, Outcome, Reason};
use crate::limits::{
    DOCUMENT_WORKER_DOCUMENTS_MAX, DOCUMENT_WORKER_END_TIME, DOCUMENT_WORKER_LAST_WORDS_BYTES_MAX,
    DOCUMENT_WORKER_START_TIME,
};
use crate::runtime::clock::ProcessStart;

/// Between two looks at whether the server stops.
const LOOK: Duration = Duration::from_millis(100);
/// Time that may pass for one unit of a document's processor time: others may want the processor, too.
const PATIENCE: u32 = 5;

/// What is started as a worker.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// The program that this process runs; also if its file has been replaced meanwhile.
    pub fn this() -> Program {
        Program("/proc/self/exe".into())
    }

    pub fn at(path: impl Into<PathBuf>) -> Program {
        Program(path.into())
    }
}

/// See the module. The child is killed when the thread that started it ends.
pub struct Worker {
    program: Program,
    bounds: Bounds,
    stop: Arc<AtomicBool>,
    clock: ProcessStart,
    running: Option<Running>,
    /// The last one could not be started.
    is_lacking: bool,
}

/// A child that is ready, or reads a document.
struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    last_words: Vec<u8>,
    documents: u64,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why a child is of no use any more.
enum Broken {
    /// It is to be given up because time is over.
    TimedOut,
    /// The server stops.
    Stopped,
    /// It said what makes no sense.
    Nonsense,
    /// It ended, or is about to.
    Ended,
}

/// How a child came to its end.
enum End {
    /// Because of what it read.
    For(Reason),
    /// By a signal that somebody else sent.
    Killed,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Ended
    }
}

impl Worker {
    pub fn new(program: Program, bounds: Bounds, stop: Arc<AtomicBool>) -> Worker {
        Worker { program, bounds, stop, clock: ProcessStart::now(), running: None, is_lacking: false }
    }

    /// The process that reads documents, if one was started.
    pub fn process(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    /// For tests: see [`super::Probe`].
    #[cfg(debug_assertions)]
    pub fn probe(&mut self, probe: super::Probe, content: &[u8]) -> Outcome {
        self.ask(Task::Probe(probe as u8), None, content)
    }

    fn ask(&mut self, task: Task, charset: Option<&str>, content: &[u8]) -> Outcome {
        let mut was_killed = false;
        loop {
            let mut running = match self.running.take() {
                Some(running) => running,
                None => match self.start() {
                    Ok(running) => {
                        self.is_lacking = false;
                        running
                    }
                    Err(error) => {
                        // Once until one starts: it is the same for each document.
                        if !std::mem::replace(&mut self.is_lacking, true) {
                            tracing::warn!(%error, "a process that reads documents could not be started");
                        }
                        return Outcome::Failed(Reason::Unavailable);
                    }
                },
            };
            let broken = match self.exchange(&mut running, task, charset, content) {
                Ok(outcome) => {
                    running.documents += 1;
                    if running.documents < DOCUMENT_WORKER_DOCUMENTS_MAX {
                        self.running = Some(running);
                    }
                    return outcome;
                }
                Err(broken) => broken,
            };
            let end = match broken {
                Broken::TimedOut => End::For(Reason::TimedOut),
                Broken::Stopped => return Outcome::Failed(Reason::Unavailable),
                Broken::Nonsense => End::For(Reason::Crashed),
                Broken::Ended => running.end(),
            };
            let reason = match end {
                // Perhaps by somebody who wanted the memory back; if it happens again it is the document's.
                End::Killed if !std::mem::replace(&mut was_killed, true) => continue,
                End::Killed => Reason::Crashed,
                // Only a process that has read nothing else may blame a document.
                End::For(Reason::Crashed | Reason::OutOfMemory) if running.documents > 0 => continue,
                End::For(reason) => reason,
            };
            tracing::debug!(%reason, "a process that reads documents was given up");
            return Outcome::Failed(reason);
        }
    }

    fn start(&self) -> io::Result<Running> {
        let seconds = self.seconds();
        let mut child = Command::new(&self.program.0)
            .arg("document-worker")
            .args(["--memory", &self.bounds.memory.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(["--documents", &DOCUMENT_WORKER_DOCUMENTS_MAX.to_string()])
            .env_clear()
            // The allocator would set a gigabyte of addresses aside, within which the limit of memory would be none.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(ErrorKind::Other.into());
        };
        let mut running =
            Running { child, input, output, errors: Some(errors), last_words: Vec::new(), documents: 0 };
        rustix::io::ioctl_fionbio(&running.input, true)?;
        rustix::io::ioctl_fionbio(&running.output, true)?;
        if let Some(errors) = &running.errors {
            rustix::io::ioctl_fionbio(errors, true)?;
        }
        let mut head = [0; ANSWER_HEAD_BYTES];
        let until = self.after(DOCUMENT_WORKER_START_TIME);
        if self.read(&mut running, &mut head, until).is_err() {
            return Err(io::Error::other("it does not say that it is ready"));
        }
        match AnswerHead::decode(&head, 0) {
            Some(AnswerHead { status: Status::Ready, flags, .. }) => tell_once(Lacking::from_bits(flags)),
            _ => return Err(io::Error::other("it says something else than that it is ready")),
        }
        Ok(running)
    }

    /// Whole seconds of processor time, as the kernel counts it for limits.
    fn seconds(&self) -> u64 {
        self.bounds.time.as_secs() + u64::from(self.bounds.time.subsec_nanos() > 0)
    }

    /// That time from now on, in nanoseconds of the clock.
    fn after(&self, time: Duration) -> u64 {
        self.clock.nanos().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    fn exchange(
        &self,
        running: &mut Running,
        task: Task,
        charset: Option<&str>,
        content: &[u8],
    ) -> Result<Outcome, Broken> {
        let charset = charset.filter(|name| name.len() <= usize::from(u8::MAX)).unwrap_or_default();
        let text_bytes_max = u32::try_from(self.bounds.text).unwrap_or(u32::MAX);
        let (Ok(charset_bytes), Ok(content_bytes)) =
            (u8::try_from(charset.len()), u32::try_from(content.len()))
        else {
            return Ok(Outcome::Failed(Reason::TooLarge));
        };
        let until = self.after(self.bounds.time.saturating_mul(PATIENCE));
        let head = RequestHead { task, charset_bytes, text_bytes_max, content_bytes };
        self.write(running, &head.encode(), until)?;
        self.write(running, charset.as_bytes(), until)?;
        self.write(running, content, until)?;
        let mut head = [0; ANSWER_HEAD_BYTES];
        self.read(running, &mut head, until)?;
        let head = AnswerHead::decode(&head, text_bytes_max).ok_or(Broken::Nonsense)?;
        match head.status {
            Status::Ready => Err(Broken::Nonsense),
            Status::Failed(reason) => Ok(Outcome::Failed(reason)),
            Status::Text => {
                let mut text = vec![0; usize::try_from(head.text_bytes).map_err(|_| Broken::Nonsense)?];
                self.read(running, &mut text, until)?;
                let text = String::from_utf8(text).map_err(|_| Broken::Nonsense)?;
                Ok(Outcome::Text { text, cut: head.flags & FLAG_CUT != 0 })
            }
        }
    }

    fn write(&self, running: &mut Running, mut octets: &[u8], until: u64) -> Result<(), Broken> {
        while !octets.is_empty() {
            match running.input.write(octets) {
                Ok(0) => return Err(Broken::Ended),
                Ok(written) => octets = octets.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(running, PollFlags::OUT, until)?
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read(&self, running: &mut Running, octets: &mut [u8], until: u64) -> Result<(), Broken> {
        let mut at = 0;
        while let Some(rest) = octets.get_mut(at..).filter(|rest| !rest.is_empty()) {
            match running.output.read(rest) {
                Ok(0) => return Err(Broken::Ended),
                Ok(read) => at += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(running, PollFlags::IN, until)?
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the child takes or gives something, and keeps what it says to its standard error meanwhile.
    fn wait(&self, running: &mut Running, wanted: PollFlags, until: u64) -> Result<(), Broken> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Broken::Stopped);
            }
            let left = until.saturating_sub(self.clock.nanos());
            if left == 0 {
                return Err(Broken::TimedOut);
            }
            let look = Duration::from_nanos(left).min(LOOK);
            let time = Timespec::try_from(look).map_err(|_| Broken::Ended)?;
            let ready = {
                let pipe = if wanted == PollFlags::OUT {
                    PollFd::new(&running.input, wanted)
                } else {
                    PollFd::new(&running.output, wanted)
                };
                let errors = running.errors.as_ref().map(|errors| PollFd::new(errors, PollFlags::IN));
                let mut watched: Vec<PollFd<'_>> = std::iter::once(pipe).chain(errors).collect();
                match poll(&mut watched, Some(&time)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(Broken::from(io::Error::from(error))),
                }
                let of = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
                (of(0), of(1))
            };
            if ready.1 {
                running.listen();
            }
            if ready.0 {
                return Ok(());
            }
        }
    }
}

impl Extractor for Worker {
    fn extract(&mut self, document: &Document<'_>) -> Outcome {
        if document.content.len() > self.bounds.size {
            return Outcome::Failed(Reason::TooLarge);
        }
        self.ask(Task::Document(document.kind), document.charset, document.content)
    }

    fn turn_to_another_account(&mut self) {
        // Dropped, it is killed.
        self.running.take_if(|running| running.documents > 0);
    }
}

impl Running {
    /// Keeps what there is on its standard error.
    fn listen(&mut self) {
        let mut piece = [0; 1024];
        // One that never stops talking is listened to again later.
        for _ in 0..64 {
            let Some(errors) = &mut self.errors else { return };
            match errors.read(&mut piece) {
                Ok(0) => self.errors = None,
                Ok(read) => {
                    let room = DOCUMENT_WORKER_LAST_WORDS_BYTES_MAX.saturating_sub(self.last_words.len());
                    self.last_words.extend(piece.iter().take(read.min(room)));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.errors = None,
            }
        }
    }

    /// Why it ended. It may only have closed its side, and is then not waited for long.
    fn end(&mut self) -> End {
        const STEPS: u32 = 50;
        let mut status = None;
        for _ in 0..STEPS {
            self.listen();
            status = self.child.try_wait().ok().flatten();
            if status.is_some() {
                break;
            }
            if let Ok(time) = Timespec::try_from(DOCUMENT_WORKER_END_TIME / STEPS) {
                let _ = poll(&mut [], Some(&time));
            }
        }
        self.listen();
        let Some(status) = status else { return End::For(Reason::Crashed) };
        let says = |words: &[u8]| memchr::memmem::find(&self.last_words, words).is_some();
        match status.signal() {
            Some(signal) if signal == Signal::XCPU.as_raw() => End::For(Reason::TimedOut),
            Some(signal) if [Signal::KILL.as_raw(), Signal::TERM.as_raw()].contains(&signal) => End::Killed,
            // What the standard library says before it ends a process for want of memory.
            _ if says(b"memory allocation of ") => End::For(Reason::OutOfMemory),
            _ => End::For(Reason::Crashed),
        }
    }
}

/// Says what locks a worker could not close, the first time.
fn tell_once(lacking: Lacking) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if let Some(names) = lacking.describe()
        && !TOLD.swap(true, Ordering::Relaxed)
    {
        tracing::warn!("processes that read documents have to do without: {names}");
    }
}
