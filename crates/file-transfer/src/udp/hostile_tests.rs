//! Clients that know their keys and break the rules, against a real node: they are closed or ignored,
//! and nothing grows.

use std::fs::File;
use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use super::*;
use crate::file_path::FilePath;
use crate::file_version::FileVersion;
use crate::proto::ack_frame::AckHeader;
use crate::proto::close_frame::{CloseCode, CloseFrame};
use crate::proto::handshake::{ClientHandshake, Established};
use crate::proto::keys::CipherSuites;
use crate::proto::packet::{Header, PacketKind};
use crate::proto::sealed_channel::SealedChannel;
use crate::proto::sender::SenderOutcome;
use crate::proto::want_frame::WantFrame;
use crate::range_set::RangeSet;
use crate::ticket::{Grant, TicketKey};

/// A sparse file: large enough to ask for many pieces of.
const FILE_BYTES: u64 = 1 << 30;
const WINDOW: u64 = 1 << 20;

/// A node, its one session, and a client that does by hand what it should not.
struct Misfit {
    _server: UdpServer,
    reports: mpsc::Receiver<SessionReport>,
    socket: UdpSocket,
    channel: SealedChannel,
    session_id: u64,
    next_number: u64,
}

impl Misfit {
    fn connect() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(FILE_BYTES).unwrap();
        let version = FileVersion::of(&file.as_file().metadata().unwrap());
        let key = TicketKey::from_bytes([1; 32]).unwrap();
        let (report, reports) = mpsc::channel();
        let config = UdpServerConfig {
            key: key.clone(),
            open_file: Box::new(move |_| File::open(file.path()).map_err(|_| OpenError::Gone)),
            limits: SessionLimits::default(),
            sending: SendOptions::default(),
            uploads: None,
            on_session_end: Some(Box::new(move |ended| report.send(ended.clone()).unwrap())),
        };
        let listener = bind_listener("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = UdpServer::start(vec![listener], config).unwrap();
        let grant = Grant {
            secret: [2; 32],
            user: "ann".into(),
            login: 1,
            file: FilePath::parse("file").unwrap(),
            version,
            bytes_max: 4 << 20,
            expires_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60,
        };
        let ticket = key.mint(&grant, [3; 32]).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server.addresses()[0]).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let session = shake_hands(&socket, ticket.as_bytes(), grant.secret);
        let (session_id, channel) = (session.session_id, SealedChannel::of(session));
        Self { _server: server, reports, socket, channel, session_id, next_number: 0 }
    }

    fn send(&mut self, kind: PacketKind, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut datagram = [0; 1200];
        let length = self.channel.seal(kind, self.next_number, &mut datagram, write).unwrap();
        self.next_number += 1;
        self.socket.send(&datagram[..length]).unwrap();
    }

    fn want(&mut self, version: u32, ranges: RangeSet) {
        let want = WantFrame { version, window: WINDOW, ranges };
        self.send(PacketKind::Want, |body| want.encode(body));
    }

    fn ack(&mut self, numbers: &RangeSet) {
        let header = AckHeader { window: WINDOW, ..AckHeader::default() };
        self.send(PacketKind::Ack, |body| header.encode(numbers, body));
    }

    /// The next packet that authenticates and is new.
    fn next_packet(&mut self) -> (Header, Vec<u8>) {
        let mut buffer = [0; 1500];
        loop {
            let bytes = self.socket.recv(&mut buffer).unwrap();
            if let Some((header, body)) = self.channel.open(&mut buffer[..bytes]) {
                let body = body.to_vec();
                self.channel.note(header.number);
                return (header, body);
            }
        }
    }

    /// The number of the next DATA.
    fn next_data(&mut self) -> u64 {
        loop {
            if let (Header { kind: PacketKind::Data, number, .. }, _) = self.next_packet() {
                return number;
            }
        }
    }

    /// The node has ended the session; whether the client heard of it through its own flood is luck.
    #[track_caller]
    fn check_ended(&self, code: CloseCode) {
        let report = self.reports.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(report.end, SenderOutcome::ClosedHere(code));
    }

    #[track_caller]
    fn check_closed(mut self, code: CloseCode) {
        let told = loop {
            if let (Header { kind: PacketKind::Close, .. }, body) = self.next_packet() {
                break CloseFrame::decode(&body).unwrap().code;
            }
        };
        assert_eq!(told, code);
        self.check_ended(code);
    }
}

