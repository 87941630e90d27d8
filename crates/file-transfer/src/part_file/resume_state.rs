//! The bytes of the state beside a part file: which version of which file it is of, and which of its
//! pieces are there. Pure; what is read may come from anybody.
//!
//! A header of 64 bytes, then a slot of 32 bytes for each piece:
//!
//! ```text
//! header   "scpart\0" and the format's version 2, 8 bytes | size u64 | modified_ns i64
//!          | source, 32 bytes | check, 8 bytes
//! slot     zeros: missing | 0xff: present, not yet hashed | else: present, and this is its hash
//! ```
//!
//! Numbers are big-endian; the check is the start of the BLAKE3 hash of what is before it. Each
//! slot stands alone and says nothing that is not compared with the bytes it describes before they
//! count: so a slot is written in place, and one that was torn, lost or edited costs its piece.
//!
//! Version 1 had no source, so its header is half as long. It is still read.

use std::io::{self, Read};

use crate::file_version::{FILE_BYTES_MAX, FileVersion};
use crate::piece_hashes::{PieceHash, piece_count};
use crate::range_set::RangeSet;
use crate::source_id::SourceId;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 32;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;

/// Bytes of the header of version 1.
const HEADER_1_BYTES: usize = 32;

/// Separate ranges of pieces that are believed. Real states have a few; what lies behind the last one
/// is fetched again.
pub const MARKED_RANGES_MAX: usize = 1024;

/// What a header starts with …
const MAGIC: &[u8; 8] = b"scpart\0\x02";
/// … and what one of version 1 does.
const MAGIC_1: &[u8; 8] = b"scpart\0\x01";
/// Bytes of the header's check.
const CHECK_BYTES: usize = 8;
/// Slots read at once.
pub(crate) const SLOTS_PER_READ: usize = 256;

/// What a state is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Which version.
    pub version: FileVersion,
    /// Which file. `None`: nobody knows, as version 1 of the format did not say.
    pub source: Option<SourceId>,
}

/// What a state says of one piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slot {
    /// It is not there, or not completely.
    Missing,
    /// It is there.
    Present,
    /// It is there, and this was its hash.
    Hashed(PieceHash),
}

impl Slot {
    /// The bytes of the slot. (That a piece has one of the two reserved values as its hash is as
    /// likely as a collision.)
    #[must_use]
    pub const fn encode(self) -> [u8; SLOT_BYTES] {
        match self {
            Slot::Missing => [0; SLOT_BYTES],
            Slot::Present => [0xff; SLOT_BYTES],
            Slot::Hashed(PieceHash(hash)) => hash,
        }
    }

    /// Reads a slot. There are no wrong ones.
    #[must_use]
    pub fn decode(bytes: [u8; SLOT_BYTES]) -> Self {
        match bytes {
            [0, ..] if bytes == [0; SLOT_BYTES] => Slot::Missing,
            [0xff, ..] if bytes == [0xff; SLOT_BYTES] => Slot::Present,
            hash => Slot::Hashed(PieceHash(hash)),
        }
    }
}

/// Where the slot of a piece is in the state.
#[must_use]
pub const fn slot_offset(piece: u64) -> u64 {
    piece.saturating_mul(SLOT_BYTES as u64).saturating_add(HEADER_BYTES as u64)
}

impl Header {
    /// The bytes of the header; without a source, those of version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (magic, source) = match &self.source {
            Some(source) => (MAGIC, source.0.as_slice()),
            None => (MAGIC_1, [].as_slice()),
        };
        let (size, modified) =
            (self.version.size.to_be_bytes(), self.version.modified_ns.to_be_bytes());
        let fields = [magic.as_slice(), &size, &modified, source].concat();
        let check = check_of(&fields);
        [fields.as_slice(), &check].concat()
    }

    /// Reads a header; `None` if it is none, or one of a file that cannot be.
    #[must_use]
    pub fn decode(header: &[u8]) -> Option<Self> {
        let (fields, check) = header.split_last_chunk::<CHECK_BYTES>()?;
        let (magic, rest) = fields.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (modified, rest) = rest.split_first_chunk()?;
        let source = match magic {
            MAGIC => Some(SourceId(rest.try_into().ok()?)),
            MAGIC_1 if rest.is_empty() => None,
            _ => return None,
        };
        let (size, modified_ns) = (u64::from_be_bytes(*size), i64::from_be_bytes(*modified));
        let is_header = *check == check_of(fields) && size <= FILE_BYTES_MAX;
        is_header.then_some(Self { version: FileVersion { size, modified_ns }, source })
    }
}

