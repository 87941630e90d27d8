//! The command line of Simple Chat.
fn main() {}
