//! Flights across the borders of key generations, in both directions, which a transfer reaches only
//! after six gigabytes: the numbers in between are left out here.

use std::time::{Duration, Instant};

use super::ecn::Ecn;
use super::handshake::Established;
use super::hello::WelcomeBody;
use super::keys::{CipherSuite, SessionSecrets};
use super::limits::GENERATION_SHIFT;
use super::receiver::{Receiver, ReceiverOutcome};
use super::sender::{Batch, CongestionChoice, Sender, SenderConfig, SenderOutcome, SessionSeed};
use crate::range_set::RangeSet;

const FLIGHT: u64 = 300_000;
const GENERATIONS: u64 = 5;

struct Pair {
    sender: Sender<()>,
    receiver: Receiver<()>,
    now: Instant,
    delivered: u64,
    /// One datagram of the sender from each flight.
    captured: Vec<Vec<u8>>,
}

impl Pair {
    fn new(suite: CipherSuite) -> Self {
        let secrets = SessionSecrets::derive(&[1; 32], b"hello", 7, &[2; 32]);
        let now = Instant::now();
        let rtt = Some(Duration::from_millis(2));
        let config = SenderConfig {
            session_id: 7,
            peer: (),
            same_host: |(), ()| true,
            keys: secrets.server_keys(suite),
            file_bytes: FLIGHT,
            bytes_max: u64::MAX,
            datagram_bytes_max: 1452,
            rtt,
            seed: SessionSeed::new(3),
            controller: CongestionChoice::Cubic.controller(1200, 3),
        };
        let established = Established {
            session_id: 7,
            keys: secrets.client_keys(suite),
            file: WelcomeBody { file_bytes: FLIGHT, modified_ns: 0 },
            rtt,
            round_trip_hint: rtt,
        };
        let missing = RangeSet::of(0..FLIGHT);
        Self {
            sender: Sender::new(now, config),
            receiver: Receiver::new(now, established, ((), SessionSeed::new(4)), missing, 1 << 20),
            now,
            delivered: 0,
            captured: Vec::new(),
        }
    }

    /// A millisecond in which everything that is sent arrives.
    fn turn(&mut self) {
        self.now += Duration::from_millis(1);
        let mut out = [0; 1500];
        self.receiver.handle_timeout(self.now);
        while let Some(length) = self.receiver.poll_transmit(self.now, &mut out) {
            self.sender.handle_datagram(self.now, (), &mut out[..length]);
        }
        self.sender.handle_timeout(self.now);
        while let Some(length) = self.sender.poll_transmit(self.now, &mut out) {
            self.receive(&mut out[..length]);
        }
        let (mut batch, mut buffer) = (Batch::new(), vec![0; 65_535]);
        while self.sender.poll_batch(self.now, 45, &mut batch) {
            for slot in batch.slots() {
                let datagram = &mut buffer[slot.datagram()];
                self.sender.seal(slot, datagram);
            }
            self.captured.push(buffer[batch.slots()[0].datagram()].to_vec());
            for slot in batch.slots() {
                self.receive(&mut buffer[slot.datagram()]);
            }
        }
    }

    fn receive(&mut self, datagram: &mut [u8]) {
        let delivered = &mut self.delivered;
        self.receiver.handle_datagram(self.now, (), Ecn::NotEct, datagram, |_, bytes| {
            *delivered += bytes.len() as u64;
        });
    }

    #[track_caller]
    fn run_until(&mut self, over: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            if over(self) {
                return;
            }
            self.turn();
        }
        panic!("no end in sight: {:?} {:?}", self.sender.stats(), self.receiver.stats());
    }
}

#[track_caller]
fn check(suite: CipherSuite) {
    let mut pair = Pair::new(suite);
    pair.run_until(|pair| pair.receiver.is_complete());
    for generation in 1..=GENERATIONS {
        pair.run_until(|pair| pair.sender.stats().bytes_in_flight == 0);
        let border = generation << GENERATION_SHIFT;
        pair.sender.leave_out_numbers_to(border - 50);
        pair.receiver.leave_out_numbers_to(border - 5);
        pair.receiver.request(pair.now, 0..FLIGHT);
        pair.run_until(|pair| pair.receiver.is_complete());
        let (sent, received) = (pair.sender.stats(), pair.receiver.stats());
        assert_eq!((sent.forgeries, received.forgeries), (0, 0), "generation {generation}");
        assert_eq!(pair.delivered, (generation + 1) * FLIGHT);
    }
    // What is that old is dropped before a key would have to be derived for it.
    for mut datagram in std::mem::take(&mut pair.captured) {
        pair.receive(&mut datagram);
    }
    assert_eq!(pair.delivered, (GENERATIONS + 1) * FLIGHT);
    pair.receiver.finish(pair.now);
    pair.run_until(|pair| pair.receiver.outcome() == Some(&ReceiverOutcome::Done));
    assert_eq!(pair.sender.outcome(), Some(&SenderOutcome::Done));
}

#[test]
fn generations_of_keys_follow_each_other_under_way() {
    check(CipherSuite::Aes128Gcm);
    check(CipherSuite::ChaCha20Poly1305);
}
