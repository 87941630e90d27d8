//! The frames as bytes. Big-endian, no padding:
//!
//! ```text
//! frame    length u32 (of what follows, 1…262,153) │ kind u8 │ body
//! HELLO    1   version u8 = 1 │ ticket 777 │ client random 32 │ proof 32 │ ranges u16 │ (start u64, end u64)…
//! DONE     2   —                                                    (of an upload: from the node)
//! WELCOME 16   proof 32 │ size u64
//! DATA    17   offset u64 │ bytes, 1…262,144 of them
//! END     18   —
//! CLOSE   19   code u8
//! WANT    20   ranges u16 │ (start u64, end u64)…                   (of an upload: after WELCOME)
//! ```
//!
//! Ranges are half-open, ascending and do not touch; the node sends exactly these bytes, in this
//! order. None at all is right for a file of no bytes, and for an upload: of that the node says in WANT
//! what it does not have, and DATA and END come from the client.

use std::ops::Range;

use crate::range_set::RangeSet;
use crate::ticket::TICKET_BYTES;

/// File bytes in one DATA frame at most.
pub(crate) const DATA_BYTES_MAX: usize = 256 * 1024;
/// Ranges in a HELLO at most. Whoever has more gaps asks for some bytes twice.
pub(crate) const RANGES_MAX: usize = 1024;
/// Bytes of length and kind in front of every body.
pub(crate) const HEADER_BYTES: usize = 5;
/// Bytes of the offset in front of a DATA frame's file bytes.
pub(crate) const OFFSET_BYTES: usize = 8;
/// Longest body that a node accepts: a HELLO.
pub(crate) const CLIENT_BODY_BYTES_MAX: usize = HELLO_FIXED_BYTES + 16 * RANGES_MAX;
/// Longest body that a client accepts: DATA.
pub(crate) const NODE_BODY_BYTES_MAX: usize = OFFSET_BYTES + DATA_BYTES_MAX;

/// Of `simplechat-file/1`.
const VERSION: u8 = 1;
const HELLO_FIXED_BYTES: usize = 1 + TICKET_BYTES + 32 + 32 + 2;

const _: () = assert!(RANGES_MAX <= u16::MAX as usize, "the count of ranges fits its field");

/// What kind of frame follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Hello,
    Done,
    Welcome,
    Data,
    End,
    Close,
    Want,
}

/// The client's first frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hello {
    pub(crate) ticket: [u8; TICKET_BYTES],
    pub(crate) client_random: [u8; 32],
    pub(crate) proof: [u8; 32],
    /// The bytes that are wanted.
    pub(crate) wanted: RangeSet,
}

/// The node's answer to a good HELLO.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Welcome {
    pub(crate) proof: [u8; 32],
    /// Of the whole file, in bytes.
    pub(crate) size: u64,
}

/// Why a node ends a transfer, in wire order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseCode {
    /// The HELLO has another version.
    Version,
    /// The other side broke the protocol.
    Violation,
    /// The ticket is not this node's, was changed, or the client does not know its secret.
    BadTicket,
    /// The ticket may no longer start anything.
    Expired,
    /// The node, or this user, has too many transfers.
    Busy,
    /// The file is no longer the one that the ticket was made for, or went away.
    FileChanged,
    /// The node cannot read the file.
    FileUnreadable,
    /// More bytes are wanted than the ticket allows.
    LimitReached,
    /// The login that the transfer belongs to has ended.
    LoginEnded,
    /// The same ticket was used to start anew.
    Replaced,
    /// The node is being shut down.
    ShuttingDown,
    /// The node cannot store what it receives.
    DiskFailed,
    /// The node's disk has no room for what it receives; it may have some later.
    DiskFull,
    /// A code that this version does not know.
    Unknown(u8),
}

/// The bytes are no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {found} bytes, allowed are 1 to {allowed}")]
    Length { found: u32, allowed: usize },
    #[error("an unknown kind of frame: {0}")]
    Kind(u8),
    #[error("version {0} of the protocol, known is {VERSION}")]
    Version(u8),
    #[error("a malformed {0:?} frame")]
    Malformed(Kind),
}

