//! A download on disk: `NAME.part` until it is complete and verified, then `NAME`.
//!
//! The folder is opened once, and everything happens in that folder whatever its name leads to later.
//! Nothing that is there is ever overwritten or followed: the part file is made anew (or taken over
//! from a download of ours that nobody runs any more, known by its [`mark`] and its lock), and the
//! final name is given by a rename that does not replace.
//!
//! Beside it lies its state ([`resume_state`]): a piece is written, then marked there as present, then
//! hashed by a thread of its own ([`piece_checker`]) and marked with its hash. So a process that is
//! killed loses the pieces that were not complete, and nothing else. Whoever takes the part over
//! believes the marks, has the marked pieces hashed again while new ones flow, and fetches those that
//! are not what they were.
//!
//! A part is kept when a later download could use it: when its process ends, the network or the disk
//! fails. It is removed, with its state, when it holds no complete piece, and when
//! [`discard`](PartFile::discard) says so: the person cancelled, or the bytes are of no more use.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstatvfs, fsync, openat, unlinkat};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use crate::file_version::FileVersion;
use crate::piece_hashes::{PIECE_BYTES, PieceHash, piece_range};
use crate::range_set::RangeSet;
use crate::secret_file::parent;
use crate::sink::Sink;
use crate::source_id::SourceId;

pub mod resume_state;

mod error;
pub(crate) mod folder;
mod left_over;
mod mark;
pub(crate) mod names;
mod piece_checker;
mod run_hasher;
pub(crate) mod small_disk;
mod state_file;

pub use error::PartFileError;
use folder::{OpenPart, is_named};
use left_over::LeftOver;
use piece_checker::{PieceChecker, PieceReader, Unsettled};
use resume_state::{Header, Slot};
use small_disk::SmallDisk;
use state_file::StateFile;

/// How many names are tried, `NAME`, `NAME (1)` and so on.
const NAMES_MAX: u32 = 10_000;

/// A file that is being downloaded.
#[derive(Debug)]
pub struct PartFile {
    folder: OwnedFd,
    folder_path: PathBuf,
    /// The wanted final name.
    name: OsString,
    /// The name that it has now.
    part_name: OsString,
    file: Arc<File>,
    state: Option<Arc<StateFile>>,
    /// What it is of.
    header: Header,
    size: u64,
    received: RangeSet,
    /// How much `received` holds, for whoever shows progress.
    received_bytes: Arc<AtomicU64>,
    /// Of `received`, what an earlier download left.
    kept: RangeSet,
    /// What was left belonged to another version of the file.
    started_anew: bool,
    checker: PieceChecker,
    /// The whole file was compared with pieces of this root, and the checker expects those that
    /// differed.
    repaired_for: Option<[u8; 32]>,
    /// What becomes of it when it is dropped.
    fate: Fate,
    /// Instead of the real one; tests only.
    disk: Option<Arc<SmallDisk>>,
}

/// What becomes of a part file that is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// It stays if there is a complete piece.
    Kept,
    Removed,
    /// It has its final name.
    Finished,
}

impl PartFile {
    /// Opens the part file for a download of this version of this file that is to become `save_as`: the
    /// one that an earlier download left, or a new one. The part of another file stays as it is.
    ///
    /// The folder must exist. Whether there is space for the file, [`check_space`](Self::check_space)
    /// tells.
    pub fn open(
        save_as: &Path,
        version: &FileVersion,
        source: &SourceId,
    ) -> Result<PartFile, PartFileError> {
        let size = version.size;
        let (folder, folder_path, name) = place(save_as, size)?;
        let io = |path: &Path, error: io::Error| PartFileError::io(path, error, size);
        let header = Header { version: *version, source: Some(*source) };
        let part = folder::open_part(&folder, name, &header)
            .map_err(|errno| io(&folder_path.join(name), errno.into()))?;
        let left = LeftOver::of(&part, &header);
        let started = left.make_agree(&part, &header);
        let OpenPart { name: part_name, file, state, .. } = part;
        let (file, state) = (Arc::new(file), state.map(Arc::new));
        let checker = started
            .and_then(|()| PieceChecker::start(&file, size, state.clone(), left.kept.clone()))
            .map_err(|error| io(&folder_path, error))?;
        let received = bytes_of(&left.kept, size);
        Ok(PartFile {
            folder,
            folder_path,
            name: name.to_owned(),
            part_name,
            file,
            state,
            header,
            size,
            received_bytes: Arc::new(AtomicU64::new(received.total())),
            kept: received.clone(),
            received,
            started_anew: left.is_of_another_version,
            checker,
            repaired_for: None,
            fate: Fate::Kept,
            disk: None,
        })
    }

    /// Removes what downloads of this file to `save_as`, in whichever version, left on the disk. What is
    /// in use stays, and what is of another file.
    ///
    /// # Errors
    /// If there is no such folder, or it cannot be opened.
    pub fn discard_left_overs(save_as: &Path, source: &SourceId) -> Result<(), PartFileError> {
        let (folder, _, name) = place(save_as, 0)?;
        folder::remove_left_overs(&folder, name, source);
        Ok(())
    }

