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
use file_transfer::source_id::SourceId;
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
        Self::start_with(dir, &[])
    }

    fn start_with(dir: &Path, options: &[&str]) -> Server {
        let mut command = command(dir);
        command.args(["--listen", "127.0.0.1:0"]).args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let (addr, spki) =
            line.trim().strip_prefix("file-node ").unwrap().split_once(" spki=").unwrap();
        let spki_sha256 = URL_SAFE_NO_PAD.decode(spki).unwrap().try_into().unwrap();
        Server { child, addr: addr.parse().unwrap(), spki_sha256 }
    }

    /// Ends it; everything that it logged.
    fn log(mut self) -> String {
        self.signal(Signal::TERM);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
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

async fn get_hello(dir: &Path, server: &Server, transport: TransportChoice) -> Finished {
    get(dir, server, transport, b"hello").await
}

/// Downloads `hello.txt`, which holds `content`.
async fn get(dir: &Path, server: &Server, transport: TransportChoice, content: &[u8]) -> Finished {
    let request = request(dir, server, transport, "hello.txt", content);
    download(request, progress().0, CancellationToken::new()).await.unwrap()
}

fn progress() -> (watch::Sender<Progress>, watch::Receiver<Progress>) {
    watch::channel(Progress::at_start(Transport::Udp))
}

/// Does what chat server and client do together before a download of the file `name`, which holds
/// `content`, begins.
fn request(
    dir: &Path,
    server: &Server,
    transport: TransportChoice,
    name: &str,
    content: &[u8],
) -> DownloadRequest {
    let key = TicketKey::load(&dir.join("ticket.key")).unwrap();
    let file = FilePath::parse(name).unwrap();
    let version = Catalogue::open(&dir.join("files")).unwrap().find(&file).unwrap().version;
    let secret = rand::random();
    let grant = Grant {
        secret,
        user: "bob".into(),
        login: 1,
        file,
        version,
        bytes_max: Grant::bytes_max_for(content.len() as u64),
        expires_at: u64::MAX,
    };
    DownloadRequest {
        ticket: key.mint(&grant, rand::random()).unwrap().as_bytes().to_vec(),
        secret,
        nodes: vec![NodeAddress {
            addr: server.addr,
            spki_sha256: server.spki_sha256,
            server_name: "localhost".into(),
        }],
        version,
        source: SourceId([1; 32]),
        root: watch::channel(Some(*blake3::hash(content).as_bytes())).1,
        save_as: dir.join(format!("got {name}")),
        transport,
        renewal: None,
        pieces: None,
        paused: None,
        patience: Patience::default(),
    }
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
fn how_it_sends_is_chosen_by_flags_of_the_same_names_as_the_chat_servers_keys() {
    let dir = folder();
    for (options, expected) in [
        (
            &[][..],
            "SendOptions { congestion: Bbr, segmentation: true, rates: RateLimits { total: None, per_user: None } }",
        ),
        (
            &[
                "--congestion",
                "cubic",
                "--segmentation",
                "false",
                "--bytes-per-second",
                "10000000",
                "--bytes-per-second-per-user",
                "2000000",
            ],
            "SendOptions { congestion: Cubic, segmentation: false, rates: RateLimits { total: Some(10000000), per_user: Some(2000000) } }",
        ),
    ] {
        let log = Server::start_with(dir.path(), options).log();
        assert!(log.contains(expected), "{log}");
    }
}

#[tokio::test]
async fn what_a_user_gets_over_either_way_comes_out_of_one_limit() {
    let dir = folder();
    let (large, small) = (vec![b'x'; 64 << 20], vec![b'y'; 1 << 20]);
    std::fs::write(dir.path().join("files/large"), &large).unwrap();
    std::fs::write(dir.path().join("files/small"), &small).unwrap();
    let server = Server::start_with(dir.path(), &["--bytes-per-second-per-user", "1048576"]);
    let large = request(dir.path(), &server, TransportChoice::Udp, "large", &large);
    let small = request(dir.path(), &server, TransportChoice::Tcp, "small", &small);

    let (told, mut heard) = progress();
    let cancel = CancellationToken::new();
    let over_udp = tokio::spawn(download(large, told, cancel.clone()));
    let before = heard.wait_for(|progress| progress.bytes > 0).await.unwrap().bytes;
    download(small, progress().0, CancellationToken::new()).await.unwrap();
    let during = heard.borrow().bytes - before;
    cancel.cancel();
    drop(over_udp.await);
    // Each gets half of it. Unlimited, the large one would be there before the small one is asked for.
    assert!(((1 << 19)..(1 << 21)).contains(&during), "{during} bytes beside 1 MiB");
}

#[test]
fn a_rate_at_which_nothing_arrives_is_refused() {
    let dir = folder();
    for flag in ["--bytes-per-second", "--bytes-per-second-per-user", "--congestion"] {
        let output = command(dir.path()).args(ANYWHERE).args([flag, "1000"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(flag) && stderr.contains("1000"), "{stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn its_help_names_every_flag() {
    let output = Command::new(env!("CARGO_BIN_EXE_file-server")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--listen",
        "--files",
        "--key-file",
        "--tls-dir",
        "--congestion",
        "--segmentation",
        "--bytes-per-second",
        "--bytes-per-second-per-user",
    ] {
        assert!(help.contains(&format!("{flag} <")), "{flag}: {help}");
    }
    assert!(help.contains("bbr") && help.contains("cubic"), "{help}");
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
