//! The command line as types; its doc comments are the `--help` texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::documents::ChildArgs;

/// Trawl: the search-first IMAP server
///
/// Serves mail over IMAP4rev1 and IMAP4rev2, and answers SEARCH exactly. All mail is in one folder, the store, as an
/// append-only log that is the only truth.
#[derive(Debug, Parser)]
#[command(
    name = "trawl",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "First steps:
  trawl --store ./mail init                      make a store
  trawl --store ./mail user add anna             make an account; asks for a password
  trawl --store ./mail import maildir anna ~/Maildir
  trawl --store ./mail serve                     serve it on ports 143 and 993

Configuration: --config FILE, else $TRAWL_CONFIG, else /etc/trawl/trawl.toml if it is there, else the defaults.
`trawl config show --template` prints a commented file with every key.

Exit codes: 0 done; 1 refused, or done in part; 2 could not start (arguments, configuration, store)."
)]
pub struct Cli {
    /// Configuration file (TOML)
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the store; overrides `store` of the configuration
    #[arg(long, short, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new, empty store
    ///
    /// Makes the folder if need be. The number of shards is fixed from then on; it bounds how many cores can serve the
    /// store (`storage.shards`, by default eight, or one for each core where there are more).
    #[command(after_help = "Example:\n  trawl --store /var/lib/trawl init")]
    Init,

    /// Serve mail until told to stop (SIGTERM or Ctrl-C)
    ///
    /// Runs in the foreground and logs to standard error. On SIGTERM every client is told BYE and everything accepted is
    /// durable before the process ends.
    #[command(after_help = "Examples:
  trawl --config /etc/trawl/trawl.toml serve
  trawl --store ./mail serve                     ports 143 and 993 (needs the right to bind them)
  RUST_LOG=debug trawl serve                     more in the log, without touching the configuration")]
    Serve,

    /// Make, change, list and delete accounts
    ///
    /// Works while the server runs, and when it does not.
    #[command(subcommand)]
    User(UserCommand),

    /// Bring mail in from files
    ///
    /// Flags, dates and folders come along. Bytes stay as they are, but bare LF line ends become CRLF; a message that
    /// cannot be parsed is stored all the same. Works while the server runs, and when it does not.
    #[command(subcommand)]
    Import(ImportKind),

    /// Verify every checksum and every reference of the store
    ///
    /// Reads everything and changes nothing. The server must not be running. Exit code 0: all is well; 1: something is
    /// damaged (what and where is printed); 2: the check could not run.
    #[command(after_help = "Example:\n  trawl --store /var/lib/trawl check")]
    Check,

    /// Show what the server and its store are doing
    #[command(after_help = "Examples:\n  trawl status\n  trawl status --json")]
    Status {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },

    /// Print figures of everything in the text format of Prometheus
    ///
    /// For a textfile collector or a script. What searches cost is counted since the server started; without a running server
    /// there are only figures of the store. `docs/metrics.md` lists all names.
    #[command(after_help = "Example:\n  trawl metrics > /var/lib/node_exporter/trawl.prom.new")]
    Metrics,

