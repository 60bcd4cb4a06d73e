//! `trawl`: the allocator and the way in; everything else is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    trawl_server::runtime::memory::keep_longer();
    trawl_server::runtime::panics::install();
    trawl_server::cli::main()
}
