//! How much more than expected is acknowledged at once (draft-ietf-ccwg-bbr, section 5.5.9): a
//! network or receiver that acknowledges in lumps needs so much more in flight.

use std::collections::VecDeque;
use std::time::Instant;

use super::bandwidth_delay::bytes_in;

/// Rounds whose maximum counts once the pipe was full …
const FILTER_ROUNDS: u64 = 10;
/// … and before, when an old value would belong to another rate.
const FILTER_ROUNDS_STARTUP: u64 = 1;

#[derive(Debug, Default)]
pub(super) struct ExtraAcked {
    began: Option<Instant>,
    delivered: u64,
    /// Round and value, oldest first, values descending: the first is the maximum.
    maxima: VecDeque<(u64, u64)>,
}

impl ExtraAcked {
    /// Counts from here: nothing was sent for a while.
    pub(super) fn restart(&mut self, now: Instant) {
        self.began = Some(now);
        self.delivered = 0;
    }

    /// `acked` bytes were acknowledged where `bandwidth` bytes a second were expected.
    pub(super) fn update(
        &mut self,
        now: Instant,
        acked: u64,
        bandwidth: u64,
        window: u64,
        round: u64,
        was_full: bool,
    ) {
        let began = *self.began.get_or_insert(now);
        let mut expected = bytes_in(bandwidth, now.saturating_duration_since(began));
        if self.delivered <= expected {
            self.restart(now);
            expected = 0;
        }
        self.delivered += acked;
        let extra = self.delivered.saturating_sub(expected).min(window);
        let rounds = if was_full { FILTER_ROUNDS } else { FILTER_ROUNDS_STARTUP };
        self.maxima.retain(|(at, value)| round < at + rounds && *value > extra);
        self.maxima.push_back((round, extra));
    }

    /// Bytes.
    pub(super) fn maximum(&self) -> u64 {
        self.maxima.front().map_or(0, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// ACKs as (ms, bytes) where 1000 bytes a ms are expected, ten ms a round.
    #[track_caller]
    fn check(acks: &[(u32, u64)], was_full: bool, expected: u64) {
        let start = Instant::now();
        let mut extra = ExtraAcked::default();
        for (at, bytes) in acks {
            let round = u64::from(at / 10);
            extra.update(start + MS * *at, *bytes, 1_000_000, u64::MAX, round, was_full);
        }
        assert_eq!(extra.maximum(), expected);
    }

    #[test]
    fn a_steady_stream_is_worth_one_ack() {
        check(&[(0, 1000), (1, 1000), (2, 1000), (3, 1000)], true, 1000);
    }

    #[test]
    fn a_lump_is_remembered_for_ten_rounds() {
        check(&[(0, 1000), (8, 8000), (98, 1000)], true, 8000);
        check(&[(0, 1000), (8, 8000), (101, 1000)], true, 1000);
    }

    #[test]
    fn in_startup_for_one() {
        check(&[(0, 1000), (8, 8000), (19, 1000)], false, 1000);
    }
}
