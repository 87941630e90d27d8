//! The two ends of one transfer. They do what the real program's threads do, in the calling order
//! that the types document.

use std::time::{Duration, Instant};

use file_transfer::proto::ecn::Ecn;
use file_transfer::proto::front_door::{
    DoorRandomness, FrontDoor, FrontDoorOutput, NewSession, OpenedTicket,
};
use file_transfer::proto::handshake::ClientHandshake;
use file_transfer::proto::hello::WelcomeBody;
use file_transfer::proto::keys::CipherSuites;
use file_transfer::proto::limits::{MISSING_RANGES_MAX, PENDING_MAX, TRACKED_NUMBERS_MAX};
use file_transfer::proto::receiver::Receiver;
use file_transfer::proto::sender::{Batch, Sender, SenderConfig, SessionSeed};
use file_transfer::range_set::RangeSet;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::link::{Address, Parcel};
use crate::world::{Network, Report, Scenario};

const UNIX_START: u64 = 1_700_000_000;
const SECRET: [u8; 32] = [0x5e; 32];
const TICKET: [u8; 400] = [0x71; 400];
/// What a batch can take at most.
const BATCH_BYTES_MAX: usize = 65_535;

pub(crate) struct Flow {
    scenario: Scenario,
    random: Pcg64,
    /// Where the client is now.
    pub(crate) address: Address,
    file: Vec<u8>,
    /// The client's copy, and which bytes of it were written.
    pub(crate) copy: Vec<u8>,
    written: RangeSet,
    handshake: ClientHandshake,
    pub(crate) receiver: Option<Receiver<()>>,
    pub(crate) door: FrontDoor<Address, ()>,
    pub(crate) sender: Option<Sender<Address>>,
    batch: Batch,
    outgoing: Vec<u8>,
    starts: u32,
    /// How far the server's wall clock, which tickets expire by, is off.
    pub(crate) wall_clock_ahead: i64,
    /// Bytes from and to an address that is not validated.
    unvalidated_in: u64,
    unvalidated_out: u64,
    /// Whether the client finishes by itself when it has everything.
    pub(crate) finishes: bool,
    finished_at: Option<Duration>,
}

impl Flow {
    /// The transfer with this place among those that share a path.
    pub(crate) fn new(index: usize, scenario: &Scenario) -> Self {
        let mut random = Pcg64::seed_from_u64(!scenario.seed);
        let mut file = vec![0; usize::try_from(scenario.size).unwrap()];
        random.fill_bytes(&mut file);
        let missing = missing(scenario);
        let mut copy = file.clone();
        for range in missing.iter() {
            copy[range.start as usize..range.end as usize].fill(0);
        }
        let mut written = RangeSet::of(0..scenario.size);
        written.remove_all(&missing);
        Self {
            handshake: new_handshake(&mut random, scenario.aes),
            random,
            address: (index as Address) << 4,
            file,
            copy,
            written,
            receiver: None,
            door: FrontDoor::new(CipherSuites { aes: scenario.aes }),
            sender: None,
            batch: Batch::new(),
            outgoing: vec![0; BATCH_BYTES_MAX],
            starts: 1,
            wall_clock_ahead: 0,
            unvalidated_in: 0,
            unvalidated_out: 0,
            finishes: true,
            finished_at: None,
            scenario: scenario.clone(),
        }
    }

    pub(crate) fn report(&self, now: Duration) -> Report {
        Report {
            time: self.finished_at.unwrap_or(now).saturating_sub(self.scenario.starts_at),
            client: self.receiver.as_ref().and_then(|receiver| receiver.outcome().cloned()),
            server: self.sender.as_ref().and_then(|sender| sender.outcome().cloned()),
            receiver: self.receiver.as_ref().map(Receiver::stats).unwrap_or_default(),
            sender: self.sender.as_ref().map(Sender::stats).unwrap_or_default(),
            starts: self.starts,
        }
    }

