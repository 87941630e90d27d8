//! The time as the state is told it: nothing in here reads a clock.

use std::time::{Duration, Instant};

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For spans: holds, pings, limits.
    pub instant: Instant,
    /// For people and for the wire: milliseconds since 1970-01-01 UTC.
    pub unix_ms: i64,
}

impl Now {
    /// The wall-clock time `span` from here, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_ms_after(&self, span: Duration) -> i64 {
        self.unix_ms.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
    }
}
