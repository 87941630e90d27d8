//! CoDel's law of when to drop (RFC 8289, section 5): the packet at the head of the queue, once every
//! packet has waited for longer than a target over an interval, then ever more often.

use std::time::Duration;

const TARGET: Duration = Duration::from_millis(5);
const INTERVAL: Duration = Duration::from_millis(100);

/// State of the law. Times are those at which a packet leaves the queue.
#[derive(Debug, Default)]
pub(super) struct CoDel {
    /// When waiting above the target will have lasted an interval.
    first_above: Option<Duration>,
    next_drop: Duration,
    is_dropping: bool,
    count: u32,
    count_before: u32,
}

impl CoDel {
    /// Whether the packet that comes to the head of the queue at `now`, after `waited`, is dropped.
    pub(super) fn drops(&mut self, now: Duration, waited: Duration) -> bool {
        let is_late = self.is_late(now, waited);
        if self.is_dropping {
            self.is_dropping = is_late;
            if !is_late || now < self.next_drop {
                return false;
            }
            self.count += 1;
            self.next_drop += self.spacing();
            return true;
        }
        if is_late {
            self.begin_dropping(now);
        }
        is_late
    }

    fn is_late(&mut self, now: Duration, waited: Duration) -> bool {
        if waited < TARGET {
            self.first_above = None;
            return false;
        }
        now >= *self.first_above.get_or_insert(now + INTERVAL)
    }

    /// Where dropping ended a short while ago it goes on about as often as it did.
    fn begin_dropping(&mut self, now: Duration) {
        let is_recent = now.saturating_sub(self.next_drop) < 16 * INTERVAL;
        let delta = self.count - self.count_before;
        self.is_dropping = true;
        self.count = if is_recent && delta > 1 { delta } else { 1 };
        self.count_before = self.count;
        self.next_drop = now + self.spacing();
    }

    fn spacing(&self) -> Duration {
        INTERVAL.div_f64(f64::from(self.count).sqrt())
    }
}
