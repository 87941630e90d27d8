//! Transfers in virtual time that share one path: the clock, both directions of the path, and who
//! gets which datagram. What the two ends of a transfer do is in [`flow`](crate::flow).

use std::time::{Duration, Instant};

use file_transfer::proto::ecn::Ecn;
use file_transfer::proto::receiver::{ReceiverOutcome, ReceiverStats};
use file_transfer::proto::sender::{CongestionChoice, SenderOutcome, SenderStats};
use file_transfer::range_set::RangeSet;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::flow::Flow;
use crate::link::{Address, Link, LinkConfig, Parcel};

/// A transfer of 8 MiB in 6,000 packets takes some ten thousand steps where little is lost.
const STEPS_MAX: u64 = 4_000_000;

/// One transfer to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) size: u64,
    /// From server to client, and back.
    pub(crate) down: LinkConfig,
    pub(crate) up: LinkConfig,
    pub(crate) congestion: CongestionChoice,
    /// What the client still needs; `None` for everything.
    pub(crate) missing: Option<RangeSet>,
    pub(crate) window: u64,
    pub(crate) aes: bool,
    pub(crate) segments_max: usize,
    /// When the client begins.
    pub(crate) starts_at: Duration,
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
            congestion: CongestionChoice::Bbr,
            missing: None,
            window: 2 << 20,
            aes: true,
            segments_max: 45,
            starts_at: Duration::ZERO,
            time_max: Duration::from_secs(3600),
        }
    }
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Report {
    /// How long the client took.
    pub(crate) time: Duration,
    pub(crate) client: Option<ReceiverOutcome>,
    pub(crate) server: Option<SenderOutcome>,
    pub(crate) receiver: ReceiverStats,
    pub(crate) sender: SenderStats,
    pub(crate) starts: u32,
}

/// The clock and the path.
pub(crate) struct Network {
    epoch: Instant,
    pub(crate) now: Duration,
    pub(crate) down: Link,
    pub(crate) up: Link,
}

impl Network {
    pub(crate) fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    pub(crate) fn since_epoch(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }

    pub(crate) fn send_up(&mut self, from: Address, datagram: &[u8]) {
        let parcel = Parcel { client: from, ecn: Ecn::NotEct, bytes: datagram.to_vec() };
        self.up.send(self.now, parcel);
    }

    pub(crate) fn send_down(&mut self, to: Address, ecn: Ecn, datagram: &[u8]) {
        let parcel = Parcel { client: to, ecn, bytes: datagram.to_vec() };
        self.down.send(self.now, parcel);
    }
}

pub(crate) struct World {
    pub(crate) network: Network,
    pub(crate) flows: Vec<Flow>,
    time_max: Duration,
}

impl World {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self::shared(std::slice::from_ref(scenario))
    }

    /// Transfers that share the path of the first one.
    pub(crate) fn shared(scenarios: &[Scenario]) -> Self {
        let first = &scenarios[0];
        let mut random = Pcg64::seed_from_u64(first.seed);
        let network = Network {
            epoch: Instant::now(),
            now: Duration::ZERO,
            down: Link::new(first.down.clone(), random.next_u64()),
            up: Link::new(first.up.clone(), random.next_u64()),
        };
        let flows = scenarios.iter().enumerate();
        let flows = flows.map(|(index, scenario)| Flow::new(index, scenario)).collect();
        Self { network, flows, time_max: first.time_max }
    }

    /// The first or only transfer.
    pub(crate) fn flow(&mut self) -> &mut Flow {
        &mut self.flows[0]
    }

    /// Runs until all are through, or the scenario's time is; reports about the first one.
    pub(crate) fn run(&mut self) -> Report {
        let mut steps = 0;
        while !self.is_over() && self.step() {
            steps += 1;
            let now = self.network.now;
            assert!(steps < STEPS_MAX, "no end in sight at {now:?}: {:?}", self.reports());
        }
        self.reports().swap_remove(0)
    }

    /// Runs until the given virtual time.
    pub(crate) fn run_until(&mut self, time: Duration) {
        while self.next_event().is_some_and(|at| at <= time) && self.step() {}
        self.network.now = self.network.now.max(time);
    }

    pub(crate) fn reports(&self) -> Vec<Report> {
        self.flows.iter().map(|flow| flow.report(self.network.now)).collect()
    }

    /// Every copy equals its file, and each missing byte was written.
    #[track_caller]
    pub(crate) fn assert_equal(&self) {
        self.flows.iter().for_each(Flow::assert_equal);
    }

    fn is_over(&self) -> bool {
        let now = self.network.instant();
        self.network.now >= self.time_max || self.flows.iter().all(|flow| flow.is_over(now))
    }

    fn next_event(&self) -> Option<Duration> {
        let network = &self.network;
        let timers = self.flows.iter().filter_map(|flow| flow.next_event(network));
        timers.chain(network.up.next_arrival()).chain(network.down.next_arrival()).min()
    }

    /// Goes to the next event; `false` if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let Some(at) = self.next_event() else { return false };
        let network = &mut self.network;
        // A timer that is not served would stand still here for ever.
        network.now = network.now.max(at) + Duration::from_nanos(1);
        while let Some(parcel) = network.down.receive(network.now) {
            if let Some(flow) = owner(&mut self.flows, parcel.client) {
                flow.client_receives(network, parcel);
            }
        }
        self.flows.iter_mut().for_each(|flow| flow.serve_client(network));
        while let Some(parcel) = network.up.receive(network.now) {
            if let Some(flow) = owner(&mut self.flows, parcel.client) {
                flow.server_receives(network, parcel);
            }
        }
        self.flows.iter_mut().for_each(|flow| flow.serve_server(network));
        true
    }
}

/// The flow that an address belongs to: each has sixteen.
fn owner(flows: &mut [Flow], client: Address) -> Option<&mut Flow> {
    flows.get_mut(usize::from(client >> 4))
}
