//! The address of a client that sends changes in mid-upload, with real sockets: a NAT that gives it another
//! port, one that forgets it, and somebody who copies its packets. It goes on in the same session.

use file_transfer::proto::receiver::ReceiverStats;
use file_transfer::udp::{SendConfig, SendResult};
use tokio_util::sync::CancellationToken;

use crate::nat::{Change, Nat};
use crate::udp_node::UdpNode;
use crate::upload::Sending;

const SIZE: usize = 64 << 20;
/// Datagrams of the node, at least one for each 256 KiB, after which something happens.
const EARLY: usize = 20;

/// An upload by one ticket through a NAT; gives what the node's session and the NAT counted.
#[track_caller]
fn upload(change: Change) -> (ReceiverStats, Nat) {
    let (node, sending) = (UdpNode::start(), Sending::new("a", SIZE));
    let upload = sending.begin(&node);
    let mut nat = Nat::start(node.address(), EARLY, change);
    let config = sending.config(&node, &sending.grant(&upload, 1));
    let config = SendConfig { node: nat.address(), ..config };
    let SendResult { end, stats } = sending.send(&config, &CancellationToken::new());
    assert!(end.is_ok(), "{change:?}: {end:?} {stats:?}");
    let (end, stats) = node.next_upload();
    assert_eq!(end, "Ok(())", "{change:?}");
    // The one session took it all, and what is on the disk is what was sent.
    assert_eq!(sending.settle(&node, &upload), "a");
    nat.stop();
    (stats, nat)
}

#[test]
fn it_goes_on_from_another_port() {
    let (stats, nat) = upload(Change::OtherPort);
    assert_eq!(nat.counts().changes, 1);
    assert_eq!(stats.address_changes, 1, "{stats:?}");
}

#[test]
fn a_client_that_a_nat_has_forgotten_comes_again_from_a_new_socket() {
    let (stats, nat) = upload(Change::ForgetsClient);
    assert_eq!(nat.counts().clients, 2, "ports the client came from");
    assert_eq!(stats.address_changes, 1, "{stats:?}");
}

#[test]
fn packets_diverted_to_a_victim_bring_it_no_more_than_came_from_it_and_move_nothing() {
    let (stats, nat) = upload(Change::Diverts);
    let counts = nat.counts();
    assert!(counts.bytes_from_victim > 1_000_000, "{counts:?}");
    assert!(counts.bytes_to_victim <= counts.bytes_from_victim, "{counts:?}");
    assert_eq!(stats.address_changes, 0);
}

#[test]
fn old_packets_sent_again_from_a_victims_address_bring_it_nothing() {
    let (stats, nat) = upload(Change::Replays);
    let counts = nat.counts();
    assert!(counts.bytes_from_victim > 1000, "{counts:?}");
    assert_eq!(counts.bytes_to_victim, 0, "{counts:?}");
    assert_eq!(stats.address_changes, 0);
}
