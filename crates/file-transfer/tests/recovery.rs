//! Downloads that meet damage, pauses, full disks and left-overs, and end with the file all the same.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

#[path = "support/gate.rs"]
mod gate;
#[path = "support/lab.rs"]
mod lab;

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use file_transfer::download::{
    DownloadError, DownloadRequest, FreshTicket, PiecesWanted, TicketWanted, TransportChoice,
    Waiting, download,
};
use file_transfer::part_file::PartFile;
use file_transfer::part_file::resume_state::HEADER_BYTES;
use file_transfer::piece_hashes::{PieceHash, hash_piece};
use file_transfer::sink::Sink;
use gate::{Gate, Plan};
use lab::{Lab, progress};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

const TCP: TransportChoice = TransportChoice::Tcp;
const MIB: usize = 1 << 20;
const SIZE: usize = 8 * MIB + 1000;

/// Names the folder of the child that has a small disk.
const SMALL_DISK: &str = "SIMPLECHAT_SMALL_DISK";

/// Leaves a part with these bytes from the start, as if they had come and not been hashed yet.
fn leave(lab: &Lab, request: &DownloadRequest, bytes: &[u8]) {
    let mut part = PartFile::open(&request.save_as, &request.version, &request.source).unwrap();
    part.write_at(0, bytes).unwrap();
    drop(part);
    // Whether the hashing was quick enough is chance: say that it was not.
    let state = lab.place(".file.part.state");
    let slots = vec![0xff; bytes.len() / MIB * 32];
    let file = std::fs::File::options().write(true).open(state).unwrap();
    file.write_all_at(&slots, HEADER_BYTES as u64).unwrap();
}

fn pieces_of(bytes: &[u8]) -> Vec<PieceHash> {
    let parts = (0..).zip(bytes.chunks(MIB));
    parts.map(|(piece, part)| hash_piece(bytes.len() as u64, piece, part)).collect()
}

/// Answers every question for pieces out of this list, a few at a time.
fn answering(hashes: Vec<PieceHash>) -> Option<mpsc::Sender<PiecesWanted>> {
    let (ask, mut asked) = mpsc::channel::<PiecesWanted>(1);
    tokio::spawn(async move {
        while let Some(PiecesWanted { first, reply }) = asked.recv().await {
            let from = usize::try_from(first).unwrap();
            let end = hashes.len().min(from + 4);
            let _ = reply.send(hashes[from..end].to_vec());
        }
    });
    Some(ask)
}

#[tokio::test]
async fn only_damaged_pieces_come_again() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    let gate = Gate::start(lab.addr, &[]).await;
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    request.pieces = answering(pieces_of(&bytes));
    let mut damaged = bytes.clone();
    damaged[2 * MIB + 5] ^= 1;
    damaged[7 * MIB] ^= 1;
    leave(&lab, &request, &damaged[..8 * MIB]);
    let finished = lab.run(request).await.unwrap();
    assert_eq!(std::fs::read(finished.path).unwrap(), bytes);
    assert_eq!(finished.resumed_from, 6 * MIB as u64);
    // Connections that are over: two pieces, the end of the file, and what TLS adds.
    let came = gate.bytes_from_node();
    assert!((2 * MIB as u64..3 * MIB as u64).contains(&came), "{came} bytes came");
    assert_eq!(lab.downloads(), ["file"]);
}

#[tokio::test]
async fn damage_that_nobody_can_name_brings_everything_again() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    // Nobody to ask; hashes of another file.
    for pieces in [None, answering(pieces_of(&vec![7; SIZE]))] {
        let mut request = lab.request("file", TCP);
        request.pieces = pieces;
        leave(&lab, &request, &vec![1; 4 * MIB]);
        let finished = lab.run(request).await.unwrap();
        assert_eq!(std::fs::read(&finished.path).unwrap(), bytes);
        assert_eq!(finished.resumed_from, 0);
        std::fs::remove_file(finished.path).unwrap();
    }
}

#[tokio::test]
async fn a_piece_that_is_wrong_three_times_is_no_accident() {
    let lab = Lab::start().await;
    let mut other = lab.put("file", SIZE);
    let gate = Gate::start(lab.addr, &[]).await;
    other[MIB] ^= 1;
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    request.root = watch::channel(Some(*blake3::hash(&other).as_bytes())).1;
    request.pieces = answering(pieces_of(&other));
    let error = lab.run(request).await.unwrap_err();
    assert!(matches!(error, DownloadError::Integrity { .. }), "{error}");
    assert!(lab.downloads().is_empty());
    let again = gate.bytes_from_node() - SIZE as u64;
    assert!((2 * MIB as u64..3 * MIB as u64).contains(&again), "{again} bytes came again");
}

