//! What one ACK acknowledges, and what one pass of loss detection finds: gathered packet by packet,
//! told to congestion control as one.

use std::ops::Range;
use std::time::Instant;

use crate::proto::ecn::Ecn;
use crate::proto::sender::sent_packets::{SentBatch, SentPacket};
use crate::proto::sender::work_list::WorkList;

/// Losses since the last congestion event.
#[derive(Debug, Default)]
pub(super) struct Episode {
    pub(super) began: Option<Instant>,
    /// Number of the first packet found lost in it: losses are found in ascending order, so what is
    /// below belongs to an earlier episode.
    pub(super) first_lost: u64,
    pub(super) lost: u64,
    pub(super) spurious: u64,
}

/// What one ACK newly acknowledges.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    /// Packets that went out with an ECN mark, …
    pub(super) marked: u64,
    /// … the largest number of one, and of one without.
    pub(super) newest_marked: Option<u64>,
    pub(super) newest_unmarked: Option<u64>,
    pub(super) newest_sent_at: Option<Instant>,
    /// Largest number and its time.
    pub(super) largest: Option<(u64, Instant)>,
    /// There were packets with file bytes among them.
    pub(super) has_data: bool,
    /// File bytes of neighbouring packets, handed on as one.
    pub(super) run: Option<Range<u64>>,
}

/// What one pass of loss detection found.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Number of the first.
    pub(super) first: u64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// When the newest was sent.
    pub(super) newest: Option<Instant>,
}

impl Tally {
    pub(super) fn add(&mut self, number: u64, packet: &SentPacket, batch: &SentBatch) {
        self.bytes += u64::from(packet.size);
        if batch.ecn == Ecn::NotEct {
            self.newest_unmarked = self.newest_unmarked.max(Some(number));
        } else {
            self.marked += 1;
            self.newest_marked = self.newest_marked.max(Some(number));
        }
        self.newest_sent_at = self.newest_sent_at.max(Some(batch.sent_at));
        if self.largest.is_none_or(|(largest, _)| number > largest) {
            self.largest = Some((number, batch.sent_at));
        }
    }

    pub(super) fn add_run(&mut self, range: Range<u64>, work: &mut WorkList) {
        match &mut self.run {
            Some(run) if run.end == range.start => run.end = range.end,
            other => {
                if let Some(run) = other.replace(range) {
                    work.acknowledged(run);
                }
            }
        }
    }
}

impl Losses {
    pub(super) fn add(&mut self, number: u64, packet: &SentPacket, sent_at: Instant) {
        if self.packets == 0 {
            self.first = number;
        }
        self.packets += 1;
        self.bytes += u64::from(packet.size);
        self.newest = self.newest.max(Some(sent_at));
    }
}
