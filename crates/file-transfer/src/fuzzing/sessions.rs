//! Both ends of a session against a peer that knows the keys and breaks every rule: packets of any
//! kind with any body, repeated, left out, late.

use std::time::{Duration, Instant};

use super::input::Input;
use crate::proto::ecn::Ecn;
use crate::proto::handshake::Established;
use crate::proto::hello::WelcomeBody;
use crate::proto::keys::{CipherSuite, SessionSecrets};
use crate::proto::limits::{DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_MAX, HEADER_BYTES, TAG_BYTES};
use crate::proto::packet::PacketKind;
use crate::proto::receiver::Receiver;
use crate::proto::sealed_channel::SealedChannel;
use crate::proto::sender::{Batch, CongestionChoice, Sender, SenderConfig, SessionSeed};
use crate::range_set::RangeSet;

const SESSION_ID: u64 = 7;
const SUITE: CipherSuite = CipherSuite::ChaCha20Poly1305;
const FILE_BYTES: u64 = 400_000;
/// What the ticket allows to be sent.
const BYTES_MAX: u64 = 1_000_000;

const KINDS: [PacketKind; 8] = [
    PacketKind::Data,
    PacketKind::Ack,
    PacketKind::Want,
    PacketKind::Probe,
    PacketKind::PathChallenge,
    PacketKind::PathResponse,
    PacketKind::Ping,
    PacketKind::Close,
];

/// One end, as its peer and its owner see it.
trait End {
    /// `from` is the address that it comes from.
    fn take(&mut self, now: Instant, from: u8, datagram: &mut [u8]);
    /// Lets it do everything that is due.
    fn settle(&mut self, now: Instant);
}

/// The peer's doings, as the bytes say: the first one says to which end.
pub fn sessions(bytes: &[u8]) {
    let (mut input, now) = (Input(bytes), Instant::now());
    let secrets = SessionSecrets::derive(&[1; 32], b"hello", SESSION_ID, &[2; 32]);
    let what = input.u8();
    if what.is_multiple_of(2) {
        let congestion =
            if what.is_multiple_of(4) { CongestionChoice::Cubic } else { CongestionChoice::Bbr };
        let peer = SealedChannel::new(SESSION_ID, secrets.client_keys(SUITE));
        misbehave(now, SendingEnd::new(now, &secrets, congestion), peer, input);
    } else {
        let peer = SealedChannel::new(SESSION_ID, secrets.server_keys(SUITE));
        misbehave(now, ReceivingEnd::new(now, &secrets), peer, input);
    }
}

fn misbehave(mut now: Instant, mut end: impl End, mut peer: SealedChannel, mut input: Input<'_>) {
    let (mut number, mut last, mut from) = (0_u64, Vec::new(), 0);
    end.settle(now);
    while !input.is_empty() {
        match input.u8() {
            // A packet with the next number, of any kind.
            what @ 0..=127 => {
                let kind = KINDS.into_iter().cycle().nth(what.into()).unwrap_or(PacketKind::Ping);
                let length = usize::from(input.u16()) % DATAGRAM_BYTES_MAX;
                let body = input.bytes(length);
                let mut datagram = vec![0; HEADER_BYTES + body.len() + TAG_BYTES];
                let write = |place: &mut [u8]| {
                    place.copy_from_slice(body);
                    body.len()
                };
                if peer.seal(kind, number, &mut datagram, write).is_some() {
                    number += 1;
                    last.clone_from(&datagram);
                    end.take(now, from, &mut datagram);
                }
            }
            128..=159 => {
                let length = usize::from(input.u16());
                end.take(now, from, &mut input.bytes(length).to_vec());
            }
            160..=191 => now += Duration::from_millis(input.u16().into()),
            192..=223 => number += u64::from(input.u16()),
            224..=239 => from = input.u8(),
            _ => end.take(now, from, &mut last.clone()),
        }
        end.settle(now);
    }
}

struct SendingEnd {
    sender: Sender<u8>,
    batch: Batch,
    /// Bytes that came from each address, and bytes of challenges that went there.
    heard: [usize; 256],
    challenged: [usize; 256],
}

