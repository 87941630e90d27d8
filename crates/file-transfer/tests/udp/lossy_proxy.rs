//! A bad network path on loopback: a UDP proxy that loses, delays, reorders, repeats and damages.
//!
//! The fate of the n-th datagram of a direction follows from the seed alone. One client at a time:
//! what the server sends goes to whoever wrote last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

const DATAGRAM_BYTES_MAX: usize = 1 << 16;

/// The path, the same both ways. Shares are between 0 and 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) seed: u64,
    /// Share of datagrams that never arrive.
    pub(crate) loss: f64,
    /// Share that arrives twice.
    pub(crate) repetition: f64,
    /// Share in which one bit is flipped.
    pub(crate) corruption: f64,
    /// Share that is held back by `reorder_delay` while later ones pass.
    pub(crate) reordering: f64,
    pub(crate) reorder_delay: Duration,
    /// One-way delay of all.
    pub(crate) delay: Duration,
}

impl Conditions {
    /// Everything arrives, once and in order.
    pub(crate) const PERFECT: Self = Self {
        seed: 1,
        loss: 0.0,
        repetition: 0.0,
        corruption: 0.0,
        reordering: 0.0,
        reorder_delay: Duration::ZERO,
        delay: Duration::ZERO,
    };
}

/// What the proxy did, both directions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) arrived: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) corrupted: u64,
    pub(crate) reordered: u64,
}

/// What the proxy saw.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) counts: Counts,
    /// Every datagram the client sent, as it sent it.
    pub(crate) of_client: Vec<Vec<u8>>,
}

/// A running proxy; dropping it stops its thread.
#[derive(Debug)]
pub(crate) struct LossyProxy {
    address: SocketAddr,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<Journal>>,
}

impl LossyProxy {
    /// Starts a proxy in front of `server`.
    pub(crate) fn start(server: SocketAddr, conditions: Conditions) -> Self {
        let client_side = roomy_socket();
        let address = client_side.local_addr().unwrap();
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        let path = Path {
            sockets: [roomy_socket(), client_side],
            targets: [Some(server), None],
            directions: [1, 2].map(|stream| Pcg64::seed_from_u64(conditions.seed * 2 + stream)),
            conditions,
            under_way: BinaryHeap::new(),
            journal: Journal::default(),
        };
        let stopped = stop.clone();
        let thread = Some(std::thread::spawn(move || path.run(&stopped)));
        Self { address, stop, thread }
    }

    /// Where clients send to instead of to the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops, and tells what passed.
    pub(crate) fn stop(mut self) -> Journal {
        self.join().unwrap()
    }

    fn join(&mut self) -> Option<Journal> {
        rustix::io::write(&*self.stop, &1_u64.to_ne_bytes()).unwrap();
        self.thread.take().map(|thread| thread.join().unwrap())
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.join();
        }
    }
}

/// Which way a datagram goes; also the index of the socket it leaves by.
const TO_SERVER: usize = 0;
const TO_CLIENT: usize = 1;

/// A datagram on its way. Ordered by the time it arrives, then by the time it was sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Instant,
    serial: u64,
    direction: usize,
    bytes: Vec<u8>,
}

struct Path {
    sockets: [UdpSocket; 2],
    targets: [Option<SocketAddr>; 2],
    directions: [Pcg64; 2],
    conditions: Conditions,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    journal: Journal,
}

impl Path {
    fn run(mut self, stop: &OwnedFd) -> Journal {
        while !self.wait(stop) {
            self.take(TO_CLIENT);
            self.take(TO_SERVER);
            self.deliver(Instant::now());
        }
        self.journal
    }

    /// Waits for datagrams, for the next delivery or for the end; says whether it is the end.
    fn wait(&self, stop: &OwnedFd) -> bool {
        let next = self.under_way.peek().map(|Reverse(first)| first.due);
        let timeout = next
            .map(|due| Timespec::try_from(due.saturating_duration_since(Instant::now())).unwrap());
        let [server_side, client_side] = &self.sockets;
        let mut watched = [server_side.as_fd(), client_side.as_fd(), stop.as_fd()]
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        poll(&mut watched, timeout.as_ref()).unwrap();
        !watched[2].revents().is_empty()
    }

    /// Takes in all that waits to go in `direction`.
    fn take(&mut self, direction: usize) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let from = 1 - direction;
        // The error is "nothing waits", or a port that is closed: to the sender that is loss.
        while let Ok((bytes, sender)) = self.sockets[from].recv_from(&mut buffer) {
            if direction == TO_SERVER {
                self.targets[TO_CLIENT] = Some(sender);
                self.journal.of_client.push(buffer[..bytes].to_vec());
            }
            self.decide(direction, buffer[..bytes].to_vec());
        }
    }

    /// Decides what becomes of a datagram.
    fn decide(&mut self, direction: usize, mut bytes: Vec<u8>) {
        let Conditions { loss, repetition, corruption, reordering, .. } = self.conditions;
        let chance = &mut self.directions[direction];
        let [lost, repeated, corrupted, reordered] =
            [loss, repetition, corruption, reordering].map(|share| happens(chance, share));
        let flipped = chance.next_u64();

        self.journal.counts.arrived += 1;
        if lost {
            self.journal.counts.lost += 1;
            return;
        }
        if corrupted && !bytes.is_empty() {
            self.journal.counts.corrupted += 1;
            let at = usize::try_from(flipped).unwrap() % bytes.len();
            bytes[at] ^= 1 << (flipped >> 61);
        }
        let mut due = Instant::now() + self.conditions.delay;
        if reordered {
            self.journal.counts.reordered += 1;
            due += self.conditions.reorder_delay;
        }
        if repeated {
            self.journal.counts.repeated += 1;
            self.send_at(due, direction, bytes.clone());
        }
        self.send_at(due, direction, bytes);
    }

    fn send_at(&mut self, due: Instant, direction: usize, bytes: Vec<u8>) {
        let serial = self.journal.counts.arrived;
        self.under_way.push(Reverse(UnderWay { due, serial, direction, bytes }));
    }

    /// Sends on what has been under way for long enough.
    fn deliver(&mut self, now: Instant) {
        while self.under_way.peek().is_some_and(|Reverse(first)| first.due <= now) {
            let Some(Reverse(datagram)) = self.under_way.pop() else { return };
            if let Some(target) = self.targets[datagram.direction] {
                // A full buffer or a closed port is one more loss.
                let _ = self.sockets[datagram.direction].send_to(&datagram.bytes, target);
            }
        }
    }
}

/// True with the given probability.
fn happens(chance: &mut Pcg64, share: f64) -> bool {
    f64::from(chance.next_u32()) < share * f64::from(u32::MAX)
}

/// A non-blocking loopback socket that loses nothing by itself at a test's rates.
fn roomy_socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}
