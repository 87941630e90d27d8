//! A set of `u64` kept as sorted half-open ranges: file bytes that are missing, lost or wanted, and
//! packet numbers that have arrived.
//!
//! Ranges live in one sorted `Vec`. A transfer touches the two ends nearly always (new data at the
//! end, retransmissions at the front), so the common case is a binary search and no move of memory.

use std::fmt;
use std::ops::Range;

/// Sorted, disjoint, non-adjacent, non-empty half-open ranges of `u64`.
///
/// Ranges that touch are merged, so two equal sets always hold equal ranges. Empty ranges given as
/// arguments are ignored. The set itself has no size limit: whoever feeds it from the network looks
/// at [`range_count`](Self::range_count) first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range<u64>>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The set that holds exactly `range`.
    #[must_use]
    pub fn of(range: Range<u64>) -> Self {
        let mut set = Self::new();
        set.insert(range);
        set
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many separate ranges the set holds (what its memory is proportional to).
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// How many numbers are in the set. Saturates at `u64::MAX`.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.end - range.start))
    }

    /// The ranges in ascending order; newest (largest) first with `.rev()`.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + ExactSizeIterator + '_ {
        self.ranges.iter().cloned()
    }

    /// The lowest range.
    #[must_use]
    pub fn first(&self) -> Option<Range<u64>> {
        self.ranges.first().cloned()
    }

    /// The highest range.
    #[must_use]
    pub fn last(&self) -> Option<Range<u64>> {
        self.ranges.last().cloned()
    }

    /// Whether `value` is in the set.
    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.ranges.get(self.position_after(value)).is_some_and(|range| range.start <= value)
    }

    /// Whether every number of `range` is in the set (true of an empty range).
    #[must_use]
    pub fn contains_range(&self, range: &Range<u64>) -> bool {
        range.is_empty()
            || self
                .ranges
                .get(self.position_after(range.start))
                .is_some_and(|held| held.start <= range.start && range.end <= held.end)
    }

    /// The lowest part of `within` that is in the set, cut to `within`.
    #[must_use]
    pub fn first_in(&self, within: &Range<u64>) -> Option<Range<u64>> {
        let held = self.ranges.get(self.position_after(within.start))?;
        let part = held.start.max(within.start)..held.end.min(within.end);
        (!part.is_empty()).then_some(part)
    }

    /// The lowest part of `within` that is *not* in the set.
    #[must_use]
    pub fn first_gap_in(&self, within: &Range<u64>) -> Option<Range<u64>> {
        let index = self.position_after(within.start);
        let gap = match self.ranges.get(index) {
            Some(held) if held.start <= within.start => {
                let end = self.ranges.get(index + 1).map_or(within.end, |next| next.start);
                held.end..end.min(within.end)
            }
            Some(held) => within.start..held.start.min(within.end),
            None => within.clone(),
        };
        (!gap.is_empty()).then_some(gap)
    }

    /// Adds a range; says whether anything in it was new.
    pub fn insert(&mut self, range: Range<u64>) -> bool {
        if range.is_empty() {
            return false;
        }
        if let Some(last) = self.ranges.last_mut()
            && last.start <= range.start
            && range.start <= last.end
        {
            // In order: the newest range grows.
            let grows = range.end > last.end;
            last.end = last.end.max(range.end);
            return grows;
        }
        // Those that overlap or touch: end ≥ start of ours, start ≤ end of ours.
        let first = self.ranges.partition_point(|held| held.end < range.start);
        let past = self.ranges.partition_point(|held| held.start <= range.end);
        let touching = self.ranges.get(first..past).unwrap_or_default();
        let (Some(low), Some(high)) = (touching.first(), touching.last()) else {
            self.ranges.insert(first, range);
            return true;
        };
        if low.start <= range.start && range.end <= low.end {
            return false;
        }
        let merged = low.start.min(range.start)..high.end.max(range.end);
        self.replace(first..past, [merged]);
        true
    }

    /// Takes a range out; says whether anything of it was there.
    pub fn remove(&mut self, range: Range<u64>) -> bool {
        if range.is_empty() {
            return false;
        }
        let first = self.position_after(range.start);
        let past = self.ranges.partition_point(|held| held.start < range.end);
        let touched = self.ranges.get(first..past).unwrap_or_default();
        let (Some(low), Some(high)) = (touched.first(), touched.last()) else {
            return false;
        };
        let before = low.start..range.start.max(low.start);
        let after = range.end.min(high.end)..high.end;
        self.replace(first..past, [before, after]);
        true
    }

    /// Takes out everything below `floor`.
    pub fn remove_below(&mut self, floor: u64) {
        self.remove(0..floor);
    }

    /// Takes the lowest range out, at most `length_max` numbers of it.
    pub fn take_first(&mut self, length_max: u64) -> Option<Range<u64>> {
        let first = self.ranges.first_mut()?;
        let end = first.end.min(first.start.saturating_add(length_max));
        let taken = first.start..end;
        first.start = end;
        if first.is_empty() {
            self.ranges.remove(0);
        }
        Some(taken)
    }

    /// Adds every range of `other`.
    pub fn insert_all(&mut self, other: &Self) {
        for range in other.iter() {
            self.insert(range);
        }
    }

    /// Takes every range of `other` out.
    pub fn remove_all(&mut self, other: &Self) {
        for range in other.iter() {
            self.remove(range);
        }
    }

    /// Index of the first range that ends after `value`.
    fn position_after(&self, value: u64) -> usize {
        self.ranges.partition_point(|held| held.end <= value)
    }

    /// Puts `ranges`, of which some may be empty, in place of those `at`. One for one, which is nearly
    /// always, moves no memory.
    fn replace<const N: usize>(&mut self, at: Range<usize>, ranges: [Range<u64>; N]) {
        let mut next = at.start;
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match self.ranges.get_mut(next) {
                Some(place) if next < at.end => *place = range,
                _ => self.ranges.insert(next, range),
            }
            next += 1;
        }
        if next < at.end {
            self.ranges.drain(next..at.end);
        }
    }
}

