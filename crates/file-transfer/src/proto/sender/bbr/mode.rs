//! The states of BBR and the gains that belong to each (draft-ietf-ccwg-bbr, section 5.6.1).

use super::ratio::Ratio;

/// Doubles the sending rate each round: 4 ln 2.
const STARTUP_PACING_GAIN: Ratio = Ratio::thousandths(2770);
const DRAIN_PACING_GAIN: Ratio = Ratio::percent(50);
const DOWN_PACING_GAIN: Ratio = Ratio::percent(90);
const UP_PACING_GAIN: Ratio = Ratio::percent(125);
/// Twice what fills the path, for acknowledgements that come late or in lumps.
const WINDOW_GAIN: Ratio = Ratio::percent(200);
/// Less where the bandwidth is known (the draft: the same): while others keep a queue filled, the window
/// is what decides the shares, and lumps of acknowledgements are counted on top of it.
const CRUISE_WINDOW_GAIN: Ratio = Ratio::percent(150);
/// A little more, so that the window does not keep the flow from sending faster than before.
const UP_WINDOW_GAIN: Ratio = Ratio::percent(225);
const PROBE_RTT_WINDOW_GAIN: Ratio = Ratio::percent(50);

/// What BBR is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Searches the path's bandwidth, doubling each round.
    Startup,
    /// Lets the queue of Startup run empty.
    Drain,
    /// `ProbeBW_DOWN`: slower than the network delivers, to empty the queue of a probe.
    ProbeDown,
    /// `ProbeBW_CRUISE`: as fast as the network delivers.
    ProbeCruise,
    /// `ProbeBW_REFILL`: fills the pipe for one round before a probe.
    ProbeRefill,
    /// `ProbeBW_UP`: faster than the network delivers, to find out whether there is more.
    ProbeUp,
    /// Little in flight for a moment, to see the path's round trip without its queue.
    ProbeRtt,
}

impl Mode {
    pub(super) fn pacing_gain(self) -> Ratio {
        match self {
            Self::Startup => STARTUP_PACING_GAIN,
            Self::Drain => DRAIN_PACING_GAIN,
            Self::ProbeDown => DOWN_PACING_GAIN,
            Self::ProbeUp => UP_PACING_GAIN,
            Self::ProbeCruise | Self::ProbeRefill | Self::ProbeRtt => Ratio::ONE,
        }
    }

    pub(super) fn window_gain(self) -> Ratio {
        match self {
            Self::ProbeUp => UP_WINDOW_GAIN,
            Self::ProbeRtt => PROBE_RTT_WINDOW_GAIN,
            Self::Startup | Self::Drain => WINDOW_GAIN,
            Self::ProbeDown | Self::ProbeCruise | Self::ProbeRefill => CRUISE_WINDOW_GAIN,
        }
    }

    /// One of the four states of `ProbeBW`.
    pub(super) fn is_probe_bandwidth(self) -> bool {
        matches!(self, Self::ProbeDown | Self::ProbeCruise | Self::ProbeRefill | Self::ProbeUp)
    }

    /// Looks for more bandwidth, and so takes loss as an answer instead of a surprise.
    pub(super) fn is_accelerating(self) -> bool {
        matches!(self, Self::Startup | Self::ProbeRefill | Self::ProbeUp)
    }
}
