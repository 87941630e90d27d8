//! What an operator may choose about sending.

pub use crate::proto::sender::CongestionChoice;

/// How a node sends over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// What decides how much may be in flight.
    pub congestion: CongestionChoice,
    /// Several datagrams a system call (GSO), where the kernel can. Off, the processor works two to
    /// four times as much: it is for comparing, and for network drivers that spoil what they segment.
    pub segmentation: bool,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self { congestion: CongestionChoice::default(), segmentation: true }
    }
}
