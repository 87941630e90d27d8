//! Which packet numbers of the other side have arrived: against replays, and for ACK.

use std::ops::Range;

use super::limits::{ACK_RANGES_MAX, NUMBER_RANGES_MAX};
use crate::range_set::RangeSet;

/// Places in an ACK for the newest ranges where not all fit; the others are for the older ones.
const NEWEST_RANGES: usize = ACK_RANGES_MAX / 2;

/// The numbers that have arrived, above a floor below which everything is settled.
///
/// Bounded to [`NUMBER_RANGES_MAX`] ranges. Full: the floor rises over the oldest gap, and what is
/// still on its way in that gap will be taken for a repeat; its sender sees it as lost.
#[derive(Debug, Default)]
pub struct ReceivedNumbers {
    numbers: RangeSet,
    floor: u64,
    /// How many of the older ranges were told in ACKs since the newest of them was.
    told: usize,
}

impl ReceivedNumbers {
    /// Whether `number` was seen before, or is so old that it counts as seen.
    #[must_use]
    pub fn is_repeat(&self, number: u64) -> bool {
        number < self.floor || self.numbers.contains(number)
    }

    /// Notes `number`; says whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        if number < self.floor || !self.numbers.insert(number..number + 1) {
            return false;
        }
        if self.numbers.range_count() > NUMBER_RANGES_MAX {
            self.give_up_oldest_gap();
        }
        true
    }

    /// Raises the floor: the sender no longer waits for anything below.
    pub fn settle_below(&mut self, floor: u64) {
        // The largest number stays, or an ACK would have nothing to say.
        let floor = floor.min(self.largest().unwrap_or(0));
        if floor > self.floor {
            self.floor = floor;
            self.numbers.remove_below(floor);
        }
    }

    /// The largest number that arrived.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        self.numbers.last().map(|range| range.end - 1)
    }

    /// The numbers at or above the floor.
    #[must_use]
    pub fn numbers(&self) -> &RangeSet {
        &self.numbers
    }

    /// The ranges that the next ACK tells, newest first. Where not all fit, the newest ones and, ACK by
    /// ACK, all older ones in turn: heavy reordering fills gaps far behind the newest number, and the
    /// sender must hear of it before it takes what has arrived for lost.
    pub fn ranges_for_ack(&mut self) -> impl Iterator<Item = Range<u64>> + '_ {
        let older = self.numbers.range_count().saturating_sub(NEWEST_RANGES);
        let all_fit = self.numbers.range_count() <= ACK_RANGES_MAX;
        let skipped = if all_fit || self.told >= older { 0 } else { self.told };
        self.told = skipped + (ACK_RANGES_MAX - NEWEST_RANGES);
        let newest = self.numbers.iter().rev().take(NEWEST_RANGES);
        newest.chain(self.numbers.iter().rev().skip(NEWEST_RANGES + skipped))
    }

    fn give_up_oldest_gap(&mut self) {
        if let Some(oldest) = self.numbers.first() {
            self.numbers.remove(oldest.clone());
            self.floor = self.numbers.first().map_or(oldest.end, |next| next.start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once() {
        let mut received = ReceivedNumbers::default();
        assert!(received.insert(5) && received.insert(3));
        assert!(!received.insert(5) && received.is_repeat(3) && !received.is_repeat(4));
    }

    #[test]
    fn below_the_floor_everything_is_a_repeat() {
        let mut received = ReceivedNumbers::default();
        received.insert(10);
        received.settle_below(100);
        assert!(received.is_repeat(9) && !received.is_repeat(11));
        assert_eq!(received.largest(), Some(10));
    }

    #[test]
    fn every_range_is_told_within_a_few_acks_and_the_newest_in_each() {
        let mut received = ReceivedNumbers::default();
        (0..1000).for_each(|number| assert!(received.insert(number * 2)));
        let mut told = RangeSet::new();
        for _ in 0..11 {
            let ranges: Vec<_> = received.ranges_for_ack().take(ACK_RANGES_MAX).collect();
            assert!(ranges.windows(2).all(|pair| pair[1].end < pair[0].start), "newest first");
            assert_eq!(ranges[0], 1998..1999);
            ranges.into_iter().for_each(|range| assert!(told.insert(range) || !told.is_empty()));
        }
        assert_eq!(&told, received.numbers());
    }

    #[test]
    fn too_many_gaps_cost_the_oldest_gap() {
        let mut received = ReceivedNumbers::default();
        for number in 0..1_000_000 {
            received.insert(number * 2);
        }
        assert!(received.numbers().range_count() <= NUMBER_RANGES_MAX);
        assert_eq!(received.largest(), Some(1_999_998));
        assert!(received.is_repeat(1) && !received.is_repeat(1_999_997));
    }
}
