//! When a client goes on from another socket, the session staying the same: its machine has moved to
//! another network, or a NAT on the way has forgotten the old one. The node finds out by itself where its
//! client is now ([`address_change`](crate::proto)).

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::datagram_io::DatagramIo;
use super::socket::{local_address_towards, open_client_socket};

/// Silence after which the client looks whether it has moved to another network, and so on as often.
const LOOK_AFTER: Duration = Duration::from_millis(300);

/// Silence after which it tries a new socket in any case, once: a NAT on the way may have forgotten
/// the old one. Longer than most outages, and well before UDP is given up.
const REOPEN_AFTER: Duration = Duration::from_millis(2500);

/// Watches over one client's socket.
#[derive(Debug)]
pub(crate) struct NetworkChange {
    /// When it last looked whether it has moved.
    looked_at: Instant,
    /// It has tried a new socket in the present silence.
    reopened: bool,
}

/// Where a client goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Another port, by the same path as far as is known.
    Port,
    /// Another network.
    Network,
}

impl NetworkChange {
    pub(crate) fn new(now: Instant) -> Self {
        Self { looked_at: now, reopened: false }
    }

    /// In a silence that has lasted so long, puts a new socket in the place of `io` where the old one may
    /// be of no more use to reach `node`. Says whether and how it did.
    pub(crate) fn follow(
        &mut self,
        now: Instant,
        silence: Duration,
        io: &mut DatagramIo,
        node: SocketAddr,
    ) -> Option<Moved> {
        self.reopened &= silence >= LOOK_AFTER;
        if silence < LOOK_AFTER || now < self.looked_at + LOOK_AFTER {
            return None;
        }
        self.looked_at = now;
        let is_last_resort = silence >= REOPEN_AFTER && !self.reopened;
        let moved = match has_moved(io.socket(), node) {
            true => Moved::Network,
            false if is_last_resort => Moved::Port,
            false => return None,
        };
        self.reopened |= is_last_resort;
        match open_client_socket(node).and_then(DatagramIo::new) {
            Ok(new) => *io = new,
            Err(error) => {
                tracing::debug!(%error, "no new socket: the old one stays");
                return None;
            }
        }
        Some(moved)
    }
}

/// Whether the way to the node leaves this machine from another address than the socket's. Not while it
/// has none at all.
fn has_moved(socket: &UdpSocket, node: SocketAddr) -> bool {
    let here = socket.local_addr().map(|address| address.ip());
    let now = local_address_towards(node).map(|address| address.ip());
    matches!((here, now), (Ok(here), Ok(now)) if here != now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's socket to a node, which are both on this machine: it never moves by itself.
    fn client() -> (DatagramIo, SocketAddr, UdpSocket) {
        let node = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = node.local_addr().unwrap();
        (DatagramIo::new(open_client_socket(address).unwrap()).unwrap(), address, node)
    }

    /// What is done in a silence, looked at so often: when a new socket came, in milliseconds.
    fn moves_in(silence_ms: std::ops::Range<u64>, every_ms: usize) -> Vec<u64> {
        let (mut io, node, _kept) = client();
        let start = Instant::now();
        let mut change = NetworkChange::new(start);
        let mut moves = Vec::new();
        for ms in silence_ms.step_by(every_ms) {
            let silence = Duration::from_millis(ms);
            let before = io.socket().local_addr().unwrap();
            if change.follow(start + silence, silence, &mut io, node) == Some(Moved::Port) {
                assert_ne!(io.socket().local_addr().unwrap(), before);
                moves.push(ms);
            } else {
                assert_eq!(io.socket().local_addr().unwrap(), before);
            }
        }
        moves
    }

    #[test]
    fn a_silence_that_lasts_is_tried_from_a_new_socket_once() {
        // At the first look after 2.5 s.
        assert_eq!(moves_in(0..5000, 100), [2700]);
    }

    #[test]
    fn a_short_silence_changes_nothing() {
        assert_eq!(moves_in(0..2500, 100), [0; 0]);
    }

    #[test]
    fn each_long_silence_is_one_of_its_own() {
        let (mut io, node, _kept) = client();
        let mut now = Instant::now();
        let mut change = NetworkChange::new(now);
        for _ in 0..2 {
            for silence in [Duration::ZERO, REOPEN_AFTER] {
                now += REOPEN_AFTER;
                let moved = change.follow(now, silence, &mut io, node);
                assert_eq!(moved, (silence == REOPEN_AFTER).then_some(Moved::Port));
            }
        }
    }

    #[test]
    fn another_address_of_this_machine_is_another_network() {
        let (_, node, _kept) = client();
        let elsewhere = UdpSocket::bind("127.0.0.2:0").unwrap();
        elsewhere.connect(node).unwrap();
        let mut io = DatagramIo::new(elsewhere).unwrap();
        let now = Instant::now();
        let mut change = NetworkChange::new(now);
        let later = now + LOOK_AFTER;
        assert_eq!(change.follow(later, LOOK_AFTER, &mut io, node), Some(Moved::Network));
        assert_eq!(change.follow(later + LOOK_AFTER, LOOK_AFTER * 2, &mut io, node), None);
    }
}
