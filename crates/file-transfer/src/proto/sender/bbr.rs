//! BBRv3 (draft-ietf-ccwg-bbr-06): sends at the rate and with the amount in flight that a model of
//! the path says it bears, instead of until something is lost.
//!
//! The model's parts are in files of their own and know nothing of each other: `rounds.rs`,
//! `bandwidth_filter.rs`, `min_rtt_filter.rs`, `full_bandwidth.rs`, `extra_acked.rs`,
//! `delivery_signals.rs`, `short_term.rs`, `long_term.rs`; `loss_floor.rs`, `probe_outcome.rs` and
//! `queue_sign.rs` are ours and not the draft's. `mode.rs` lists the states. What happens in them:
//! `startup.rs`, `probe_bw.rs`, `probe_rtt.rs`; on loss: `loss_response.rs`; what follows for the
//! sender: `control.rs`. This file holds the order of an ACK's steps.
//!
//! Where we differ from the draft: loss at random may raise the threshold of 2 % (`loss_floor.rs`), does not
//! end Startup while that still brings more and, where it was measured or where others have no queue
//! standing, does not lower the short-term bounds; what is lost with the path itself, in an outage, is no
//! congestion; where others fill the queue we keep less of it (`mode.rs`, `long_term.rs`, `probe_bw.rs`,
//! `short_term.rs` say how much less and why); a round trip as short as the minimum confirms it
//! (`min_rtt_filter.rs`); room for lumps of acknowledgements is part of the window and not on top of it
//! (`control.rs`); a router's mark ends Startup and probes like too much loss, and else lowers what may be in
//! flight by 15 % (the draft leaves this open); recovery is what a round with loss is, as nothing is ever
//! retransmitted under its old number.

use std::time::{Duration, Instant};

use self::bandwidth_delay::bytes_in;
use self::bandwidth_filter::BandwidthFilter;
use self::delivery_signals::DeliverySignals;
use self::extra_acked::ExtraAcked;
use self::full_bandwidth::FullBandwidth;
use self::long_term::LongTermBound;
use self::loss_floor::LossFloor;
use self::loss_response::Undo;
use self::min_rtt_filter::MinRttFilter;
use self::mode::Mode;
use self::probe_bw::Cycle;
use self::probe_outcome::ProbeOutcome;
use self::probe_rtt::RttProbe;
use self::queue_sign::QueueSign;
use self::ratio::Ratio;
use self::rounds::Rounds;
use self::short_term::ShortTermBounds;
use super::congestion::{AckSample, CongestionController, LossSample, LostPacket};
use super::split_mix::SplitMix;

mod bandwidth_delay;
mod bandwidth_filter;
mod control;
mod delivery_signals;
mod extra_acked;
mod full_bandwidth;
mod long_term;
mod loss_floor;
mod loss_response;
mod min_rtt_filter;
mod mode;
mod probe_bw;
mod probe_outcome;
mod probe_rtt;
mod queue_sign;
mod ratio;
mod rounds;
mod short_term;
mod startup;
#[cfg(test)]
mod tests;

/// Window to begin with, in packets (RFC 6928).
const INITIAL_PACKETS: u64 = 10;

/// Silence of so many round trips while something is on its way means that the path was gone: a full
/// queue still delivers. …
const CUT_OFF_RTTS: u32 = 4;
/// … No less than this: a thread that gets no processor is as silent.
const CUT_OFF_MIN: Duration = Duration::from_millis(25);

/// BBRv3 congestion control. Windows and bounds are in bytes, rates in bytes a second; `u64::MAX`
/// is no bound.
#[derive(Debug)]
pub struct Bbr {
    mode: Mode,
    packet: u64,
    window: u64,
    /// 0 before the first ACK.
    pacing_rate: u64,

    rounds: Rounds,
    bandwidth: BandwidthFilter,
    min_rtt: MinRttFilter,
    full_bandwidth: FullBandwidth,
    extra_acked: ExtraAcked,
    signals: DeliverySignals,
    short_term: ShortTermBounds,
    long_term: LongTermBound,
    queue_sign: QueueSign,
    floor: LossFloor,

    /// Loss ended Startup before the bandwidth was known.
    was_startup_cut_short: bool,
    /// Round in which Drain began.
    drain_began: u64,
    cycle: Cycle,
    probe: ProbeOutcome,
    rtt_probe: RttProbe,

    is_in_recovery: bool,
    /// A silence longer than this is none of a path that works; `None` before the first ACK.
    patience: Option<Duration>,
    /// Since when an answer can be expected.
    heard_at: Option<Instant>,
    /// The path was gone for a while; what was lost with it is not settled yet.
    was_cut_off: bool,
    /// The last window that neither loss nor `ProbeRTT` held down.
    good_window: u64,
    undo: Option<Undo>,

