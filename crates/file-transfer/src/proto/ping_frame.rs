//! Body of PING, 17 bytes: flags u8 (bit 0 *answer me*) and the sync block of DATA.
//!
//! A sender's PING carries its sync block and is acknowledged by number like DATA. A receiver's PING
//! carries zeros there; with *answer me* set the sender answers by a PING without it.

use super::data_frame::SyncBlock;
use super::limits::SYNC_BYTES;
use super::wire_bytes::{FieldReader, FieldWriter};

/// Bytes of a PING's body.
pub const PING_BODY_BYTES: usize = 1 + SYNC_BYTES;

const FLAG_ANSWER_ME: u8 = 0b01;

/// Is the other side there?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingFrame {
    /// The other side shall answer at once.
    pub answer_me: bool,
    /// The sender's sync block; zeros from a receiver.
    pub sync: SyncBlock,
}

impl PingFrame {
    /// Writes the body; gives its length.
    #[must_use]
    pub fn encode(&self, body: &mut [u8]) -> usize {
        let mut writer = FieldWriter::new(body);
        writer.u8(if self.answer_me { FLAG_ANSWER_ME } else { 0 });
        writer.u64(self.sync.least_unacknowledged);
        writer.u32(self.sync.rtt_us);
        writer.u32(self.sync.want_version);
        writer.written()
    }

    /// Reads a body of PING. Bytes behind it are left to later versions.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = FieldReader::new(body);
        let flags = reader.u8()?;
        let sync = SyncBlock {
            least_unacknowledged: reader.u64()?,
            rtt_us: reader.u32()?,
            want_version: reader.u32()?,
        };
        Some(Self { answer_me: flags & FLAG_ANSWER_ME != 0, sync })
    }
}
