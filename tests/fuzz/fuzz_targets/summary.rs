//! A summary as it could stand on a damaged disk.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trawl_tests::fuzz::summary(bytes));
