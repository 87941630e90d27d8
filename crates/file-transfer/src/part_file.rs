//! A download on disk: `NAME.part` until it is complete and verified, then `NAME`.
//!
//! The folder is opened once, and everything happens in that folder whatever its name leads to later.
//! Nothing that is there is ever overwritten or followed: the part file is made anew (or taken over
//! from a download of ours that nobody runs any more, known by its [`mark`] and its lock), and the
//! final name is given by a rename that does not replace. What goes by the names lives in [`names`],
//! the hash that is computed while bytes arrive in [`prefix_hash`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, fstatvfs, fsync, linkat,
    openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::range_set::RangeSet;
use crate::secret_file::parent;
use crate::sink::Sink;

mod mark;
mod names;
mod prefix_hash;

use prefix_hash::PrefixHash;

/// Mode of a downloaded file, less umask: never executable.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
/// How many names are tried, `NAME`, `NAME (1)` and so on.
const NAMES_MAX: u32 = 10_000;

/// A file that is being downloaded. Dropped before [`finish`](Self::finish), it is removed.
#[derive(Debug)]
pub struct PartFile {
    folder: OwnedFd,
    folder_path: PathBuf,
    /// The wanted final name.
    name: OsString,
    /// The name that it has now.
    part_name: OsString,
    file: Arc<File>,
    size: u64,
    received: RangeSet,
    /// How much `received` holds, for whoever shows progress.
    received_bytes: Arc<AtomicU64>,
    hash: PrefixHash,
    /// It has its final name.
    finished: bool,
}

/// Why a part file cannot be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum PartFileError {
    /// The disk is full.
    #[error("{}: no space for {needed} bytes", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Bytes that were still to be written.
        needed: u64,
    },
    /// Anything else about the folder or the file: missing, no permission, read-only.
    #[error("{}: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// All bytes are there, and they are not what was expected.
    #[error("the hash is not the expected one")]
    Mismatch {
        /// BLAKE3 of what is there.
        found: [u8; 32],
    },
    /// The path does not end in a file name.
    #[error("{}: not a file name", path.display())]
    NotAFileName {
        /// As asked for.
        path: PathBuf,
    },
}

impl PartFile {
    /// Makes the part file for a download of `size` bytes that is to become `save_as`.
    ///
    /// The folder must exist. `DiskFull` is told before the first byte where the free space says so.
    pub fn create(save_as: &Path, size: u64) -> Result<PartFile, PartFileError> {
        let not_a_name = || PartFileError::NotAFileName { path: save_as.to_owned() };
        let name = names::file_name(save_as).ok_or_else(not_a_name)?;
        let folder_path = parent(save_as).to_owned();
        let io = |path: &Path, errno: Errno| PartFileError::io(path, errno.into(), size);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, &folder_path, flags, Mode::empty())
            .map_err(|errno| io(&folder_path, errno))?;
        check_space(&folder, &folder_path, size)?;
        let (part_name, file) =
            open_part(&folder, name).map_err(|errno| io(&folder_path.join(name), errno))?;
        let file = Arc::new(file);
        let hash = PrefixHash::start(Arc::clone(&file), size)
            .map_err(|error| PartFileError::io(&folder_path, error, size))?;
        Ok(PartFile {
            folder,
            folder_path,
            name: name.to_owned(),
            part_name,
            file,
            size,
            received: RangeSet::new(),
            received_bytes: Arc::default(),
            hash,
            finished: false,
        })
    }

    /// What has not been written yet.
    pub fn missing(&self) -> RangeSet {
        let mut missing = RangeSet::of(0..self.size);
        self.received.iter().for_each(|range| {
            missing.remove(range);
        });
        missing
    }

    /// A count of the bytes that are there, kept up to date.
    pub fn received_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received_bytes)
    }

    /// What a failed write means, in the words of this module.
    pub fn write_error(&self, error: io::Error) -> PartFileError {
        let needed = self.size - self.received.total();
        PartFileError::io(&self.folder_path.join(&self.part_name), error, needed)
    }

    /// Compares the whole file with its expected hash, brings it safely to disk and gives it its final
    /// name, which is returned. Blocks for the rest of the hashing and for the disk.
    pub fn finish(mut self, expected: &[u8; 32]) -> Result<PathBuf, PartFileError> {
        let found = self.hash.wait().map_err(|error| self.write_error(error))?;
        if found != *expected {
            return Err(PartFileError::Mismatch { found });
        }
        // From here on it is the person's file, whatever its name: never to be taken over.
        mark::remove(&self.file).map_err(|errno| self.write_error(errno.into()))?;
        self.file.sync_all().map_err(|error| self.write_error(error))?;
        let name = self.take_final_name().map_err(|errno| self.write_error(errno.into()))?;
        self.finished = true;
        fsync(&self.folder).map_err(|errno| self.write_error(errno.into()))?;
        Ok(self.folder_path.join(name))
    }

    fn take_final_name(&self) -> Result<OsString, Errno> {
        if !is_named(&self.folder, &self.part_name, &self.file) {
            // Somebody moved or replaced it: what has that name is not what was verified.
            return Err(Errno::STALE);
        }
        for number in 0..NAMES_MAX {
            let name = names::numbered(&self.name, number);
            match rename_to_new(&self.folder, &self.part_name, &name) {
                Err(Errno::EXIST) => {}
                result => return result.map(|()| name),
            }
        }
        Err(Errno::EXIST)
    }
}