#[tokio::test]
async fn a_left_over_of_another_version_is_given_up_and_said_so() {
    let lab = Lab::start().await;
    let old = lab.put("file", SIZE);
    leave(&lab, &lab.request("file", TCP), &old[..4 * MIB]);
    let new = lab.put("file", SIZE);
    let finished = lab.download("file", TCP).await.unwrap();
    assert!(finished.started_anew);
    assert_eq!((finished.resumed_from, std::fs::read(finished.path).unwrap()), (0, new));
}

#[tokio::test]
async fn a_dropped_download_is_continued() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    let mut gate = Gate::start(lab.addr, &[Plan::Hold(5 * MIB as u64)]).await;
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    let (report, mut seen) = progress();
    let running = tokio::spawn(download(request, report, CancellationToken::new()));
    gate.reached().await;
    seen.wait_for(|progress| progress.bytes > 4 * MIB as u64).await.unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // The thread that writes lets go of the part when it is through.
    let finished = loop {
        let finished = lab.download("file", TCP).await.unwrap();
        if finished.resumed_from > 0 {
            break finished;
        }
        std::fs::remove_file(finished.path).unwrap();
    };
    assert_eq!(finished.resumed_from, 4 * MIB as u64);
    assert_eq!(std::fs::read(finished.path).unwrap(), bytes);
}

#[tokio::test]
async fn a_paused_download_rests_and_goes_on_with_another_ticket() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    let mut gate = Gate::start(lab.addr, &[Plan::Hold(5 * MIB as u64)]).await;
    let (pause, paused) = watch::channel(false);
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    request.paused = Some(paused);
    let (ask, mut asked) = mpsc::channel::<TicketWanted>(1);
    request.renewal = Some(ask);
    let fresh = lab.request("file", TCP);
    let (report, mut seen) = progress();
    let running = tokio::spawn(download(request, report, CancellationToken::new()));
    gate.reached().await;
    pause.send(true).unwrap();
    seen.wait_for(|progress| progress.waiting == Some(Waiting::Paused)).await.unwrap();
    while lab.node.transfer_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lab.downloads(), [".file.part.state", "file.part"]);
    // Its login is over meanwhile: the old ticket starts nothing any more.
    lab.node.end_login(lab.grant("file").login);
    pause.send(false).unwrap();
    let wanted = asked.recv().await.unwrap();
    let grant = file_transfer::ticket::Grant { login: 2, ..lab.grant("file") };
    let again = lab.request_for(&grant, TCP);
    let ticket = FreshTicket { ticket: again.ticket, secret: again.secret, version: fresh.version };
    wanted.reply.send(ticket).unwrap();
    let finished = running.await.unwrap().unwrap();
    assert_eq!(finished.resumed_from, 0, "it is the same download");
    assert_eq!(std::fs::read(finished.path).unwrap(), bytes);
}

#[tokio::test]
async fn a_cancelled_pause_leaves_nothing() {
    let lab = Lab::start().await;
    lab.put("file", SIZE);
    let mut request = lab.request("file", TCP);
    let (_pause, paused) = watch::channel(true);
    request.paused = Some(paused);
    let (report, mut seen) = progress();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(download(request, report, cancel.clone()));
    seen.wait_for(|progress| progress.waiting == Some(Waiting::Paused)).await.unwrap();
    cancel.cancel();
    assert!(matches!(running.await.unwrap(), Err(DownloadError::Cancelled)));
    assert!(lab.downloads().is_empty());
}

/// With a real disk; `src/download/tests.rs` has the same without one. Runs the next test in a child.
#[test]
#[ignore = "needs a mount namespace: scripts/test.sh runs it where the system gives one"]
fn a_disk_that_runs_full_is_waited_for() {
    let namespaces = ["--map-root-user", "--mount"];
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=12m tmpfs "$1" && exec "$2" on_a_small_disk --exact --ignored --nocapture"#;
    let status = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL_DISK, folder.path())
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
#[ignore = "no test of its own: the one above runs it on its small disk"]
async fn on_a_small_disk() {
    let folder = std::env::var(SMALL_DISK).unwrap();
    let folder = Path::new(&folder);
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    let mut gate = Gate::start(lab.addr, &[Plan::Hold(4 * MIB as u64)]).await;
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    request.save_as = folder.join("file");
    let (report, mut seen) = progress();
    let running = tokio::spawn(download(request, report, CancellationToken::new()));
    gate.reached().await;
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 7 * MIB]).unwrap();
    gate.open();
    let is_full = |waiting: &Option<Waiting>| matches!(waiting, Some(Waiting::DiskFull { .. }));
    let waiting = seen.wait_for(|progress| is_full(&progress.waiting)).await.unwrap().waiting;
    let Some(Waiting::DiskFull { needed }) = waiting else { panic!("{waiting:?}") };
    assert!(needed > 2 * MIB as u64 && needed < 5 * MIB as u64, "{needed} bytes needed");
    std::fs::remove_file(ballast).unwrap();
    let finished = running.await.unwrap().unwrap();
    assert_eq!(std::fs::read(finished.path).unwrap(), bytes);
}
