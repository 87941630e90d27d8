//! See `file_transfer::fuzzing::sessions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| file_transfer::fuzzing::sessions(bytes));
