//! Whether the path carries ECN marks (RFC 9000, section 13.4.2, in short): if packets that went out
//! as ECT(0) arrive without any mark, or more marks are reported than were sent, ECN stays off.

use crate::proto::ecn::{Ecn, EcnCounts};

/// Acknowledged packets without one mark after which the path counts as bleaching.
const UNMARKED_MAX: u64 = 16;

#[derive(Debug)]
pub(super) struct EcnValidation {
    is_on: bool,
    sent: u64,
    acknowledged: u64,
    counts: EcnCounts,
}

impl EcnValidation {
    pub(super) fn new() -> Self {
        Self { is_on: true, sent: 0, acknowledged: 0, counts: EcnCounts::default() }
    }

    /// How packets go out.
    pub(super) fn mark(&self) -> Ecn {
        if self.is_on { Ecn::Ect0 } else { Ecn::NotEct }
    }

    pub(super) fn sent(&mut self) {
        self.sent += u64::from(self.is_on);
    }

    /// An ACK newer than all before reports `counts` and acknowledges `packets` more; says whether
    /// it reports congestion.
    pub(super) fn reported(&mut self, counts: EcnCounts, packets: u64) -> bool {
        if !self.is_on {
            return false;
        }
        self.acknowledged += packets;
        let grown = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
        let marks = grown(counts.ce, self.counts.ce) + grown(counts.ect0, self.counts.ect0);
        let never_sent = counts.ect1 != 0 || marks > self.sent;
        let total = u64::from(counts.ce) + u64::from(counts.ect0);
        let bleached = total == 0 && self.acknowledged >= UNMARKED_MAX;
        let congestion = counts.ce != self.counts.ce;
        self.counts = counts;
        if never_sent || bleached {
            self.is_on = false;
            return false;
        }
        congestion
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ect0: u32, ce: u32) -> EcnCounts {
        EcnCounts { ect0, ect1: 0, ce }
    }

    fn after_sending(packets: u32) -> EcnValidation {
        let mut ecn = EcnValidation::new();
        (0..packets).for_each(|_| ecn.sent());
        ecn
    }

    #[test]
    fn a_new_mark_is_congestion_once() {
        let mut ecn = after_sending(20);
        assert!(!ecn.reported(counts(5, 0), 5));
        assert!(ecn.reported(counts(9, 1), 5));
        assert!(!ecn.reported(counts(14, 1), 5));
        assert_eq!(ecn.mark(), Ecn::Ect0);
    }

    #[test]
    fn a_path_that_wipes_marks_turns_it_off() {
        let mut ecn = after_sending(20);
        assert!(!ecn.reported(counts(0, 0), 16));
        assert_eq!(ecn.mark(), Ecn::NotEct);
    }

    #[test]
    fn invented_marks_turn_it_off() {
        let mut ecn = after_sending(20);
        assert!(!ecn.reported(counts(0, 21), 5));
        assert_eq!(ecn.mark(), Ecn::NotEct);
    }
}
