//! What the network delivered over the last round trip, and whether it lost something meanwhile
//! (draft-ietf-ccwg-bbr, section 5.5.10.3).

use crate::proto::sender::delivery_rate::RateSample;

/// Numbers that may arrive between two lost ones of the same range.
const RANGE_GAP_MAX: u64 = 1;

#[derive(Debug, Default)]
pub(super) struct DeliverySignals {
    /// The largest rate of the round, in bytes a second.
    bandwidth: u64,
    /// The most bytes delivered within a round trip of the round.
    inflight: u64,
    /// The round ends when a packet is acknowledged that was sent with so much delivered.
    round_ends_at: u64,
    round_just_ended: bool,
    has_loss: bool,
    /// Separate ranges of numbers lost in the round.
    lost_ranges: u32,
    last_lost: Option<u64>,
}

impl DeliverySignals {
    /// At the beginning of an ACK.
    pub(super) fn update(&mut self, rate: &RateSample) {
        self.bandwidth = self.bandwidth.max(rate.rate.unwrap_or(0));
        self.inflight = self.inflight.max(rate.delivered);
        self.round_just_ended = rate.prior_delivered >= self.round_ends_at;
        if self.round_just_ended {
            self.round_ends_at = rate.prior_delivered + rate.delivered;
        }
    }

    /// At the end of it: the next round begins with this sample.
    pub(super) fn advance(&mut self, rate: &RateSample) {
        if self.round_just_ended {
            self.bandwidth = rate.rate.unwrap_or(0);
            self.inflight = rate.delivered;
            self.has_loss = false;
            self.lost_ranges = 0;
        }
    }

    /// A number is lost, `delivered` bytes having been delivered; says whether it is the round's first.
    pub(super) fn note_loss(&mut self, number: u64, delivered: u64) -> bool {
        let is_first = !std::mem::replace(&mut self.has_loss, true);
        if is_first {
            self.round_ends_at = delivered;
        }
        let continues = |last: u64| number > last && number - last <= RANGE_GAP_MAX;
        if !self.last_lost.is_some_and(continues) {
            self.lost_ranges += 1;
        }
        self.last_lost = Some(number);
        is_first
    }

    /// Forgets what was seen: the sending behaviour changes on purpose.
    pub(super) fn reset(&mut self) {
        self.bandwidth = 0;
        self.inflight = 0;
        self.forget_loss();
    }

    /// The losses of the round were none.
    pub(super) fn forget_loss(&mut self) {
        self.has_loss = false;
        self.lost_ranges = 0;
    }

    pub(super) fn bandwidth(&self) -> u64 {
        self.bandwidth
    }

    pub(super) fn inflight(&self) -> u64 {
        self.inflight
    }

    /// Whether the ACK in hand ended a round (one that begins anew with the first loss).
    pub(super) fn round_just_ended(&self) -> bool {
        self.round_just_ended
    }

    pub(super) fn has_loss(&self) -> bool {
        self.has_loss
    }

    pub(super) fn lost_ranges(&self) -> u32 {
        self.lost_ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(prior_delivered: u64, delivered: u64, rate: u64) -> RateSample {
        RateSample { delivered, rate: Some(rate), prior_delivered, ..RateSample::default() }
    }

    #[test]
    fn neighbouring_numbers_are_one_range() {
        let mut signals = DeliverySignals::default();
        let firsts: Vec<bool> =
            [3, 4, 5, 9, 20, 21].map(|number| signals.note_loss(number, 100)).to_vec();
        assert_eq!(firsts, [true, false, false, false, false, false]);
        assert_eq!(signals.lost_ranges(), 3);
    }

    #[test]
    fn a_round_with_loss_lasts_a_whole_round_trip_from_the_first_loss() {
        let mut signals = DeliverySignals::default();
        signals.update(&sample(0, 50, 10));
        signals.advance(&sample(0, 50, 10));
        signals.note_loss(7, 120);
        signals.update(&sample(110, 40, 20));
        assert!(!signals.round_just_ended());
        signals.update(&sample(120, 70, 15));
        assert!(signals.round_just_ended() && signals.has_loss());
        assert_eq!((signals.bandwidth(), signals.inflight()), (20, 70));
        signals.advance(&sample(120, 70, 15));
        assert!(!signals.has_loss());
        assert_eq!((signals.bandwidth(), signals.inflight()), (15, 70));
    }
}
