//! Real sockets on loopback; what no kernel does on demand is injected.

use std::sync::{Arc, Mutex};

use super::*;

const SEGMENT: usize = 1000;

/// A sender with the given fault, and the socket it sends to.
fn pair(fault: Option<SendFault>) -> (DatagramIo, DatagramIo, SocketAddr) {
    let socket = || UdpSocket::bind("127.0.0.1:0").unwrap();
    let receiver = DatagramIo::new(socket()).unwrap();
    let to = receiver.socket().local_addr().unwrap();
    (DatagramIo::new(socket()).unwrap().with_fault(fault), receiver, to)
}

/// 2,500 bytes: two full segments and a half.
fn batch_bytes() -> Vec<u8> {
    (0..2_500_u32).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn outgoing(contents: &[u8], to: SocketAddr) -> Outgoing<'_> {
    Outgoing { to, from_ip: None, contents, segment_bytes: SEGMENT, ecn: Ecn::Ect0 }
}

/// Everything that waits at `receiver`, one entry a datagram.
fn datagrams(receiver: &mut DatagramIo) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; RECEIVE_BUFFER_BYTES];
    let mut all = Vec::new();
    while let Some(received) = receiver.receive(&mut buffer).unwrap() {
        all.extend(buffer[..received.bytes].chunks(received.stride).map(<[u8]>::to_vec));
    }
    all
}

/// Fails the attempts that `errors` names by their number with its error; counts the datagrams
/// of every attempt.
fn scripted(errors: &'static [(usize, Errno)]) -> (SendFault, Arc<Mutex<Vec<usize>>>) {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = attempts.clone();
    let fault = move |attempt: &SendAttempt| {
        let mut seen = seen.lock().unwrap();
        seen.push(attempt.datagrams);
        match errors.iter().find(|(number, _)| number + 1 == seen.len()) {
            Some((_, error)) => Err(*error),
            None => Ok(attempt.datagrams),
        }
    };
    (Box::new(fault), attempts)
}

/// A kernel that takes what `takes` says of each attempt; tells the attempts.
fn judged(
    takes: impl Fn(&SendAttempt) -> Result<usize, Errno> + Send + 'static,
) -> (SendFault, Arc<Mutex<Vec<SendAttempt>>>) {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = attempts.clone();
    let fault = move |attempt: &SendAttempt| {
        seen.lock().unwrap().push(*attempt);
        takes(attempt)
    };
    (Box::new(fault), attempts)
}

#[track_caller]
fn check_segmentation_falls_back(error: &'static [(usize, Errno)]) {
    let (fault, attempts) = scripted(error);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();

    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes, "the failed batch is sent again");
    assert!(!sender.has_segmentation());

    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes);
    assert_eq!(*attempts.lock().unwrap(), [3, 3, 3], "it stays off");
}

#[test]
fn a_batch_arrives_as_its_segments() {
    let (mut sender, mut receiver, to) = pair(None);
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    let lengths: Vec<usize> = datagrams(&mut receiver).iter().map(Vec::len).collect();
    assert_eq!(lengths, [1000, 1000, 500]);
}

#[test]
fn who_wants_no_segmentation_sends_plainly() {
    let (fault, attempts) = judged(|attempt| Ok(attempt.datagrams));
    let (sender, mut receiver, to) = pair(Some(fault));
    let mut sender = sender.with_segmentation(false);
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes);
    let attempts = attempts.lock().unwrap();
    assert_eq!(
        attempts.iter().map(|one| (one.datagrams, one.segmented)).collect::<Vec<_>>(),
        [(3, false)]
    );
}

#[test]
fn eio_sends_the_failed_batch_again_without_segmentation() {
    check_segmentation_falls_back(&[(0, Errno::IO)]);
}

#[test]
fn einval_sends_the_failed_batch_again_without_segmentation() {
    check_segmentation_falls_back(&[(0, Errno::INVAL)]);
}

