//! One direction of an emulated path: rate, queue, delay, loss, bursts of loss, reordering,
//! duplication, corruption, a size limit and outages. Everything comes from one seeded generator.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

/// What a path does to datagrams. Probabilities are per datagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkConfig {
    /// One-way delay.
    pub(crate) delay: Duration,
    /// Bytes a second; `None` for no limit.
    pub(crate) rate: Option<u64>,
    /// Bytes that may wait for the rate.
    pub(crate) queue_bytes: u64,
    pub(crate) loss: f64,
    /// Probability to enter, and to leave, a state in which everything is lost (Gilbert's model).
    pub(crate) burst: Option<(f64, f64)>,
    /// Probability of an extra delay of up to the given time, which reorders.
    pub(crate) reorder: Option<(f64, Duration)>,
    pub(crate) duplicate: f64,
    /// Probability that a bit is flipped, the end is cut off, or junk is put in its place.
    pub(crate) corrupt: f64,
    /// Larger datagrams vanish.
    pub(crate) datagram_bytes_max: Option<usize>,
    /// Times in which everything vanishes.
    pub(crate) outages: Vec<Range<Duration>>,
}

impl LinkConfig {
    pub(crate) fn with_delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    pub(crate) fn with_rate(self, rate: u64, queue_bytes: u64) -> Self {
        Self { rate: Some(rate), queue_bytes, ..self }
    }
}

/// A datagram under way, ordered by the time it arrives.
type InTransit = Reverse<(Duration, u64, Vec<u8>)>;

pub(crate) struct Link {
    config: LinkConfig,
    random: Pcg64,
    /// When the last byte accepted so far has left the queue.
    busy_until: Duration,
    in_bad_state: bool,
    under_way: BinaryHeap<InTransit>,
    order: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    /// Every datagram that entered the link, if wanted.
    pub(crate) captured: Option<Vec<Vec<u8>>>,
}

impl Link {
    pub(crate) fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: Pcg64::seed_from_u64(seed),
            busy_until: Duration::ZERO,
            in_bad_state: false,
            under_way: BinaryHeap::new(),
            order: 0,
            sent: 0,
            dropped: 0,
            captured: None,
        }
    }

    pub(crate) fn send(&mut self, now: Duration, datagram: &[u8]) {
        self.sent += 1;
        if let Some(captured) = &mut self.captured {
            captured.push(datagram.to_vec());
        }
        if self.is_lost(now, datagram.len()) {
            self.dropped += 1;
            return;
        }
        let Some(departure) = self.departure(now, datagram.len()) else {
            self.dropped += 1;
            return;
        };
        let copies = if self.chance(self.config.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let reorder = self.config.reorder;
            let extra = match reorder {
                Some((probability, most)) if self.chance(probability) => {
                    most.mul_f64(self.uniform())
                }
                _ => Duration::ZERO,
            };
            let mut bytes = datagram.to_vec();
            if self.chance(self.config.corrupt) {
                self.corrupt(&mut bytes);
            }
            self.order += 1;
            self.under_way.push(Reverse((
                departure + self.config.delay + extra,
                self.order,
                bytes,
            )));
        }
    }

    /// Puts a datagram in at the far end, as an attacker would.
    pub(crate) fn inject(&mut self, now: Duration, datagram: &[u8]) {
        self.order += 1;
        self.under_way.push(Reverse((now, self.order, datagram.to_vec())));
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }

    pub(crate) fn receive(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next_arrival()? > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((_, _, bytes))| bytes)
    }

    fn is_lost(&mut self, now: Duration, size: usize) -> bool {
        if let Some((enter, leave)) = self.config.burst {
            let turn = if self.in_bad_state { leave } else { enter };
            self.in_bad_state ^= self.chance(turn);
        }
        let too_large = self.config.datagram_bytes_max.is_some_and(|most| size > most);
        let is_out = self.config.outages.iter().any(|outage| outage.contains(&now));
        self.in_bad_state || too_large || is_out || self.chance(self.config.loss)
    }

    /// When the last bit is on the wire; `None` if the queue is full.
    fn departure(&mut self, now: Duration, size: usize) -> Option<Duration> {
        let Some(rate) = self.config.rate else { return Some(now) };
        let wait = self.busy_until.saturating_sub(now);
        let queued = wait.as_secs_f64() * rate as f64;
        if queued > self.config.queue_bytes as f64 {
            return None;
        }
        self.busy_until = now + wait + Duration::from_secs_f64((size + 28) as f64 / rate as f64);
        Some(self.busy_until)
    }

    fn corrupt(&mut self, bytes: &mut Vec<u8>) {
        match self.random.next_u32() % 4 {
            0 => bytes.truncate(self.random.next_u32() as usize % (bytes.len() + 1)),
            1 => self.random.fill_bytes(bytes),
            _ => {
                if !bytes.is_empty() {
                    let bit = self.random.next_u32() as usize % (bytes.len() * 8);
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    }

    fn uniform(&mut self) -> f64 {
        f64::from(self.random.next_u32()) / 4_294_967_296.0
    }

    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.uniform() < probability
    }
}
