//! Whole transfers over sockets that fail as drivers and kernels fail them.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::datagram_io::{ReceiveFault, SendAttempt, SendFault};
use super::server::Service;
use super::*;
use crate::file_path::FilePath;
use crate::file_version::FileVersion;
use crate::proto::sender::{SenderOutcome, SenderStats};
use crate::range_set::RangeSet;
use crate::sessions::Sessions;
use crate::ticket::{Grant, TicketKey};

const FILE_BYTES: usize = 4 << 20;

/// What the session's socket was asked to send.
#[derive(Debug, Default)]
struct Attempts {
    /// Sends of several datagrams.
    segmented: AtomicUsize,
    /// Sends of one datagram, or of several without segmentation.
    plain: AtomicUsize,
    /// Datagrams of the latter.
    plain_datagrams: AtomicUsize,
}

/// Sends a file through a socket on which the `n`-th send of several datagrams (counted from 0)
/// fails with `fails(n)`; gives what was attempted and the sender's counts.
#[track_caller]
fn check(
    fails: impl Fn(usize) -> Option<Errno> + Clone + Send + Sync + 'static,
) -> (Arc<Attempts>, SenderStats) {
    check_with(fails, None)
}

/// The same with a front door that fails to receive.
#[track_caller]
fn check_with(
    fails: impl Fn(usize) -> Option<Errno> + Clone + Send + Sync + 'static,
    receive_fault: Option<Box<dyn Fn() -> ReceiveFault + Send + Sync>>,
) -> (Arc<Attempts>, SenderStats) {
    let mut bytes = vec![0; FILE_BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let version = FileVersion::of(&file.as_file().metadata().unwrap());

    let attempts = Arc::new(Attempts::default());
    let (path, counted, (report, reports)) =
        (file.path().to_owned(), attempts.clone(), mpsc::channel());
    let key = TicketKey::from_bytes([1; 32]).unwrap();
    let service = Service {
        key: key.clone(),
        open_file: Box::new(move |_| File::open(&path).map_err(|_| OpenError::Gone)),
        on_session_end: Some(Box::new(move |ended| report.send(ended.clone()).unwrap())),
        uploads: None,
        sessions: Sessions::new(SessionLimits::default()),
        sending: SendOptions::default(),
        send_fault: Some(Box::new(move || fault(counted.clone(), fails.clone()))),
        receive_fault,
    };
    let listener = bind_listener("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = UdpServer::serve(vec![listener], service).unwrap();

    let grant = Grant {
        secret: [2; 32],
        user: "ann".into(),
        login: 1,
        file: FilePath::parse("file").unwrap(),
        version,
        bytes_max: Grant::bytes_max_for(version.size),
        expires_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60,
    };
    let config = ReceiveConfig {
        node: server.addresses()[0],
        ticket: key.mint(&grant, [3; 32]).unwrap().as_bytes().to_vec(),
        secret: grant.secret,
        version,
        missing: RangeSet::of(0..version.size),
    };
    let mut sink = Vec::new();
    let received = receive(&config, &mut sink, &AtomicU64::new(0), &CancellationToken::new());
    assert!(received.end.is_ok(), "{:?}", received.end);
    assert!(sink == bytes, "equal bytes");
    let report = reports.recv().unwrap();
    assert_eq!(report.end, SenderOutcome::Done);
    (attempts, report.stats)
}

fn fault(
    attempts: Arc<Attempts>,
    fails: impl Fn(usize) -> Option<Errno> + Send + 'static,
) -> SendFault {
    Box::new(move |attempt: &SendAttempt| {
        if !attempt.segmented {
            attempts.plain.fetch_add(1, Ordering::Relaxed);
            attempts.plain_datagrams.fetch_add(attempt.datagrams, Ordering::Relaxed);
            return Ok(attempt.datagrams);
        }
        let refused = fails(attempts.segmented.fetch_add(1, Ordering::Relaxed));
        refused.map_or(Ok(attempt.datagrams), Err)
    })
}

#[test]
fn segmentation_that_fails_at_once_is_left_off_and_nothing_is_lost() {
    let (attempts, stats) = check(|_| Some(Errno::IO));
    assert_eq!(attempts.segmented.load(Ordering::Relaxed), 1);
    let (calls, datagrams) = (&attempts.plain, &attempts.plain_datagrams);
    let (calls, datagrams) = (calls.load(Ordering::Relaxed), datagrams.load(Ordering::Relaxed));
    assert!(datagrams >= FILE_BYTES / 1452);
    assert!(calls * 4 < datagrams, "{calls} system calls for {datagrams} datagrams");
    assert_eq!(stats.packets_lost, 0, "the failed batch was sent again");
}

#[test]
fn segmentation_that_fails_in_mid_transfer_is_left_off() {
    let (attempts, stats) = check(|attempt| (attempt == 20).then_some(Errno::INVAL));
    assert_eq!(attempts.segmented.load(Ordering::Relaxed), 21);
    assert_eq!(stats.packets_lost, 0, "the failed batch was sent again");
}

#[test]
fn batches_that_find_the_queue_full_are_sent_again_as_lost_ones() {
    let (attempts, stats) = check(|attempt| (attempt % 10 == 9).then_some(Errno::NOBUFS));
    assert!(attempts.segmented.load(Ordering::Relaxed) > 20, "segmentation stays on");
    assert!(stats.packets_lost > 0 && stats.data_bytes_sent > FILE_BYTES as u64, "{stats:?}");
}

#[test]
fn a_front_door_that_cannot_receive_for_a_moment_goes_on_afterwards() {
    let failures = Arc::new(AtomicUsize::new(0));
    let counted = failures.clone();
    let make = move || -> ReceiveFault {
        let failures = counted.clone();
        Box::new(move || (failures.fetch_add(1, Ordering::Relaxed) < 3).then_some(Errno::NOMEM))
    };
    check_with(|_| None, Some(Box::new(make)));
    assert!(failures.load(Ordering::Relaxed) > 3);
}
