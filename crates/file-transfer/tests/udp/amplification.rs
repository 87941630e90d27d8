//! An amplification meter: what goes out to an address that has proven nothing is never more than
//! what came in from it, whatever it says, in whatever order.

use std::net::UdpSocket;
use std::time::Duration;

use file_transfer::proto::handshake::ClientHandshake;
use file_transfer::proto::hello::{HELLO_BYTES, TYPE_HELLO};
use file_transfer::proto::keys::CipherSuites;
use file_transfer::proto::limits::{STARTS_PER_TICKET_MAX, WELCOMES_PER_START_MAX};
use file_transfer::ticket::TicketKey;
use file_transfer::udp::ReceiveConfig;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::udp_node::{OfferedFile, UdpNode, unix_now};

/// Addresses that talk to one node, each of which has proven nothing.
struct Meter {
    node: UdpNode,
    file: OfferedFile,
    addresses: Vec<Metered>,
    /// Says HELLO after everybody else: what it hears was decided after all that they said.
    fence: UdpSocket,
    fences: u64,
}

/// One address.
struct Metered {
    socket: UdpSocket,
    bytes_in: usize,
    answers: Vec<Vec<u8>>,
}

impl Meter {
    fn new(addresses: usize) -> Self {
        let node = UdpNode::start();
        let file = node.offer(1, 100_000);
        let fence = UdpSocket::bind("127.0.0.1:0").unwrap();
        fence.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let bind = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            Metered { socket, bytes_in: 0, answers: Vec::new() }
        };
        Self { node, file, addresses: (0..addresses).map(bind).collect(), fence, fences: 0 }
    }

    /// A HELLO with a ticket of its own.
    fn hello(&self) -> Vec<u8> {
        hello_of(&self.node.config(&self.file, 1), 3)
    }

    /// Says something to the node, and measures.
    fn say(&mut self, address: usize, datagram: &[u8]) {
        let metered = &mut self.addresses[address];
        metered.socket.send_to(datagram, self.node.address()).unwrap();
        metered.bytes_in += datagram.len();
        self.measure();
    }

    /// Waits until the node has decided about everything that was said, and looks at its answers.
    #[track_caller]
    fn measure(&mut self) {
        self.fences += 1;
        let config = self.node.config(&self.file, 1 << 32 | self.fences);
        self.fence.send_to(&hello_of(&config, 4), self.node.address()).unwrap();
        self.fence.recv(&mut [0; 1500]).unwrap();
        self.collect();
    }

    #[track_caller]
    fn collect(&mut self) {
        let mut buffer = [0; 1 << 16];
        for (number, metered) in self.addresses.iter_mut().enumerate() {
            while let Ok(bytes) = metered.socket.recv(&mut buffer) {
                metered.answers.push(buffer[..bytes].to_vec());
            }
            let bytes_out: usize = metered.answers.iter().map(Vec::len).sum();
            let bytes_in = metered.bytes_in;
            assert!(bytes_out <= bytes_in, "{bytes_out} out for {bytes_in} in at {number}");
        }
    }

    fn answers(&self, address: usize) -> &[Vec<u8>] {
        &self.addresses[address].answers
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Nothing comes later either, by a timer.
            std::thread::sleep(Duration::from_millis(700));
            self.collect();
            assert_eq!(self.node.server.session_count(), 0, "nobody has proven an address");
        }
    }
}

fn hello_of(config: &ReceiveConfig, random: u8) -> Vec<u8> {
    let suites = CipherSuites { aes: false };
    let client = ClientHandshake::new(&config.ticket, config.secret, [random; 32], suites).unwrap();
    client.hello().to_vec()
}

#[test]
fn a_hello_again_and_again() {
    let mut meter = Meter::new(1);
    let hello = meter.hello();
    (0..50).for_each(|_| meter.say(0, &hello));
    assert_eq!(meter.answers(0).len(), WELCOMES_PER_START_MAX as usize, "the meter sees answers");
}

