//! Which file bytes are still to be sent: lost ones first, then those never sent.

use std::ops::Range;

use crate::range_set::RangeSet;

/// The sender's view of the file.
#[derive(Debug, Default)]
pub(super) struct WorkList {
    /// Wanted and never sent.
    unsent: RangeSet,
    /// Sent, declared lost, not sent again yet.
    lost: RangeSet,
    /// Wanted and not known to have arrived: unsent, lost, or on the way.
    unacknowledged: RangeSet,
}

impl WorkList {
    /// The receiver wants `range`. What is unsent, lost or on the way anyway is not sent twice.
    pub(super) fn want(&mut self, range: &Range<u64>) {
        while let Some(gap) = self.unacknowledged.first_gap_in(range) {
            self.unacknowledged.insert(gap.clone());
            self.unsent.insert(gap);
        }
    }

    /// The receiver has `range`.
    pub(super) fn acknowledged(&mut self, range: Range<u64>) {
        self.lost.remove(range.clone());
        self.unacknowledged.remove(range);
    }

    /// A packet with `range` was lost: what has not arrived by another packet is to be sent again.
    pub(super) fn lost(&mut self, range: Range<u64>) {
        let mut rest = range;
        while let Some(part) = self.unacknowledged.first_in(&rest) {
            rest.start = part.end;
            self.lost.insert(part);
        }
    }

    /// Takes the next bytes to send, at most `bytes_max`.
    pub(super) fn take(&mut self, bytes_max: u64) -> Option<Range<u64>> {
        self.lost.take_first(bytes_max).or_else(|| self.unsent.take_first(bytes_max))
    }

    /// Whether the next bytes are new ones.
    pub(super) fn next_is_new(&self) -> bool {
        self.lost.is_empty() && !self.unsent.is_empty()
    }

    /// Whether `range` was given up to the network but has not arrived: the part to probe with.
    pub(super) fn unacknowledged_in(&self, range: &Range<u64>) -> Option<Range<u64>> {
        self.unacknowledged.first_in(range)
    }

    /// Whether nothing is to be sent now.
    pub(super) fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.unsent.is_empty()
    }

    /// Whether everything wanted has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Separate ranges of what was never sent: what a WANT can make grow.
    pub(super) fn unsent_ranges(&self) -> usize {
        self.unsent.range_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_bytes_go_before_new_ones() {
        let mut work = WorkList::default();
        work.want(&(0..100));
        assert_eq!(work.take(40), Some(0..40));
        work.lost(0..40);
        assert_eq!(work.take(100), Some(0..40));
        assert_eq!(work.take(100), Some(40..100));
        assert_eq!(work.take(100), None);
    }

    #[test]
    fn what_has_arrived_is_never_sent_again() {
        let mut work = WorkList::default();
        work.want(&(0..100));
        work.take(100);
        work.acknowledged(20..60);
        work.lost(0..100);
        assert_eq!(work.take(100), Some(0..20));
        work.acknowledged(60..100);
        assert!(work.is_empty() && !work.is_complete());
        work.acknowledged(0..20);
        assert!(work.is_complete());
    }

    #[test]
    fn a_repeated_want_adds_only_what_is_thought_delivered() {
        let mut work = WorkList::default();
        work.want(&(0..100));
        work.take(100);
        work.acknowledged(0..50);
        work.want(&(0..100));
        assert_eq!(work.take(100), Some(0..50));
        assert_eq!(work.take(100), None);
    }
}
