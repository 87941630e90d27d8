//! The server's folder: which files it offers, and how they are opened.
//!
//! Only regular, readable files below the folder count, reached without following any symbolic link
//! ([`beneath`]). An index in memory answers lists; [`watch`] keeps it true while files come and go;
//! [`hashes`] remembers the BLAKE3 of what was asked for. Everything here may wait for the disk: call
//! it from a thread that may block.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use crate::file_path::FilePath;
use crate::file_version::{FILE_BYTES_MAX, FileVersion};
use crate::piece_hashes::PieceHash;
use crate::uploads::PartId;

pub(crate) mod beneath;
mod hashes;
pub(crate) mod scan;
mod settling;
mod watch;

pub use hashes::HashError;
pub use watch::{CatalogueChange, CatalogueWatch};

use beneath::Beneath;
use hashes::Hashes;

/// Most files that are offered; the rest is left out and the log says so.
pub const FILES_MAX: usize = 200_000;

/// The files of one folder. Cheap to clone; clones are the same catalogue.
#[derive(Clone, Debug)]
pub struct Catalogue {
    shared: Arc<Shared>,
}

/// A file that is offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CatalogueEntry {
    /// Its name below the folder.
    pub path: FilePath,
    /// Its state when it was last looked at.
    pub version: FileVersion,
}

/// A file opened for reading.
#[derive(Debug)]
pub struct OpenFile {
    /// To be read by position; never blocks as a FIFO would.
    pub file: File,
    /// Its state right after opening.
    pub version: FileVersion,
}

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The disk, or too many open files.
    #[error("cannot open the file: {0}")]
    Io(#[source] io::Error),
    /// There is something, but no file to offer: a folder, a device, behind a symbolic link.
    #[error("not a regular file")]
    NotAFile,
    /// There is nothing of that name.
    #[error("no such file")]
    NotFound,
    /// Larger than [`FILE_BYTES_MAX`].
    #[error("the file has {found} bytes, allowed are {FILE_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
    },
    /// The server has no permission to read it.
    #[error("no permission to read the file")]
    Unreadable,
}

impl CatalogueError {
    /// Whether there is no such file to offer, rather than one that is out of reach for now: what was
    /// downloaded of it so far may still be of use then.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Io(_) | Self::Unreadable => false,
            Self::NotAFile | Self::NotFound | Self::TooLarge { .. } => true,
        }
    }
}

#[derive(Debug)]
struct Shared {
    beneath: Beneath,
    /// Sorted by path. Held for one look-up, one page or one change; never while the disk is asked.
    index: Mutex<BTreeMap<FilePath, FileVersion>>,
    hashes: Hashes,
    /// A watch is running.
    watched: Arc<AtomicBool>,
}

/// The right to watch; the next may once it is dropped.
#[derive(Debug)]
struct WatchTurn(Arc<AtomicBool>);

impl Drop for WatchTurn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Catalogue {
    /// Opens a folder, made if missing (with mode 0755 less umask), and lists what is in it.
    pub fn open(folder: &Path) -> io::Result<Catalogue> {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let beneath = Beneath::open(folder)?;
        let files = scan::scan(&beneath, |_, _| {})?;
        let index = Mutex::new(files);
        let shared = Shared { beneath, index, hashes: Hashes::default(), watched: Arc::default() };
        let shared = Arc::new(shared);
        Ok(Catalogue { shared })
    }

