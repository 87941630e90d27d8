//! How long to wait before dialling again: exponential with jitter, so that a thousand clients of a
//! server that restarts do not come back in one moment. Randomness comes as an argument.

use std::time::Duration;

/// The first attempt after a loss starts within this time.
const FIRST_DELAY_MAX: Duration = Duration::from_secs(1);

/// A server that was away for an hour is found again within this time.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// A server cannot send its clients away for longer than this.
const DELAY_NAMED_MAX: Duration = Duration::from_secs(600);

/// Share of a delay that chance may take away.
const JITTER: f64 = 0.5;

/// The delay before attempt number `attempt` (1 = the first after a loss). `chance` is in `0.0..1.0`.
pub(crate) fn delay(attempt: u32, chance: f64) -> Duration {
    longest_delay(attempt).mul_f64(1.0 - JITTER * chance)
}

/// The delay where the server named one. Never earlier; all clients were told the same, so they spread
/// out behind it, wider with each attempt: whoever found no place among too many comes later.
pub(crate) fn delay_after(named: Duration, attempt: u32, chance: f64) -> Duration {
    named.min(DELAY_NAMED_MAX) + longest_delay(attempt.saturating_add(1)).mul_f64(chance)
}

fn longest_delay(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    (FIRST_DELAY_MAX * (1 << doublings)).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(attempt: u32, shortest_ms: u64, longest_ms: u64) {
        assert_eq!(delay(attempt, 0.0), Duration::from_millis(longest_ms));
        let shortest = delay(attempt, 1.0 - f64::EPSILON).as_secs_f64();
        assert!((shortest * 1000.0 - shortest_ms as f64).abs() < 1.0, "{shortest}");
    }

    #[test]
    fn delays_double_up_to_half_a_minute() {
        check(1, 500, 1000);
        check(2, 1000, 2000);
        check(5, 8000, 16_000);
        check(6, 15_000, 30_000);
        check(u32::MAX, 15_000, 30_000);
    }

    #[test]
    fn a_named_delay_is_never_shortened() {
        let named = Duration::from_secs(4);
        assert_eq!(delay_after(named, 1, 0.0), named);
        assert_eq!(delay_after(named, 9, 0.0), named);
    }

    #[test]
    fn clients_spread_wider_behind_a_named_delay_with_each_attempt() {
        let named = Duration::from_secs(1);
        let latest = [1, 2, 3, u32::MAX].map(|attempt| delay_after(named, attempt, 1.0).as_secs());
        assert_eq!(latest, [3, 5, 9, 31]);
    }

    #[test]
    fn nobody_is_sent_away_for_a_day() {
        assert_eq!(delay_after(Duration::from_secs(86_400), 1, 0.0), DELAY_NAMED_MAX);
    }
}