    /// There was nothing to send.
    is_idle: bool,
    is_restart_from_idle: bool,
    /// Whether the window was full in this round, and in the one before.
    window_was_full: (bool, bool),

    /// Bytes delivered in all.
    delivered: u64,
    in_flight: u64,
    /// The number the next packet will get.
    next_number: u64,
    path: PathBeginning,
    /// Flows that share a bottleneck must not probe in step.
    random: SplitMix,
}

/// Where the present path began. What was sent before it says nothing about it.
#[derive(Debug, Default)]
struct PathBeginning {
    /// The first number that went over it.
    number: u64,
    /// Bytes delivered in all by then.
    delivered: u64,
}

impl Bbr {
    /// A controller for datagrams of the given size. The seed decides when it probes; flows that
    /// share a path must not have the same.
    #[must_use]
    pub fn new(datagram_bytes: usize, seed: u64) -> Self {
        Self::with_randomness(datagram_bytes as u64, SplitMix::new(seed))
    }

    fn with_randomness(packet: u64, random: SplitMix) -> Self {
        Self {
            mode: Mode::Startup,
            packet,
            window: INITIAL_PACKETS * packet,
            pacing_rate: 0,
            rounds: Rounds::default(),
            bandwidth: BandwidthFilter::default(),
            min_rtt: MinRttFilter::default(),
            full_bandwidth: FullBandwidth::default(),
            extra_acked: ExtraAcked::default(),
            signals: DeliverySignals::default(),
            short_term: ShortTermBounds::NONE,
            long_term: LongTermBound::none(),
            queue_sign: QueueSign::default(),
            floor: LossFloor::default(),
            was_startup_cut_short: false,
            drain_began: 0,
            cycle: Cycle::new(),
            probe: ProbeOutcome::default(),
            rtt_probe: RttProbe::default(),
            is_in_recovery: false,
            patience: None,
            heard_at: None,
            was_cut_off: false,
            good_window: 0,
            undo: None,
            is_idle: false,
            is_restart_from_idle: false,
            window_was_full: (false, false),
            delivered: 0,
            in_flight: 0,
            next_number: 0,
            path: PathBeginning::default(),
            random,
        }
    }

    /// The bandwidth to send at: the most seen, within the short-term bound.
    fn rate(&self) -> u64 {
        self.bandwidth.maximum().min(self.short_term.bandwidth)
    }

    /// What fills the path at `bandwidth`; the initial window before a round trip was measured.
    fn bandwidth_delay(&self, bandwidth: u64) -> u64 {
        match self.min_rtt.minimum() {
            Some(rtt) => bytes_in(bandwidth, rtt),
            None => INITIAL_PACKETS * self.packet,
        }
    }

    /// What should be in flight: what fills the path, unless congestion cut the window.
    fn target_inflight(&self) -> u64 {
        self.bandwidth_delay(self.rate()).min(self.window)
    }

    fn is_window_limited(&self) -> bool {
        self.window_was_full.0 || self.window_was_full.1
    }

    fn is_app_limited(&self, ack: &AckSample) -> bool {
        ack.rate.app_limited || self.rtt_probe.held_back(ack.rate.prior_delivered)
    }

    fn reset_short_term(&mut self) {
        self.short_term = ShortTermBounds::NONE;
    }

    /// Takes the ACK into the parts of the model that only measure.
    fn update_model(&mut self, now: Instant, ack: &AckSample) {
        self.signals.update(&ack.rate);
        self.update_round(ack);
        if let Some(rate) = ack.rate.rate {
            self.bandwidth.update(rate, self.is_app_limited(ack));
            self.probe.delivered(rate);
        }
        self.adapt_short_term(ack);
        self.extra_acked.update(
            now,
            ack.acked_bytes,
            self.rate(),
            self.window,
            self.rounds.count(),
            self.full_bandwidth.was_ever_full(),
        );
        self.update_full_bandwidth(ack);
    }

    fn update_round(&mut self, ack: &AckSample) {
        self.rounds.update(ack.rate.prior_delivered, self.delivered);
        if self.rounds.just_began() {
            self.cycle.round_began();
            self.queue_sign.round_began();
            if self.floor.round_ended(ack.next_number) {
                self.probe_beyond_random_loss();
            }
            self.window_was_full = (false, self.window_was_full.0);
        }
    }

