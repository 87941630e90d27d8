//! What happens to packets that travel in one direction. Only data; times are since the link began.

use std::time::Duration;

/// One direction of a link. The default is a wire without end: no rate, no delay, no loss.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Direction {
    /// Bits of IP packets a second; `None`: any number.
    pub(crate) rate_bps: Option<u64>,
    /// One way.
    pub(crate) delay: Duration,
    /// What waits for the rate.
    pub(crate) queue: Queue,
    /// In front of the queue.
    pub(crate) policer: Option<Policer>,
    /// Share of packets lost behind the queue.
    pub(crate) loss: f64,
    /// Mean length of a burst of losses, in packets; below 1 they are independent.
    pub(crate) burst_packets: f64,
    /// Share of packets that are held back, so that others overtake them.
    pub(crate) reorder: f64,
    /// For how long.
    pub(crate) reorder_by: Duration,
    /// Packets longer than the limit vanish from the given time on.
    pub(crate) black_hole: Option<BlackHole>,
    /// Everything vanishes from the first time until the second.
    pub(crate) outage: Option<(Duration, Duration)>,
}

/// How long the queue may grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Queue {
    /// For ever.
    #[default]
    Endless,
    /// To this many bytes; then what comes is dropped.
    DropTail(u64),
    /// Kept short by dropping from its head (RFC 8289).
    CoDel,
}

/// A token bucket that drops what it has no token for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policer {
    pub(crate) rate_bps: u64,
    pub(crate) bucket_bytes: u64,
}

/// A path that carries only short packets from now on, and does not say so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BlackHole {
    pub(crate) from: Duration,
    /// Of an IP packet.
    pub(crate) bytes_max: usize,
}

/// How long `bytes` take at `rate_bps`.
pub(super) fn transmission(bytes: u64, rate_bps: u64) -> Duration {
    Duration::from_nanos((bytes * 8).saturating_mul(1_000_000_000) / rate_bps.max(1))
}
