//! CUBIC (RFC 9438) with HyStart++ (RFC 9406).

use std::time::{Duration, Instant};

use super::congestion::{AckSample, CongestionController, LossSample};
use super::hystart::{CONSERVATIVE_DIVISOR, Growth, HyStart};

/// Window to begin with, in packets (RFC 6928).
const INITIAL_PACKETS: u64 = 10;
/// The window never falls below (RFC 9002, section 7.2).
const MINIMUM_PACKETS: u64 = 2;
/// How steep the cubic is (RFC 9438, section 5).
const C: f64 = 0.4;
/// What is left of the window after a congestion event (RFC 9438, section 4.6).
const BETA: f64 = 0.7;
/// Growth of the Reno-friendly window below the last maximum (RFC 9438, section 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// CUBIC congestion control. Windows are in bytes; the cubic itself counts packets and seconds.
#[derive(Debug)]
pub struct Cubic {
    state: State,
    /// The state before the last congestion event, should that turn out to have been none.
    before: Option<State>,
    packet: u64,
    has_rtt: bool,
}

#[derive(Clone, Debug)]
struct State {
    window: u64,
    slow_start_threshold: u64,
    hystart: HyStart,
    /// Window before the last reduction, in packets.
    window_max: f64,
    epoch: Option<Epoch>,
}

/// One stretch of congestion avoidance.
#[derive(Clone, Debug)]
struct Epoch {
    began: Instant,
    /// Seconds until the cubic is back at `window_max`.
    k: f64,
    /// What Reno would have by now, in packets.
    reno: f64,
    /// Fractions of a byte that growth has earned.
    credit: f64,
}

impl Cubic {
    /// A controller for datagrams of the given size.
    #[must_use]
    pub fn new(datagram_bytes: usize) -> Self {
        let packet = datagram_bytes as u64;
        Self {
            state: State {
                window: INITIAL_PACKETS * packet,
                slow_start_threshold: u64::MAX,
                hystart: HyStart::new(),
                window_max: 0.0,
                epoch: None,
            },
            before: None,
            packet,
            has_rtt: false,
        }
    }

    fn is_in_slow_start(&self) -> bool {
        self.state.window < self.state.slow_start_threshold
    }

    fn grow_in_slow_start(&mut self, ack: &AckSample) {
        if self.state.slow_start_threshold < u64::MAX {
            // After persistent congestion: how much the path may take is known, and the slower start
            // is for when it is not (RFC 9406, section 4.3).
            let grown = self.state.window + ack.acked_bytes;
            self.state.window = grown.min(self.state.slow_start_threshold);
            return;
        }
        let growth = self.state.hystart.on_ack(ack.largest_acked, ack.next_number, ack.rtt);
        match growth {
            Growth::SlowStart => self.state.window += ack.acked_bytes,
            Growth::Conservative => self.state.window += ack.acked_bytes / CONSERVATIVE_DIVISOR,
            Growth::Ended => self.state.slow_start_threshold = self.state.window,
        }
    }

    /// Congestion avoidance (RFC 9438, sections 4.2 to 4.5).
    fn grow_by_cubic(&mut self, now: Instant, ack: &AckSample) {
        let packet = self.packet as f64;
        let window = self.state.window as f64 / packet;
        let window_max = self.state.window_max.max(window);
        let epoch = self.state.epoch.get_or_insert_with(|| Epoch {
            began: now,
            k: ((window_max - window) / C).cbrt(),
            reno: window,
            credit: 0.0,
        });
        let acked = ack.acked_bytes as f64 / packet;
        let alpha = if epoch.reno < window_max { ALPHA } else { 1.0 };
        epoch.reno += alpha * acked / window;

        let t = (now.saturating_duration_since(epoch.began) + ack.smoothed_rtt).as_secs_f64();
        let cubic = C * (t - epoch.k).powi(3) + window_max;
        let target = cubic.clamp(window, window * 1.5).max(epoch.reno);
        epoch.credit += (target - window) / window * acked * packet;
        let whole = epoch.credit.floor();
        epoch.credit -= whole;
        self.state.window += bytes_of(whole);
    }

    fn reduce(&mut self) {
        self.before = Some(self.state.clone());
        let window = self.state.window as f64 / self.packet as f64;
        // Fast convergence: a shrinking maximum makes room for newcomers (section 4.7).
        let shrinks = window < self.state.window_max;
        self.state.window_max = if shrinks { window * (1.0 + BETA) / 2.0 } else { window };
        self.state.window = bytes_of(self.state.window as f64 * BETA).max(self.minimum());
        self.state.slow_start_threshold = self.state.window;
        self.state.epoch = None;
    }

    fn minimum(&self) -> u64 {
        MINIMUM_PACKETS * self.packet
    }
}

impl CongestionController for Cubic {
    fn on_ack(&mut self, now: Instant, ack: &AckSample) {
        self.has_rtt |= ack.rtt.is_some();
        // A window that was not used must not grow (RFC 9438, section 5.8): at least half of it was.
        let was_used = ack.prior_in_flight * 2 >= self.state.window
            || ack.prior_in_flight + 3 * self.packet >= self.state.window;
        if ack.in_recovery || !was_used {
            return;
        }
        if self.is_in_slow_start() {
            self.grow_in_slow_start(ack);
        } else {
            self.grow_by_cubic(now, ack);
        }
    }

    fn on_loss(&mut self, _now: Instant, loss: &LossSample) {
        if loss.is_new_episode {
            self.reduce();
        }
        if loss.is_persistent {
            self.state.window = self.minimum();
            self.state.epoch = None;
        }
    }

    fn on_congestion_mark(&mut self, _now: Instant) {
        self.reduce();
        // A mark is never taken back.
        self.before = None;
    }

    fn on_spurious_loss(&mut self, _now: Instant) {
        if let Some(before) = self.before.take()
            && before.window > self.state.window
        {
            self.state = before;
            self.state.epoch = None;
        }
    }

    fn on_path_change(&mut self, _now: Instant) {
        *self = Self::new(usize::try_from(self.packet).unwrap_or(usize::MAX));
    }

    fn on_datagram_bytes(&mut self, datagram_bytes: usize) {
        self.packet = datagram_bytes as u64;
        self.state.window = self.state.window.max(self.minimum());
    }

    fn window(&self) -> u64 {
        self.state.window
    }

    fn pacing_rate(&self, smoothed_rtt: Duration) -> Option<u64> {
        // Twice the window a round trip in slow start, so that pacing never slows the doubling;
        // afterwards a quarter more, so that the window stays the limit (RFC 9002, section 7.7).
        let (times, by) = if self.is_in_slow_start() { (2, 1) } else { (5, 4) };
        let nanos = smoothed_rtt.as_nanos().max(1);
        let rate = u128::from(self.state.window) * 1_000_000_000 * times / by / nanos;
        self.has_rtt.then(|| u64::try_from(rate).unwrap_or(u64::MAX / 4))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, as wanted")]
fn bytes_of(value: f64) -> u64 {
    value as u64
}
