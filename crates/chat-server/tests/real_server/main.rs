//! The real program, spawned on a free port, spoken to in raw bytes over TLS.

#[cfg(test)]
mod support;

mod talking;

mod names;

mod presence;

mod frames;

mod files;

mod operation;
