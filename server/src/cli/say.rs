//! Standard output of the tool.
//!
//! Whoever reads it may have seen enough (`trawl explain … | head`): what follows goes nowhere, and that is no error. What could not be
//! written for another reason is one, once the command is done.

use std::fmt;
use std::io::{self, Write};
use std::sync::Mutex;

/// Why the first line that was lost could not be written.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line.
macro_rules! say {
    ($($line:tt)*) => { $crate::cli::say::write(format_args!("{}\n", format_args!($($line)*))) };
}

/// Writes a text as it is.
pub fn write(text: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().lock().write_fmt(text).and_then(|()| io::stdout().flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && let Ok(mut lost) = LOST.lock()
    {
        lost.get_or_insert(error);
    }
}

/// The error of what was lost, if something was.
pub fn lost() -> Option<io::Error> {
    LOST.lock().ok().and_then(|mut lost| lost.take())
}
