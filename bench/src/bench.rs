//! `trawl-bench`: measures IMAP servers. Everything is in the library; see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    trawl_bench::cli::main()
}