fn check_of(fields: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::hash(fields);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Reads a whole state: what it is of, and the pieces that it says are there. `None` if it
/// is no state. However long the input is and whatever it holds, no more is read than the version has
/// pieces, and no more than [`MARKED_RANGES_MAX`] ranges are kept.
///
/// # Errors
/// Those of reading; that the input ends early is none.
pub fn read(mut state: impl Read) -> io::Result<Option<(Header, RangeSet)>> {
    let mut header = [0; HEADER_BYTES];
    let (start, rest) = header.split_at_mut(HEADER_1_BYTES);
    let mut bytes = fill(&mut state, start)?;
    if !start.starts_with(MAGIC_1) {
        bytes += fill(&mut state, rest)?;
    }
    match header.get(..bytes).and_then(Header::decode) {
        Some(header) => {
            let marked = read_slots(state, piece_count(header.version.size))?;
            Ok(Some((header, marked)))
        }
        None => Ok(None),
    }
}

fn read_slots(mut state: impl Read, pieces: u64) -> io::Result<RangeSet> {
    let mut marked = RangeSet::new();
    let mut buffer = [0; SLOTS_PER_READ * SLOT_BYTES];
    let mut piece = 0;
    while piece < pieces {
        let bytes = fill(&mut state, &mut buffer)?;
        let (slots, _) = buffer.get(..bytes).unwrap_or_default().as_chunks::<SLOT_BYTES>();
        for (number, slot) in (piece..pieces).zip(slots) {
            if Slot::decode(*slot) != Slot::Missing {
                marked.insert(number..number + 1);
            }
            if marked.range_count() > MARKED_RANGES_MAX {
                marked.remove(number..number + 1);
                return Ok(marked);
            }
        }
        if bytes < buffer.len() {
            break;
        }
        piece += SLOTS_PER_READ as u64;
    }
    Ok(marked)
}

/// Reads until the buffer is full or the input ends; says how much it was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match input.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Ok(filled),
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{RngCore, SeedableRng};

    use super::*;
    use crate::piece_hashes::PIECE_BYTES;

    const VERSION: FileVersion =
        FileVersion { size: 3 * PIECE_BYTES + 1, modified_ns: 1_700_000_000_123_456_789 };

    /// As PROTOCOL.md shows it.
    const GOLDEN: &str = include_str!("../../tests/golden/resume_state.hex");
    /// The same pieces, of whatever file.
    const GOLDEN_1: &str = include_str!("../../tests/golden/resume_state_1.hex");

    fn header() -> Header {
        Header { version: VERSION, source: Some(SourceId::of(&[7; 32], "music/song.ogg")) }
    }

    fn state_of(header: &Header, slots: &[Slot]) -> Vec<u8> {
        let slots: Vec<_> = slots.iter().map(|slot| slot.encode()).collect();
        [header.encode().as_slice(), slots.concat().as_slice()].concat()
    }

    fn state(slots: &[Slot]) -> Vec<u8> {
        state_of(&header(), slots)
    }

    #[track_caller]
    fn check(state: &[u8], expected: &[std::ops::Range<u64>]) {
        let read = read(state).unwrap().unwrap();
        assert_eq!(read, (header(), expected.iter().cloned().collect()));
    }

    #[test]
    fn golden_bytes() {
        let hash = PieceHash(*blake3::hash(b"piece").as_bytes());
        let old = Header { source: None, ..header() };
        for (header, golden) in [(header(), GOLDEN), (old, GOLDEN_1)] {
            let bytes = state_of(&header, &[Slot::Hashed(hash), Slot::Missing, Slot::Present]);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, golden.split_whitespace().collect::<String>());
            let marked = [0..1, 2..3].into_iter().collect();
            assert_eq!(read(bytes.as_slice()).unwrap(), Some((header, marked)));
            let document = include_str!("../../../../PROTOCOL.md");
            let shown: Vec<_> = golden.lines().map(|line| format!("    {line}\n")).collect();
            assert!(document.contains(&shown.concat()), "PROTOCOL.md shows other bytes");
        }
    }

    #[test]
    fn another_server_or_path_is_another_source() {
        let sources = [([7; 32], "a/b"), ([8; 32], "a/b"), ([7; 32], "a/c"), ([7; 32], "b")];
        let sources = sources.map(|(server, path)| SourceId::of(&server, path).0);
        assert!((1..4).all(|end| !sources[..end].contains(&sources[end])), "{sources:?}");
    }

    #[test]
    fn a_state_that_ends_early_misses_the_rest() {
        let bytes = state(&[Slot::Present; 4]);
        check(&bytes, std::slice::from_ref(&(0..4)));
        check(&bytes[..HEADER_BYTES], &[]);
        check(&bytes[..HEADER_BYTES + 32 * 2 + 31], std::slice::from_ref(&(0..2)));
    }

    #[test]
    fn slots_behind_the_last_piece_are_nothing() {
        check(&state(&[Slot::Present; 1000]), std::slice::from_ref(&(0..4)));
    }

    #[test]
    fn what_is_no_header_is_no_state() {
        let good = state(&[Slot::Present; 4]);
        for byte in 0..HEADER_BYTES {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert_eq!(read(bad.as_slice()).unwrap(), None, "byte {byte}");
        }
        for end in [0, HEADER_1_BYTES, HEADER_BYTES - 1] {
            assert_eq!(read(&good[..end]).unwrap(), None, "{end} bytes");
        }
        let version = FileVersion { size: FILE_BYTES_MAX + 1, modified_ns: 0 };
        let huge = Header { version, ..header() };
        assert_eq!(read(huge.encode().as_slice()).unwrap(), None);
    }

    #[test]
    fn a_state_of_holes_takes_bounded_memory() {
        let version = FileVersion { size: FILE_BYTES_MAX, modified_ns: 0 };
        let slots = (0..10_000).flat_map(|piece| [u8::from(piece % 2 == 0); SLOT_BYTES]);
        let header = Header { version, ..header() };
        let bytes: Vec<u8> = header.encode().into_iter().chain(slots).collect();
        let (_, marked) = read(bytes.as_slice()).unwrap().unwrap();
        assert_eq!(marked.range_count(), MARKED_RANGES_MAX);
    }

    #[test]
    fn no_junk_is_too_much() {
        for seed in 0..2000 {
            let mut random = Pcg64::seed_from_u64(seed);
            let mut bytes = vec![0; random.next_u32() as usize % 500];
            random.fill_bytes(&mut bytes);
            // Half of them get behind the header.
            if seed % 2 == 0 {
                bytes.splice(..bytes.len().min(HEADER_BYTES), header().encode());
            }
            if let Some((header, marked)) = read(bytes.as_slice()).unwrap() {
                let pieces = piece_count(header.version.size);
                assert!(marked.last().is_none_or(|last| last.end <= pieces), "seed {seed}");
            }
        }
    }
}
