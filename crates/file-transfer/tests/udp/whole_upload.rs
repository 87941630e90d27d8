//! Whole uploads from the client's side, against a node and whoever answers in the chat server's place.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use file_transfer::download::{NodeAddress, TransportChoice};
use file_transfer::file_path::FilePath;
use file_transfer::ticket::Grant;
use file_transfer::upload::{
    self, Leave, Question, UploadFailure, UploadProgress, UploadRequest, UploadTicket, Uploaded,
    Verdict,
};
use file_transfer::uploads::{Begun, Settled, UploadHandle, UploadWish};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::udp_node::{USER, UdpNode, random_bytes, unix_now};

const MIB: usize = 1 << 20;

/// The chat server's part: answers questions from the node's store.
struct Chat<'a> {
    node: &'a UdpNode,
    upload: Option<UploadHandle>,
    /// What each [`Question::Begin`] was told to be there already.
    kept: Vec<u64>,
    /// How many pieces differed, each time that they were compared.
    differing: Vec<u64>,
    given_up: u32,
}

impl Chat<'_> {
    /// Answers until nobody asks any more. `before_settling` is called with the part on disk.
    fn answer(
        mut self,
        mut questions: mpsc::Receiver<Question>,
        mut before_settling: impl FnMut(PathBuf),
    ) -> Self {
        while let Some(question) = questions.blocking_recv() {
            match question {
                Question::Begin { attempt, version, reply } => {
                    let path = FilePath::parse("a.bin").unwrap();
                    let wish = UploadWish { user: USER.into(), attempt, path, version };
                    let Begun::Part(upload) = self.node.store.begin(&wish).unwrap() else {
                        panic!("it is not stored");
                    };
                    self.kept.push(upload.kept());
                    let _ = reply.send(Leave::Ticket(self.ticket(&upload, &wish)));
                    self.upload = Some(upload);
                }
                Question::Sent { root, reply } => {
                    let upload = self.upload.as_ref().unwrap();
                    before_settling(self.node.folder.path().join(upload.part_path().as_str()));
                    let verdict = match self.node.store.settle(upload, &root).unwrap() {
                        Settled::Stored(stored) => {
                            Verdict::Stored { path: stored.path.as_str().to_owned() }
                        }
                        Settled::Incomplete { .. } => Verdict::Incomplete,
                        Settled::Differs => Verdict::Differs,
                    };
                    let _ = reply.send(verdict);
                }
                Question::Pieces { first, hashes, reply } => {
                    let upload = self.upload.as_ref().unwrap();
                    let differing = self.node.store.compare(upload, first, &hashes).unwrap();
                    self.differing.push(differing);
                    let _ = reply.send(Some(differing));
                }
                Question::GiveUp => {
                    self.given_up += 1;
                    self.node.store.remove(&self.upload.take().unwrap());
                }
            }
        }
        self
    }

    fn ticket(&self, upload: &UploadHandle, wish: &UploadWish) -> UploadTicket {
        let grant = Grant {
            secret: random_bytes(),
            user: USER.into(),
            login: 1,
            file: upload.part_path().clone(),
            version: wish.version,
            bytes_max: Grant::bytes_max_for(wish.version.size),
            expires_at: unix_now() + 60,
        };
        let ticket = self.node.key.mint_upload(&grant, random_bytes()).unwrap();
        let node = NodeAddress {
            addr: self.node.address(),
            spki_sha256: [0; 32],
            server_name: "localhost".into(),
        };
        UploadTicket {
            ticket: ticket.as_bytes().to_vec(),
            secret: grant.secret,
            nodes: vec![node],
            kept: upload.kept(),
        }
    }
}

/// Uploads a file of that many bytes.
fn run(
    node: &UdpNode,
    size: usize,
    before_settling: impl FnMut(PathBuf) + Send,
) -> (Result<Uploaded, UploadFailure>, Chat<'_>, Vec<u8>) {
    let home = TempDir::new().unwrap();
    let file = home.path().join("a.bin");
    let mut bytes = vec![0; size];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    fs::write(&file, &bytes).unwrap();
    let (server, questions) = mpsc::channel(1);
    let chat = Chat { node, upload: None, kept: Vec::new(), differing: Vec::new(), given_up: 0 };
    std::thread::scope(|scope| {
        let chat = scope.spawn(|| chat.answer(questions, before_settling));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (progress, _) = watch::channel(UploadProgress::default());
        let request = UploadRequest {
            file,
            transport: TransportChoice::Udp,
            disk_patience: Duration::ZERO,
            server,
        };
        let uploading = upload::upload(request, progress, CancellationToken::new());
        let outcome = runtime.block_on(uploading);
        (outcome, chat.join().unwrap(), bytes)
    })
}

#[test]
fn an_upload_is_stored_and_says_where() {
    let node = UdpNode::start();
    let (uploaded, chat, bytes) = run(&node, 4 * MIB + 5, |_| {});
    let uploaded = uploaded.unwrap();
    assert_eq!((uploaded.path.as_str(), uploaded.bytes), ("a.bin", bytes.len() as u64));
    assert_eq!(uploaded.blake3, *blake3::hash(&bytes).as_bytes());
    assert_eq!((uploaded.resumed_from, chat.kept), (0, vec![0]));
    assert!(fs::read(node.folder.path().join("a.bin")).unwrap() == bytes);
}

#[test]
fn only_a_piece_that_was_damaged_comes_again() {
    let node = UdpNode::start();
    let mut damages = 1;
    let (uploaded, chat, bytes) = run(&node, 4 * MIB + 5, |part| {
        if damages > 0 {
            damages -= 1;
            let file = fs::OpenOptions::new().write(true).open(part).unwrap();
            file.write_all_at(b"damage", MIB as u64 + 77).unwrap();
        }
    });
    assert_eq!(uploaded.unwrap().path, "a.bin");
    assert_eq!(chat.differing, [1]);
    assert_eq!(chat.kept, [0, (bytes.len() - MIB) as u64], "the others stay");
    assert!(fs::read(node.folder.path().join("a.bin")).unwrap() == bytes);
}

#[test]
fn a_disk_that_damages_each_time_is_told_and_stores_nothing() {
    let node = UdpNode::start();
    let (uploaded, chat, _) = run(&node, MIB, |part| {
        let file = fs::OpenOptions::new().write(true).open(part).unwrap();
        file.write_all_at(b"damage", 77).unwrap();
    });
    assert!(matches!(uploaded, Err(UploadFailure::Integrity)), "{uploaded:?}");
    assert!(chat.differing.len() > 1 && chat.differing.iter().all(|count| *count == 1));
    assert!(!node.folder.path().join("a.bin").exists());
}
