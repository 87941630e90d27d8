//! The end that reads the file: `preadv` straight into the slots of a batch, seal in place, one send.

use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::aead::{Aad, LessSafeKey};

use super::datagrams::{Datagrams, Inbox};
use super::{CHUNK_BYTES, DATAGRAM_BYTES, HEADER_BYTES, TAG_BYTES, chunks, header, key, nonce};

/// Chunks that may be on their way: 1.5 MB, which stays in the second-level cache.
const IN_FLIGHT_MAX: u64 = 1_500_000 / DATAGRAM_BYTES as u64;

pub(super) fn serve(file: &Path, segments: usize) -> Result<()> {
    let sender = Sender::bind(file, segments)?;
    writeln!(std::io::stdout(), "{}", sender.address()?)?;
    loop {
        sender.serve_one()?;
    }
}

pub(super) struct Sender {
    file: File,
    bytes: u64,
    segments: usize,
    datagrams: Datagrams,
    key: LessSafeKey,
}

impl Sender {
    pub(super) fn bind(file: &Path, segments: usize) -> Result<Self> {
        let file = File::open(file).with_context(|| format!("{}", file.display()))?;
        let datagrams = Datagrams::bind(([127, 0, 0, 1], 0).into())?;
        Ok(Self { bytes: file.metadata()?.len(), file, segments, datagrams, key: key()? })
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        Ok(self.datagrams.address()?)
    }

    /// Waits for somebody who asks, and sends the whole file.
    pub(super) fn serve_one(&self) -> Result<()> {
        let mut inbox = Inbox::new();
        let to = loop {
            self.datagrams.receive(&mut inbox)?;
            if let Some((from, _)) = inbox.datagrams().find(|(_, asked)| is_request(asked)) {
                break from;
            }
            // Nobody has asked yet: silence is no fault.
            let _ = self.datagrams.wait_readable();
        };
        self.send_all(to, &mut inbox)
    }

    fn send_all(&self, to: SocketAddr, inbox: &mut Inbox) -> Result<()> {
        let end = chunks(self.bytes);
        let (mut next, mut acknowledged) = (0, 0);
        let mut batch = vec![0; self.segments * DATAGRAM_BYTES];
        while acknowledged < end {
            while next < end && next - acknowledged < IN_FLIGHT_MAX {
                let bytes = self.fill(&mut batch, next)?;
                let contents = batch.get(..bytes).context("a batch beyond its buffer")?;
                self.datagrams.send(to, contents, DATAGRAM_BYTES)?;
                next += bytes.div_ceil(DATAGRAM_BYTES) as u64;
                self.datagrams.receive(inbox)?;
                acknowledged = acknowledged.max(newest(inbox));
            }
            if acknowledged < end {
                self.datagrams.wait_readable()?;
                self.datagrams.receive(inbox)?;
                acknowledged = acknowledged.max(newest(inbox));
            }
        }
        Ok(())
    }

    /// Reads and seals the chunks from number `first` on; returns how many bytes there are to send.
    fn fill(&self, batch: &mut [u8], first: u64) -> Result<usize> {
        let offset = first * CHUNK_BYTES as u64;
        let left = self.bytes - offset;
        let wanted = left.min((self.segments * CHUNK_BYTES) as u64);
        let read = rustix::io::preadv(&self.file, &mut slots(batch), offset)?;
        ensure!(read as u64 >= wanted, "the file ends early");
        let mut left = usize::try_from(wanted)?;
        let mut filled = 0;
        for (number, slot) in (first..).zip(batch.chunks_mut(DATAGRAM_BYTES)) {
            let length = left.min(CHUNK_BYTES);
            if length == 0 {
                break;
            }
            filled += self.seal(slot, number, length)?;
            left -= length;
        }
        Ok(filled)
    }

    fn seal(&self, slot: &mut [u8], number: u64, length: usize) -> Result<usize> {
        let (head, rest) = slot.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header(number));
        let (chunk, rest) = rest.split_at_mut(length);
        let aad = Aad::from(&*head);
        let tag = self.key.seal_in_place_separate_tag(nonce(number), aad, chunk)?;
        rest.get_mut(..TAG_BYTES).context("no room for a tag")?.copy_from_slice(tag.as_ref());
        Ok(HEADER_BYTES + length + TAG_BYTES)
    }
}

/// Where in a batch the chunks belong.
fn slots(batch: &mut [u8]) -> Vec<IoSliceMut<'_>> {
    let slots = batch.chunks_mut(DATAGRAM_BYTES);
    slots
        .filter_map(|slot| slot.get_mut(HEADER_BYTES..HEADER_BYTES + CHUNK_BYTES))
        .map(IoSliceMut::new)
        .collect()
}

/// How far the receiver says it has everything.
fn newest(inbox: &Inbox) -> u64 {
    inbox
        .datagrams()
        .filter_map(|(_, datagram)| Some(u64::from_be_bytes(datagram.try_into().ok()?)))
        .max()
        .unwrap_or(0)
}

/// An acknowledgement of nothing.
fn is_request(datagram: &[u8]) -> bool {
    datagram == 0_u64.to_be_bytes()
}
