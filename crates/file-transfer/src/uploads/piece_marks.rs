//! Which pieces of a part are there, for after a restart: the number of each complete piece, four
//! bytes, appended once the piece is written.
//!
//! A hint that is never trusted: what is marked and wrong is found by the hash of the whole file, and
//! what is there without its mark comes again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::piece_hashes::{PIECE_BYTES, piece_count, piece_range};
use crate::range_set::RangeSet;

const MARK_BYTES: u64 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct PieceMarks {
    file: File,
}

impl PieceMarks {
    /// Opens the marks of a file of `size` bytes, of which `there` are on disk at most; gives what is
    /// marked.
    pub(super) fn open(path: &Path, size: u64, there: u64) -> io::Result<(Self, RangeSet)> {
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        // Each piece once; whatever follows is none of ours.
        (&mut file).take(piece_count(size).saturating_mul(MARK_BYTES)).read_to_end(&mut bytes)?;
        let mut marked = RangeSet::new();
        for mark in bytes.as_chunks().0 {
            let range = piece_range(size, u32::from_be_bytes(*mark).into());
            if !range.is_empty() && range.end <= there {
                marked.insert(range);
            }
        }
        Ok((Self { file }, marked))
    }

    /// None is marked any more.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Marks the pieces that are complete in `received` and touched by `start..end`, which is new.
    pub(super) fn add(&mut self, received: &RangeSet, size: u64, start: u64, end: u64) {
        for piece in start / PIECE_BYTES..end.div_ceil(PIECE_BYTES) {
            if received.contains_range(&piece_range(size, piece)) {
                self.mark(piece);
            }
        }
    }

    /// Only these pieces are there.
    pub(super) fn set(&mut self, received: &RangeSet, size: u64) -> io::Result<()> {
        self.clear()?;
        self.add(received, size, 0, size);
        Ok(())
    }

    fn mark(&mut self, piece: u64) {
        let Ok(piece) = u32::try_from(piece) else { return };
        if let Err(error) = self.file.write_all(&piece.to_be_bytes()) {
            tracing::debug!(%error, piece, "a piece is not marked and may come again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 3 * PIECE_BYTES + 5;

    #[test]
    fn complete_pieces_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks");
        let (mut marks, marked) = PieceMarks::open(&path, SIZE, SIZE).unwrap();
        assert!(marked.is_empty());
        let mut received = RangeSet::of(0..PIECE_BYTES + 7);
        marks.add(&received, SIZE, 0, PIECE_BYTES + 7);
        received.insert(3 * PIECE_BYTES..SIZE);
        marks.add(&received, SIZE, 3 * PIECE_BYTES, SIZE);
        let (_, marked) = PieceMarks::open(&path, SIZE, SIZE).unwrap();
        let expected: RangeSet = [0..PIECE_BYTES, 3 * PIECE_BYTES..SIZE].into_iter().collect();
        assert_eq!(marked, expected);
    }

    #[test]
    fn what_cannot_be_there_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks");
        let edited = [[0, 0, 0, 0], [0, 0, 0, 9], [255; 4], [0, 0, 0, 2], [0, 0, 0, 1]].concat();
        std::fs::write(&path, &edited).unwrap();
        // Four pieces, so that the fifth mark is one too many; only one piece is on disk.
        let (_, marked) = PieceMarks::open(&path, SIZE, PIECE_BYTES).unwrap();
        assert_eq!(marked, RangeSet::of(0..PIECE_BYTES));
        std::fs::write(&path, [0, 0, 0]).unwrap();
        assert!(PieceMarks::open(&path, SIZE, SIZE).unwrap().1.is_empty());
    }

    #[test]
    fn damage_unmarks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks");
        let (mut marks, _) = PieceMarks::open(&path, SIZE, SIZE).unwrap();
        let mut received = RangeSet::of(0..SIZE);
        marks.add(&received, SIZE, 0, SIZE);
        received.remove(PIECE_BYTES..2 * PIECE_BYTES);
        marks.set(&received, SIZE).unwrap();
        assert_eq!(PieceMarks::open(&path, SIZE, SIZE).unwrap().1, received);
    }
}
