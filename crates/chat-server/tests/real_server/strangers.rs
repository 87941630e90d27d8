//! What connects and never becomes anybody.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::support::ServerProcess;

/// Connections that come and go before memory is looked at for the first time: allocators keep what
/// the first ones needed.
const WARM_UP: usize = 10_000;
const CONNECTIONS: usize = 100_000;
/// What memory may move by for reasons of its own.
const SLACK_KIB: u64 = 4096;

fn address(server: &ServerProcess) -> SocketAddr {
    format!("{}:{}", server.link.server.host, server.link.server.port).parse().unwrap()
}

fn come_and_go(address: SocketAddr, times: usize) {
    for _ in 0..times {
        let stream = TcpStream::connect(address).unwrap();
        // Reset on close: a hundred thousand waiting ports would be the test's problem.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

#[test]
fn a_hundred_thousand_empty_connections_leave_nothing_behind() {
    let server = ServerProcess::start();
    come_and_go(address(&server), WARM_UP);
    let _settled = server.log_in("before");
    let before = server.memory_kib();
    come_and_go(address(&server), CONNECTIONS);
    let _accepting = server.log_in("after");
    let after = server.memory_kib();
    assert!(after <= before + before / 10 + SLACK_KIB, "{before} KiB before, {after} KiB after");
}

#[test]
fn a_handshake_byte_by_byte_is_closed_at_its_deadline_and_frees_its_place() {
    let server = ServerProcess::with_config("[limits]\nhandshake_seconds = 1\nnewcomers = 1");
    let mut slow = TcpStream::connect(address(&server)).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // A record of TLS that promises 16,000 bytes, which would take 13 minutes.
    let record = [&[22, 3, 1, 0x3e, 0x80][..], &[1; 1200]].concat();
    let closed_after = record.iter().position(|byte| {
        let is_closed = slow.write_all(&[*byte]).is_err();
        is_closed || is_at_end(&mut slow)
    });
    assert!(closed_after.is_some(), "still open after {} bytes", record.len());
    server.log_in("bob");
}

/// Waits a moment for the end of the stream. Alerts before it do not count.
fn is_at_end(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}
