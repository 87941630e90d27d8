//! What an operator may choose about sending.

pub use crate::proto::sender::CongestionChoice;
use crate::rate_share::RateLimits;

/// How a node sends: over UDP, but the rates, which hold for both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// What decides how much may be in flight.
    pub congestion: CongestionChoice,
    /// Several datagrams a system call (GSO), where the kernel can. Off, the processor works two to
    /// four times as much: it is for comparing, and for network drivers that spoil what they segment.
    pub segmentation: bool,
    /// How fast it may send.
    pub rates: RateLimits,
}

impl Default for SendOptions {
    fn default() -> Self {
        let (congestion, rates) = (CongestionChoice::default(), RateLimits::default());
        Self { congestion, segmentation: true, rates }
    }
}
