//! What the server tells of itself, on a Unix socket and on loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use common::wire::server_frame::Body;

use crate::support::{ServerProcess, spawn_failing};

pub(crate) const SOCKET: &str = "metrics = './metrics.sock'";

/// A test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

fn connect(server: &ServerProcess) -> UnixStream {
    let stream = UnixStream::connect(server.config_file().with_file_name("metrics.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Status line and body of the answer.
pub(crate) fn ask(server: &ServerProcess, request: &str) -> (String, String) {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn sample(body: &str, name: &str) -> f64 {
    let found = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name}: {body}")).parse().unwrap()
}

pub(crate) const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn what_happens_is_counted_and_nobody_is_named() {
    let server = ServerProcess::with_config(SOCKET);
    let (status, before) = ask(&server, GET);
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert_eq!(sample(&before, "simple_chat_sessions"), 0.0);
    let mut ann = server.log_in("ann-the-first");
    assert!(matches!(ann.say("#lobby", "a secret text"), Body::MessageAccepted(_)));
    assert!(matches!(ann.say("nobody-here", "psst"), Body::Refused(_)));
    let (_, after) = ask(&server, GET);
    assert_eq!(sample(&after, "simple_chat_sessions"), 1.0);
    assert_eq!(sample(&after, "simple_chat_messages_total"), 1.0);
    assert_eq!(sample(&after, "simple_chat_commit_duration_seconds_count"), 1.0);
    assert!(after.contains("simple_chat_refusals_total{code=\""), "{after}");
    assert!(after.ends_with("# EOF\n"));
    assert!(!after.contains("ann") && !after.contains("nobody") && !after.contains("secret"));
}

#[test]
fn whoever_asks_for_something_else_or_too_much_is_answered_so() {
    let server = ServerProcess::with_config(SOCKET);
    assert_eq!(ask(&server, "GET / HTTP/1.1\r\n\r\n").0, "HTTP/1.1 404 Not Found");
    assert_eq!(ask(&server, "PUT /metrics HTTP/1.1\r\n\r\n").0, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(ask(&server, "\u{16}\u{3}\r\n\r\n").0, "HTTP/1.1 400 Bad Request");
    let long = "x".repeat(4096 - 5);
    assert!(ask(&server, &format!("GET {long} ")).0.starts_with("HTTP/1.1 431"));
}

#[test]
fn silent_connections_take_no_more_than_their_places() {
    let server = ServerProcess::with_config(SOCKET);
    let mut silent: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    // One too many is closed at once, whatever it wants.
    let mut further = connect(&server);
    let _ = further.write_all(GET.as_bytes());
    assert_eq!(further.read(&mut [0; 64]).unwrap_or(0), 0);
    // The chat does not notice, and the places are free again when their time is over.
    server.log_in("ann");
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0);
    }
    assert_eq!(ask(&server, GET).0, "HTTP/1.1 200 OK");
}

#[test]
fn a_socket_that_a_killed_server_left_is_replaced_and_nothing_else_is() {
    let server = ServerProcess::with_config(SOCKET);
    server.signal(rustix::process::Signal::KILL);
    let (_, _, folder) = server.wait();
    let server = ServerProcess::in_folder(folder, SOCKET, &[]);
    assert_eq!(ask(&server, GET).0, "HTTP/1.1 200 OK");
    let (_, _, folder) = server.terminate();
    std::fs::remove_file(folder.path().join("metrics.sock")).unwrap();
    std::fs::write(folder.path().join("metrics.sock"), "mine").unwrap();
    let (status, error) = spawn_failing(folder.path(), SOCKET, &[]);
    assert!(!status.success());
    assert!(error.contains("metrics: "), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("metrics.sock")).unwrap(), "mine");
}

#[test]
fn other_machines_cannot_be_meant_and_a_taken_port_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:9464", "192.0.2.1:9464", "[::]:9464", "9464", "localhost:9464"] {
        let (status, error) = spawn_failing(folder.path(), &format!("metrics = '{address}'"), &[]);
        assert!(!status.success());
        assert!(error.contains("config.toml:1:1: metrics is"), "{error}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!("metrics = '{}'", taken.local_addr().unwrap());
    let (status, error) = spawn_failing(folder.path(), &config, &[]);
    assert!(!status.success());
    assert!(error.contains("metrics: Address already in use"), "{error}");
}

#[test]
fn another_user_gets_no_answer_at_the_socket() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    const ASK: &str = "
import socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[1])
try:
    asking.sendall(b'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    print(len(asking.recv(4096)))
except OSError:
    print(0)
";
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another user");
        return;
    }
    let server = ServerProcess::with_config(SOCKET);
    let socket = server.config_file().with_file_name("metrics.sock");
    // Even where the modes let others connect.
    for (path, mode) in [(server.folder(), 0o755), (socket.clone(), 0o666)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let answered = |user: u32| {
        let mut python = std::process::Command::new("/usr/bin/python3");
        let output = python.args(["-c", ASK]).arg(&socket).uid(user).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<usize>().unwrap()
    };
    assert_eq!(answered(65534), 0);
    assert!(answered(0) > 0);
}
