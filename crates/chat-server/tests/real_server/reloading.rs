//! SIGHUP, and what the service manager is told (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{Hello, RefusalCode};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{ServerProcess, message, refusal};

/// The service manager's end, and the folder that it is in.
struct Manager {
    socket: UnixDatagram,
    _folder: TempDir,
}

impl Manager {
    fn start(config: &str) -> (Self, ServerProcess) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        // A test fails instead of hanging.
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let server = ServerProcess::with_environment(config, "NOTIFY_SOCKET", path.as_os_str());
        let manager = Self { socket, _folder: folder };
        assert_eq!(manager.told(), ["READY=1"]);
        (manager, server)
    }

    fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        std::str::from_utf8(&buffer[..length]).unwrap().lines().map(str::to_owned).collect()
    }

    /// Has the server read this, and waits until it has.
    fn reload(&self, server: &ServerProcess, config: &str) {
        std::fs::write(server.config_file(), config).unwrap();
        server.signal(Signal::HUP);
        let told = self.told();
        assert_eq!(told[0], "RELOADING=1");
        assert!(told[1].starts_with("MONOTONIC_USEC="), "{told:?}");
        assert_eq!(self.told(), ["READY=1"]);
    }
}

/// What the server calls itself.
fn name(server: &ServerProcess) -> String {
    let hello = Hello { version_min: 1, version_max: 1, agent: "test".into() };
    match server.connect().ask(Ask::Hello(hello)) {
        Body::ServerHello(hello) => hello.server_name,
        other => panic!("no greeting: {other:?}"),
    }
}

#[test]
fn a_new_configuration_is_in_force_and_what_waits_is_named() {
    let (manager, server) = Manager::start("name = 'one'");
    let mut ann = server.log_in("ann");
    assert!(matches!(ann.say("#lobby", "hello"), Body::MessageAccepted(_)));
    let config = "name = 'two'\n[limits]\nmessages_burst = 1\nmessages_per_second = 1\n\
                  outbox_bytes = 300000\nsessions = 1\n";
    manager.reload(&server, config);
    assert_eq!(name(&server), "two");
    let mut bob = server.greet();
    assert_eq!(refusal(&bob.try_log_in("bob")), RefusalCode::ServerFull);
    // At once: more than the burst.
    let sent = [1, 2, 3, 4].map(|id| ann.send(message("#lobby", "hello", [id; 16])));
    let answers = sent.map(|request| ann.answer_to(request));
    let slowed = answers.iter().filter(|answer| matches!(answer, Body::Refused(_)));
    assert!(slowed.count() > 0, "{answers:?}");
    server.signal(Signal::TERM);
    assert_eq!(manager.told(), ["STOPPING=1"]);
    let (status, log, _) = server.wait();
    assert!(status.success());
    assert!(log.contains("waits_for_a_restart=[\"limits.outbox_bytes\"]"), "{log}");
}

#[test]
fn a_broken_configuration_changes_nothing_and_is_told_with_its_place() {
    let (manager, server) = Manager::start("name = 'one'");
    let mut ann = server.log_in("ann");
    manager.reload(&server, "name = 'two'\n[limits]\nsesions = 3\nnewcomers = 'x'\n");
    assert_eq!(name(&server), "one");
    // Not even the part that is right.
    manager.reload(&server, "name = 'three'\n[limits]\nsessions = 0\n");
    assert_eq!(name(&server), "one");
    std::fs::remove_file(server.config_file()).unwrap();
    server.signal(Signal::HUP);
    assert_eq!((manager.told().len(), manager.told().len()), (2, 1));
    assert!(matches!(ann.say("#lobby", "still here"), Body::MessageAccepted(_)));
    let (status, log, _) = server.terminate();
    assert!(status.success());
    for expected in [
        "config.toml:3:1: unknown key `sesions`, is `sessions` meant?",
        "config.toml:4:13: invalid type",
        "config.toml:3:1: limits.sessions is 0",
        "config.toml: No such file",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
}