    /// What has to be fetched: what was not written yet, and what turned out to be damaged.
    pub fn missing(&mut self) -> RangeSet {
        let damaged = bytes_of(&self.checker.take_damaged(), self.size);
        if !damaged.is_empty() {
            tracing::warn!(part = ?self.part_name, ?damaged, "damaged pieces are fetched again");
            self.received.remove_all(&damaged);
            self.kept.remove_all(&damaged);
            self.received_bytes.store(self.received.total(), Ordering::Relaxed);
        }
        let mut missing = RangeSet::of(0..self.size);
        missing.remove_all(&self.received);
        missing
    }

    /// A count of the bytes that are there, kept up to date.
    pub fn received_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received_bytes)
    }

    /// Bytes that an earlier download left, as far as they have not turned out to be damaged.
    pub fn kept_bytes(&self) -> u64 {
        self.kept.total()
    }

    /// Whether what an earlier download left belonged to another version of the file.
    pub fn started_anew(&self) -> bool {
        self.started_anew
    }

    /// What a failed write means, in the words of this module.
    pub fn write_error(&self, error: io::Error) -> PartFileError {
        let unwritten = self.size - self.received.total();
        let needed = self.free_space().and_then(|free| unwritten.checked_sub(free));
        let needed = needed.filter(|needed| *needed > 0).unwrap_or(unwritten);
        PartFileError::io(&self.folder_path.join(&self.part_name), error, needed)
    }

    /// Whether the disk has room for what is missing, as far as the file system can tell.
    pub fn check_space(&self) -> Result<(), PartFileError> {
        let unwritten = self.size - self.received.total();
        match self.free_space() {
            Some(free) if free < unwritten => {
                let (path, needed) = (self.folder_path.clone(), unwritten - free);
                Err(PartFileError::DiskFull { path, needed })
            }
            _ => Ok(()),
        }
    }

    /// What the file system would still take from this user; `None` if it does not tell.
    fn free_space(&self) -> Option<u64> {
        if let Some(disk) = &self.disk {
            return disk.shown();
        }
        let disk = fstatvfs(&self.folder).ok().filter(|disk| disk.f_blocks > 0)?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The same on that disk.
    #[cfg(test)]
    pub(crate) fn on_disk(mut self, disk: Arc<SmallDisk>) -> Self {
        if disk.has_a_bug_in_hashing() {
            self.checker.give_a_bug();
        }
        self.disk = Some(disk);
        self
    }

    /// Waits until everything that is there is hashed. Then [`missing`](Self::missing) tells whether
    /// it is what it was. Blocks.
    pub fn settle(&self, cancel: &CancellationToken) -> Result<(), PartFileError> {
        self.checker.wait(cancel).map_err(|unsettled| match unsettled {
            Unsettled::Disk(error) => self.write_error(error),
            Unsettled::Cancelled => self.write_error(io::ErrorKind::Interrupted.into()),
            Unsettled::Broken => PartFileError::Broken,
        })
    }

    /// The BLAKE3 hash of the whole file, once it is complete and [settled](Self::settle).
    pub fn root(&self) -> Option<[u8; 32]> {
        self.checker.root()
    }

    /// Whether the file is complete, settled, and the one with this hash.
    pub fn is_verified(&mut self, root: &[u8; 32]) -> bool {
        let is_the_file = match &self.repaired_for {
            Some(repaired_for) => repaired_for == root && self.checker.expects_nothing(),
            None => self.root().as_ref() == Some(root),
        };
        is_the_file && self.missing().is_empty()
    }

    /// Reads `hashes.len()` pieces from `first` on, and gives those that have other hashes. A piece that
    /// cannot be read has another one. Blocks.
    pub fn differing(
        &self,
        first: u64,
        hashes: &[PieceHash],
        cancel: &CancellationToken,
    ) -> Vec<(u64, PieceHash)> {
        let mut reader = PieceReader::new(&self.file, self.size);
        (first..)
            .zip(hashes)
            .take_while(|_| !cancel.is_cancelled())
            .filter(|(piece, expected)| !reader.hash(*piece).is_ok_and(|found| found == **expected))
            .map(|(piece, expected)| (piece, *expected))
            .collect()
    }

    /// All pieces were compared with those of the file that has this root; these differ, and what they
    /// have to be is known. They are missing from now on.
    pub fn repair(&mut self, root: [u8; 32], differing: BTreeMap<u64, PieceHash>) {
        for piece in differing.keys() {
            let range = piece_range(self.size, *piece);
            self.mark(*piece, Slot::Missing);
            self.received.remove(range.clone());
            self.kept.remove(range);
        }
        self.received_bytes.store(self.received.total(), Ordering::Relaxed);
        self.checker.expect(differing);
        self.repaired_for = Some(root);
    }

    /// Gives up everything that is there; all of it is missing from now on.
    pub fn forget(&mut self) {
        if let Some(state) = &self.state {
            state.begin(&self.header);
        }
        self.received = RangeSet::new();
        self.kept = RangeSet::new();
        self.received_bytes.store(0, Ordering::Relaxed);
        self.checker.forget(self.size);
        self.repaired_for = None;
    }

    /// Brings a file that [is verified](Self::is_verified) safely to disk and gives it its final name,
    /// which is returned. Blocks for the disk.
    pub fn finish(&mut self, root: &[u8; 32]) -> Result<PathBuf, PartFileError> {
        if !self.is_verified(root) {
            return Err(PartFileError::Mismatch { found: self.root().unwrap_or_default() });
        }
        self.finish_verified().map_err(|error| self.write_error(error))
    }

    fn finish_verified(&mut self) -> io::Result<PathBuf> {
        match self.file.metadata()?.len() {
            // Somebody cut it after it was read.
            length if length < self.size => return Err(io::ErrorKind::UnexpectedEof.into()),
            length if length > self.size => self.file.set_len(self.size)?,
            _ => {}
        }
        self.file.sync_all()?;
        if !is_named(&self.folder, &self.part_name, &self.file) {
            // Somebody moved or replaced it: what has that name is not what was verified.
            return Err(Errno::STALE.into());
        }
        let name = folder::rename_to_first_free(&self.folder, &self.part_name, &self.name)?;
        self.fate = Fate::Finished;
        mark::remove(&self.file);
        self.remove_state();
        fsync(&self.folder)?;
        Ok(self.folder_path.join(name))
    }

    /// Removes it and its state.
    pub fn discard(mut self) {
        self.fate = Fate::Removed;
    }

    /// Says something about a piece in the state beside.
    fn mark(&self, piece: u64, slot: Slot) {
        if let Some(state) = &self.state {
            state.mark(piece, slot);
        }
    }

    fn write_to_disk(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(disk) = &self.disk {
            disk.take(bytes.len() as u64)?;
        }
        self.file.write_all_at(bytes, offset)
    }

    /// Marks the pieces that `written` has completed.
    fn note_written(&mut self, written: std::ops::Range<u64>) {
        self.received.insert(written.clone());
        self.received_bytes.store(self.received.total(), Ordering::Relaxed);
        let pieces = written.start / PIECE_BYTES..written.end.div_ceil(PIECE_BYTES);
        for piece in pieces {
            if self.received.contains_range(&piece_range(self.size, piece)) {
                self.mark(piece, Slot::Present);
                self.checker.add(piece);
            }
        }
    }

    fn has_a_complete_piece(&self) -> bool {
        self.received.iter().any(|held| {
            let first = held.start.div_ceil(PIECE_BYTES);
            let end = piece_range(self.size, first).end;
            end > held.start && end <= held.end
        })
    }

    fn remove_state(&self) {
        folder::remove_state(&self.folder, &self.part_name, self.state.as_deref());
    }
}