#[test]
fn eio_in_mid_life_falls_back_too() {
    let (fault, attempts) = scripted(&[(1, Errno::IO)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    for _ in 0..2 {
        assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
        assert_eq!(datagrams(&mut receiver).concat(), bytes);
    }
    assert_eq!(*attempts.lock().unwrap(), [3, 3, 3]);
}

#[test]
fn a_single_datagram_that_is_refused_goes_out_without_control_messages() {
    let (fault, attempts) =
        judged(|attempt| if attempt.controls { Err(Errno::IO) } else { Ok(attempt.datagrams) });
    let (mut sender, mut receiver, to) = pair(Some(fault));
    for _ in 0..2 {
        assert_eq!(sender.send(&outgoing(&[7; SEGMENT], to)), Sent::All);
        let received = receiver.receive(&mut vec![0; RECEIVE_BUFFER_BYTES]).unwrap().unwrap();
        assert_eq!((received.bytes, received.ecn), (SEGMENT, Ecn::Ect0), "marked all the same");
    }
    let controls: Vec<bool> = attempts.lock().unwrap().iter().map(|one| one.controls).collect();
    assert_eq!(controls, [true, false, false], "they stay off");
    assert!(sender.has_segmentation(), "which says nothing of segmentation");
}

#[test]
fn a_mark_that_is_refused_is_left_off_and_the_batch_sent_again() {
    for error in [Errno::IO, Errno::INVAL] {
        let (fault, attempts) = judged(move |attempt| {
            let is_marked = attempt.controls || attempt.ecn != Ecn::NotEct;
            if is_marked { Err(error) } else { Ok(attempt.datagrams) }
        });
        let (mut sender, mut receiver, to) = pair(Some(fault));
        let bytes = batch_bytes();
        for _ in 0..2 {
            assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
            assert_eq!(datagrams(&mut receiver).concat(), bytes);
        }
        let marks: Vec<Ecn> = attempts.lock().unwrap().iter().map(|one| one.ecn).collect();
        assert_eq!(marks, [Ecn::Ect0, Ecn::Ect0, Ecn::NotEct, Ecn::NotEct], "they stay off");
    }
}

#[test]
fn a_datagram_that_is_refused_whatever_is_left_off_is_lost() {
    let (fault, attempts) = judged(|_| Err(Errno::IO));
    let (mut sender, _receiver, to) = pair(Some(fault));
    assert_eq!(sender.send(&outgoing(&batch_bytes(), to)), Sent::Lost);
    assert_eq!(attempts.lock().unwrap().len(), 1 + 1 + 3, "segmented, marked, each datagram");
}

#[test]
fn einval_for_segments_that_are_too_large_leaves_segmentation_on() {
    let (fault, _) = scripted(&[(0, Errno::INVAL), (1, Errno::MSGSIZE)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::TooLarge);
    assert!(sender.has_segmentation());
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes, "the second batch only");
}

#[test]
fn what_the_kernel_takes_a_part_of_is_sent_to_the_end() {
    let (fault, attempts) = judged(|attempt| if attempt.controls { Err(Errno::IO) } else { Ok(1) });
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes);
    let counts: Vec<usize> = attempts.lock().unwrap().iter().map(|one| one.datagrams).collect();
    assert_eq!(counts, [3, 3, 2, 1]);
}

#[test]
fn a_connected_socket_sends_plainly_too() {
    let (fault, _) = scripted(&[(0, Errno::IO)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    sender.socket().connect(to).unwrap();
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes);
}

#[test]
fn a_full_queue_is_loss_and_segmentation_stays() {
    let (fault, attempts) = scripted(&[(0, Errno::NOBUFS)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::Lost);
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes, "the second batch only");
    assert_eq!(*attempts.lock().unwrap(), [3, 3]);
}

#[test]
fn a_full_queue_in_the_middle_loses_that_datagram_alone() {
    // Segmentation fails; then one datagram is taken, the second is not, the third is.
    let step = std::sync::atomic::AtomicUsize::new(0);
    let (fault, _) =
        judged(move |attempt| match step.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err(Errno::IO),
            2 => Err(Errno::NOBUFS),
            _ => Ok(attempt.datagrams.min(1)),
        });
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::Lost);
    assert_eq!(datagrams(&mut receiver), [&bytes[..1000], &bytes[2000..]]);
}

