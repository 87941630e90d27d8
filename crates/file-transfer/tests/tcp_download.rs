//! Downloads over TCP from a real node on loopback, through the public border alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, as it should"
)]

#[path = "support/gate.rs"]
mod gate;
#[path = "support/lab.rs"]
mod lab;

use std::sync::Arc;

use file_transfer::download::{
    DownloadError, DownloadRequest, Finished, FreshTicket, Transport, TransportChoice, download,
};
use file_transfer::node::NodeLimits;
use file_transfer::ticket::{Grant, TicketKey};
use gate::{Gate, Plan};
use lab::{Lab, ODD_SIZES, progress};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TCP: TransportChoice = TransportChoice::Tcp;
/// A file that no buffer between node and client swallows whole.
const LARGE: usize = 32 << 20;
/// Where transfers of it are held.
const MIDDLE: u64 = 4 << 20;

/// What there is of a download that runs, or that may be continued.
const PART: [&str; 2] = [".file.part.state", "file.part"];

type Outcome = Result<Finished, DownloadError>;

#[tokio::test]
async fn files_of_odd_sizes_arrive_as_they_are() {
    let lab = Lab::start().await;
    for size in ODD_SIZES {
        let bytes = lab.put("file.bin", size);
        let finished = lab.download("file.bin", TCP).await.unwrap();
        assert_eq!(finished.transport, Transport::Tcp);
        assert_eq!(finished.bytes, size as u64);
        assert_eq!(finished.blake3, *blake3::hash(&bytes).as_bytes());
        assert_eq!(std::fs::read(&finished.path).unwrap(), bytes, "{size} bytes");
    }
    assert_eq!(lab.downloads().len(), ODD_SIZES.len(), "nothing else is left");
}

#[tokio::test]
async fn what_exists_is_not_overwritten() {
    let lab = Lab::start().await;
    let bytes = lab.put("a.txt", 10);
    std::fs::write(lab.place("a.txt"), "mine").unwrap();
    let finished = lab.download("a.txt", TCP).await.unwrap();
    assert_eq!(finished.path, lab.place("a (1).txt"));
    assert_eq!(std::fs::read(lab.place("a (1).txt")).unwrap(), bytes);
    assert_eq!(std::fs::read(lab.place("a.txt")).unwrap(), b"mine");
}

/// Runs a download that must fail, and leave nothing.
async fn failure(lab: &Lab, request: DownloadRequest) -> DownloadError {
    let error = lab.run(request).await.unwrap_err();
    assert_eq!(lab.downloads(), Vec::<String>::new(), "{error}");
    error
}

#[tokio::test]
async fn a_node_that_is_not_there_is_unreachable() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr.set_port(1);
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn without_a_node_there_is_nowhere_to_go() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.nodes.clear();
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::NoNode), "{error}");
}

#[tokio::test]
async fn the_next_node_is_tried() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    let mut dead = request.nodes[0].clone();
    dead.addr.set_port(1);
    request.nodes.insert(0, dead);
    lab.run(request).await.unwrap();
}

#[tokio::test]
async fn a_ticket_for_another_node_is_rejected() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let grant = lab.grant("file");
    let mut request = lab.request_for(&grant, TCP);
    let other = TicketKey::from_bytes([1; 32]).unwrap();
    request.ticket = other.mint(&grant, [1; 32]).unwrap().as_bytes().to_vec();
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::Rejected), "{error}");
}

#[tokio::test]
async fn a_ticket_without_its_secret_is_rejected() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.secret[0] ^= 1;
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::Rejected), "{error}");
}

#[tokio::test]
async fn a_node_with_another_key_gets_no_ticket() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.nodes[0].spki_sha256[0] ^= 1;
    let error = failure(&lab, request).await;
    assert!(error.to_string().contains("another key"), "{error}");
}

#[tokio::test]
async fn an_expired_ticket_starts_nothing() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let expired = Grant { expires_at: 1, ..lab.grant("file") };
    let error = failure(&lab, lab.request_for(&expired, TCP)).await;
    assert!(matches!(error, DownloadError::TicketExpired), "{error}");
}

/// Answers the first question for a ticket.
fn renewal(answer: FreshTicket) -> mpsc::Sender<file_transfer::download::TicketWanted> {
    let (ask, mut asked) = mpsc::channel::<file_transfer::download::TicketWanted>(1);
    tokio::spawn(async move { asked.recv().await.unwrap().reply.send(answer) });
    ask
}

