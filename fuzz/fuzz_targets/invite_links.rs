//! See `chat_server::fuzzing::invite_links`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_server::fuzzing::invite_links(bytes));
