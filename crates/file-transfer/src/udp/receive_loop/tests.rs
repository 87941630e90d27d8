//! When a transfer is over, by packets made by hand.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::proto::data_frame::DataHeader;
use crate::proto::ecn::Ecn;
use crate::proto::hello::WelcomeBody;
use crate::proto::keys::{CipherSuite, SessionSecrets};
use crate::proto::packet::PacketKind;
use crate::proto::sealed_channel::SealedChannel;

const SIZE: u64 = 100;
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// How it ends for a receiver that gets the first so many bytes and CLOSE in one turn.
fn end_after(bytes: usize) -> Option<Result<(), ReceiveError>> {
    let secrets = SessionSecrets::derive(&[1; 32], b"hello", 7, &[2; 32]);
    let suite = CipherSuite::ChaCha20Poly1305;
    let session = Established {
        session_id: 7,
        keys: secrets.client_keys(suite),
        file: WelcomeBody { file_bytes: SIZE, modified_ns: 1 },
        rtt: None,
        round_trip_hint: None,
    };
    let mut sender = SealedChannel::new(7, secrets.server_keys(suite));
    let now = Instant::now();
    let mut receiver =
        Receiver::new(now, session, (PEER, SessionSeed::new(1)), RangeSet::of(0..SIZE), 1 << 20);
    let mut take = |kind, number, write: &dyn Fn(&mut [u8]) -> usize| {
        let mut datagram = [0; DATAGRAM_BYTES_BASE];
        let length = sender.seal(kind, number, &mut datagram, write).unwrap();
        receiver.handle_datagram(now, PEER, Ecn::NotEct, &mut datagram[..length], |_, _| {});
    };
    let header = DataHeader { ack_now: true, offset: 0, sync: None };
    take(PacketKind::Data, 0, &|body| {
        header.encode(body);
        header.encoded_bytes() + bytes
    });
    let frame = CloseFrame { code: CloseCode::ShuttingDown, reason: String::new() };
    take(PacketKind::Close, 1, &|body| frame.encode(body));
    end_of(&receiver)
}

#[test]
fn a_close_right_after_the_last_byte_takes_nothing_away() {
    let end = end_after(100);
    assert!(matches!(end, Some(Ok(()))), "{end:?}");
}

#[test]
fn a_close_before_the_last_byte_is_an_end() {
    let end = end_after(99);
    let closed = ReceiveError::Closed { code: CloseCode::ShuttingDown, reason: String::new() };
    assert_eq!(format!("{end:?}"), format!("{:?}", Some(Err::<(), _>(closed))));
}
