//! Bytes as they could stand in a segment.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trawl_tests::fuzz::record(bytes));
