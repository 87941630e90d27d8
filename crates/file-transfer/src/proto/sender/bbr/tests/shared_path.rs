//! A bottleneck that any number of flows share, in virtual time. Each flow is the real
//! [`Flight`] with a controller of its choice; there is no cipher and no file, so that a minute of it
//! takes seconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::{Duration, Instant};

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::proto::ack_frame::{AckFrame, AckHeader};
use crate::proto::ecn::{Ecn, EcnCounts};
use crate::proto::limits::{BATCH_SEGMENTS_MAX, DATAGRAM_BYTES_BASE};
use crate::proto::received_numbers::ReceivedNumbers;
use crate::proto::rtt::RttEstimator;
use crate::proto::sender::congestion::CongestionChoice;
use crate::proto::sender::flight::Flight;
use crate::proto::sender::sent_packets::PacketContent;
use crate::proto::sender::session_seed::SessionSeed;
use crate::proto::sender::work_list::WorkList;
use crate::range_set::RangeSet;

use self::codel::CoDel;

mod codel;

/// Bytes of the datagrams, file bytes among them.
const DATAGRAM: u64 = DATAGRAM_BYTES_BASE as u64;
const PAYLOAD: u64 = DATAGRAM - 40;
/// What IPv4 and UDP put in front of a datagram.
const BELOW: u64 = 28;
/// Packets after which the receiver acknowledges.
const PACKETS_PER_ACK: u32 = 2;

/// What the bottleneck is like.
#[derive(Clone, Debug)]
pub(super) struct PathConfig {
    /// Bytes a second.
    pub(super) rate: u64,
    /// Bytes that may wait.
    pub(super) queue: u64,
    /// Probability that a datagram is lost, in either direction.
    pub(super) loss: f64,
    /// Marks instead of waiting behind more bytes than this.
    pub(super) mark_above: Option<u64>,
    /// Drops at the head of the queue as CoDel does (RFC 8289).
    pub(super) codel: bool,
    /// Times in which everything vanishes, in both directions.
    pub(super) outages: Vec<Range<Duration>>,
    /// From these times on every round trip is so much longer than without a queue.
    pub(super) detours: Vec<(Duration, Duration)>,
    /// ACKs travel together, at multiples of this.
    pub(super) ack_lumps: Option<Duration>,
    /// Drops what exceeds the rate beyond a bucket of so many bytes, without any queue.
    pub(super) policer: Option<u64>,
    /// From these times on the rate is another one.
    pub(super) rate_changes: Vec<(Duration, u64)>,
    pub(super) seed: u64,
}

impl PathConfig {
    pub(super) fn new(rate: u64, queue: u64) -> Self {
        Self {
            rate,
            queue,
            loss: 0.0,
            mark_above: None,
            codel: false,
            outages: Vec::new(),
            detours: Vec::new(),
            ack_lumps: None,
            policer: None,
            rate_changes: Vec::new(),
            seed: 1,
        }
    }
}

/// One flow.
#[derive(Clone, Debug)]
pub(super) struct FlowConfig {
    pub(super) choice: CongestionChoice,
    /// Round trip without any queue.
    pub(super) rtt: Duration,
    pub(super) starts_at: Duration,
    /// When the application has nothing to send.
    pub(super) pauses: Vec<Range<Duration>>,
}

impl FlowConfig {
    pub(super) fn new(choice: CongestionChoice, rtt: Duration) -> Self {
        Self { choice, rtt, starts_at: Duration::ZERO, pauses: Vec::new() }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake,
    Arrival { number: u64, range_start: u64, range_end: u64, is_marked: bool },
    AckTimer,
    Ack(Vec<u8>),
}

struct Flow {
    config: FlowConfig,
    flight: Flight,
    work: WorkList,
    last_sent: Duration,
    wakes_at: Option<Duration>,
    received: ReceivedNumbers,
    file: RangeSet,
    ecn: EcnCounts,
    unacknowledged: u32,
    largest_at: Duration,
    /// Distinct file bytes by second.
    seconds: Vec<u64>,
    sent: u64,
    dropped: u64,
}

pub(super) struct SharedPath {
    config: PathConfig,
    epoch: Instant,
    now: Duration,
    random: Pcg64,
    events: BinaryHeap<Reverse<(Duration, u64, usize, Event)>>,
    order: u64,
    busy_until: Duration,
    tokens: (f64, Duration),
    codel: CoDel,
    flows: Vec<Flow>,
}

impl SharedPath {
    pub(super) fn new(config: &PathConfig, flows: &[FlowConfig]) -> Self {
        let mut path = Self {
            config: config.clone(),
            epoch: Instant::now(),
            now: Duration::ZERO,
            random: Pcg64::seed_from_u64(config.seed),
            events: BinaryHeap::new(),
            order: 0,
            busy_until: Duration::ZERO,
            tokens: (config.policer.unwrap_or(0) as f64, Duration::ZERO),
            codel: CoDel::default(),
            flows: Vec::new(),
        };
        for (index, flow) in flows.iter().enumerate() {
            let seed = path.random.next_u64();
            path.flows.push(Flow::new(path.epoch, flow, seed));
            path.schedule(flow.starts_at, index, Event::Wake);
        }
        path
    }

