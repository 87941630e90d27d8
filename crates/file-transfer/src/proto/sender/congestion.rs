//! The seam between the sender and whoever decides how much may be in flight.

use std::fmt;
use std::time::{Duration, Instant};

use super::bbr::Bbr;
use super::cubic::Cubic;
use super::delivery_rate::RateSample;

/// Which congestion controller a session gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CongestionChoice {
    /// BBRv3 (draft-ietf-ccwg-bbr): a model of the path instead of a reaction to loss.
    #[default]
    Bbr,
    /// CUBIC (RFC 9438).
    Cubic,
}

impl CongestionChoice {
    /// A controller for datagrams of the given size; sessions must not share a seed.
    #[must_use]
    pub fn controller(self, datagram_bytes: usize, seed: u64) -> Box<dyn CongestionController> {
        match self {
            Self::Bbr => Box::new(Bbr::new(datagram_bytes, seed)),
            Self::Cubic => Box::new(Cubic::new(datagram_bytes)),
        }
    }
}

/// What an ACK that acknowledged something new tells.
#[derive(Clone, Copy, Debug)]
pub struct AckSample {
    /// Bytes of the datagrams acknowledged here for the first time.
    pub acked_bytes: u64,
    /// Bytes in flight before this ACK.
    pub prior_in_flight: u64,
    /// Bytes in flight after it, what it showed as lost already taken off.
    pub in_flight: u64,
    /// The largest number acknowledged.
    pub largest_acked: u64,
    /// The number the next packet will get: where a new round trip begins.
    pub next_number: u64,
    /// The round trip measured by this ACK, if it could measure one.
    pub rtt: Option<Duration>,
    /// Smoothed round-trip time.
    pub smoothed_rtt: Duration,
    /// The smallest round trip of the session.
    pub min_rtt: Duration,
    /// Whether the newest acknowledged packet was sent before the last congestion event.
    pub in_recovery: bool,
    /// The rate of delivery.
    pub rate: RateSample,
}

/// One packet that was found lost, and how things stood when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct LostPacket {
    /// Its number.
    pub number: u64,
    /// Bytes of the datagram.
    pub bytes: u64,
    /// Bytes in flight when it was sent, itself included.
    pub in_flight_at_send: u64,
    /// Bytes found lost since it was sent, itself included.
    pub lost_since_send: u64,
    /// Whether the sender had less to send than the network could take.
    pub app_limited: bool,
}

/// What was found lost.
#[derive(Clone, Copy, Debug)]
pub struct LossSample {
    /// Bytes of the datagrams found lost now.
    pub lost_bytes: u64,
    /// Bytes in flight, the lost ones already taken off.
    pub in_flight: u64,
    /// Whether a packet sent after the last congestion event is among them: a new event.
    pub is_new_episode: bool,
    /// Whether everything over three probe timeouts was lost (RFC 9002, section 7.6).
    pub is_persistent: bool,
}

/// Decides how much may be in flight, and how fast it goes out.
pub trait CongestionController: Send + fmt::Debug {
    /// A packet goes out while `in_flight` bytes (its own included) are on the way.
    fn on_sent(&mut self, now: Instant, number: u64, bytes: u64, in_flight: u64) {
        let _ = (now, number, bytes, in_flight);
    }

    /// There is less to send than may be sent.
    fn on_nothing_to_send(&mut self) {}

    /// Something new was acknowledged.
    fn on_ack(&mut self, now: Instant, ack: &AckSample);

    /// A packet was found lost; [`on_loss`](Self::on_loss) follows when all found now were told.
    fn on_packet_lost(&mut self, now: Instant, lost: &LostPacket) {
        let _ = (now, lost);
    }

    /// Packets were found lost.
    fn on_loss(&mut self, now: Instant, loss: &LossSample);

    /// A router marked packets; told once per congestion event.
    fn on_congestion_mark(&mut self, now: Instant);

    /// Everything found lost since the last congestion event has arrived after all.
    fn on_spurious_loss(&mut self, now: Instant);

    /// Packets go over another path from now on: nothing measured so far holds there. Only for a path
    /// that may differ; another port at the same address is none (RFC 9000, section 9.4).
    fn on_path_change(&mut self, now: Instant);

    /// Datagrams have another size from now on.
    fn on_datagram_bytes(&mut self, datagram_bytes: usize);

    /// How many bytes may be in flight.
    fn window(&self) -> u64;

    /// How many bytes a second may go out; `None` before anything was measured.
    fn pacing_rate(&self, smoothed_rtt: Duration) -> Option<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: u64 = 1200;
    const RTT: Duration = Duration::from_millis(40);

    /// Sends ten packets from `number` on and acknowledges them one by one.
    fn exchange(controller: &mut dyn CongestionController, start: Instant, number: u64) {
        for n in number..number + 10 {
            controller.on_sent(start, n, PACKET, (n - number + 1) * PACKET);
        }
        for n in number..number + 10 {
            controller.on_ack(start + RTT, &ack(n, number + 10));
        }
    }

    fn ack(number: u64, next_number: u64) -> AckSample {
        AckSample {
            acked_bytes: PACKET,
            prior_in_flight: (next_number - number) * PACKET,
            in_flight: (next_number - number - 1) * PACKET,
            largest_acked: number,
            next_number,
            rtt: Some(RTT),
            smoothed_rtt: RTT,
            min_rtt: RTT,
            in_recovery: false,
            rate: RateSample {
                delivered: PACKET,
                rate: Some(300_000),
                prior_delivered: number * PACKET,
                ..RateSample::default()
            },
        }
    }

    #[test]
    fn another_path_is_begun_like_the_first() {
        for choice in [CongestionChoice::Bbr, CongestionChoice::Cubic] {
            let start = Instant::now();
            let fresh = choice.controller(1200, 1).window();
            let mut controller = choice.controller(1200, 1);
            exchange(&mut *controller, start, 0);
            assert!(controller.window() > fresh, "{choice:?}");
            controller.on_path_change(start + RTT);
            assert_eq!(controller.window(), fresh, "{choice:?}");
            assert_eq!(controller.pacing_rate(RTT), None, "{choice:?}");
            exchange(&mut *controller, start + RTT, 10);
            assert!(controller.window() > fresh, "{choice:?}");
            assert!(controller.pacing_rate(RTT).is_some(), "{choice:?}");
        }
    }

    #[test]
    fn what_bbr_sent_over_the_old_path_says_nothing_about_the_new_one() {
        let start = Instant::now();
        let mut bbr = CongestionChoice::Bbr.controller(1200, 1);
        exchange(&mut *bbr, start, 0);
        bbr.on_sent(start, 10, PACKET, PACKET);
        bbr.on_path_change(start + RTT);
        let window = bbr.window();
        bbr.on_ack(start + RTT, &ack(10, 11));
        assert_eq!((bbr.window(), bbr.pacing_rate(RTT)), (window, None));
    }
}
