//! What a command failed with: a text for the person who typed it, and an exit code.

use std::fmt;
use std::process::ExitCode;

/// A command that could not do what it was told.
#[derive(Debug)]
pub struct CliError {
    text: String,
    code: u8,
}

impl CliError {
    /// Bad arguments, no store, no server: nothing was done (exit code 2).
    pub fn new(text: impl fmt::Display) -> CliError {
        CliError { text: text.to_string(), code: 2 }
    }

    /// Done in part, or refused (exit code 1).
    pub fn refused(text: impl fmt::Display) -> CliError {
        CliError { text: text.to_string(), code: 1 }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> CliError {
        CliError::new(error)
    }
}

impl From<trawl_store::error::StoreError> for CliError {
    fn from(error: trawl_store::error::StoreError) -> CliError {
        CliError::new(error)
    }
}
