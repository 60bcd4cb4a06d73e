//! `trawl check`.

use std::process::ExitCode;

use super::error::CliError;
use crate::config::Config;

pub fn run(config: &Config) -> Result<ExitCode, CliError> {
    super::init::require_store(&config.store)?;
    Err(CliError::new("this build cannot check a store"))
}
