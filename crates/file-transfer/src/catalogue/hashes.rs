//! Root hashes, each computed once per version of a file and remembered.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::CatalogueError;
use crate::file_version::FileVersion;

/// Hashes remembered; the oldest is forgotten first. About 100 bytes each.
const REMEMBERED_MAX: usize = 10_000;
/// Bytes read at once.
const BUFFER_BYTES: usize = 1 << 20;

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
    /// The catalogue was told to stop.
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

#[derive(Clone, Copy, Debug)]
enum Slot {
    /// Somebody reads the file.
    Running,
    Known([u8; 32]),
}

#[derive(Debug, Default)]
struct Slots {
    by_identity: HashMap<Identity, Slot>,
    /// Known ones, oldest first.
    order: VecDeque<Identity>,
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
    pub(super) fn of(&self, file: &File) -> Result<[u8; 32], HashError> {
        let identity = identity(file)?;
        if let Some(hash) = self.known_or_begin(identity)? {
            return Ok(hash);
        }
        let result = self.read(file, identity);
        self.settle(identity, result.as_ref().ok());
        result
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        // With the lock, so that nobody is between its look at the flag and its sleep.
        drop(self.lock());
        self.settled.notify_all();
    }

    /// The known hash; or `None` after taking the work over.
    fn known_or_begin(&self, identity: Identity) -> Result<Option<[u8; 32]>, HashError> {
        let mut slots = self.lock();
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(HashError::Stopped);
            }
            match slots.by_identity.get(&identity) {
                Some(Slot::Known(hash)) => return Ok(Some(*hash)),
                Some(Slot::Running) => {
                    slots = self.settled.wait(slots).unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    slots.by_identity.insert(identity, Slot::Running);
                    return Ok(None);
                }
            }
        }
    }

    /// Says how the work ended; without a hash the next in line tries.
    fn settle(&self, identity: Identity, hash: Option<&[u8; 32]>) {
        let mut slots = self.lock();
        match hash {
            Some(hash) => {
                slots.by_identity.insert(identity, Slot::Known(*hash));
                slots.order.push_back(identity);
                if slots.order.len() > REMEMBERED_MAX
                    && let Some(oldest) = slots.order.pop_front()
                {
                    slots.by_identity.remove(&oldest);
                }
            }
            None => {
                slots.by_identity.remove(&identity);
            }
        }
        drop(slots);
        self.settled.notify_all();
    }

    fn read(&self, file: &File, before: Identity) -> Result<[u8; 32], HashError> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut offset = 0;
        while offset < before.version.size {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(HashError::Stopped);
            }
            let bytes = match file.read_at(&mut buffer, offset) {
                Ok(bytes) => buffer.get(..bytes).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(HashError::Read(error)),
            };
            if bytes.is_empty() {
                return Err(HashError::Changed);
            }
            hasher.update(bytes);
            offset += bytes.len() as u64;
        }
        if offset != before.version.size || identity(file)? != before {
            return Err(HashError::Changed);
        }
        Ok(hasher.finalize().into())
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn it_is_the_plain_blake3_of_the_bytes() {
        for size in [0, 1, 27, 1024, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let hash = Hashes::default().of(&file(&bytes)).unwrap();
            assert_eq!(hash, *blake3::hash(&bytes).as_bytes(), "{size} bytes");
        }
    }

    #[test]
    fn a_change_is_hashed_again() {
        let hashes = Hashes::default();
        let mut file = file(b"one");
        assert_eq!(hashes.of(&file).unwrap(), *blake3::hash(b"one").as_bytes());
        file.write_all(b" two").unwrap();
        assert_eq!(hashes.of(&file).unwrap(), *blake3::hash(b"one two").as_bytes());
    }

    #[test]
    fn a_known_hash_needs_no_reading() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        hashes.settle(identity, Some(&[5; 32]));
        assert_eq!(hashes.of(&file).unwrap(), [5; 32]);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_has_no_hash() {
        let hashes = Hashes::default();
        let file = file(b"long enough");
        let before = identity(&file).unwrap();
        file.set_len(3).unwrap();
        assert!(matches!(hashes.read(&file, before), Err(HashError::Changed)));
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_has_no_hash() {
        let hashes = Hashes::default();
        let file = file(b"short");
        let before = identity(&file).unwrap();
        file.set_len(50).unwrap();
        assert!(matches!(hashes.read(&file, before), Err(HashError::Changed)));
    }

    #[test]
    fn the_second_caller_waits_for_the_first() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        assert_eq!(hashes.known_or_begin(identity).unwrap(), None);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file));
            hashes.settle(identity, Some(&[5; 32]));
            assert_eq!(second.join().unwrap().unwrap(), [5; 32]);
        });
    }

    #[test]
    fn after_a_failure_the_next_in_line_tries() {
        let hashes = Hashes::default();
        let file = file(b"one");
        let identity = identity(&file).unwrap();
        assert_eq!(hashes.known_or_begin(identity).unwrap(), None);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file));
            hashes.settle(identity, None);
            assert_eq!(second.join().unwrap().unwrap(), *blake3::hash(b"one").as_bytes());
        });
    }

    #[test]
    fn stopping_ends_those_who_wait() {
        let hashes = Hashes::default();
        let file = file(b"one");
        hashes.known_or_begin(identity(&file).unwrap()).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| hashes.of(&file));
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
            hashes.settle(number(inode), Some(&[0; 32]));
        }
        let slots = hashes.lock();
        assert_eq!(slots.by_identity.len(), REMEMBERED_MAX);
        assert!(!slots.by_identity.contains_key(&number(0)));
        assert!(slots.by_identity.contains_key(&number(1)));
    }
}
