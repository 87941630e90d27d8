//! Why a download ended without a file.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::task::JoinError;

use crate::part_file::PartFileError;

/// Why a download ended without a file. A variant per thing that a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A bug in this program: a thread that wrote or read the file panicked.
    #[error("a thread of the download panicked")]
    Broken,
    /// As asked. Nothing is left of it.
    #[error("cancelled")]
    Cancelled,
    /// The local disk: no such folder, no permission, read-only.
    #[error("{}: {error}", path.display())]
    Disk {
        /// The folder or file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// The local disk has too little space.
    #[error("{}: no space for {needed} bytes", path.display())]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// Bytes that have to be freed, as far as the file system tells.
        needed: u64,
    },
    /// The file on the server changed, was truncated or went away meanwhile.
    #[error("the file changed on the server")]
    FileChanged,
    /// The server cannot read its own file.
    #[error("the server cannot read the file")]
    FileUnreadable,
    /// All bytes came but they are not the file that the chat server speaks of.
    #[error("the file's hash is {}, expected {}", hex(found), hex(expected))]
    Integrity {
        /// What the chat server says.
        expected: [u8; 32],
        /// What arrived.
        found: [u8; 32],
    },
    /// What is wanted as a file name is none.
    #[error("{}: not a file name", path.display())]
    NotAFileName {
        /// As asked for.
        path: PathBuf,
    },
    /// The chat server did not say in time what the file's hash is.
    #[error("the server does not tell the file's hash")]
    NoHash,
    /// The ticket names no node at all.
    #[error("the server named no place to download from")]
    NoNode,
    /// The server ended the transfer: logged out, kicked, or begun anew elsewhere.
    #[error("the server ended the transfer")]
    Ended,
    /// A node broke the protocol or showed another key than announced.
    #[error("{node}: {problem}")]
    Protocol {
        /// Which node.
        node: SocketAddr,
        /// What was wrong.
        problem: String,
    },
    /// The node refused the ticket.
    #[error("the transfer node refuses the ticket")]
    Rejected,
    /// The node has too much to do.
    #[error("the transfer node is busy")]
    Busy,
    /// The ticket was too old to start with, and there was no other.
    #[error("the permission to download expired")]
    TicketExpired,
    /// No node could be reached, or the connection broke and did not come back.
    #[error("{node} cannot be reached: {error}")]
    Unreachable {
        /// The last node that was tried.
        node: SocketAddr,
        /// What the last attempt met.
        error: io::Error,
    },
}

/// What was expected is zeros: a file that is not verified is never finished.
impl From<PartFileError> for DownloadError {
    fn from(error: PartFileError) -> Self {
        match error {
            PartFileError::Broken => DownloadError::Broken,
            PartFileError::DiskFull { path, needed } => DownloadError::DiskFull { path, needed },
            PartFileError::Io { path, error } => DownloadError::Disk { path, error },
            PartFileError::Mismatch { found } => {
                DownloadError::Integrity { expected: [0; 32], found }
            }
            PartFileError::NotAFileName { path } => DownloadError::NotAFileName { path },
        }
    }
}

/// Of the thread that a download waited for. One that did not run at all belonged to a runtime that is
/// going down, and with it everything.
impl From<JoinError> for DownloadError {
    fn from(error: JoinError) -> Self {
        if error.is_panic() { DownloadError::Broken } else { DownloadError::Cancelled }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
