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
    Bbr,
    /// CUBIC (RFC 9438).
    #[default]
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

    /// Datagrams have another size from now on.
    fn on_datagram_bytes(&mut self, datagram_bytes: usize);

    /// How many bytes may be in flight.
    fn window(&self) -> u64;

    /// How many bytes a second may go out; `None` before anything was measured.
    fn pacing_rate(&self, smoothed_rtt: Duration) -> Option<u64>;
}
