//! A large file, a `file-server` process and a downloading process, both of which can be killed.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should; the child talks to its parent"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use file_transfer::download::{
    DownloadRequest, FreshTicket, NodeAddress, Patience, Progress, TicketWanted, Transport,
    TransportChoice, download,
};
use file_transfer::file_path::FilePath;
use file_transfer::file_version::FileVersion;
use file_transfer::source_id::SourceId;
use file_transfer::ticket::{Grant, TicketKey};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::RngCore;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) const MIB: u64 = 1 << 20;

/// The environment variable that tells a child what to download.
pub(crate) const CHILD: &str = "SIMPLECHAT_KILL_BENCH_ORDER";

/// Something else in each of these: misplaced bytes are noticed, and most of the file is holes that
/// cost no disk.
const STAMP_EVERY: u64 = 64 << 10;

/// What a started server reads besides the file: libraries, keys, the folder.
const SERVER_START_BYTES: u64 = MIB;

pub(crate) struct KillBench {
    dir: TempDir,
    hash: [u8; 32],
}

impl KillBench {
    pub(crate) fn new(size: u64, random: &mut Pcg64) -> KillBench {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        std::fs::create_dir(dir.path().join("downloads")).unwrap();
        let path = dir.path().join("files/big");
        let file = File::create(&path).unwrap();
        file.set_len(size).unwrap();
        for place in (0..size).step_by(usize::try_from(STAMP_EVERY).unwrap()) {
            let mut stamp = [0; 64];
            random.fill_bytes(&mut stamp);
            let offset = place + random.next_u64() % (STAMP_EVERY - 64);
            file.write_all_at(&stamp, offset).unwrap();
        }
        let hash = hash_of(&path);
        KillBench { dir, hash }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    pub(crate) fn hash_of_download(&self) -> [u8; 32] {
        hash_of(&self.download())
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.download().exists()
    }

    pub(crate) fn downloads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("downloads")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Until the part file reaches so far, however long it takes, as long as the client runs.
    pub(crate) fn wait_for_bytes(&self, bytes: u64, client: &mut Client, context: &str) {
        let part = self.dir.path().join("downloads/big.part");
        while std::fs::metadata(&part).map_or(0, |part| part.len()) < bytes {
            if client.child.try_wait().unwrap().is_some() {
                panic!("{context}: {:?}", client.end());
            }
            sleep(Duration::from_millis(1));
        }
    }

    fn download(&self) -> PathBuf {
        self.dir.path().join("downloads/big")
    }
}

fn hash_of(path: &Path) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path).unwrap()).unwrap();
    *hasher.finalize().as_bytes()
}

/// A process that is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    spki: String,
}

impl Server {
    /// Starts one; at the address of one that was killed, if it is to be found there.
    pub(crate) fn start(bench: &KillBench, address: Option<SocketAddr>) -> Server {
        let listen = address.map_or("127.0.0.1:0".into(), |address| address.to_string());
        loop {
            let mut child = Command::new(env!("CARGO_BIN_EXE_file-server"))
                .arg("--files")
                .arg(bench.dir.path().join("files"))
                .arg("--key-file")
                .arg(bench.dir.path().join("ticket.key"))
                .args(["--listen", &listen])
                .env("RUST_LOG", "warn")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            if let Some(announced) = line.trim().strip_prefix("file-node ") {
                let (address, spki) = announced.split_once(" spki=").unwrap();
                return Server { child, address: address.parse().unwrap(), spki: spki.into() };
            }
            // The kernel has not cleared the killed one's port away yet.
            child.wait().unwrap();
            sleep(Duration::from_millis(20));
        }
    }

    /// Kills it; says how many bytes it read in its life: each byte of a file that is sent, or sent
    /// again, is read once.
    pub(crate) fn kill(mut self) -> u64 {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).unwrap();
        let counts = std::fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        let read = counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        read.parse::<u64>().unwrap().saturating_sub(SERVER_START_BYTES)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is killed when it is dropped.
pub(crate) struct Client {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    pub(crate) fn start(bench: &KillBench, server: &Server) -> Client {
        let root: String = bench.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = bench.dir.path().to_str().unwrap();
        let order = format!("{} {} {root} {folder}", server.address, server.spki);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["downloading_child", "--exact", "--nocapture"])
            .env(CHILD, order)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Client { child, stdout }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; gives the hash of the file, and how many bytes were kept from those before
    /// it, or its last words.
    pub(crate) fn end(&mut self) -> Result<([u8; 32], u64), String> {
        let lines = (&mut self.stdout).lines().map(Result::unwrap);
        for line in lines {
            let words: Vec<_> = line.split(' ').collect();
            match words.as_slice() {
                ["finished", hash, kept] => {
                    let hash = blake3::Hash::from_hex(hash).unwrap();
                    return Ok((hash.into(), kept.parse().unwrap()));
                }
                ["failed", ..] => return Err(line),
                _ => {}
            }
        }
        Err("it said nothing".into())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The downloading process: what chat server and client do together, for the file `big`.
pub(crate) fn download_as_told(order: &str) {
    let [address, spki, root, folder] = order.splitn(4, ' ').collect::<Vec<_>>()[..] else {
        panic!("{order:?} is no order");
    };
    let folder = Path::new(folder);
    let fresh = ticket(folder);
    let node = NodeAddress {
        addr: address.parse().unwrap(),
        spki_sha256: URL_SAFE_NO_PAD.decode(spki).unwrap().try_into().unwrap(),
        server_name: "localhost".into(),
    };
    let (renewal, asked) = mpsc::channel(1);
    let request = DownloadRequest {
        ticket: fresh.ticket,
        secret: fresh.secret,
        nodes: vec![node],
        version: fresh.version,
        source: SourceId([1; 32]),
        root: watch::channel(Some(blake3::Hash::from_hex(root).unwrap().into())).1,
        save_as: folder.join("downloads/big"),
        transport: TransportChoice::Udp,
        renewal: Some(renewal),
        pieces: None,
        paused: None,
        patience: Patience::default(),
    };
    let progress = watch::channel(Progress::at_start(Transport::Udp)).0;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(mint(asked, folder.to_owned()));
    let outcome = runtime.block_on(download(request, progress, CancellationToken::new()));
    match outcome {
        Ok(it) => println!("\nfinished {} {}", blake3::Hash::from(it.blake3), it.resumed_from),
        Err(error) => println!("\nfailed {error}"),
    }
}

async fn mint(mut asked: mpsc::Receiver<TicketWanted>, folder: PathBuf) {
    while let Some(wanted) = asked.recv().await {
        let _ = wanted.reply.send(ticket(&folder));
    }
}

fn ticket(folder: &Path) -> FreshTicket {
    let key = TicketKey::load(&folder.join("ticket.key")).unwrap();
    let version = FileVersion::of(&std::fs::metadata(folder.join("files/big")).unwrap());
    let grant = Grant {
        secret: rand::random(),
        user: "bob".into(),
        login: 1,
        file: FilePath::parse("big").unwrap(),
        version,
        bytes_max: Grant::bytes_max_for(version.size),
        expires_at: u64::MAX,
    };
    let ticket = key.mint(&grant, rand::random()).unwrap().as_bytes().to_vec();
    FreshTicket { ticket, secret: grant.secret, version }
}
