//! Why an upload ended without a file on the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why an upload ended without a file on the server. A variant per thing that a person can do about it.
#[derive(Debug, thiserror::Error)]
pub enum UploadFailure {
    /// As asked.
    #[error("cancelled")]
    Cancelled,
    /// The server said no; whoever carried the question knows why.
    #[error("declined")]
    Declined,
    /// The file here cannot be read.
    #[error("{}: {error}", path.display())]
    Local {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// What is there is no regular file.
    #[error("{}: not a regular file", path.display())]
    NotAFile {
        /// What was asked for.
        path: PathBuf,
    },
    /// The file here does not stay as it is for long enough.
    #[error("the file keeps changing")]
    FileChanged,
    /// The login ended, or the same upload was started elsewhere.
    #[error("the server ended the upload")]
    Ended,
    /// The node has too much to do.
    #[error("the server is busy")]
    Busy,
    /// The server's disk does not take the bytes.
    #[error("the server's disk fails")]
    ServerDisk,
    /// The server's disk was full for longer than could be waited for.
    #[error("the server's disk is full")]
    ServerDiskFull,
    /// Nothing gets through, whichever way was tried.
    #[error("{node} cannot be reached: {error}")]
    Unreachable {
        /// Who.
        node: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// The node breaks the protocol.
    #[error("{node}: {problem}")]
    Protocol {
        /// Who.
        node: SocketAddr,
        /// What it did.
        problem: String,
    },
    /// What the server stored differs from the file here, time and again.
    #[error("what arrived differs")]
    Integrity,
    /// The server named nobody to send to.
    #[error("no node to send to")]
    NoNode,
}
