//! One rate, kept by the generic cell rate algorithm (ITU-T I.371, annex A).

use std::time::{Duration, Instant};

/// What may be sent at once after a pause, in time. Long enough for a batch at a gigabit.
const BURST: Duration = Duration::from_millis(2);

/// Keeps one rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    bytes_per_second: u64,
    /// Until then everything that was sent is paid for.
    paid_until: Instant,
}

impl Meter {
    pub(super) fn new(now: Instant, bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_until: now }
    }

    /// Pays for `bytes` that were sent by `now`.
    pub(super) fn pay(&mut self, now: Instant, bytes: u64) {
        let from = now.checked_sub(BURST).map_or(self.paid_until, |at| at.max(self.paid_until));
        self.paid_until = from + self.time_for(bytes);
    }

    /// When more may be sent; `None`: at once.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        (!self.is_paid(now)).then_some(self.paid_until)
    }

    /// Whether everything that was sent is paid for.
    pub(super) fn is_paid(&self, now: Instant) -> bool {
        self.paid_until <= now
    }

    fn time_for(&self, bytes: u64) -> Duration {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}
