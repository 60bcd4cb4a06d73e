//! `trawl-bench size`.

use std::path::PathBuf;

use super::{Ended, print, read};
use crate::report::numbers::{octets, significant};
use crate::size::Site;
use crate::size::profile::Profile;

#[derive(clap::Args)]
pub struct Arguments {
    /// The report.json of a run with peak, append, search, idle-fleet, sync-cold and disk
    #[arg(long)]
    report: PathBuf,
    /// Which of its servers [default: the first]
    #[arg(long)]
    server: Option<String>,
    /// A TOML file with the options below as keys (with _ for -)
    #[arg(long)]
    site: Option<PathBuf>,
    #[command(flatten)]
    options: Site,
}

/// Messages of a profile that says something.
const MESSAGES_MIN: usize = 10_000;

pub fn size(arguments: Arguments) -> Ended {
    let report = read(&arguments.report)?;
    let first = report.servers.first().map(|server| server.name.clone());
    let server = arguments.server.or(first).ok_or("the report has no server")?;
    let profile = Profile::of(&report, &server)?;
    let file = match &arguments.site {
        None => Site::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?
        }
    };
    let (needs, arithmetic) = arguments.options.over(file).needs(&profile)?;
    if report.about.messages < MESSAGES_MIN {
        print(&format!(
            "Beware: the profile was measured with {} messages. What a server needs anyway is then counted for each message; \
             measure with {MESSAGES_MIN} or more, on empty data.\n\n",
            report.about.messages
        ));
    }
    print(&format!(
        "{server}, as measured on {} ({}, {} processors)\n\n{arithmetic}\nNeeded: {} cores, {} of memory, {} of disk\n",
        report.about.date,
        report.about.machine.processor,
        report.about.machine.processors,
        significant(needs.cores),
        octets(needs.memory_bytes),
        octets(needs.disk_bytes)
    ));
    Ok(true)
}