    /// A page of the list: up to `max` files whose path starts with `prefix` and sorts behind `after`
    /// (by bytes), both empty for the first page of everything.
    pub fn list(&self, prefix: &str, after: &str, max: usize) -> Vec<CatalogueEntry> {
        let from = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        self.shared
            .index()
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(path, _)| path.as_str().starts_with(prefix))
            .take(max)
            .map(|(path, version)| CatalogueEntry { path: path.clone(), version: *version })
            .collect()
    }

    /// How many files are offered.
    pub fn len(&self) -> usize {
        self.shared.index().len()
    }

    /// Whether the folder has nothing to offer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A file as it is on disk now, be it in the list already or not.
    pub fn find(&self, path: &FilePath) -> Result<CatalogueEntry, CatalogueError> {
        let version = self.shared.look_at(path)?;
        Ok(CatalogueEntry { path: path.clone(), version })
    }

    /// Opens a file for reading.
    pub fn open_file(&self, path: &FilePath) -> Result<OpenFile, CatalogueError> {
        // What is there is looked at before it is opened: opening a device can do something.
        self.shared.look_at(path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.shared.beneath.open_at(path.as_str(), flags)?);
        let metadata = file.metadata().map_err(CatalogueError::Io)?;
        if !metadata.is_file() {
            return Err(CatalogueError::NotAFile);
        }
        Ok(OpenFile { version: FileVersion::of(&metadata), file })
    }

    /// The BLAKE3 hash of the whole file, if it still has that version before and after reading it.
    ///
    /// Reads the file once per version; further callers wait for the first, or get the remembered
    /// value. Blocks for as long as reading takes.
    pub fn root_hash(&self, path: &FilePath, version: &FileVersion) -> Result<[u8; 32], HashError> {
        self.root_hash_unless(path, version, &CancellationToken::new())
    }

    /// As [`root_hash`](Self::root_hash), until nobody wants it any more: then [`HashError::Stopped`].
    pub fn root_hash_unless(
        &self,
        path: &FilePath,
        version: &FileVersion,
        stop: &CancellationToken,
    ) -> Result<[u8; 32], HashError> {
        self.shared.hashes.of(&self.open_version(path, version)?, stop)
    }

    /// The remembered hash of the file, if it still has that version. Reads none of it.
    pub fn known_root_hash(
        &self,
        path: &FilePath,
        version: &FileVersion,
    ) -> Result<Option<[u8; 32]>, HashError> {
        self.shared.hashes.known(&self.open_version(path, version)?)
    }

    /// The hashes of at most `count` pieces of the file from `first` on, if it still has that version
    /// before and after reading; until nobody wants them any more. Reads no more than these pieces,
    /// and nothing where they are remembered from hashing the whole file.
    pub fn piece_hashes(
        &self,
        path: &FilePath,
        version: &FileVersion,
        first: u64,
        count: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<PieceHash>, HashError> {
        self.shared.hashes.pieces(&self.open_version(path, version)?, first, count, stop)
    }

    /// As [`piece_hashes`](Self::piece_hashes) where they are remembered. Reads none of the file.
    pub fn known_piece_hashes(
        &self,
        path: &FilePath,
        version: &FileVersion,
        first: u64,
        count: usize,
    ) -> Result<Option<Vec<PieceHash>>, HashError> {
        self.shared.hashes.known_pieces(&self.open_version(path, version)?, first, count)
    }

    fn open_version(&self, path: &FilePath, version: &FileVersion) -> Result<File, HashError> {
        let open = self.open_file(path).map_err(HashError::File)?;
        if open.version != *version {
            return Err(HashError::Changed);
        }
        Ok(open.file)
    }

    /// Ends running and later calls that read a file to hash it with [`HashError::Stopped`], so that
    /// a program can end while a large file is read.
    pub fn stop_hashing(&self) {
        self.shared.hashes.stop();
    }

    /// Keeps the list true from now on, on a thread of its own, and tells each change to `on_change`.
    /// Ends when the returned value is dropped. What changed since the folder was opened is told before
    /// this returns, on the calling thread. There can be one at a time: a second one fails with
    /// [`io::ErrorKind::ResourceBusy`].
    pub fn watch(
        &self,
        on_change: impl FnMut(CatalogueChange) + Send + 'static,
    ) -> io::Result<CatalogueWatch> {
        CatalogueWatch::start(Arc::clone(&self.shared), Box::new(on_change))
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, BTreeMap<FilePath, FileVersion>> {
        // Nothing that holds it can panic halfway through a change.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_watch_turn(&self) -> io::Result<WatchTurn> {
        if self.watched.swap(true, Ordering::Acquire) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok(WatchTurn(Arc::clone(&self.watched)))
    }

    /// The version of what could be offered under that name now.
    fn look_at(&self, path: &FilePath) -> Result<FileVersion, CatalogueError> {
        if PartId::is_part_of(path) {
            return Err(CatalogueError::NotFound);
        }
        let fd = self.beneath.open_at(path.as_str(), OFlags::PATH | OFlags::NOFOLLOW)?;
        let stat = fstat(&fd).map_err(|errno| CatalogueError::Io(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(CatalogueError::NotAFile);
        }
        if !beneath::is_readable(&fd) {
            return Err(CatalogueError::Unreadable);
        }
        let version = scan::version_of(&stat);
        if version.size > FILE_BYTES_MAX {
            return Err(CatalogueError::TooLarge { found: version.size });
        }
        Ok(version)
    }
}

impl From<Errno> for CatalogueError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => CatalogueError::NotFound,
            Errno::ACCESS | Errno::PERM => CatalogueError::Unreadable,
            // A link on the way, a way out of the folder, a file used as a folder, a socket.
            Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::NXIO | Errno::NODEV => {
                CatalogueError::NotAFile
            }
            errno => CatalogueError::Io(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests;
