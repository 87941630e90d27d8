//! The `file-server` program: what it prints, how it serves, how it ends and how it refuses to start.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use file_transfer::catalogue::Catalogue;
use file_transfer::download::{
    DownloadRequest, Finished, NodeAddress, Patience, Progress, Transport, TransportChoice,
    download,
};
use file_transfer::file_path::FilePath;
use file_transfer::ticket::{Grant, TicketKey};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A folder with `files/hello.txt`, and the arguments to serve it.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("files")).unwrap();
    std::fs::write(dir.path().join("files/hello.txt"), "hello").unwrap();
    dir
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_file-server"));
    command.arg("--files").arg(dir.join("files")).arg("--key-file").arg(dir.join("ticket.key"));
    command
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    addr: SocketAddr,
    spki_sha256: [u8; 32],
}

impl Server {
    fn start(dir: &Path) -> Server {
        let mut command = command(dir);
        command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let (addr, spki) =
            line.trim().strip_prefix("file-node ").unwrap().split_once(" spki=").unwrap();
        let spki_sha256 = URL_SAFE_NO_PAD.decode(spki).unwrap().try_into().unwrap();
        Server { child, addr: addr.parse().unwrap(), spki_sha256 }
    }

    fn signal(&mut self, signal: Signal) -> std::process::ExitStatus {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does what chat server and client do together, and downloads `hello.txt`.
async fn get_hello(dir: &Path, server: &Server, transport: TransportChoice) -> Finished {
    let key = TicketKey::load(&dir.join("ticket.key")).unwrap();
    let file = FilePath::parse("hello.txt").unwrap();
    let version = Catalogue::open(&dir.join("files")).unwrap().find(&file).unwrap().version;
    let secret = rand::random();
    let grant = Grant {
        secret,
        user: "bob".into(),
        login: 1,
        file,
        version,
        bytes_max: 1000,
        expires_at: u64::MAX,
    };
    let request = DownloadRequest {
        ticket: key.mint(&grant, rand::random()).unwrap().as_bytes().to_vec(),
        secret,
        nodes: vec![NodeAddress {
            addr: server.addr,
            spki_sha256: server.spki_sha256,
            server_name: "localhost".into(),
        }],
        version,
        root: watch::channel(Some(*blake3::hash(b"hello").as_bytes())).1,
        save_as: dir.join("got.txt"),
        transport,
        renewal: None,
        pieces: None,
        paused: None,
        patience: Patience::default(),
    };
    let progress = Progress::at_start(Transport::Udp);
    let progress = watch::channel(progress).0;
    download(request, progress, CancellationToken::new()).await.unwrap()
}

#[tokio::test]
async fn it_serves_holders_of_tickets() {
    let dir = folder();
    let server = Server::start(dir.path());
    let finished = get_hello(dir.path(), &server, TransportChoice::Tcp).await;
    assert_eq!(std::fs::read(finished.path).unwrap(), b"hello");
}

#[tokio::test]
async fn key_and_certificate_are_kept() {
    let dir = folder();
    let first = Server::start(dir.path()).spki_sha256;
    let again = Server::start(dir.path());
    assert_eq!(again.spki_sha256, first);
    get_hello(dir.path(), &again, TransportChoice::Tcp).await;
}

#[test]
fn it_ends_cleanly_when_told_to() {
    let dir = folder();
    for signal in [Signal::TERM, Signal::INT] {
        let status = Server::start(dir.path()).signal(signal);
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[test]
fn each_address_is_told() {
    let dir = folder();
    let mut command = command(dir.path());
    command.args(["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("file-node 127.0.0.1:"));
    assert!(lines.next().unwrap().unwrap().starts_with("file-node 127.0.0.2:"));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Runs a server that must not start: one line says why, nothing is announced.
#[track_caller]
fn refused(command: &mut Command, why: &str) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stdout.is_empty(), "{stdout:?}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("file-server: ") && stderr.contains(why), "{stderr}");
}

const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[test]
fn a_missing_folder_stops_the_start() {
    let dir = folder();
    std::fs::remove_dir_all(dir.path().join("files")).unwrap();
    refused(command(dir.path()).args(ANYWHERE), "files: not a folder");
}

#[test]
fn a_broken_key_file_stops_the_start() {
    let dir = folder();
    drop(Server::start(dir.path()));
    std::fs::write(dir.path().join("ticket.key"), "junk").unwrap();
    refused(command(dir.path()).args(ANYWHERE), "not 64 hexadecimal digits");
}

#[test]
fn a_broken_certificate_stops_the_start() {
    let dir = folder();
    drop(Server::start(dir.path()));
    std::fs::write(dir.path().join("tls-cert.pem"), "junk").unwrap();
    refused(command(dir.path()).args(ANYWHERE), "tls-cert.pem");
}

#[test]
fn a_port_that_is_taken_stops_the_start() {
    let dir = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    refused(command(dir.path()).args(["--listen", &addr]), &format!("cannot listen on {addr}"));
}

#[test]
fn wrong_usage_is_told_apart() {
    let output = Command::new(env!("CARGO_BIN_EXE_file-server")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_first_line_is_all_that_goes_to_stdout() {
    let dir = folder();
    let mut server = Server::start(dir.path());
    server.signal(Signal::TERM);
    let mut rest = String::new();
    server.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
