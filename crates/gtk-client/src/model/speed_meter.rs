//! How fast a transfer is and how long it will take still, from time-stamped byte counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Speed is what came in during this time: long enough to be calm, short enough to follow a change.
const WINDOW: Duration = Duration::from_secs(4);

/// Samples kept: the session reports at least twice a second, so this spans [`WINDOW`] with room.
const SAMPLES_MAX: usize = 64;

/// Bytes per second over the last few seconds. Call [`SpeedMeter::record`] in the order of time.
#[derive(Debug, Default)]
pub struct SpeedMeter {
    samples: VecDeque<(Instant, u64)>,
}

impl SpeedMeter {
    /// There are `bytes` in the file at `now`.
    pub fn record(&mut self, now: Instant, bytes: u64) {
        if self.samples.back().is_some_and(|&(_, before)| bytes < before) {
            self.samples.clear();
        }
        self.samples.push_back((now, bytes));
        let is_stale = |sample: &(Instant, u64)| now.duration_since(sample.0) > WINDOW;
        while self.samples.len() > SAMPLES_MAX
            || (self.samples.len() > 2 && self.samples.front().is_some_and(is_stale))
        {
            self.samples.pop_front();
        }
    }

    /// Bytes per second, or `None` as long as it cannot be told.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        let (&(start, first), &(end, last)) = (self.samples.front()?, self.samples.back()?);
        let seconds = end.duration_since(start).as_secs_f64();
        (seconds > 0.0).then(|| (last - first) as f64 / seconds)
    }

    /// Time until `size` bytes are there, or `None` if it cannot be told or nothing moves.
    #[must_use]
    pub fn time_left(&self, size: u64) -> Option<Duration> {
        let &(_, bytes) = self.samples.back()?;
        let speed = self.bytes_per_second().filter(|&speed| speed >= 1.0)?;
        Duration::try_from_secs_f64(size.saturating_sub(bytes) as f64 / speed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (milliseconds, bytes) and gives the speed and the seconds left of 10,000 bytes.
    fn run(samples: &[(u64, u64)]) -> (Option<f64>, Option<f64>) {
        let start = Instant::now();
        let mut meter = SpeedMeter::default();
        for &(ms, bytes) in samples {
            meter.record(start + Duration::from_millis(ms), bytes);
        }
        (meter.bytes_per_second(), meter.time_left(10_000).map(|left| left.as_secs_f64()))
    }

    #[test]
    fn one_sample_tells_nothing() {
        assert_eq!(run(&[(0, 500)]), (None, None));
    }

    #[test]
    fn steady_flow() {
        assert_eq!(run(&[(0, 0), (500, 500), (1000, 1000)]), (Some(1000.0), Some(9.0)));
    }

    #[test]
    fn old_speed_is_forgotten() {
        assert_eq!(run(&[(0, 0), (1000, 9000), (6000, 9000), (10_000, 9000)]), (Some(0.0), None));
    }

    #[test]
    fn starting_anew_forgets_everything() {
        assert_eq!(run(&[(0, 5000), (1000, 6000), (2000, 100)]), (None, None));
    }
}
