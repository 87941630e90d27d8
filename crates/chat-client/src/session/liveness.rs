//! Is anybody there? Silence is asked about with a ping, and too much of it ends the connection.

use std::time::{Duration, Instant};

use common::limits::{DEAD_AFTER, PING_INTERVAL};

/// What the first ping gets at least to be answered: the time left after the second one.
const ANSWER_TIME: Duration = DEAD_AFTER.saturating_sub(PING_INTERVAL.saturating_mul(2));

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
    asked: Option<Asked>,
}

/// The pings since the last frame.
#[derive(Clone, Copy, Debug)]
struct Asked {
    first_at: Instant,
    last_at: Instant,
}

impl Liveness {
    /// A connection that was made at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard_at: now, asked: None }
    }

    /// A frame arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Instant {
        match self.asked {
            None => self.heard_at + PING_INTERVAL,
            Some(asked) => (asked.last_at + PING_INTERVAL).min(self.dead_at(asked)),
        }
    }

    /// To be called when the time has come; early calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Silence> {
        if now < self.poll_timeout() {
            return None;
        }
        match self.asked {
            Some(asked) if now >= self.dead_at(asked) => return Some(Silence::Dead),
            Some(asked) => self.asked = Some(Asked { last_at: now, ..asked }),
            None => self.asked = Some(Asked { first_at: now, last_at: now }),
        }
        Some(Silence::Ask)
    }

    /// After the computer slept, hours have passed at once: only an unanswered ping proves death.
    fn dead_at(&self, asked: Asked) -> Instant {
        (self.heard_at + DEAD_AFTER).max(asked.first_at + ANSWER_TIME)
    }
}

#[cfg(test)]
mod tests {
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
        check(&[(9000, Some(Silence::Ask)), (9014, None), (9015, Some(Silence::Dead))]);
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