impl Kind {
    fn wire(self) -> u8 {
        match self {
            Kind::Hello => 1,
            Kind::Done => 2,
            Kind::Welcome => 16,
            Kind::Data => 17,
            Kind::End => 18,
            Kind::Close => 19,
            Kind::Want => 20,
        }
    }

    fn from_wire(kind: u8) -> Option<Kind> {
        match kind {
            1 => Some(Kind::Hello),
            2 => Some(Kind::Done),
            16 => Some(Kind::Welcome),
            17 => Some(Kind::Data),
            18 => Some(Kind::End),
            19 => Some(Kind::Close),
            20 => Some(Kind::Want),
            _ => None,
        }
    }
}

/// What stands in front of a body: its kind, and its length for a header that is read.
pub(crate) fn decode_header(
    header: [u8; HEADER_BYTES],
    body_bytes_max: usize,
) -> Result<(Kind, usize), FrameError> {
    let [a, b, c, d, kind] = header;
    let found = u32::from_be_bytes([a, b, c, d]);
    let body = usize::try_from(found).ok().and_then(|length| length.checked_sub(1));
    let body = body
        .filter(|body| *body <= body_bytes_max)
        .ok_or(FrameError::Length { found, allowed: body_bytes_max + 1 })?;
    Ok((Kind::from_wire(kind).ok_or(FrameError::Kind(kind))?, body))
}

/// The header for a body of so many bytes (at most [`NODE_BODY_BYTES_MAX`]).
pub(crate) fn encode_header(kind: Kind, body_bytes: usize) -> [u8; HEADER_BYTES] {
    debug_assert!(body_bytes <= NODE_BODY_BYTES_MAX);
    let [a, b, c, d] = u32::try_from(body_bytes + 1).unwrap_or(u32::MAX).to_be_bytes();
    [a, b, c, d, kind.wire()]
}

/// A whole frame.
pub(crate) fn encode(kind: Kind, body: &[u8]) -> Vec<u8> {
    [&encode_header(kind, body.len()), body].concat()
}

impl Hello {
    /// The whole frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![VERSION];
        body.extend_from_slice(&self.ticket);
        body.extend_from_slice(&self.client_random);
        body.extend_from_slice(&self.proof);
        encode_ranges(&self.wanted, &mut body);
        encode(Kind::Hello, &body)
    }

    /// Reads a body.
    pub(crate) fn decode(body: &[u8]) -> Result<Hello, FrameError> {
        let malformed = FrameError::Malformed(Kind::Hello);
        let ([version], rest) = body.split_first_chunk().ok_or(malformed)?;
        if *version != VERSION {
            return Err(FrameError::Version(*version));
        }
        let (ticket, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (client_random, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let (proof, rest) = rest.split_first_chunk().ok_or(malformed)?;
        let wanted = decode_ranges(rest).ok_or(malformed)?;
        Ok(Hello { ticket: *ticket, client_random: *client_random, proof: *proof, wanted })
    }
}

/// The whole WANT frame; of at most [`RANGES_MAX`] ranges.
pub(crate) fn encode_want(wanted: &RangeSet) -> Vec<u8> {
    let mut body = Vec::new();
    encode_ranges(wanted, &mut body);
    encode(Kind::Want, &body)
}

/// Reads the body of WANT.
pub(crate) fn decode_want(body: &[u8]) -> Result<RangeSet, FrameError> {
    decode_ranges(body).ok_or(FrameError::Malformed(Kind::Want))
}

fn encode_ranges(wanted: &RangeSet, body: &mut Vec<u8>) {
    debug_assert!(wanted.range_count() <= RANGES_MAX);
    let ranges = u16::try_from(wanted.range_count()).unwrap_or(u16::MAX);
    body.extend_from_slice(&ranges.to_be_bytes());
    for range in wanted.iter() {
        body.extend_from_slice(&range.start.to_be_bytes());
        body.extend_from_slice(&range.end.to_be_bytes());
    }
}

/// Their number, and then each: ascending, not empty, with a gap between any two.
fn decode_ranges(bytes: &[u8]) -> Option<RangeSet> {
    let (count, bytes) = bytes.split_first_chunk()?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count > RANGES_MAX || bytes.len() != 16 * count {
        return None;
    }
    let mut wanted = RangeSet::new();
    let mut last_end = None;
    for range in bytes.chunks_exact(16) {
        let (start, end) = range.split_first_chunk()?;
        let range = u64::from_be_bytes(*start)..u64::from_be_bytes(end.try_into().ok()?);
        if range.is_empty() || last_end.is_some_and(|end| range.start <= end) {
            return None;
        }
        last_end = Some(range.end);
        wanted.insert(range);
    }
    Some(wanted)
}

/// As much of a set as a HELLO can name: when there are too many ranges, the last one swallows the
/// rest with its gaps.
pub(crate) fn nameable(wanted: &RangeSet) -> RangeSet {
    let mut named = RangeSet::new();
    wanted.iter().take(RANGES_MAX).for_each(|range| {
        named.insert(range);
    });
    if let (Some(last_named), Some(last)) = (named.last(), wanted.last()) {
        named.insert(last_named.start..last.end);
    }
    named
}

impl Welcome {
    /// The whole frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        encode(Kind::Welcome, &[self.proof.as_slice(), &self.size.to_be_bytes()].concat())
    }

    /// Reads a body.
    pub(crate) fn decode(body: &[u8]) -> Result<Welcome, FrameError> {
        let malformed = FrameError::Malformed(Kind::Welcome);
        let (proof, size) = body.split_first_chunk().ok_or(malformed)?;
        let size = u64::from_be_bytes(size.try_into().map_err(|_| malformed)?);
        Ok(Welcome { proof: *proof, size })
    }
}

