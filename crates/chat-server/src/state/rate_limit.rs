//! How fast one user may write: a token bucket, so that a burst passes and a flood does not.

use std::time::{Duration, Instant};

/// What a user may do at once and in the long run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// At once, after a pause.
    pub burst: u32,
    /// In the long run.
    pub per_second: u32,
}

/// One user's bucket. Time that has passed fills it, each message takes one out.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// The moment from which on the bucket is full: each message moves it one interval on.
    full_at: Option<Instant>,
}

impl RateLimit {
    /// A full bucket.
    #[must_use]
    pub fn full() -> Self {
        Self { full_at: None }
    }

    /// Takes one out.
    ///
    /// # Errors
    /// How long until there is one, if the bucket is empty.
    pub fn take(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        let interval = Duration::from_secs(1) / rate.per_second.max(1);
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + interval;
        let missing = full_at.saturating_duration_since(now);
        let capacity = interval * rate.burst.max(1);
        if missing > capacity {
            return Err(missing - capacity);
        }
        self.full_at = Some(full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 2 };

    /// Takes at each of `at_ms`; `waits_ms` is what is told, 0 for taken.
    #[track_caller]
    fn check(at_ms: &[u64], waits_ms: &[u64]) {
        let start = crate::test_clock::start();
        let mut limit = RateLimit::full();
        let told: Vec<u64> = at_ms
            .iter()
            .map(|at| {
                let taken = limit.take(start + Duration::from_millis(*at), RATE);
                taken.map_or_else(|wait| u64::try_from(wait.as_millis()).unwrap(), |()| 0)
            })
            .collect();
        assert_eq!(told, waits_ms);
    }

    #[test]
    fn a_burst_passes_and_then_no_more() {
        check(&[0, 0, 0, 0, 0], &[0, 0, 0, 500, 500]);
    }

    #[test]
    fn what_was_told_to_wait_passes_afterwards() {
        check(&[0, 0, 0, 100, 500, 500], &[0, 0, 0, 400, 0, 500]);
    }

    #[test]
    fn a_pause_fills_it_to_the_burst_and_no_further() {
        check(&[0, 0, 0, 60_000, 60_000, 60_000, 60_000], &[0, 0, 0, 0, 0, 0, 500]);
    }
}