    pub(super) fn run_until(&mut self, time: Duration) {
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= time
        {
            let Some(Reverse((at, _, index, event))) = self.events.pop() else { return };
            self.now = at;
            self.handle(index, event);
        }
        self.now = time;
    }

    /// File bytes a second that a flow got between two times.
    fn goodput(&self, flow: usize, seconds: Range<usize>) -> f64 {
        let count = seconds.len() as f64;
        let bytes = self.flows[flow].seconds.iter().skip(seconds.start).take(seconds.len());
        bytes.sum::<u64>() as f64 / count
    }

    /// Share of what the link carries, headers included, that a flow got.
    pub(super) fn share(&self, flow: usize, seconds: Range<usize>) -> f64 {
        self.goodput(flow, seconds) * ((DATAGRAM + BELOW) as f64 / PAYLOAD as f64)
            / self.config.rate as f64
    }

    /// Share of a flow's packets that the queue dropped.
    pub(super) fn drop_rate(&self, flow: usize) -> f64 {
        self.flows[flow].dropped as f64 / self.flows[flow].sent.max(1) as f64
    }

    /// Packets of a flow that the queue dropped.
    pub(super) fn dropped(&self, flow: usize) -> u64 {
        self.flows[flow].dropped
    }

    /// Packets of a flow.
    pub(super) fn sent(&self, flow: usize) -> u64 {
        self.flows[flow].sent
    }

    /// Distinct file bytes of a flow that arrived, by second.
    pub(super) fn seconds(&self, flow: usize) -> &[u64] {
        &self.flows[flow].seconds
    }

