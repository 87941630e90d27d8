//! Downloads onto a disk that takes only so much, or meets a bug on the way to it, and of which all is
//! here but the server's word.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::*;
use crate::part_file::small_disk::SmallDisk;
use lab::{Lab, progress};

#[path = "../../tests/support/lab.rs"]
mod lab;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB + 1000;
const NOT_AT_ALL: Option<Duration> = Some(Duration::ZERO);

/// A download of 8 MiB and a little onto a small disk.
struct Bench {
    lab: Lab,
    bytes: Vec<u8>,
    disk: Arc<SmallDisk>,
    seen: watch::Receiver<Progress>,
    running: JoinHandle<Result<Finished, DownloadError>>,
}

impl Bench {
    async fn start(transport: TransportChoice, disk: SmallDisk, patience: Patience) -> Self {
        let lab = Lab::start().await;
        let bytes = lab.put("file", usize::try_from(SIZE).unwrap());
        let disk = Arc::new(disk);
        let (seen, running) = run(&lab, transport, &disk, patience);
        Self { lab, bytes, disk, seen, running }
    }

    /// Waits until it says that the disk is full; how many bytes it needs, and how many it has.
    async fn full(&mut self) -> (u64, u64) {
        let is_full = |waiting| matches!(waiting, Some(Waiting::DiskFull { .. }));
        let Ok(seen) = self.seen.wait_for(|progress| is_full(progress.waiting)).await else {
            panic!("it has ended: {:?}", (&mut self.running).await);
        };
        let Some(Waiting::DiskFull { needed }) = seen.waiting else { panic!("{seen:?}") };
        (needed, seen.bytes)
    }

    async fn finish(self) -> Finished {
        self.disk.set_left(u64::MAX);
        let finished = self.running.await.unwrap().unwrap();
        assert_eq!(std::fs::read(&finished.path).unwrap(), self.bytes);
        assert_eq!(finished.blake3, *blake3::hash(&self.bytes).as_bytes());
        assert_eq!(self.lab.downloads(), ["file"]);
        finished
    }
}

fn run(
    lab: &Lab,
    transport: TransportChoice,
    disk: &Arc<SmallDisk>,
    patience: Patience,
) -> (watch::Receiver<Progress>, JoinHandle<Result<Finished, DownloadError>>) {
    let mut request = lab.request("file", transport);
    request.patience = patience;
    let part = PartFile::open(&request.save_as, &request.version, &request.source).unwrap();
    let part = part.on_disk(Arc::clone(disk));
    let (report, seen) = progress();
    let running = async move {
        download_into(Instant::now(), part, request, &report, &CancellationToken::new()).await
    };
    (seen, tokio::spawn(running))
}

#[tokio::test]
async fn a_disk_that_runs_full_pauses_the_download_which_goes_on_when_there_is_space() {
    for transport in [TransportChoice::Udp, TransportChoice::Tcp] {
        // It looks large enough at first: somebody else writes too.
        let disk = SmallDisk::new(3 * MIB, false);
        let mut bench = Bench::start(transport, disk, Patience::ENDLESS).await;
        let (needed, bytes) = bench.full().await;
        assert_eq!(needed, SIZE - bytes - bench.disk.left(), "over {transport:?}");
        assert!((MIB..=3 * MIB).contains(&bytes), "{bytes} bytes of {SIZE}");
        let finished = bench.finish().await;
        assert_eq!(finished.resumed_from, 0, "it is the same download");
    }
}

#[tokio::test]
async fn a_disk_that_is_too_small_from_the_beginning_is_waited_for_alike() {
    let mut bench =
        Bench::start(TransportChoice::Udp, SmallDisk::new(MIB, true), Patience::ENDLESS).await;
    assert_eq!(bench.full().await, (SIZE - MIB, 0), "what is missing is said");
    assert_eq!(bench.lab.node.transfer_count(), 0, "nothing was asked for");
    // It is said how much is missing now, not at the beginning.
    bench.disk.set_left(2 * MIB);
    let less = Some(Waiting::DiskFull { needed: SIZE - 2 * MIB });
    bench.seen.wait_for(|progress| progress.waiting == less).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn who_does_not_wait_is_told_at_once_and_nothing_is_left() {
    let patience = Patience { disk_at_start: NOT_AT_ALL, ..Patience::ENDLESS };
    let bench = Bench::start(TransportChoice::Udp, SmallDisk::new(MIB, true), patience).await;
    let error = bench.running.await.unwrap().unwrap_err();
    let is_told = matches!(error, DownloadError::DiskFull { needed, .. } if needed == SIZE - MIB);
    assert!(is_told, "{error:?}");
    assert_eq!(bench.lab.downloads(), Vec::<String>::new());
}

#[tokio::test]
async fn what_has_arrived_is_kept_by_who_stops_waiting_and_waited_for_by_who_comes_back() {
    let patience = Patience { disk: NOT_AT_ALL, ..Patience::ENDLESS };
    let disk = SmallDisk::new(3 * MIB, false);
    let Bench { lab, bytes, disk, running, .. } =
        Bench::start(TransportChoice::Tcp, disk, patience).await;
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, DownloadError::DiskFull { .. }), "{error:?}");
    assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
    // Whose part is there already has something to wait for, even with no patience at the start.
    let patience = Patience { disk_at_start: NOT_AT_ALL, ..Patience::ENDLESS };
    disk.set_left(0);
    let (seen, running) = run(&lab, TransportChoice::Tcp, &disk, patience);
    let mut bench = Bench { lab, bytes, disk, seen, running };
    let (needed, kept) = bench.full().await;
    assert_eq!(needed, SIZE - kept);
    assert!(kept >= MIB, "{kept} bytes kept");
    let finished = bench.finish().await;
    assert_eq!(finished.resumed_from, kept);
}

