//! How much in flight the path has proved to bear: set when a probe loses too much, raised by later
//! probes, slowly at first and twice as fast each round (draft-ietf-ccwg-bbr, sections 5.3.3.5
//! and 5.5.10.2).

use super::ratio::Ratio;

/// What is left free for others while not probing (the draft: 15 %, with which ten flows leave a CUBIC
/// flow beside them two fifths of its share instead of more than half).
const HEADROOM: Ratio = Ratio::percent(35);
/// Growth stops doubling after so many rounds: 2³⁰ packets a round.
const GROWTH_ROUNDS_MAX: u32 = 30;

#[derive(Debug)]
pub(super) struct LongTermBound {
    /// Bytes; `u64::MAX` for no bound.
    inflight: u64,
    /// Bytes that must be acknowledged for one packet more; `u64::MAX` while it does not grow.
    acked_per_step: u64,
    acked: u64,
    growth_rounds: u32,
}

impl LongTermBound {
    pub(super) fn none() -> Self {
        Self { inflight: u64::MAX, acked_per_step: u64::MAX, acked: 0, growth_rounds: 0 }
    }

    pub(super) fn inflight(&self) -> u64 {
        self.inflight
    }

    /// The bound less what is left to others.
    pub(super) fn with_headroom(&self, packet: u64) -> u64 {
        if self.inflight == u64::MAX {
            return u64::MAX;
        }
        self.inflight.saturating_sub(HEADROOM.of(self.inflight).max(packet))
    }

    /// So much was too much, or just right.
    pub(super) fn set(&mut self, inflight: u64) {
        self.inflight = inflight;
    }

    /// So much did no harm. No bound stays none.
    pub(super) fn raise_to(&mut self, inflight: u64) {
        self.inflight = self.inflight.max(inflight);
    }

    /// A probe is being prepared: growth will begin slowly.
    pub(super) fn prepare_growth(&mut self) {
        self.growth_rounds = 0;
        self.acked = 0;
    }

    /// A round of a probe begins: twice the growth of the round before.
    pub(super) fn speed_up(&mut self, window: u64, packet: u64) {
        let packets_this_round = 1_u64 << self.growth_rounds;
        self.growth_rounds = (self.growth_rounds + 1).min(GROWTH_ROUNDS_MAX);
        self.acked_per_step = (window / packets_this_round).max(packet);
    }

    /// So much was acknowledged while the bound was used to the full.
    pub(super) fn grow(&mut self, acked: u64, packet: u64) {
        self.acked += acked;
        let steps = self.acked / self.acked_per_step;
        self.acked -= steps * self.acked_per_step;
        self.inflight = self.inflight.saturating_add(steps * packet);
    }

    pub(super) fn stop_growing(&mut self) {
        self.acked_per_step = u64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_doubles_each_round() {
        let mut bound = LongTermBound::none();
        bound.set(100_000);
        bound.prepare_growth();
        let mut grown = Vec::new();
        for _ in 0..5 {
            bound.speed_up(100_000, 1000);
            let before = bound.inflight();
            (0..100).for_each(|_| bound.grow(1000, 1000));
            grown.push((bound.inflight() - before) / 1000);
        }
        assert_eq!(grown, [1, 2, 4, 8, 16]);
    }

    #[test]
    fn it_never_grows_faster_than_a_packet_for_a_packet() {
        let mut bound = LongTermBound::none();
        bound.set(10_000);
        (0..20).for_each(|_| bound.speed_up(10_000, 1000));
        bound.grow(5000, 1000);
        assert_eq!(bound.inflight(), 15_000);
    }

    #[test]
    fn headroom_is_at_least_a_packet() {
        let mut bound = LongTermBound::none();
        assert_eq!(bound.with_headroom(1000), u64::MAX);
        bound.set(100_000);
        assert_eq!(bound.with_headroom(1000), 65_000);
        bound.set(4000);
        assert_eq!(bound.with_headroom(1000), 2600);
        bound.set(2000);
        assert_eq!(bound.with_headroom(1000), 1000);
    }

    #[test]
    fn without_growth_nothing_is_added() {
        let mut bound = LongTermBound::none();
        bound.set(4000);
        bound.speed_up(4000, 1000);
        bound.stop_growing();
        bound.grow(1 << 40, 1000);
        assert_eq!(bound.inflight(), 4000);
    }
}
