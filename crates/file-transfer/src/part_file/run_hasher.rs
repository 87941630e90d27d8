//! Hashes pieces while their bytes are still in memory: of runs that follow one another from the start
//! of a piece to its end. A piece of which a part came otherwise is not known here, and is read back.

use std::collections::BTreeMap;

use crate::piece_hashes::{PIECE_BYTES, PieceHash, PieceHasher, piece_range};

/// Pieces in the making, of one file.
#[derive(Debug)]
pub(super) struct RunHasher {
    size: u64,
    current: Option<Current>,
    finished: BTreeMap<u64, PieceHash>,
}

/// The piece that the last run ended in.
#[derive(Debug)]
struct Current {
    piece: u64,
    hasher: PieceHasher,
    /// Offset of the byte that goes on.
    next: u64,
    end: u64,
}

impl RunHasher {
    /// For a file of `size` bytes.
    pub(super) fn new(size: u64) -> Self {
        Self { size, current: None, finished: BTreeMap::new() }
    }

    /// Takes bytes that were written to the file.
    pub(super) fn take(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() && offset < self.size {
            let piece = offset / PIECE_BYTES;
            let range = piece_range(self.size, piece);
            let room = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            if offset == range.start {
                let hasher = PieceHasher::new(self.size, piece);
                self.current = Some(Current { piece, hasher, next: offset, end: range.end });
            }
            self.go_on(offset, part);
            offset += part.len() as u64;
            bytes = rest;
        }
    }

    /// The hash of a piece, if all of it came in order. It is told once.
    pub(super) fn finished(&mut self, piece: u64) -> Option<PieceHash> {
        self.finished.remove(&piece)
    }

    /// Late bytes of an earlier piece do not disturb the one in the making.
    fn go_on(&mut self, offset: u64, part: &[u8]) {
        let Some(current) = self.current.as_mut().filter(|current| current.next == offset) else {
            return;
        };
        current.hasher.update(part);
        current.next += part.len() as u64;
        if current.next == current.end {
            self.finished.insert(current.piece, current.hasher.finish());
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece_hashes::hash_piece;

    const SIZE: usize = 2 * (1 << 20) + 5_000;

    /// Gives the runs, and says which pieces are then known; each has to have its hash.
    #[track_caller]
    fn check(runs: &[std::ops::Range<usize>], expected: &[u64]) {
        let bytes: Vec<u8> = (0..=250).cycle().take(SIZE).collect();
        let mut hasher = RunHasher::new(SIZE as u64);
        runs.iter().for_each(|run| hasher.take(run.start as u64, &bytes[run.clone()]));
        let mut known = Vec::new();
        for (piece, content) in (0..).zip(bytes.chunks(1 << 20)) {
            if let Some(found) = hasher.finished(piece) {
                assert!(found == hash_piece(SIZE as u64, piece, content), "piece {piece}");
                assert!(hasher.finished(piece).is_none(), "told once");
                known.push(piece);
            }
        }
        assert_eq!(known, expected);
    }

    #[test]
    fn runs_in_order_are_hashed_across_pieces() {
        let runs: Vec<_> =
            (0..SIZE).step_by(261_220).map(|at| at..SIZE.min(at + 261_220)).collect();
        check(&runs, &[0, 1, 2]);
        check(std::slice::from_ref(&(0..SIZE)), &[0, 1, 2]);
    }

    #[test]
    fn a_gap_costs_its_piece_alone() {
        check(&[0..1_000, 2_000..1 << 20, 1 << 20..SIZE], &[1, 2]);
    }

    #[test]
    fn late_bytes_do_not_disturb_the_piece_in_the_making() {
        check(&[0..1_000, 2_000..1_500_000, 1_000..2_000, 1_500_000..SIZE], &[1, 2]);
    }

    #[test]
    fn a_piece_that_comes_again_is_hashed_again() {
        check(&[0..500_000, 0..500_000, 500_000..1 << 20], &[0]);
    }

    #[test]
    fn nothing_lies_behind_the_end() {
        let mut hasher = RunHasher::new(10);
        hasher.take(0, &[7; 20]);
        assert!(hasher.finished(0) == Some(hash_piece(10, 0, &[7; 10])));
        hasher.take(u64::MAX - 1, &[7; 20]);
    }
}
