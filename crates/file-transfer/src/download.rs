//! The client's side of one download: UDP, and TCP where UDP does not get through.
//!
//! [`download`](fn@download) writes `NAME.part`, checks the BLAKE3 hash of the whole file and only then
//! gives it its name, never over something that is there. Which way is tried when is decided in
//! [`rounds`], carried out in [`attempt`]; [`server_word`] waits for the hashes, [`repair`] finds what
//! has to come again. What is on disk is in [`part_file`](crate::part_file).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::part_file::{PartFile, PartFileError};

mod request;

mod progress;

mod error;

mod rounds;
pub(crate) mod way_back;

mod attempt;

mod repair;
mod server_word;

pub use error::DownloadError;
pub use progress::{Finished, Progress, Transport, Waiting};
pub use request::{
    DownloadRequest, FreshTicket, NodeAddress, PIECES_PER_ANSWER_MAX, Patience, PiecesWanted,
    TicketWanted, TransportChoice,
};
use rounds::Rounds;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// A piece that is not the file's so often is not damaged on the way: the file is another one.
const PIECE_FAILURES_MAX: u32 = 3;

/// Downloads a file. Returns when it is complete, verified and under its final name, or why not.
/// `progress` is told several times a second, whether or not bytes arrive.
///
/// To give up, cancel the token: then nothing is left. A download whose future is dropped, whose
/// process ends, or that fails for a reason that may pass, leaves what has arrived; the next one to the
/// same place, for the same version of the same file, goes on from there. (After a dropped future the part file is
/// released a moment later, when the thread that writes it notices.)
pub async fn download(
    request: DownloadRequest,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
) -> Result<Finished, DownloadError> {
    let started = Instant::now();
    let (save_as, version, source) = (request.save_as.clone(), request.version, request.source);
    let part = on_disk(move || PartFile::open(&save_as, &version, &source)).await??;
    download_into(started, part, request, &progress, &cancel).await
}

async fn download_into(
    started: Instant,
    part: PartFile,
    request: DownloadRequest,
    progress: &watch::Sender<Progress>,
    cancel: &CancellationToken,
) -> Result<Finished, DownloadError> {
    // Its threads must hear of it if this future is dropped, and no longer than that.
    let cancel = cancel.child_token();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let version = request.version;
    let meter = Meter::new(&part, progress);

    let mut rounds = Rounds::new(request, part, &meter, &cancel);
    let outcome = meter.told_while(complete(&mut rounds)).await;
    let transport = rounds.transport;
    let part = rounds.into_part();
    match outcome {
        Ok((path, blake3)) => Ok(Finished {
            path,
            bytes: version.size,
            seconds: started.elapsed().as_secs_f64(),
            transport,
            blake3,
            resumed_from: meter.kept(),
            started_anew: meter.started_anew,
        }),
        Err(error) => {
            let is_of_no_use = !may_be_continued(&error);
            // Whatever is left of it is closed here, not later.
            on_disk(move || match part {
                Some(part) if is_of_no_use => part.discard(),
                part => drop(part),
            })
            .await?;
            Err(error)
        }
    }
}

/// Fetches, checks and fetches again what is damaged, until the file has its name. Gives its path and
/// hash.
async fn complete(rounds: &mut Rounds<'_>) -> Result<(PathBuf, [u8; 32]), DownloadError> {
    let (mut root, meter) = (rounds.request.root.clone(), rounds.meter());
    let mut repairs = 0;
    // An empty file is asked for too: the node says whether it still is.
    let mut is_missing = rounds.request.version.size == 0
        || rounds.on_disk(|part| !part.missing().is_empty()).await?;
    loop {
        if is_missing {
            meter.tell(|progress| progress.verifying = false);
            rounds.fetch_missing().await?;
        }
        meter.tell(|progress| progress.verifying = true);
        let cancel = rounds.token();
        let checked = rounds
            .on_disk(move |part| {
                part.settle(&cancel)?;
                Ok::<_, PartFileError>((!part.missing().is_empty(), part.kept_bytes()))
            })
            .await?;
        let kept;
        (is_missing, kept) = checked.map_err(|error| unless_cancelled(rounds, error))?;
        meter.tell_kept(kept);
        if is_missing && repairs == 0 {
            // An earlier download's pieces were damaged on this disk.
            continue;
        }
        let expected = server_word::root_hash(rounds, &mut root).await?;
        if rounds.on_disk(move |part| part.is_verified(&expected)).await? {
            let path = rounds.on_disk(move |part| part.finish(&expected)).await??;
            return Ok((path, expected));
        }
        repairs += 1;
        if repairs >= PIECE_FAILURES_MAX {
            let found = rounds.on_disk(|part| part.root()).await?.unwrap_or_default();
            return Err(DownloadError::Integrity { expected, found });
        }
        if !is_missing {
            repair::repair(rounds, expected).await?;
        }
        is_missing = true;
    }
}

/// Whether the bytes that have arrived may be of use to a later download.
fn may_be_continued(error: &DownloadError) -> bool {
    match error {
        DownloadError::Cancelled
        | DownloadError::FileChanged
        | DownloadError::Integrity { .. }
        | DownloadError::NotAFileName { .. } => false,
        DownloadError::Broken
        | DownloadError::Busy
        | DownloadError::Disk { .. }
        | DownloadError::DiskFull { .. }
        | DownloadError::Ended
        | DownloadError::FileUnreadable
        | DownloadError::NoHash
        | DownloadError::NoNode
        | DownloadError::Protocol { .. }
        | DownloadError::Rejected
        | DownloadError::TicketExpired
        | DownloadError::Unreachable { .. } => true,
    }
}

fn unless_cancelled(rounds: &Rounds<'_>, error: PartFileError) -> DownloadError {
    if rounds.token().is_cancelled() { DownloadError::Cancelled } else { error.into() }
}

/// Runs something that waits for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DownloadError> {
    tokio::task::spawn_blocking(work).await.map_err(DownloadError::from)
}

/// Tells progress while something else goes on.
struct Meter<'a> {
    bytes: Arc<AtomicU64>,
    /// Of them, those of an earlier attempt.
    kept: AtomicU64,
    started_anew: bool,
    progress: &'a watch::Sender<Progress>,
}

impl<'a> Meter<'a> {
    fn new(part: &PartFile, progress: &'a watch::Sender<Progress>) -> Self {
        let (bytes, kept) = (part.received_bytes(), AtomicU64::new(part.kept_bytes()));
        let meter = Self { bytes, kept, started_anew: part.started_anew(), progress };
        meter.tell(|progress| progress.started_anew = part.started_anew());
        meter
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            let bytes = self.bytes.load(Ordering::Relaxed);
            if bytes > progress.bytes {
                progress.waiting = None;
            }
            change(progress);
            progress.bytes = bytes;
            progress.kept = self.kept();
        });
    }

    fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    fn tell_kept(&self, bytes: u64) {
        self.kept.store(bytes, Ordering::Relaxed);
        self.tell(|_| {});
    }

    async fn told_while<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = interval(PROGRESS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut work => {
                    self.tell(|_| {});
                    return done;
                }
                _ = ticks.tick() => self.tell(|_| {}),
            }
        }
    }
}

#[cfg(test)]
mod tests;
