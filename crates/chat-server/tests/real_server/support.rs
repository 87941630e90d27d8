//! A server to test, and clients that speak to it frame by frame.

use std::thread;
use std::time::{Duration, Instant};

mod client;
mod server;

pub(crate) use client::{Client, logged_in, message, refusal};
pub(crate) use server::{ServerProcess, check_launch_refused, check_refused, spawn_failing};

/// After so long without what it waits for a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that the server does by itself.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
