//! What follows from loss and from routers' marks, and how it is taken back
//! (draft-ietf-ccwg-bbr, sections 5.5.10 and 5.5.11).

use std::time::Instant;

use super::Bbr;
use super::mode::Mode;
use super::ratio::Ratio;
use super::short_term::{ShortTermBounds, YIELD};
use crate::proto::sender::congestion::{AckSample, LostPacket};

/// A probe that loses too much lowers the bound by no more than CUBIC would.
const BETA: Ratio = Ratio::percent(70);

/// The state before a loss that may turn out to be none. There is none to go back to where a router's
/// mark followed, where nothing was changed, and once it was used.
#[derive(Debug)]
pub(super) struct Undo {
    /// The state that loss ended.
    pub(super) mode: Option<Mode>,
    short_term: ShortTermBounds,
    inflight_long_term: u64,
}

impl Bbr {
    pub(super) fn note_lost_packet(&mut self, now: Instant, lost: &LostPacket) {
        if self.signals.note_loss(lost.number, self.delivered) {
            self.save_state();
        }
        self.floor.lost(lost.number);
        self.probe.lost(lost.number);
        if self.cycle.is_probe_sample
            && self.is_too_high(lost.lost_since_send, lost.in_flight_at_send)
        {
            let inflight = self.inflight_at_loss(lost);
            self.lower_long_term(now, inflight, lost.app_limited);
        }
    }

    /// Whether so much loss while so much was in flight means that it was too much.
    pub(super) fn is_too_high(&self, lost: u64, in_flight: u64) -> bool {
        self.floor.is_too_much(lost, in_flight, self.packet)
    }

    /// How much was in flight when losses crossed the threshold: part of the packet's batch may still
    /// have been harmless.
    fn inflight_at_loss(&self, lost: &LostPacket) -> u64 {
        let threshold = self.floor.threshold();
        let before = lost.in_flight_at_send.saturating_sub(lost.bytes);
        let lost_before = lost.lost_since_send.saturating_sub(lost.bytes);
        let allowed = threshold.of(before).saturating_sub(lost_before);
        // The part p of the packet for which (lost_before + p) / (before + p) is the threshold: the
        // divisor 1 − threshold is near enough to one.
        before + allowed
    }

    /// A probe had too much in flight.
    fn lower_long_term(&mut self, now: Instant, inflight: u64, is_app_limited: bool) {
        self.cycle.was_too_high = true;
        self.cycle.is_probe_sample = false;
        if !is_app_limited {
            self.long_term.set(inflight.max(BETA.of(self.target_inflight())));
        }
        if self.mode == Mode::ProbeUp {
            self.note_ended(Mode::ProbeUp);
            self.start_probe_down(now);
        }
    }

    /// Once a round: loss outside a probe lowers the short-term bounds. So little of it that no probe would
    /// mind does only if a queue of others stands, and not then if loss at random was measured: chance loses
    /// a packet every few rounds on most long paths, and each would cost a share of the bandwidth until
    /// the next probe. (The draft lowers them at any loss.)
    pub(super) fn adapt_short_term(&mut self, ack: &AckSample) {
        if !self.signals.round_just_ended()
            || !self.signals.has_loss()
            || self.mode.is_accelerating()
        {
            return;
        }
        // A queue that stands while we send no faster than the path takes is filled by others.
        let is_queue_of_others =
            self.mode == Mode::ProbeCruise && !self.queue_sign.is_quiet(self.min_rtt.minimum());
        let may_be_random = !is_queue_of_others || !self.floor.floor().is_zero();
        if may_be_random && !self.is_too_high(ack.rate.lost, ack.rate.prior_in_flight) {
            return;
        }
        let kept = if is_queue_of_others { YIELD } else { Ratio::ONE };
        self.short_term.reduce(self.bandwidth.maximum(), self.window, &self.signals, kept);
    }

    /// A router marked packets instead of dropping them.
    pub(super) fn respond_to_mark(&mut self, now: Instant) {
        self.floor.rule_out();
        if self.mode == Mode::Startup {
            self.declare_startup_full();
        } else if self.cycle.is_probe_sample {
            self.lower_long_term(now, self.in_flight, false);
        } else {
            self.short_term.reduce_for_mark(self.window.min(self.in_flight));
        }
        // A mark is never taken back.
        self.undo = None;
    }

    fn save_state(&mut self) {
        self.save_window();
        self.undo = Some(Undo {
            mode: None,
            short_term: self.short_term,
            inflight_long_term: self.long_term.inflight(),
        });
    }

    /// Loss ended a state.
    pub(super) fn note_ended(&mut self, mode: Mode) {
        if let Some(undo) = &mut self.undo {
            undo.mode = Some(mode);
        }
    }

    /// What was found lost since the last congestion event has arrived after all.
    pub(super) fn take_back_loss(&mut self) {
        self.restore_window();
        self.signals.forget_loss();
        self.floor.discard_sample();
        let Some(undo) = self.undo.take() else { return };
        self.full_bandwidth.restart(0);
        self.short_term.raise_to(undo.short_term);
        self.long_term.raise_to(undo.inflight_long_term);
        let undone = undo.mode.filter(|mode| *mode != self.mode);
        if undone == Some(Mode::Startup) {
            self.full_bandwidth.take_back();
        }
        match undone {
            Some(_) if self.mode == Mode::ProbeRtt => {}
            Some(Mode::Startup) => self.mode = Mode::Startup,
            Some(_) => self.start_probe_refill(),
            None => {}
        }
    }
}