    fn update_full_bandwidth(&mut self, ack: &AckSample) {
        if let Some(rate) = ack.rate.rate
            && self.rounds.just_began()
            && !self.is_app_limited(ack)
        {
            self.full_bandwidth.update(rate);
        }
    }

    /// The end of a recovery gives back the window from before it; the model bounds it afterwards.
    fn update_recovery(&mut self, ack: &AckSample) {
        if self.is_in_recovery && !ack.in_recovery {
            self.is_in_recovery = false;
            self.restore_window();
        }
        self.was_cut_off &= self.is_in_recovery;
    }

    fn has_been_silent(&self, now: Instant) -> bool {
        let silence = self.heard_at.map(|at| now.saturating_duration_since(at));
        silence.zip(self.patience).is_some_and(|(silence, patience)| silence > patience)
    }

    fn restart_from_idle(&mut self, now: Instant) {
        self.is_restart_from_idle = true;
        self.extra_acked.restart(now);
        if self.mode.is_probe_bandwidth() {
            self.pace_with_gain(Ratio::ONE);
        } else if self.mode == Mode::ProbeRtt {
            self.leave_probe_rtt_if_done(now);
        }
    }
}

impl CongestionController for Bbr {
    fn on_sent(&mut self, now: Instant, number: u64, bytes: u64, in_flight: u64) {
        let before = in_flight - bytes;
        if before == 0 {
            // With nothing on its way it was this end that was silent.
            self.heard_at = Some(now);
            if self.is_idle {
                self.restart_from_idle(now);
            }
        }
        self.is_idle = false;
        self.next_number = number + 1;
        self.window_was_full.0 |= in_flight + self.packet > self.window;
        self.floor.sent(number, before);
    }

    fn on_nothing_to_send(&mut self) {
        self.is_idle = true;
    }

    fn on_ack(&mut self, now: Instant, ack: &AckSample) {
        self.delivered = ack.rate.prior_delivered + ack.rate.delivered;
        self.in_flight = ack.in_flight;
        if ack.largest_acked < self.path.number {
            return;
        }
        self.heard_at = Some(now);
        self.patience = Some((ack.smoothed_rtt * CUT_OFF_RTTS).max(CUT_OFF_MIN));
        self.update_recovery(ack);
        self.update_model(now, ack);
        self.check_startup_done(ack);
        self.check_drain_done(now, ack);
        self.update_cycle(now, ack);
        self.min_rtt.update(now, ack.rtt);
        self.queue_sign.update(ack.rtt);
        self.check_probe_rtt(now, ack);
        self.signals.advance(&ack.rate);
        let path = self.bandwidth_delay(self.bandwidth.maximum());
        let is_quiet = self.queue_sign.is_quiet(self.min_rtt.minimum());
        self.floor.set_path(path, is_quiet);
        self.update_pacing_rate(ack);
        self.update_window(ack);
    }

    fn on_packet_lost(&mut self, now: Instant, lost: &LostPacket) {
        if !self.was_cut_off && self.has_been_silent(now) {
            self.was_cut_off = true;
            // What is lost from here on changes nothing that could be taken back.
            self.undo = None;
        }
        // What was lost with the path, or on another one, says nothing about how much this one bears.
        if lost.number >= self.path.number && !self.was_cut_off {
            self.note_lost_packet(now, lost);
        }
    }

    fn on_loss(&mut self, _now: Instant, loss: &LossSample) {
        self.in_flight = loss.in_flight;
        if loss.is_new_episode || loss.is_persistent {
            self.save_window();
            self.is_in_recovery = true;
        }
        if loss.is_persistent || self.was_cut_off {
            self.window = (loss.in_flight + self.packet).max(self.window_min());
        }
    }

    fn on_congestion_mark(&mut self, now: Instant) {
        self.respond_to_mark(now);
    }

    fn on_spurious_loss(&mut self, _now: Instant) {
        self.take_back_loss();
    }

    fn on_path_change(&mut self, _now: Instant) {
        let fresh = Self::with_randomness(self.packet, self.random.clone());
        let before = std::mem::replace(self, fresh);
        self.delivered = before.delivered;
        self.in_flight = before.in_flight;
        self.next_number = before.next_number;
        self.path = PathBeginning { number: before.next_number, delivered: before.delivered };
        self.rounds.restart(self.delivered);
    }

    fn on_datagram_bytes(&mut self, datagram_bytes: usize) {
        self.packet = datagram_bytes as u64;
        self.window = self.window.max(self.window_min());
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self, _smoothed_rtt: Duration) -> Option<u64> {
        (self.pacing_rate > 0).then_some(self.pacing_rate)
    }
}
