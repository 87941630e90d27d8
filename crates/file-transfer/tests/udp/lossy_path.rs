//! Transfers by real sockets over a path that loses, delays, reorders, repeats and damages.

use std::io;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use file_transfer::proto::sender::SenderOutcome;
use file_transfer::sink::Sink;
use file_transfer::udp::{ReceiveConfig, ReceiveError, receive};
use tokio_util::sync::CancellationToken;

use crate::lossy_proxy::{Conditions, LossyProxy};
use crate::udp_node::UdpNode;

const MIB: usize = 1 << 20;

/// A short path, so that a loss-based congestion control still has some speed.
const PATH: Conditions = Conditions {
    reorder_delay: Duration::from_micros(500),
    delay: Duration::from_micros(200),
    ..Conditions::PERFECT
};

/// Moves `size` bytes over a path, which must have lost some of them.
#[track_caller]
fn check(size: usize, conditions: Conditions) {
    let node = UdpNode::start();
    let file = node.offer(conditions.seed, size);
    let proxy = LossyProxy::start(node.address(), conditions);
    let config = ReceiveConfig { node: proxy.address(), ..node.config(&file, 1) };
    let mut bytes = Vec::new();
    let received = receive(&config, &mut bytes, &AtomicU64::new(0), &CancellationToken::new());
    assert!(received.end.is_ok(), "{conditions:?}: {:?}", received.end);
    assert!(bytes == file.bytes, "{conditions:?}: equal bytes");

    let report = node.next_report();
    let counts = proxy.stop().counts;
    assert_eq!(report.end, SenderOutcome::Done, "{conditions:?}");
    assert!(counts.lost > 0, "the path was bad: {counts:?}");
    let sent_again = report.stats.data_bytes_sent - size as u64;
    assert!(
        sent_again > 0 && report.stats.packets_lost > 0,
        "lost chunks were sent again: {report:?}"
    );
    println!(
        "{sent_again} of {size} bytes were sent again; {counts:?} {report:?} {:?}",
        received.stats
    );
}

#[test]
fn sixty_four_mib_arrive_through_loss_reordering_and_delay() {
    check(64 * MIB, Conditions { loss: 0.05, reordering: 0.02, ..PATH });
}

#[test]
fn everything_at_once() {
    let all = Conditions { loss: 0.1, repetition: 0.1, corruption: 0.05, reordering: 0.2, ..PATH };
    for seed in 2..5 {
        check(4 * MIB, Conditions { seed, ..all });
    }
}

#[test]
fn nearly_a_third_lost() {
    check(MIB, Conditions { seed: 5, loss: 0.3, ..PATH });
}

/// Stops the path at the first write.
struct CutOff {
    bytes: Vec<u8>,
    path: Option<LossyProxy>,
}

impl Sink for CutOff {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        drop(self.path.take());
        self.bytes.write_at(offset, bytes)
    }
}

#[test]
fn a_path_that_falls_silent_leaves_what_has_arrived() {
    let node = UdpNode::start();
    let file = node.offer(6, 64 * MIB);
    let proxy = LossyProxy::start(node.address(), PATH);
    let config = ReceiveConfig { node: proxy.address(), ..node.config(&file, 1) };
    let mut sink = CutOff { bytes: Vec::new(), path: Some(proxy) };
    let received = receive(&config, &mut sink, &AtomicU64::new(0), &CancellationToken::new());
    assert!(matches!(received.end, Err(ReceiveError::Silent)), "{:?}", received.end);
    assert!(!received.present.is_empty());
    for range in received.present.iter() {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(sink.bytes[range.clone()] == file.bytes[range]);
    }
}