    /// Search the mail of an account
    ///
    /// Prints mailbox, UID, date, sender and subject of the newest messages that match. With --query it takes what people type into
    /// a search box, without it what IMAP's SEARCH takes (RFC 9051, 6.4.4). Works while the server runs, and when it does not. Exit
    /// code 1: nothing was found.
    #[command(
        override_usage = "trawl search [OPTIONS] <USER> <PROGRAM | --query <QUERY>>",
        after_help = "With --query, words and \"phrases\" are looked for anywhere, - excludes, OR and parentheses group, and there are:
  from: to: cc: bcc: subject: body: text: list: header:name=value
  has:attachment filename:pdf in:trash in:\"Lists/Rust\" keyword:Work
  is:unread is:read is:flagged is:answered is:draft is:deleted is:recent
  before:2024-05-01 after:2024-05 on:2024 older_than:2y newer_than:10d larger:10M smaller:200k

Examples:
  trawl search anna --query 'from:bob subject:\"food cart\" has:attachment -in:trash'
  trawl search anna -q 'invoice OR receipt newer_than:1y filename:pdf'
  trawl search anna 'SUBJECT invoice SINCE 1-Jan-2024'
  trawl search anna 'OR FROM bob BODY \"food cart\"' --mailbox Archive"
    )]
    Search(SearchArgs),

    /// Show how a search is done: what is looked at, where, and how long it takes
    ///
    /// Searches as a session does, and tells what it did, step by step. Several mailboxes are searched as by ESEARCH and `trawl
    /// search`.
    #[command(
        override_usage = "trawl explain [OPTIONS] <USER> <MAILBOX> <PROGRAM | --query <QUERY>>",
        after_help = "Examples:
  trawl explain anna INBOX --query 'is:unread \"food cart\" has:attachment'
  trawl explain anna INBOX 'UNSEEN BODY \"food cart\"'
  trawl explain anna INBOX 'FUZZY SUBJECT \"quarterly report\"'
  trawl explain anna INBOX 'TEXT invoice' --return 'PARTIAL -1:-50'
  trawl explain anna INBOX 'SINCE 1-Jan-2024' --sort 'REVERSE DATE SUBJECT'
  trawl explain anna INBOX ALL --thread REFERENCES
  trawl explain anna '*' --query 'invoice'"
    )]
    Explain(ExplainArgs),

    /// Make the search index of an account, or of all, anew
    ///
    /// The index is derived from the mail; searches answer the same without it, only slower. The work is done in the
    /// background; when no server runs, by this command.
    #[command(after_help = "Examples:\n  trawl reindex anna --wait\n  trawl reindex --keep --wait")]
    Reindex(ReindexArgs),

    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Read documents for a server, which starts it
    #[command(hide = true)]
    DocumentWorker(ChildArgs),
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Account
    pub user: String,
    #[command(flatten)]
    pub program: Program,
    /// Only this mailbox, or those that a pattern as of LIST names ('Lists/*'); without it all of them
    #[arg(long, short, value_name = "MAILBOX")]
    pub mailbox: Option<String>,
    /// Show at most this many messages (500 at the most), the newest
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    pub max: u32,
    /// As one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What to search for, said in one of two languages.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Program {
    /// Search keys of IMAP, as one argument
    pub program: Option<String>,
    /// What to search for as people type it, as one argument: 'from:bob has:attachment'
    #[arg(long, short, value_name = "QUERY", allow_hyphen_values = true)]
    pub query: Option<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Account
    pub user: String,
    /// Mailbox, or a pattern as of LIST: '*' is all of them, 'Lists/*' those below Lists
    pub mailbox: String,
    #[command(flatten)]
    pub program: Program,
    /// Return options of SEARCH and SORT, as in 'MIN MAX' or 'PARTIAL 1:50'; without it all that match
    #[arg(long = "return", value_name = "OPTIONS")]
    pub returns: Option<String>,
    /// Sort what is found by these criteria, as in 'REVERSE DATE SUBJECT'
    #[arg(long, value_name = "CRITERIA", conflicts_with = "thread")]
    pub sort: Option<String>,
    /// Thread what is found: REFERENCES, REFS or ORDEREDSUBJECT
    #[arg(long, value_name = "ALGORITHM", conflicts_with = "returns")]
    pub thread: Option<String>,
    /// As one line of JSON; times are microseconds
    #[arg(long)]
    pub json: bool,
    /// Search this often and show the last time
    #[arg(long, default_value_t = 1, value_name = "TIMES")]
    pub repeat: u32,
}

