//! A message as it could be appended.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trawl_tests::fuzz::message(bytes));
