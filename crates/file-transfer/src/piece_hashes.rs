//! A file's BLAKE3 hash in pieces: what each MiB contributes, and how the pieces add up to the hash
//! that `b3sum` prints. Pure; who reads files is elsewhere.
//!
//! BLAKE3 is a binary tree over chunks of 1024 bytes ("BLAKE3: one function, fast everywhere",
//! section 2.1). A piece of 1 MiB is a complete subtree of it, so the chaining values of all pieces
//! give the root without the file being read again, and one that is wrong tells which MiB is damaged.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a piece, of all but the last one of a file: a power of two of BLAKE3's chunks, large
/// enough to hash at full speed, small enough to be fetched again without regret.
pub const PIECE_BYTES: u64 = 1 << 20;
const _: () = assert!(PIECE_BYTES.is_power_of_two() && PIECE_BYTES >= blake3::CHUNK_LEN as u64);

/// The chaining value of one piece's subtree. The only piece of a file is no subtree but the tree: its
/// hash is the root.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct PieceHash(pub [u8; 32]);

/// How many pieces a file of `size` bytes has; an empty one has none.
#[must_use]
pub const fn piece_count(size: u64) -> u64 {
    size.div_ceil(PIECE_BYTES)
}

/// The bytes of one piece of a file of `size` bytes; empty behind the last one.
#[must_use]
pub fn piece_range(size: u64, piece: u64) -> Range<u64> {
    let start = piece.saturating_mul(PIECE_BYTES).min(size);
    start..start.saturating_add(PIECE_BYTES).min(size)
}

/// Hashes one piece that is at hand as a whole.
#[must_use]
pub fn hash_piece(size: u64, piece: u64, bytes: &[u8]) -> PieceHash {
    let mut hasher = PieceHasher::new(size, piece);
    hasher.update(bytes);
    hasher.finish()
}

/// Hashes one piece bit by bit. Fed with the piece's bytes, all of them and no more.
#[derive(Clone, Debug)]
pub struct PieceHasher {
    hasher: blake3::Hasher,
    /// Bytes that may still come.
    room: u64,
    is_whole_file: bool,
}

impl PieceHasher {
    /// For one piece of a file of `size` bytes.
    #[must_use]
    pub fn new(size: u64, piece: u64) -> Self {
        let range = piece_range(size, piece);
        let mut hasher = blake3::Hasher::new();
        // The start is a multiple of a piece unless there is no such piece, and then nothing is hashed.
        if !range.is_empty() {
            hasher.set_input_offset(range.start);
        }
        Self { hasher, room: range.end - range.start, is_whole_file: size <= PIECE_BYTES }
    }

    /// Takes the next bytes. What goes beyond the piece is not taken.
    pub fn update(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(usize::try_from(self.room).unwrap_or(usize::MAX));
        self.hasher.update(bytes.get(..taken).unwrap_or_default());
        self.room -= taken as u64;
    }

    /// The hash of what was taken.
    #[must_use]
    pub fn finish(&self) -> PieceHash {
        // A subtree of no bytes does not exist; of a file without bytes there is only the root.
        if self.is_whole_file || self.hasher.count() == 0 {
            return PieceHash(*self.hasher.finalize().as_bytes());
        }
        PieceHash(self.hasher.finalize_non_root())
    }
}

/// The BLAKE3 hash of a file of `size` bytes with these pieces; `None` if it has another number of
/// them.
#[must_use]
pub fn root_of(pieces: &[PieceHash], size: u64) -> Option<[u8; 32]> {
    let mut tree = PieceTree::new(size);
    (0..).zip(pieces).for_each(|(piece, hash)| tree.insert(piece, *hash));
    (pieces.len() as u64 == piece_count(size)).then(|| tree.root()).flatten()
}

/// Piece hashes on their way to the root, coming in any order.
///
/// Complete subtrees are merged at once, so that pieces that come in order, of a file of any size,
/// take a few hundred bytes; 40 bytes for every other piece at worst.
#[derive(Clone, Debug)]
pub struct PieceTree {
    pieces: u64,
    /// By the first piece: how many pieces (a power of two) the subtree has, and its hash.
    subtrees: BTreeMap<u64, (u64, [u8; 32])>,
}

impl PieceTree {
    /// Of a file of `size` bytes, with no piece known.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { pieces: piece_count(size), subtrees: BTreeMap::new() }
    }

    /// Adds a piece. One that is there already, or that the file does not have, changes nothing.
    pub fn insert(&mut self, piece: u64, hash: PieceHash) {
        if piece >= self.pieces || self.contains(piece) {
            return;
        }
        let (mut first, mut count, mut merged) = (piece, 1, hash.0);
        // The whole tree is not a subtree: its two halves stay apart until `root`.
        while count < self.pieces.div_ceil(2) {
            let sibling = first ^ count;
            let Some((_, other)) = self.subtrees.get(&sibling).filter(|held| held.0 == count)
            else {
                break;
            };
            merged = if sibling < first { parent(other, &merged) } else { parent(&merged, other) };
            self.subtrees.remove(&sibling);
            first = first.min(sibling);
            count *= 2;
        }
        self.subtrees.insert(first, (count, merged));
    }

    /// Whether a piece was added.
    #[must_use]
    pub fn contains(&self, piece: u64) -> bool {
        let below = self.subtrees.range(..=piece).next_back();
        below.is_some_and(|(first, (count, _))| piece - first < *count)
    }

    /// The root, once every piece is there.
    #[must_use]
    pub fn root(&self) -> Option<[u8; 32]> {
        let known: u64 = self.subtrees.values().map(|(count, _)| count).sum();
        if known != self.pieces {
            return None;
        }
        // Each subtree is larger than all to its right together: they merge from the right.
        let mut from_right = self.subtrees.values().rev().map(|(_, hash)| *hash);
        let Some(mut right) = from_right.next() else {
            return Some(*blake3::hash(&[]).as_bytes());
        };
        let mut rest = from_right.peekable();
        while let Some(left) = rest.next() {
            right = match rest.peek() {
                Some(_) => parent(&left, &right),
                None => *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(),
            };
        }
        Some(right)
    }
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

