//! Why a part file cannot be made, written or finished.

use std::io;
use std::path::{Path, PathBuf};

use crate::secret_file::parent;

/// Why a part file cannot be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum PartFileError {
    /// A bug in this program: the thread that hashes panicked.
    #[error("the hashing broke off")]
    Broken,
    /// The disk has too little space.
    #[error("{}: no space for {needed} bytes", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Bytes that have to be freed for what is still to be written, as far as the file system tells:
        /// all of it where a quota is in the way.
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
        /// BLAKE3 of what is there; zeros if not everything is.
        found: [u8; 32],
    },
    /// The path does not end in a file name.
    #[error("{}: not a file name", path.display())]
    NotAFileName {
        /// As asked for.
        path: PathBuf,
    },
}

impl PartFileError {
    /// An error that the system told about `path`, with `needed` bytes still to be written.
    pub(super) fn io(path: &Path, error: io::Error, needed: u64) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                PartFileError::DiskFull { path: parent(path).to_owned(), needed }
            }
            _ => PartFileError::Io { path: path.to_owned(), error },
        }
    }
}
