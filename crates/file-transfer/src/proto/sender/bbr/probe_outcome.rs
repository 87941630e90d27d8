//! What a probe for bandwidth brought: if more sending added loss but no delivery, then loss comes
//! from a queue and is not random.

use std::ops::Range;

use super::ratio::Ratio;

/// Delivery that counts as more.
const MORE: Ratio = Ratio::percent(105);
/// Losses beyond the expected ones that chance does not explain: at least so many, …
const EXCESS_MIN: u64 = 6;
/// … more than this share of the packets, …
const EXCESS_SHARE: Ratio = Ratio::percent(2);
/// … and more than so many standard deviations.
const DEVIATIONS: u64 = 4;

/// One probe, from its first packet until the last is settled.
#[derive(Debug, Default)]
pub(super) struct ProbeOutcome {
    numbers: Range<u64>,
    is_open: bool,
    lost: u64,
    bandwidth_before: u64,
    bandwidth: u64,
}

impl ProbeOutcome {
    /// Packets from `number` on are sent faster than the `bandwidth` bytes a second delivered so far.
    pub(super) fn begin(&mut self, number: u64, bandwidth: u64) {
        *self = Self {
            numbers: number..u64::MAX,
            is_open: true,
            bandwidth_before: bandwidth,
            ..Self::default()
        };
    }

    /// From `number` on no longer.
    pub(super) fn end_sending(&mut self, number: u64) {
        self.numbers.end = self.numbers.end.min(number);
    }

    pub(super) fn lost(&mut self, number: u64) {
        self.lost += u64::from(self.is_open && self.numbers.contains(&number));
    }

    pub(super) fn delivered(&mut self, rate: u64) {
        self.bandwidth = self.bandwidth.max(rate);
    }

    /// Everything is settled: says whether the probe lost clearly more than packets with little in
    /// flight do (`low_loss`, unknown if they were not measured), without delivering more.
    pub(super) fn finish(&mut self, low_loss: Option<Ratio>) -> bool {
        let was_open = std::mem::take(&mut self.is_open);
        let Some(low_loss) = low_loss.filter(|_| was_open) else { return false };
        let packets = self.numbers.end.saturating_sub(self.numbers.start);
        let expected = low_loss.of(packets);
        let excess = self.lost.saturating_sub(expected);
        // Losses at random have the variance of their mean.
        let is_clear = excess >= EXCESS_MIN
            && excess > EXCESS_SHARE.of(packets)
            && excess * excess > DEVIATIONS * DEVIATIONS * expected;
        let brought_more = self.bandwidth >= MORE.of(self.bandwidth_before);
        is_clear && !brought_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A probe of 1000 packets after 1000 bytes a second where 2 % are lost anyway; whether it shows
    /// a queue.
    #[track_caller]
    fn check(lost: u64, rate: u64, expected: bool) {
        let mut probe = ProbeOutcome::default();
        probe.begin(100, 1000);
        (0..lost).for_each(|n| probe.lost(100 + n));
        probe.delivered(rate);
        probe.end_sending(1100);
        // What was sent before or after it does not count.
        (0..100).for_each(|n| probe.lost(n));
        (1100..1200).for_each(|n| probe.lost(n));
        assert_eq!(probe.finish(Some(Ratio::percent(2))), expected);
        assert!(!probe.finish(Some(Ratio::percent(2))), "told once");
    }

    #[test]
    fn more_loss_for_nothing_shows_a_queue() {
        check(60, 1010, true);
    }

    #[test]
    fn more_loss_for_more_delivery_does_not() {
        check(60, 1100, false);
    }

    #[test]
    fn as_much_loss_as_ever_does_not() {
        check(20, 1000, false);
        check(37, 1000, false);
    }
}
