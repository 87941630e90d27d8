//! Transfers over UDP between a real node and a real receiver on loopback.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use file_transfer::proto::close_frame::CloseCode;
use file_transfer::proto::sender::SenderOutcome;
use file_transfer::range_set::RangeSet;
use file_transfer::sink::Sink;
use file_transfer::udp::{
    ReceiveConfig, ReceiveError, Received, SessionLimits, bind_listener, receive,
};
use tokio_util::sync::CancellationToken;

use crate::udp_node::{OfferedFile, UdpNode};

const MIB: usize = 1 << 20;

/// Receives into memory.
fn fetch(config: &ReceiveConfig) -> (Received, Vec<u8>) {
    let mut bytes = Vec::new();
    let progress = AtomicU64::new(0);
    let received = receive(config, &mut bytes, &progress, &CancellationToken::new());
    if received.end.is_ok() {
        assert_eq!(progress.load(Ordering::Relaxed), config.missing.total());
    }
    (received, bytes)
}

/// A sink in memory that does something before its first write.
struct Interrupting<F> {
    bytes: Vec<u8>,
    interrupt: Option<F>,
}

impl<F: FnOnce() -> io::Result<()>> Sink for Interrupting<F> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.interrupt.take().map_or(Ok(()), |interrupt| interrupt())?;
        self.bytes.write_at(offset, bytes)
    }
}

/// Receives until the first write to the sink, then calls `interrupt`, and goes on to the end.
fn fetch_with(
    config: &ReceiveConfig,
    cancel: &CancellationToken,
    interrupt: impl FnOnce() -> io::Result<()>,
) -> (Received, Vec<u8>) {
    let mut sink = Interrupting { bytes: Vec::new(), interrupt: Some(interrupt) };
    let received = receive(config, &mut sink, &AtomicU64::new(0), cancel);
    (received, sink.bytes)
}

/// What is said to be present is the file's, byte for byte.
#[track_caller]
fn check_present(received: &Received, bytes: &[u8], file: &OfferedFile) {
    for range in received.present.iter() {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(bytes[range.clone()] == file.bytes[range], "present bytes are the file's");
    }
}

/// The code with which the receiver ended the node's next ended session.
fn code_told(node: &UdpNode) -> Option<CloseCode> {
    match node.next_report().end {
        SenderOutcome::ClosedByPeer(frame) => Some(frame.code),
        _ => None,
    }
}

#[track_caller]
fn check_whole_file(node: &UdpNode, size: usize) {
    let file = node.offer(size as u64, size);
    let (received, bytes) = fetch(&node.config(&file, 1));
    assert!(received.end.is_ok(), "{size} bytes: {:?}", received.end);
    assert!(bytes == file.bytes, "{size} bytes arrive equal");
    assert_eq!(node.next_report().end, SenderOutcome::Done, "{size} bytes");
}

#[test]
fn files_of_every_size_arrive_equal() {
    let node = UdpNode::start();
    for size in [0, 1, 1411, 1412, 1413, 45 * 1412, 45 * 1412 + 1, MIB + 7, 20 * MIB] {
        check_whole_file(&node, size);
    }
}

#[test]
fn every_listen_address_serves() {
    let node = UdpNode::start_on(&["127.0.0.1:0", "[::1]:0"]);
    let file = node.offer(1, MIB);
    for address in node.server.addresses() {
        let config = ReceiveConfig { node: *address, ..node.config(&file, 1) };
        let (received, bytes) = fetch(&config);
        assert!(received.end.is_ok() && bytes == file.bytes, "{address}: {:?}", received.end);
    }
}

#[test]
fn only_what_is_missing_is_fetched() {
    let node = UdpNode::start();
    let file = node.offer(1, MIB);
    let missing: RangeSet = [10..11, 5_000..200_000, 1_048_575..1_048_576].into_iter().collect();
    let config = ReceiveConfig { missing: missing.clone(), ..node.config(&file, 1) };
    let (received, bytes) = fetch(&config);
    assert!(received.end.is_ok(), "{:?}", received.end);
    assert_eq!(received.present, missing);
    check_present(&received, &bytes, &file);
    let untouched = |at: usize| !missing.contains(at as u64);
    assert!((0..bytes.len()).filter(|at| untouched(*at)).all(|at| bytes[at] == 0));
}

