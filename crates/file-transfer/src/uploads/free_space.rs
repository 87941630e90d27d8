//! How much room a disk still has, and how much of it uploads leave to others: the server itself has to
//! write, too.

use std::io;
use std::os::fd::AsFd;
#[cfg(test)]
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::fstatvfs;

/// Left free by all uploads together when one begins.
pub(super) const FREE_BYTES_MIN: u64 = 64 << 20;

/// Left free while they are written. Less than at the beginning, so that what others write meanwhile does
/// not stop at once what has just begun.
const FREE_BYTES_KEPT: u64 = FREE_BYTES_MIN / 2;

/// So many bytes of a session are written from one look at the disk to the next. The looks of 64 sessions,
/// each with a write of as much still to come, may be too late by [`FREE_BYTES_KEPT`] together.
const LOOK_EVERY: u64 = 256 << 10;

const _: () = assert!(64 * 2 * LOOK_EVERY <= FREE_BYTES_KEPT, "64 sessions leave a disk its room");

/// Asks the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct FreeSpace {
    /// What it is to say, less one; 0: the truth.
    #[cfg(test)]
    pretended: Arc<AtomicU64>,
}

impl FreeSpace {
    /// Bytes that are free on the disk of `at`; `None` if its file system cannot tell.
    pub(super) fn bytes(&self, at: impl AsFd) -> Option<u64> {
        #[cfg(test)]
        if let Some(bytes) = self.pretended.load(Ordering::Relaxed).checked_sub(1) {
            return Some(bytes);
        }
        let disk = fstatvfs(at).ok().filter(|disk| disk.f_blocks > 0)?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The disk has so much from now on.
    #[cfg(test)]
    pub(super) fn pretend(&self, bytes: u64) {
        self.pretended.store(bytes + 1, Ordering::Relaxed);
    }
}

/// Looks at the disk now and then while a session is written.
#[derive(Debug)]
pub(super) struct SpaceWatch {
    unseen: u64,
}

impl SpaceWatch {
    /// One that looks before the first byte.
    pub(super) fn new() -> Self {
        Self { unseen: LOOK_EVERY }
    }

    /// Before `bytes` more are written.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if the rest is not for uploads.
    pub(super) fn before(
        &mut self,
        bytes: u64,
        free: impl FnOnce() -> Option<u64>,
    ) -> io::Result<()> {
        if self.unseen >= LOOK_EVERY {
            if free().is_some_and(|free| free < FREE_BYTES_KEPT.saturating_add(bytes)) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.unseen = 0;
        }
        self.unseen = self.unseen.saturating_add(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_looked_at_every_so_many_bytes() {
        let mut watch = SpaceWatch::new();
        let mut looks = 0;
        for _ in 0..64 {
            let free = || {
                looks += 1;
                Some(u64::MAX)
            };
            watch.before(LOOK_EVERY / 4, free).unwrap();
        }
        assert_eq!(looks, 16);
    }

    #[test]
    fn a_disk_that_cannot_tell_is_written_to() {
        assert!(SpaceWatch::new().before(1, || None).is_ok());
    }

    #[test]
    fn the_last_bytes_are_not_for_uploads() {
        let mut watch = SpaceWatch::new();
        let error = watch.before(2, || Some(FREE_BYTES_KEPT + 1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        watch.before(2, || Some(FREE_BYTES_KEPT + 2)).unwrap();
    }
}
