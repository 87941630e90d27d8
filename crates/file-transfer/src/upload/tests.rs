//! Uploads to a real node over real sockets where UDP is blocked, falls silent or comes back, and to a
//! disk that is full.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::catalogue::Catalogue;
use crate::file_path::FilePath;
use crate::node::{NodeLimits, TransferNode};
use crate::piece_hashes::PIECE_BYTES;
use crate::tcp::ALPN;
use crate::ticket::{Grant, TicketKey};
use crate::tls_identity::TlsIdentity;
use crate::udp::SendOptions;
use crate::uploads::{Begun, Settled, UploadHandle, UploadRules, UploadStore, UploadWish};

#[path = "../../tests/support/udp_gate.rs"]
mod udp_gate;

use udp_gate::UdpGate;

/// Larger than what the buffers between client and disk hold.
const SIZE: u64 = 24 * PIECE_BYTES + 5;
/// In the middle of it.
const MIDDLE: u64 = 6 * PIECE_BYTES;
const PATIENCE: Duration = Duration::from_secs(600);

/// A node that takes uploads, behind a firewall, and a client's file.
struct Lab {
    dir: TempDir,
    key: TicketKey,
    store: Arc<UploadStore>,
    node: Arc<TransferNode>,
    identity: TlsIdentity,
    addr: SocketAddr,
    gate: UdpGate,
    bytes: Vec<u8>,
    acceptor: tokio::task::JoinHandle<()>,
}

impl Lab {
    /// So many of the node's datagrams pass.
    async fn start(datagrams: usize) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("files");
        let catalogue = Arc::new(Catalogue::open(&files).unwrap());
        let key = TicketKey::from_bytes([7; 32]).unwrap();
        let identity = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        let rules = UploadRules {
            folder: None,
            quota_bytes_per_user: SIZE,
            file_bytes_max: SIZE,
            parts_kept: Duration::from_secs(3600),
        };
        let store = Arc::new(UploadStore::open(&files, dir.path(), rules).unwrap());
        let (listener, front) = both_sockets().await;
        let addr = listener.local_addr().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let gate = UdpGate::start(front, udp.local_addr().unwrap(), datagrams);
        let node = TransferNode::start_with_uploads(
            vec![udp],
            key.clone(),
            catalogue,
            NodeLimits { sessions_max: 1, sessions_per_user_max: 1 },
            SendOptions::default(),
            Some(Arc::clone(&store)),
        );
        let node = Arc::new(node.unwrap());
        let acceptor = tokio::spawn(accept(listener, &identity, Arc::clone(&node)));
        let mut bytes = vec![0; usize::try_from(SIZE).unwrap()];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        fs::write(dir.path().join("a.bin"), &bytes).unwrap();
        Arc::new(Self { dir, key, store, node, identity, addr, gate, bytes, acceptor })
    }

    /// What the chat server answers. `prepare` sees the upload when it begins.
    async fn answer(
        self: Arc<Self>,
        mut questions: mpsc::Receiver<Question>,
        begun: watch::Sender<Option<UploadHandle>>,
        prepare: impl Fn(&UploadHandle),
    ) {
        while let Some(question) = questions.recv().await {
            match question {
                Question::Begin { attempt, version, reply } => {
                    let path = FilePath::parse("a.bin").unwrap();
                    let wish = UploadWish { user: "bob".into(), attempt, path, version };
                    let Begun::Part(upload) = self.store.begin(&wish).unwrap() else {
                        panic!("it is not stored");
                    };
                    if begun.borrow().is_none() {
                        prepare(&upload);
                    }
                    let _ = reply.send(Leave::Ticket(self.ticket(&upload, version)));
                    begun.send_replace(Some(upload));
                }
                Question::Sent { root, reply } => {
                    let upload = begun.borrow().clone().unwrap();
                    let verdict = match self.store.settle(&upload, &root).unwrap() {
                        Settled::Stored(stored) => {
                            Verdict::Stored { path: stored.path.as_str().to_owned() }
                        }
                        other => panic!("{other:?}"),
                    };
                    let _ = reply.send(verdict);
                }
                Question::Pieces { .. } | Question::GiveUp => panic!("nothing differs"),
            }
        }
    }

    fn ticket(&self, upload: &UploadHandle, version: FileVersion) -> UploadTicket {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let grant = Grant {
            secret: rand::random(),
            user: "bob".into(),
            login: 1,
            file: upload.part_path().clone(),
            version,
            bytes_max: Grant::bytes_max_for(version.size),
            expires_at: now + 60,
        };
        let node = NodeAddress {
            addr: self.addr,
            spki_sha256: self.identity.spki_sha256(),
            server_name: "localhost".into(),
        };
        UploadTicket {
            ticket: self.key.mint_upload(&grant, rand::random()).unwrap().as_bytes().to_vec(),
            secret: grant.secret,
            nodes: vec![node],
            kept: upload.kept(),
        }
    }

    /// Starts an upload.
    fn put(
        self: &Arc<Self>,
        transport: TransportChoice,
        disk_patience: Duration,
        prepare: impl Fn(&UploadHandle) + Send + 'static,
    ) -> Putting {
        let (server, questions) = mpsc::channel(1);
        let (begun, upload) = watch::channel(None);
        tokio::spawn(Arc::clone(self).answer(questions, begun, prepare));
        let (told, progress) = watch::channel(UploadProgress::default());
        let file = self.dir.path().join("a.bin");
        let request = UploadRequest { file, transport, disk_patience, server };
        let running = tokio::spawn(upload_fn(request, told));
        Putting { upload, progress, running }
    }

    #[track_caller]
    fn check_stored(&self, uploaded: &Uploaded) {
        assert_eq!(uploaded.blake3, *blake3::hash(&self.bytes).as_bytes());
        let stored = fs::read(self.dir.path().join("files").join(&uploaded.path)).unwrap();
        assert!(stored == self.bytes, "what is stored differs");
    }
}

