//! The bytes of the state beside a part file: which version of which file it is of, and which of its
//! pieces are there. Pure; what is read may come from anybody.
//!
//! A header of 32 bytes, then a slot of 32 bytes for each piece:
//!
//! ```text
//! header   "scpart\0" and the format's version 1, 8 bytes | size u64 | modified_ns i64 | check, 8 bytes
//! slot     zeros: missing | 0xff: present, not yet hashed | else: present, and this is its hash
//! ```
//!
//! Numbers are big-endian; the check is the start of the BLAKE3 hash of the 24 bytes before it. Each
//! slot stands alone and says nothing that is not compared with the bytes it describes before they
//! count: so a slot is written in place, and one that was torn, lost or edited costs its piece.

use std::io::{self, Read};

use crate::file_version::{FILE_BYTES_MAX, FileVersion};
use crate::piece_hashes::{PieceHash, piece_count};
use crate::range_set::RangeSet;

/// Bytes of a slot, and of the header.
pub const SLOT_BYTES: usize = 32;

/// Separate ranges of pieces that are believed. Real states have a few; what lies behind the last one
/// is fetched again.
pub const MARKED_RANGES_MAX: usize = 1024;

/// What a header starts with.
const MAGIC: &[u8; 8] = b"scpart\0\x01";
/// Bytes of the header's check.
const CHECK_BYTES: usize = 8;
/// Slots read at once.
pub(crate) const SLOTS_PER_READ: usize = 256;

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
    piece.saturating_add(1).saturating_mul(SLOT_BYTES as u64)
}

/// The header for a version of a file.
#[must_use]
pub fn encode_header(version: &FileVersion) -> [u8; SLOT_BYTES] {
    let mut header = [0; SLOT_BYTES];
    let (fields, check) = header.split_at_mut(SLOT_BYTES - CHECK_BYTES);
    let (size, modified) = (version.size.to_be_bytes(), version.modified_ns.to_be_bytes());
    fields.copy_from_slice(&[*MAGIC, size, modified].concat());
    check.copy_from_slice(&check_of(fields));
    header
}

/// Reads a header; `None` if it is none, or one of a file that cannot be.
#[must_use]
pub fn decode_header(header: &[u8; SLOT_BYTES]) -> Option<FileVersion> {
    let (fields, check) = header.split_at(SLOT_BYTES - CHECK_BYTES);
    let (magic, rest) = fields.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk()?;
    let modified = rest.first_chunk()?;
    let version =
        FileVersion { size: u64::from_be_bytes(*size), modified_ns: i64::from_be_bytes(*modified) };
    let is_header = magic == MAGIC && check == check_of(fields);
    (is_header && version.size <= FILE_BYTES_MAX).then_some(version)
}

fn check_of(fields: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::hash(fields);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// Reads a whole state: the version that it is of, and the pieces that it says are there. `None` if it
/// is no state. However long the input is and whatever it holds, no more is read than the version has
/// pieces, and no more than [`MARKED_RANGES_MAX`] ranges are kept.
///
/// # Errors
/// Those of reading; that the input ends early is none.
pub fn read(mut state: impl Read) -> io::Result<Option<(FileVersion, RangeSet)>> {
    let mut header = [0; SLOT_BYTES];
    if fill(&mut state, &mut header)? < SLOT_BYTES {
        return Ok(None);
    }
    match decode_header(&header) {
        Some(version) => Ok(Some((version, read_slots(state, piece_count(version.size))?))),
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

    fn state(slots: &[Slot]) -> Vec<u8> {
        let slots: Vec<_> = slots.iter().map(|slot| slot.encode()).collect();
        [encode_header(&VERSION).as_slice(), slots.concat().as_slice()].concat()
    }

    #[track_caller]
    fn check(state: &[u8], expected: &[std::ops::Range<u64>]) {
        let (version, marked) = read(state).unwrap().unwrap();
        assert_eq!((version, marked), (VERSION, expected.iter().cloned().collect()));
    }

    #[test]
    fn golden_bytes() {
        let hash = PieceHash(*blake3::hash(b"piece").as_bytes());
        let bytes = state(&[Slot::Hashed(hash), Slot::Missing, Slot::Present]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN.split_whitespace().collect::<String>());
        check(&bytes, &[0..1, 2..3]);
        let document = include_str!("../../../../PROTOCOL.md");
        let shown: Vec<_> = GOLDEN.lines().map(|line| format!("    {line}\n")).collect();
        assert!(document.contains(&shown.concat()), "PROTOCOL.md shows other bytes");
    }

    #[test]
    fn a_state_that_ends_early_misses_the_rest() {
        let bytes = state(&[Slot::Present; 4]);
        check(&bytes, std::slice::from_ref(&(0..4)));
        check(&bytes[..32], &[]);
        check(&bytes[..32 * 3 + 31], std::slice::from_ref(&(0..2)));
    }

    #[test]
    fn slots_behind_the_last_piece_are_nothing() {
        check(&state(&[Slot::Present; 1000]), std::slice::from_ref(&(0..4)));
    }

    #[test]
    fn what_is_no_header_is_no_state() {
        let good = state(&[Slot::Present; 4]);
        for byte in 0..SLOT_BYTES {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert_eq!(read(bad.as_slice()).unwrap(), None, "byte {byte}");
        }
        assert_eq!(read(&good[..31]).unwrap(), None);
        let huge = FileVersion { size: FILE_BYTES_MAX + 1, modified_ns: 0 };
        assert_eq!(read(encode_header(&huge).as_slice()).unwrap(), None);
    }

    #[test]
    fn a_state_of_holes_takes_bounded_memory() {
        let version = FileVersion { size: FILE_BYTES_MAX, modified_ns: 0 };
        let slots = (0..10_000).flat_map(|piece| [u8::from(piece % 2 == 0); SLOT_BYTES]);
        let bytes: Vec<u8> = encode_header(&version).into_iter().chain(slots).collect();
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
                bytes.splice(..bytes.len().min(SLOT_BYTES), encode_header(&VERSION));
            }
            if let Some((version, marked)) = read(bytes.as_slice()).unwrap() {
                let pieces = piece_count(version.size);
                assert!(marked.last().is_none_or(|last| last.end <= pieces), "seed {seed}");
            }
        }
    }
}
