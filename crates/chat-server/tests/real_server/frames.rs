//! What strangers and broken clients send: bytes that are no TLS, no frame, no message, or not yet
//! allowed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::framing;
use common::limits::FRAME_BYTES_MAX;
use common::wire::client_frame::Body as Ask;
use common::wire::server_frame::Body;
use common::wire::{self, ClientFrame, GoodbyeReason, RefusalCode};
use prost::Message;

use crate::support::{Client, ServerProcess, message, refusal};

fn hello(request_id: u64) -> Vec<u8> {
    let hello = wire::Hello { version_min: 1, version_max: 1, agent: "test".into() };
    let frame = ClientFrame { request_id, body: Some(Ask::Hello(hello)) };
    framing::encode(&frame).unwrap().to_vec()
}

fn ping(request_id: u64) -> Vec<u8> {
    let ping = Ask::Ping(wire::Ping { token: request_id });
    framing::encode(&ClientFrame { request_id, body: Some(ping) }).unwrap().to_vec()
}

fn goodbye_of(last_words: &[Body]) -> GoodbyeReason {
    match last_words {
        [.., Body::Goodbye(goodbye)] => goodbye.reason(),
        other => panic!("no goodbye: {other:?}"),
    }
}

/// A length that no frame has ends the connection on the header alone.
#[track_caller]
fn check_length_refused(length: u32) {
    let server = ServerProcess::start();
    let mut client = server.log_in("ann");
    client.send_bytes(&length.to_be_bytes());
    assert_eq!(goodbye_of(&client.read_to_end()), GoodbyeReason::ProtocolError);
    server.log_in("bob");
}

#[test]
fn length_zero_ends_the_connection() {
    check_length_refused(0);
}

#[test]
fn one_more_than_the_longest_frame_ends_the_connection() {
    check_length_refused(u32::try_from(FRAME_BYTES_MAX).unwrap() + 1);
}

#[test]
fn the_longest_number_ends_the_connection() {
    check_length_refused(u32::MAX);
}

