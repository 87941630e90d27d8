//! The client's side of one upload: from a file here to a file on the server.
//!
//! [`upload`](fn@upload) asks the server for leave, sends what the server does not have, and tells it the
//! BLAKE3 hash of the whole; only when the server says that it has stored that, it is finished. Whoever
//! calls it carries its [`Question`]s to the server and brings the answers; it knows nothing of the way
//! that they take, nor of a connection that breaks meanwhile: an answer just takes longer then.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::download::{NodeAddress, Transport, TransportChoice};
use crate::file_version::FileVersion;
use crate::piece_hashes::PieceHash;

mod attempt;
mod failure;
mod local_file;
mod sending;

pub use failure::UploadFailure;

use attempt::{Attempt, Outcome};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How often a file may change in mid-upload before it is given up.
const RESTARTS_MAX: u32 = 3;

/// Piece hashes in one [`Question::Pieces`].
pub const PIECE_HASHES_MAX: usize = 4096;

/// What to upload.
#[derive(Debug)]
pub struct UploadRequest {
    /// The file here.
    pub file: PathBuf,
    /// Which way the bytes go.
    pub transport: TransportChoice,
    /// How long a server's disk that is full in mid-upload is waited for, at a time.
    pub disk_patience: Duration,
    /// Who carries questions to the server. One at a time is asked. A reply that is dropped means that
    /// the server declines, and that the asker knows why.
    pub server: mpsc::Sender<Question>,
}

/// A question to the server.
#[derive(Debug)]
pub enum Question {
    /// May a file of this version come, and what of it is there?
    Begin {
        /// Names this attempt: the same each time that it is repeated.
        attempt: [u8; 16],
        /// Of the file here.
        version: FileVersion,
        /// Where the answer goes.
        reply: oneshot::Sender<Leave>,
    },
    /// Everything is sent: is this the hash of it?
    Sent {
        /// BLAKE3 of the file here.
        root: [u8; 32],
        /// Where the answer goes.
        reply: oneshot::Sender<Verdict>,
    },
    /// Which of these pieces differ? The server asks for those again.
    Pieces {
        /// Number of the first one.
        first: u64,
        /// At most [`PIECE_HASHES_MAX`].
        hashes: Vec<PieceHash>,
        /// Where the answer goes: how many differ. `None`: the server does not know of the upload any more.
        reply: oneshot::Sender<Option<u64>>,
    },
    /// The file here has changed: the server need not keep what it has of the old version. No answer.
    GiveUp,
}

/// The answer to [`Question::Begin`].
#[derive(Clone, Debug)]
pub enum Leave {
    /// Bytes may be sent.
    Ticket(UploadTicket),
    /// This very attempt was stored already.
    Stored {
        /// Where, as the server names it.
        path: String,
        /// BLAKE3 of what was stored.
        root: [u8; 32],
    },
    /// Not now: the server's disk has no room. Before any ticket that declines the upload, as whoever
    /// carried the question knows; later it is waited for.
    DiskFull,
    /// Not now: too much was asked for. It is asked again later.
    Busy,
}

/// Leave to send.
#[derive(Clone, Debug)]
pub struct UploadTicket {
    /// Opaque.
    pub ticket: Vec<u8>,
    /// Came with the ticket.
    pub secret: [u8; 32],
    /// Who takes the file, best first.
    pub nodes: Vec<NodeAddress>,
    /// Bytes that the server has already.
    pub kept: u64,
}

/// The answer to [`Question::Sent`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is there for everybody.
    Stored {
        /// Where, as the server names it: not always the name that was asked for.
        path: String,
    },
    /// Bytes are missing, or the server does not know of the upload any more: begin again.
    Incomplete,
    /// Everything is there, and something of it is wrong.
    Differs,
    /// The server's disk had no room for the last of it; nothing that was kept is lost.
    DiskFull,
    /// The server's disk failed at the end. Whether the file stands there the next leave tells: what is
    /// there may only have to be made durable.
    DiskFailed,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UploadProgress {
    /// Bytes of the file here.
    pub size: u64,
    /// Bytes that the server has, as far as is known here.
    pub bytes: u64,
    /// The way that is taken now.
    pub transport: Transport,
    /// Everything is sent, and the server checks it.
    pub verifying: bool,
    /// The server's disk is full, and it is waited for room. No place on the server is held meanwhile.
    pub server_disk_full: bool,
    /// How often it began anew because the file here changed.
    pub restarts: u32,
}

/// A file that the server has stored.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// Where it is on the server.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// From the request to the server's word.
    pub seconds: f64,
    /// How the last bytes went.
    pub transport: Transport,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
    /// Bytes that the server had from an earlier attempt.
    pub resumed_from: u64,
}

/// Uploads a file. Returns when the server has stored it, or why not. What the server has of it by then
/// stays there for a while, so that the same file can be gone on with.
///
/// A file that changes in mid-upload is told by [`UploadProgress::restarts`] and begins anew: what the
/// server stores is the file as it was at one moment.
///
/// # Errors
/// See [`UploadFailure`].
pub async fn upload(
    request: UploadRequest,
    progress: watch::Sender<UploadProgress>,
    cancel: CancellationToken,
) -> Result<Uploaded, UploadFailure> {
    let started = Instant::now();
    // Its threads must hear of it if this future is dropped, and no longer than that.
    let cancel = cancel.child_token();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let sent = Arc::new(AtomicU64::new(0));
    let attempts = async {
        for restarts in 0..=RESTARTS_MAX {
            progress.send_modify(|progress| progress.restarts = restarts);
            let attempt = Attempt::begin(&request, &sent, &progress, &cancel).await?;
            match attempt.run().await {
                Outcome::Stored { path, root, size, resumed_from } => {
                    return Ok((path, root, size, resumed_from));
                }
                Outcome::FileChanged => {
                    // Nobody waits for this one; whoever carried the question is gone otherwise.
                    let _ = request.server.send(Question::GiveUp).await;
                }
                Outcome::Failed(failure) => return Err(failure),
            }
        }
        Err(UploadFailure::FileChanged)
    };
    let told = told_while(&progress, &sent, attempts);
    let (path, blake3, bytes, resumed_from) = tokio::select! {
        () = cancel.cancelled() => return Err(UploadFailure::Cancelled),
        outcome = told => outcome?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let transport = progress.borrow().transport;
    Ok(Uploaded { path, bytes, seconds, transport, blake3, resumed_from })
}

/// Tells progress while something else goes on.
async fn told_while<T>(
    progress: &watch::Sender<UploadProgress>,
    sent: &AtomicU64,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            done = &mut work => Some(done),
            _ = ticks.tick() => None,
        };
        progress.send_modify(|progress| progress.bytes = sent.load(Ordering::Relaxed));
        if let Some(done) = done {
            return done;
        }
    }
}

#[cfg(test)]
mod tests;
