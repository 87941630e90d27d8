//! What a download is asked to do, and the questions that it asks back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::file_version::FileVersion;
use crate::piece_hashes::PieceHash;
use crate::source_id::SourceId;

/// Piece hashes in one answer: 4 GiB of file, 128 KiB of hashes, half of what one frame of the chat
/// may have.
pub const PIECES_PER_ANSWER_MAX: usize = 4096;

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
    /// Which file that is: only a part that is left of the same one is gone on with, or given up.
    pub source: SourceId,
    /// The BLAKE3 hash of the file: `Some` once the chat server knows it. A sender that is dropped
    /// before means that there is none to come: the file changed or went away.
    pub root: watch::Receiver<Option<[u8; 32]>>,
    /// The wanted place: an existing folder and a file name. When there is something of that name,
    /// `name (1).ext` is taken instead.
    pub save_as: PathBuf,
    /// Which way.
    pub transport: TransportChoice,
    /// Where to ask for another ticket for the same file when the first one is too old to start again
    /// with. Without it the download then ends with [`DownloadError::TicketExpired`](super::DownloadError::TicketExpired).
    pub renewal: Option<mpsc::Sender<TicketWanted>>,
    /// Where to ask for the file's piece hashes when what arrived is not the file. Without them a
    /// damaged file is [`DownloadError::Integrity`](super::DownloadError::Integrity).
    pub pieces: Option<mpsc::Sender<PiecesWanted>>,
    /// Whether it shall rest. While it holds `true` there is no session on any node, and what has
    /// arrived is kept; `false` lets it go on. A sender that is dropped leaves it as it is.
    pub paused: Option<watch::Receiver<bool>>,
    /// When to give up.
    pub patience: Patience,
}

/// How long a download waits for what may heal by itself. `None`: for as long as it takes. Time that
/// the machine sleeps does not count, nor does time in which the download is paused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// Without a byte from any node since the request.
    pub first_byte: Option<Duration>,
    /// Without a new byte after bytes have come: the network or the server is away.
    pub next_byte: Option<Duration>,
    /// With a local disk that has too little space, and a part of the file on it: it became full on the
    /// way, or the download goes on from an earlier one.
    pub disk: Option<Duration>,
    /// With a local disk that has too little space before there is anything on it.
    pub disk_at_start: Option<Duration>,
}

/// Of somebody who sits before a command line: what cannot begin says so and ends.
impl Default for Patience {
    fn default() -> Self {
        Self {
            first_byte: Some(Duration::from_secs(10)),
            next_byte: Some(Duration::from_secs(120)),
            disk: Some(Duration::from_secs(600)),
            disk_at_start: Some(Duration::ZERO),
        }
    }
}

impl Patience {
    /// Never gives up.
    pub const ENDLESS: Self =
        Self { first_byte: None, next_byte: None, disk: None, disk_at_start: None };
}

/// A question for piece hashes of the file. An answer dropped means that there are none.
#[derive(Debug)]
pub struct PiecesWanted {
    /// The first piece that is asked for.
    pub first: u64,
    /// Where the answer goes: the hashes of this piece and those that follow, at least one, at most
    /// [`PIECES_PER_ANSWER_MAX`].
    pub reply: oneshot::Sender<Vec<PieceHash>>,
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
    /// [`DownloadError::FileChanged`](super::DownloadError::FileChanged).
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
