//! Body of CLOSE: code u8, length of the reason u8 (≤ 200), reason in UTF-8.
//!
//! `done` comes from the receiver when it has everything it wants and is acknowledged by a CLOSE
//! with the same code. Every other code ends the session at once on both sides.

use super::limits::CLOSE_REASON_BYTES_MAX;
use super::wire_bytes::{FieldReader, FieldWriter};

/// Why a session ends, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// Everything wanted was received.
    Done,
    /// The person, or the program, gave the transfer up.
    Cancelled,
    /// The file is no longer the one the ticket was made for.
    FileChanged,
    /// The file cannot be read.
    FileUnreadable,
    /// A newer start from the same ticket was confirmed.
    Replaced,
    /// The login that the transfer belongs to has ended.
    LoginEnded,
    /// More bytes were asked for than the ticket allows.
    LimitReached,
    /// The other side broke the protocol.
    Violation,
    /// The other side takes no bytes although it answers.
    Stalled,
    /// The node is being shut down.
    ShuttingDown,
    /// The receiver cannot store what it receives.
    DiskFailed,
    /// All places of the node, or of the user, are taken.
    Busy,
    /// The receiver's disk has no room for what it receives; it may have some later.
    DiskFull,
    /// A code that this version does not know.
    Unknown(u8),
}

impl CloseCode {
    /// The byte on the wire.
    #[must_use]
    pub fn wire(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Cancelled => 1,
            Self::FileChanged => 2,
            Self::FileUnreadable => 3,
            Self::Replaced => 4,
            Self::LoginEnded => 5,
            Self::LimitReached => 6,
            Self::Violation => 7,
            Self::Stalled => 8,
            Self::ShuttingDown => 9,
            Self::DiskFailed => 10,
            Self::Busy => 11,
            Self::DiskFull => 12,
            Self::Unknown(code) => code,
        }
    }

    /// The code behind a byte on the wire.
    #[must_use]
    pub fn from_wire(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Cancelled,
            2 => Self::FileChanged,
            3 => Self::FileUnreadable,
            4 => Self::Replaced,
            5 => Self::LoginEnded,
            6 => Self::LimitReached,
            7 => Self::Violation,
            8 => Self::Stalled,
            9 => Self::ShuttingDown,
            10 => Self::DiskFailed,
            11 => Self::Busy,
            12 => Self::DiskFull,
            code => Self::Unknown(code),
        }
    }
}

/// The end of a session, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people: at most 200 bytes, cut at a character when longer. Foreign text.
    pub reason: String,
}

impl CloseFrame {
    /// Writes the body; gives its length.
    #[must_use]
    pub fn encode(&self, body: &mut [u8]) -> usize {
        let cut = (0..=CLOSE_REASON_BYTES_MAX.min(self.reason.len()))
            .rev()
            .find_map(|length| self.reason.get(..length))
            .unwrap_or_default();
        let mut writer = FieldWriter::new(body);
        writer.u8(self.code.wire());
        writer.u8(u8::try_from(cut.len()).unwrap_or(0));
        writer.put(cut.as_bytes());
        writer.written()
    }

    /// Reads a body of CLOSE.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = FieldReader::new(body);
        let code = CloseCode::from_wire(reader.u8()?);
        let length = usize::from(reader.u8()?);
        if length > CLOSE_REASON_BYTES_MAX {
            return None;
        }
        let reason = std::str::from_utf8(reader.slice(length)?).ok()?.to_owned();
        Some(Self { code, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for byte in 0..=u8::MAX {
            assert_eq!(CloseCode::from_wire(byte).wire(), byte);
        }
    }

    #[test]
    fn long_reasons_are_cut_at_a_character() {
        let frame = CloseFrame { code: CloseCode::FileUnreadable, reason: "ä".repeat(150) };
        let mut body = [0; 256];
        let length = frame.encode(&mut body);
        let read = CloseFrame::decode(&body[..length]).expect("a frame");
        assert_eq!(read.reason, "ä".repeat(100));
        for cut in 0..length {
            assert_eq!(CloseFrame::decode(&body[..cut]), None);
        }
    }
}
