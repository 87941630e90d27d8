//! Uploads over UDP to a real node on loopback: the same engine the other way round.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::proto::close_frame::CloseCode;
use file_transfer::ticket::Grant;
use file_transfer::udp::{ReceiveConfig, SendConfig, SendError, SendResult, receive, send};
use file_transfer::uploads::{Begun, Settled, UploadHandle, UploadWish};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};
use tokio_util::sync::CancellationToken;

use crate::lossy_proxy::{Conditions, LossyProxy};
use crate::udp_node::{USER, UdpNode, random_bytes, unix_now};

const MIB: usize = 1 << 20;

/// A client's file, and its way to the node.
pub(crate) struct Sending {
    file: File,
    bytes: Vec<u8>,
    version: FileVersion,
    name: &'static str,
}

impl Sending {
    pub(crate) fn new(name: &'static str, size: usize) -> Self {
        let mut bytes = vec![0; size];
        Pcg64::seed_from_u64(size as u64).fill_bytes(&mut bytes);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let version = FileVersion::of(&file.metadata().unwrap());
        Self { file, bytes, version, name }
    }

    fn wish(&self) -> UploadWish {
        let path = FilePath::parse(self.name).unwrap();
        UploadWish { user: USER.into(), attempt: random_bytes(), path, version: self.version }
    }

    /// What the chat server does before anything is sent.
    pub(crate) fn begin(&self, node: &UdpNode) -> UploadHandle {
        match node.store.begin(&self.wish()).unwrap() {
            Begun::Part(handle) => handle,
            Begun::Stored(stored) => panic!("{stored:?}"),
        }
    }

    pub(crate) fn grant(&self, upload: &UploadHandle, login: u64) -> Grant {
        Grant {
            secret: random_bytes(),
            user: USER.into(),
            login,
            file: upload.part_path().clone(),
            version: self.version,
            bytes_max: Grant::bytes_max_for(self.version.size),
            expires_at: unix_now() + 60,
        }
    }

    pub(crate) fn config(&self, node: &UdpNode, grant: &Grant) -> SendConfig {
        let ticket = node.key.mint_upload(grant, random_bytes()).unwrap();
        SendConfig {
            node: node.address(),
            ticket: ticket.as_bytes().to_vec(),
            secret: grant.secret,
            version: self.version,
        }
    }

    pub(crate) fn send(&self, config: &SendConfig, cancel: &CancellationToken) -> SendResult {
        send(config, self.file.try_clone().unwrap(), |_| {}, cancel)
    }

    fn root(&self) -> [u8; 32] {
        *blake3::hash(&self.bytes).as_bytes()
    }

    /// Begins, sends and settles; gives where the file is.
    #[track_caller]
    fn upload(&self, node: &UdpNode, by: SocketAddr) -> String {
        let upload = self.begin(node);
        let config = SendConfig { node: by, ..self.config(node, &self.grant(&upload, 1)) };
        let sent = self.send(&config, &CancellationToken::new());
        assert!(sent.end.is_ok(), "{} bytes: {:?}", self.bytes.len(), sent.end);
        assert_eq!(node.next_upload_report(), "Ok(())");
        self.settle(node, &upload)
    }