#[tokio::test]
async fn a_thread_that_panics_ends_the_download_and_what_has_arrived_is_kept() {
    for transport in [TransportChoice::Udp, TransportChoice::Tcp, TransportChoice::Auto] {
        let disk = SmallDisk::with_a_bug_after(3 * MIB);
        let Bench { lab, bytes, running, .. } =
            Bench::start(transport, disk, Patience::ENDLESS).await;
        let error = running.await.unwrap().unwrap_err();
        assert!(matches!(error, DownloadError::Broken), "over {transport:?}: {error:?}");
        assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
        let disk = Arc::new(SmallDisk::new(u64::MAX, false));
        let (seen, running) = run(&lab, transport, &disk, Patience::ENDLESS);
        let finished = Bench { lab, bytes, disk, seen, running }.finish().await;
        assert!(finished.resumed_from >= MIB, "{} bytes kept", finished.resumed_from);
    }
}

/// All bytes are here, some of them are wrong if `damaged`, and nothing is said about them yet.
async fn complete_but_for_a_word(
    damaged: bool,
) -> (Lab, Vec<u8>, PartFile, DownloadRequest, watch::Sender<Option<[u8; 32]>>) {
    let lab = Lab::start().await;
    let mut bytes = lab.put("file", usize::try_from(SIZE).unwrap());
    let mut request = lab.request("file", TransportChoice::Udp);
    let (word, root) = watch::channel(None);
    (request.root, request.patience) = (root, Patience::ENDLESS);
    // Nothing goes over a socket: time is the test's.
    request.nodes.clear();
    let mut part = PartFile::open(&request.save_as, &request.version, &request.source).unwrap();
    let whole = bytes.clone();
    bytes[0] ^= u8::from(damaged);
    crate::sink::Sink::write_at(&mut part, 0, &bytes).unwrap();
    tokio::time::pause();
    (lab, whole, part, request, word)
}

async fn end(part: PartFile, request: DownloadRequest) -> Result<Finished, DownloadError> {
    let cancel = CancellationToken::new();
    download_into(Instant::now(), part, request, &progress().0, &cancel).await
}

#[tokio::test]
async fn a_hash_is_not_waited_for_without_end_and_what_has_arrived_is_kept() {
    let (lab, _, part, request, _word) = complete_but_for_a_word(false).await;
    let error = end(part, request).await.unwrap_err();
    assert!(matches!(error, DownloadError::NoHash), "{error:?}");
    assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
}

#[tokio::test]
async fn piece_hashes_are_not_waited_for_without_end_and_what_has_arrived_is_kept() {
    let (lab, whole, part, mut request, word) = complete_but_for_a_word(true).await;
    word.send_replace(Some(*blake3::hash(&whole).as_bytes()));
    let (pieces, mut asked) = tokio::sync::mpsc::channel(1);
    request.pieces = Some(pieces);
    let (ended, question) = tokio::join!(end(part, request), asked.recv());
    let error = ended.unwrap_err();
    assert!(matches!(error, DownloadError::NoHash), "{error:?}");
    assert_eq!(question.map(|question| question.first), Some(0));
    assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
}

#[tokio::test]
async fn a_pause_does_not_wear_out_the_patience_for_a_hash() {
    let (lab, whole, part, mut request, word) = complete_but_for_a_word(false).await;
    let (pause, paused) = watch::channel(true);
    request.paused = Some(paused);
    let running = tokio::spawn(end(part, request));
    tokio::time::sleep(Duration::from_secs(10_000)).await;
    pause.send_replace(false);
    tokio::time::sleep(Duration::from_secs(300)).await;
    word.send_replace(Some(*blake3::hash(&whole).as_bytes()));
    running.await.unwrap().unwrap();
    assert_eq!(lab.downloads(), ["file"]);
}

#[tokio::test]
async fn hashing_that_panics_ends_the_download_and_what_has_arrived_is_kept() {
    for transport in [TransportChoice::Udp, TransportChoice::Tcp, TransportChoice::Auto] {
        let disk = SmallDisk::with_a_bug_in_hashing();
        let Bench { lab, bytes, running, .. } =
            Bench::start(transport, disk, Patience::ENDLESS).await;
        let error = running.await.unwrap().unwrap_err();
        assert!(matches!(error, DownloadError::Broken), "over {transport:?}: {error:?}");
        assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
        let disk = Arc::new(SmallDisk::new(u64::MAX, false));
        let (seen, running) = run(&lab, transport, &disk, Patience::ENDLESS);
        let finished = Bench { lab, bytes, disk, seen, running }.finish().await;
        assert_eq!(finished.resumed_from, SIZE);
    }
}
