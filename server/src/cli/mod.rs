//! The commands of `trawl`: arguments, settings, dispatch. Each command that changes mail or accounts talks to a server
//! ([`control`]); only `init` and `check` touch a store themselves.

#[macro_use]
mod say;

mod args;
mod check;
mod control;
mod error;
mod explain;
mod import;
mod init;
mod search;
mod settings;
mod status;
mod users;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command};
use self::error::CliError;
use crate::config::{Config, LogLevel};
use crate::documents;
use crate::runtime::{self, ServeOptions, logging};

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let told = run(&cli).and_then(|code| match say::lost() {
        Some(error) => Err(CliError::new(format!("the answer could not be written: {error}"))),
        None => Ok(code),
    });
    told.unwrap_or_else(|error| {
        eprintln!("trawl: {error}");
        error.exit_code()
    })
}

fn run(cli: &Cli) -> Result<ExitCode, CliError> {
    if let Command::DocumentWorker(arguments) = &cli.command {
        return Ok(documents::run_child(*arguments));
    }
    if let Command::Config(command) = &cli.command {
        return settings::run(cli, command);
    }
    let config = effective(cli)?;
    // A server that is started for one command tells what goes wrong, nothing else.
    let mut log = config.log;
    if !matches!(cli.command, Command::Serve) {
        log.level = log.level.min(LogLevel::Warn);
    }
    let _log = logging::install(&log);
    match &cli.command {
        Command::Init => init::run(&config),
        Command::Serve => serve(config),
        Command::User(command) => users::run(&config, command),
        Command::Import(kind) => import::run(&config, kind),
        Command::Check => check::run(&config),
        Command::Search(arguments) => search::search(&config, arguments),
        Command::Explain(arguments) => explain::run(&config, arguments),
        Command::Reindex(arguments) => search::reindex(&config, arguments),
        Command::Status { json } => status::run(&config, *json),
        Command::Metrics => status::metrics(&config),
        Command::Config(_) | Command::DocumentWorker(_) => {
            unreachable!("handled above, without a valid configuration")
        }
    }
}

/// The configuration with the overrides of the command line.
fn effective(cli: &Cli) -> Result<Config, CliError> {
    let (mut config, _) = Config::find(cli.config.as_deref()).map_err(CliError::new)?;
    if let Some(store) = &cli.store {
        config.store.clone_from(store);
    }
    Ok(config)
}

fn serve(config: Config) -> Result<ExitCode, CliError> {
    init::require_store(&config.store)?;
    runtime::serve(config, ServeOptions { network: true, ready: None }).map_err(CliError::new)?;
    Ok(ExitCode::SUCCESS)
}