#[test]
fn a_hundred_holes_are_filled() {
    let node = UdpNode::start();
    let file = node.offer(1, MIB);
    // More than one request can name.
    let missing: RangeSet = (0..100).map(|hole| hole * 10_000..hole * 10_000 + 1_500).collect();
    let config = ReceiveConfig { missing: missing.clone(), ..node.config(&file, 1) };
    let (received, bytes) = fetch(&config);
    assert!(received.end.is_ok(), "{:?}", received.end);
    assert_eq!(received.present, missing);
    check_present(&received, &bytes, &file);
}

#[test]
fn four_downloads_run_side_by_side() {
    let node = UdpNode::start();
    let files: Vec<OfferedFile> = (1..=4).map(|seed| node.offer(seed, 4 * MIB)).collect();
    std::thread::scope(|scope| {
        for file in &files {
            let config = node.config(file, 1);
            scope.spawn(move || {
                let (received, bytes) = fetch(&config);
                assert!(received.end.is_ok() && bytes == file.bytes, "{:?}", received.end);
            });
        }
    });
}

#[test]
fn cancelling_ends_both_sides() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let cancel = CancellationToken::new();
    let (received, bytes) = fetch_with(&node.config(&file, 1), &cancel, || {
        cancel.cancel();
        Ok(())
    });
    assert!(matches!(received.end, Err(ReceiveError::Cancelled)), "{:?}", received.end);
    check_present(&received, &bytes, &file);
    assert!(!received.present.is_empty(), "what had arrived is kept");
    assert_eq!(code_told(&node), Some(CloseCode::Cancelled));
}

#[test]
fn a_cancelled_token_starts_nothing() {
    let node = UdpNode::start();
    let config = node.config(&node.offer(1, MIB), 1);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let received = receive(&config, &mut Vec::new(), &AtomicU64::new(0), &cancel);
    assert!(matches!(received.end, Err(ReceiveError::Cancelled)), "{:?}", received.end);
    assert!(received.present.is_empty());
}

#[test]
fn an_ended_login_loses_its_transfer_and_its_tickets() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let (config, of_other) = (node.config(&file, 7), node.config(&file, 8));
    let (received, bytes) = fetch_with(&config, &CancellationToken::new(), || {
        node.server.end_login(7);
        Ok(())
    });
    let closed = matches!(&received.end, Err(ReceiveError::Closed { code, .. }) if *code == CloseCode::LoginEnded);
    assert!(closed, "{:?}", received.end);
    check_present(&received, &bytes, &file);
    assert_eq!(node.next_report().end, SenderOutcome::ClosedHere(CloseCode::LoginEnded));

    let (received, _) = fetch(&config);
    assert!(matches!(received.end, Err(ReceiveError::Silent)), "{:?}", received.end);
    let (received, bytes) = fetch(&of_other);
    assert!(received.end.is_ok() && bytes == file.bytes, "{:?}", received.end);
}

#[test]
fn the_same_ticket_again_ends_the_older_transfer() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let config = node.config(&file, 1);
    let (received, _) = fetch_with(&config, &CancellationToken::new(), || {
        let (newer, bytes) = fetch(&config);
        assert!(newer.end.is_ok() && bytes == file.bytes, "{:?}", newer.end);
        Ok(())
    });
    let replaced = matches!(&received.end, Err(ReceiveError::Closed { code, .. }) if *code == CloseCode::Replaced);
    assert!(replaced, "{:?}", received.end);
}

#[test]
fn a_file_cut_short_in_mid_transfer_is_told_and_never_filled_with_zeros() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let (received, bytes) = fetch_with(&node.config(&file, 1), &CancellationToken::new(), || {
        std::fs::File::options().write(true).open(&file.path)?.set_len(MIB as u64)
    });
    assert!(matches!(received.end, Err(ReceiveError::FileChanged)), "{:?}", received.end);
    check_present(&received, &bytes, &file);
    assert_eq!(node.next_report().end, SenderOutcome::ClosedHere(CloseCode::FileChanged));
}

