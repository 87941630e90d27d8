//! Whether anything waits on the path, ours or others': the least round trip of the last rounds beside
//! the least of all. A queue far smaller than the path, or a policer, does not show like that.

use std::time::Duration;

use super::ratio::Ratio;

/// Round trips up to so much of the minimum are those of an empty path.
const QUIET: Ratio = Ratio::percent(110);

/// A round trip of so much of the minimum has waited: more than a batch of our own explains.
const WAITED: Ratio = Ratio::percent(125);

/// The latest round trip, and the least of this round and of the one before.
#[derive(Debug, Default)]
pub(super) struct QueueSign {
    latest: Option<Duration>,
    this_round: Option<Duration>,
    last_round: Option<Duration>,
}

impl QueueSign {
    pub(super) fn update(&mut self, rtt: Option<Duration>) {
        self.latest = rtt.or(self.latest);
        self.this_round = [self.this_round, rtt].into_iter().flatten().min();
    }

    pub(super) fn round_began(&mut self) {
        self.last_round = self.this_round.take();
    }

    /// Whether round trips are as short as on an empty path; no if none was measured.
    pub(super) fn is_quiet(&self, min_rtt: Option<Duration>) -> bool {
        let least = [self.this_round, self.last_round].into_iter().flatten().min();
        least.zip(min_rtt).is_some_and(|(least, min_rtt)| !is_over(QUIET, least, min_rtt))
    }

    /// Whether the latest round trip waited in a queue; no if none was measured.
    pub(super) fn has_waited(&self, min_rtt: Option<Duration>) -> bool {
        self.latest.zip(min_rtt).is_some_and(|(latest, min_rtt)| is_over(WAITED, latest, min_rtt))
    }
}

/// Whether a round trip is more than so much of the minimum.
fn is_over(share: Ratio, rtt: Duration, min_rtt: Duration) -> bool {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    nanos(rtt) > share.of(nanos(min_rtt))
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
    fn the_latest_round_trip_shows_a_queue_of_our_own() {
        let mut sign = QueueSign::default();
        let least = Some(Duration::from_millis(40));
        for (rtt, expected) in [(40, false), (50, false), (51, true), (44, false)] {
            sign.update(Some(Duration::from_millis(rtt)));
            sign.update(None);
            assert_eq!(sign.has_waited(least), expected, "{rtt} ms");
        }
    }

    #[test]
    fn nothing_measured_is_neither() {
        check(&[], false);
        assert!(!QueueSign::default().is_quiet(None));
        assert!(!QueueSign::default().has_waited(None));
    }
}
