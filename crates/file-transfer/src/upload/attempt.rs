//! One version of the file, from leave to the server's word that it is stored.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::local_file::LocalFile;
use super::sending::{Round, Ways};
use super::{
    Leave, PIECE_HASHES_MAX, Question, UploadFailure, UploadProgress, UploadRequest, UploadTicket,
    Verdict,
};
use crate::piece_hashes::piece_count;

/// Rounds in a row that brought the server nothing, before giving up.
const FRUITLESS_MAX: u32 = 4;
/// The pause after the first fruitless round; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause between two questions whether a full disk has room again, or the node a place.
const WAIT_PAUSE_MAX: Duration = Duration::from_secs(8);
/// How long a place at the node is waited for. The server has said that there is one: those before are
/// ending, or their clients vanished.
const PLACE_PATIENCE: Duration = Duration::from_secs(600);
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
    pub(super) request: &'a UploadRequest,
    id: [u8; 16],
    pub(super) file: LocalFile,
    pub(super) sent: &'a Arc<AtomicU64>,
    pub(super) progress: &'a watch::Sender<UploadProgress>,
    pub(super) cancel: &'a CancellationToken,
}

/// Why a step did not get further.
pub(super) enum Stop {
    FileChanged,
    Failed(UploadFailure),
}

impl From<UploadFailure> for Stop {
    fn from(failure: UploadFailure) -> Self {
        Self::Failed(failure)
    }
}

/// What has to be remembered from one round to the next.
struct Rounds {
    ways: Ways,
    /// What the server had when it was asked last.
    kept: u64,
    /// Since when, in rounds, the server got nothing more.
    fruitless: u32,
    /// Room on the server's disk is waited for.
    full: Option<Waiting>,
    /// A place at the node is waited for.
    busy: Option<Waiting>,
    /// What a session sent passes for progress: until the server says what it has, and if that was more
    /// the last time.
    believes_sessions: bool,
}

/// A wait since the server took something last.
#[derive(Clone, Copy)]
struct Waiting {
    since: Instant,
    pauses: u32,
}

impl Waiting {
    /// How long to pause before the next try; `None` if that would take more than `patience`.
    fn next_pause(waiting: &mut Option<Self>, patience: Duration) -> Option<Duration> {
        let Self { since, pauses } =
            waiting.unwrap_or_else(|| Self { since: Instant::now(), pauses: 0 });
        let pause = PAUSE_FIRST.saturating_mul(1 << pauses.min(16)).min(WAIT_PAUSE_MAX);
        if since.elapsed() + pause > patience {
            return None;
        }
        *waiting = Some(Self { since, pauses: pauses + 1 });
        Some(pause)
    }
}

impl Rounds {
    fn new(ways: Ways) -> Self {
        Self { ways, kept: 0, fruitless: 0, full: None, busy: None, believes_sessions: true }
    }

    /// The server says what it has.
    fn heard(&mut self, kept: u64) {
        if kept > self.kept {
            self.took_something();
            self.believes_sessions = true;
        }
        self.kept = kept;
    }

    /// A session ended that sent as much. Before its end is judged, what it brought counts; yet a node may
    /// receive what its disk does not take, so it counts once, until the server confirms it.
    fn session_ended(&mut self, sent: u64) {
        if sent > self.kept && std::mem::take(&mut self.believes_sessions) {
            self.took_something();
        }
    }

    /// A round was in vain: how long to pause before the next one.
    fn next_try(&mut self, failure: UploadFailure) -> Result<Duration, UploadFailure> {
        self.fruitless += 1;
        let fruitless = self.fruitless;
        if fruitless >= FRUITLESS_MAX {
            return Err(failure);
        }
        tracing::debug!(%failure, fruitless, "an upload tries again");
        Ok(PAUSE_FIRST * 2_u32.pow(fruitless - 1))
    }

