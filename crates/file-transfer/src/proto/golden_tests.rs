//! The wire as bytes: one packet of each kind, held against `tests/golden/udp/*.hex` and against what
//! PROTOCOL.md shows. A round trip through our own code could not see a change that breaks old peers.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::ack_frame::AckHeader;
use super::close_frame::{CloseCode, CloseFrame};
use super::data_frame::{DataHeader, SyncBlock};
use super::ecn::EcnCounts;
use super::hello::{self, HelloBody, WelcomeBody, WelcomeClear};
use super::keys::{CipherSuite, CipherSuites, SessionSecrets};
use super::limits::GENERATION_SHIFT;
use super::packet::PacketKind;
use super::ping_frame::PingFrame;
use super::sealed_channel::SealedChannel;
use super::want_frame::WantFrame;

const SESSION_ID: u64 = 0x0102_0304_0506_0708;
const BYTES_PER_LINE: usize = 32;

fn counting_from(first: u8) -> [u8; 32] {
    std::array::from_fn(|index| first + u8::try_from(index).unwrap())
}

fn sealed(
    channel: &mut SealedChannel,
    kind: PacketKind,
    number: u64,
    write: impl FnOnce(&mut [u8]) -> usize,
) -> Vec<u8> {
    let mut datagram = [0; 1200];
    let length = channel.seal(kind, number, &mut datagram, write).unwrap();
    datagram[..length].to_vec()
}

fn data(header: DataHeader) -> impl FnOnce(&mut [u8]) -> usize {
    move |body| {
        header.encode(body);
        let start = header.encoded_bytes();
        body[start..start + 10].copy_from_slice(b"file bytes");
        start + 10
    }
}

/// Name of the golden file and packet, in the order of a session.
fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let (secret, client_random, server_random) =
        (counting_from(0x00), counting_from(0x20), counting_from(0x60));
    let body = HelloBody { suites: CipherSuites { aes: true }, datagram_bytes_max: 1452 };
    let hello = hello::encode_hello(b"an opaque ticket", &secret, &client_random, body).unwrap();
    let secrets = SessionSecrets::derive(&secret, &hello, SESSION_ID, &server_random);
    let suite = CipherSuite::Aes128Gcm;
    let clear = WelcomeClear { suite, session_id: SESSION_ID, server_random };
    let file = WelcomeBody { file_bytes: 5_000_000, modified_ns: 1_767_323_045_678_000_000 };
    let mut client = SealedChannel::new(SESSION_ID, secrets.client_keys(suite));
    let mut server = SealedChannel::new(SESSION_ID, secrets.server_keys(suite));
    let want = WantFrame {
        version: 1,
        window: 2 << 20,
        ranges: [0..1000, 4096..5_000_000].into_iter().collect(),
    };
    let sync = SyncBlock { least_unacknowledged: 2, rtt_us: 12_345, want_version: 1 };
    let ack = AckHeader {
        delay: Duration::from_micros(250),
        window: 2 << 20,
        file_bytes: 20,
        ecn: EcnCounts { ect0: 4, ect1: 0, ce: 1 },
    };
    let numbers = [0..2, 3..6].into_iter().collect();
    let plain = DataHeader { ack_now: false, offset: 0, sync: None };
    let synced = DataHeader { ack_now: true, offset: 4096, sync: Some(sync) };
    let token = |body: &mut [u8]| {
        body[..8].copy_from_slice(b"8 random");
        8
    };
    let close = CloseFrame { code: CloseCode::Done, reason: String::new() };
    vec![
        ("hello", hello.to_vec()),
        ("welcome", hello::encode_welcome(&clear, &secrets, file).to_vec()),
        ("want", sealed(&mut client, PacketKind::Want, 0, |body| want.encode(body))),
        ("data", sealed(&mut server, PacketKind::Data, 0, data(plain))),
        ("data_with_sync_block", sealed(&mut server, PacketKind::Data, 3, data(synced))),
        ("ack", sealed(&mut client, PacketKind::Ack, 1, |body| ack.encode(&numbers, body))),
        (
            "ping_of_sender",
            sealed(&mut server, PacketKind::Ping, 4, |body| {
                PingFrame { answer_me: false, sync }.encode(body)
            }),
        ),
        (
            "ping_of_receiver",
            sealed(&mut client, PacketKind::Ping, 2, |body| {
                PingFrame { answer_me: true, sync: SyncBlock::default() }.encode(body)
            }),
        ),
        ("path_challenge", sealed(&mut server, PacketKind::PathChallenge, 5, token)),
        ("path_response", sealed(&mut client, PacketKind::PathResponse, 3, token)),
        ("close_done", sealed(&mut client, PacketKind::Close, 4, |body| close.encode(body))),
        (
            "data_of_second_generation",
            sealed(&mut server, PacketKind::Data, 1 << GENERATION_SHIFT, data(plain)),
        ),
    ]
}

fn hex_lines(bytes: &[u8]) -> String {
    bytes.chunks(BYTES_PER_LINE).fold(String::new(), |mut text, line| {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
        text
    })
}

#[test]
fn packets_have_their_golden_bytes_and_protocol_md_shows_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("../../PROTOCOL.md")).unwrap();
    let mut wrong = String::new();
    for (name, bytes) in packets() {
        let golden = std::fs::read_to_string(root.join(format!("tests/golden/udp/{name}.hex")));
        let shown = hex_lines(&bytes);
        let indented: String = shown.lines().map(|line| format!("    {line}\n")).collect();
        if golden.ok().as_deref() != Some(&shown) {
            writeln!(wrong, "golden {name}\n{shown}").unwrap();
        } else if !document.contains(&format!("`{name}`")) || !document.contains(&indented) {
            writeln!(wrong, "PROTOCOL.md does not show {name}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
