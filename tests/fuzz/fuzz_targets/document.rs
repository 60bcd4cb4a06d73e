//! An attached document.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| trawl_tests::fuzz::document(bytes));