impl fmt::Debug for PieceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use rand_pcg::Pcg64;
    use rand_pcg::rand_core::{RngCore, SeedableRng};

    use super::*;

    const MIB: usize = 1 << 20;

    fn bytes(size: usize) -> Vec<u8> {
        (0..=250).cycle().take(size).collect()
    }

    fn pieces(bytes: &[u8]) -> Vec<PieceHash> {
        let size = bytes.len() as u64;
        let parts = bytes.chunks(MIB);
        (0..).zip(parts).map(|(piece, part)| hash_piece(size, piece, part)).collect()
    }

    #[test]
    fn pieces_add_up_to_the_plain_hash() {
        let odd = [27, 1023, 1024, 1025, 1_234_567, 5_000_011];
        let whole = (1..=9).flat_map(|pieces| [pieces * MIB - 1, pieces * MIB, pieces * MIB + 1]);
        for size in [0, 1].into_iter().chain(odd).chain(whole) {
            let file = bytes(size);
            let root = root_of(&pieces(&file), size as u64);
            assert_eq!(root, Some(*blake3::hash(&file).as_bytes()), "{size} bytes");
        }
    }

    #[test]
    fn the_only_piece_has_the_root() {
        for size in [1, MIB] {
            let file = bytes(size);
            assert_eq!(pieces(&file), [PieceHash(*blake3::hash(&file).as_bytes())]);
        }
    }

    /// The bytes 0, 1 … 250, 0, 1 …; made with an independent implementation of BLAKE3's tree.
    #[test]
    fn golden_pieces() {
        let hashes = pieces(&bytes(2 * MIB + 1));
        let text: Vec<String> = hashes.iter().map(|hash| format!("{hash:?}")).collect();
        assert_eq!(text, GOLDEN);
    }

    const GOLDEN: [&str; 3] = [
        "8a576541118ebf5fad8d683c09b63402288a71616ecc72514abf780822136023",
        "e01e387e729abf35ba39644daebfa3a124ab9fee5a6445295e0309cc4fda53a7",
        "2d586961f786914acc39350552b657390728ba0ae871563a7eac61ed6d5caacd",
    ];

    #[test]
    fn pieces_in_any_order_and_in_any_cuts_give_the_same_root() {
        for seed in 0..100 {
            let mut random = Pcg64::seed_from_u64(seed);
            let count = 1 + u64::from(random.next_u32() % 40);
            let size = count * PIECE_BYTES;
            let hash = |piece: u64| PieceHash(*blake3::hash(&piece.to_be_bytes()).as_bytes());
            let in_order: Vec<_> = (0..count).map(hash).collect();
            let mut order: Vec<u64> = (0..count).collect();
            for last in (1..order.len()).rev() {
                order.swap(last, random.next_u32() as usize % (last + 1));
            }
            let mut tree = PieceTree::new(size);
            for piece in &order {
                assert_eq!((tree.root(), tree.contains(*piece)), (None, false), "seed {seed}");
                tree.insert(*piece, hash(*piece));
                tree.insert(*piece, PieceHash([0; 32]));
            }
            assert_eq!(tree.root(), root_of(&in_order, size), "seed {seed}");
        }
    }

    #[test]
    fn pieces_in_order_take_little_memory() {
        let mut tree = PieceTree::new(100_000 * PIECE_BYTES);
        for piece in 0..100_000 {
            tree.insert(piece, PieceHash([7; 32]));
            assert!(tree.subtrees.len() <= 17, "{} subtrees", tree.subtrees.len());
        }
    }

    #[test]
    fn a_wrong_number_of_pieces_has_no_root() {
        let hashes = pieces(&bytes(3 * MIB));
        let size = 3 * PIECE_BYTES;
        assert!(root_of(&hashes[..2], size).is_none() && root_of(&hashes, size + 1).is_none());
        assert!(root_of(&hashes, 2 * PIECE_BYTES).is_none() && root_of(&[], 1).is_none());
        assert!(root_of(&[PieceHash([0; 32])], 0).is_none());
    }

    #[test]
    fn a_piece_takes_no_more_than_its_bytes() {
        let file = bytes(2 * MIB + 5);
        let mut hasher = PieceHasher::new(file.len() as u64, 1);
        file[MIB..].chunks(100_000).for_each(|part| hasher.update(part));
        assert_eq!(hasher.finish(), pieces(&file)[1]);
    }

    #[test]
    fn a_piece_that_the_file_does_not_have_is_no_accident() {
        assert_eq!(piece_range(10, 1), 10..10);
        assert_eq!(piece_range(u64::MAX, u64::MAX), u64::MAX..u64::MAX);
        let _ = hash_piece(10, u64::MAX, b"abc");
        let _ = hash_piece(5 << 20, 77, b"abc");
        let mut tree = PieceTree::new(10);
        tree.insert(1, PieceHash([0; 32]));
        assert_eq!(tree.root(), None);
    }
}
