//! The client's side of one download: UDP, and TCP where UDP does not get through.
//!
//! [`download`](fn@download) writes `NAME.part`, checks the BLAKE3 hash of the whole file and only then
//! gives it its name, never over something that is there. Which way is tried when is decided in
//! [`rounds`], carried out in [`attempt`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::file_version::FileVersion;
use crate::part_file::{PartFile, PartFileError};

mod attempt;
mod error;
mod rounds;

pub use error::DownloadError;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

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
