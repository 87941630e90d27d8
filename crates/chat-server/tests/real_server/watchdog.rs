//! Beats for the service manager (sd_notify(3)): as long as what a message needs is alive, and not when only a
//! timer is.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::wire::server_frame::Body;
use rusqlite::Connection;

use crate::support::{ServerProcess, message};

/// The server beats four times as often.
const PATIENCE_US: u32 = 200_000;

/// A silence of so many beats is one.
const SILENCE: Duration = Duration::from_secs(1);

/// A test fails instead of hanging.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is told next, if anything is within that time.
fn told(manager: &UnixDatagram, within: Duration) -> Option<String> {
    let mut buffer = [0; 4096];
    manager.set_read_timeout(Some(within)).unwrap();
    match manager.recv(&mut buffer) {
        Ok(length) => Some(std::str::from_utf8(&buffer[..length]).unwrap().trim_end().to_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn it_beats_while_messages_can_be_stored_and_not_while_the_disk_is_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let server = ServerProcess::with_watchdog(&path, PATIENCE_US);
    let beat = Some("WATCHDOG=1".to_owned());
    assert_eq!(told(&manager, DEADLINE).as_deref(), Some("READY=1"));
    for _ in 0..5 {
        assert_eq!(told(&manager, DEADLINE), beat);
    }
    let mut ann = server.log_in("ann");
    // Whoever holds the log's file holds its thread.
    let disk = Connection::open(server.data().join("log.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let request = ann.send(message("#lobby", "hello", [1; 16]));
    while let Some(told) = told(&manager, SILENCE) {
        assert_eq!(Some(told), beat);
    }
    // All others still are: only the disk keeps it from beating.
    server.log_in("bob");
    disk.execute_batch("ROLLBACK").unwrap();
    assert_eq!(told(&manager, DEADLINE), beat);
    let answer = ann.answer_to(request);
    assert!(matches!(answer, Body::MessageAccepted(_)), "stuck for too long: {answer:?}");
    server.terminate();
    let mut rest = std::iter::from_fn(|| told(&manager, SILENCE));
    assert!(rest.any(|told| told == "STOPPING=1"));
}