async fn upload_fn(
    request: UploadRequest,
    told: watch::Sender<UploadProgress>,
) -> Result<Uploaded, UploadFailure> {
    upload(request, told, CancellationToken::new()).await
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// An upload that runs.
struct Putting {
    upload: watch::Receiver<Option<UploadHandle>>,
    progress: watch::Receiver<UploadProgress>,
    running: tokio::task::JoinHandle<Result<Uploaded, UploadFailure>>,
}

impl Putting {
    async fn until(&mut self, is_so: impl FnMut(&UploadProgress) -> bool) {
        self.progress.wait_for(is_so).await.unwrap();
    }

    fn handle(&self) -> UploadHandle {
        self.upload.borrow().clone().unwrap()
    }
}

async fn both_sockets() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (tcp, udp);
        }
    }
}

fn accept(
    listener: TcpListener,
    identity: &TlsIdentity,
    node: Arc<TransferNode>,
) -> impl Future<Output = ()> + use<> {
    let acceptor = TlsAcceptor::from(identity.server_config(&[ALPN]).unwrap());
    async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, node) = (acceptor.clone(), Arc::clone(&node));
            tokio::spawn(async move {
                if let Ok(tls) = acceptor.accept(tcp).await {
                    let _ = node.serve_tcp(tls).await;
                }
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_it_goes_over_tcp() {
    let lab = Lab::start(0).await;
    let putting = lab.put(TransportChoice::Auto, PATIENCE, |_| {});
    let uploaded = putting.running.await.unwrap().unwrap();
    assert_eq!((uploaded.transport, uploaded.resumed_from), (Transport::Tcp, 0));
    lab.check_stored(&uploaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_udp_began_tcp_goes_on_with() {
    let lab = Lab::start(usize::MAX).await;
    let held = |upload: &UploadHandle| upload.faults().held_at.store(MIDDLE, Ordering::Relaxed);
    let mut putting = lab.put(TransportChoice::Auto, PATIENCE, held);
    putting.upload.wait_for(Option::is_some).await.unwrap();
    // What it counts is what was written: the rest of it is held until the firewall is closed.
    while putting.handle().kept() < MIDDLE {
        tokio::task::yield_now().await;
    }
    lab.gate.close();
    putting.handle().faults().held_at.store(u64::MAX, Ordering::Relaxed);
    putting.until(|progress| progress.transport == Transport::Tcp).await;
    assert!(putting.handle().kept() >= MIDDLE, "UDP brought something");
    let uploaded = putting.running.await.unwrap().unwrap();
    assert_eq!(uploaded.transport, Transport::Tcp);
    lab.check_stored(&uploaded);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tcp_began_goes_on_over_udp_when_that_works_again() {
    let lab = Lab::start(0).await;
    let held = |upload: &UploadHandle| upload.faults().held_at.store(MIDDLE, Ordering::Relaxed);
    let mut putting = lab.put(TransportChoice::Auto, PATIENCE, held);
    putting.until(|progress| progress.transport == Transport::Tcp).await;
    lab.gate.open();
    putting.until(|progress| progress.transport == Transport::Udp).await;
    let upload = putting.handle();
    assert!(upload.kept() >= MIDDLE, "TCP brought something");
    upload.faults().held_at.store(u64::MAX, Ordering::Relaxed);
    let uploaded = putting.running.await.unwrap().unwrap();
    assert_eq!(uploaded.transport, Transport::Udp);
    lab.check_stored(&uploaded);
}

/// A full disk in mid-upload: it waits, holding no place, and goes on when there is room.
async fn check_full_disk(transport: TransportChoice) {
    let lab = Lab::start(usize::MAX).await;
    let full = |upload: &UploadHandle| upload.faults().full_at.store(MIDDLE, Ordering::Relaxed);
    let mut putting = lab.put(transport, PATIENCE, full);
    putting.until(|progress| progress.server_disk_full).await;
    assert_eq!(lab.node.transfer_count(), 0, "no place is held meanwhile");
    let upload = putting.handle();
    assert!((MIDDLE..SIZE).contains(&upload.kept()), "{} bytes", upload.kept());
    upload.faults().full_at.store(u64::MAX, Ordering::Relaxed);
    putting.until(|progress| !progress.server_disk_full).await;
    lab.check_stored(&putting.running.await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_over_udp() {
    check_full_disk(TransportChoice::Udp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_over_tcp() {
    check_full_disk(TransportChoice::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stays_full_ends_it_and_keeps_what_is_there() {
    let lab = Lab::start(usize::MAX).await;
    let full = |upload: &UploadHandle| upload.faults().full_at.store(MIDDLE, Ordering::Relaxed);
    let putting = lab.put(TransportChoice::Auto, Duration::ZERO, full);
    let upload = putting.upload;
    let failure = putting.running.await.unwrap().unwrap_err();
    assert!(matches!(failure, UploadFailure::ServerDiskFull), "{failure}");
    let upload = upload.borrow().clone().unwrap();
    assert!((MIDDLE..SIZE).contains(&upload.kept()), "{} bytes", upload.kept());
}
