//! CoDel (RFC 8289): drops from the head of a queue whose packets have waited too long for too long.
//!
//! A queue of first in, first out at a fixed rate lets every packet's departure be known when it arrives,
//! so the decision is taken then, at the time of departure. Pure.

use std::time::Duration;

/// A wait that is fine (RFC 8289, section 4.2).
const TARGET: Duration = Duration::from_millis(5);
/// How long it may be longer (section 4.2).
const INTERVAL: Duration = Duration::from_millis(100);
/// Dropping that began again within this many intervals goes on where it ended (section 5.4).
const MEMORY_INTERVALS: u32 = 16;

#[derive(Debug, Default)]
pub(super) struct CoDel {
    /// When the wait will have been above target for an interval.
    above_until: Option<Duration>,
    dropping: bool,
    drop_next: Duration,
    count: u32,
    last_count: u32,
}

impl CoDel {
    /// Whether the packet that leaves the queue at `now` after waiting for `sojourn` is dropped.
    pub(super) fn drops(&mut self, now: Duration, sojourn: Duration) -> bool {
        let ok_to_drop = self.ok_to_drop(now, sojourn);
        if self.dropping {
            self.dropping = ok_to_drop;
            if !ok_to_drop || now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.drop_next = control_law(self.drop_next, self.count);
            return true;
        }
        if ok_to_drop {
            self.begin(now);
        }
        ok_to_drop
    }

    fn begin(&mut self, now: Duration) {
        self.dropping = true;
        let delta = self.count.saturating_sub(self.last_count);
        let is_recent = now.saturating_sub(self.drop_next) < INTERVAL * MEMORY_INTERVALS;
        self.count = if delta > 1 && is_recent { delta } else { 1 };
        self.drop_next = control_law(now, self.count);
        self.last_count = self.count;
    }

    fn ok_to_drop(&mut self, now: Duration, sojourn: Duration) -> bool {
        if sojourn < TARGET {
            self.above_until = None;
            return false;
        }
        now >= *self.above_until.get_or_insert(now + INTERVAL)
    }
}

/// The next drop comes the sooner the more there were.
fn control_law(from: Duration, count: u32) -> Duration {
    from + INTERVAL.div_f64(f64::from(count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drops among packets a millisecond apart that all waited for `sojourn_ms`.
    fn drops(sojourn_ms: u64, seconds: u64) -> Vec<u64> {
        let mut codel = CoDel::default();
        (0..seconds * 1000)
            .filter(|at| codel.drops(Duration::from_millis(*at), Duration::from_millis(sojourn_ms)))
            .collect()
    }

    #[test]
    fn a_short_queue_loses_nothing() {
        assert!(drops(4, 10).is_empty());
    }

    #[test]
    fn a_long_queue_loses_its_first_packet_after_an_interval_and_more_and_more_often() {
        let drops = drops(20, 2);
        assert_eq!(drops.first(), Some(&100));
        let gaps: Vec<u64> = drops.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{gaps:?}");
        assert!(drops.len() > 40, "{drops:?}");
    }

    #[test]
    fn a_queue_that_drains_once_starts_anew() {
        let mut codel = CoDel::default();
        let ms = Duration::from_millis;
        assert!((0..100).all(|at| !codel.drops(ms(at), ms(20))));
        assert!(!codel.drops(ms(100), ms(1)));
        assert!((101..201).all(|at| !codel.drops(ms(at), ms(20))));
        assert!(codel.drops(ms(201), ms(20)));
    }
}
