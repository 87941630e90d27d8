//! See `file_transfer::fuzzing::tcp_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| file_transfer::fuzzing::tcp_frames(bytes));