#[test]
fn a_full_send_buffer_is_waited_for() {
    let (fault, attempts) = scripted(&[(0, Errno::AGAIN)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes = batch_bytes();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
    assert_eq!(datagrams(&mut receiver).concat(), bytes);
    assert_eq!(*attempts.lock().unwrap(), [3, 3]);
}

#[test]
fn a_datagram_too_large_is_reported() {
    let (fault, _) = scripted(&[(0, Errno::MSGSIZE)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    assert_eq!(sender.send(&outgoing(&batch_bytes(), to)), Sent::TooLarge);
    assert!(datagrams(&mut receiver).is_empty());
    assert!(sender.has_segmentation());
}

#[test]
fn the_kernel_itself_reports_a_datagram_too_large() {
    let (mut sender, _receiver, to) = pair(None);
    let contents = vec![0; 65_508];
    let batch = Outgoing {
        to,
        from_ip: None,
        contents: &contents,
        segment_bytes: contents.len(),
        ecn: Ecn::NotEct,
    };
    assert_eq!(sender.send(&batch), Sent::TooLarge);
}

#[test]
fn the_mark_arrives() {
    let (mut sender, mut receiver, to) = pair(None);
    assert_eq!(sender.send(&outgoing(&batch_bytes(), to)), Sent::All);
    let received = receiver.receive(&mut vec![0; RECEIVE_BUFFER_BYTES]).unwrap().unwrap();
    assert_eq!(received.ecn, Ecn::Ect0);
}

#[test]
fn an_empty_datagram_is_one() {
    let (_sender, mut receiver, to) = pair(None);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], to).unwrap();
    let received = receiver.receive(&mut vec![0; RECEIVE_BUFFER_BYTES]).unwrap().unwrap();
    assert_eq!((received.bytes, received.stride), (0, 1));
}

#[test]
fn a_refused_port_is_not_an_error_of_the_next_receive() {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(gone).unwrap();
    let mut io = DatagramIo::new(socket).unwrap();
    assert_eq!(io.send(&outgoing(b"anybody?", gone)), Sent::All);
    assert!(io.receive(&mut vec![0; RECEIVE_BUFFER_BYTES]).unwrap().is_none());
}

#[test]
fn single_datagrams_come_many_at_a_time() {
    let (fault, _) = scripted(&[(0, Errno::IO)]);
    let (mut sender, mut receiver, to) = pair(Some(fault));
    let bytes: Vec<u8> = (0..40_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);

    let (mut arrivals, mut calls, mut arrived) = (Arrivals::new(), 0, Vec::new());
    while receiver.receive_many(&mut arrivals).unwrap() {
        calls += 1;
        for (received, contents) in arrivals.each() {
            assert_eq!(received.bytes, contents.len());
            arrived.extend_from_slice(contents);
        }
    }
    assert_eq!(arrived, bytes);
    assert!(calls <= 5, "{calls} system calls for 40 datagrams");
    assert_eq!(arrivals.each().count(), 0, "nothing of it comes twice");
}

#[test]
fn joined_datagrams_come_as_they_were_cut() {
    let (mut sender, mut receiver, to) = pair(None);
    let (bytes, mut arrivals) = (batch_bytes(), Arrivals::new());
    for _ in 0..3 {
        assert_eq!(sender.send(&outgoing(&bytes, to)), Sent::All);
        assert!(receiver.receive_many(&mut arrivals).unwrap());
        let all: Vec<_> =
            arrivals.each().map(|(one, bytes)| (one.stride, bytes.to_vec())).collect();
        assert_eq!(all, [(SEGMENT, bytes.clone())]);
    }
}
