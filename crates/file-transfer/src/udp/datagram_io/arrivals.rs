//! Room for everything that one system call brings.
//!
//! Where the kernel joins datagrams (GRO), one buffer of 64 KiB holds up to 64 of them, and using the
//! same one again and again keeps it in the processor's cache. Where it does not, each datagram takes
//! a buffer of its own, and many are received at once so that they share a system call.

use std::io::{self, IoSliceMut};

use quinn_udp::RecvMeta;

use super::{DatagramIo, RECEIVE_BUFFER_BYTES, Received};

/// Buffers of one system call: 1 MiB of address space, of which single datagrams touch 64 KiB.
const BUFFERS: usize = 16;

/// What arrived, until the next call.
pub(crate) struct Arrivals {
    bytes: Vec<u8>,
    metas: [RecvMeta; BUFFERS],
    /// How many buffers the last call filled.
    filled: usize,
    /// How many buffers the next call may fill.
    offered: usize,
}

impl Arrivals {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFERS * RECEIVE_BUFFER_BYTES],
            metas: [RecvMeta::default(); BUFFERS],
            filled: 0,
            offered: 1,
        }
    }

    /// What the last call brought: each time the datagrams of one sender, joined or single.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = (Received, &mut [u8])> {
        let buffers = self.bytes.chunks_exact_mut(RECEIVE_BUFFER_BYTES);
        self.metas.iter().take(self.filled).zip(buffers).map(|(meta, buffer)| {
            let received = Received::of(meta);
            (received, buffer.get_mut(..received.bytes).unwrap_or_default())
        })
    }

    fn filled_with(&mut self, filled: usize) {
        self.filled = filled;
        let arrived = self.metas.get(..filled).unwrap_or_default();
        if arrived.iter().any(|meta| meta.len > meta.stride) {
            self.offered = 1;
        } else if filled == self.offered {
            self.offered = BUFFERS;
        }
    }
}

impl DatagramIo {
    /// Receives what waits, as much as one system call brings; says whether there was anything.
    pub(crate) fn receive_many(&mut self, arrivals: &mut Arrivals) -> io::Result<bool> {
        let Arrivals { bytes, metas, offered, .. } = arrivals;
        let mut parts = bytes.chunks_exact_mut(RECEIVE_BUFFER_BYTES);
        let mut buffers: [_; BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(parts.next().unwrap_or_default()));
        let buffers = buffers.get_mut(..*offered).unwrap_or_default();
        let filled = self.receive_into(buffers, metas)?;
        arrivals.filled_with(filled);
        Ok(filled > 0)
    }
}