/// Where a DATA frame's bytes belong, from the front of its body and the number of bytes behind.
pub(crate) fn decode_data(offset: [u8; OFFSET_BYTES], bytes: usize) -> Option<Range<u64>> {
    let offset = u64::from_be_bytes(offset);
    let end = offset.checked_add(u64::try_from(bytes).ok()?)?;
    (offset < end).then_some(offset..end)
}

impl CloseCode {
    /// The whole frame.
    pub(crate) fn encode(self) -> Vec<u8> {
        encode(Kind::Close, &[self.wire()])
    }

    /// Reads a body.
    pub(crate) fn decode(body: &[u8]) -> Result<CloseCode, FrameError> {
        match body {
            [code] => Ok(CloseCode::from_wire(*code)),
            _ => Err(FrameError::Malformed(Kind::Close)),
        }
    }

    fn wire(self) -> u8 {
        match self {
            CloseCode::Version => 1,
            CloseCode::Violation => 2,
            CloseCode::BadTicket => 3,
            CloseCode::Expired => 4,
            CloseCode::Busy => 5,
            CloseCode::FileChanged => 6,
            CloseCode::FileUnreadable => 7,
            CloseCode::LimitReached => 8,
            CloseCode::LoginEnded => 9,
            CloseCode::Replaced => 10,
            CloseCode::ShuttingDown => 11,
            CloseCode::DiskFailed => 12,
            CloseCode::DiskFull => 13,
            CloseCode::Unknown(code) => code,
        }
    }

    fn from_wire(code: u8) -> CloseCode {
        match code {
            1 => CloseCode::Version,
            2 => CloseCode::Violation,
            3 => CloseCode::BadTicket,
            4 => CloseCode::Expired,
            5 => CloseCode::Busy,
            6 => CloseCode::FileChanged,
            7 => CloseCode::FileUnreadable,
            8 => CloseCode::LimitReached,
            9 => CloseCode::LoginEnded,
            10 => CloseCode::Replaced,
            11 => CloseCode::ShuttingDown,
            12 => CloseCode::DiskFailed,
            13 => CloseCode::DiskFull,
            code => CloseCode::Unknown(code),
        }
    }
}

#[cfg(test)]
mod tests;
