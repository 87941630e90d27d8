//! The client's side of one download: UDP, and TCP where UDP does not get through.
//!
//! [`download`](fn@download) writes `NAME.part`, checks the BLAKE3 hash of the whole file and only then
//! gives it its name, never over something that is there. Which way is tried when is decided in
//! [`rounds`], carried out in [`attempt`].

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

mod attempt;

pub use error::DownloadError;
pub use progress::{Finished, Progress, Transport, Waiting};
pub use request::{
    DownloadRequest, FreshTicket, NodeAddress, PIECES_PER_ANSWER_MAX, Patience, PiecesWanted,
    TicketWanted, TransportChoice,
};

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Downloads a file. Returns when it is complete, verified and under its final name, or why not; then
/// nothing of it is left. `progress` is told several times a second, whether or not bytes arrive.
///
/// To give up, cancel the token. Dropping the future gives up too, but the part file may then go a
/// moment later, when the thread that writes it notices.
pub async fn download(
    request: DownloadRequest,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
) -> Result<Finished, DownloadError> {
    let started = Instant::now();
    // Its threads must hear of it if this future is dropped, and no longer than that.
    let cancel = cancel.child_token();
    let _cancel_on_drop = cancel.clone().drop_guard();
    let (save_as, size) = (request.save_as.clone(), request.version.size);
    let part = on_disk(move || PartFile::create(&save_as, size)).await?;
    let meter = Meter { bytes: part.received_bytes(), progress: &progress };

    let mut root = request.root.clone();
    let fetching = rounds::fetch_all(request, part, &meter, &cancel);
    let (part, transport) = meter.told_while(fetching).await?;
    meter.tell(|progress| progress.verifying = true);

    let expected = meter.told_while(root_hash(&mut root, &cancel)).await?;
    let finishing = on_disk(move || part.finish(&expected));
    let path = meter.told_while(finishing).await.map_err(|error| match error {
        DownloadError::Integrity { found, .. } => DownloadError::Integrity { expected, found },
        error => error,
    })?;
    Ok(Finished {
        path,
        bytes: size,
        seconds: started.elapsed().as_secs_f64(),
        transport,
        blake3: expected,
        resumed_from: 0,
        started_anew: false,
    })
}

/// Waits until the chat server knows the hash.
async fn root_hash(
    root: &mut watch::Receiver<Option<[u8; 32]>>,
    cancel: &CancellationToken,
) -> Result<[u8; 32], DownloadError> {
    tokio::select! {
        () = cancel.cancelled() => Err(DownloadError::Cancelled),
        known = root.wait_for(Option::is_some) => match known {
            Ok(root) => (*root).ok_or(DownloadError::FileChanged),
            Err(_) => Err(DownloadError::FileChanged),
        },
    }
}

/// Runs something that waits for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PartFileError> + Send + 'static,
) -> Result<T, DownloadError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        // The runtime is going down, and with it everything.
        Err(_) => Err(DownloadError::Cancelled),
    }
}

/// Tells progress while something else goes on.
struct Meter<'a> {
    bytes: Arc<AtomicU64>,
    progress: &'a watch::Sender<Progress>,
}

impl Meter<'_> {
    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            change(progress);
            progress.bytes = self.bytes.load(Ordering::Relaxed);
        });
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
