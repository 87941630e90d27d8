//! Leaves out a random packet number now and then. Whoever acknowledges such a number acknowledges
//! what he cannot have received, to be sent more than his path can take (RFC 9000, section 21.4).

use super::split_mix::SplitMix;

/// Numbers from one skip to the next: at least, …
const DISTANCE_MIN: u64 = 64;
/// … and up to so many more.
const DISTANCE_SPREAD: u64 = 1024;

/// Says which numbers are left out.
#[derive(Debug)]
pub(super) struct NumberSkips {
    /// Its output shows only in which numbers are missing, which says too little to compute the next
    /// ones from.
    random: SplitMix,
    next_skip: u64,
}

impl NumberSkips {
    /// `seed` must not be known to the peer.
    pub(super) fn new(seed: u64) -> Self {
        let mut skips = Self { random: SplitMix::new(seed), next_skip: 0 };
        skips.schedule(0);
        skips
    }

    /// Whether `number` is left out.
    pub(super) fn skips(&mut self, number: u64) -> bool {
        if number < self.next_skip {
            return false;
        }
        self.schedule(number);
        true
    }

    fn schedule(&mut self, after: u64) {
        self.next_skip = after + DISTANCE_MIN + self.random.below(DISTANCE_SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_some_hundred_is_left_out_and_never_two_in_a_row() {
        let mut skips = NumberSkips::new(42);
        let skipped: Vec<u64> = (0..100_000).filter(|number| skips.skips(*number)).collect();
        assert!((100..400).contains(&skipped.len()), "{}", skipped.len());
        assert!(skipped.windows(2).all(|pair| pair[1] - pair[0] >= DISTANCE_MIN));
    }
}
