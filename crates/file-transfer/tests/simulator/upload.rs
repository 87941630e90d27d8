//! An upload in virtual time: a client that sends, a node that receives, and the path between them. The
//! handshake is over when it begins. Both ends do what the real program's threads do.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use file_transfer::proto::ecn::Ecn;
use file_transfer::proto::front_door::{
    DoorRandomness, FrontDoor, FrontDoorOutput, NewSession, OpenedTicket,
};
use file_transfer::proto::handshake::{ClientHandshake, Established};
use file_transfer::proto::hello::WelcomeBody;
use file_transfer::proto::keys::CipherSuites;
use file_transfer::proto::receiver::Receiver;
use file_transfer::proto::sender::{Batch, CongestionChoice, Sender, SenderConfig, SessionSeed};
use file_transfer::range_set::RangeSet;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::link::{Address, Link, LinkConfig, Parcel};

const UNIX: u64 = 1_700_000_000;
const SECRET: [u8; 32] = [0x5e; 32];
const TICKET: [u8; 400] = [0x71; 400];
const SUITES: CipherSuites = CipherSuites { aes: true };
const WINDOW: u64 = 2 << 20;
/// What a batch can take at most.
const BATCH_BYTES_MAX: usize = 65_535;
/// More than any of these takes.
const STEPS_MAX: u64 = 4_000_000;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct UploadScenario {
    pub(crate) seed: u64,
    pub(crate) size: u64,
    /// From the client to the node, and back.
    pub(crate) up: LinkConfig,
    pub(crate) down: LinkConfig,
    pub(crate) congestion: CongestionChoice,
}

/// What came from an address and what went there since the client was elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: usize,
    pub(crate) bytes_out: usize,
}

pub(crate) struct Upload {
    epoch: Instant,
    pub(crate) now: Duration,
    pub(crate) up: Link,
    pub(crate) down: Link,
    /// Where the client seems to be: a NAT may change it without the client's knowing.
    pub(crate) address: Address,
    pub(crate) client: Sender<()>,
    pub(crate) node: Receiver<Address>,
    file: Vec<u8>,
    copy: Vec<u8>,
    batch: Batch,
    outgoing: Vec<u8>,
    /// By address.
    pub(crate) traffic: BTreeMap<Address, Traffic>,
    pub(crate) finished_at: Option<Duration>,
}

impl Upload {
    pub(crate) fn new(scenario: &UploadScenario) -> Self {
        let mut random = Pcg64::seed_from_u64(scenario.seed);
        let mut file = vec![0; scenario.size as usize];
        random.fill_bytes(&mut file);
        let (epoch, seed) = (Instant::now(), SessionSeed::new(random.next_u64()));
        let (client, session, first) = shake_hands(epoch, scenario, seed);
        let server = Established {
            session_id: session.session_id,
            keys: session.keys,
            file: session.file,
            rtt: None,
            round_trip_hint: None,
        };
        let peer = (session.peer, SessionSeed::new(random.next_u64()));
        let missing = RangeSet::of(0..scenario.size);
        let mut up = Link::new(scenario.up.clone(), random.next_u64());
        // It takes its time, as whatever follows it: the round trip is measured by it.
        up.send(Duration::ZERO, parcel(session.peer, Ecn::NotEct, &first));
        Self {
            epoch,
            now: Duration::ZERO,
            up,
            down: Link::new(scenario.down.clone(), random.next_u64()),
            address: session.peer,
            client,
            node: Receiver::new(epoch, server, peer, missing, WINDOW),
            copy: vec![0; file.len()],
            file,
            batch: Batch::new(),
            outgoing: vec![0; BATCH_BYTES_MAX],
            traffic: BTreeMap::new(),
            finished_at: None,
        }
    }

    /// The client's machine goes on from another address, and knows it.
    pub(crate) fn move_client(&mut self, to: Address, is_other_path: bool) {
        self.address = to;
        self.client.moved(self.epoch + self.now, is_other_path);
    }

