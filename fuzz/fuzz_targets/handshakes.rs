//! See `file_transfer::fuzzing::handshakes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| file_transfer::fuzzing::handshakes(bytes));
