//! The part of one upload on disk: written by one session at a time, in any order.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::free_space::{FreeSpace, SpaceWatch};
use super::piece_marks::PieceMarks;
use super::record::Stored;
use crate::part_file::folder::is_named;
use crate::piece_hashes::{PIECE_BYTES, PieceHash, PieceHasher, piece_range};
use crate::range_set::RangeSet;
use crate::sink::Sink;

/// Mode of an uploaded file, less umask: never executable.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// An open part.
#[derive(Debug)]
pub(super) struct Part {
    /// Held open: the part stays in it whatever its name leads to later.
    folder: OwnedFd,
    name: String,
    file: File,
    inode: u64,
    device: u64,
    size: u64,
    free_space: FreeSpace,
    /// Held while bytes are written: a session that takes over waits for the write of the one before
    /// it, and none writes any more once the file is being checked.
    state: Mutex<State>,
    /// Held while the part is checked and given its name, which happens once at a time.
    settling: Mutex<()>,
    /// What its disk does wrong; tests only.
    #[cfg(test)]
    pub(super) faults: DiskFaults,
}

#[derive(Debug)]
struct State {
    received: RangeSet,
    marks: PieceMarks,
    /// Which session may write.
    session: u64,
    stored: Option<Stored>,
}

impl Part {
    /// Opens the part `name` in `folder`: the one with this inode, or a new one. With the pieces that
    /// are marked as there.
    pub(super) fn open(
        folder: OwnedFd,
        name: String,
        inode: u64,
        size: u64,
        marks: &Path,
        free_space: FreeSpace,
    ) -> io::Result<Self> {
        let (file, is_new) = match open_again(&folder, &name, inode)? {
            Some(file) => (file, false),
            None => (create(&folder, &name)?, true),
        };
        let metadata = file.metadata()?;
        let there = if is_new { 0 } else { metadata.len() };
        let (marks, received) = PieceMarks::open(marks, size, there)?;
        if is_new {
            marks.clear()?;
        }
        // Whoever goes on with it keeps it from being taken for abandoned.
        file.set_modified(SystemTime::now())?;
        let state = State { received, marks, session: 0, stored: None };
        Ok(Self {
            folder,
            name,
            inode: metadata.ino(),
            device: metadata.dev(),
            file,
            size,
            free_space,
            state: Mutex::new(state),
            settling: Mutex::default(),
            #[cfg(test)]
            faults: DiskFaults::default(),
        })
    }

    pub(super) fn folder(&self) -> &OwnedFd {
        &self.folder
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    /// Bytes that are there.
    pub(super) fn kept(&self) -> u64 {
        self.state().received.total()
    }

    /// Bytes that are still to come.
    pub(super) fn lacks(&self) -> u64 {
        self.size.saturating_sub(self.kept())
    }

    /// Whether another part needs room on the same disk.
    pub(super) fn shares_disk_with(&self, other: &Self) -> bool {
        self.device == other.device && self.inode != other.inode
    }

    /// The right to write for a new session; the one before loses it.
    pub(super) fn writer(self: &Arc<Self>) -> PartWriter {
        let mut state = self.state();
        state.session += 1;
        PartWriter { part: Arc::clone(self), session: state.session, space: SpaceWatch::new() }
    }

    /// No session writes from now on. Gives how many bytes are missing.
    pub(super) fn end_sessions(&self) -> u64 {
        let mut state = self.state();
        state.session += 1;
        self.size - state.received.total()
    }

    /// Waits for its turn to check the part or to give it its name.
    pub(super) fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// BLAKE3 of what is on disk; `None` if that is shorter than it should be. Ends with
    /// [`io::ErrorKind::Interrupted`] soon after `stop`.
    pub(super) fn hash(&self, stop: &CancellationToken) -> io::Result<Option<[u8; 32]>> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = piece_buffer(self.size);
        let mut offset = 0;
        while offset < self.size {
            go_on_unless(stop)?;
            let length = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
            let wanted = length.min(buffer.len());
            let Some(bytes) = buffer.get_mut(..wanted) else { break };
            if !self.read(bytes, offset)? {
                return Ok(None);
            }
            hasher.update(bytes);
            offset += wanted as u64;
        }
        Ok(Some(hasher.finalize().into()))
    }

