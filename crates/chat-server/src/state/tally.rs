//! How often what happened since the server started: for the log when it ends.

use std::collections::BTreeMap;

use common::wire::{GoodbyeReason, RefusalCode};

/// Counters; they only grow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Logins, taken-over sessions not counted again.
    pub logins: u64,
    /// Messages accepted, repeats not counted again.
    pub messages: u64,
    /// Downloads that ended with the whole file.
    pub downloads_verified: u64,
    /// Downloads that ended without it.
    pub downloads_failed: u64,
    /// Bytes of files that arrived whole.
    pub downloaded_bytes: u64,
    /// Times that a client read too slowly to be sent everything.
    pub lagging: u64,
    /// Connections that the server had to end, by why: slow readers and dead ones are among them.
    pub ended: BTreeMap<GoodbyeReason, u64>,
    /// Requests refused, by why: each limit that was hit is among them.
    pub refused: BTreeMap<RefusalCode, u64>,
}

impl Tally {
    pub(crate) fn refused(&mut self, code: RefusalCode) {
        *self.refused.entry(code).or_default() += 1;
    }

    pub(crate) fn ended(&mut self, reason: GoodbyeReason) {
        *self.ended.entry(reason).or_default() += 1;
    }

    pub(crate) fn download_ended(&mut self, verified: bool, bytes: u64) {
        if verified {
            self.downloads_verified += 1;
            self.downloaded_bytes = self.downloaded_bytes.saturating_add(bytes);
        } else {
            self.downloads_failed += 1;
        }
    }
}
