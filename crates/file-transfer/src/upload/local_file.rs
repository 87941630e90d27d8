//! The file that is uploaded: opened once, and one version of it only.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use tokio_util::sync::CancellationToken;

use super::UploadFailure;
use crate::file_version::FileVersion;
use crate::piece_hashes::{PIECE_BYTES, PieceHash, hash_piece, piece_count, piece_range};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct LocalFile {
    pub(super) file: Arc<File>,
    pub(super) version: FileVersion,
}

impl LocalFile {
    /// Opens a regular file; never waits for a FIFO's other end.
    pub(super) fn open(path: &Path) -> Result<Self, UploadFailure> {
        let local = |error| UploadFailure::Local { path: path.to_owned(), error };
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(local)?;
        let metadata = file.metadata().map_err(local)?;
        if !metadata.is_file() {
            return Err(UploadFailure::NotAFile { path: path.to_owned() });
        }
        Ok(Self { version: FileVersion::of(&metadata), file: Arc::new(file) })
    }

    /// Whether it is still the version that was opened.
    fn is_unchanged(&self) -> io::Result<bool> {
        Ok(FileVersion::of(&self.file.metadata()?) == self.version)
    }

    /// BLAKE3 of the whole; `None` if it changed before all was read, or it was cancelled.
    pub(super) fn root(&self, cancel: &CancellationToken) -> io::Result<Option<[u8; 32]>> {
        let mut hasher = blake3::Hasher::new();
        for piece in 0..piece_count(self.version.size) {
            if cancel.is_cancelled() {
                return Ok(None);
            }
            let Some(bytes) = self.piece(piece)? else { return Ok(None) };
            hasher.update(&bytes);
        }
        Ok(self.is_unchanged()?.then(|| hasher.finalize().into()))
    }

    /// Hashes of `count` pieces from `first` on, fewer at the end; `None` if it changed.
    pub(super) fn pieces(&self, first: u64, count: usize) -> io::Result<Option<Vec<PieceHash>>> {
        let size = self.version.size;
        let mut hashes = Vec::new();
        for piece in (first..piece_count(size)).take(count) {
            let Some(bytes) = self.piece(piece)? else { return Ok(None) };
            hashes.push(hash_piece(size, piece, &bytes));
        }
        Ok(self.is_unchanged()?.then_some(hashes))
    }

    fn piece(&self, piece: u64) -> io::Result<Option<Vec<u8>>> {
        let range = piece_range(self.version.size, piece);
        let length = (range.end - range.start).min(PIECE_BYTES);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        match self.file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}
