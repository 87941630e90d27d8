//! The 16-byte header of every packet under traffic keys, and the list of packet types.
//!
//! ```text
//!  0        1                    9                16
//!  +--------+--------------------+----------------+------------------+----------+
//!  | type   | session id u64     | number u56     | sealed body      | tag (16) |
//!  +--------+--------------------+----------------+------------------+----------+
//! ```
//!
//! The header is the associated data. The top bit of the type is the key phase: the lowest bit of
//! the key generation, which is `number >> 22`. A phase that does not fit the number is no packet.

use super::limits::{DATAGRAM_BYTES_MIN, GENERATION_SHIFT, HEADER_BYTES, NUMBER_MAX};
use super::wire_bytes::{FieldReader, FieldWriter};

const PHASE_BIT: u8 = 0x80;

/// What a packet is: the low seven bits of its first byte, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PacketKind {
    /// File bytes ([`data_frame`](super::data_frame)).
    Data = 0x10,
    /// Which numbers arrived ([`ack_frame`](super::ack_frame)).
    Ack = 0x11,
    /// Which file ranges are asked for ([`want_frame`](super::want_frame)).
    Want = 0x12,
    /// Padding of a size that path MTU discovery tries; acknowledged like DATA.
    Probe = 0x13,
    /// Eight bytes to be sent back from the address they went to.
    PathChallenge = 0x14,
    /// The eight bytes of a `PathChallenge`.
    PathResponse = 0x15,
    /// Are you there ([`ping_frame`](super::ping_frame)).
    Ping = 0x16,
    /// The session ends ([`close_frame`](super::close_frame)).
    Close = 0x17,
}

impl PacketKind {
    fn from_wire(byte: u8) -> Option<Self> {
        [
            Self::Data,
            Self::Ack,
            Self::Want,
            Self::Probe,
            Self::PathChallenge,
            Self::PathResponse,
            Self::Ping,
            Self::Close,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// Header of a packet under traffic keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is behind it.
    pub kind: PacketKind,
    /// The server's name for the session.
    pub session_id: u64,
    /// Number of the packet in its direction, never used twice, at most [`NUMBER_MAX`].
    pub number: u64,
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        debug_assert!(self.number <= NUMBER_MAX, "packet numbers have 56 bits");
        let mut bytes = [0; HEADER_BYTES];
        let mut writer = FieldWriter::new(&mut bytes);
        writer.u8(self.kind as u8 | phase_bit(self.number));
        writer.u64(self.session_id);
        writer.u56(self.number);
        bytes
    }

    /// Reads the header of a datagram; `None` if it cannot be a packet of a session.
    #[must_use]
    pub fn decode(datagram: &[u8]) -> Option<Self> {
        if datagram.len() < DATAGRAM_BYTES_MIN {
            return None;
        }
        let mut reader = FieldReader::new(datagram);
        let first = reader.u8()?;
        let kind = PacketKind::from_wire(first & !PHASE_BIT)?;
        let session_id = reader.u64()?;
        let number = reader.u56()?;
        (first & PHASE_BIT == phase_bit(number)).then_some(Self { kind, session_id, number })
    }

    /// The key generation that seals this packet.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.number >> GENERATION_SHIFT
    }
}

fn phase_bit(number: u64) -> u8 {
    if (number >> GENERATION_SHIFT) & 1 == 1 { PHASE_BIT } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_type_session_number() {
        let header =
            Header { kind: PacketKind::Want, session_id: 0x0102_0304_0506_0708, number: 9 };
        let bytes = header.encode();
        assert_eq!(bytes, [0x12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 9]);
        let mut datagram = bytes.to_vec();
        datagram.extend([0; 16]);
        assert_eq!(Header::decode(&datagram), Some(header));
        assert_eq!(Header::decode(&datagram[..31]), None);
    }

    #[test]
    fn phase_must_fit_the_number() {
        let mut datagram = [0; 32];
        let header =
            Header { kind: PacketKind::Data, session_id: 1, number: 1 << GENERATION_SHIFT };
        datagram[..16].copy_from_slice(&header.encode());
        assert_eq!(datagram[0], 0x90);
        assert_eq!(Header::decode(&datagram), Some(header));
        datagram[0] = 0x10;
        assert_eq!(Header::decode(&datagram), None);
    }
}