    #[track_caller]
    pub(crate) fn settle(&self, node: &UdpNode, upload: &UploadHandle) -> String {
        let path = match node.store.settle(upload, &self.root()).unwrap() {
            Settled::Stored(stored) => stored.path.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert!(std::fs::read(node.folder.path().join(&path)).unwrap() == self.bytes);
        path
    }
}

#[test]
fn files_of_every_size_arrive_equal() {
    let node = UdpNode::start();
    for (name, size) in [
        ("empty", 0),
        ("27", 27),
        ("chunk", 1412),
        ("chunk and one", 1413),
        ("piece", MIB),
        ("sub/dir/64 MiB and odd", 64 * MIB + 77),
    ] {
        assert_eq!(Sending::new(name, size).upload(&node, node.address()), name);
    }
}

#[test]
fn they_arrive_through_loss_reordering_repetition_and_damage() {
    let node = UdpNode::start();
    let conditions = Conditions {
        loss: 0.05,
        repetition: 0.05,
        corruption: 0.02,
        reordering: 0.05,
        reorder_delay: Duration::from_micros(500),
        delay: Duration::from_micros(200),
        ..Conditions::PERFECT
    };
    for (name, size) in [("empty", 0), ("small", 27), ("large", 16 * MIB + 5)] {
        let proxy = LossyProxy::start(node.address(), conditions);
        assert_eq!(Sending::new(name, size).upload(&node, proxy.address()), name);
    }
}

#[test]
fn what_arrived_before_a_cancellation_is_not_sent_again() {
    let node = UdpNode::start();
    let sending = Sending::new("song.ogg", 64 * MIB);
    let upload = sending.begin(&node);
    let config = sending.config(&node, &sending.grant(&upload, 1));
    let (cancel, progress) = (CancellationToken::new(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            cancel.cancel();
        });
        let file = sending.file.try_clone().unwrap();
        let sent =
            send(&config, file, |received| progress.store(received, Ordering::Relaxed), &cancel);
        assert!(matches!(sent.end, Err(SendError::Cancelled)), "{:?}", sent.end);
    });
    assert!(node.next_upload_report().contains("Cancelled"), "the node was told");
    let kept = upload.kept();
    assert!(0 < kept && kept < sending.version.size, "{kept} bytes");
    assert!(matches!(node.store.settle(&upload, &sending.root()), Ok(Settled::Incomplete { .. })));

    let again = sending.begin(&node);
    assert_eq!(again.kept(), kept);
    let sent =
        sending.send(&sending.config(&node, &sending.grant(&again, 1)), &CancellationToken::new());
    assert!(sent.end.is_ok(), "{:?}", sent.end);
    let least = sending.version.size - kept;
    let (sent, lost) = (sent.stats.data_bytes_sent, sent.stats.packets_lost * 1412);
    assert!((least..=least + lost + 64 * 1412).contains(&sent), "{sent} for {least} missing");
    sending.settle(&node, &again);
}

#[test]
fn a_newer_start_of_an_upload_ends_the_older_one() {
    let node = UdpNode::start();
    let sending = Sending::new("song.ogg", 64 * MIB);
    let upload = sending.begin(&node);
    let configs = [1, 1].map(|login| sending.config(&node, &sending.grant(&upload, login)));
    let progress = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let older = scope.spawn(|| {
            let file = sending.file.try_clone().unwrap();
            send(
                &configs[0],
                file,
                |received| progress.store(received, Ordering::Relaxed),
                &CancellationToken::new(),
            )
        });
        while progress.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let newer = sending.send(&configs[1], &CancellationToken::new());
        assert!(newer.end.is_ok(), "{:?}", newer.end);
        match older.join().unwrap().end {
            // Replaced by a ticket of its own: the upload is what counts.
            Err(SendError::Closed { code: CloseCode::Replaced, .. }) => {}
            end => panic!("{end:?}"),
        }
    });
    sending.settle(&node, &upload);
}

#[test]
fn an_ended_login_loses_its_upload_and_its_tickets() {
    let node = UdpNode::start();
    let sending = Sending::new("song.ogg", 64 * MIB);
    let upload = sending.begin(&node);
    let config = sending.config(&node, &sending.grant(&upload, 7));
    let progress = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            node.server.end_login(7);
        });
        let file = sending.file.try_clone().unwrap();
        match send(
            &config,
            file,
            |received| progress.store(received, Ordering::Relaxed),
            &CancellationToken::new(),
        )
        .end
        {
            Err(SendError::Closed { code: CloseCode::LoginEnded, .. }) => {}
            end => panic!("{end:?}"),
        }
    });
    let sent = sending.send(&config, &CancellationToken::new());
    assert!(matches!(sent.end, Err(SendError::Silent)), "{:?}", sent.end);
}