#[tokio::test]
async fn another_ticket_is_asked_for_when_the_first_is_too_old() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let expired = Grant { expires_at: 1, ..lab.grant("file") };
    let good = lab.request("file", TCP);
    let answer = FreshTicket { ticket: good.ticket, secret: good.secret, version: good.version };
    let mut request = lab.request_for(&expired, TCP);
    request.renewal = Some(renewal(answer));
    lab.run(request).await.unwrap();
}

#[tokio::test]
async fn another_ticket_for_another_version_is_a_changed_file() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let expired = Grant { expires_at: 1, ..lab.grant("file") };
    let mut request = lab.request_for(&expired, TCP);
    lab.put("file", 11);
    let good = lab.request("file", TCP);
    let answer = FreshTicket { ticket: good.ticket, secret: good.secret, version: good.version };
    request.renewal = Some(renewal(answer));
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::FileChanged), "{error}");
}

#[tokio::test]
async fn a_file_that_changed_since_the_ticket_is_told_as_such() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let (changed, gone) = (lab.request("file", TCP), lab.request("file", TCP));
    lab.put("file", 11);
    let error = failure(&lab, changed).await;
    assert!(matches!(error, DownloadError::FileChanged), "{error}");
    std::fs::remove_file(lab.file("file")).unwrap();
    let error = failure(&lab, gone).await;
    assert!(matches!(error, DownloadError::FileChanged), "{error}");
}

#[tokio::test]
async fn bytes_that_do_not_match_the_root_are_no_file() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.root = watch::channel(Some([9; 32])).1;
    match failure(&lab, request).await {
        DownloadError::Integrity { expected, found } => {
            assert_eq!((expected, found), ([9; 32], *blake3::hash(&bytes).as_bytes()));
        }
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_root_that_never_comes_is_a_changed_file() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.root = watch::channel(None).1;
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::FileChanged), "{error}");
}

#[tokio::test]
async fn the_final_name_waits_for_the_root() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", 1000);
    let mut request = lab.request("file", TCP);
    let (tell, root) = watch::channel(None);
    request.root = root;
    let (report, mut seen) = progress();
    let running = tokio::spawn(download(request, report, CancellationToken::new()));
    let complete = seen.wait_for(|progress| progress.verifying).await.unwrap().bytes;
    assert_eq!((complete, lab.downloads()), (1000, PART.map(str::to_owned).to_vec()));
    tell.send(Some(*blake3::hash(&bytes).as_bytes())).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(lab.downloads(), ["file"]);
}

#[tokio::test]
async fn progress_is_told_although_nothing_moves() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    let (_tell, root) = watch::channel(None);
    request.root = root;
    let (report, mut seen) = progress();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(download(request, report, cancel.clone()));
    seen.wait_for(|progress| progress.verifying).await.unwrap();
    for _ in 0..3 {
        seen.changed().await.unwrap();
    }
    cancel.cancel();
    assert!(matches!(running.await.unwrap(), Err(DownloadError::Cancelled)));
    assert!(lab.downloads().is_empty());
}

#[tokio::test]
async fn a_missing_folder_is_told_before_anything_else() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", TCP);
    request.save_as = lab.place("missing/file");
    let error = failure(&lab, request).await;
    assert!(matches!(error, DownloadError::Disk { .. }), "{error}");
}

/// A download that is held in the middle.
struct Held {
    lab: Arc<Lab>,
    gate: Gate,
    cancel: CancellationToken,
    running: JoinHandle<Outcome>,
    grant: Grant,
    ticket: Vec<u8>,
}

impl Held {
    async fn start(lab: Lab) -> Held {
        lab.put("file", LARGE);
        let lab = Arc::new(lab);
        let mut gate = Gate::start(lab.addr, &[Plan::Hold(MIDDLE)]).await;
        let grant = lab.grant("file");
        let mut request = lab.request_for(&grant, TCP);
        request.nodes[0].addr = gate.addr;
        let (cancel, ticket) = (CancellationToken::new(), request.ticket.clone());
        let running = tokio::spawn(download(request, progress().0, cancel.clone()));
        gate.reached().await;
        Held { lab, gate, cancel, running, grant, ticket }
    }

    async fn outcome(self) -> (Arc<Lab>, Outcome) {
        self.gate.open();
        (self.lab, self.running.await.unwrap())
    }

    /// Lets it go on and expects it to fail, leaving this.
    async fn failure(self, left: &[&str]) -> DownloadError {
        let (lab, outcome) = self.outcome().await;
        let error = outcome.unwrap_err();
        assert_eq!(lab.downloads(), left, "{error}");
        error
    }
}