fn shake_hands(socket: &UdpSocket, ticket: &[u8], secret: [u8; 32]) -> Established {
    let suites = CipherSuites { aes: false };
    let mut handshake = ClientHandshake::new(ticket, secret, [4; 32], suites).unwrap();
    socket.send(handshake.hello()).unwrap();
    let mut welcome = [0; 1500];
    let bytes = socket.recv(&mut welcome).unwrap();
    handshake.handle_datagram(Instant::now(), &mut welcome[..bytes]).unwrap()
}

#[test]
fn an_ack_of_what_was_never_sent_ends_the_session() {
    let mut misfit = Misfit::connect();
    misfit.want(1, RangeSet::of(0..FILE_BYTES));
    let number = misfit.next_data();
    misfit.ack(&RangeSet::of(number..number + (1 << 40)));
    misfit.check_closed(CloseCode::Violation);
}

#[test]
fn a_want_beyond_the_file_ends_the_session() {
    let mut misfit = Misfit::connect();
    misfit.want(1, RangeSet::of(FILE_BYTES - 1..FILE_BYTES + 1));
    misfit.check_closed(CloseCode::Violation);
}

#[test]
fn asking_for_ever_more_separate_bytes_ends_the_session() {
    let mut misfit = Misfit::connect();
    misfit.want(1, RangeSet::of(0..1));
    // From here on the session has a socket of its own, which takes the flood.
    misfit.next_packet();
    // 80 ranges a WANT, every second byte: far more than anybody misses.
    for version in 2..=1_000 {
        let first = u64::from(version) * 1_000;
        misfit.want(version, (0..80).map(|n| first + 2 * n..first + 2 * n + 1).collect());
    }
    misfit.check_ended(CloseCode::Violation);
}

#[test]
fn a_client_that_acknowledges_and_asks_again_for_ever_ends_at_its_tickets_limit() {
    let mut misfit = Misfit::connect();
    let mut numbers = RangeSet::new();
    misfit.want(1, RangeSet::of(0..1_000_000));
    for version in 2.. {
        match misfit.next_packet() {
            (Header { kind: PacketKind::Close, .. }, body) => {
                assert_eq!(CloseFrame::decode(&body).unwrap().code, CloseCode::LimitReached);
                break;
            }
            (header, _) => numbers.insert(header.number..header.number + 1),
        };
        misfit.ack(&numbers);
        misfit.want(version, RangeSet::of(0..1_000_000));
    }
    let report = misfit.reports.recv().unwrap();
    assert!(report.stats.data_bytes_sent <= 4 << 20, "{:?}", report.stats);
}

#[test]
fn floods_of_acks_questions_and_junk_change_nothing() {
    let mut misfit = Misfit::connect();
    let mut chance = Pcg64::seed_from_u64(1);
    misfit.want(1, RangeSet::of(0..50_000));
    let first = misfit.next_data();
    for turn in 0..5_000_u32 {
        match turn % 4 {
            0 => misfit.ack(&RangeSet::of(first..first + 1)),
            1 => misfit.send(PacketKind::Ping, |body| {
                body[..17].fill(1);
                17
            }),
            // ACK of random bytes, sealed well.
            2 => misfit.send(PacketKind::Ack, |body| {
                chance.fill_bytes(&mut body[..100]);
                body[0] %= 10;
                100
            }),
            // Of the session, as far as one can see without its keys.
            _ => {
                let mut forged = vec![0; 40 + chance.next_u32() as usize % 20_000];
                chance.fill_bytes(&mut forged);
                forged[0] = 0x11;
                forged[1..9].copy_from_slice(&misfit.session_id.to_be_bytes());
                forged[9] = 0;
                forged[10] = 0;
                forged[11] = 0;
                forged[12] = 0;
                misfit.socket.send(&forged).unwrap();
            }
        }
        if turn % 64 == 0 {
            // In step with the node, whose socket would drop the rest of a flood otherwise: every WANT
            // is answered.
            misfit.want(1, RangeSet::of(0..50_000));
            while misfit.next_packet().0.kind != PacketKind::Ping {}
        }
    }
    let done = CloseFrame { code: CloseCode::Done, reason: String::new() };
    misfit.send(PacketKind::Close, |body| done.encode(body));
    let report = misfit.reports.recv().unwrap();
    assert_eq!(report.end, SenderOutcome::Done);
    assert!(report.stats.forgeries > 0, "{report:?}");
    assert!(report.stats.data_bytes_sent <= 4 << 20);
}
