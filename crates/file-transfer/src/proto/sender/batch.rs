//! One send: datagrams of the same size but the last, with places for file bytes.

use std::ops::Range;

use crate::proto::data_frame::{DataHeader, SyncBlock};
use crate::proto::limits::{BATCH_SEGMENTS_MAX, HEADER_BYTES, TAG_BYTES};

/// One datagram of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub(super) number: u64,
    pub(super) header: DataHeader,
    file_bytes: usize,
    start: usize,
}

impl Slot {
    /// File offset of its bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.header.offset
    }

    /// How many file bytes it carries.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    /// Where the whole datagram lies in the batch's buffer.
    #[must_use]
    pub fn datagram(&self) -> Range<usize> {
        self.start..self.start + overhead(&self.header) + self.file_bytes
    }

    /// Where its file bytes lie in the batch's buffer.
    #[must_use]
    pub fn payload(&self) -> Range<usize> {
        let start = self.start + HEADER_BYTES + self.header.encoded_bytes();
        start..start + self.file_bytes
    }
}

/// What one send carries. Made empty by the caller once and filled again and again, so that nothing
/// is allocated per packet.
#[derive(Debug, Default)]
pub struct Batch {
    slots: Vec<Slot>,
    segment_bytes: usize,
}

impl Batch {
    /// An empty batch with room for the most a send may have.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: Vec::with_capacity(BATCH_SEGMENTS_MAX), segment_bytes: 0 }
    }

    /// The datagrams, in the order of their place in the buffer.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Size of every datagram but the last, which may be smaller.
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        self.segment_bytes
    }

    /// Bytes of all datagrams together.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.slots.last().map_or(0, |last| last.datagram().end)
    }

    pub(super) fn begin(&mut self, segment_bytes: usize) {
        self.slots.clear();
        self.segment_bytes = segment_bytes;
    }

    /// Adds a datagram; gives its size. One that is smaller than the others must be the last.
    pub(super) fn push(&mut self, number: u64, header: DataHeader, file_bytes: usize) -> usize {
        let slot = Slot { number, header, file_bytes, start: self.total_bytes() };
        self.slots.push(slot);
        slot.datagram().len()
    }

    /// The last datagram asks for an ACK at once.
    pub(super) fn ask_for_ack(&mut self) {
        if let Some(last) = self.slots.last_mut() {
            last.header.ack_now = true;
        }
    }
}

/// File bytes that fit a datagram of `datagram_bytes`.
pub(super) fn capacity(datagram_bytes: usize, sync: Option<&SyncBlock>) -> u64 {
    let header = DataHeader { ack_now: false, offset: 0, sync: sync.copied() };
    datagram_bytes.saturating_sub(overhead(&header)) as u64
}

fn overhead(header: &DataHeader) -> usize {
    HEADER_BYTES + header.encoded_bytes() + TAG_BYTES
}
