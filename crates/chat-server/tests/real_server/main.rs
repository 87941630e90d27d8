//! The real program, spawned on a free port, spoken to in raw bytes over TLS.

mod support;

mod talking;
