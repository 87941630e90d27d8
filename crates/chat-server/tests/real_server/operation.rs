//! Starting, and refusing to start.

use std::net::{TcpListener, UdpSocket};

use crate::support::{Client, ServerProcess, check_refused, spawn_failing};

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    check_refused(
        "name = \"lab\"\n\nlimit = 3\n",
        &[],
        "config.toml:3:1: unknown key `limit`, is `limits` meant?",
    );
    check_refused("[limits]\npings = 3\n", &[], "config.toml:2:1: unknown key `pings`");
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_with_its_line() {
    check_refused("name = 3\n", &[], "config.toml:1:8: invalid type");
    check_refused("listen = [\"nonsense\"]\n", &[], "config.toml:1:11: invalid socket address");
    check_refused("[limits]\nsessions = -1\n", &[], "config.toml:2:12: invalid value");
}

#[test]
fn values_that_make_no_sense_are_errors() {
    check_refused("[limits]\nsessions = 0\n", &[], "limits.sessions is 0");
    check_refused("[limits]\noutbox_bytes = 9\n", &[], "limits.outbox_bytes is 9");
    check_refused("[limits]\ndead_seconds = 9\n", &[], "limits.dead_seconds");
    check_refused("[[ban]]\nname = \"\"\n", &[], "ban of \"\"");
    check_refused("[[ban]]\nname = \"a\"\nuntil = 2026-01-01\n", &[], "with offset");
    check_refused("certificate = \"a.pem\"\n", &[], "certificate needs its key");
}

#[test]
fn a_wildcard_names_the_machines_addresses() {
    let arguments = ["--listen", "0.0.0.0:0", "--allow-open-network"];
    let server = ServerProcess::with_config_and_arguments("", &arguments);
    assert_ne!(server.link.server.host, "0.0.0.0");
    server.log_in("ann");
}

#[test]
fn a_missing_configuration_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--config", "/nonexistent.toml"];
    let (status, error) = spawn_failing(folder.path(), "", &arguments);
    assert!(!status.success());
    assert!(error.contains("/nonexistent.toml: No such file"), "{error}");
}

#[test]
fn a_port_taken_for_tcp_or_udp_is_an_error() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    check_refused("", &["--listen", &address], &format!("cannot listen on {address} (TCP)"));
    // Where no other test listens: the same port has to be free for TCP.
    let udp = UdpSocket::bind("127.0.0.77:0").unwrap();
    let address = udp.local_addr().unwrap().to_string();
    check_refused("", &["--listen", &address], &format!("cannot listen on {address} (UDP)"));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    check_refused("", &["--data", "/proc/nonexistent/data"], "folder /proc/nonexistent/data");
    check_refused("", &["--files", "/proc/nonexistent/files"], "folder /proc/nonexistent/files");
}

#[test]
fn a_given_certificate_is_never_replaced() {
    check_refused("certificate = \"cert.pem\"\nkey = \"key.pem\"\n", &[], "cert.pem: No such file");
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    for name in ["tls-key.pem", "tls-cert.pem"] {
        std::fs::write(folder.path().join("data").join(name), "junk").unwrap();
    }
    let (status, error) = spawn_failing(folder.path(), "", &[]);
    assert!(!status.success());
    assert!(error.contains("TLS identity"), "{error}");
    let kept = std::fs::read_to_string(folder.path().join("data/tls-key.pem")).unwrap();
    assert_eq!(kept, "junk");
}

#[test]
fn the_key_stays_over_restarts_and_so_does_a_given_one() {
    let first = ServerProcess::start();
    let pin = first.link.pin;
    let (_, _, folder) = first.terminate();
    let second = ServerProcess::in_folder(folder, "", &[]);
    assert_eq!(second.link.pin, pin);
    let (_, _, folder) = second.terminate();
    let config = "certificate = \"data/tls-cert.pem\"\nkey = \"data/tls-key.pem\"\n";
    let third = ServerProcess::in_folder(folder, config, &["--data", "elsewhere"]);
    assert_eq!(third.link.pin, pin);
    third.log_in("ann");
}

#[test]
fn a_fine_configuration_is_said_to_be_fine_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("fine.toml");
    std::fs::write(&config, "name = \"lab\"\n[limits]\nsessions = 7\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["check-config", "--config"])
        .arg(&config)
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success());
    let names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["fine.toml"]);
}

#[test]
fn the_name_is_in_the_link_and_the_greeting() {
    let server = ServerProcess::with_config_and_arguments("", &["run", "--name", "Lab & Office"]);
    assert_eq!(server.link.server_name, "Lab & Office");
}

#[test]
fn a_name_cannot_forge_a_record_of_the_log() {
    let server = ServerProcess::start();
    let mut client = server.connect();
    let hello = common::wire::Hello {
        version_min: 1,
        version_max: 1,
        agent: "x\nERROR forged \u{1b}[31m".into(),
    };
    client.ask(common::wire::client_frame::Body::Hello(hello));
    client.log_in("FIELD=x level=ERROR");
    let (_, log, _) = server.terminate();
    assert!(log.contains("name=\"FIELD=x level=ERROR\""), "{log}");
    assert!(!log.contains('\u{1b}'));
    assert!(log.lines().all(|line| !line.starts_with("ERROR")), "{log}");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let server = ServerProcess::with_full_log("");
    // Each of these is worth a record.
    server.log_in("ann").close();
    server.log_in("bob").say("#lobby", "still here");
    assert_eq!(server.terminate().0.code(), Some(0));
}

#[test]
fn file_bytes_over_tcp_have_a_door_of_their_own() {
    let server = ServerProcess::start();
    // No ticket follows: the connection is taken, and the chat goes on beside it.
    let _idle = Client::connect(&server.link, &[common::alpn::FILE]);
    server.log_in("ann");
}
