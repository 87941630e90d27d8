//! What an address translator does that forgets a client: its UDP goes on from another port, and what is
//! sent to the old one is lost. Pure: rewrites IPv4 packets in place.

use std::time::Duration;

/// Added to the client's port.
const SHIFT: u16 = 7_001;
const PROTOCOL_UDP: u8 = 17;
/// Of the UDP checksum behind the UDP header's begin.
const CHECKSUM_AT: usize = 6;

/// From which end a packet comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Server,
    Client,
}

#[derive(Clone, Debug)]
pub(super) struct PortChange {
    at: Duration,
    /// The ports of the client's that were in use before: only those are moved.
    moved: Vec<u16>,
}

impl PortChange {
    pub(super) fn new(at: Duration) -> Self {
        Self { at, moved: Vec::new() }
    }

    /// Rewrites a packet's port; false if it is lost.
    pub(super) fn passes(&mut self, now: Duration, from: From, packet: &mut [u8]) -> bool {
        let Some(udp) = udp_header(packet) else { return true };
        let port_at = match from {
            From::Client => 0,
            From::Server => 2,
        };
        let Some(port) = port(udp, port_at) else { return true };
        if now < self.at {
            if from == From::Client && !self.moved.contains(&port) {
                self.moved.push(port);
            }
            return true;
        }
        let (is_lost, new) = match from {
            From::Client if self.moved.contains(&port) => (false, port.wrapping_add(SHIFT)),
            From::Server if self.moved.contains(&port.wrapping_sub(SHIFT)) => {
                (false, port.wrapping_sub(SHIFT))
            }
            From::Server => (self.moved.contains(&port), port),
            From::Client => (false, port),
        };
        set_port(udp, port_at, new);
        !is_lost
    }
}

/// The UDP header and what follows, of an unfragmented IPv4 packet.
fn udp_header(packet: &mut [u8]) -> Option<&mut [u8]> {
    let (first, protocol) = (*packet.first()?, *packet.get(9)?);
    let is_udp = first >> 4 == 4 && protocol == PROTOCOL_UDP;
    let header_bytes = usize::from(first & 0x0f) * 4;
    if is_udp { packet.get_mut(header_bytes..).filter(|udp| udp.len() >= 8) } else { None }
}

fn port(udp: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(udp.get(at..at + 2)?.try_into().ok()?))
}

fn set_port(udp: &mut [u8], at: usize, new: u16) {
    let (Some(old), Some(checksum)) = (port(udp, at), port(udp, CHECKSUM_AT)) else { return };
    let mut write = |at: usize, value: u16| {
        if let Some(place) = udp.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    };
    write(at, new);
    // 0: the sender made none.
    if checksum != 0 {
        write(CHECKSUM_AT, updated(checksum, old, new));
    }
}

/// RFC 1624, equation 3.
fn updated(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    match !u16::try_from(sum).unwrap_or(u16::MAX) {
        0 => u16::MAX,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(1);

    /// The one's complement sum of 16-bit words (RFC 1071): that of a packet with its checksum is 0xffff.
    fn sum(bytes: &[u8]) -> u16 {
        let total: u32 = bytes
            .chunks(2)
            .map(|it| u32::from(it[0]) << 8 | u32::from(*it.get(1).unwrap_or(&0)))
            .sum();
        let folded = (total & 0xffff) + (total >> 16);
        u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
    }

    fn packet(from: u16, to: u16) -> Vec<u8> {
        let mut packet = vec![0x45; 1];
        packet.resize(20, 0);
        packet[9] = PROTOCOL_UDP;
        packet.extend([from.to_be_bytes(), to.to_be_bytes(), [0, 11], [0, 0]].concat());
        packet.extend(b"abc");
        let checksum = !sum(&packet[20..]);
        packet[26..28].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    fn ports(packet: &[u8]) -> (u16, u16) {
        (port(packet, 20).unwrap(), port(packet, 22).unwrap())
    }

    #[test]
    fn a_client_goes_on_from_another_port_and_is_reached_there_alone() {
        let mut change = PortChange::new(AT);
        let mut sent = packet(1000, 5050);
        assert!(change.passes(Duration::ZERO, From::Client, &mut sent));
        assert_eq!(ports(&sent), (1000, 5050));
        assert!(change.passes(AT, From::Client, &mut sent));
        assert_eq!(ports(&sent), (8001, 5050));
        assert_eq!(sum(&sent[20..]), 0xffff);
        let mut answer = packet(5050, 8001);
        assert!(change.passes(AT, From::Server, &mut answer));
        assert_eq!(ports(&answer), (5050, 1000));
        assert_eq!(sum(&answer[20..]), 0xffff);
        assert!(!change.passes(AT, From::Server, &mut packet(5050, 1000)));
    }

    #[test]
    fn what_begins_later_and_what_is_no_udp_is_left_alone() {
        let mut change = PortChange::new(AT);
        let mut later = packet(2000, 5050);
        assert!(change.passes(AT, From::Client, &mut later));
        assert_eq!(ports(&later), (2000, 5050));
        for other in [vec![], vec![0x60; 60], vec![0x45; 10]] {
            let mut same = other.clone();
            assert!(change.passes(AT, From::Client, &mut same));
            assert_eq!(same, other);
        }
    }
}
