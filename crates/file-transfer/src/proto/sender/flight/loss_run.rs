//! Persistent congestion (RFC 9002, section 7.6): for how long everything that was sent was lost.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Probe timeouts that must be lost as a whole (RFC 9002, section 7.6.1).
const TIMEOUTS: u32 = 3;

/// The newest stretch of packets that were lost one after the other, with none acknowledged between
/// them. That packets are on their way when the path goes dead makes no difference: what counts is when
/// they were sent, not what was heard since.
#[derive(Debug)]
pub(super) struct LossRun {
    /// Packets sent earlier do not count: there was no round trip to compare with, or another path.
    since: Option<Instant>,
    stretch: Option<Stretch>,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: u64,
    first_sent_at: Instant,
    last: u64,
    last_sent_at: Instant,
}

impl LossRun {
    /// On a path on which packets sent `since` then count; `None`: not before
    /// [`measured`](Self::measured).
    pub(super) fn new(since: Option<Instant>) -> Self {
        Self { since, stretch: None }
    }

    /// A round trip was measured.
    pub(super) fn measured(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// A packet was lost, with a greater number than those before. `acknowledged` says whether any of
    /// the given numbers was.
    pub(super) fn lost(
        &mut self,
        number: u64,
        sent_at: Instant,
        acknowledged: impl FnOnce(Range<u64>) -> bool,
    ) {
        if self.since.is_none_or(|since| sent_at < since) {
            return;
        }
        let fresh =
            Stretch { first: number, first_sent_at: sent_at, last: number, last_sent_at: sent_at };
        let goes_on = self.stretch.filter(|run| !acknowledged(run.last + 1..number));
        let run = goes_on.unwrap_or(fresh);
        self.stretch = Some(Stretch { last: number, last_sent_at: sent_at, ..run });
    }

    /// Something that was taken for lost has arrived after all.
    pub(super) fn arrived(&mut self, number: u64) {
        self.stretch = self.stretch.filter(|run| number < run.first);
    }

    /// What was acknowledged below this number will not be known any longer.
    pub(super) fn forget_below(
        &mut self,
        floor: u64,
        acknowledged: impl FnOnce(Range<u64>) -> bool,
    ) {
        self.stretch =
            self.stretch.filter(|run| floor <= run.last + 1 || !acknowledged(run.last + 1..floor));
    }

    /// Whether the stretch is so long that congestion is persistent; said once.
    pub(super) fn take_persistent(&mut self, probe_timeout: Duration) -> bool {
        let lasted = |run: Stretch| run.last_sent_at.saturating_duration_since(run.first_sent_at);
        let is_persistent = self.stretch.is_some_and(|run| lasted(run) > probe_timeout * TIMEOUTS);
        if is_persistent {
            self.stretch = None;
        }
        is_persistent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range_set::RangeSet;

    const PTO: Duration = Duration::from_secs(1);

    /// Packets sent a second apart from `measured` on, numbered from 0: the given ones are lost, with
    /// what is acknowledged so far. Gives the numbers with which congestion was persistent.
    #[track_caller]
    fn check(lost: &[u64], acked: &[Range<u64>], expected: &[u64]) {
        let start = Instant::now();
        let acked: RangeSet = acked.iter().cloned().collect();
        let mut run = LossRun::new(None);
        run.measured(start);
        let persistent = lost.iter().filter(|number| {
            let at = start + Duration::from_secs(**number);
            run.lost(**number, at, |between| acked.first_in(&between).is_some());
            run.take_persistent(PTO)
        });
        assert_eq!(persistent.copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn more_than_three_timeouts_are_persistent() {
        check(&[0, 1, 2, 3], &[], &[]);
        check(&[0, 1, 2, 3, 4], &[], &[4]);
        check(&[0, 4], &[], &[4]);
    }

    #[test]
    fn what_arrived_between_ends_the_stretch() {
        check(&[0, 1, 3, 4, 5, 6], std::slice::from_ref(&(2..3)), &[]);
        check(&[0, 1, 3, 4, 5, 6, 7], std::slice::from_ref(&(2..3)), &[7]);
        check(&[1, 5], std::slice::from_ref(&(0..1)), &[5]);
    }

    #[test]
    fn it_is_said_once() {
        check(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[], &[4, 9]);
    }

    #[test]
    fn what_was_sent_before_a_round_trip_was_known_does_not_count() {
        let start = Instant::now();
        let mut run = LossRun::new(None);
        run.lost(0, start, |_| false);
        run.measured(start + PTO);
        run.lost(1, start, |_| false);
        run.lost(2, start + PTO * 2, |_| false);
        run.lost(3, start + PTO * 5, |_| false);
        assert!(!run.take_persistent(PTO));
        run.lost(4, start + PTO * 6, |_| false);
        assert!(run.take_persistent(PTO));
    }

    #[test]
    fn late_arrivals_and_forgotten_ones_end_it_too() {
        let start = Instant::now();
        let lost = |run: &mut LossRun, number: u64| {
            run.lost(number, start + PTO * u32::try_from(number).unwrap(), |_| false);
        };
        let mut run = LossRun::new(Some(start));
        lost(&mut run, 1);
        run.arrived(0);
        run.forget_below(2, |_| true);
        lost(&mut run, 5);
        assert!(run.take_persistent(PTO), "neither was of the stretch");
        lost(&mut run, 6);
        run.arrived(6);
        lost(&mut run, 12);
        assert!(!run.take_persistent(PTO));
        run.forget_below(15, |between| between.contains(&13));
        lost(&mut run, 17);
        assert!(!run.take_persistent(PTO));
    }
}
