//! What sender and receiver share: opening and sealing packets of one session, repeats refused.

use super::ack_frame::AckHeader;
use super::address_change::Token;
use super::handshake::Established;
use super::keys::SessionKeys;
use super::limits::{HEADER_BYTES, NUMBER_MAX, TAG_BYTES};
use super::packet::{Header, PacketKind};
use super::received_numbers::ReceivedNumbers;

/// Both directions of one session under their keys.
#[derive(Debug)]
pub(crate) struct SealedChannel {
    session_id: u64,
    keys: SessionKeys,
    received: ReceivedNumbers,
    repeats: u64,
}

impl SealedChannel {
    pub(crate) fn new(session_id: u64, keys: SessionKeys) -> Self {
        Self { session_id, keys, received: ReceivedNumbers::default(), repeats: 0 }
    }

    pub(crate) fn of(established: Established) -> Self {
        Self::new(established.session_id, established.keys)
    }

    /// Opens a datagram in place. `None`: not of this session, seen before, or not authentic. What
    /// is given was authentic and new, and its number is noted.
    pub(crate) fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Option<(Header, &'a mut [u8])> {
        let header = Header::decode(datagram)?;
        if header.session_id != self.session_id {
            return None;
        }
        if self.received.is_repeat(header.number) {
            self.repeats += 1;
            return None;
        }
        let body = self.keys.opening.open(&header, datagram)?;
        Some((header, body))
    }

    /// Notes that a packet was taken, so that its repetition does nothing.
    pub(crate) fn note(&mut self, number: u64) {
        self.received.insert(number);
    }

    /// Makes a packet in `out`: `write_body` puts the body and says how long it is. Gives the length
    /// of the datagram, or `None` if it would not fit or the numbers are used up.
    pub(crate) fn seal(
        &mut self,
        kind: PacketKind,
        number: u64,
        out: &mut [u8],
        write_body: impl FnOnce(&mut [u8]) -> usize,
    ) -> Option<usize> {
        if number > NUMBER_MAX {
            return None;
        }
        let room = out.len().checked_sub(TAG_BYTES)?;
        let body_bytes = write_body(out.get_mut(HEADER_BYTES..room)?);
        let length = HEADER_BYTES + body_bytes + TAG_BYTES;
        self.keys.sealing.prepare(number);
        self.keys.sealing.seal(&self.header(kind, number), out.get_mut(..length)?);
        Some(length)
    }

    /// Makes an ACK of everything received.
    pub(crate) fn seal_ack(
        &mut self,
        number: u64,
        header: &AckHeader,
        out: &mut [u8],
    ) -> Option<usize> {
        // Taken out for the moment, so that keys and numbers can be borrowed at once.
        let mut received = std::mem::take(&mut self.received);
        let length = self.seal(PacketKind::Ack, number, out, |body| {
            header.encode_ranges(received.ranges_for_ack(), body)
        });
        self.received = received;
        length
    }

    /// Makes a PATH_CHALLENGE or PATH_RESPONSE.
    pub(crate) fn seal_token(
        &mut self,
        kind: PacketKind,
        number: u64,
        token: &Token,
        out: &mut [u8],
    ) -> Option<usize> {
        self.seal(kind, number, out, |body| {
            body.first_chunk_mut().map_or(0, |start: &mut Token| {
                *start = *token;
                token.len()
            })
        })
    }

    /// Whether this number is larger than all that were taken.
    pub(crate) fn is_newest(&self, number: u64) -> bool {
        self.received.largest().is_none_or(|largest| number > largest)
    }

    /// Makes ready the key of a batch that begins with `number`.
    pub(crate) fn prepare(&mut self, number: u64) {
        self.keys.sealing.prepare(number);
    }

    /// Seals a whole datagram whose body stands in its place, after [`prepare`](Self::prepare).
    pub(crate) fn seal_in_place(&self, kind: PacketKind, number: u64, datagram: &mut [u8]) {
        self.keys.sealing.seal(&self.header(kind, number), datagram);
    }

    pub(crate) fn received(&self) -> &ReceivedNumbers {
        &self.received
    }

    pub(crate) fn received_mut(&mut self) -> &mut ReceivedNumbers {
        &mut self.received
    }

    pub(crate) fn forgeries(&self) -> u64 {
        self.keys.opening.forgeries()
    }

    pub(crate) fn worn_out(&self) -> bool {
        self.keys.opening.worn_out()
    }

    pub(crate) fn repeats(&self) -> u64 {
        self.repeats
    }

    fn header(&self, kind: PacketKind, number: u64) -> Header {
        Header { kind, session_id: self.session_id, number }
    }
}
