//! Decides when a packet is lost (RFC 9002, section 6.1): a later one was acknowledged, and it is
//! either many numbers older or sent long enough ago. How long is long enough adapts to how far
//! packets overtake each other on this path: `reordering.rs`.

use std::time::{Duration, Instant};

use super::reordering::Reordering;
use super::sent_packets::{PacketState, SentBatch, SentPacket, SentPackets};
use crate::proto::limits::TIMER_GRANULARITY;
use crate::proto::rtt::RttEstimator;

/// Numbers a packet may be behind while packets stay in order (RFC 9002, section 6.1.1).
const PACKET_THRESHOLD: u64 = 3;

/// Finds lost packets; looks at each number once, so numbers are found lost in ascending order.
#[derive(Debug)]
pub(super) struct LossDetection {
    reordering: Reordering,
    /// Every number below is acknowledged, lost or skipped.
    scan_from: u64,
    /// None below is in flight any more: settled, or at least overtaken.
    overtaken_from: u64,
    largest_acked: Option<u64>,
    /// When the oldest packet that may be lost will be.
    loss_time: Option<Instant>,
}

impl LossDetection {
    pub(super) fn new() -> Self {
        Self {
            reordering: Reordering::default(),
            scan_from: 0,
            overtaken_from: 0,
            largest_acked: None,
            loss_time: None,
        }
    }

    /// Packets take another path from now on: how far they overtake each other is to be learned anew.
    pub(super) fn begin_path(&mut self) {
        self.reordering = Reordering::default();
    }

    pub(super) fn acknowledged(&mut self, number: u64) {
        self.largest_acked = Some(self.largest_acked.map_or(number, |largest| largest.max(number)));
    }

    /// When to call [`detect`](Self::detect) again although no ACK came.
    pub(super) fn loss_time(&self) -> Option<Instant> {
        self.loss_time
    }

    /// Marks packets as lost and gives each, with its number and its batch, to `on_lost`.
    pub(super) fn detect(
        &mut self,
        now: Instant,
        rtt: &RttEstimator,
        sent: &mut SentPackets,
        mut on_lost: impl FnMut(&SentPacket, u64, &SentBatch),
    ) {
        self.loss_time = None;
        let Some(largest_acked) = self.largest_acked else { return };
        let limit = Limit::in_order(largest_acked, rtt);
        let reorders = !self.reordering.window().is_zero();
        if reorders {
            let from = self.overtaken_from.max(self.scan_from);
            self.overtaken_from = limit
                .pass(now, from, sent, |sent, _, number, _| {
                    sent.settle(number, PacketState::Overtaken);
                })
                .0;
        }
        let limit = if reorders { limit.widened(self.reordering.window()) } else { limit };
        (self.scan_from, self.loss_time) =
            limit.pass(now, self.scan_from, sent, |sent, packet, number, batch| {
                sent.settle(number, PacketState::Lost);
                on_lost(packet, number, batch);
            });
    }

    /// A packet that was declared lost has arrived after all, `age` after it was sent.
    pub(super) fn spurious(&mut self, age: Duration, rtt: &RttEstimator) {
        self.reordering.seen(age, rtt);
    }

    /// A new episode of loss began.
    pub(super) fn episode_began(&mut self) {
        self.reordering.episode_began();
    }

    /// How long a lost packet is to be remembered, should it only have been late.
    pub(super) fn memory(&self) -> Duration {
        self.reordering.window() * 2
    }
}

/// When a packet is too far behind what was acknowledged.
struct Limit {
    largest_acked: u64,
    /// Numbers it may be behind.
    numbers: u64,
    /// Time since it was sent.
    age: Duration,
}

impl Limit {
    /// On a path that keeps packets in order.
    fn in_order(largest_acked: u64, rtt: &RttEstimator) -> Self {
        let round_trip = rtt.smoothed().max(rtt.latest());
        let age = (round_trip + round_trip / 8).max(TIMER_GRANULARITY);
        Self { largest_acked, numbers: PACKET_THRESHOLD, age }
    }

    /// Once packets were seen to overtake each other only their age counts (RFC 8985, section 6.2,
    /// step 4).
    fn widened(self, window: Duration) -> Self {
        Self { numbers: u64::MAX, age: self.age + window, ..self }
    }

    /// Gives every unsettled packet from number `from` on that is beyond the limit to `each`. Gives
    /// the first number that is not, and when it will be.
    fn pass(
        &self,
        now: Instant,
        from: u64,
        sent: &mut SentPackets,
        mut each: impl FnMut(&mut SentPackets, &SentPacket, u64, &SentBatch),
    ) -> (u64, Option<Instant>) {
        let mut number = from.max(sent.least_unsettled());
        while number < self.largest_acked {
            let Some(packet) = sent.get(number).copied() else { break };
            if packet.is_on_its_way()
                && let Some(batch) = sent.batch_of(&packet).copied()
            {
                let too_old = now >= batch.sent_at + self.age;
                let too_far_behind = self.largest_acked - number >= self.numbers;
                if !too_old && !too_far_behind {
                    // Whatever follows is younger and nearer.
                    return (number, Some(batch.sent_at + self.age));
                }
                each(sent, &packet, number, &batch);
            }
            number += 1;
        }
        (number, None)
    }
}
