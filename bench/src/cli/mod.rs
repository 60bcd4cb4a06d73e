//! The command line of `trawl-bench`.

pub mod driver;
pub mod measure;
pub mod sizing;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;

/// Measures IMAP servers: any, over TCP or TLS, several in one run, and checks every answer.
#[derive(Parser)]
#[command(
    name = "trawl-bench",
    version,
    after_help = "Examples:
  trawl-bench run --server a/server.toml --server b/server.toml --messages 10000 --out report
  trawl-bench run --imap imap://127.0.0.1:1143 --user 'bench{n}' --password secret --accounts 20 --scenarios search
  trawl-bench run --server a/server.toml --tiny
  trawl-bench driver
  trawl-bench size --report report/report.json --accounts 5000 --messages 20000

How it measures and what the figures mean is in bench/METHOD.md.
Exit codes: 0 all answers were right; 1 some were not, or a scenario failed; 2 it could not run."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure servers
    Run(Box<measure::Arguments>),
    /// List the scenarios
    List,
    /// Serve as a responder that answers OK to everything, to measure the driver against
    Echo(driver::EchoArguments),
    /// Measure the driver itself, against a responder in this process
    Driver(driver::DriverArguments),
    /// Cores, memory and disk for a site, from a report
    Size(sizing::Arguments),
    /// Write table and page of a report anew
    Report(ReportArguments),
}

#[derive(clap::Args)]
struct ReportArguments {
    /// A report.json
    from: PathBuf,
    /// Where to write the page; without it the table is printed
    #[arg(long)]
    html: Option<PathBuf>,
}

/// What a command ends with: whether everything was right, or why it could not run.
pub type Ended = Result<bool, String>;

/// The program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command {
        Command::Run(arguments) => measure::run(&arguments),
        Command::List => list(),
        Command::Echo(arguments) => driver::echo(&arguments),
        Command::Driver(arguments) => driver::driver(&arguments),
        Command::Size(arguments) => sizing::size(arguments),
        Command::Report(arguments) => report(&arguments),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "trawl-bench: {why}");
            ExitCode::from(2)
        }
    }
}

/// Prints, whatever becomes of it.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn list() -> Ended {
    for scenario in crate::scenario::all() {
        print(&format!("{}\n", scenario.name()));
    }
    Ok(true)
}

/// A report from its file.
pub fn read(path: &std::path::Path) -> Result<Report, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn report(arguments: &ReportArguments) -> Ended {
    let report = read(&arguments.from)?;
    match &arguments.html {
        Some(path) => {
            let page = crate::report::html::html(&report);
            std::fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        None => print(&crate::report::table::table(&report)),
    }
    Ok(report.is_right())
}
