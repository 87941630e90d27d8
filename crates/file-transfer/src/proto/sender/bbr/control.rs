//! From the model to what the sender obeys: pacing rate and window
//! (draft-ietf-ccwg-bbr, section 5.6).

use std::time::Duration;

use super::bandwidth_delay::{bytes_in, rate_of};
use super::mode::Mode;
use super::ratio::Ratio;
use super::{Bbr, INITIAL_PACKETS};
use crate::proto::sender::congestion::AckSample;

/// Paced a little below the bandwidth, so that queues run empty over time.
const PACING_MARGIN: Ratio = Ratio::percent(99);
/// The window never falls below this many packets, so that ACKs keep coming.
const WINDOW_PACKETS_MIN: u64 = 4;
/// Bytes that go out together: as much as a millisecond brings, …
const QUANTUM_TIME: Duration = Duration::from_millis(1);
/// … at least this many packets, …
const QUANTUM_PACKETS_MIN: u64 = 2;
/// … at most what one segmented send carries.
const QUANTUM_BYTES_MAX: u64 = 65_536;
/// One on its way, one being made and one being taken apart: with fewer, the ends wait for each other.
const BATCHES_IN_FLIGHT: u64 = 3;
/// What acknowledgements that come in lumps are worth on top of the path. (The draft adds them once to the
/// whole window, which has room for small ones anyway: beside CUBIC that is a larger share.)
const LUMPS_GAIN: Ratio = Ratio::percent(200);
/// A probe may have this many packets more, so that a tiny window can grow.
const PROBE_PACKETS_EXTRA: u64 = 2;

impl Bbr {
    pub(super) fn update_pacing_rate(&mut self, ack: &AckSample) {
        if self.pacing_rate == 0 {
            let nominal = rate_of(INITIAL_PACKETS * self.packet, ack.smoothed_rtt);
            self.pacing_rate = self.mode.pacing_gain().of(nominal);
        }
        self.pace_with_gain(self.mode.pacing_gain());
    }

    /// Until the pipe was full the rate never falls: samples may only show what little was sent.
    pub(super) fn pace_with_gain(&mut self, gain: Ratio) {
        let rate = PACING_MARGIN.of(gain.of(self.rate()));
        if self.full_bandwidth.was_ever_full() || rate > self.pacing_rate {
            self.pacing_rate = rate.max(1);
        }
    }

    pub(super) fn update_window(&mut self, ack: &AckSample) {
        let most = self.max_inflight();
        let is_beginning = self.delivered < self.path.delivered + INITIAL_PACKETS * self.packet;
        if self.full_bandwidth.was_ever_full() {
            self.window = (self.window + ack.acked_bytes).min(most);
        } else if self.window < most || is_beginning {
            self.window += ack.acked_bytes;
        }
        self.window = self.window.min(self.window_cap()).max(self.window_min());
    }

    /// The most that the model allows in flight, congestion apart.
    fn max_inflight(&self) -> u64 {
        let path = self.bandwidth_delay(self.rate());
        let enough = self.mode.window_gain().of(path);
        let for_lumps = path.saturating_add(LUMPS_GAIN.of(self.extra_acked.maximum()));
        self.quantised(enough.max(for_lumps))
    }

    /// The bounds that congestion has set, as far as they apply in this state.
    fn window_cap(&self) -> u64 {
        let long_term = match self.mode {
            Mode::Startup | Mode::Drain => u64::MAX,
            Mode::ProbeDown | Mode::ProbeRefill | Mode::ProbeUp => self.long_term.inflight(),
            Mode::ProbeCruise => self.long_term.with_headroom(self.packet),
            Mode::ProbeRtt => {
                self.long_term.with_headroom(self.packet).min(self.probe_rtt_window())
            }
        };
        long_term.min(self.short_term.inflight).min(self.measuring_cap())
    }

    /// While it is unknown whether loss is random, what is in flight stays where that can be measured.
    fn measuring_cap(&self) -> u64 {
        let is_unexplained = self.short_term.inflight != u64::MAX && !self.floor.is_settled();
        let is_steady = matches!(self.mode, Mode::ProbeDown | Mode::ProbeCruise);
        if is_unexplained && is_steady { self.floor.flight_max() } else { u64::MAX }
    }

    /// What may be in flight while the round trip is probed.
    pub(super) fn probe_rtt_window(&self) -> u64 {
        let gain = Mode::ProbeRtt.window_gain();
        gain.of(self.bandwidth_delay(self.rate())).max(self.window_min())
    }

    /// At least what batching on both ends needs to keep going.
    pub(super) fn quantised(&self, inflight: u64) -> u64 {
        let extra = if self.mode == Mode::ProbeUp { PROBE_PACKETS_EXTRA * self.packet } else { 0 };
        let enough = BATCHES_IN_FLIGHT * self.quantum();
        inflight.max(enough).max(self.window_min()).saturating_add(extra)
    }

    fn quantum(&self) -> u64 {
        let wanted = bytes_in(self.pacing_rate, QUANTUM_TIME).min(QUANTUM_BYTES_MAX);
        wanted.max(QUANTUM_PACKETS_MIN * self.packet)
    }

    pub(super) fn window_min(&self) -> u64 {
        WINDOW_PACKETS_MIN * self.packet
    }

    /// Remembers the window before something that modulates it.
    pub(super) fn save_window(&mut self) {
        let is_modulated = self.is_in_recovery || self.mode == Mode::ProbeRtt;
        let kept = if is_modulated { self.good_window } else { 0 };
        self.good_window = kept.max(self.window);
    }

    pub(super) fn restore_window(&mut self) {
        self.window = self.window.max(self.good_window);
    }
}
