//! Startup and Drain (draft-ietf-ccwg-bbr, sections 5.3.1 and 5.3.2).

use std::time::Instant;

use super::Bbr;
use super::mode::Mode;
use crate::proto::sender::congestion::AckSample;

/// Separate ranges that must be lost in a round before loss ends Startup: fewer may be one burst.
const LOST_RANGES_MIN: u32 = 6;
/// Drain ends after so many rounds even if the queue is not empty: the bandwidth was overestimated.
const DRAIN_ROUNDS_MAX: u64 = 3;

impl Bbr {
    pub(super) fn check_startup_done(&mut self, ack: &AckSample) {
        if self.mode != Mode::Startup {
            return;
        }
        let may_judge =
            self.signals.round_just_ended() && self.signals.lost_ranges() >= LOST_RANGES_MIN;
        if may_judge && self.startup_loses_too_much(ack) {
            self.note_ended(Mode::Startup);
            self.was_startup_cut_short = !self.bandwidth_is_known();
            self.declare_startup_full();
        }
        if self.full_bandwidth.was_ever_full() {
            self.mode = Mode::Drain;
            self.drain_began = self.rounds.count();
        }
    }

    /// While faster sending still brings more, loss that may be random does not end Startup: it could
    /// not be told from congestion before the path's bandwidth is known.
    fn startup_loses_too_much(&self, ack: &AckSample) -> bool {
        let (lost, in_flight) = (ack.rate.lost, ack.rate.prior_in_flight);
        if self.full_bandwidth.is_growing() {
            self.floor.is_beyond_randomness(lost, in_flight, self.packet)
        } else {
            self.is_too_high(lost, in_flight)
        }
    }

    /// Whether the path already delivered all it can: rounds that bring no more say so, or a
    /// queue.
    fn bandwidth_is_known(&self) -> bool {
        self.queue_sign.has_waited(self.min_rtt.minimum()) || self.full_bandwidth.has_levelled_off()
    }

    /// The network says that the pipe is full: what it delivered last is safe to have in flight.
    pub(super) fn declare_startup_full(&mut self) {
        self.full_bandwidth.declare_full();
        let safe = self.bandwidth_delay(self.rate()).max(self.signals.inflight());
        self.long_term.set(safe);
    }

    /// What ended Startup was no congestion.
    pub(super) fn return_to_startup(&mut self) {
        self.full_bandwidth.take_back();
        self.full_bandwidth.restart(0);
        self.reset_short_term();
        self.cycle.is_probe_sample = false;
        self.mode = Mode::Startup;
    }

    pub(super) fn check_drain_done(&mut self, now: Instant, ack: &AckSample) {
        if self.mode != Mode::Drain {
            return;
        }
        let is_drained = ack.in_flight <= self.quantised(self.bandwidth_delay(self.rate()));
        if is_drained || self.rounds.count() > self.drain_began + DRAIN_ROUNDS_MAX {
            self.start_probe_down(now);
        }
    }
}
