//! See `file_transfer::fuzzing::resume_states`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| file_transfer::fuzzing::resume_states(bytes));
