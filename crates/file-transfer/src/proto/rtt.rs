//! Round-trip time as RFC 9002, section 5 estimates it.

use std::time::Duration;

use super::limits::{ACK_DELAY_MAX, INITIAL_RTT, TIMER_GRANULARITY};

/// Smoothed RTT, its variation, and the minimum.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    latest: Duration,
    smoothed: Option<Duration>,
    variation: Duration,
    minimum: Duration,
}

impl RttEstimator {
    /// Nothing measured yet, or one measurement from the handshake.
    #[must_use]
    pub fn new(handshake: Option<Duration>) -> Self {
        let mut estimator = Self {
            latest: INITIAL_RTT,
            smoothed: None,
            variation: INITIAL_RTT / 2,
            minimum: INITIAL_RTT,
        };
        if let Some(sample) = handshake {
            estimator.update(sample, Duration::ZERO);
        }
        estimator
    }

    /// Takes a sample, `delay` of which the acknowledgement waited at the peer.
    pub fn update(&mut self, sample: Duration, delay: Duration) {
        // A zero would make pacing rates and idle periods meaningless.
        let sample = sample.max(Duration::from_micros(1));
        self.latest = sample;
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(sample);
            self.variation = sample / 2;
            self.minimum = sample;
            return;
        };
        self.minimum = self.minimum.min(sample);
        let delay = delay.min(ACK_DELAY_MAX);
        let adjusted = if sample >= self.minimum + delay { sample - delay } else { sample };
        self.variation = (self.variation * 3 + smoothed.abs_diff(adjusted)) / 4;
        self.smoothed = Some((smoothed * 7 + adjusted) / 8);
    }

    /// Whether there was a sample.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.smoothed.is_some()
    }

    /// The newest sample, not adjusted.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// The smoothed RTT, or the initial one.
    #[must_use]
    pub fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(INITIAL_RTT)
    }

    /// The smallest sample of the session, or the initial RTT.
    #[must_use]
    pub fn minimum(&self) -> Duration {
        self.minimum
    }

    /// The probe timeout without backoff (RFC 9002, section 6.2.1).
    #[must_use]
    pub fn probe_timeout(&self) -> Duration {
        let ack_delay = (self.smoothed() / 8).min(ACK_DELAY_MAX);
        self.smoothed() + (self.variation * 4).max(TIMER_GRANULARITY) + ack_delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_sample_is_taken_whole_later_ones_by_an_eighth() {
        let mut rtt = RttEstimator::new(None);
        rtt.update(Duration::from_millis(80), Duration::ZERO);
        assert_eq!(rtt.smoothed(), Duration::from_millis(80));
        rtt.update(Duration::from_millis(160), Duration::ZERO);
        assert_eq!(rtt.smoothed(), Duration::from_millis(90));
        assert_eq!(rtt.minimum(), Duration::from_millis(80));
    }

    #[test]
    fn time_at_the_peer_is_no_time_on_the_path() {
        let mut rtt = RttEstimator::new(Some(Duration::from_millis(50)));
        rtt.update(Duration::from_millis(70), Duration::from_millis(20));
        assert_eq!(rtt.smoothed(), Duration::from_millis(50));
        // A peer cannot claim its way below the minimum, nor claim more than it may wait.
        rtt.update(Duration::from_millis(60), Duration::from_secs(9));
        assert!(rtt.smoothed() >= Duration::from_millis(50));
    }
}