#[test]
fn a_file_written_over_in_mid_transfer_is_told() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let (received, _) = fetch_with(&node.config(&file, 1), &CancellationToken::new(), || {
        std::fs::write(&file.path, vec![7; file.bytes.len()])
    });
    assert!(matches!(received.end, Err(ReceiveError::FileChanged)), "{:?}", received.end);
}

#[test]
fn a_file_changed_after_the_ticket_was_made_is_not_sent() {
    let node = UdpNode::start();
    let file = node.offer(1, MIB);
    let config = node.config(&file, 1);
    std::fs::write(&file.path, b"something else").unwrap();
    let (received, bytes) = fetch(&config);
    assert!(matches!(received.end, Err(ReceiveError::FileChanged)), "{:?}", received.end);
    assert!(bytes.is_empty());
}

#[test]
fn a_file_that_is_gone_is_told() {
    let node = UdpNode::start();
    let file = node.offer(1, MIB);
    let config = node.config(&file, 1);
    std::fs::remove_file(&file.path).unwrap();
    let (received, _) = fetch(&config);
    assert!(matches!(received.end, Err(ReceiveError::FileChanged)), "{:?}", received.end);
}

#[test]
fn a_full_disk_is_told_to_both_sides() {
    let node = UdpNode::start();
    let file = node.offer(1, 8 * MIB);
    let (received, _) = fetch_with(&node.config(&file, 1), &CancellationToken::new(), || {
        Err(io::ErrorKind::StorageFull.into())
    });
    let full = matches!(&received.end, Err(ReceiveError::Disk(error)) if error.kind() == io::ErrorKind::StorageFull);
    assert!(full, "{:?}", received.end);
    assert!(received.present.is_empty(), "nothing was stored");
    assert_eq!(code_told(&node), Some(CloseCode::DiskFull));
}

#[test]
fn shutting_down_tells_the_receiver_and_waits_for_the_sessions() {
    let node = UdpNode::start();
    let file = node.offer(1, 64 * MIB);
    let (received, bytes) = fetch_with(&node.config(&file, 1), &CancellationToken::new(), || {
        node.server.shut_down();
        assert_eq!(node.server.session_count(), 0);
        Ok(())
    });
    let told = matches!(&received.end, Err(ReceiveError::Closed { code, .. }) if *code == CloseCode::ShuttingDown);
    assert!(told, "{:?}", received.end);
    check_present(&received, &bytes, &file);
}

#[test]
fn one_more_than_a_user_may_have_is_refused_and_the_others_go_on() {
    let limits = SessionLimits { sessions_per_user_max: 1, ..SessionLimits::default() };
    let listener = bind_listener("127.0.0.1:0".parse().unwrap()).unwrap();
    let node = UdpNode::start_with(vec![listener], limits);
    let file = node.offer(1, 64 * MIB);
    let (received, bytes) = fetch_with(&node.config(&file, 1), &CancellationToken::new(), || {
        let (second, _) = fetch(&node.config(&file, 1));
        let busy = matches!(&second.end, Err(ReceiveError::Closed { code, .. }) if *code == CloseCode::Busy);
        assert!(busy, "{:?}", second.end);
        Ok(())
    });
    assert!(received.end.is_ok() && bytes == file.bytes, "{:?}", received.end);
}

#[test]
fn another_version_than_asked_for_is_not_received() {
    let node = UdpNode::start();
    let file = node.offer(1, MIB);
    let mut config = node.config(&file, 1);
    config.version.modified_ns += 1;
    let (received, _) = fetch(&config);
    assert!(matches!(received.end, Err(ReceiveError::FileChanged)), "{:?}", received.end);
}

#[test]
fn a_node_that_does_not_answer_is_silent() {
    let node = UdpNode::start();
    let config = node.config(&node.offer(1, MIB), 1);
    node.server.shut_down();
    drop(node);
    let (received, _) = fetch(&config);
    assert!(matches!(received.end, Err(ReceiveError::Silent)), "{:?}", received.end);
}
