//! Sending without control messages: many datagrams with one `sendmmsg(2)`, the ECN mark set on the
//! socket. For sockets where segmentation offload or control messages fail.

use std::io::IoSlice;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::sockopt::{set_ip_tos, set_ipv6_tclass};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use super::{DatagramIo, Outgoing, SEGMENTS_MAX, SendAttempt, Sent, lost};
use crate::proto::ecn::Ecn;

/// The ECN mark that the socket itself puts on what it sends.
#[derive(Debug, Default)]
pub(super) struct SocketMark {
    current: Ecn,
    /// Marks are refused here.
    refused: bool,
}

impl SocketMark {
    /// Has the socket mark what follows with `ecn`, as far as it can.
    fn set(&mut self, socket: &UdpSocket, ecn: Ecn) {
        if self.refused || self.current == ecn {
            return;
        }
        let bits = ecn.bits();
        let is_v6 = socket.local_addr().is_ok_and(|address| address.is_ipv6());
        let set =
            if is_v6 { set_ipv6_tclass(socket, u32::from(bits)) } else { set_ip_tos(socket, bits) };
        match set {
            Ok(()) => self.current = ecn,
            Err(error) => {
                tracing::info!(%error, "this socket cannot mark what it sends");
                self.refused = true;
            }
        }
    }

    /// A marked datagram was refused: none is marked from now on. Says whether that is a change.
    fn give_up(&mut self, socket: &UdpSocket) -> bool {
        let was_marked = self.current != Ecn::NotEct;
        self.set(socket, Ecn::NotEct);
        self.refused = true;
        was_marked && self.current == Ecn::NotEct
    }
}

impl DatagramIo {
    /// Sends a batch without control messages. What a datagram is refused for concerns that one alone,
    /// except that it is too large: then all are.
    pub(super) fn send_plain(&mut self, batch: &Outgoing<'_>) -> Sent {
        self.mark.set(&self.socket, batch.ecn);
        let mut outcome = Sent::All;
        let mut rest = batch.contents;
        let mut has_waited = false;
        while !rest.is_empty() {
            let passed = match self.send_many(&Outgoing { contents: rest, ..*batch }) {
                Ok(taken) => {
                    has_waited = false;
                    taken
                }
                Err(Errno::MSGSIZE) => return Sent::TooLarge,
                Err(Errno::AGAIN) if !has_waited && self.becomes_writable() => {
                    has_waited = true;
                    0
                }
                // The next would wait as long, and in vain.
                Err(Errno::AGAIN) => return lost(Errno::AGAIN),
                Err(Errno::IO | Errno::INVAL) if self.mark.give_up(&self.socket) => 0,
                Err(error) => {
                    outcome = lost(error);
                    1
                }
            };
            rest = rest.get(passed.saturating_mul(batch.segment_bytes)..).unwrap_or_default();
        }
        outcome
    }

    /// One `sendmmsg`; gives how many datagrams the kernel took, at least one.
    fn send_many(&mut self, batch: &Outgoing<'_>) -> Result<usize, Errno> {
        let datagrams = batch.contents.chunks(batch.segment_bytes.max(1));
        let mut count = datagrams.len().min(SEGMENTS_MAX);
        if let Some(fault) = &mut self.fault {
            let attempt = SendAttempt {
                datagrams: count,
                segment_bytes: batch.segment_bytes,
                segmented: false,
                controls: false,
                ecn: self.mark.current,
            };
            count = fault(&attempt)?.clamp(1, count);
        }
        let mut parts: [_; SEGMENTS_MAX] =
            std::array::from_fn(|_| ([IoSlice::new(&[])], SendAncillaryBuffer::default()));
        for ((slice, _), datagram) in parts.iter_mut().zip(datagrams) {
            *slice = [IoSlice::new(datagram)];
        }
        // With its peer's address a connected socket looks the route up again for every datagram.
        let to = batch.to.as_any();
        let is_to_peer = self.socket.peer_addr().is_ok_and(|peer| peer == batch.to);
        let mut messages = parts.each_mut().map(|(slice, control)| {
            if is_to_peer {
                MMsgHdr::new(slice, control)
            } else {
                MMsgHdr::new_with_addr(&to, slice, control)
            }
        });
        let messages = messages.get_mut(..count).unwrap_or_default();
        loop {
            match sendmmsg(self.socket.as_fd(), messages, SendFlags::empty()) {
                Err(Errno::INTR) => {}
                taken => return taken,
            }
        }
    }
}
