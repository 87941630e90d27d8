//! When a side that hears nothing asks, and when it gives up.

use std::time::{Duration, Instant};

use super::limits::{
    PING_ANSWER_INTERVAL_MIN, PING_EAGER_TIME, PING_INTERVAL_IDLE, PING_INTERVAL_MAX, SILENCE_MAX,
};

/// No question follows another, or the last answer, faster than this.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(5);
const _: () = assert!(PING_ANSWER_INTERVAL_MIN.as_nanos() < PING_INTERVAL_MIN.as_nanos());

/// Silence of the other side: each PTO a question, at least every 0.5 s, for 10 s; then every 3 s;
/// after 30 s of nothing the end.
#[derive(Debug)]
pub(crate) struct Liveness {
    last_heard: Instant,
    last_asked: Option<Instant>,
    /// Questions since the transfer moved on.
    asked: u32,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_heard: now, last_asked: None, asked: 0 }
    }

    /// Something authentic came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
        self.last_asked = None;
    }

    /// The transfer moved on. Answers alone do not end the backoff of questions, or two ends that
    /// have nothing but answers for each other would ask each other all the time.
    pub(crate) fn progressed(&mut self) {
        self.asked = 0;
    }

    /// A question went out.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.last_asked = Some(now);
        self.asked = self.asked.saturating_add(1);
    }

    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// How long to wait between one question and the next.
    pub(crate) fn interval(&self, now: Instant, probe_timeout: Duration) -> Duration {
        if now.saturating_duration_since(self.last_heard) >= PING_EAGER_TIME {
            return PING_INTERVAL_IDLE;
        }
        let backed_off = probe_timeout.saturating_mul(1 << self.asked.min(16));
        backed_off.min(PING_INTERVAL_MAX.max(probe_timeout)).max(PING_INTERVAL_MIN)
    }

    /// When the next question is due.
    pub(crate) fn next_question(&self, probe_timeout: Duration) -> Instant {
        let since = self.last_asked.unwrap_or(self.last_heard);
        since + self.interval(since, probe_timeout)
    }

    /// When the silence has lasted too long.
    pub(crate) fn deadline(&self) -> Instant {
        self.last_heard + SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_eagerly_then_patiently_then_ends() {
        let start = Instant::now();
        let mut liveness = Liveness::new(start);
        let pto = Duration::from_millis(50);
        let mut asked = Vec::new();
        while liveness.next_question(pto) < liveness.deadline() {
            let now = liveness.next_question(pto);
            asked.push(now - start);
            liveness.asked(now);
        }
        assert_eq!(asked[..4], [50, 150, 350, 750].map(Duration::from_millis));
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= PING_INTERVAL_IDLE));
        let eager = asked.iter().filter(|at| **at < PING_EAGER_TIME).count();
        assert!((20..=24).contains(&eager), "{eager} questions in ten seconds");
        assert!(asked.len() - eager <= 8);
    }
}
