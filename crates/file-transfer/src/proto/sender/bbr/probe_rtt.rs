//! `ProbeRTT`: little in flight for a moment, so that the path's round trip shows without a queue
//! (draft-ietf-ccwg-bbr, section 5.3.4).

use std::time::{Duration, Instant};

use super::Bbr;
use super::mode::Mode;
use crate::proto::sender::congestion::AckSample;

/// How long little stays in flight: long enough that flows with other round trips take part.
const DURATION: Duration = Duration::from_millis(200);

/// The state of one `ProbeRTT`.
#[derive(Debug, Default)]
pub(super) struct RttProbe {
    /// When it ends at the earliest; `None` until little is in flight.
    done_at: Option<Instant>,
    round_is_done: bool,
    /// Packets sent with a total delivered in this range were held back on purpose.
    quiet_from: u64,
    quiet_until: u64,
}

impl RttProbe {
    /// Whether a packet sent when so much was delivered was held back.
    pub(super) fn held_back(&self, prior_delivered: u64) -> bool {
        (self.quiet_from..self.quiet_until).contains(&prior_delivered)
    }
}

impl Bbr {
    pub(super) fn check_probe_rtt(&mut self, now: Instant, ack: &AckSample) {
        let is_due = self.min_rtt.is_probe_due() && !self.is_restart_from_idle;
        if self.mode != Mode::ProbeRtt && is_due {
            self.enter_probe_rtt();
        }
        if self.mode == Mode::ProbeRtt {
            self.go_on_with_probe_rtt(now, ack);
        }
        self.is_restart_from_idle = false;
    }

    fn enter_probe_rtt(&mut self) {
        self.save_window();
        self.mode = Mode::ProbeRtt;
        self.rtt_probe = RttProbe {
            quiet_from: self.delivered,
            quiet_until: self.delivered,
            ..RttProbe::default()
        };
        self.probe.end_sending(self.next_number);
        self.cycle.stop_probing();
        self.rounds.restart(self.delivered);
    }

    fn go_on_with_probe_rtt(&mut self, now: Instant, ack: &AckSample) {
        self.rtt_probe.quiet_until = self.delivered + ack.in_flight;
        if self.rtt_probe.done_at.is_none() {
            if ack.in_flight <= self.probe_rtt_window() {
                self.rtt_probe.done_at = Some(now + DURATION);
                self.rounds.restart(self.delivered);
            }
            return;
        }
        self.rtt_probe.round_is_done |= self.rounds.just_began();
        if self.rtt_probe.round_is_done {
            self.leave_probe_rtt_if_done(now);
        }
    }

    pub(super) fn leave_probe_rtt_if_done(&mut self, now: Instant) {
        if self.rtt_probe.done_at.is_none_or(|at| now <= at) {
            return;
        }
        self.min_rtt.probed(now);
        self.restore_window();
        self.reset_short_term();
        if self.full_bandwidth.was_ever_full() {
            // Little is in flight: nothing is left to be drained.
            self.start_probe_down(now);
            self.start_probe_cruise();
        } else {
            self.mode = Mode::Startup;
        }
    }
}