impl Sink for PartFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= self.size);
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        // What is there stays as it is: it may have been hashed already.
        let mut new = false;
        while let Some(gap) = self.received.first_gap_in(&(offset..end)) {
            let part = slice(bytes, gap.start - offset, gap.end - offset)?;
            self.file.write_all_at(part, gap.start)?;
            new |= self.received.insert(gap);
        }
        if new {
            self.received_bytes.store(self.received.total(), Ordering::Relaxed);
            let first = self.received.first().filter(|range| range.start == 0);
            self.hash.advance(first.map_or(0, |range| range.end));
        }
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished && is_named(&self.folder, &self.part_name, &self.file) {
            let _ = unlinkat(&self.folder, &self.part_name, AtFlags::empty());
        }
    }
}

impl PartFileError {
    fn io(path: &Path, error: io::Error, needed: u64) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                PartFileError::DiskFull { path: parent(path).to_owned(), needed }
            }
            _ => PartFileError::Io { path: path.to_owned(), error },
        }
    }
}

fn slice(bytes: &[u8], from: u64, to: u64) -> io::Result<&[u8]> {
    let index = |at| usize::try_from(at).map_err(io::Error::other);
    bytes.get(index(from)?..index(to)?).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Says "full" now rather than after an hour. A file system that cannot tell is given a chance.
fn check_space(folder: &OwnedFd, path: &Path, size: u64) -> Result<(), PartFileError> {
    match fstatvfs(folder) {
        Ok(disk) if disk.f_blocks > 0 && disk.f_bavail.saturating_mul(disk.f_frsize) < size => {
            Err(PartFileError::DiskFull { path: path.to_owned(), needed: size })
        }
        _ => Ok(()),
    }
}

/// Opens the first of `NAME.part`, `NAME (1).part` … that is free or left over by us. Other programs
/// use such names too: their files stay as they are.
fn open_part(folder: &OwnedFd, name: &OsStr) -> Result<(OsString, File), Errno> {
    for number in 0..NAMES_MAX {
        let part_name = names::part(name, number);
        match create_part(folder, &part_name) {
            Err(Errno::EXIST) => {}
            result => return result.map(|file| (part_name, file)),
        }
        if let Some(file) = take_over_part(folder, &part_name) {
            return Ok((part_name, file));
        }
    }
    Err(Errno::EXIST)
}

/// Makes a new file of ours and locks it for as long as it is open.
fn create_part(folder: &OwnedFd, part_name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(folder, part_name, flags, FILE_MODE)?);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // Another download was quicker to take it over.
        Err(Errno::WOULDBLOCK) => Err(Errno::EXIST),
        // Without locks (some network disks) a left-over part is not taken over; that is all.
        _ => {
            mark::set(&file);
            Ok(file)
        }
    }
}

/// Opens a part file that a killed download left, emptied; `None` if it is in use or not ours.
fn take_over_part(folder: &OwnedFd, part_name: &OsStr) -> Option<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(folder, part_name, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    let only_ours = metadata.nlink() == 1 && metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_file() || !only_ours {
        return None;
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    // Between opening and locking it may have been finished or removed by its owner.
    if !is_named(folder, part_name, &file) || !mark::is_set(&file) {
        return None;
    }
    file.set_len(0).ok()?;
    Some(file)
}

/// Whether the name in the folder is that of the open file.
fn is_named(folder: &OwnedFd, name: &OsStr, file: &File) -> bool {
    let named = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let open = file.metadata();
    matches!((named, open), (Ok(named), Ok(open)) if (named.st_dev, named.st_ino) == (open.dev(), open.ino()))
}

/// Renames, and fails with `EXIST` if there is anything of the new name.
fn rename_to_new(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // File systems without such a rename can usually make a second name.
        Err(Errno::INVAL | Errno::NOSYS) => {
            linkat(folder, from, folder, to, AtFlags::empty())?;
            unlinkat(folder, from, AtFlags::empty())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests;
