//! The path's round trip without its queue: the minimum over ten seconds, renewed by a measurement
//! with little in flight whenever five seconds did not confirm it (draft-ietf-ccwg-bbr, section 5.3.4;
//! there only a lower one does, and so a flow that has an empty path to itself slows down for nothing
//! twice in ten seconds).

use std::time::{Duration, Instant};

const FILTER_LENGTH: Duration = Duration::from_secs(10);
/// The same for every BBR flow, so that they empty a shared queue together.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// A round trip longer than the minimum by no more than this part of it (1 in 64) confirms it: a queue
/// so short makes no difference.
const CONFIRMING_PART: u32 = 64;

/// A round trip and when it was taken.
type Stamped = (Duration, Instant);

#[derive(Debug, Default)]
pub(super) struct MinRttFilter {
    /// The minimum over the probe interval.
    recent: Option<Stamped>,
    /// The minimum over the filter's length.
    minimum: Option<Stamped>,
    is_probe_due: bool,
}

impl MinRttFilter {
    pub(super) fn update(&mut self, now: Instant, rtt: Option<Duration>) {
        self.is_probe_due = self.recent.is_some_and(|(_, at)| now > at + PROBE_INTERVAL);
        if let Some(rtt) = rtt
            && (self.is_probe_due || self.recent.is_none_or(|(least, _)| rtt < least))
        {
            self.recent = Some((rtt, now));
        } else if let (Some(rtt), Some((least, at))) = (rtt, &mut self.recent)
            && rtt <= *least + *least / CONFIRMING_PART
        {
            *at = now;
        }
        let Some(recent) = self.recent else { return };
        let is_over = |(least, at): Stamped| recent.0 < least || now > at + FILTER_LENGTH;
        if self.minimum.is_none_or(is_over) {
            self.minimum = Some(recent);
        }
    }

    /// `None` before the first sample.
    pub(super) fn minimum(&self) -> Option<Duration> {
        self.minimum.map(|(rtt, _)| rtt)
    }

    /// Whether the last five seconds brought no new minimum.
    pub(super) fn is_probe_due(&self) -> bool {
        self.is_probe_due
    }

    /// A probe has ended: the next is due five seconds from now.
    pub(super) fn probed(&mut self, now: Instant) {
        if let Some((_, at)) = &mut self.recent {
            *at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples as (time in ms, RTT in ms); the minimum after the last, and when probes were due.
    #[track_caller]
    fn check(samples: &[(u64, u64)], minimum: u64, due_at: &[u64]) {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut filter = MinRttFilter::default();
        let mut due = Vec::new();
        for (at, rtt) in samples {
            filter.update(start + ms(*at), Some(ms(*rtt)));
            if filter.is_probe_due() {
                due.push(*at);
            }
        }
        assert_eq!(filter.minimum(), Some(ms(minimum)));
        assert_eq!(due, due_at);
    }

    #[test]
    fn the_lowest_counts() {
        check(&[(0, 50), (100, 40), (200, 60)], 40, &[]);
    }

    #[test]
    fn five_seconds_without_a_lower_one_call_for_a_probe() {
        check(&[(0, 40), (4900, 45), (5001, 60), (6000, 50)], 40, &[5001]);
    }

    #[test]
    fn after_ten_seconds_the_probe_s_value_counts() {
        check(&[(0, 40), (5001, 60), (9000, 55), (10_001, 70)], 55, &[5001]);
    }

    #[test]
    fn one_that_is_as_low_puts_the_probe_off_and_raises_nothing() {
        check(&[(0, 64), (4000, 65), (8900, 65), (13_800, 65), (18_700, 70)], 64, &[]);
        check(&[(0, 64), (4000, 66), (8900, 80)], 64, &[8900]);
    }

    #[test]
    fn a_lower_one_puts_the_probe_off() {
        check(&[(0, 40), (4000, 39), (8900, 45)], 39, &[]);
    }
}