#[test]
fn one_hello_from_many_addresses() {
    let mut meter = Meter::new(8);
    let hello = meter.hello();
    (0..40).for_each(|turn| meter.say(turn % 8, &hello));
    let answered = (0..8).filter(|address| !meter.answers(*address).is_empty());
    assert_eq!(answered.collect::<Vec<_>>(), [0], "only where it came from first");
}

#[test]
fn one_ticket_started_again_and_again() {
    let mut meter = Meter::new(2);
    let config = meter.node.config(&meter.file, 1);
    for random in 0..60 {
        meter.say(usize::from(random % 2), &hello_of(&config, random));
    }
    let answers = meter.answers(0).len() + meter.answers(1).len();
    assert_eq!(answers, STARTS_PER_TICKET_MAX);
}

#[test]
fn a_ticket_for_each_hello() {
    let mut meter = Meter::new(3);
    for turn in 0..60 {
        let hello = meter.hello();
        meter.say(turn % 3, &hello);
    }
}

#[test]
fn a_hello_of_another_length() {
    let mut meter = Meter::new(1);
    let hello = meter.hello();
    for length in (0..HELLO_BYTES).step_by(97).chain([HELLO_BYTES - 1]) {
        meter.say(0, &hello[..length]);
    }
    for longer in [1, 252, 8_000] {
        meter.say(0, &[hello.as_slice(), &vec![0; longer]].concat());
    }
    assert_eq!(meter.answers(0), Vec::<Vec<u8>>::new());
}

#[test]
fn tickets_that_are_good_for_nothing() {
    let mut meter = Meter::new(1);
    let other_key = TicketKey::from_bytes([8; 32]).unwrap();
    let (node, file) = (&meter.node, &meter.file);
    let expired = node.config_by(&node.key, unix_now() - 1, file, 1);
    let anothers = node.config_by(&other_key, unix_now() + 60, file, 1);
    let wrong_secret = ReceiveConfig { secret: [0; 32], ..node.config(file, 1) };
    let ended = node.config(file, 77);
    node.server.end_login(77);
    for config in [expired, anothers, wrong_secret, ended] {
        let hello = hello_of(&config, 5);
        (0..5).for_each(|_| meter.say(0, &hello));
    }
    assert_eq!(meter.answers(0), Vec::<Vec<u8>>::new());
}

/// The session id stands open in WELCOME: what names it without its keys is no proof.
#[test]
fn packets_of_a_session_without_its_keys() {
    let mut meter = Meter::new(2);
    let mut chance = Pcg64::seed_from_u64(1);
    let hello = meter.hello();
    meter.say(0, &hello);
    let session_id = meter.answers(0)[0][4..12].to_vec();
    for kind in 0x10..=0x17 {
        let mut forged = vec![kind];
        forged.extend(&session_id);
        forged.resize(9 + chance.next_u32() as usize % 1400, 0);
        chance.fill_bytes(&mut forged[9..]);
        meter.say(0, &forged);
        meter.say(1, &forged);
    }
    assert_eq!((meter.answers(0).len(), meter.answers(1).len()), (1, 0));
}

/// Anything after anything else, from anywhere.
#[test]
fn everything_in_any_order() {
    for seed in 0..4 {
        let mut meter = Meter::new(4);
        let mut chance = Pcg64::seed_from_u64(seed);
        let mut said: Vec<Vec<u8>> = vec![meter.hello()];
        for _ in 0..60 {
            let address = chance.next_u32() as usize % 4;
            let old = said[chance.next_u32() as usize % said.len()].clone();
            let datagram = match chance.next_u32() % 5 {
                0 => meter.hello(),
                1 => old,
                2 => old.into_iter().rev().collect(),
                3 => {
                    let mut damaged = old;
                    let at = chance.next_u32() as usize % damaged.len().max(1);
                    damaged.iter_mut().skip(at).take(2).for_each(|byte| *byte ^= 0x55);
                    damaged
                }
                _ => vec![TYPE_HELLO; chance.next_u32() as usize % 3_000],
            };
            meter.say(address, &datagram);
            said.push(datagram);
        }
    }
}
