//! A CLOSE on its way: repeated a few times, one probe timeout apart, until it is acknowledged.

use std::time::{Duration, Instant};

use super::close_frame::CloseFrame;
use super::limits::CLOSE_ATTEMPTS_MAX;

/// The CLOSE this side sends.
#[derive(Debug)]
pub(crate) struct Closing {
    frame: CloseFrame,
    attempts: u32,
    next_at: Instant,
    acknowledged: bool,
}

impl Closing {
    pub(crate) fn new(now: Instant, frame: CloseFrame) -> Self {
        Self { frame, attempts: 0, next_at: now, acknowledged: false }
    }

    pub(crate) fn frame(&self) -> &CloseFrame {
        &self.frame
    }

    /// Whether CLOSE is to be sent now; if so, it counts as sent.
    pub(crate) fn take_due(&mut self, now: Instant, probe_timeout: Duration) -> bool {
        if self.is_over() || now < self.next_at {
            return false;
        }
        self.next_at = now + (probe_timeout * (1 << self.attempts)).min(Duration::from_secs(1));
        self.attempts += 1;
        true
    }

    /// The other side has confirmed it.
    pub(crate) fn acknowledge(&mut self) {
        self.acknowledged = true;
    }

    /// When to look again; `None` once over.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        (!self.is_over()).then_some(self.next_at)
    }

    /// Acknowledged, or said often enough.
    pub(crate) fn is_over(&self) -> bool {
        self.acknowledged || self.attempts >= CLOSE_ATTEMPTS_MAX
    }
}
