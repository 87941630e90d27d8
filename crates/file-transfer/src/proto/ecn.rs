//! Explicit congestion notification (RFC 3168): the two bits of the IP header and their counts.

/// The ECN bits a datagram came with, or shall go out with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// The sender of the datagram does not take part, or the bits could not be read.
    #[default]
    NotEct,
    /// ECN-capable, code point 1.
    Ect1,
    /// ECN-capable, code point 0: what our DATA goes out with while the path carries it.
    Ect0,
    /// A router on the way was congested.
    Ce,
}

impl Ecn {
    /// From the two low bits of the traffic class.
    #[must_use]
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            0b11 => Self::Ce,
            _ => Self::NotEct,
        }
    }

    /// The two low bits of the traffic class.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0b00,
            Self::Ect1 => 0b01,
            Self::Ect0 => 0b10,
            Self::Ce => 0b11,
        }
    }
}

/// How many packets arrived with which mark since the session began. The counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EcnCounts {
    /// Packets marked ECT(0).
    pub ect0: u32,
    /// Packets marked ECT(1).
    pub ect1: u32,
    /// Packets marked CE.
    pub ce: u32,
}

impl EcnCounts {
    /// Counts one packet.
    pub fn count(&mut self, ecn: Ecn) {
        match ecn {
            Ecn::NotEct => {}
            Ecn::Ect0 => self.ect0 = self.ect0.wrapping_add(1),
            Ecn::Ect1 => self.ect1 = self.ect1.wrapping_add(1),
            Ecn::Ce => self.ce = self.ce.wrapping_add(1),
        }
    }
}