#[test]
fn the_shortest_and_the_longest_frame_are_read() {
    let server = ServerProcess::start();
    let mut client = server.log_in("ann");
    // One byte is half a field.
    client.send_bytes(&[0, 0, 0, 1, 0x08]);
    assert_eq!(refusal(&client.event()), RefusalCode::Malformed);
    // Field 1000, unknown to this version, fills the frame.
    let filling = FRAME_BYTES_MAX - 2 - 2 - 3;
    let mut body = vec![0x08, 77, 0xc2, 0x3e];
    prost::encoding::encode_varint(filling as u64, &mut body);
    body.resize(FRAME_BYTES_MAX, b'x');
    client.send_bytes(&[&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat());
    assert_eq!(refusal(&client.answer_to(77)), RefusalCode::Unsupported);
    assert_eq!(client.events(), []);
}

#[test]
fn a_frame_split_at_every_byte_is_the_same_frame() {
    let server = ServerProcess::start();
    let bytes = [hello(1), ping(2)].concat();
    for at in 1..bytes.len() {
        let mut client = server.connect();
        client.send_bytes(&bytes[..at]);
        client.send_bytes(&bytes[at..]);
        assert!(matches!(client.answer_to(1), Body::ServerHello(_)), "split at {at}");
        assert_eq!(client.answer_to(2), Body::Pong(wire::Pong { token: 2 }), "split at {at}");
    }
}

#[test]
fn a_thousand_frames_in_one_write_are_answered_in_order() {
    let server = ServerProcess::start();
    let mut client = server.connect();
    let bytes: Vec<u8> = std::iter::once(hello(1)).chain((2..=1000).map(ping)).flatten().collect();
    client.send_bytes(&bytes);
    for request in 1..=1000 {
        assert_eq!(client.receive().in_reply_to, request);
    }
}

#[test]
fn a_thousand_pages_in_one_write_do_not_overflow_the_own_outbox() {
    let server = ServerProcess::start();
    let _others: Vec<Client> =
        (0..20).map(|n| server.log_in(&format!("{}{n}", "long name ".repeat(3)))).collect();
    let mut client = server.log_in("ann");
    let page = |request_id| {
        let body = Some(Ask::ListOnline(wire::ListOnline::default()));
        framing::encode(&ClientFrame { request_id, body }).unwrap().to_vec()
    };
    client.send_bytes(&(1001..=2000).map(page).collect::<Vec<_>>().concat());
    for request in 1001..=2000 {
        assert!(
            matches!(client.answer_to(request), Body::OnlinePage(page) if page.names.len() == 21)
        );
    }
}

#[test]
fn junk_is_refused_and_after_a_while_ends_the_connection() {
    let server = ServerProcess::start();
    let mut client = server.log_in("ann");
    client.send_bytes(&[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(refusal(&client.event()), RefusalCode::Malformed);
    assert_eq!(client.events(), []);
    for _ in 0..100 {
        client.send_bytes(&[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    }
    assert_eq!(goodbye_of(&client.read_to_end()), GoodbyeReason::ProtocolError);
}

#[test]
fn an_unknown_body_is_unsupported_and_the_session_stays() {
    let server = ServerProcess::start();
    let mut client = server.log_in("ann");
    client.send_bytes(&[0, 0, 0, 6, 0x08, 9, 0xc2, 0x3e, 1, 0]);
    assert_eq!(refusal(&client.answer_to(9)), RefusalCode::Unsupported);
    assert_eq!(client.events(), []);
}

#[test]
fn unknown_and_repeated_fields_are_read_as_protobuf_says() {
    let server = ServerProcess::start();
    let mut client = server.connect();
    let mut body = hello(3)[4..].to_vec();
    // The number again, which wins, and a field that nobody knows.
    body.extend([0x08, 4, 0xf8, 0x3e, 1]);
    client.send_bytes(&[&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat());
    assert!(matches!(client.answer_to(4), Body::ServerHello(_)));
}

#[test]
fn every_flipped_bit_is_answered_or_ends_the_connection() {
    let server = ServerProcess::start();
    let sound = ClientFrame { request_id: 5, body: Some(message("#lobby", "hi", [1; 16])) };
    let sound = sound.encode_to_vec();
    let mut client = server.log_in("ann");
    for bit in 0..sound.len() * 8 {
        let mut body = sound.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        let frame = [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat();
        client.send_bytes(&frame);
        if client.try_receive().is_none_or(|it| matches!(it.body, Some(Body::Goodbye(_)))) {
            client = server.log_in(&format!("ann{bit}"));
        }
    }
    assert_eq!(client.events(), []);
}

#[test]
fn nothing_but_greeting_and_ping_is_answered_before_the_login() {
    let server = ServerProcess::start();
    let mut client = server.greet();
    let member_requests = [
        message("#lobby", "hi", [1; 16]),
        message("#lobby", "", [1; 16]),
        Ask::ListOnline(wire::ListOnline::default()),
        Ask::ListFiles(wire::ListFiles::default()),
        Ask::RequestDownload(wire::RequestDownload { path: "a".into(), download_id: 0 }),
        Ask::PauseDownload(wire::PauseDownload::default()),
        Ask::RequestPieceHashes(wire::RequestPieceHashes::default()),
        Ask::DownloadDone(wire::DownloadDone::default()),
        Ask::LogOut(wire::LogOut {}),
    ];
    for request in member_requests {
        assert_eq!(refusal(&client.ask(request)), RefusalCode::NotLoggedIn);
    }
    client.log_in("ann");
}

#[test]
fn another_protocol_version_is_refused_and_closed() {
    let server = ServerProcess::start();
    let mut client = server.connect();
    let hello = wire::Hello { version_min: 2, version_max: 3, agent: String::new() };
    assert_eq!(refusal(&client.ask(Ask::Hello(hello))), RefusalCode::Version);
    assert!(client.try_receive().is_none());
}

/// What is no TLS 1.3 is closed without an answer in the clear that would tell what runs here.
#[track_caller]
fn check_closed(bytes: &[u8]) {
    let server = ServerProcess::start();
    let address = (server.link.server.host.as_str(), server.link.server.port);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset is a close as well.
    let _ = stream.read_to_end(&mut answer).map_err(|error| {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
    let is_alert = answer.is_empty() || answer[0] == 21;
    assert!(is_alert, "{answer:?}");
    server.log_in("ann");
    let (_, log, _) = server.terminate();
    let records = log.lines().filter(|line| line.contains("stranger")).count();
    assert_eq!(records, 1, "{log}");
}

#[test]
fn an_http_request_is_closed() {
    check_closed(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
}

#[test]
fn an_ssh_banner_is_closed() {
    check_closed(b"SSH-2.0-OpenSSH_9.2\r\n");
}

#[test]
fn a_tls_1_2_hello_is_closed() {
    // ClientHello of TLS 1.2 without extensions, one cipher suite.
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    let handshake = [&[1, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let length = u16::try_from(handshake.len()).unwrap().to_be_bytes();
    check_closed(&[&[22, 3, 1][..], &length, &handshake].concat());
}

#[test]
fn tls_without_a_protocol_name_of_ours_is_closed() {
    let server = ServerProcess::start();
    let mut client = Client::connect(&server.link, &[]);
    assert!(client.try_receive().is_none());
}

#[test]
fn a_handshake_that_does_not_come_is_closed_at_its_deadline() {
    let server = ServerProcess::with_config("[limits]\nhandshake_seconds = 1");
    let address = (server.link.server.host.as_str(), server.link.server.port);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&[22, 3, 1]).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_login_that_does_not_come_is_closed_at_its_deadline() {
    let server = ServerProcess::with_config("[limits]\nlogin_seconds = 1");
    let mut waiting = server.greet();
    let mut member = server.log_in("ann");
    assert_eq!(goodbye_of(&waiting.read_to_end()), GoodbyeReason::Idle);
    assert_eq!(member.events(), []);
}

#[test]
fn strangers_beyond_the_limit_cost_the_oldest_of_them_its_place() {
    let server = ServerProcess::with_config("[limits]\nnewcomers = 2");
    let mut member = server.log_in("ann");
    let mut first = server.greet();
    let mut second = server.greet();
    let mut third = server.greet();
    assert_eq!(goodbye_of(&first.read_to_end()), GoodbyeReason::Idle);
    second.log_in("bob");
    third.log_in("eve");
    assert_eq!(member.events().len(), 2);
}
