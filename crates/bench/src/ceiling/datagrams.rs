//! A blocking UDP socket with segmentation offload both ways.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Result, ensure};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Asked for each way; above what may be in flight, so that nothing is lost.
const BUFFER_BYTES: usize = 4 << 20;
/// Room for the longest run of datagrams that the kernel joins.
const RUN_BYTES: usize = 1 << 16;
/// Runs taken with one system call.
const RUNS: usize = 8;
/// Silence that means: something was lost, and nothing here repairs it.
const SILENCE_MAX: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };

pub(super) struct Datagrams {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Datagrams {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
        socket.set_recv_buffer_size(BUFFER_BYTES)?;
        socket.set_send_buffer_size(BUFFER_BYTES)?;
        socket.bind(&address.into())?;
        let socket = socket.into();
        Ok(Self { state: UdpSocketState::new(UdpSockRef::from(&socket))?, socket })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends datagrams of `segment_bytes`, the last may be shorter.
    pub(super) fn send(&self, to: SocketAddr, contents: &[u8], segment_bytes: usize) -> Result<()> {
        let segment_size = (contents.len() > segment_bytes).then_some(segment_bytes);
        let transmit =
            Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        loop {
            match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT)?;
                }
                sent => return Ok(sent?),
            }
        }
    }

    /// Takes what waits, at once.
    pub(super) fn receive(&self, inbox: &mut Inbox) -> io::Result<()> {
        let mut slices = inbox.buffers.each_mut().map(|buffer| IoSliceMut::new(buffer));
        let taken = self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut inbox.meta);
        inbox.runs = match taken {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            taken => taken?,
        };
        Ok(())
    }

    /// Waits until something has arrived.
    pub(super) fn wait_readable(&self) -> Result<()> {
        self.wait(PollFlags::IN)
    }

    fn wait(&self, what: PollFlags) -> Result<()> {
        let ready = poll(&mut [PollFd::new(&self.socket, what)], Some(&SILENCE_MAX))?;
        ensure!(ready > 0, "silence: a datagram was lost");
        Ok(())
    }
}

/// What one receive took.
pub(super) struct Inbox {
    buffers: [Vec<u8>; RUNS],
    meta: [RecvMeta; RUNS],
    runs: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        let buffers = std::array::from_fn(|_| vec![0; RUN_BYTES]);
        Self { buffers, meta: [RecvMeta::default(); RUNS], runs: 0 }
    }

    /// Each datagram and who sent it, in the order of arrival.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.buffers.iter().zip(&self.meta).take(self.runs).flat_map(|(buffer, meta)| {
            let run = buffer.get(..meta.len).unwrap_or_default();
            run.chunks(meta.stride.max(1)).map(|datagram| (meta.addr, datagram))
        })
    }
}
