//! Body of DATA: flags u8, file offset u56, a sync block if the flags say so, file bytes.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | flags: bit 0 *acknowledge at once*, bit 1 *sync block follows* |
//! | 7 | file offset of the first byte |
//! | 16 | sync block, once per round trip: least-unacknowledged number u64, RTT in µs u32, version of the newest WANT seen u32 |
//! | rest | file bytes, at least one |

use std::time::Duration;

use super::limits::{DATA_HEADER_BYTES, SYNC_BYTES};
use super::wire_bytes::{FieldReader, FieldWriter};

const FLAG_ACK_NOW: u8 = 0b01;
const FLAG_SYNC: u8 = 0b10;

/// What a sender tells a receiver about itself about once per round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncBlock {
    /// The lowest number the sender still wants to hear of; everything below is settled.
    pub least_unacknowledged: u64,
    /// The sender's smoothed RTT in microseconds, 0 if it has none.
    pub rtt_us: u32,
    /// Version of the newest WANT the sender has seen, 0 for none.
    pub want_version: u32,
}

impl SyncBlock {
    /// The sender's smoothed RTT, if it has measured one.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        (self.rtt_us > 0).then(|| Duration::from_micros(u64::from(self.rtt_us)))
    }

    fn write(&self, writer: &mut FieldWriter<'_>) {
        writer.u64(self.least_unacknowledged);
        writer.u32(self.rtt_us);
        writer.u32(self.want_version);
    }

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        Some(Self {
            least_unacknowledged: reader.u64()?,
            rtt_us: reader.u32()?,
            want_version: reader.u32()?,
        })
    }
}

/// What stands before the file bytes of DATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataHeader {
    /// The receiver shall send an ACK without waiting.
    pub ack_now: bool,
    /// File offset of the first byte.
    pub offset: u64,
    /// The sync block, if this packet carries one.
    pub sync: Option<SyncBlock>,
}

impl DataHeader {
    /// How many bytes the header takes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        DATA_HEADER_BYTES + if self.sync.is_some() { SYNC_BYTES } else { 0 }
    }

    /// Writes the header to the front of `body`.
    pub fn encode(&self, body: &mut [u8]) {
        let mut writer = FieldWriter::new(body);
        let ack_now = if self.ack_now { FLAG_ACK_NOW } else { 0 };
        writer.u8(ack_now | if self.sync.is_some() { FLAG_SYNC } else { 0 });
        writer.u56(self.offset);
        if let Some(sync) = &self.sync {
            sync.write(&mut writer);
        }
    }

    /// Reads a body of DATA: the header, and the file bytes behind it.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = FieldReader::new(body);
        let flags = reader.u8()?;
        let offset = reader.u56()?;
        let sync = read_sync(flags, &mut reader)?;
        let bytes = reader.rest();
        let header = Self { ack_now: flags & FLAG_ACK_NOW != 0, offset, sync };
        (!bytes.is_empty()).then_some((header, bytes))
    }
}

/// The sync block that `flags` announces. Outer `None`: it is cut off.
fn read_sync(flags: u8, reader: &mut FieldReader<'_>) -> Option<Option<SyncBlock>> {
    if flags & FLAG_SYNC == 0 {
        return Some(None);
    }
    SyncBlock::read(reader).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_every_truncation() {
        let sync = SyncBlock { least_unacknowledged: 77, rtt_us: 1500, want_version: 3 };
        for sync in [None, Some(sync)] {
            let header =
                DataHeader { ack_now: sync.is_some(), offset: 0x00aa_bbcc_ddee_ff11, sync };
            let mut body = vec![0; header.encoded_bytes() + 1];
            header.encode(&mut body);
            assert_eq!(DataHeader::decode(&body), Some((header, &[0][..])));
            for length in 0..body.len() {
                assert_eq!(DataHeader::decode(&body[..length]), None, "cut to {length}");
            }
        }
    }
}