    fn schedule(&mut self, at: Duration, flow: usize, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, flow, event)));
    }

    fn handle(&mut self, index: usize, event: Event) {
        match event {
            // One that an earlier one has taken the place of does nothing.
            Event::Wake if self.flows[index].wakes_at.is_some_and(|at| at != self.now) => return,
            Event::Wake => self.flows[index].wakes_at = None,
            Event::Arrival { number, range_start, range_end, is_marked } => {
                self.arrive(index, number, range_start..range_end, is_marked);
            }
            Event::AckTimer => self.acknowledge(index),
            Event::Ack(body) => {
                let now = self.epoch + self.now;
                let flow = &mut self.flows[index];
                let ack = AckFrame::decode(&body).expect("our own ACK");
                flow.flight.handle_ack(now, &ack, true, &mut flow.work).expect("honest");
            }
        }
        self.serve(index);
    }

    fn arrive(&mut self, index: usize, number: u64, range: Range<u64>, is_marked: bool) {
        let (now, rtt) = (self.now, self.flows[index].config.rtt);
        let flow = &mut self.flows[index];
        let in_order = flow.received.largest().map_or(0, |largest| largest + 1) == number;
        flow.received.insert(number);
        flow.ecn.count(if is_marked { Ecn::Ce } else { Ecn::Ect0 });
        let second = usize::try_from(now.as_secs()).expect("a short run");
        flow.seconds.resize(flow.seconds.len().max(second + 1), 0);
        if flow.file.insert(range.clone()) {
            flow.seconds[second] += range.end - range.start;
        }
        flow.largest_at = now;
        flow.unacknowledged += 1;
        if !in_order || flow.unacknowledged >= PACKETS_PER_ACK {
            self.acknowledge(index);
        } else {
            let at = now + (rtt / 8).min(Duration::from_millis(25));
            self.schedule(at, index, Event::AckTimer);
        }
    }

    fn acknowledge(&mut self, index: usize) {
        let flow = &mut self.flows[index];
        if std::mem::take(&mut flow.unacknowledged) == 0 {
            return;
        }
        flow.received.settle_below(flow.flight.least_unsettled());
        let header = AckHeader {
            delay: self.now - flow.largest_at,
            window: 1 << 40,
            file_bytes: 0,
            ecn: flow.ecn,
        };
        let mut body = [0; DATAGRAM_BYTES_BASE];
        let length = header.encode(flow.received.numbers(), &mut body);
        let mut at = self.now + flow.config.rtt / 2;
        if let Some(lump) = self.config.ack_lumps {
            at = lump * u32::try_from(at.as_nanos().div_ceil(lump.as_nanos())).expect("short");
        }
        if !self.is_out() && !self.chance(self.config.loss) {
            self.schedule(at, index, Event::Ack(body[..length].to_vec()));
        }
    }

    /// Does what the sender does between two events.
    fn serve(&mut self, index: usize) {
        let now = self.epoch + self.now;
        let flow = &mut self.flows[index];
        if self.now < flow.config.starts_at {
            return;
        }
        if flow.flight.loss_time().is_some_and(|at| now >= at) {
            flow.flight.detect_losses(now, &mut flow.work);
        }
        let pause = flow.config.pauses.iter().find(|pause| pause.contains(&self.now)).cloned();
        let may_send = pause.is_none();
        let probe_after = flow.flight.rtt().probe_timeout();
        let probe_due = !flow.flight.is_empty() && self.now >= flow.last_sent + probe_after;
        if may_send {
            loop {
                let datagrams = self.flows[index].flight.allowance(now);
                if datagrams == 0 {
                    break;
                }
                self.send(index, datagrams.min(BATCH_SEGMENTS_MAX as u64));
            }
        } else {
            self.flows[index].flight.limited_by_application();
        }
        if probe_due && self.flows[index].last_sent < self.now {
            self.send(index, 1);
        }
        self.plan_wake(index, pause.map(|pause| pause.end));
    }

    fn plan_wake(&mut self, index: usize, resumes_at: Option<Duration>) {
        let now = self.epoch + self.now;
        let flow = &mut self.flows[index];
        let probe_at =
            (!flow.flight.is_empty()).then(|| flow.last_sent + flow.flight.rtt().probe_timeout());
        let send_at = if resumes_at.is_some() { None } else { flow.flight.next_send(now) };
        let since_epoch = |at: Instant| at.saturating_duration_since(self.epoch);
        let times = [
            probe_at,
            resumes_at,
            flow.flight.loss_time().map(since_epoch),
            send_at.map(since_epoch),
        ];
        let Some(at) = times.into_iter().flatten().min() else { return };
        let at = at.max(self.now + Duration::from_nanos(1));
        if flow.wakes_at.is_none_or(|planned| at < planned) {
            flow.wakes_at = Some(at);
            self.schedule(at, index, Event::Wake);
        }
    }

    fn send(&mut self, index: usize, datagrams: u64) {
        let now = self.epoch + self.now;
        self.flows[index].flight.begin_batch(now);
        for _ in 0..datagrams {
            let flow = &mut self.flows[index];
            flow.last_sent = self.now;
            flow.sent += 1;
            let range = flow.work.take(PAYLOAD).expect("an endless file");
            let size = DATAGRAM_BYTES_BASE;
            let number = flow.flight.record(now, PacketContent::Data, range.clone(), size);
            let delay = flow.config.rtt / 2 + self.detour();
            let is_random_loss = self.is_out() || self.chance(self.config.loss);
            match self.bottleneck() {
                None => self.flows[index].dropped += 1,
                Some((departure, is_marked)) if !is_random_loss => {
                    let event = Event::Arrival {
                        number,
                        range_start: range.start,
                        range_end: range.end,
                        is_marked,
                    };
                    self.schedule(departure + delay, index, event);
                }
                Some(_) => {}
            }
        }
    }

    /// When a datagram leaves the bottleneck, and whether it is marked; `None` if it is dropped.
    fn bottleneck(&mut self) -> Option<(Duration, bool)> {
        let now = self.now;
        let rate = latest(&self.config.rate_changes, now).unwrap_or(self.config.rate) as f64;
        let size = (DATAGRAM + BELOW) as f64;
        if let Some(bucket) = self.config.policer {
            let (tokens, at) = self.tokens;
            let tokens = (tokens + (now - at).as_secs_f64() * rate).min(bucket as f64);
            let passes = tokens >= size;
            self.tokens = (if passes { tokens - size } else { tokens }, now);
            return passes.then_some((now, false));
        }
        let wait = self.busy_until.saturating_sub(now);
        let queued = wait.as_secs_f64() * rate;
        if queued + size > self.config.queue as f64 {
            return None;
        }
        if self.config.codel && self.codel.drops(now + wait, wait) {
            return None;
        }
        self.busy_until = now + wait + Duration::from_secs_f64(size / rate);
        let is_marked = self.config.mark_above.is_some_and(|most| queued > most as f64);
        Some((self.busy_until, is_marked))
    }

    fn detour(&self) -> Duration {
        latest(&self.config.detours, self.now).unwrap_or_default()
    }

    fn is_out(&self) -> bool {
        self.config.outages.iter().any(|outage| outage.contains(&self.now))
    }

    fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && f64::from(self.random.next_u32()) / 4_294_967_296.0 < probability
    }
}

/// The last of these values whose time has come.
fn latest<T: Copy>(changes: &[(Duration, T)], now: Duration) -> Option<T> {
    changes.iter().rev().find(|(at, _)| now >= *at).map(|(_, value)| *value)
}

impl Flow {
    fn new(epoch: Instant, config: &FlowConfig, seed: u64) -> Self {
        let rtt = RttEstimator::new(Some(config.rtt));
        let controller = config.choice.controller(DATAGRAM_BYTES_BASE, seed);
        let begins = epoch + config.starts_at;
        let seed = SessionSeed::new(seed);
        let mut flight = Flight::new(begins, rtt, DATAGRAM_BYTES_BASE, seed, controller);
        flight.set_window(1 << 40);
        let mut work = WorkList::default();
        work.want(&(0..1 << 50));
        Self {
            config: config.clone(),
            flight,
            work,
            last_sent: Duration::ZERO,
            wakes_at: None,
            received: ReceivedNumbers::default(),
            file: RangeSet::new(),
            ecn: EcnCounts::default(),
            unacknowledged: 0,
            largest_at: Duration::ZERO,
            seconds: Vec::new(),
            sent: 0,
            dropped: 0,
        }
    }
}
