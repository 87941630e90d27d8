//! See `chat_client::session::fuzzing::server_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_client::session::fuzzing::server_frames(bytes));
