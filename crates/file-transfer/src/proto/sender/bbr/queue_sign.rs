//! Whether anything waits on the path, ours or others': the least round trip of the last rounds beside
//! the least of all. A queue far smaller than the path, or a policer, does not show like that.

use std::time::Duration;

use super::ratio::Ratio;

/// Round trips up to so much of the minimum are those of an empty path.
const QUIET: Ratio = Ratio::percent(110);

/// The least round trip of this round and of the one before.
#[derive(Debug, Default)]
pub(super) struct QueueSign {
    this_round: Option<Duration>,
    last_round: Option<Duration>,
}

impl QueueSign {
    pub(super) fn update(&mut self, rtt: Option<Duration>) {
        self.this_round = [self.this_round, rtt].into_iter().flatten().min();
    }

    pub(super) fn round_began(&mut self) {
        self.last_round = self.this_round.take();
    }

    /// Whether round trips are as short as on an empty path; no if none was measured.
    pub(super) fn is_quiet(&self, min_rtt: Option<Duration>) -> bool {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match ([self.this_round, self.last_round].into_iter().flatten().min(), min_rtt) {
            (Some(least), Some(min_rtt)) => nanos(least) <= QUIET.of(nanos(min_rtt)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Round trips in ms, round by round; whether the path is quiet in the end if 40 ms is the least.
    #[track_caller]
    fn check(rounds: &[&[u64]], expected: bool) {
        let mut sign = QueueSign::default();
        for round in rounds {
            sign.round_began();
            round.iter().for_each(|rtt| sign.update(Some(Duration::from_millis(*rtt))));
        }
        assert_eq!(sign.is_quiet(Some(Duration::from_millis(40))), expected);
    }

    #[test]
    fn one_short_round_trip_in_two_rounds_is_enough() {
        check(&[&[60, 41, 60], &[60]], true);
        check(&[&[41], &[60], &[60]], false);
    }

    #[test]
    fn a_tenth_more_than_the_least_is_no_queue() {
        check(&[&[44]], true);
        check(&[&[45]], false);
    }

    #[test]
    fn nothing_measured_is_not_quiet() {
        check(&[], false);
        assert!(!QueueSign::default().is_quiet(None));
    }
}
