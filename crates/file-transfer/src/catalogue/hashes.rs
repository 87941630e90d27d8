//! Hashes of files and of their pieces, computed in one pass per version of a file and remembered.
//!
//! Root hashes are small and stay for long. Piece hashes are 32 bytes a MiB: those of files of up to
//! 64 GiB are remembered as far as there is room, and read from the file again, only as many as are
//! asked for, where there is not.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::CatalogueError;
use crate::file_version::FileVersion;
use crate::piece_hashes::{
    PIECE_BYTES, PieceHash, PieceHasher, PieceTree, piece_count, piece_range,
};

/// Root hashes remembered; the oldest is forgotten first. About 100 bytes each.
const REMEMBERED_MAX: usize = 10_000;
/// Piece hashes remembered in all: 16 MiB, for 512 GiB of files. The oldest file's go first.
const PIECES_REMEMBERED_MAX: usize = 1 << 19;
/// Piece hashes remembered of one file, of 64 GiB then. Those of a larger one are not.
const PIECES_PER_FILE_MAX: u64 = 1 << 16;
const _: () = assert!(PIECES_PER_FILE_MAX <= PIECES_REMEMBERED_MAX as u64);
/// Bytes read at once: one piece.
const PIECE_BUFFER_BYTES: usize = 1 << 20;
const _: () = assert!(PIECE_BUFFER_BYTES as u64 == PIECE_BYTES);
/// How soon somebody who waits for another's reading notices that nobody wants the result any more.
const STOP_LATENCY: Duration = Duration::from_millis(200);

/// Why there is no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The file has another version by now, or changed while it was read.
    #[error("the file changed")]
    Changed,
    /// It cannot be opened.
    #[error(transparent)]
    File(CatalogueError),
    /// It cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[source] io::Error),
    /// The catalogue was told to stop, or nobody wants the hash any more.
    #[error("hashing was stopped")]
    Stopped,
}

/// A state of a file that no other file or later state shares.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
    version: FileVersion,
    /// Time of the last change of anything, which nobody can set back.
    changed_ns: i128,
}

/// What reading a file once brings.
#[derive(Clone, Debug)]
struct Hashed {
    root: [u8; 32],
    /// Of all pieces, where the file is not too large.
    pieces: Option<Arc<[PieceHash]>>,
}

#[derive(Clone, Debug)]
enum Slot {
    /// Somebody reads the file.
    Running,
    Known(Hashed),
}

#[derive(Debug, Default)]
struct Slots {
    by_identity: HashMap<Identity, Slot>,
    /// Known ones, oldest first.
    order: VecDeque<Identity>,
    /// Those of them whose pieces are remembered, and how many, oldest first.
    with_pieces: VecDeque<(Identity, usize)>,
}

/// The memory, and the place where callers wait for each other.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    /// Held for look-ups only, never while a file is read.
    slots: Mutex<Slots>,
    /// A `Running` slot became something else.
    settled: Condvar,
    stopped: AtomicBool,
}

impl Hashes {
    /// The hash of an open file in the state that it has now.
    pub(super) fn of(&self, file: &File, stop: &CancellationToken) -> Result<[u8; 32], HashError> {
        let identity = identity(file)?;
        if let Some(root) = self.known_or_begin(identity, stop)? {
            return Ok(root);
        }
        let result = self.read(file, identity, stop);
        self.settle(identity, result.as_ref().ok());
        result.map(|hashed| hashed.root)
    }

    /// The hash of an open file where it is known.
    pub(super) fn known(&self, file: &File) -> Result<Option<[u8; 32]>, HashError> {
        let identity = identity(file)?;
        match self.lock().by_identity.get(&identity) {
            Some(Slot::Known(hashed)) => Ok(Some(hashed.root)),
            Some(Slot::Running) | None => Ok(None),
        }
    }

    /// The hashes of at most `count` pieces from `first` on, where they are known.
    pub(super) fn known_pieces(
        &self,
        file: &File,
        first: u64,
        count: usize,
    ) -> Result<Option<Vec<PieceHash>>, HashError> {
        let identity = identity(file)?;
        let pieces = match self.lock().by_identity.get(&identity) {
            Some(Slot::Known(hashed)) => hashed.pieces.clone(),
            Some(Slot::Running) | None => None,
        };
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        Ok(pieces.map(|pieces| pieces.iter().skip(from).take(count).copied().collect()))
    }