#[derive(Debug, Args)]
pub struct ReindexArgs {
    /// Account; without it all of them
    pub user: Option<String>,
    /// Wait until it is done
    #[arg(long)]
    pub wait: bool,
    /// Keep what there is and add only what it lacks
    #[arg(long)]
    pub keep: bool,
    /// Read the documents in messages again as well, which needs a running server
    #[arg(long)]
    pub documents: bool,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account with INBOX, Drafts, Sent, Junk, Trash and Archive
    #[command(after_help = "Examples:
  trawl user add anna
  trawl user add anna@example.org --password-stdin < password.txt")]
    Add {
        /// Login name
        name: String,
        /// Read the password from the first line of standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change the password of an account
    Passwd {
        /// Login name
        name: String,
        /// Read the password from the first line of standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all accounts with their mailboxes, messages and sizes
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Delete an account and all its mail
    Delete {
        /// Login name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum ImportKind {
    /// A Maildir, with Maildir++ (`.Archive.2019`) or nested folders
    ///
    /// Flags come from file names, keywords from `dovecot-keywords`, dates from the files' times.
    #[command(after_help = "Examples:
  trawl import maildir anna ~/Maildir
  trawl import maildir anna ./old --into Archive/old")]
    Maildir(ImportArgs),
    /// An mbox file (mboxrd or mboxo), or a folder of them
    ///
    /// Flags come from Status, X-Status, X-Keywords and X-Mozilla-Status fields, dates from the `From ` lines. A file
    /// goes to INBOX (or --into); of a folder each file becomes a mailbox, Thunderbird's `.sbd` folders its levels.
    #[command(after_help = "Examples:
  trawl import mbox anna list.mbox --into Lists/storage
  trawl import mbox anna ~/.thunderbird/x.default/Mail/'Local Folders'")]
    Mbox(ImportArgs),
    /// A folder tree of .eml files, or one file
    ///
    /// Folders become mailboxes. Dates come from the topmost Received field, else Date, else the file's time.
    #[command(after_help = "Example:\n  trawl import eml anna ./export --into Imported")]
    Eml(ImportArgs),
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Account that gets the mail
    pub user: String,
    /// What to import
    pub path: PathBuf,
    /// Put everything below this mailbox; it takes the place of INBOX
    #[arg(long, value_name = "MAILBOX")]
    pub into: Option<String>,
    /// Leave out messages whose mailbox has one of the same Message-ID and size already
    #[arg(long)]
    pub skip_duplicates: bool,
    /// Print nothing but what could not be imported
    #[arg(long, short)]
    pub quiet: bool,
}

impl ImportKind {
    pub fn arguments(&self) -> &ImportArgs {
        match self {
            ImportKind::Maildir(arguments) | ImportKind::Mbox(arguments) | ImportKind::Eml(arguments) => {
                arguments
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration file: unknown keys and bad values are named with their line
    #[command(after_help = "Example:\n  trawl config check /etc/trawl/trawl.toml")]
    Check {
        /// The file; without it the one that `serve` would use
        file: Option<PathBuf>,
    },
    /// Print the effective values
    Show {
        /// Print a commented file with every key at its default instead
        #[arg(long)]
        template: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_and_behind_the_command() {
        for line in ["trawl --config x user list", "trawl user list --config x"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.config.as_deref(), Some(std::path::Path::new("x")));
        }
        assert!(Cli::try_parse_from(["trawl", "import", "mbox", "anna"]).is_err());
    }

    #[test]
    fn what_to_search_for_is_a_program_or_a_query() {
        let parsed = |line: &[&str]| match Cli::try_parse_from([&["trawl"], line].concat()).ok()?.command {
            Command::Search(SearchArgs { program, mailbox, .. }) => Some((program, mailbox)),
            Command::Explain(ExplainArgs { program, mailbox, .. }) => Some((program, Some(mailbox))),
            _ => None,
        };
        // A query may begin with a minus sign, also where an option looks alike.
        for query in ["from:bob", "-in:trash x", "-money", "--x"] {
            for line in [
                ["search", "anna", "-q", query, "-m", "INBOX"],
                ["explain", "anna", "INBOX", "--repeat=2", "--query", query],
            ] {
                let (program, mailbox) = parsed(&line).unwrap();
                assert_eq!((program.query.as_deref(), program.program), (Some(query), None), "{line:?}");
                assert_eq!(mailbox.as_deref(), Some("INBOX"));
            }
        }
        let (program, _) = parsed(&["search", "anna", "FROM bob"]).unwrap();
        assert_eq!((program.program.as_deref(), program.query), (Some("FROM bob"), None));
        assert!(parsed(&["search", "anna"]).is_none());
        assert!(parsed(&["search", "anna", "ALL", "-q", "x"]).is_none());
        assert!(parsed(&["explain", "anna", "INBOX"]).is_none());
        assert!(parsed(&["explain", "anna", "*", "ALL", "--return", "MIN", "--sort", "DATE"]).is_some());
        assert!(parsed(&["explain", "anna", "*", "ALL", "--thread", "REFS", "--sort", "DATE"]).is_none());
    }
}