    /// The client's copy equals the file, and each missing byte was written.
    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        let seed = self.scenario.seed;
        assert_eq!(self.written, RangeSet::of(0..self.scenario.size), "seed {seed}: bytes missing");
        assert!(self.copy == self.file, "seed {seed}: bytes differ");
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let client_is_over = self.receiver.as_ref().is_some_and(Receiver::is_drained);
        let server_is_over = self.sender.as_ref().is_none_or(|sender| sender.is_drained(now));
        client_is_over && server_is_over
    }

    /// When one of its ends has something to do by itself.
    pub(crate) fn next_event(&self, network: &Network) -> Option<Duration> {
        let client = match &self.receiver {
            Some(receiver) => receiver.poll_timeout(),
            None => self.handshake.poll_timeout(),
        };
        let server = self.sender.as_ref().and_then(|sender| sender.poll_timeout(network.instant()));
        let timers = [client, server].into_iter().flatten().map(|at| network.since_epoch(at));
        let has_begun = self.receiver.is_some() || self.handshake.poll_timeout().is_some();
        let start = (!has_begun).then_some(network.now.max(self.scenario.starts_at));
        timers.chain(start).min()
    }

    /// The client goes on from another address, unless its session is only about to begin.
    pub(crate) fn move_if_confirmed(&mut self, address: Address) {
        if self.sender.is_some() {
            self.address = address;
        }
    }

    pub(crate) fn serve_client(&mut self, network: &mut Network) {
        if network.now < self.scenario.starts_at {
            return;
        }
        let now = network.instant();
        let Some(receiver) = &mut self.receiver else {
            self.handshake.handle_timeout(now);
            if self.handshake.is_timed_out() {
                self.handshake = new_handshake(&mut self.random, self.scenario.aes);
                self.starts += 1;
            }
            if let Some(hello) = self.handshake.poll_transmit(now) {
                network.send_up(self.address, hello);
            }
            return;
        };
        receiver.handle_timeout(now);
        if self.finishes && receiver.is_complete() {
            receiver.finish(now);
            self.finished_at.get_or_insert(network.now);
        }
        let mut out = [0; 1500];
        while let Some(length) = receiver.poll_transmit(now, &mut out) {
            network.send_up(self.address, &out[..length]);
        }
        assert!(receiver.missing().range_count() <= MISSING_RANGES_MAX + 1);
    }

    pub(crate) fn client_receives(&mut self, network: &Network, mut parcel: Parcel) {
        if parcel.client != self.address {
            // Sent to where the client no longer is.
            return;
        }
        let now = network.instant();
        let Some(receiver) = &mut self.receiver else {
            if let Some(established) = self.handshake.handle_datagram(now, &mut parcel.bytes) {
                assert_eq!(established.file.file_bytes, self.scenario.size);
                let missing = missing(&self.scenario);
                let window = self.scenario.window;
                let seed = SessionSeed::new(self.scenario.seed);
                self.receiver = Some(Receiver::new(now, established, ((), seed), missing, window));
            }
            return;
        };
        let (copy, written) = (&mut self.copy, &mut self.written);
        receiver.handle_datagram(now, (), parcel.ecn, &mut parcel.bytes, |offset, bytes| {
            let start = usize::try_from(offset).unwrap();
            copy[start..start + bytes.len()].copy_from_slice(bytes);
            let range = offset..offset + bytes.len() as u64;
            assert_eq!(written.first_in(&range), None, "a byte was delivered twice");
            written.insert(range);
        });
    }

    pub(crate) fn serve_server(&mut self, network: &mut Network) {
        let now = network.instant();
        let Some(sender) = &mut self.sender else { return };
        sender.handle_timeout(now);
        while let Some((to, length)) = sender.poll_challenge(now, &mut self.outgoing) {
            network.send_down(to, sender.ecn(), &self.outgoing[..length]);
        }
        let peer = sender.peer();
        while let Some(length) = sender.poll_transmit(now, &mut self.outgoing) {
            network.send_down(peer, sender.ecn(), &self.outgoing[..length]);
        }
        while sender.poll_batch(now, self.scenario.segments_max, &mut self.batch) {
            let last = self.batch.slots().len() - 1;
            for (index, slot) in self.batch.slots().iter().enumerate() {
                let start = usize::try_from(slot.offset()).unwrap();
                let bytes = &self.file[start..start + slot.file_bytes()];
                self.outgoing[slot.payload()].copy_from_slice(bytes);
                sender.seal(slot, &mut self.outgoing[slot.datagram()]);
                let size = slot.datagram().len();
                let segment = self.batch.segment_bytes();
                assert!(size == segment || (index == last && size < segment));
                network.send_down(peer, sender.ecn(), &self.outgoing[slot.datagram()]);
            }
        }
        assert!(sender.stats().tracked_numbers <= TRACKED_NUMBERS_MAX + 64);
    }

    pub(crate) fn server_receives(&mut self, network: &mut Network, mut parcel: Parcel) {
        let now = network.instant();
        let datagram = &mut parcel.bytes;
        if let Some(sender) = &mut self.sender
            && datagram.first() != Some(&0x01)
        {
            // The session's own socket takes what its peer sends.
            return sender.handle_datagram(now, parcel.client, datagram);
        }
        let randomness = DoorRandomness {
            session_id: self.random.next_u64(),
            server_random: std::array::from_fn(|_| self.random.next_u32().to_le_bytes()[0]),
        };
        let file = WelcomeBody { file_bytes: self.scenario.size, modified_ns: 1 };
        let unix_now = UNIX_START + network.now.as_secs();
        let unix_now = unix_now.saturating_add_signed(self.wall_clock_ahead);
        self.unvalidated_in += datagram.len() as u64;
        let output = self.door.handle_datagram(
            now,
            unix_now,
            parcel.client,
            datagram,
            randomness,
            |ticket| {
                (*ticket == TICKET).then_some(OpenedTicket {
                    secret: SECRET,
                    file,
                    expires_at_unix: UNIX_START + 3600,
                    grant: (),
                })
            },
        );
        match output {
            FrontDoorOutput::Nothing => {}
            FrontDoorOutput::Reply(welcome) => {
                self.unvalidated_out += welcome.len() as u64;
                network.send_down(parcel.client, Ecn::NotEct, &welcome);
            }
            FrontDoorOutput::Confirmed(session) => self.let_in(now, *session, datagram),
            FrontDoorOutput::BelongsTo(_) => {
                if let Some(sender) = &mut self.sender {
                    sender.handle_datagram(now, parcel.client, datagram);
                }
            }
        }
        assert!(self.unvalidated_out <= self.unvalidated_in, "amplification");
        assert!(self.door.start_count() <= PENDING_MAX);
    }

    fn let_in(&mut self, now: Instant, session: NewSession<Address, ()>, first: &mut [u8]) {
        let seed = SessionSeed::new(self.random.next_u64());
        let config = SenderConfig {
            session_id: session.session_id,
            peer: session.peer,
            same_host: |one, other| one >> 2 == other >> 2,
            keys: session.keys,
            file_bytes: session.file.file_bytes,
            bytes_max: self.scenario.size * 100 + (64 << 20),
            datagram_bytes_max: session.datagram_bytes_max,
            rtt: session.rtt,
            seed,
            controller: self.scenario.congestion.controller(1200, seed.for_congestion()),
        };
        let mut sender = Sender::new(now, config);
        sender.handle_datagram(now, session.peer, first);
        self.sender = Some(sender);
    }
}

fn missing(scenario: &Scenario) -> RangeSet {
    scenario.missing.clone().unwrap_or_else(|| RangeSet::of(0..scenario.size))
}

fn new_handshake(random: &mut Pcg64, aes: bool) -> ClientHandshake {
    let mut client_random = [0; 32];
    random.fill_bytes(&mut client_random);
    ClientHandshake::new(&TICKET, SECRET, client_random, CipherSuites { aes }).unwrap()
}
