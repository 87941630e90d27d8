//! HyStart++ (RFC 9406): leaves slow start when the round trip grows, by way of a slower start that
//! finds out whether that was a false alarm.

use std::time::Duration;

const RTT_THRESHOLD_MIN: Duration = Duration::from_millis(4);
const RTT_THRESHOLD_MAX: Duration = Duration::from_millis(16);
/// The threshold is this fraction of the last round's RTT, between the two bounds.
const RTT_DIVISOR: u32 = 8;
/// A round with fewer samples decides nothing.
const SAMPLES_MIN: u32 = 8;
/// Conservative slow start grows by a quarter …
pub(super) const CONSERVATIVE_DIVISOR: u64 = 4;
/// … for so many rounds before slow start ends.
const CONSERVATIVE_ROUNDS: u32 = 5;

/// How fast the window may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// By every byte acknowledged.
    SlowStart,
    /// By a quarter of that.
    Conservative,
    /// Slow start is over.
    Ended,
}

#[derive(Clone, Debug)]
pub(super) struct HyStart {
    /// The round ends when this number is acknowledged.
    round_end: u64,
    last_round_rtt: Option<Duration>,
    round_rtt: Option<Duration>,
    samples: u32,
    /// RTT at the beginning of conservative slow start, and rounds left in it.
    conservative: Option<(Duration, u32)>,
}

impl HyStart {
    pub(super) fn new() -> Self {
        Self { round_end: 0, last_round_rtt: None, round_rtt: None, samples: 0, conservative: None }
    }

    pub(super) fn on_ack(
        &mut self,
        largest_acked: u64,
        next_number: u64,
        rtt: Option<Duration>,
    ) -> Growth {
        if largest_acked >= self.round_end && self.next_round(next_number) {
            return Growth::Ended;
        }
        if let Some(rtt) = rtt {
            self.samples += 1;
            self.round_rtt = Some(self.round_rtt.map_or(rtt, |least| least.min(rtt)));
        }
        self.judge();
        if self.conservative.is_some() { Growth::Conservative } else { Growth::SlowStart }
    }

    /// Begins a round; says whether slow start is over with the one before.
    fn next_round(&mut self, next_number: u64) -> bool {
        self.round_end = next_number;
        self.last_round_rtt = self.round_rtt.take();
        self.samples = 0;
        match &mut self.conservative {
            Some((_, 1)) => true,
            Some((_, rounds)) => {
                *rounds -= 1;
                false
            }
            None => false,
        }
    }

    fn judge(&mut self) {
        let (Some(now), true) = (self.round_rtt, self.samples >= SAMPLES_MIN) else { return };
        match self.conservative {
            Some((baseline, _)) if now < baseline => self.conservative = None,
            Some(_) => {}
            None => {
                let Some(last) = self.last_round_rtt else { return };
                let threshold = (last / RTT_DIVISOR).clamp(RTT_THRESHOLD_MIN, RTT_THRESHOLD_MAX);
                if now >= last + threshold {
                    self.conservative = Some((now, CONSERVATIVE_ROUNDS));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of ten samples with the given RTTs in ms; the growth after each.
    #[track_caller]
    fn check(rounds: &[u64], expected: &[Growth]) {
        let mut hystart = HyStart::new();
        let mut number = 0;
        let mut seen = Vec::new();
        for rtt in rounds {
            let mut last = Growth::SlowStart;
            for _ in 0..10 {
                last = hystart.on_ack(
                    number,
                    number - number % 10 + 10,
                    Some(Duration::from_millis(*rtt)),
                );
                if last == Growth::Ended {
                    break;
                }
                number += 1;
            }
            seen.push(last);
        }
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_steady_round_trip_stays_in_slow_start() {
        check(&[40, 41, 42, 43], &[Growth::SlowStart; 4]);
    }

    #[test]
    fn a_growing_round_trip_ends_slow_start_after_five_careful_rounds() {
        use Growth::{Conservative, Ended, SlowStart};
        check(
            &[40, 50, 50, 50, 50, 50, 50],
            &[
                SlowStart,
                Conservative,
                Conservative,
                Conservative,
                Conservative,
                Conservative,
                Ended,
            ],
        );
    }

    #[test]
    fn a_false_alarm_goes_back_to_slow_start() {
        check(&[40, 50, 39], &[Growth::SlowStart, Growth::Conservative, Growth::SlowStart]);
    }
}