impl Sink for PartFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        // What is there stays as it is: it may have been hashed already.
        while let Some(gap) = self.received.first_gap_in(&(offset..end)) {
            let part = slice(bytes, gap.start - offset, gap.end - offset)?;
            self.write_to_disk(part, gap.start)?;
            self.note_written(gap);
        }
        Ok(())
    }

    fn write_run(&mut self, offset: u64, run: &mut Vec<u8>) -> io::Result<()> {
        let range = offset..offset.saturating_add(run.len() as u64);
        let is_all_new = self.received.first_gap_in(&range).as_ref() == Some(&range);
        if is_all_new && range.end <= self.size {
            self.write_to_disk(run, offset)?;
            self.checker.lend(offset, run);
            self.note_written(range);
        } else {
            self.write_at(offset, run)?;
        }
        run.clear();
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        let is_there = is_named(&self.folder, &self.part_name, &self.file);
        let is_of_use = is_there && self.state.is_some() && self.has_a_complete_piece();
        let goes = match self.fate {
            Fate::Kept => !is_of_use,
            Fate::Removed => true,
            Fate::Finished => false,
        };
        if goes {
            self.remove_state();
            // What somebody put in its place is theirs.
            if is_there {
                let _ = unlinkat(&self.folder, &self.part_name, AtFlags::empty());
            }
        }
    }
}

/// The open folder of a download that writes so many bytes, its path, and the name in it.
fn place(save_as: &Path, size: u64) -> Result<(OwnedFd, PathBuf, &OsStr), PartFileError> {
    let not_a_name = || PartFileError::NotAFileName { path: save_as.to_owned() };
    let name = names::file_name(save_as).ok_or_else(not_a_name)?;
    let path = parent(save_as).to_owned();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(CWD, &path, flags, Mode::empty()) {
        Ok(folder) => Ok((folder, path, name)),
        Err(errno) => Err(PartFileError::io(&path, errno.into(), size)),
    }
}

fn bytes_of(pieces: &RangeSet, size: u64) -> RangeSet {
    let start_of = |piece| piece_range(size, piece).start;
    pieces.iter().map(|range| start_of(range.start)..start_of(range.end)).collect()
}

fn slice(bytes: &[u8], from: u64, to: u64) -> io::Result<&[u8]> {
    let index = |at| usize::try_from(at).map_err(io::Error::other);
    bytes.get(index(from)?..index(to)?).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests;
