//! One direction of an emulated path: rate, queue, delay, loss, bursts of loss, reordering,
//! duplication, corruption, congestion marks, a size limit and outages. Everything comes from one
//! seeded generator.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use file_transfer::proto::ecn::Ecn;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

/// What each datagram takes on the wire beside its payload.
const IP_AND_UDP_BYTES: u64 = 28;

/// What a path does to datagrams. Probabilities are per datagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkConfig {
    /// One-way delay.
    pub(crate) delay: Duration,
    /// Bytes a second; `None` for no limit.
    pub(crate) rate: Option<u64>,
    /// Rates that take turns instead, each for the given time, as on a mobile phone.
    pub(crate) rate_turns: Option<(Duration, &'static [u64])>,
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
    /// The same from some time on.
    pub(crate) shrinks: Option<(Duration, usize)>,
    /// With so many bytes waiting, datagrams that can be marked are marked (RFC 3168).
    pub(crate) mark_above: Option<u64>,
    /// When datagrams that can be marked vanish instead.
    pub(crate) drops_markable: Option<Range<Duration>>,
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

/// Address of one end of a path: what the other end sees a datagram come from.
pub(crate) type Address = u8;

/// A datagram under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// The client's address: where it comes from on the way up, where it goes to on the way down.
    pub(crate) client: Address,
    pub(crate) ecn: Ecn,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
struct InTransit {
    arrives: Duration,
    order: u64,
    parcel: Parcel,
}

pub(crate) struct Link {
    config: LinkConfig,
    random: Pcg64,
    /// Datagrams that wait for the rate: when the last bit of each leaves, and its size.
    queue: VecDeque<(Duration, u64)>,
    queued: u64,
    in_bad_state: bool,
    under_way: BinaryHeap<InTransit>,
    order: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
    /// Nothing enters it any more.
    pub(crate) is_cut: bool,
    /// Every datagram that entered the link, if wanted.
    pub(crate) captured: Option<Vec<Parcel>>,
}

impl Link {
    pub(crate) fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: Pcg64::seed_from_u64(seed),
            queue: VecDeque::new(),
            queued: 0,
            in_bad_state: false,
            under_way: BinaryHeap::new(),
            order: 0,
            sent: 0,
            dropped: 0,
            is_cut: false,
            captured: None,
        }
    }

    pub(crate) fn send(&mut self, now: Duration, mut parcel: Parcel) {
        self.sent += 1;
        if let Some(captured) = &mut self.captured {
            captured.push(parcel.clone());
        }
        if self.is_lost(now, &parcel) {
            self.dropped += 1;
            return;
        }
        let Some(departure) = self.departure(now, parcel.bytes.len()) else {
            self.dropped += 1;
            return;
        };
        let is_marked = self.config.mark_above.is_some_and(|most| self.queued > most);
        if is_marked && parcel.ecn != Ecn::NotEct {
            parcel.ecn = Ecn::Ce;
        }
        if self.chance(self.config.duplicate) {
            self.carry(departure, parcel.clone());
        }
        self.carry(departure, parcel);
    }

    fn carry(&mut self, departure: Duration, mut parcel: Parcel) {
        let reorder = self.config.reorder;
        let extra = match reorder {
            Some((probability, most)) if self.chance(probability) => most.mul_f64(self.uniform()),
            _ => Duration::ZERO,
        };
        if self.chance(self.config.corrupt) {
            self.corrupt(&mut parcel.bytes);
        }
        self.arrive(departure + self.config.delay + extra, parcel);
    }

    /// Puts a datagram in at the far end, as an attacker would.
    pub(crate) fn inject(&mut self, now: Duration, parcel: Parcel) {
        self.arrive(now, parcel);
    }

    /// Takes the datagram off the path that arrives next, as somebody on the way could.
    pub(crate) fn take_next(&mut self) -> Option<Parcel> {
        self.under_way.pop().map(|next| next.parcel)
    }

    fn arrive(&mut self, arrives: Duration, parcel: Parcel) {
        self.order += 1;
        self.under_way.push(InTransit { arrives, order: self.order, parcel });
    }

    pub(crate) fn next_arrival(&self) -> Option<Duration> {
        self.under_way.peek().map(|first| first.arrives)
    }

    pub(crate) fn receive(&mut self, now: Duration) -> Option<Parcel> {
        if self.next_arrival()? > now {
            return None;
        }
        self.under_way.pop().map(|first| first.parcel)
    }

    fn is_lost(&mut self, now: Duration, parcel: &Parcel) -> bool {
        if let Some((enter, leave)) = self.config.burst {
            let turn = if self.in_bad_state { leave } else { enter };
            self.in_bad_state ^= self.chance(turn);
        }
        let size = parcel.bytes.len();
        let drops_markable =
            self.config.drops_markable.as_ref().is_some_and(|at| at.contains(&now));
        let is_refused = drops_markable && parcel.ecn != Ecn::NotEct;
        let too_large = self.config.datagram_bytes_max.is_some_and(|most| size > most);
        let has_shrunk = self.config.shrinks.is_some_and(|(at, most)| now >= at && size > most);
        let is_out = self.config.outages.iter().any(|outage| outage.contains(&now));
        self.in_bad_state
            || self.is_cut
            || is_refused
            || too_large
            || has_shrunk
            || is_out
            || self.chance(self.config.loss)
    }

    /// When the last bit is on the wire; `None` if the queue is full.
    fn departure(&mut self, now: Duration, size: usize) -> Option<Duration> {
        let Some(rate) = self.rate(now) else { return Some(now) };
        while self.queue.front().is_some_and(|(leaves, _)| *leaves <= now) {
            self.queued -= self.queue.pop_front().map_or(0, |(_, size)| size);
        }
        if self.queued > self.config.queue_bytes {
            return None;
        }
        let size = size as u64 + IP_AND_UDP_BYTES;
        let behind = self.queue.back().map_or(now, |(leaves, _)| *leaves);
        let leaves = behind + Duration::from_secs_f64(size as f64 / rate as f64);
        self.queue.push_back((leaves, size));
        self.queued += size;
        Some(leaves)
    }

    fn rate(&self, now: Duration) -> Option<u64> {
        let Some((each, rates)) = self.config.rate_turns else { return self.config.rate };
        let turn = now.as_micros() / each.as_micros();
        rates.get(turn as usize % rates.len()).copied()
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

impl Ord for InTransit {
    /// What arrives first is the greatest, for the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrives, other.order).cmp(&(self.arrives, self.order))
    }
}

impl PartialOrd for InTransit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
