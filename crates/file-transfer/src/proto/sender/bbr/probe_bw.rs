//! The cycle of `ProbeBW`: DOWN, CRUISE, REFILL, UP (draft-ietf-ccwg-bbr, section 5.3.3).

use std::time::{Duration, Instant};

use super::Bbr;
use super::long_term::LongTermBound;
use super::mode::Mode;
use super::ratio::Ratio;
use crate::proto::sender::congestion::AckSample;
use crate::proto::sender::split_mix::SplitMix;

/// A probe is due after this (the draft: 2 s) and a random part of a second: a CUBIC flow that shares the
/// queue gets longer to grow back …
const WAIT_MIN: Duration = Duration::from_secs(3);
const WAIT_SPREAD_US: u64 = 1_000_000;
/// … or after as many rounds as Reno would need to grow by the window, but at most so many (the draft:
/// 63, which at 40 ms is shorter than the wait).
const RENO_ROUNDS_MAX: u64 = 100;
/// Loss at random having been told from congestion, a probe may go this far before it counts again.
const BEYOND_RANDOM_LOSS: Ratio = Ratio::percent(125);

/// Which packets the ACKs that come in now are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AckPhase {
    /// Packets of no probe.
    Init,
    /// … of the round that fills the pipe.
    Refilling,
    /// Still … of that round; the probe has begun.
    ProbeStarting,
    /// … of the probe.
    ProbeFeedback,
    /// Still … of the probe, which has ended.
    ProbeStopping,
}

/// Where in the cycle the flow is.
#[derive(Debug)]
pub(super) struct Cycle {
    began: Option<Instant>,
    wait: Duration,
    rounds_since_probe: u64,
    acks: AckPhase,
    /// Losses are still the answer to a probe, and were not responded to.
    pub(super) is_probe_sample: bool,
    /// The last probe lost too much …
    pub(super) was_too_high: bool,
    /// … and the one after it stopped early for that reason.
    was_precautionary: bool,
    /// The probe ends after a round. While others have a queue standing, each second probe does whose
    /// forerunner made that queue overflow: kernel CUBIC takes 4 to 6 s to grow back, and would lose more
    /// to whole probes every 3 to 4 s than we gain.
    is_gentle: bool,
}

impl Cycle {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            wait: Duration::ZERO,
            rounds_since_probe: 0,
            acks: AckPhase::Init,
            is_probe_sample: false,
            was_too_high: false,
            was_precautionary: false,
            is_gentle: false,
        }
    }

    pub(super) fn round_began(&mut self) {
        self.rounds_since_probe += 1;
    }

    /// Whatever probe there was, it has ended.
    pub(super) fn stop_probing(&mut self) {
        self.acks = AckPhase::ProbeStopping;
    }

    fn restart(&mut self, now: Instant, random: &mut SplitMix) {
        self.began = Some(now);
        self.rounds_since_probe = random.below(2);
        self.wait = WAIT_MIN + Duration::from_micros(random.below(WAIT_SPREAD_US));
        self.stop_probing();
    }
}

impl Bbr {
    pub(super) fn start_probe_down(&mut self, now: Instant) {
        self.signals.reset();
        self.long_term.stop_growing();
        self.cycle.restart(now, &mut self.random);
        self.probe.end_sending(self.next_number);
        self.rounds.restart(self.delivered);
        self.mode = Mode::ProbeDown;
    }

    pub(super) fn start_probe_cruise(&mut self) {
        self.mode = Mode::ProbeCruise;
    }

    pub(super) fn start_probe_refill(&mut self) {
        self.reset_short_term();
        self.long_term.prepare_growth();
        self.cycle.was_precautionary = false;
        self.cycle.acks = AckPhase::Refilling;
        self.rounds.restart(self.delivered);
        self.mode = Mode::ProbeRefill;
    }

    fn start_probe_up(&mut self, ack: &AckSample) {
        self.cycle.is_probe_sample = true;
        let is_alone = self.queue_sign.is_quiet(self.min_rtt.minimum());
        self.cycle.is_gentle = !is_alone && self.cycle.was_too_high && !self.cycle.is_gentle;
        self.cycle.acks = AckPhase::ProbeStarting;
        self.rounds.restart(self.delivered);
        self.full_bandwidth.restart(ack.rate.rate.unwrap_or(0));
        self.probe.begin(ack.next_number, self.bandwidth.maximum());
        self.mode = Mode::ProbeUp;
        self.long_term.speed_up(self.window, self.packet);
    }