#[test]
fn a_local_file_that_changes_in_mid_upload_is_told_and_never_mixed() {
    let node = UdpNode::start();
    let sending = Sending::new("song.ogg", 64 * MIB);
    let upload = sending.begin(&node);
    let config = sending.config(&node, &sending.grant(&upload, 1));
    let progress = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            let mut file = sending.file.try_clone().unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(b"another beginning").unwrap();
        });
        let file = sending.file.try_clone().unwrap();
        let sent = send(
            &config,
            file,
            |received| progress.store(received, Ordering::Relaxed),
            &CancellationToken::new(),
        );
        assert!(matches!(sent.end, Err(SendError::FileChanged)), "{:?}", sent.end);
    });
    assert!(node.next_upload_report().contains("FileChanged"), "the node was told");
    // Whatever is on disk by now, it does not become the file.
    assert!(!matches!(node.store.settle(&upload, &sending.root()), Ok(Settled::Stored(_))));
    assert!(!node.folder.path().join("song.ogg").exists());
}

#[test]
fn a_ticket_for_one_direction_is_none_for_the_other() {
    let node = UdpNode::start();
    let offered = node.offer(1, MIB);
    let sending = Sending::new("song.ogg", MIB);
    let upload = sending.begin(&node);
    let grant = sending.grant(&upload, 1);

    // An upload's ticket fetches nothing: the node takes, and does not send.
    let config = sending.config(&node, &grant);
    let config = ReceiveConfig {
        node: config.node,
        ticket: config.ticket,
        secret: config.secret,
        version: sending.version,
        ..node.config(&offered, 1)
    };
    let mut sink = Vec::new();
    let received = receive(&config, &mut sink, &AtomicU64::new(0), &CancellationToken::new());
    assert!(received.end.is_err(), "both ends would receive");
    assert!(sink.is_empty());

    // A download's ticket puts nothing there, not even one that names a part.
    let ticket = node.key.mint(&grant, random_bytes()).unwrap();
    let config = SendConfig { ticket: ticket.as_bytes().to_vec(), ..sending.config(&node, &grant) };
    assert!(sending.send(&config, &CancellationToken::new()).end.is_err());
    assert_eq!(upload.kept(), 0);
}

#[test]
fn a_file_of_another_size_than_the_tickets_is_not_sent() {
    let node = UdpNode::start();
    let (sending, other) = (Sending::new("song.ogg", MIB), Sending::new("song.ogg", 2 * MIB));
    let upload = sending.begin(&node);
    let config = sending.config(&node, &sending.grant(&upload, 1));
    // As an honest client …
    let sent = other.send(&config, &CancellationToken::new());
    assert!(matches!(sent.end, Err(SendError::FileChanged)), "{:?}", sent.end);
    // … and as one that lies about its file: the node says what the ticket is for.
    let lying = SendConfig { version: other.version, ..config };
    let sent = other.send(&lying, &CancellationToken::new());
    assert!(matches!(sent.end, Err(SendError::OtherFile)), "{:?}", sent.end);
    assert_eq!(upload.kept(), 0);
}

#[test]
fn a_part_that_is_given_up_takes_no_more_bytes() {
    let node = UdpNode::start();
    let sending = Sending::new("song.ogg", MIB);
    let upload = sending.begin(&node);
    let config = sending.config(&node, &sending.grant(&upload, 1));
    node.store.remove(&upload);
    let sent = sending.send(&config, &CancellationToken::new());
    assert!(
        matches!(sent.end, Err(SendError::Closed { .. } | SendError::Silent)),
        "{:?}",
        sent.end
    );
    assert_eq!(std::fs::read_dir(node.folder.path()).unwrap().count(), 0);
}