    fn took_something(&mut self) {
        self.fruitless = 0;
        (self.full, self.busy) = (None, None);
    }
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
        let ways = Ways::new(self.request.transport);
        let mut rounds = Rounds::new(ways);
        let mut resumed_from = None;
        let (mut repairs, mut shortfalls) = (0, 0);
        // The server has to find out which pieces are wrong.
        let mut differs = false;
        loop {
            let ticket = match self.ask_for_leave().await? {
                Leave::Ticket(ticket) => ticket,
                Leave::Stored { path, root } => return Ok(stored(path, root, size)),
                Leave::Busy => {
                    wait_for_place(&mut rounds).await?;
                    continue;
                }
                Leave::DiskFull if resumed_from.is_none() => {
                    return Err(UploadFailure::Declined.into());
                }
                Leave::DiskFull => {
                    self.wait_for_room(&mut rounds).await?;
                    continue;
                }
            };
            resumed_from.get_or_insert(ticket.kept);
            self.sent.store(ticket.kept, Ordering::Relaxed);
            rounds.heard(ticket.kept);
            if differs {
                differs = !self.tell_pieces().await?;
                shortfalls += u32::from(differs);
                check_patience(repairs, shortfalls)?;
                continue;
            }
            if ticket.kept < size && !self.send_some(ticket, &mut rounds).await? {
                continue;
            }
            rounds.heard(size);
            self.sent.store(size, Ordering::Relaxed);
            self.progress.send_modify(|progress| {
                progress.verifying = true;
                progress.server_disk_full = false;
            });
            if let Some(root) = root.take() {
                known_root = self.hashed(root.await)?;
            }
            let root = known_root.ok_or(Stop::FileChanged)?;
            let verdict = self.ask(|reply| Question::Sent { root, reply }).await?;
            self.progress.send_modify(|progress| progress.verifying = false);
            match verdict {
                Verdict::Stored { path } => {
                    return Ok(stored(path, root, resumed_from.unwrap_or(0)));
                }
                // What it lacks it says with the next leave.
                Verdict::Incomplete => shortfalls += 1,
                Verdict::DiskFull => self.wait_for_room(&mut rounds).await?,
                Verdict::DiskFailed => {
                    sleep(rounds.next_try(UploadFailure::ServerDisk)?).await;
                }
                Verdict::Differs => {
                    repairs += 1;
                    differs = !self.tell_pieces().await?;
                }
            }
            check_patience(repairs, shortfalls)?;
        }
    }

    /// One round of sending; says whether the server has everything.
    async fn send_some(&self, ticket: UploadTicket, rounds: &mut Rounds) -> Result<bool, Stop> {
        let round = self.send(ticket, &mut rounds.ways).await?;
        rounds.session_ended(self.sent.load(Ordering::Relaxed));
        match round {
            Round::Complete => Ok(true),
            Round::OtherWay => Ok(false),
            Round::ServerDiskFull => {
                self.wait_for_room(rounds).await?;
                Ok(false)
            }
            Round::Again(UploadFailure::Busy) => {
                wait_for_place(rounds).await?;
                Ok(false)
            }
            Round::Again(failure) => {
                sleep(rounds.next_try(failure)?).await;
                Ok(false)
            }
        }
    }

    /// Waits a moment for room on the server's disk. Nothing is held on the server meanwhile but the
    /// part.
    async fn wait_for_room(&self, rounds: &mut Rounds) -> Result<(), Stop> {
        let pause = Waiting::next_pause(&mut rounds.full, self.request.disk_patience);
        let pause = pause.ok_or(UploadFailure::ServerDiskFull)?;
        self.progress.send_modify(|progress| progress.server_disk_full = true);
        sleep(pause).await;
        Ok(())
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

    pub(super) async fn ask_for_leave(&self) -> Result<Leave, Stop> {
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

    /// Has the server find out which pieces are wrong. False if it forgot the upload meanwhile: it has to
    /// be begun again, and told all of them.
    async fn tell_pieces(&self) -> Result<bool, Stop> {
        let pieces = piece_count(self.file.version.size);
        for first in (0..pieces).step_by(PIECE_HASHES_MAX) {
            let file = self.file.clone();
            let hashing = tokio::task::spawn_blocking(move || file.pieces(first, PIECE_HASHES_MAX));
            let hashes = self.hashed(hashing.await)?.ok_or(Stop::FileChanged)?;
            let differing = self.ask(|reply| Question::Pieces { first, hashes, reply }).await?;
            let Some(differing) = differing else { return Ok(false) };
            tracing::info!(first, differing, "pieces of an upload are sent again");
        }
        Ok(true)
    }
}

/// A server that lacks something again and again does not store it.
fn check_patience(repairs: u32, shortfalls: u32) -> Result<(), UploadFailure> {
    match repairs > REPAIRS_MAX || shortfalls > SHORTFALLS_MAX {
        true => Err(UploadFailure::Integrity),
        false => Ok(()),
    }
}

/// Waits a moment for a place at the node, or until the server can be asked again.
async fn wait_for_place(rounds: &mut Rounds) -> Result<(), Stop> {
    let pause = Waiting::next_pause(&mut rounds.busy, PLACE_PATIENCE);
    sleep(pause.ok_or(UploadFailure::Busy)?).await;
    Ok(())
}

#[cfg(test)]
mod tests;
