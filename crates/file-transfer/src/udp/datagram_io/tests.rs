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
    let fault = move |transmit: &Transmit<'_>| {
        let mut seen = seen.lock().unwrap();
        seen.push(transmit.contents.len().div_ceil(SEGMENT));
        errors.iter().find(|(number, _)| number + 1 == seen.len()).map(|(_, error)| *error)
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
    assert_eq!(*attempts.lock().unwrap(), [3, 1, 1, 1, 1, 1, 1], "it stays off");
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
    assert_eq!(*attempts.lock().unwrap(), [3, 3, 1, 1, 1]);
}

#[test]
fn eio_of_a_single_datagram_is_loss_and_says_nothing_of_segmentation() {
    let (fault, _) = scripted(&[(0, Errno::IO)]);
    let (mut sender, _receiver, to) = pair(Some(fault));
    assert_eq!(sender.send(&outgoing(&[7; SEGMENT], to)), Sent::Lost);
    assert!(sender.has_segmentation());
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
    let (fault, _) = scripted(&[(0, Errno::IO), (2, Errno::NOBUFS)]);
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
