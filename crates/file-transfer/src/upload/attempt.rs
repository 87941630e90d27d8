//! One version of the file, from leave to the server's word that it is stored.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::local_file::LocalFile;
use super::{
    Leave, PIECE_HASHES_MAX, Question, UploadFailure, UploadProgress, UploadRequest, UploadTicket,
    Verdict,
};
use crate::piece_hashes::piece_count;
use crate::proto::close_frame::CloseCode;
use crate::udp::{self, SendConfig, SendError};

/// Rounds in a row that brought the server nothing, before giving up.
const FRUITLESS_MAX: u32 = 4;
/// The pause after the first fruitless round; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// How often what the server has may turn out to be wrong.
const REPAIRS_MAX: u32 = 3;
/// How often the server may turn out to lack something after all, or to have been started anew.
const SHORTFALLS_MAX: u32 = 50;

/// How an attempt ended.
pub(super) enum Outcome {
    Stored {
        path: String,
        root: [u8; 32],
        size: u64,
        resumed_from: u64,
    },
    /// The file here is another one by now.
    FileChanged,
    Failed(UploadFailure),
}

/// See the module.
pub(super) struct Attempt<'a> {
    request: &'a UploadRequest,
    id: [u8; 16],
    file: LocalFile,
    sent: &'a Arc<AtomicU64>,
    progress: &'a watch::Sender<UploadProgress>,
    cancel: &'a CancellationToken,
}

/// Why a step did not get further.
enum Stop {
    FileChanged,
    Failed(UploadFailure),
}

impl From<UploadFailure> for Stop {
    fn from(failure: UploadFailure) -> Self {
        Self::Failed(failure)
    }
}

/// What one round of sending came to.
enum Round {
    Complete,
    /// Another time may do.
    Again(UploadFailure),
}

impl<'a> Attempt<'a> {
    /// Opens the file.
    pub(super) async fn begin(
        request: &'a UploadRequest,
        sent: &'a Arc<AtomicU64>,
        progress: &'a watch::Sender<UploadProgress>,
        cancel: &'a CancellationToken,
    ) -> Result<Self, UploadFailure> {
        let path = request.file.clone();
        let opening = tokio::task::spawn_blocking(move || LocalFile::open(&path));
        let file = opening.await.map_err(|_| UploadFailure::Cancelled)??;
        sent.store(0, Ordering::Relaxed);
        progress.send_modify(|progress| {
            progress.size = file.version.size;
            progress.verifying = false;
        });
        Ok(Self { request, id: rand::random(), file, sent, progress, cancel })
    }

    /// Until the server has it, or it makes no more sense.
    pub(super) async fn run(self) -> Outcome {
        match self.try_to_store().await {
            Ok(outcome) => outcome,
            Err(Stop::FileChanged) => Outcome::FileChanged,
            Err(Stop::Failed(failure)) => Outcome::Failed(failure),
        }
    }

    async fn try_to_store(&self) -> Result<Outcome, Stop> {
        let size = self.file.version.size;
        let stored = |path, root, resumed_from| Outcome::Stored { path, root, size, resumed_from };
        // Beside the sending: the pages that one of the two reads the other finds in memory.
        let root = self.start_hashing();
        let (mut root, mut known_root) = (Some(root), None);
        let (mut resumed_from, mut fruitless) = (None, 0);
        let (mut repairs, mut shortfalls) = (0, 0);
        loop {
            let ticket = match self.ask_for_leave().await? {
                Leave::Ticket(ticket) => ticket,
                Leave::Stored { path, root } => return Ok(stored(path, root, size)),
            };
            let before = ticket.kept;
            resumed_from.get_or_insert(before);
            self.sent.store(before, Ordering::Relaxed);
            if before < size
                && let Round::Again(failure) = self.send(ticket).await?
            {
                let moved = self.sent.load(Ordering::Relaxed) > before;
                fruitless = if moved { 0 } else { fruitless + 1 };
                if fruitless >= FRUITLESS_MAX {
                    return Err(failure.into());
                }
                tracing::debug!(%failure, fruitless, "an upload tries again");
                sleep(PAUSE_FIRST * 2_u32.pow(fruitless.saturating_sub(1))).await;
                continue;
            }
            self.sent.store(size, Ordering::Relaxed);
            self.progress.send_modify(|progress| progress.verifying = true);
            if let Some(root) = root.take() {
                known_root = self.hashed(root.await)?;
            }
            let root = known_root.ok_or(Stop::FileChanged)?;
            match self.ask(|reply| Question::Sent { root, reply }).await? {
                Verdict::Stored { path } => {
                    return Ok(stored(path, root, resumed_from.unwrap_or(0)));
                }
                // What it lacks it says with the next leave.
                Verdict::Incomplete => shortfalls += 1,
                Verdict::Differs => {
                    repairs += 1;
                    self.tell_pieces().await?;
                }
            }
            if repairs > REPAIRS_MAX || shortfalls > SHORTFALLS_MAX {
                return Err(UploadFailure::Integrity.into());
            }
            self.progress.send_modify(|progress| progress.verifying = false);
        }
    }

