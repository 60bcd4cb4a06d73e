//! `trawl-bench`: measures IMAP servers.

fn main() {}