    /// Until both ends are through.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if self.is_over() || !self.step() {
                break;
            }
        }
        let (outcome, stats) = (self.client.outcome(), self.client.stats());
        assert!(self.finished_at.is_some(), "at {:?}: {outcome:?} {stats:?}", self.now);
        assert!(self.copy == self.file, "bytes differ");
    }

    /// Until the given virtual time.
    pub(crate) fn run_until(&mut self, time: Duration) {
        while self.next_event().is_some_and(|at| at <= time) && self.step() {}
        self.now = self.now.max(time);
    }

    fn is_over(&self) -> bool {
        self.client.is_drained(self.epoch + self.now) && self.node.is_drained()
    }

    fn next_event(&self) -> Option<Duration> {
        let timers = [self.client.poll_timeout(self.epoch + self.now), self.node.poll_timeout()];
        let timers = timers.into_iter().flatten();
        let timers = timers.map(|at| at.saturating_duration_since(self.epoch));
        timers.chain(self.up.next_arrival()).chain(self.down.next_arrival()).min()
    }

    /// Goes to the next event; `false` if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let Some(at) = self.next_event() else { return false };
        // A timer that is not served would stand still here for ever.
        self.now = self.now.max(at) + Duration::from_nanos(1);
        let now = self.epoch + self.now;
        while let Some(mut parcel) = self.down.receive(self.now) {
            // What goes to where the client no longer is does not arrive.
            if parcel.client == self.address {
                self.client.handle_datagram(now, (), &mut parcel.bytes);
            }
        }
        self.serve_client(now);
        while let Some(parcel) = self.up.receive(self.now) {
            self.node_receives(now, parcel);
        }
        self.serve_node(now);
        true
    }

    fn serve_client(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        while let Some(length) = self.client.poll_transmit(now, &mut self.outgoing) {
            let ecn = self.client.ecn();
            self.up.send(self.now, parcel(self.address, ecn, &self.outgoing[..length]));
        }
        while self.client.poll_batch(now, 45, &mut self.batch) {
            for slot in self.batch.slots() {
                let start = slot.offset() as usize;
                let bytes = &self.file[start..start + slot.file_bytes()];
                self.outgoing[slot.payload()].copy_from_slice(bytes);
                self.client.seal(slot, &mut self.outgoing[slot.datagram()]);
                let (ecn, datagram) = (self.client.ecn(), &self.outgoing[slot.datagram()]);
                self.up.send(self.now, parcel(self.address, ecn, datagram));
            }
        }
    }

    fn node_receives(&mut self, now: Instant, mut parcel: Parcel) {
        let Parcel { client: from, .. } = parcel;
        self.traffic.entry(from).or_default().bytes_in += parcel.bytes.len();
        let (copy, before) = (&mut self.copy, self.node.peer());
        self.node.handle_datagram(now, from, parcel.ecn, &mut parcel.bytes, |offset, bytes| {
            let start = offset as usize;
            copy[start..start + bytes.len()].copy_from_slice(bytes);
        });
        if self.node.peer() != before {
            // Whatever was there before has to be proven anew.
            self.traffic.clear();
        }
    }

    fn serve_node(&mut self, now: Instant) {
        self.node.handle_timeout(now);
        if self.node.is_complete() && self.finished_at.is_none() {
            self.finished_at = Some(self.now);
            self.node.finish(now);
        }
        let mut out = [0; 1200];
        while let Some((to, length)) = self.node.poll_challenge(now, &mut out) {
            let traffic = self.traffic.entry(to).or_default();
            traffic.bytes_out += length;
            assert!(traffic.bytes_out <= traffic.bytes_in, "amplification to {to}: {traffic:?}");
            self.down.send(self.now, parcel(to, Ecn::NotEct, &out[..length]));
        }
        while let Some(length) = self.node.poll_transmit(now, &mut out) {
            let peer = self.node.peer();
            self.down.send(self.now, parcel(peer, Ecn::NotEct, &out[..length]));
        }
    }
}

fn parcel(client: Address, ecn: Ecn, bytes: &[u8]) -> Parcel {
    Parcel { client, ecn, bytes: bytes.to_vec() }
}

/// From HELLO to the packet that proves the client's address, which is 0: both ends of the session, and
/// that packet.
fn shake_hands(
    now: Instant,
    scenario: &UploadScenario,
    seed: SessionSeed,
) -> (Sender<()>, NewSession<Address, ()>, Vec<u8>) {
    let mut door = FrontDoor::new(SUITES);
    let mut take = |datagram: &[u8]| {
        let randomness = DoorRandomness { session_id: 7, server_random: [9; 32] };
        let file = WelcomeBody { file_bytes: scenario.size, modified_ns: 1 };
        door.handle_datagram(now, UNIX, 0, datagram, randomness, |_| {
            let expires_at_unix = UNIX + 60;
            Some(OpenedTicket { secret: SECRET, file, expires_at_unix, grant: () })
        })
    };
    let mut handshake = ClientHandshake::new(&TICKET, SECRET, [3; 32], SUITES).unwrap();
    let FrontDoorOutput::Reply(mut welcome) = take(handshake.hello()) else { panic!("no WELCOME") };
    let established = handshake.handle_datagram(now, &mut welcome).unwrap();
    let config = SenderConfig {
        session_id: established.session_id,
        peer: (),
        same_host: |(), ()| true,
        keys: established.keys,
        file_bytes: scenario.size,
        bytes_max: scenario.size * 100 + (64 << 20),
        datagram_bytes_max: 1452,
        rtt: None,
        seed,
        controller: scenario.congestion.controller(1200, seed.for_congestion()),
    };
    let mut client = Sender::new(now, config);
    client.speak_first();
    let mut first = vec![0; 1500];
    let length = client.poll_transmit(now, &mut first).unwrap();
    first.truncate(length);
    let FrontDoorOutput::Confirmed(session) = take(&first) else { panic!("no session") };
    (client, *session, first)
}