    /// The hashes of at most `count` pieces from `first` on, read from the file where they are not
    /// known.
    pub(super) fn pieces(
        &self,
        file: &File,
        first: u64,
        count: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<PieceHash>, HashError> {
        if let Some(known) = self.known_pieces(file, first, count)? {
            return Ok(known);
        }
        let before = identity(file)?;
        let size = before.version.size;
        let mut buffer = vec![0; PIECE_BUFFER_BYTES];
        let wanted = (first..piece_count(size)).take(count);
        let hashes = wanted.map(|piece| self.read_piece(file, size, piece, &mut buffer, stop));
        let hashes: Vec<PieceHash> = hashes.collect::<Result<_, _>>()?;
        if identity(file)? == before { Ok(hashes) } else { Err(HashError::Changed) }
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // With the lock, so that nobody is between its look at the flag and its sleep.
        drop(self.lock());
        self.settled.notify_all();
    }

    /// The known hash; or `None` after taking the work over.
    fn known_or_begin(
        &self,
        identity: Identity,
        stop: &CancellationToken,
    ) -> Result<Option<[u8; 32]>, HashError> {
        let mut slots = self.lock();
        loop {
            self.check_stop(stop)?;
            match slots.by_identity.get(&identity) {
                Some(Slot::Known(hashed)) => return Ok(Some(hashed.root)),
                Some(Slot::Running) => {
                    let waited = self.settled.wait_timeout(slots, STOP_LATENCY);
                    slots = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                None => {
                    slots.by_identity.insert(identity, Slot::Running);
                    return Ok(None);
                }
            }
        }
    }

    /// Says how the work ended; without a hash the next in line tries.
    fn settle(&self, identity: Identity, hashed: Option<&Hashed>) {
        let mut slots = self.lock();
        match hashed {
            Some(hashed) => slots.remember(identity, hashed.clone()),
            None => {
                slots.by_identity.remove(&identity);
            }
        }
        drop(slots);
        self.settled.notify_all();
    }

    fn read(
        &self,
        file: &File,
        before: Identity,
        stop: &CancellationToken,
    ) -> Result<Hashed, HashError> {
        let size = before.version.size;
        let count = piece_count(size);
        let mut tree = PieceTree::new(size);
        let mut pieces = (count <= PIECES_PER_FILE_MAX).then(Vec::new);
        let mut buffer = vec![0; PIECE_BUFFER_BYTES];
        for piece in 0..count {
            let hash = self.read_piece(file, size, piece, &mut buffer, stop)?;
            tree.insert(piece, hash);
            if let Some(pieces) = &mut pieces {
                pieces.push(hash);
            }
        }
        if identity(file)? != before {
            return Err(HashError::Changed);
        }
        let root = tree.root().ok_or(HashError::Changed)?;
        Ok(Hashed { root, pieces: pieces.map(Arc::from) })
    }

    fn read_piece(
        &self,
        file: &File,
        size: u64,
        piece: u64,
        buffer: &mut [u8],
        stop: &CancellationToken,
    ) -> Result<PieceHash, HashError> {
        let range = piece_range(size, piece);
        let mut hasher = PieceHasher::new(size, piece);
        let mut offset = range.start;
        while offset < range.end {
            self.check_stop(stop)?;
            let bytes = match file.read_at(buffer, offset) {
                Ok(bytes) => buffer.get(..bytes).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(HashError::Read(error)),
            };
            if bytes.is_empty() {
                return Err(HashError::Changed);
            }
            // What is read beyond the piece is not taken.
            hasher.update(bytes);
            offset += bytes.len() as u64;
        }
        Ok(hasher.finish())
    }

    fn check_stop(&self, stop: &CancellationToken) -> Result<(), HashError> {
        let is_over = stop.is_cancelled() || self.stopped.load(Ordering::Relaxed);
        if is_over { Err(HashError::Stopped) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn remember(&mut self, identity: Identity, hashed: Hashed) {
        if let Some(pieces) = &hashed.pieces {
            self.with_pieces.push_back((identity, pieces.len()));
        }
        self.by_identity.insert(identity, Slot::Known(hashed));
        self.order.push_back(identity);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_identity.remove(&oldest);
            self.with_pieces.retain(|(known, _)| *known != oldest);
        }
        while self.with_pieces.iter().map(|(_, count)| count).sum::<usize>() > PIECES_REMEMBERED_MAX
            && let Some((oldest, _)) = self.with_pieces.pop_front()
        {
            if let Some(Slot::Known(hashed)) = self.by_identity.get_mut(&oldest) {
                hashed.pieces = None;
            }
        }
    }
}

fn identity(file: &File) -> Result<Identity, HashError> {
    let metadata: Metadata = file.metadata().map_err(HashError::Read)?;
    Ok(Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
        version: FileVersion::of(&metadata),
        changed_ns: i128::from(metadata.ctime()) * 1_000_000_000
            + i128::from(metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece_hashes::hash_piece;
    use std::io::Write;

    const PIECE: usize = PIECE_BUFFER_BYTES;

    fn token() -> CancellationToken {
        CancellationToken::new()
    }

    fn known(byte: u8, pieces: usize) -> Hashed {
        Hashed { root: [byte; 32], pieces: Some(vec![PieceHash([byte; 32]); pieces].into()) }
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn it_is_the_plain_blake3_of_the_bytes() {
        for size in [0, 1, 27, 1024, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let hash = Hashes::default().of(&file(&bytes), &token()).unwrap();
            assert_eq!(hash, *blake3::hash(&bytes).as_bytes(), "{size} bytes");
        }
    }

    #[test]
    fn a_change_is_hashed_again() {
        let hashes = Hashes::default();
        let mut file = file(b"one");
        assert_eq!(hashes.of(&file, &token()).unwrap(), *blake3::hash(b"one").as_bytes());
        file.write_all(b" two").unwrap();
        assert_eq!(hashes.of(&file, &token()).unwrap(), *blake3::hash(b"one two").as_bytes());
    }

    #[test]
    fn a_known_hash_needs_no_reading() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        hashes.settle(identity, Some(&known(5, 0)));
        assert_eq!(hashes.of(&file, &token()).unwrap(), [5; 32]);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_has_no_hash() {
        let hashes = Hashes::default();
        let file = file(b"long enough");
        let before = identity(&file).unwrap();
        file.set_len(3).unwrap();
        assert!(matches!(hashes.read(&file, before, &token()), Err(HashError::Changed)));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_has_no_hash() {
        let hashes = Hashes::default();
        let file = file(b"short");
        let before = identity(&file).unwrap();
        file.set_len(50).unwrap();
        assert!(matches!(hashes.read(&file, before, &token()), Err(HashError::Changed)));
    }

    #[test]
    fn the_second_caller_waits_for_the_first() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        assert_eq!(hashes.known_or_begin(identity, &token()).unwrap(), None);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file, &token()));
            hashes.settle(identity, Some(&known(5, 0)));
            assert_eq!(second.join().unwrap().unwrap(), [5; 32]);
        });
    }

    #[test]
    fn after_a_failure_the_next_in_line_tries() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        assert_eq!(hashes.known_or_begin(identity, &token()).unwrap(), None);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file, &token()));
            hashes.settle(identity, None);
            assert_eq!(second.join().unwrap().unwrap(), *blake3::hash(b"one").as_bytes());
        });
    }

    #[test]
    fn stopping_ends_those_who_wait() {
        let hashes = Hashes::default();
        let file = file(b"one");
        hashes.known_or_begin(identity(&file).unwrap(), &token()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file, &token()));
            hashes.stop();
            assert!(matches!(second.join().unwrap(), Err(HashError::Stopped)));
        });
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let hashes = Hashes::default();
        let version = FileVersion { size: 0, modified_ns: 0 };
        let number = |inode| Identity { device: 0, inode, version, changed_ns: 0 };
        for inode in 0..=REMEMBERED_MAX as u64 {
            hashes.settle(number(inode), Some(&known(0, 0)));
        }
        let slots = hashes.lock();
        assert_eq!(slots.by_identity.len(), REMEMBERED_MAX);
        assert!(!slots.by_identity.contains_key(&number(0)));
        assert!(slots.by_identity.contains_key(&number(1)));
    }

    #[test]
    fn pieces_are_those_of_the_file_whether_they_are_remembered_or_not() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * PIECE + 5).collect();
        let file = file(&bytes);
        let size = bytes.len() as u64;
        let all: Vec<PieceHash> =
            (0..).zip(bytes.chunks(PIECE)).map(|(n, part)| hash_piece(size, n, part)).collect();
        let hashes = Hashes::default();
        assert_eq!(hashes.known_pieces(&file, 1, 2).unwrap(), None);
        assert_eq!(hashes.pieces(&file, 1, 2, &token()).unwrap(), all[1..3]);
        assert_eq!(hashes.pieces(&file, 2, 99, &token()).unwrap(), all[2..]);
        hashes.of(&file, &token()).unwrap();
        assert_eq!(hashes.known_pieces(&file, 0, 99).unwrap().unwrap(), all);
        assert_eq!(hashes.known_pieces(&file, 1, 2).unwrap().unwrap(), all[1..3]);
        assert_eq!(hashes.known_pieces(&file, u64::MAX, 2).unwrap().unwrap(), []);
    }

    #[test]
    fn pieces_are_forgotten_before_roots() {
        let hashes = Hashes::default();
        let version = FileVersion { size: 0, modified_ns: 0 };
        let number = |inode| Identity { device: 0, inode, version, changed_ns: 0 };
        let half = PIECES_REMEMBERED_MAX / 2;
        (1..=3).for_each(|inode| hashes.settle(number(inode), Some(&known(1, half))));
        let slots = hashes.lock();
        let remembered: Vec<Option<usize>> = (1..=3)
            .map(|inode| match &slots.by_identity[&number(inode)] {
                Slot::Known(hashed) => hashed.pieces.as_ref().map(|pieces| pieces.len()),
                Slot::Running => panic!("{inode}"),
            })
            .collect();
        assert_eq!(remembered, [None, Some(half), Some(half)]);
    }

    #[test]
    fn nobody_who_gave_up_makes_the_disk_work() {
        let stop = token();
        stop.cancel();
        let hashes = Hashes::default();
        let file = file(b"one");
        assert!(matches!(hashes.of(&file, &stop), Err(HashError::Stopped)));
        assert!(matches!(hashes.pieces(&file, 0, 1, &stop), Err(HashError::Stopped)));
        let before = identity(&file).unwrap();
        assert!(matches!(hashes.read(&file, before, &stop), Err(HashError::Stopped)));
        // The next one is not kept waiting by it.
        assert_eq!(hashes.of(&file, &token()).unwrap(), *blake3::hash(b"one").as_bytes());
    }
}
