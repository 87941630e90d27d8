//! A disk that takes only so much, for tests: what `ENOSPC` does without a disk of one's own.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared with whoever fills and empties it.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    /// Bytes that it takes from now on; `u64::MAX`: any number.
    left: AtomicU64,
    /// Whether the file system says so. Until the first write that fails it does not, where somebody else
    /// fills the disk on the way.
    shows: AtomicBool,
    /// Instead of failing it panics when it is full: a bug on the way to the disk.
    panics: bool,
    /// What hashes the pieces panics.
    #[cfg(test)]
    hashing_panics: bool,
}

impl SmallDisk {
    /// With so many bytes left, which shows at once or when it is full.
    #[cfg(test)]
    pub(crate) fn new(left: u64, shows: bool) -> Self {
        let (left, shows) = (AtomicU64::new(left), AtomicBool::new(shows));
        Self { left, shows, panics: false, hashing_panics: false }
    }

    /// Takes everything; to hash it is a bug.
    #[cfg(test)]
    pub(crate) fn with_a_bug_in_hashing() -> Self {
        Self { hashing_panics: true, ..Self::new(u64::MAX, false) }
    }

    #[cfg(test)]
    pub(super) fn has_a_bug_in_hashing(&self) -> bool {
        self.hashing_panics
    }

    /// With so many bytes left; a write beyond them is a bug.
    #[cfg(test)]
    pub(crate) fn with_a_bug_after(left: u64) -> Self {
        Self { panics: true, ..Self::new(left, false) }
    }

    #[cfg(test)]
    pub(crate) fn set_left(&self, bytes: u64) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// What it still takes.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// What the file system says that it takes; `None` if it does not say.
    pub(super) fn shown(&self) -> Option<u64> {
        self.shows.load(Ordering::Relaxed).then(|| self.left())
    }

    /// Writes so many bytes.
    pub(super) fn take(&self, bytes: u64) -> io::Result<()> {
        let take = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(bytes) };
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        assert!(taken.is_ok() || !self.panics, "the bug that the test asked for");
        taken.map(drop).map_err(|_| {
            self.shows.store(true, Ordering::Relaxed);
            io::ErrorKind::StorageFull.into()
        })
    }
}