impl fmt::Debug for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.ranges).finish()
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{RngCore, SeedableRng};

    use super::*;

    #[track_caller]
    fn check(set: &RangeSet, expected: &[Range<u64>]) {
        assert_eq!(set.iter().collect::<Vec<_>>(), expected);
    }

    fn set(ranges: &[Range<u64>]) -> RangeSet {
        ranges.iter().cloned().collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        check(&set(&[0..2, 4..6, 2..4]), std::slice::from_ref(&(0..6)));
    }

    #[test]
    fn a_gap_keeps_ranges_apart() {
        check(&set(&[4..6, 0..3]), &[0..3, 4..6]);
    }

    #[test]
    fn a_wide_range_swallows_many() {
        check(&set(&[1..2, 3..4, 5..6, 9..10, 0..7]), &[0..7, 9..10]);
    }

    #[test]
    fn removing_the_middle_splits() {
        let mut held = RangeSet::of(0..10);
        assert!(held.remove(3..5));
        check(&held, &[0..3, 5..10]);
        assert!(!held.remove(3..5));
    }

    #[test]
    fn removing_across_ranges_keeps_the_outer_parts() {
        let mut held = set(&[0..4, 6..8, 10..14]);
        assert!(held.remove(2..12));
        check(&held, &[0..2, 12..14]);
    }

    #[test]
    fn taking_from_the_front_is_bounded() {
        let mut held = set(&[0..5, 8..9]);
        assert_eq!(held.take_first(3), Some(0..3));
        assert_eq!(held.take_first(3), Some(3..5));
        assert_eq!(held.take_first(3), Some(8..9));
        assert_eq!(held.take_first(3), None);
    }

    #[test]
    fn gaps_and_parts_are_found() {
        let held = set(&[2..4, 6..8]);
        assert_eq!(held.first_gap_in(&(0..9)), Some(0..2));
        assert_eq!(held.first_gap_in(&(2..9)), Some(4..6));
        assert_eq!(held.first_gap_in(&(3..4)), None);
        assert_eq!(held.first_gap_in(&(7..9)), Some(8..9));
        assert_eq!(held.first_in(&(0..3)), Some(2..3));
        assert_eq!(held.first_in(&(4..6)), None);
        assert!(held.contains_range(&(6..8)) && !held.contains_range(&(6..9)));
    }

    #[test]
    fn the_end_of_the_numbers_is_no_special_case() {
        let mut held = RangeSet::of(u64::MAX - 2..u64::MAX);
        held.insert(0..u64::MAX);
        assert_eq!(held.total(), u64::MAX);
        held.remove_below(u64::MAX);
        assert!(held.is_empty());
    }

    /// Every operation against a plain array of flags.
    #[test]
    fn agrees_with_a_table_of_flags() {
        for seed in 0..200 {
            let mut random = Pcg64::seed_from_u64(seed);
            let mut flags = [false; 64];
            let mut held = RangeSet::new();
            for _ in 0..100 {
                let (a, b) = (random.next_u32() as usize % 65, random.next_u32() as usize % 65);
                let slice = &mut flags[a.min(b)..a.max(b)];
                let range = a.min(b) as u64..a.max(b) as u64;
                if random.next_u32().is_multiple_of(2) {
                    assert_eq!(held.insert(range), slice.contains(&false), "seed {seed}");
                    slice.fill(true);
                } else {
                    assert_eq!(held.remove(range), slice.contains(&true), "seed {seed}");
                    slice.fill(false);
                }
                for (value, flag) in (0..).zip(flags) {
                    assert_eq!(held.contains(value), flag, "seed {seed}");
                }
                let apart = held.ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
                assert!(apart && held.ranges.iter().all(|range| !range.is_empty()), "seed {seed}");
            }
        }
    }
}