    /// Compares the pieces from `first` on with what they should be. Those that differ are missing
    /// from now on; gives how many. After `stop` nothing changes, as in [`hash`](Self::hash).
    pub(super) fn compare(
        &self,
        first: u64,
        expected: &[PieceHash],
        stop: &CancellationToken,
    ) -> io::Result<u64> {
        let mut buffer = piece_buffer(self.size);
        let mut damaged = RangeSet::new();
        let mut count = 0;
        for (piece, expected) in (first..).zip(expected) {
            go_on_unless(stop)?;
            let range = piece_range(self.size, piece);
            let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let Some(bytes) = buffer.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            let mut hasher = PieceHasher::new(self.size, piece);
            if self.read(bytes, range.start)? {
                hasher.update(bytes);
            }
            if hasher.finish() != *expected {
                damaged.insert(range);
                count += 1;
            }
        }
        if count > 0 {
            let mut state = self.state();
            let State { received, marks, .. } = &mut *state;
            received.remove_all(&damaged);
            marks.set(received, self.size)?;
        }
        Ok(count)
    }

    /// Fills `bytes`; says whether there were enough.
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings the bytes safely to disk, and nothing else: the file is as long as it should be.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.set_len(self.size)?;
        self.file.sync_all()
    }

    /// Whether what has the part's name is the part.
    pub(super) fn is_named(&self) -> bool {
        is_named(&self.folder, self.name.as_ref(), &self.file)
    }

    pub(super) fn stored(&self) -> Option<Stored> {
        self.state().stored.clone()
    }

    pub(super) fn set_stored(&self, stored: Stored) {
        self.state().stored = Some(stored);
    }

    /// Removes it, unless it has been stored or replaced.
    pub(super) fn remove(&self) {
        self.end_sessions();
        if self.is_named() {
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk that is full, or takes nothing, from so many bytes of the part on.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct DiskFaults {
    pub(crate) full_at: AtomicU64,
    pub(crate) held_at: AtomicU64,
    /// So often the folder of the new name does not get to the disk.
    pub(crate) names_lost: AtomicU64,
}

#[cfg(test)]
impl Default for DiskFaults {
    fn default() -> Self {
        Self {
            full_at: AtomicU64::new(u64::MAX),
            held_at: AtomicU64::new(u64::MAX),
            names_lost: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
impl DiskFaults {
    pub(super) fn strike_name(&self) -> io::Result<()> {
        let lost = self
            .names_lost
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |times| times.checked_sub(1));
        if lost.is_ok() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn strike(&self, kept: u64) -> io::Result<()> {
        while kept >= self.held_at.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        match kept >= self.full_at.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

/// One session's right to write to a part.
#[derive(Debug)]
pub(crate) struct PartWriter {
    part: Arc<Part>,
    session: u64,
    space: SpaceWatch,
}

impl PartWriter {
    /// What is missing.
    pub(crate) fn missing(&self) -> RangeSet {
        let mut missing = RangeSet::of(0..self.part.size);
        missing.remove_all(&self.part.state().received);
        missing
    }
}

impl Sink for PartWriter {
    /// Fails with [`io::ErrorKind::Interrupted`] once another session has taken over, or the file is
    /// being checked, and with [`io::ErrorKind::StorageFull`] before the disk is full.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Part { file, size, .. } = &*self.part;
        let end = offset.checked_add(bytes.len() as u64).filter(|end| end <= size);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        #[cfg(test)]
        self.part.faults.strike(self.part.kept())?;
        self.space.before(bytes.len() as u64, || self.part.free_space.bytes(file))?;
        let mut state = self.part.state();
        if state.session != self.session {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // What is there stays as it is.
        while let Some(gap) = state.received.first_gap_in(&(offset..end)) {
            let index = |at: u64| usize::try_from(at - offset).map_err(io::Error::other);
            let part = bytes.get(index(gap.start)?..index(gap.end)?);
            file.write_all_at(part.ok_or(io::ErrorKind::InvalidInput)?, gap.start)?;
            let State { received, marks, .. } = &mut *state;
            received.insert(gap.clone());
            marks.add(received, *size, gap.start, gap.end);
        }
        Ok(())
    }
}

fn go_on_unless(stop: &CancellationToken) -> io::Result<()> {
    if stop.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
}

fn piece_buffer(size: u64) -> Vec<u8> {
    vec![0; usize::try_from(size.min(PIECE_BYTES)).unwrap_or(usize::MAX)]
}

/// Opens the part that has this inode, if it is there.
fn open_again(folder: &OwnedFd, name: &str, inode: u64) -> io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.ino() != inode || metadata.nlink() != 1 {
        return Err(Errno::EXIST.into());
    }
    Ok(Some(file))
}

fn create(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, flags, FILE_MODE)?))
}
