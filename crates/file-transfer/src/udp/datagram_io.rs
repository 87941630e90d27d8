//! Sending batches of datagrams with one system call (GSO) and receiving them likewise (GRO).
//!
//! What a kernel or a driver refuses is survived in stages, and each time *the refused datagrams are
//! sent again*:
//!
//! 1. segmentation that fails is left off for this socket, and so is the control message with the ECN
//!    mark where it is a single datagram that fails: `plain_send` sends without control messages,
//! 2. then the mark itself is left off,
//! 3. a full queue counts as loss, and a datagram larger than the interface takes is reported, so that
//!    the path's packet size is lowered.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::io::Errno;

pub(crate) use self::arrivals::Arrivals;

use self::plain_send::SocketMark;
use super::wakeup::wait_writable;
use crate::proto::ecn::Ecn;
use crate::proto::limits::BATCH_SEGMENTS_MAX;

mod arrivals;
mod plain_send;

/// Largest number of datagrams in one send.
pub(crate) const SEGMENTS_MAX: usize = BATCH_SEGMENTS_MAX;

/// Room for the largest run of datagrams the kernel joins.
pub(crate) const RECEIVE_BUFFER_BYTES: usize = 1 << 16;

/// How long a send waits for a full send buffer before the datagram is given up as lost. A
/// network card that takes nothing for this long is down, and the protocol repairs loss anyway.
const WRITABLE_WAIT_MAX: Duration = Duration::from_millis(100);

/// Datagrams to one address that leave together: all of `segment_bytes`, the last may be shorter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) to: SocketAddr,
    /// The address of ours to send from, where the socket has several.
    pub(crate) from_ip: Option<IpAddr>,
    pub(crate) contents: &'a [u8],
    pub(crate) segment_bytes: usize,
    pub(crate) ecn: Ecn,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Sent {
    /// The kernel took all of it.
    All,
    /// The kernel dropped some or all of it; to the protocol that is loss like any other.
    Lost,
    /// The interface takes no datagram of this size.
    TooLarge,
}

/// One or more datagrams of one sender that arrived together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    pub(crate) from: SocketAddr,
    /// The address of ours it was sent to, where the kernel tells.
    pub(crate) to_ip: Option<IpAddr>,
    pub(crate) bytes: usize,
    /// Length of each datagram but the last, which may be shorter. Never 0.
    pub(crate) stride: usize,
    pub(crate) ecn: Ecn,
}

/// One system call that is about to send, as faults see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendAttempt {
    pub(crate) datagrams: usize,
    pub(crate) segment_bytes: usize,
    /// The kernel or the network card is to cut one large buffer.
    pub(crate) segmented: bool,
    /// Control messages go with it: the ECN mark, the segments' size.
    pub(crate) controls: bool,
    pub(crate) ecn: Ecn,
}

/// Decides before each attempt how many datagrams the kernel takes of it, or why it takes none; tests
/// inject faults with it.
pub(crate) type SendFault = Box<dyn FnMut(&SendAttempt) -> Result<usize, Errno> + Send>;

/// The same for receiving.
pub(crate) type ReceiveFault = Box<dyn FnMut() -> Option<Errno> + Send>;

/// A non-blocking UDP socket with segmentation offload both ways.
pub(crate) struct DatagramIo {
    socket: UdpSocket,
    state: UdpSocketState,
    segmentation: bool,
    /// False once a single datagram was refused with control messages.
    controls: bool,
    /// The ECN mark of what goes out without control messages.
    mark: SocketMark,
    fault: Option<SendFault>,
    receive_fault: Option<ReceiveFault>,
}

