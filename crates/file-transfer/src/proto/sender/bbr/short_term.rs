//! Bounds that congestion outside a probe imposes until the next probe lifts them
//! (draft-ietf-ccwg-bbr, section 5.5.10.3).

use super::delivery_signals::DeliverySignals;
use super::ratio::Ratio;

/// What a round with loss leaves of a bound at least: CUBIC's factor.
const BETA: Ratio = Ratio::percent(70);
/// What is left of the level delivered if others fill the queue: falling to that level would only
/// keep the queue as it is.
pub(super) const YIELD: Ratio = Ratio::percent(75);
/// We send a little less than the bound: what is delivered then must not lower it.
const PACING_MARGIN_UNDONE: Ratio = Ratio::percent(101);
/// What a router's mark leaves (RFC 8511): it marks at shallower queues than it drops.
const BETA_MARK: Ratio = Ratio::percent(85);

/// `u64::MAX` where there is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortTermBounds {
    /// Bytes a second.
    pub(super) bandwidth: u64,
    /// Bytes.
    pub(super) inflight: u64,
}

impl ShortTermBounds {
    pub(super) const NONE: Self = Self { bandwidth: u64::MAX, inflight: u64::MAX };

    /// A round with loss is over: down to what was delivered (in flight: to the share `kept` of it), or
    /// by the factor if that is more.
    pub(super) fn reduce(
        &mut self,
        max_bandwidth: u64,
        window: u64,
        latest: &DeliverySignals,
        kept: Ratio,
    ) {
        let bandwidth = if self.bandwidth == u64::MAX { max_bandwidth } else { self.bandwidth };
        let inflight = if self.inflight == u64::MAX { window } else { self.inflight };
        self.bandwidth = PACING_MARGIN_UNDONE.of(latest.bandwidth()).max(BETA.of(bandwidth));
        self.inflight = kept.of(latest.inflight()).max(BETA.of(inflight));
    }

    /// A router marked packets. Nothing was lost, so what is delivered tells nothing.
    pub(super) fn reduce_for_mark(&mut self, in_flight: u64) {
        self.inflight = BETA_MARK.of(self.inflight.min(in_flight));
    }

    /// Losses turned out to be none: back to at least what was.
    pub(super) fn raise_to(&mut self, before: Self) {
        self.bandwidth = self.bandwidth.max(before.bandwidth);
        self.inflight = self.inflight.max(before.inflight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::sender::delivery_rate::RateSample;

    /// Reduces from a bandwidth of 1000 and a window of 1000 after rounds that delivered so much.
    #[track_caller]
    fn check(rounds: &[u64], kept: Ratio, bandwidth: u64, inflight: u64) {
        let mut bounds = ShortTermBounds::NONE;
        for delivered in rounds {
            let mut latest = DeliverySignals::default();
            latest.update(&RateSample {
                rate: Some(*delivered),
                delivered: *delivered,
                ..RateSample::default()
            });
            bounds.reduce(1000, 1000, &latest, kept);
        }
        assert_eq!((bounds.bandwidth, bounds.inflight), (bandwidth, inflight));
    }

    #[test]
    fn follows_what_is_delivered() {
        check(&[900], Ratio::ONE, 909, 900);
        check(&[900, 800], Ratio::ONE, 808, 800);
        check(&[1000], YIELD, 1010, 750);
    }

    #[test]
    fn never_by_more_than_the_factor_a_round() {
        check(&[100], YIELD, 700, 700);
        check(&[100, 100], Ratio::ONE, 490, 490);
    }

    #[test]
    fn a_mark_lowers_what_may_be_in_flight() {
        let mut bounds = ShortTermBounds::NONE;
        bounds.reduce_for_mark(1000);
        bounds.reduce_for_mark(1000);
        assert_eq!((bounds.inflight, bounds.bandwidth), (722, u64::MAX));
    }
}
