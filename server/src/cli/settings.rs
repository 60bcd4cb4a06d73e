//! `trawl config check` and `trawl config show`.

use std::process::ExitCode;

use super::args::{Cli, ConfigCommand};
use super::effective;
use super::error::CliError;
use super::say;
use crate::config::{Config, TEMPLATE};

pub fn run(cli: &Cli, command: &ConfigCommand) -> Result<ExitCode, CliError> {
    match command {
        ConfigCommand::Check { file } => {
            let named = file.as_deref().or(cli.config.as_deref());
            let (_, file) = Config::find(named).map_err(CliError::refused)?;
            match file {
                Some(file) => say!("{}: no errors", file.display()),
                None => say!("no configuration file; the defaults apply"),
            }
        }
        ConfigCommand::Show { template: true } => say::write(format_args!("{TEMPLATE}")),
        ConfigCommand::Show { template: false } => say::write(format_args!("{}", effective(cli)?.to_toml())),
    }
    Ok(ExitCode::SUCCESS)
}
