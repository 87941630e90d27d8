//! Is anybody there? Silence is asked about with a ping, and too much of it ends the connection.

use std::time::Instant;

use common::limits::{DEAD_AFTER, PING_INTERVAL};

/// What silence calls for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Silence {
    /// Send a ping.
    Ask,
    /// Give the connection up.
    Dead,
}

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard_at: Instant,
    asked_at: Option<Instant>,
}

impl Liveness {
    /// A connection that was made at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard_at: now, asked_at: None }
    }

    /// A frame arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let next_ping = self.asked_at.unwrap_or(self.heard_at) + PING_INTERVAL;
        next_ping.min(self.heard_at + DEAD_AFTER)
    }

    /// To be called when the time has come; early calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Silence> {
        if now < self.poll_timeout() {
            return None;
        }
        // After the computer slept, hours pass at once: only an unanswered ping proves death.
        let was_asked = self.asked_at.is_some();
        if was_asked && now >= self.heard_at + DEAD_AFTER {
            return Some(Silence::Dead);
        }
        self.asked_at = Some(now);
        Some(Silence::Ask)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What happens at each of the given seconds after the last frame.
    #[track_caller]
    fn check(steps: &[(u64, Option<Silence>)]) {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        for (second, expected) in steps {
            let now = start + Duration::from_secs(*second);
            assert_eq!(liveness.handle_timeout(now), *expected, "after {second} s");
        }
    }

    #[test]
    fn silence_is_asked_about_twice_and_then_is_death() {
        use Silence::{Ask, Dead};
        check(&[
            (29, None),
            (30, Some(Ask)),
            (59, None),
            (60, Some(Ask)),
            (74, None),
            (75, Some(Dead)),
        ]);
    }

    #[test]
    fn waking_up_after_hours_asks_first() {
        check(&[(9000, Some(Silence::Ask)), (9001, Some(Silence::Dead))]);
    }

    #[test]
    fn a_frame_starts_anew() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let later = start + Duration::from_secs(70);
        liveness.heard(later);
        assert_eq!(liveness.poll_timeout(), later + PING_INTERVAL);
    }
}
