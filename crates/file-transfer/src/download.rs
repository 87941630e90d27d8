//! The client's side of one download: UDP, and TCP where UDP does not get through.
//!
//! [`download`](fn@download) takes a [`DownloadRequest`], writes `NAME.part`, checks the BLAKE3 hash of
//! the whole file and only then gives it its name, never over something that is there.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};

use crate::file_version::FileVersion;

mod error;

pub use error::DownloadError;

/// What to download, from where, and where to.
#[derive(Debug)]
pub struct DownloadRequest {
    /// From the chat server; opaque.
    pub ticket: Vec<u8>,
    /// Came with the ticket.
    pub secret: [u8; 32],
    /// Who has the file, best first. Each is tried until one answers.
    pub nodes: Vec<NodeAddress>,
    /// What the ticket is for.
    pub version: FileVersion,
    /// The BLAKE3 hash of the file: `Some` once the chat server knows it. A sender that is dropped
    /// before means that there is none to come: the file changed or went away.
    pub root: watch::Receiver<Option<[u8; 32]>>,
    /// The wanted place: an existing folder and a file name. When there is something of that name,
    /// `name (1).ext` is taken instead.
    pub save_as: PathBuf,
    /// Which way.
    pub transport: TransportChoice,
    /// Where to ask for another ticket for the same file when the first one is too old to start again
    /// with. Without it the download then ends with [`DownloadError::TicketExpired`].
    pub renewal: Option<mpsc::Sender<TicketWanted>>,
}

/// A question for another ticket. An answer dropped means that there is none.
#[derive(Debug)]
pub struct TicketWanted {
    /// Where the answer goes.
    pub reply: oneshot::Sender<FreshTicket>,
}

/// Another ticket for the same file.
#[derive(Clone, Debug)]
pub struct FreshTicket {
    /// As in [`DownloadRequest`].
    pub ticket: Vec<u8>,
    /// As in [`DownloadRequest`].
    pub secret: [u8; 32],
    /// What it is for. Another version than the download's ends it with
    /// [`DownloadError::FileChanged`].
    pub version: FileVersion,
}

/// Where a transfer node is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodeAddress {
    /// UDP, and TCP of the same number.
    pub addr: SocketAddr,
    /// SHA-256 of the SubjectPublicKeyInfo that it must show over TLS.
    pub spki_sha256: [u8; 32],
    /// What to call it in the TLS handshake: a host name or an IP address.
    pub server_name: String,
}

/// How the bytes may come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransportChoice {
    /// UDP, and TCP when UDP does not get through.
    #[default]
    Auto,
    /// UDP or nothing.
    Udp,
    /// TCP only.
    Tcp,
}

/// How bytes come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// The UDP protocol.
    Udp,
    /// `simplechat-file/1` over TLS.
    Tcp,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// Bytes of the file on this side.
    pub bytes: u64,
    /// The way that is taken now.
    pub transport: Transport,
    /// All bytes are here, and are being checked or wait for the hash to check them against.
    pub verifying: bool,
}

/// A complete and verified file.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Where it is: not always the name that was asked for.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// From the request to the verified file.
    pub seconds: f64,
    /// How the last bytes came.
    pub transport: Transport,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Bytes kept from an earlier attempt.
    pub resumed_from: u64,
}