impl SendingEnd {
    fn new(now: Instant, secrets: &SessionSecrets, congestion: CongestionChoice) -> Self {
        let config = SenderConfig {
            session_id: SESSION_ID,
            peer: 0,
            same_host: |one, other| one / 2 == other / 2,
            keys: secrets.server_keys(SUITE),
            file_bytes: FILE_BYTES,
            bytes_max: BYTES_MAX,
            datagram_bytes_max: DATAGRAM_BYTES_MAX,
            rtt: None,
            seed: SessionSeed::new(5),
            controller: congestion.controller(DATAGRAM_BYTES_BASE, 5),
        };
        let (heard, challenged) = ([0; 256], [0; 256]);
        Self { sender: Sender::new(now, config), batch: Batch::new(), heard, challenged }
    }
}

impl End for SendingEnd {
    fn take(&mut self, now: Instant, from: u8, datagram: &mut [u8]) {
        if let Some(heard) = self.heard.get_mut(usize::from(from)) {
            *heard += datagram.len();
        }
        self.sender.handle_datagram(now, from, datagram);
    }

    fn settle(&mut self, now: Instant) {
        let mut out = [0; DATAGRAM_BYTES_MAX];
        self.sender.handle_timeout(now);
        while let Some(bytes) = self.sender.poll_transmit(now, &mut out) {
            assert!(bytes <= out.len());
        }
        while let Some((to, bytes)) = self.sender.poll_challenge(now, &mut out) {
            check_amplification(&mut self.challenged, &self.heard, to, bytes);
        }
        while self.sender.poll_batch(now, 45, &mut self.batch) {
            for slot in self.batch.slots() {
                assert!(slot.offset() + slot.file_bytes() as u64 <= FILE_BYTES);
                assert!(slot.datagram().len() <= DATAGRAM_BYTES_MAX);
            }
        }
        let stats = self.sender.stats();
        assert!(stats.data_bytes_sent <= BYTES_MAX, "not one byte more than the ticket allows");
        assert!(self.sender.outcome().is_some() || self.sender.poll_timeout(now).is_some());
    }
}

/// So many more bytes go to an address that has proven nothing: never more than came from it.
fn check_amplification(sent: &mut [usize; 256], heard: &[usize; 256], to: u8, bytes: usize) {
    let index = usize::from(to);
    if let (Some(out), Some(heard)) = (sent.get_mut(index), heard.get(index)) {
        *out += bytes;
        assert!(*out <= *heard, "{out} bytes to {to}, which sent {heard} and proved nothing");
    }
}

struct ReceivingEnd {
    receiver: Receiver<u8>,
    delivered: RangeSet,
    /// Bytes from and to each address that is not proven.
    heard: [usize; 256],
    challenged: [usize; 256],
}

impl ReceivingEnd {
    fn new(now: Instant, secrets: &SessionSecrets) -> Self {
        let session = Established {
            session_id: SESSION_ID,
            keys: secrets.client_keys(SUITE),
            file: WelcomeBody { file_bytes: FILE_BYTES, modified_ns: 1 },
            rtt: None,
            round_trip_hint: None,
        };
        let missing = RangeSet::of(0..FILE_BYTES);
        let peer = (0, SessionSeed::new(6));
        Self {
            receiver: Receiver::new(now, session, peer, missing, 1 << 20),
            delivered: RangeSet::new(),
            heard: [0; 256],
            challenged: [0; 256],
        }
    }
}

impl End for ReceivingEnd {
    fn take(&mut self, now: Instant, from: u8, datagram: &mut [u8]) {
        if let Some(heard) = self.heard.get_mut(usize::from(from)) {
            *heard += datagram.len();
        }
        let delivered = &mut self.delivered;
        self.receiver.handle_datagram(now, from, Ecn::Ect0, datagram, |offset, bytes| {
            let range = offset..offset + bytes.len() as u64;
            assert!(range.end <= FILE_BYTES, "nothing beyond the file");
            assert!(!bytes.is_empty() && delivered.first_in(&range).is_none(), "each byte once");
            delivered.insert(range);
        });
    }

    fn settle(&mut self, now: Instant) {
        let mut out = [0; DATAGRAM_BYTES_BASE];
        self.receiver.handle_timeout(now);
        while let Some(bytes) = self.receiver.poll_transmit(now, &mut out) {
            assert!(bytes <= out.len());
        }
        while let Some((to, bytes)) = self.receiver.poll_challenge(now, &mut out) {
            check_amplification(&mut self.challenged, &self.heard, to, bytes);
        }
        let mut expected = RangeSet::of(0..FILE_BYTES);
        expected.remove_all(&self.delivered);
        assert_eq!(*self.receiver.missing(), expected);
        assert_eq!(self.receiver.file_bytes(), self.delivered.total());
        assert!(self.receiver.outcome().is_some() || self.receiver.poll_timeout().is_some());
    }
}
