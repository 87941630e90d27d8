//! Whether the path carries ECN marks (RFC 9000, section 13.4.2): marking stops if packets that went out
//! as ECT(0) arrive without any mark, if more marks are reported than were sent, or if marked packets
//! vanish where unmarked ones get through.
//!
//! Only file bytes are marked, and of them not what a probe timeout sends: what finds out whether the
//! peer is there must get through in any case.

use super::black_hole::BlackHole;
use crate::proto::ecn::{Ecn, EcnCounts};

/// Marked packets acknowledged in a row without one mark reported after which the path counts as
/// bleaching.
const UNREPORTED_MAX: u64 = 16;

#[derive(Debug)]
pub(super) struct EcnValidation {
    is_on: bool,
    /// Marked packets sent in the session.
    sent: u64,
    /// Marked packets acknowledged since a mark was reported.
    unreported: u64,
    /// As last reported. They count from the start of the session, whatever the path.
    counts: EcnCounts,
    /// Marked packets are the suspects.
    black_hole: BlackHole,
}

impl EcnValidation {
    pub(super) fn new() -> Self {
        Self {
            is_on: true,
            sent: 0,
            unreported: 0,
            counts: EcnCounts::default(),
            black_hole: BlackHole::default(),
        }
    }

    /// Packets take another path from now on, of which nothing is known.
    pub(super) fn begin_path(&mut self) {
        self.is_on = true;
        self.unreported = 0;
        self.black_hole = BlackHole::default();
    }

    /// How file bytes go out.
    pub(super) fn mark(&self) -> Ecn {
        if self.is_on { Ecn::Ect0 } else { Ecn::NotEct }
    }

    /// A marked packet went out.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// A marked packet was lost.
    pub(super) fn lost(&mut self, number: u64) {
        self.black_hole.suspect_lost(number);
    }

    /// An ACK newly acknowledges packets, the newest marked and unmarked ones of which are these; what
    /// is lost according to it has been said. Gives whether the path proves to swallow marked ones.
    pub(super) fn arrived(&mut self, marked: Option<u64>, unmarked: Option<u64>) -> bool {
        if let Some(number) = marked {
            self.black_hole.suspect_arrived(number);
        }
        let swallows = unmarked.is_some_and(|number| self.black_hole.other_arrived(number));
        let is_found = swallows && self.is_on;
        self.is_on &= !swallows;
        is_found
    }

    /// An ACK newer than all before reports `counts` and acknowledges so many `marked` packets more;
    /// says whether it reports congestion.
    pub(super) fn reported(&mut self, counts: EcnCounts, marked: u64) -> bool {
        if !self.is_on {
            self.counts = counts;
            return false;
        }
        let grown = |now: u32, before: u32| u64::from(now.wrapping_sub(before));
        let marks = grown(counts.ce, self.counts.ce) + grown(counts.ect0, self.counts.ect0);
        self.unreported = if marks == 0 { self.unreported + marked } else { 0 };
        let never_sent = counts.ect1 != 0 || marks > self.sent;
        let bleached = self.unreported >= UNREPORTED_MAX;
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
    fn one_that_begins_to_wipe_marks_turns_it_off() {
        let mut ecn = after_sending(40);
        assert!(!ecn.reported(counts(20, 0), 20));
        assert!(!ecn.reported(counts(20, 0), 8));
        assert_eq!(ecn.mark(), Ecn::Ect0);
        assert!(!ecn.reported(counts(20, 0), 8));
        assert_eq!(ecn.mark(), Ecn::NotEct);
    }

    #[test]
    fn unmarked_packets_are_not_expected_to_be_reported() {
        let mut ecn = after_sending(20);
        (0..100).for_each(|_| assert!(!ecn.reported(counts(0, 0), 0)));
        assert_eq!(ecn.mark(), Ecn::Ect0);
    }

    #[test]
    fn invented_marks_turn_it_off() {
        let mut ecn = after_sending(20);
        assert!(!ecn.reported(counts(0, 21), 5));
        assert_eq!(ecn.mark(), Ecn::NotEct);
    }

    #[test]
    fn marked_packets_that_vanish_between_unmarked_ones_turn_it_off() {
        let mut ecn = after_sending(20);
        (0..10).for_each(|number| ecn.lost(number));
        assert!(!ecn.arrived(None, Some(10)));
        assert_eq!(ecn.mark(), Ecn::Ect0, "an outage looks the same so far");
        (11..15).for_each(|number| ecn.lost(number));
        assert!(ecn.arrived(None, Some(15)));
        assert_eq!(ecn.mark(), Ecn::NotEct);
        assert!(!ecn.arrived(None, Some(16)), "found once");
    }

    #[test]
    fn another_path_is_tried_anew() {
        let mut ecn = after_sending(40);
        assert!(!ecn.reported(counts(0, 0), 16));
        // What the old path carries yet is reported too.
        assert!(!ecn.reported(counts(3, 2), 5));
        ecn.begin_path();
        assert_eq!(ecn.mark(), Ecn::Ect0);
        assert!(!ecn.reported(counts(3, 2), 15), "marks of the old path are no news");
        assert!(ecn.reported(counts(3, 3), 1));
        assert_eq!(ecn.mark(), Ecn::Ect0);
    }
}
