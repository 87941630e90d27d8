//! Decides when a packet is lost (RFC 9002, section 6.1): a later one was acknowledged, and it is
//! either many numbers older or sent long enough ago. Reordering that was mistaken for loss widens
//! both limits for a while (after RFC 8985).

use std::time::{Duration, Instant};

use super::sent_packets::{PacketState, SentBatch, SentPacket, SentPackets};
use crate::proto::limits::TIMER_GRANULARITY;
use crate::proto::rtt::RttEstimator;

/// Numbers a packet may be behind (RFC 9002, section 6.1.1).
const PACKET_THRESHOLD: u64 = 3;
/// The most that reordering may raise it to.
const PACKET_THRESHOLD_MAX: u64 = 1 << 14;
/// Steps of a quarter of the minimum RTT that are added to the time threshold.
const REORDER_STEPS_MAX: u32 = 8;
/// A widened window stays for so many episodes of loss without a spurious one (RFC 8985: 16).
const REORDER_PERSISTENCE: u32 = 16;

/// Finds lost packets; looks at each number once.
#[derive(Debug)]
pub(super) struct LossDetection {
    packet_threshold: u64,
    reorder_steps: u32,
    /// Episodes until the window is narrowed again.
    persistence: u32,
    /// Every number below is acknowledged, lost or skipped.
    scan_from: u64,
    largest_acked: Option<u64>,
    /// When the oldest packet that may be lost will be.
    loss_time: Option<Instant>,
}

impl LossDetection {
    pub(super) fn new() -> Self {
        Self {
            packet_threshold: PACKET_THRESHOLD,
            reorder_steps: 0,
            persistence: 0,
            scan_from: 0,
            largest_acked: None,
            loss_time: None,
        }
    }

    pub(super) fn acknowledged(&mut self, number: u64) {
        self.largest_acked = Some(self.largest_acked.map_or(number, |largest| largest.max(number)));
    }

    pub(super) fn largest_acked(&self) -> Option<u64> {
        self.largest_acked
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
        let delay = self.delay(rtt);
        let mut number = self.scan_from.max(sent.least_unsettled());
        while number < largest_acked {
            let Some(packet) = sent.get(number).copied() else { break };
            if packet.state == PacketState::InFlight
                && let Some(batch) = sent.batch_of(&packet).copied()
            {
                let too_old = now >= batch.sent_at + delay;
                let too_far_behind = largest_acked - number >= self.packet_threshold;
                if !too_old && !too_far_behind {
                    // Whatever follows is younger and nearer.
                    self.loss_time = Some(batch.sent_at + delay);
                    break;
                }
                sent.settle(number, PacketState::Lost);
                on_lost(&packet, number, &batch);
            }
            number += 1;
        }
        self.scan_from = number;
    }

    /// A packet that was declared lost has arrived, `distance` numbers behind the largest.
    pub(super) fn spurious(&mut self, distance: u64) {
        self.packet_threshold = self.packet_threshold.max((distance + 1).min(PACKET_THRESHOLD_MAX));
        self.reorder_steps = (self.reorder_steps + 1).min(REORDER_STEPS_MAX);
        self.persistence = REORDER_PERSISTENCE;
    }

    /// A new episode of loss began.
    pub(super) fn episode_began(&mut self) {
        self.persistence = self.persistence.saturating_sub(1);
        if self.persistence == 0 {
            self.packet_threshold = PACKET_THRESHOLD;
            self.reorder_steps = 0;
        }
    }

    /// Age at which a packet is lost once a later one was acknowledged.
    fn delay(&self, rtt: &RttEstimator) -> Duration {
        let round_trip = rtt.smoothed().max(rtt.latest());
        let window = rtt.minimum() / 4 * self.reorder_steps;
        (round_trip + (round_trip / 8).max(window.min(rtt.smoothed()))).max(TIMER_GRANULARITY)
    }
}
