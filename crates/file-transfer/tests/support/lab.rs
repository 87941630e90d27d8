//! A transfer node on loopback with a folder of files, and a client with a folder for downloads.

#![allow(dead_code, reason = "some tests use a part of it, some use all")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should; known in the library"
)]

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use file_transfer::catalogue::Catalogue;
use file_transfer::download::{
    DownloadError, DownloadRequest, Finished, NodeAddress, Patience, Progress, Transport,
    TransportChoice, download,
};
use file_transfer::file_path::FilePath;
use file_transfer::node::{NodeLimits, TransferNode};
use file_transfer::source_id::SourceId;
use file_transfer::tcp::ALPN;
use file_transfer::ticket::{Grant, TicketKey};
use file_transfer::tls_identity::TlsIdentity;
use file_transfer::udp::SendOptions;
use rand::RngCore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// One less and more than what the parts count in: chunks, frames, hash blocks.
pub(crate) const ODD_SIZES: [usize; 12] = [
    0,
    1,
    27,
    1411,
    1412,
    1413,
    262_143,
    262_144,
    262_145,
    (1 << 20) - 1,
    (1 << 20) + 1,
    5_000_011,
];

/// Of tests: what does not answer on this machine is not there.
const PATIENCE: Patience = Patience {
    first_byte: Some(Duration::from_secs(1)),
    next_byte: Some(Duration::from_secs(10)),
    disk: Some(Duration::from_secs(10)),
    disk_at_start: Some(Duration::ZERO),
};

pub(crate) struct Lab {
    dir: TempDir,
    pub(crate) key: TicketKey,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) node: Arc<TransferNode>,
    pub(crate) addr: SocketAddr,
    pub(crate) spki_sha256: [u8; 32],
    acceptor: tokio::task::JoinHandle<()>,
    /// Takes the datagrams of a node that shall not hear them.
    _deaf: Option<UdpSocket>,
}

impl Lab {
    pub(crate) async fn start() -> Lab {
        Lab::start_with(NodeLimits::default()).await
    }

    /// A node whose UDP port swallows everything, as behind a firewall.
    pub(crate) async fn start_with_deaf_udp() -> Lab {
        Lab::build(NodeLimits::default(), true).await
    }

    pub(crate) async fn start_with(limits: NodeLimits) -> Lab {
        Lab::build(limits, false).await
    }

    async fn build(limits: NodeLimits, deaf: bool) -> Lab {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("downloads")).unwrap();
        let catalogue = Arc::new(Catalogue::open(&dir.path().join("files")).unwrap());
        let key = TicketKey::load_or_create(&dir.path().join("ticket.key")).unwrap();
        let identity = TlsIdentity::load_or_create(dir.path(), "lab").unwrap();
        let (listener, udp) = both_sockets().await;
        let addr = listener.local_addr().unwrap();
        let (served, deaf) = if deaf { (vec![], Some(udp)) } else { (vec![udp], None) };
        let node = TransferNode::start(
            served,
            key.clone(),
            Arc::clone(&catalogue),
            limits,
            SendOptions::default(),
        )
        .unwrap();
        let node = Arc::new(node);
        let acceptor = tokio::spawn(accept(listener, &identity, Arc::clone(&node)));
        let spki_sha256 = identity.spki_sha256();
        Lab { dir, key, catalogue, node, addr, spki_sha256, acceptor, _deaf: deaf }
    }

    /// Puts a file of random bytes into the server's folder.
    pub(crate) fn put(&self, name: &str, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        rand::rng().fill_bytes(&mut bytes);
        std::fs::write(self.file(name), &bytes).unwrap();
        bytes
    }

    /// Where a server file is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("files").join(name)
    }

    /// Where a download goes.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join("downloads").join(name)
    }

    /// What is in the folder of downloads, sorted.
    pub(crate) fn downloads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("downloads")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// What a chat server would grant for that file now.
    pub(crate) fn grant(&self, name: &str) -> Grant {
        let file = FilePath::parse(name).unwrap();
        let version = self.catalogue.find(&file).unwrap().version;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Grant {
            secret: rand::random(),
            user: "bob".into(),
            login: 1,
            file,
            version,
            bytes_max: Grant::bytes_max_for(version.size),
            expires_at: now + 60,
        }
    }

    /// A request for a grant, with the hash known.
    pub(crate) fn request_for(&self, grant: &Grant, transport: TransportChoice) -> DownloadRequest {
        let root = self.catalogue.root_hash(&grant.file, &grant.version).ok();
        DownloadRequest {
            ticket: self.key.mint(grant, rand::random()).unwrap().as_bytes().to_vec(),
            secret: grant.secret,
            nodes: vec![NodeAddress {
                addr: self.addr,
                spki_sha256: self.spki_sha256,
                server_name: "localhost".into(),
            }],
            version: grant.version,
            source: SourceId::of(&self.spki_sha256, grant.file.base_name()),
            root: watch::channel(root).1,
            save_as: self.place(grant.file.base_name()),
            transport,
            renewal: None,
            pieces: None,
            paused: None,
            patience: PATIENCE,
        }
    }

    pub(crate) fn request(&self, name: &str, transport: TransportChoice) -> DownloadRequest {
        self.request_for(&self.grant(name), transport)
    }

    pub(crate) async fn run(&self, request: DownloadRequest) -> Result<Finished, DownloadError> {
        download(request, progress().0, CancellationToken::new()).await
    }

    pub(crate) async fn download(
        &self,
        name: &str,
        transport: TransportChoice,
    ) -> Result<Finished, DownloadError> {
        self.run(self.request(name, transport)).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

pub(crate) fn progress() -> (watch::Sender<Progress>, watch::Receiver<Progress>) {
    watch::channel(Progress::at_start(Transport::Udp))
}

/// TCP and UDP on a port that is free for both.
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