    fn start_hashing(&self) -> tokio::task::JoinHandle<io::Result<Option<[u8; 32]>>> {
        let (file, cancel) = (self.file.clone(), self.cancel.clone());
        tokio::task::spawn_blocking(move || file.root(&cancel))
    }

    /// What came of reading the file here; a file that changed has no hash.
    fn hashed<T>(
        &self,
        read: Result<io::Result<Option<T>>, tokio::task::JoinError>,
    ) -> Result<Option<T>, Stop> {
        match read {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(error)) => {
                let path: PathBuf = self.request.file.clone();
                Err(UploadFailure::Local { path, error }.into())
            }
            Err(_) => Err(UploadFailure::Cancelled.into()),
        }
    }

    async fn ask_for_leave(&self) -> Result<Leave, Stop> {
        let (attempt, version) = (self.id, self.file.version);
        self.ask(|reply| Question::Begin { attempt, version, reply }).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Stop> {
        let (reply, answer) = oneshot::channel();
        let declined = |_| Stop::Failed(UploadFailure::Declined);
        self.request
            .server
            .send(question(reply))
            .await
            .map_err(|_| Stop::Failed(UploadFailure::Declined))?;
        answer.await.map_err(declined)
    }

    /// Has the server find out which pieces are wrong.
    async fn tell_pieces(&self) -> Result<(), Stop> {
        let pieces = piece_count(self.file.version.size);
        for first in (0..pieces).step_by(PIECE_HASHES_MAX) {
            let file = self.file.clone();
            let hashing = tokio::task::spawn_blocking(move || file.pieces(first, PIECE_HASHES_MAX));
            let hashes = self.hashed(hashing.await)?.ok_or(Stop::FileChanged)?;
            let differing = self.ask(|reply| Question::Pieces { first, hashes, reply }).await?;
            tracing::info!(first, differing, "pieces of an upload are sent again");
        }
        Ok(())
    }

    /// Sends what is missing to one node after the other, until one has everything.
    async fn send(&self, ticket: UploadTicket) -> Result<Round, Stop> {
        let mut last = UploadFailure::NoNode;
        for node in &ticket.nodes {
            match self.send_to(node.addr, &ticket).await? {
                Round::Complete => return Ok(Round::Complete),
                Round::Again(failure) => last = failure,
            }
        }
        Ok(Round::Again(last))
    }

    async fn send_to(&self, node: SocketAddr, ticket: &UploadTicket) -> Result<Round, Stop> {
        let config = SendConfig {
            node,
            ticket: ticket.ticket.clone(),
            secret: ticket.secret,
            version: self.file.version,
        };
        let (kept, sent) = (ticket.kept, Arc::clone(self.sent));
        let (file, cancel) = (Arc::clone(&self.file.file), self.cancel.clone());
        let sending = tokio::task::spawn_blocking(move || {
            let file = file.try_clone().map_err(SendError::Disk)?;
            let told = |received| sent.store(kept.saturating_add(received), Ordering::Relaxed);
            let result = udp::send(&config, file, told, &cancel);
            tracing::debug!(%node, stats = ?result.stats, "an upload over UDP ended");
            result.end
        });
        match sending.await {
            Ok(Ok(())) => Ok(Round::Complete),
            Ok(Err(error)) => self.judge(node, error).map(Round::Again),
            Err(_) => Err(UploadFailure::Cancelled.into()),
        }
    }

    /// Whether another time may do.
    fn judge(&self, node: SocketAddr, error: SendError) -> Result<UploadFailure, Stop> {
        let protocol =
            |error: &SendError| UploadFailure::Protocol { node, problem: error.to_string() };
        match error {
            SendError::Cancelled => Err(UploadFailure::Cancelled.into()),
            SendError::FileChanged => Err(Stop::FileChanged),
            SendError::Disk(error) => {
                Err(UploadFailure::Local { path: self.request.file.clone(), error }.into())
            }
            SendError::Closed { code, .. } => match code {
                CloseCode::LoginEnded | CloseCode::Replaced => Err(UploadFailure::Ended.into()),
                CloseCode::DiskFailed => Err(UploadFailure::ServerDisk.into()),
                CloseCode::Busy => Ok(UploadFailure::Busy),
                CloseCode::ShuttingDown => Ok(UploadFailure::Ended),
                _ => Ok(protocol(&error)),
            },
            SendError::Silent => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "no answer over UDP");
                Ok(UploadFailure::Unreachable { node, error })
            }
            SendError::Socket(error) => Ok(UploadFailure::Unreachable { node, error }),
            SendError::OtherFile
            | SendError::GivenUp(_)
            | SendError::Ticket(_)
            | SendError::Forged => Ok(protocol(&error)),
        }
    }
}
