//! Bytes of a connection: fragmenter and parsers.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trawl_tests::fuzz::commands(bytes));
