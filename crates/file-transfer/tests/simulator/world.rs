//! A client and a server in virtual time, joined by two emulated links. It does what the real
//! program's threads do, in the calling order that the types document.

use std::time::{Duration, Instant};

use file_transfer::proto::ecn::Ecn;
use file_transfer::proto::front_door::{DoorRandomness, FrontDoor, FrontDoorOutput, OpenedTicket};
use file_transfer::proto::handshake::ClientHandshake;
use file_transfer::proto::hello::WelcomeBody;
use file_transfer::proto::keys::CipherSuites;
use file_transfer::proto::limits::{MISSING_RANGES_MAX, PENDING_MAX, TRACKED_NUMBERS_MAX};
use file_transfer::proto::receiver::{Receiver, ReceiverOutcome, ReceiverStats};
use file_transfer::proto::sender::{
    Batch, Cubic, Sender, SenderConfig, SenderOutcome, SenderStats,
};
use file_transfer::range_set::RangeSet;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use super::link::{Link, LinkConfig};

/// The one address the client has here.
pub(crate) const CLIENT: u8 = 1;
/// A transfer of 8 MiB in 6,000 packets takes some ten thousand steps where little is lost.
const STEPS_MAX: u64 = 1_000_000;
const UNIX_START: u64 = 1_700_000_000;
const SECRET: [u8; 32] = [0x5e; 32];
const TICKET: [u8; 400] = [0x71; 400];

/// One transfer to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) size: u64,
    /// From server to client, and back.
    pub(crate) down: LinkConfig,
    pub(crate) up: LinkConfig,
    /// What the client still needs; `None` for everything.
    pub(crate) missing: Option<RangeSet>,
    pub(crate) window: u64,
    pub(crate) aes: bool,
    pub(crate) segments_max: usize,
    /// Virtual time after which the test gives up.
    pub(crate) time_max: Duration,
}

