//! The client's address changes in mid-transfer, with real sockets: a NAT that gives it another port,
//! one that forgets it, and somebody who copies its packets.

use std::sync::atomic::AtomicU64;

use file_transfer::proto::sender::SenderOutcome;
use file_transfer::udp::{ReceiveConfig, SessionReport, receive};
use tokio_util::sync::CancellationToken;

use crate::nat::{Change, Nat};
use crate::udp_node::UdpNode;

const SIZE: usize = 32 << 20;
/// Datagrams of the node, some 23,000, after which something happens.
const EARLY: usize = 3000;

/// A transfer through a NAT; gives the session's report, and what the NAT did.
#[track_caller]
fn transfer(change: Change) -> (SessionReport, Nat) {
    let node = UdpNode::start();
    let file = node.offer(1, SIZE);
    let mut nat = Nat::start(node.address(), EARLY, change);
    let config = ReceiveConfig { node: nat.address(), ..node.config(&file, 1) };
    let mut bytes = Vec::new();
    let received = receive(&config, &mut bytes, &AtomicU64::new(0), &CancellationToken::new());
    assert!(received.end.is_ok(), "{change:?}: {:?}", received.end);
    assert!(bytes == file.bytes, "{change:?}: equal bytes");
    let report = node.next_report();
    assert_eq!(report.end, SenderOutcome::Done, "{change:?}");
    nat.stop();
    (report, nat)
}

#[test]
fn it_goes_on_from_another_port() {
    let (report, nat) = transfer(Change::OtherPort);
    assert_eq!(nat.counts().changes, 1);
    assert_eq!(report.stats.address_changes, 1, "{:?}", report.stats);
}

#[test]
fn a_client_that_a_nat_has_forgotten_comes_again_from_a_new_socket() {
    let (report, nat) = transfer(Change::ForgetsClient);
    assert_eq!(nat.counts().clients, 2, "ports the client came from");
    assert_eq!(report.stats.address_changes, 1, "{:?}", report.stats);
}

#[test]
fn packets_diverted_to_a_victim_bring_it_no_more_than_came_from_it_and_move_nothing() {
    let (report, nat) = transfer(Change::Diverts);
    let counts = nat.counts();
    assert!(counts.bytes_from_victim > 1000, "{counts:?}");
    assert!(counts.bytes_to_victim <= counts.bytes_from_victim, "{counts:?}");
    assert_eq!(report.stats.address_changes, 0);
}

#[test]
fn old_packets_sent_again_from_a_victims_address_bring_it_nothing() {
    let (report, nat) = transfer(Change::Replays);
    let counts = nat.counts();
    assert!(counts.bytes_from_victim > 1000, "{counts:?}");
    assert_eq!(counts.bytes_to_victim, 0, "{counts:?}");
    assert_eq!(report.stats.address_changes, 0);
}
