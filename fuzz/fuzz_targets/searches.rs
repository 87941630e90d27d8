//! See `chat_server::fuzzing::searches`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_server::fuzzing::searches(bytes));