impl Scenario {
    pub(crate) fn new(size: u64, seed: u64, link: &LinkConfig) -> Self {
        Self {
            seed,
            size,
            down: link.clone(),
            up: link.clone(),
            missing: None,
            window: 2 << 20,
            aes: true,
            segments_max: 45,
            time_max: Duration::from_secs(3600),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Report {
    /// When the client was done.
    pub(crate) time: Duration,
    pub(crate) client: Option<ReceiverOutcome>,
    pub(crate) server: Option<SenderOutcome>,
    pub(crate) receiver: ReceiverStats,
    pub(crate) sender: SenderStats,
    pub(crate) starts: u32,
}

pub(crate) struct World {
    scenario: Scenario,
    epoch: Instant,
    pub(crate) now: Duration,
    random: Pcg64,
    pub(crate) down: Link,
    pub(crate) up: Link,
    file: Vec<u8>,
    /// The client's copy, and which bytes of it were written.
    pub(crate) copy: Vec<u8>,
    written: RangeSet,
    handshake: ClientHandshake,
    pub(crate) receiver: Option<Receiver>,
    pub(crate) door: FrontDoor<u8, ()>,
    pub(crate) sender: Option<Sender>,
    batch: Batch,
    pub(crate) starts: u32,
    /// Bytes from and to an address that is not validated.
    unvalidated_in: u64,
    unvalidated_out: u64,
    /// Whether the client finishes by itself when it has everything.
    pub(crate) finishes: bool,
    finished_at: Option<Duration>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut random = Pcg64::seed_from_u64(scenario.seed);
        let mut file = vec![0; usize::try_from(scenario.size).unwrap()];
        random.fill_bytes(&mut file);
        let missing = scenario.missing.clone().unwrap_or_else(|| RangeSet::of(0..scenario.size));
        let mut copy = file.clone();
        for range in missing.iter() {
            copy[range.start as usize..range.end as usize].fill(0);
        }
        let mut written = RangeSet::of(0..scenario.size);
        written.remove_all(&missing);
        let handshake = new_handshake(&mut random, scenario.aes);
        Self {
            epoch: Instant::now(),
            now: Duration::ZERO,
            down: Link::new(scenario.down.clone(), random.next_u64()),
            up: Link::new(scenario.up.clone(), random.next_u64()),
            random,
            file,
            copy,
            written,
            handshake,
            receiver: None,
            door: FrontDoor::new(CipherSuites { aes: scenario.aes }),
            sender: None,
            batch: Batch::new(),
            starts: 1,
            unvalidated_in: 0,
            unvalidated_out: 0,
            finishes: true,
            finished_at: None,
            scenario: scenario.clone(),
        }
    }

    /// Runs until both ends are through, or the scenario's time is.
    pub(crate) fn run(&mut self) -> Report {
        let mut steps = 0;
        while !self.is_over() && self.step() {
            steps += 1;
            assert!(
                steps < STEPS_MAX,
                "no end in sight at {:?}: {:?} {:?}",
                self.now,
                self.sender,
                self.receiver
            );
        }
        self.report()
    }

    /// Runs until the given virtual time.
    pub(crate) fn run_until(&mut self, time: Duration) {
        while self.next_event().is_some_and(|at| at <= time) && self.step() {}
        self.now = self.now.max(time);
    }

    pub(crate) fn report(&self) -> Report {
        Report {
            time: self.finished_at.unwrap_or(self.now),
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

    fn is_over(&self) -> bool {
        let now = self.instant();
        let client_is_over = self.receiver.as_ref().is_some_and(Receiver::is_drained);
        let server_is_over = self.sender.as_ref().is_none_or(|sender| sender.is_drained(now));
        (client_is_over && server_is_over) || self.now >= self.scenario.time_max
    }

    pub(crate) fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    fn since_epoch(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }

    fn next_event(&self) -> Option<Duration> {
        let client = match &self.receiver {
            Some(receiver) => receiver.poll_timeout(),
            None => self.handshake.poll_timeout(),
        };
        let server = self.sender.as_ref().and_then(|sender| sender.poll_timeout(self.instant()));
        let timers = [client, server].into_iter().flatten().map(|at| self.since_epoch(at));
        let start = (self.receiver.is_none() && self.handshake.poll_timeout().is_none())
            .then_some(self.now);
        timers.chain(self.up.next_arrival()).chain(self.down.next_arrival()).chain(start).min()
    }

    /// Goes to the next event; `false` if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let Some(at) = self.next_event() else { return false };
        // A timer that is not served would stand still here for ever.
        self.now = self.now.max(at) + Duration::from_nanos(1);
        self.serve_client();
        self.serve_server();
        true
    }

    fn serve_client(&mut self) {
        let now = self.instant();
        while let Some(mut datagram) = self.down.receive(self.now) {
            self.client_receives(now, &mut datagram);
        }
        let mut out = [0; 1500];
        let Some(receiver) = &mut self.receiver else {
            self.handshake.handle_timeout(now);
            if self.handshake.is_timed_out() {
                self.handshake = new_handshake(&mut self.random, self.scenario.aes);
                self.starts += 1;
            }
            if let Some(hello) = self.handshake.poll_transmit(now) {
                self.up.send(self.now, hello);
            }
            return;
        };
        receiver.handle_timeout(now);
        if self.finishes && receiver.is_complete() {
            receiver.finish(now);
            self.finished_at.get_or_insert(self.now);
        }
        while let Some(length) = receiver.poll_transmit(now, &mut out) {
            self.up.send(self.now, &out[..length]);
        }
        assert!(receiver.missing().range_count() <= MISSING_RANGES_MAX + 1);
    }

    fn client_receives(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(receiver) = &mut self.receiver else {
            if let Some(established) = self.handshake.handle_datagram(now, datagram) {
                assert_eq!(established.file.file_bytes, self.scenario.size);
                let all = RangeSet::of(0..self.scenario.size);
                let missing = self.scenario.missing.clone().unwrap_or(all);
                let window = self.scenario.window;
                self.receiver = Some(Receiver::new(now, established, missing, window));
            }
            return;
        };
        let (copy, written) = (&mut self.copy, &mut self.written);
        receiver.handle_datagram(now, Ecn::Ect0, datagram, |offset, bytes| {
            let start = usize::try_from(offset).unwrap();
            copy[start..start + bytes.len()].copy_from_slice(bytes);
            let range = offset..offset + bytes.len() as u64;
            assert_eq!(written.first_in(&range), None, "a byte was delivered twice");
            written.insert(range);
        });
    }

    fn serve_server(&mut self) {
        let now = self.instant();
        while let Some(mut datagram) = self.up.receive(self.now) {
            self.server_receives(now, &mut datagram);
        }
        let Some(sender) = &mut self.sender else { return };
        sender.handle_timeout(now);
        let mut out = [0; 1500];
        while let Some(length) = sender.poll_transmit(now, &mut out) {
            self.down.send(self.now, &out[..length]);
        }
        let mut buffer = [0; 65_535];
        while sender.poll_batch(now, self.scenario.segments_max, &mut self.batch) {
            let last = self.batch.slots().len() - 1;
            for (index, slot) in self.batch.slots().iter().enumerate() {
                let start = usize::try_from(slot.offset()).unwrap();
                let bytes = &self.file[start..start + slot.file_bytes()];
                buffer[slot.payload()].copy_from_slice(bytes);
                sender.seal(slot, &mut buffer[slot.datagram()]);
                let size = slot.datagram().len();
                assert!(
                    size == self.batch.segment_bytes()
                        || (index == last && size < self.batch.segment_bytes())
                );
                self.down.send(self.now, &buffer[slot.datagram()]);
            }
        }
        assert!(sender.stats().tracked_numbers <= TRACKED_NUMBERS_MAX + 64);
    }

    pub(crate) fn server_receives(&mut self, now: Instant, datagram: &mut [u8]) {
        let randomness = DoorRandomness {
            session_id: self.random.next_u64(),
            server_random: std::array::from_fn(|_| self.random.next_u32().to_le_bytes()[0]),
        };
        let file = WelcomeBody { file_bytes: self.scenario.size, modified_ns: 1 };
        let unix_now = UNIX_START + self.now.as_secs();
        if let Some(sender) = &mut self.sender
            && datagram.first() != Some(&0x01)
        {
            // The session's own socket takes what its peer sends.
            return sender.handle_datagram(now, datagram);
        }
        self.unvalidated_in += datagram.len() as u64;
        let output =
            self.door.handle_datagram(now, unix_now, CLIENT, datagram, randomness, |ticket| {
                (*ticket == TICKET).then_some(OpenedTicket {
                    secret: SECRET,
                    file,
                    expires_at_unix: UNIX_START + 3600,
                    grant: (),
                })
            });
        match output {
            FrontDoorOutput::Nothing => {}
            FrontDoorOutput::Reply(welcome) => {
                self.unvalidated_out += welcome.len() as u64;
                self.down.send(self.now, &welcome);
            }
            FrontDoorOutput::Confirmed(session) => {
                let mut sender = Sender::new(
                    now,
                    SenderConfig {
                        session_id: session.session_id,
                        keys: session.keys,
                        file_bytes: session.file.file_bytes,
                        bytes_max: self.scenario.size * 100 + (64 << 20),
                        datagram_bytes_max: session.datagram_bytes_max,
                        rtt: session.rtt,
                        seed: self.random.next_u64(),
                        controller: Box::new(Cubic::new(1200)),
                    },
                );
                sender.handle_datagram(now, datagram);
                self.sender = Some(sender);
            }
            FrontDoorOutput::BelongsTo(_) => {
                if let Some(sender) = &mut self.sender {
                    sender.handle_datagram(now, datagram);
                }
            }
        }
        assert!(self.unvalidated_out <= self.unvalidated_in, "amplification");
        assert!(self.door.start_count() <= PENDING_MAX);
    }
}

fn new_handshake(random: &mut Pcg64, aes: bool) -> ClientHandshake {
    let mut client_random = [0; 32];
    random.fill_bytes(&mut client_random);
    ClientHandshake::new(&TICKET, SECRET, client_random, CipherSuites { aes }).unwrap()
}