impl DatagramIo {
    /// Takes over `socket`: non-blocking, unfragmented, reporting ECN marks and joined datagrams.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let segmentation = state.max_gso_segments() > 1;
        Ok(Self {
            socket,
            state,
            segmentation,
            controls: true,
            mark: SocketMark::default(),
            fault: None,
            receive_fault: None,
        })
    }

    /// The same, sending one datagram at a time unless `wanted`.
    pub(crate) fn with_segmentation(mut self, wanted: bool) -> Self {
        self.segmentation &= wanted;
        self
    }

    /// The same with a fault to inject.
    pub(crate) fn with_fault(mut self, fault: Option<SendFault>) -> Self {
        self.fault = fault;
        self
    }

    /// The same with a fault of receiving to inject.
    pub(crate) fn with_receive_fault(mut self, fault: Option<ReceiveFault>) -> Self {
        self.receive_fault = fault;
        self
    }

    /// The socket itself, for its addresses.
    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// True until segmentation has failed on this socket.
    #[cfg(test)]
    pub(crate) fn has_segmentation(&self) -> bool {
        self.segmentation
    }

    /// Sends a batch. No failure is fatal: routes vanish and come back while a transfer goes on.
    pub(crate) fn send(&mut self, batch: &Outgoing<'_>) -> Sent {
        let single = batch.contents.len() <= batch.segment_bytes;
        if !self.controls || !(single || self.segmentation) {
            return self.send_plain(batch);
        }
        match self.attempt(batch) {
            Ok(()) => Sent::All,
            Err(Errno::MSGSIZE) => Sent::TooLarge,
            Err(error @ (Errno::IO | Errno::INVAL)) => self.send_again(batch, single, error),
            Err(error) => lost(error),
        }
    }

    /// Sends a refused batch in a simpler way, which stays.
    fn send_again(&mut self, batch: &Outgoing<'_>, single: bool, error: Errno) -> Sent {
        let refused = if single { "a datagram with its ECN mark" } else { "segmentation offload" };
        tracing::info!(%error, refused, "this socket sends in a simpler way from now on");
        if single {
            self.controls = false;
            return self.send_plain(batch);
        }
        self.segmentation = false;
        let outcome = self.send_plain(batch);
        // Kernels before 6.14 say EINVAL to segments that are merely too large.
        self.segmentation = error == Errno::INVAL && outcome == Sent::TooLarge;
        outcome
    }

    /// Receives what waits, as far as it comes from one sender; `None` when nothing waits.
    ///
    /// `buffer` should hold [`RECEIVE_BUFFER_BYTES`]. Errors that earlier sends caused (an ICMP
    /// "port unreachable", which anybody can forge) are dropped.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut meta = [RecvMeta::default()];
        let found = self.receive_into(&mut [IoSliceMut::new(buffer)], &mut meta)?;
        let [meta] = &meta;
        Ok((found > 0).then(|| Received::of(meta)))
    }

    /// One `recvmmsg`; gives how many of `buffers` were filled, 0 when nothing waits.
    fn receive_into(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> io::Result<usize> {
        if let Some(error) = self.receive_fault.as_mut().and_then(|fault| fault()) {
            return Err(error.into());
        }
        loop {
            match self.state.recv(UdpSockRef::from(&self.socket), buffers, metas) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if is_about_a_send(&error) => {}
                result => return result,
            }
        }
    }

    /// One `sendmsg`, repeated once when the send buffer was full.
    fn attempt(&mut self, batch: &Outgoing<'_>) -> Result<(), Errno> {
        match self.send_message(batch) {
            Err(Errno::AGAIN) if self.becomes_writable() => self.send_message(batch),
            other => other,
        }
    }

    fn becomes_writable(&self) -> bool {
        matches!(wait_writable(self.as_fd(), WRITABLE_WAIT_MAX), Ok(true))
    }

    fn send_message(&mut self, batch: &Outgoing<'_>) -> Result<(), Errno> {
        let transmit = Transmit {
            destination: batch.to,
            ecn: EcnCodepoint::from_bits(batch.ecn.bits()),
            contents: batch.contents,
            segment_size: Some(batch.segment_bytes),
            src_ip: batch.from_ip,
        };
        if let Some(fault) = &mut self.fault {
            let datagrams = batch.contents.len().div_ceil(batch.segment_bytes.max(1));
            fault(&SendAttempt {
                datagrams,
                segment_bytes: batch.segment_bytes,
                segmented: datagrams > 1,
                controls: true,
                ecn: batch.ecn,
            })?;
        }
        self.state
            .try_send(UdpSockRef::from(&self.socket), &transmit)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl Received {
    fn of(meta: &RecvMeta) -> Self {
        Self {
            from: meta.addr,
            to_ip: meta.dst_ip,
            bytes: meta.len,
            stride: meta.stride.max(1),
            ecn: meta.ecn.map_or(Ecn::NotEct, |mark| Ecn::from_bits(mark as u8)),
        }
    }
}

impl AsFd for DatagramIo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn lost(error: Errno) -> Sent {
    tracing::trace!(%error, "the kernel dropped datagrams");
    Sent::Lost
}

/// The kernel reports the fate of an earlier datagram at whatever call comes next.
fn is_about_a_send(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNREFUSED
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::NETDOWN
                | Errno::MSGSIZE
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::ACCESS
                | Errno::PERM
        )
    )
}

#[cfg(test)]
mod tests;