    /// Loss at random has been measured: a bound that it had imposed was no bound, and what the path
    /// bears is to be found out at once.
    pub(super) fn probe_beyond_random_loss(&mut self) {
        if self.was_startup_cut_short {
            self.long_term = LongTermBound::none();
        } else {
            let path = self.bandwidth_delay(self.bandwidth.maximum());
            self.long_term.raise_to(BEYOND_RANDOM_LOSS.of(path));
        }
        self.cycle.was_too_high = false;
        if std::mem::take(&mut self.was_startup_cut_short) && self.mode != Mode::ProbeRtt {
            self.return_to_startup();
        } else if matches!(self.mode, Mode::ProbeDown | Mode::ProbeCruise) {
            self.start_probe_refill();
        }
    }

    /// Goes on in the cycle if it is time to.
    pub(super) fn update_cycle(&mut self, now: Instant, ack: &AckSample) {
        if !self.full_bandwidth.was_ever_full() || self.adapt_long_term(ack) {
            return;
        }
        let mode = self.mode;
        match mode {
            Mode::ProbeDown if self.is_time_to_probe(now) => self.start_probe_refill(),
            Mode::ProbeDown if self.is_time_to_cruise(ack) => self.start_probe_cruise(),
            Mode::ProbeCruise if self.is_time_to_probe(now) => self.start_probe_refill(),
            Mode::ProbeRefill if self.rounds.just_began() => self.start_probe_up(ack),
            Mode::ProbeUp if self.is_time_to_go_down(ack) => {
                self.cycle.was_too_high = false;
                self.start_probe_down(now);
            }
            Mode::Startup
            | Mode::Drain
            | Mode::ProbeDown
            | Mode::ProbeCruise
            | Mode::ProbeRefill
            | Mode::ProbeUp
            | Mode::ProbeRtt => {}
        }
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        let has_waited = self.cycle.began.is_none_or(|began| now > began + self.cycle.wait);
        let reno_rounds = (self.target_inflight() / self.packet).min(RENO_ROUNDS_MAX);
        has_waited || self.cycle.rounds_since_probe >= reno_rounds
    }

    fn is_time_to_cruise(&self, ack: &AckSample) -> bool {
        let headroom = self.long_term.with_headroom(self.packet).max(self.window_min());
        ack.in_flight <= headroom
            && ack.in_flight <= self.quantised(self.bandwidth_delay(self.bandwidth.maximum()))
    }

    fn is_time_to_go_down(&mut self, ack: &AckSample) -> bool {
        // The last probe was too much: reaching its level is enough to know for now.
        if self.cycle.was_too_high && ack.in_flight >= self.long_term.inflight() {
            self.cycle.was_precautionary = true;
            return true;
        }
        if self.cycle.is_gentle && !self.full_bandwidth.is_growing() {
            return true;
        }
        if self.is_window_limited() && self.window >= self.long_term.inflight() {
            // Held back by the bound, the flow cannot have found out the bandwidth.
            self.full_bandwidth.restart(ack.rate.rate.unwrap_or(0));
            return false;
        }
        self.full_bandwidth.is_full()
    }

    /// Learns from the ACKs of a probe how much in flight the path bears; says whether that decided
    /// the next state.
    fn adapt_long_term(&mut self, ack: &AckSample) -> bool {
        if self.rounds.just_began() {
            match self.cycle.acks {
                AckPhase::ProbeStarting => self.cycle.acks = AckPhase::ProbeFeedback,
                AckPhase::ProbeStopping => {
                    if self.end_probe(ack) {
                        return true;
                    }
                }
                AckPhase::Init | AckPhase::Refilling | AckPhase::ProbeFeedback => {}
            }
        }
        let was_too_high = self.is_too_high(ack.rate.lost, ack.rate.prior_in_flight);
        if was_too_high || self.long_term.inflight() == u64::MAX {
            return false;
        }
        self.long_term.raise_to(ack.rate.prior_in_flight);
        if self.mode == Mode::ProbeUp {
            self.grow_long_term(ack);
        }
        false
    }

    /// The ACKs of a probe are all in. Says whether the next probe begins at once: one that stopped
    /// early for caution and did no harm is followed by a whole one.
    fn end_probe(&mut self, ack: &AckSample) -> bool {
        self.cycle.is_probe_sample = false;
        self.cycle.acks = AckPhase::Init;
        if self.probe.finish(self.floor.mean()) {
            self.floor.give_up();
        }
        if !self.mode.is_probe_bandwidth() {
            return false;
        }
        if !self.is_app_limited(ack) {
            self.bandwidth.advance();
        }
        let goes_on = self.cycle.was_precautionary && !self.cycle.was_too_high;
        if goes_on {
            self.start_probe_refill();
        }
        goes_on
    }

    fn grow_long_term(&mut self, ack: &AckSample) {
        if !self.is_window_limited() || self.window < self.long_term.inflight() {
            return;
        }
        self.long_term.grow(ack.acked_bytes, self.packet);
        if self.rounds.just_began() {
            self.long_term.speed_up(self.window, self.packet);
        }
    }
}
