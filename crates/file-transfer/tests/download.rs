//! Downloads over UDP, and over TCP where UDP does not get through, from a real node on loopback.

#[path = "support/gate.rs"]
mod gate;
#[path = "support/lab.rs"]
mod lab;
#[path = "support/udp_gate.rs"]
mod udp_gate;

use std::net::UdpSocket;

use file_transfer::download::{DownloadError, Transport, TransportChoice, download};
use file_transfer::ticket::Grant;
use gate::{Gate, Plan};
use lab::{Lab, ODD_SIZES, progress};
use tokio_util::sync::CancellationToken;
use udp_gate::UdpGate;

const AUTO: TransportChoice = TransportChoice::Auto;
const UDP: TransportChoice = TransportChoice::Udp;

#[tokio::test]
async fn files_of_odd_sizes_arrive_over_udp_as_they_are() {
    let lab = Lab::start().await;
    for size in ODD_SIZES {
        let bytes = lab.put("file.bin", size);
        let finished = lab.download("file.bin", AUTO).await.unwrap();
        assert_eq!(finished.transport, Transport::Udp);
        assert_eq!(finished.blake3, *blake3::hash(&bytes).as_bytes());
        assert_eq!(std::fs::read(&finished.path).unwrap(), bytes, "{size} bytes");
    }
    assert_eq!(lab.downloads().len(), ODD_SIZES.len(), "nothing else is left");
}

#[tokio::test]
async fn where_udp_is_blocked_the_bytes_come_over_tcp() {
    let lab = Lab::start_with_deaf_udp().await;
    let bytes = lab.put("file", 1_000_000);
    let finished = lab.download("file", AUTO).await.unwrap();
    assert_eq!(finished.transport, Transport::Tcp);
    assert_eq!(std::fs::read(&finished.path).unwrap(), bytes);
}

#[tokio::test]
async fn when_udp_falls_silent_only_the_rest_comes_over_tcp() {
    const SIZE: usize = 32 << 20;
    /// About a third of the file.
    const DATAGRAMS: usize = 8000;
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    // TCP first: its port is then asked for over UDP, which others rarely hold.
    let tcp = Gate::start(lab.addr, &[]).await;
    let _udp = UdpGate::start(UdpSocket::bind(tcp.addr).unwrap(), lab.addr, DATAGRAMS);
    let mut request = lab.request("file", AUTO);
    request.nodes[0].addr = tcp.addr;
    let finished = lab.run(request).await.unwrap();
    assert_eq!(finished.transport, Transport::Tcp);
    assert_eq!(std::fs::read(&finished.path).unwrap(), bytes);
    let over_tcp = tcp.bytes_from_node();
    assert!(over_tcp < SIZE as u64 - (1 << 20), "{over_tcp} bytes came over TCP");
}

#[tokio::test]
async fn when_udp_works_again_the_rest_comes_over_it() {
    const SIZE: usize = 8 << 20;
    const OVER_TCP: u64 = 1 << 20;
    let lab = Lab::start().await;
    let bytes = lab.put("file", SIZE);
    // The rest of the file never comes over TCP.
    let mut tcp = Gate::start(lab.addr, &[Plan::Hold(OVER_TCP)]).await;
    let udp = UdpGate::start(UdpSocket::bind(tcp.addr).unwrap(), lab.addr, 0);
    let mut request = lab.request("file", AUTO);
    request.nodes[0].addr = tcp.addr;
    let (report, seen) = progress();
    let running = tokio::spawn(download(request, report, CancellationToken::new()));
    tcp.reached().await;
    assert_eq!(seen.borrow().transport, Transport::Tcp);
    udp.open();
    let finished = running.await.unwrap().unwrap();
    assert_eq!(finished.transport, Transport::Udp);
    assert_eq!(std::fs::read(&finished.path).unwrap(), bytes);
}

#[tokio::test]
async fn where_udp_is_blocked_and_nothing_else_is_wanted_it_fails() {
    let lab = Lab::start_with_deaf_udp().await;
    lab.put("file", 10);
    let error = lab.download("file", UDP).await.unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    assert!(lab.downloads().is_empty());
}

#[tokio::test]
async fn a_changed_file_is_told_over_udp_too() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let request = lab.request("file", UDP);
    lab.put("file", 11);
    let error = lab.run(request).await.unwrap_err();
    assert!(matches!(error, DownloadError::FileChanged), "{error}");
    assert!(lab.downloads().is_empty());
}

#[tokio::test]
async fn a_cancelled_download_over_udp_leaves_nothing() {
    let lab = Lab::start().await;
    lab.put("file", 256 << 20);
    let request = lab.request("file", UDP);
    let cancel = CancellationToken::new();
    let (report, mut seen) = progress();
    let running = tokio::spawn(download(request, report, cancel.clone()));
    seen.wait_for(|progress| progress.bytes > 0).await.unwrap();
    cancel.cancel();
    // It may have been faster than we are; then it is whole.
    match running.await.unwrap() {
        Err(DownloadError::Cancelled) => assert!(lab.downloads().is_empty()),
        result => assert_eq!(result.unwrap().bytes, 256 << 20),
    }
}

#[tokio::test]
async fn a_login_that_ended_gets_nothing_over_either_way() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let grant = lab.grant("file");
    lab.node.end_login(grant.login);
    let error = lab.run(lab.request_for(&grant, AUTO)).await.unwrap_err();
    assert!(matches!(error, DownloadError::Ended), "{error}");
}

#[tokio::test]
async fn a_start_over_tcp_ends_an_older_one_over_udp() {
    let lab = Lab::start().await;
    let grant = Grant {
        login: 7,
        ..{
            lab.put("file", 64 << 20);
            lab.grant("file")
        }
    };
    let request = lab.request_for(&grant, UDP);
    let ticket = request.ticket.clone();
    let (report, mut seen) = progress();
    let older = tokio::spawn(download(request, report, CancellationToken::new()));
    seen.wait_for(|progress| progress.bytes > 0).await.unwrap();
    let mut newer = lab.request_for(&grant, TransportChoice::Tcp);
    newer.ticket = ticket;
    newer.save_as = lab.place("newer");
    lab.run(newer).await.unwrap();
    // The older one may have been done already.
    if let Err(error) = older.await.unwrap() {
        assert!(matches!(error, DownloadError::Ended), "{error}");
    }
}

#[tokio::test]
async fn the_next_node_is_tried_over_udp() {
    let lab = Lab::start().await;
    lab.put("file", 10);
    let mut request = lab.request("file", UDP);
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dead = request.nodes[0].clone();
    dead.addr = deaf.local_addr().unwrap();
    request.nodes.insert(0, dead);
    let finished = lab.run(request).await.unwrap();
    assert_eq!(finished.transport, Transport::Udp);
}