#[tokio::test]
async fn a_slow_network_only_takes_longer() {
    let (_, outcome) = Held::start(Lab::start().await).await.outcome().await;
    outcome.unwrap();
}

#[tokio::test]
async fn a_download_cancelled_in_the_middle_leaves_nothing() {
    let held = Held::start(Lab::start().await).await;
    assert_eq!(held.lab.downloads(), PART);
    held.cancel.cancel();
    // The gate stays closed: it ends although no byte comes.
    assert!(matches!(held.running.await.unwrap(), Err(DownloadError::Cancelled)));
    assert!(held.lab.downloads().is_empty());
}

#[tokio::test]
async fn a_download_of_an_ended_login_ends_and_does_not_start_again() {
    let held = Held::start(Lab::start().await).await;
    held.lab.node.end_login(held.grant.login);
    let (lab, grant) = (Arc::clone(&held.lab), held.grant.clone());
    let error = held.failure(&PART).await;
    assert!(matches!(error, DownloadError::Ended), "{error}");
    let error = lab.run(lab.request_for(&grant, TCP)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Ended), "{error}");
    let other = Grant { login: grant.login + 1, ..grant };
    let finished = lab.run(lab.request_for(&other, TCP)).await.unwrap();
    assert!(finished.resumed_from >= 1 << 20, "{} bytes were kept", finished.resumed_from);
}

#[tokio::test]
async fn a_newer_start_of_a_ticket_ends_the_older() {
    let held = Held::start(Lab::start().await).await;
    let lab = Arc::clone(&held.lab);
    let mut again = lab.request_for(&held.grant, TCP);
    again.ticket = held.ticket.clone();
    again.save_as = lab.place("again");
    lab.run(again).await.unwrap();
    let (_, outcome) = held.outcome().await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, DownloadError::Ended), "{error}");
    assert_eq!(lab.downloads(), [PART[0], "again", PART[1]]);
}

#[tokio::test]
async fn a_file_that_changes_in_the_middle_is_never_mixed() {
    for change in [truncate, append, replace] {
        let held = Held::start(Lab::start().await).await;
        change(&held.lab);
        let error = held.failure(&[]).await;
        assert!(matches!(error, DownloadError::FileChanged), "{error}");
    }
}

fn truncate(lab: &Lab) {
    std::fs::File::options().write(true).open(lab.file("file")).unwrap().set_len(MIDDLE).unwrap();
}

fn append(lab: &Lab) {
    use std::io::Write;
    std::fs::File::options().append(true).open(lab.file("file")).unwrap().write_all(b"x").unwrap();
}

/// In place: the same inode, the same size, other bytes.
fn replace(lab: &Lab) {
    lab.put("file", LARGE);
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again_for_what_is_missing() {
    let lab = Lab::start().await;
    let bytes = lab.put("file", LARGE);
    let plans = [Plan::Break(MIDDLE), Plan::Break(100), Plan::Break(MIDDLE)];
    let gate = Gate::start(lab.addr, &plans).await;
    let mut request = lab.request("file", TCP);
    request.nodes[0].addr = gate.addr;
    let finished = lab.run(request).await.unwrap();
    assert_eq!(std::fs::read(finished.path).unwrap(), bytes);
}

#[tokio::test]
async fn a_node_that_is_full_says_so() {
    let limits = NodeLimits { sessions_max: 1, sessions_per_user_max: 1 };
    let held = Held::start(Lab::start_with(limits).await).await;
    let mut other = held.lab.request("file", TCP);
    other.save_as = held.lab.place("other");
    let error = held.lab.run(other).await.unwrap_err();
    assert!(matches!(error, DownloadError::Busy), "{error}");
    let (lab, outcome) = held.outcome().await;
    outcome.unwrap();
    let again = lab.request("file", TCP);
    lab.run(again).await.unwrap();
}

#[tokio::test]
async fn a_node_that_shuts_down_ends_its_transfers() {
    let held = Held::start(Lab::start().await).await;
    held.lab.node.shutdown();
    let error = held.failure(&PART).await;
    assert!(matches!(error, DownloadError::Ended), "{error}");
}

#[tokio::test]
async fn a_node_that_has_shut_down_has_told_everybody() {
    let held = Held::start(Lab::start().await).await;
    let node = Arc::clone(&held.lab.node);
    node.shutdown();
    let ended = tokio::spawn(async move {
        node.tcp_ended().await;
        node.transfer_count()
    });
    let error = held.failure(&PART).await;
    assert!(matches!(error, DownloadError::Ended), "{error}");
    assert_eq!(ended.await.unwrap(), 0, "nothing runs once it was waited for");
}
