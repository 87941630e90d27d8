//! Why an upload is refused or cannot go on.

use std::io;

use rustix::io::Errno;

use crate::file_path::FilePathError;

/// Why an upload is refused or cannot go on. A variant per sentence that a person needs.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The disk or its folder cannot be used; the operator's business.
    #[error("the disk does not take it: {0}")]
    Disk(#[source] io::Error),
    /// There is no room on the disk.
    #[error("no space on the server's disk")]
    DiskFull,
    /// What the folder's name leads to is no folder, or a link, or it is too deep.
    #[error("the folder cannot be used")]
    Folder,
    /// The upload is over, removed or never was.
    #[error("there is no such upload")]
    Gone,
    /// A name that is never listed.
    #[error("a file of that name is never offered")]
    Hidden,
    /// Together with the upload's folder the path is none.
    #[error(transparent)]
    Path(#[from] FilePathError),
    /// The user's uploads would have too many bytes.
    #[error("more than the quota: {left} bytes are left")]
    Quota {
        /// Bytes that still have room.
        left: u64,
    },
    /// The server goes down; the part stays as it is.
    #[error("the server is being shut down")]
    Stopped,
    /// The file is larger than any may be.
    #[error("too large: at most {allowed} bytes")]
    TooLarge {
        /// Bytes of the largest one.
        allowed: u64,
    },
    /// The user has uploaded too many files, or all have.
    #[error("too many uploads: {allowed} are allowed")]
    TooManyFiles {
        /// How many may be.
        allowed: usize,
    },
    /// Uploads have made as many folders as they may.
    #[error("no more folders can be made")]
    TooManyFolders,
}

impl UploadError {
    /// What a failure of the disk means.
    pub(super) fn disk(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            // No call here ends with this by itself: it is asked again where it does.
            io::ErrorKind::Interrupted => Self::Stopped,
            _ => Self::Disk(error),
        }
    }
}

impl From<Errno> for UploadError {
    /// What it means that a folder cannot be opened or made.
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::LOOP | Errno::XDEV | Errno::NOTDIR | Errno::NAMETOOLONG => Self::Folder,
            errno => Self::disk(errno.into()),
        }
    }
}
