//! A sending node on loopback with files of its own, and the tickets for them.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::proto::receiver::ReceiverStats;
use file_transfer::range_set::RangeSet;
use file_transfer::ticket::{Grant, TicketKey};
use file_transfer::udp::{
    OpenError, ReceiveConfig, SendOptions, SessionLimits, SessionReport, UdpServer,
    UdpServerConfig, UploadReport, UploadService, bind_listener,
};
use file_transfer::uploads::{UploadRules, UploadStore};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};
use tempfile::TempDir;

/// The user of all tickets.
pub(crate) const USER: &str = "ann";

/// What may be uploaded to the node.
pub(crate) const UPLOAD_RULES: UploadRules = UploadRules {
    folder: None,
    quota_bytes_per_user: 1 << 30,
    file_bytes_max: 1 << 30,
    parts_kept: Duration::from_secs(3600),
};

/// A node, its folder, and the reports of its ended sessions.
pub(crate) struct UdpNode {
    pub(crate) server: UdpServer,
    /// Locked while a test waits for the next one.
    reports: Mutex<mpsc::Receiver<SessionReport>>,
    /// How ended uploads ended, as text, and what they took.
    upload_reports: Mutex<mpsc::Receiver<(String, ReceiverStats)>>,
    pub(crate) store: Arc<UploadStore>,
    pub(crate) folder: TempDir,
    _data: TempDir,
    pub(crate) key: TicketKey,
}

/// A file that the node offers.
pub(crate) struct OfferedFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) path: PathBuf,
    pub(crate) version: FileVersion,
    name: FilePath,
}

impl UdpNode {
    /// A node on 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::start_on(&["127.0.0.1:0"])
    }

    /// A node with one front door for each address.
    pub(crate) fn start_on(addresses: &[&str]) -> Self {
        let bind = |address: &&str| bind_listener(address.parse().unwrap()).unwrap();
        Self::start_with(addresses.iter().map(bind).collect(), SessionLimits::default())
    }

    /// A node on sockets that are bound already.
    pub(crate) fn start_with(sockets: Vec<UdpSocket>, limits: SessionLimits) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().to_owned();
        let key = TicketKey::from_bytes([7; 32]).unwrap();
        let (report, reports) = mpsc::channel();
        let (upload_report, upload_reports) = mpsc::channel();
        let data = TempDir::new().unwrap();
        let store = UploadStore::open(folder.path(), data.path(), UPLOAD_RULES).unwrap();
        let store = Arc::new(store);
        let config = UdpServerConfig {
            sending: SendOptions::default(),
            key: key.clone(),
            open_file: Box::new(move |path: &FilePath| {
                File::open(root.join(path.as_str())).map_err(|_| OpenError::Gone)
            }),
            limits,
            on_session_end: Some(Box::new(move |ended: &SessionReport| {
                // A test that does not look has dropped the other end.
                let _ = report.send(ended.clone());
            })),
            uploads: Some(UploadService {
                store: Arc::clone(&store),
                on_session_end: Some(Box::new(move |ended: &UploadReport| {
                    let _ = upload_report.send((format!("{:?}", ended.end), ended.stats));
                })),
            }),
        };
        let server = UdpServer::start(sockets, config).unwrap();
        Self {
            server,
            store,
            reports: Mutex::new(reports),
            upload_reports: Mutex::new(upload_reports),
            folder,
            _data: data,
            key,
        }
    }

    /// Waits for the next session to end.
    pub(crate) fn next_report(&self) -> SessionReport {
        self.reports.lock().unwrap().recv().unwrap()
    }

    /// Waits for the next upload's session to end; `Ok(())` if every byte came.
    pub(crate) fn next_upload_report(&self) -> String {
        self.next_upload().0
    }

    /// The same, and what it took.
    pub(crate) fn next_upload(&self) -> (String, ReceiverStats) {
        self.upload_reports.lock().unwrap().recv().unwrap()
    }

    /// Where the first front door listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// Offers a file of `size` bytes that follow from `seed`.
    pub(crate) fn offer(&self, seed: u64, size: usize) -> OfferedFile {
        let mut bytes = vec![0; size];
        Pcg64::seed_from_u64(seed).fill_bytes(&mut bytes);
        let name = FilePath::parse(&format!("file-{seed}-{size}")).unwrap();
        let path = self.folder.path().join(name.as_str());
        std::fs::write(&path, &bytes).unwrap();
        let version = FileVersion::of(&std::fs::metadata(&path).unwrap());
        OfferedFile { bytes, path, version, name }
    }

    /// All of `file`, by a fresh ticket of `login`.
    pub(crate) fn config(&self, file: &OfferedFile, login: u64) -> ReceiveConfig {
        self.config_by(&self.key, unix_now() + 60, file, login)
    }

    /// The same by a ticket of this key and expiry.
    pub(crate) fn config_by(
        &self,
        key: &TicketKey,
        expires_at: u64,
        file: &OfferedFile,
        login: u64,
    ) -> ReceiveConfig {
        let secret = random_bytes();
        let grant = Grant {
            secret,
            user: USER.into(),
            login,
            file: file.name.clone(),
            version: file.version,
            bytes_max: Grant::bytes_max_for(file.version.size),
            expires_at,
        };
        let ticket = key.mint(&grant, random_bytes()).unwrap();
        ReceiveConfig {
            node: self.address(),
            ticket: ticket.as_bytes().to_vec(),
            secret,
            version: file.version,
            missing: RangeSet::of(0..file.version.size),
        }
    }
}

/// Seconds since 1970-01-01 UTC.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}
