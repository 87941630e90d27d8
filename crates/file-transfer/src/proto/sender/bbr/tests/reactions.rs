//! What BBR makes of loss, silence and marks, told by hand packet by packet.

use std::time::{Duration, Instant};

use super::super::Bbr;
use super::super::mode::Mode;
use super::super::short_term::ShortTermBounds;
use crate::proto::sender::congestion::{AckSample, CongestionController, LossSample, LostPacket};
use crate::proto::sender::delivery_rate::RateSample;

const PACKET: u64 = 1200;
const MS: Duration = Duration::from_millis(1);

/// A controller, and what is on the way.
struct Path {
    bbr: Bbr,
    now: Instant,
    rtt: Duration,
    /// The number sent next.
    next: u64,
    /// The number that arrives or is lost next.
    oldest: u64,
    delivered: u64,
}

impl Path {
    fn new(rtt: Duration) -> Self {
        let bbr = Bbr::new(usize::try_from(PACKET).unwrap(), 1);
        Self { bbr, now: Instant::now(), rtt, next: 0, oldest: 0, delivered: 0 }
    }

    fn in_flight(&self) -> u64 {
        (self.next - self.oldest) * PACKET
    }

    fn send(&mut self, packets: u64) {
        for _ in 0..packets {
            self.next += 1;
            self.bbr.on_sent(self.now, self.next - 1, PACKET, self.in_flight());
        }
    }

    /// Acknowledges the oldest.
    fn acknowledge(&mut self, packets: u64) {
        let prior_in_flight = self.in_flight();
        let prior_delivered = self.delivered;
        self.oldest += packets;
        self.delivered += packets * PACKET;
        let rate = RateSample {
            delivered: packets * PACKET,
            interval: self.rtt,
            rate: Some(1_000_000),
            prior_delivered,
            prior_in_flight,
            ..RateSample::default()
        };
        self.bbr.on_ack(
            self.now,
            &AckSample {
                acked_bytes: packets * PACKET,
                prior_in_flight,
                in_flight: self.in_flight(),
                largest_acked: self.oldest - 1,
                next_number: self.next,
                rtt: Some(self.rtt),
                smoothed_rtt: self.rtt,
                min_rtt: self.rtt,
                in_recovery: false,
                rate,
            },
        );
    }

    /// Loses the oldest.
    fn lose(&mut self, packets: u64) {
        for nth in 1..=packets {
            let lost = LostPacket {
                number: self.oldest,
                bytes: PACKET,
                in_flight_at_send: self.in_flight(),
                lost_since_send: nth * PACKET,
                app_limited: false,
            };
            self.oldest += 1;
            self.bbr.on_packet_lost(self.now, &lost);
        }
        self.bbr.on_loss(
            self.now,
            &LossSample {
                lost_bytes: packets * PACKET,
                in_flight: self.in_flight(),
                is_new_episode: true,
                is_persistent: false,
            },
        );
    }

    /// Rounds of ten packets that all arrive.
    fn exchange(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.send(10);
            self.now += self.rtt;
            self.acknowledge(10);
        }
    }

    fn short_term_bound(&self) -> u64 {
        self.bbr.short_term.inflight
    }
}

/// Sends after a pause of its own and loses some of it a round trip later; says whether that counts.
#[track_caller]
fn check_loss_after_pause(rtt: Duration, pause: Duration) {
    let mut path = Path::new(rtt);
    path.exchange(20);
    path.now += pause;
    path.send(20);
    path.now += rtt;
    path.lose(10);
    assert!(path.bbr.signals.has_loss(), "{pause:?} of pause, {rtt:?} of round trip");
}

#[test]
fn a_pause_of_the_sender_is_no_outage_of_the_path() {
    check_loss_after_pause(10 * MS, 64 * MS);
    check_loss_after_pause(40 * MS, Duration::from_secs(10));
    check_loss_after_pause(MS / 10, MS / 2);
}

#[test]
fn what_is_lost_with_the_path_is_no_congestion() {
    let mut path = Path::new(10 * MS);
    path.exchange(20);
    path.send(20);
    path.now += 200 * MS;
    path.lose(10);
    assert!(!path.bbr.signals.has_loss());
    assert_eq!(path.bbr.window(), path.in_flight() + PACKET, "the path has to prove itself");
}

/// A flow that loss outside a probe has bounded.
fn bounded() -> Path {
    let mut path = Path::new(10 * MS);
    path.exchange(40);
    path.bbr.mode = Mode::ProbeCruise;
    path.bbr.short_term = ShortTermBounds { bandwidth: 1_000_000, inflight: 20 * PACKET };
    path
}

#[test]
fn a_false_loss_is_taken_back_once_and_nothing_else_with_it() {
    let mut path = bounded();
    let before = path.short_term_bound();
    path.send(10);
    path.lose(1);
    path.bbr.on_spurious_loss(path.now);
    path.bbr.on_spurious_loss(path.now);
    assert_eq!(path.short_term_bound(), before, "that loss had not lowered it");
}

#[test]
fn a_mark_is_never_taken_back() {
    let mut path = bounded();
    path.send(10);
    path.lose(1);
    path.bbr.on_congestion_mark(path.now);
    path.lose(1);
    let marked = path.short_term_bound();
    path.bbr.on_spurious_loss(path.now);
    assert_eq!(path.short_term_bound(), marked);
}

#[test]
fn a_late_packet_does_not_bring_back_a_startup_that_ended_long_ago() {
    let mut path = bounded();
    path.bbr.note_ended(Mode::Startup);
    // The path is gone for a while, and what seemed lost with it comes after all.
    path.send(10);
    path.now += 200 * MS;
    path.lose(5);
    path.bbr.on_spurious_loss(path.now);
    assert_ne!(path.bbr.mode, Mode::Startup);
    assert_ne!(path.short_term_bound(), u64::MAX);
}
