//! `trawl-generate`: writes generated mail as mbox, Maildir or .eml files.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use trawl_bench::output::{Eml, Maildir, Mbox, MboxFolders, Sink};
use trawl_bench::{Corpus, Options, SizeProfile};

/// Realistic mail from a seed: the same options always give the same bytes.
#[derive(Parser)]
#[command(
    name = "trawl-generate",
    version,
    after_help = "Examples:
  trawl-generate --count 500 maildir ./mail
  trawl-generate --count 50000 --seed 7 mbox mail.mbox
  trawl-generate --count 10 --size-profile small mbox -"
)]
struct Arguments {
    /// Messages to make
    #[arg(long, default_value_t = 1000, global = true)]
    count: u64,
    /// Seed; another seed gives other mail
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// How large messages are
    #[arg(long, value_enum, default_value_t = Profile::Typical, global = true)]
    size_profile: Profile,
    #[command(subcommand)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    Small,
    Typical,
    Large,
}

#[derive(Subcommand)]
enum Output {
    /// One mbox file with everything; `-` is standard output; a name that ends in `/` is a folder of mbox files
    Mbox { to: PathBuf },
    /// A Maildir with Maildir++ folders
    Maildir { to: PathBuf },
    /// Folders of .eml files
    Eml { to: PathBuf },
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let profile = match arguments.size_profile {
        Profile::Small => SizeProfile::Small,
        Profile::Typical => SizeProfile::Typical,
        Profile::Large => SizeProfile::Large,
    };
    let mut sink: Box<dyn Sink> = match &arguments.output {
        Output::Mbox { to } if to.as_os_str() == "-" => Box::new(Mbox(BufWriter::new(io::stdout().lock()))),
        Output::Mbox { to } if to.is_dir() || to.to_string_lossy().ends_with('/') => {
            Box::new(MboxFolders::new(to))
        }
        Output::Mbox { to } => {
            Box::new(Mbox(BufWriter::new(OpenOptions::new().write(true).create_new(true).open(to)?)))
        }
        Output::Maildir { to } => Box::new(Maildir::new(to)),
        Output::Eml { to } => Box::new(Eml::new(to)),
    };
    let corpus = Corpus::new(Options { seed: arguments.seed, count: arguments.count, profile });
    for message in corpus.iter() {
        sink.put(&message)?;
    }
    sink.finish()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "trawl-generate: {error}");
            ExitCode::FAILURE
        }
    }
}
