//! Finds out whether sending faster still makes the network deliver more: three rounds with less
//! than a quarter more mean that the pipe is full (draft-ietf-ccwg-bbr, section 5.3.1.2).

use super::ratio::Ratio;

const GROWTH: Ratio = Ratio::percent(125);
const ROUNDS: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct FullBandwidth {
    baseline: u64,
    rounds: u32,
    is_full: bool,
    was_ever_full: bool,
}

impl FullBandwidth {
    /// Begins anew, with `baseline` bytes a second to be surpassed.
    pub(super) fn restart(&mut self, baseline: u64) {
        self.baseline = baseline;
        self.rounds = 0;
        self.is_full = false;
    }

    /// The first sample of a round that the application did not limit.
    pub(super) fn update(&mut self, rate: u64) {
        if self.is_full {
            return;
        }
        if rate >= GROWTH.of(self.baseline) {
            self.restart(rate);
            return;
        }
        self.rounds += 1;
        self.is_full = self.rounds >= ROUNDS;
        self.was_ever_full |= self.is_full;
    }

    /// Whether this attempt has reached a plateau.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether the last round brought at least a quarter more than the ones before.
    pub(super) fn is_growing(&self) -> bool {
        self.rounds == 0
    }

    /// Whether at least two rounds brought hardly more: one alone may be chance.
    pub(super) fn has_levelled_off(&self) -> bool {
        self.rounds >= 2
    }

    /// Whether any attempt of the session has.
    pub(super) fn was_ever_full(&self) -> bool {
        self.was_ever_full
    }

    /// Loss or a mark says that the pipe is full.
    pub(super) fn declare_full(&mut self) {
        self.was_ever_full = true;
    }

    /// What said so was mistaken.
    pub(super) fn take_back(&mut self) {
        self.was_ever_full = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One sample a round; the number of rounds until the pipe was found full.
    #[track_caller]
    fn check(rates: &[u64], expected: Option<usize>) {
        let mut full = FullBandwidth::default();
        let found = rates.iter().position(|rate| {
            full.update(*rate);
            full.is_full()
        });
        assert_eq!(found.map(|index| index + 1), expected);
        assert_eq!(full.was_ever_full(), expected.is_some());
    }

    #[test]
    fn three_rounds_without_growth_are_a_plateau() {
        check(&[100, 200, 400, 410, 420, 430], Some(6));
    }

    #[test]
    fn growth_begins_the_count_anew() {
        check(&[100, 110, 110, 125, 126, 127, 128], Some(7));
    }

    #[test]
    fn two_rounds_are_not_enough() {
        check(&[100, 101, 102], None);
    }

    #[test]
    fn slow_growth_adds_up_against_the_baseline() {
        check(&[100, 110, 120, 130, 140, 150, 163], None);
    }
}
