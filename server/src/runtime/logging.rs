//! The log of what happens, on standard error: text or JSON lines.
//!
//! What must hold: a reader of the log that stalls must not stall a core, so lines go through a bounded queue to a thread that
//! writes them; when the queue is full lines are dropped and their number is told later.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogConfig, LogFormat};
use crate::limits::LOG_QUEUE_LINES_MAX;

enum Line {
    Text(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Where events are written to: the queue.
#[derive(Clone)]
struct Queue {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

/// Writes out what is queued when it is dropped; keep it until the end of `main`.
pub struct LogGuard(Queue);

/// Installs the subscriber of the process. `RUST_LOG` overrides the level. `None` when one is installed already (tests).
pub fn install(config: &LogConfig) -> Option<LogGuard> {
    let (lines, queued) = sync_channel(LOG_QUEUE_LINES_MAX);
    let queue = Queue { lines, dropped: Arc::default() };
    let dropped = Arc::clone(&queue.dropped);
    let thread = std::thread::Builder::new().name("log".to_owned());
    thread.spawn(move || write_lines(&queued, &dropped, &mut io::stderr())).ok()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // The runtime's own remarks are about its internals; its warnings are about ours.
        EnvFilter::new(format!("{},glommio=warn", config.level.as_str()))
    });
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(queue.clone());
    let installed = match config.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.ok().map(|()| LogGuard(queue))
}

fn write_lines(queued: &Receiver<Line>, dropped: &AtomicU64, out: &mut dyn Write) {
    while let Ok(line) = queued.recv() {
        // Standard error may be closed; the server goes on without a log.
        match line {
            Line::Text(text) => drop(out.write_all(&text)),
            Line::Flush(done) => drop((out.flush(), done.try_send(()))),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{lost} log lines were dropped: the log is read too slowly");
        }
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Queue;
    fn make_writer(&'a self) -> Queue {
        self.clone()
    }
}

impl Write for Queue {
    /// The formatter writes each event at once.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self.lines.try_send(Line::Text(data.to_vec())) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.0.lines.send(Line::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_says_so() {
        let (lines, queued) = sync_channel(2);
        let mut queue = Queue { lines, dropped: Arc::default() };
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            queue.write_all(line.as_bytes()).unwrap();
        }
        let dropped = Arc::clone(&queue.dropped);
        drop(queue);
        let mut out = Vec::new();
        write_lines(&queued, &dropped, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "one\n2 log lines were dropped: the log is read too slowly\ntwo\n");
    }
}
