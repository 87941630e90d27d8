//! What a sender tells about itself: for reports, for tests and for measurements.

use std::time::Duration;

/// Counters of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderStats {
    /// Packets of all kinds.
    pub packets_sent: u64,
    /// Packets declared lost.
    pub packets_lost: u64,
    /// Of those, the ones that arrived after all.
    pub spurious_losses: u64,
    /// File bytes put into DATA, retransmissions included.
    pub data_bytes_sent: u64,
    /// Probe timeouts.
    pub probe_timeouts: u64,
    /// Distinct file bytes the receiver says it has from this session.
    pub file_bytes_received: u64,
    /// Smoothed round trip.
    pub smoothed_rtt: Duration,
    /// Congestion window in bytes.
    pub congestion_window: u64,
    /// Bytes in flight.
    pub bytes_in_flight: u64,
    /// Packet numbers tracked, which is what memory is proportional to.
    pub tracked_numbers: usize,
    /// Current size of datagrams.
    pub datagram_bytes: usize,
    /// Packets that did not authenticate.
    pub forgeries: u64,
    /// Packets whose number was seen before.
    pub repeats: u64,
    /// How often the receiver proved another address.
    pub address_changes: u64,
}
