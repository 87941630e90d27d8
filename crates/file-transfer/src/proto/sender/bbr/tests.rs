//! BBR on paths, in virtual time. Shares are of what the link carries.

use std::ops::Range;
use std::time::Duration;

use self::shared_path::{FlowConfig, PathConfig, SharedPath};
use crate::proto::sender::congestion::CongestionChoice::{self, Bbr, Cubic};

mod alone;
mod beside_others;
mod changing_path;
mod reactions;
mod shared_path;

const SECOND: Duration = Duration::from_secs(1);

/// A path, and flows with the same round trip over it.
#[derive(Clone)]
struct Case {
    path: PathConfig,
    rtt_ms: u64,
    flows: Vec<CongestionChoice>,
    seconds: usize,
}

impl Case {
    /// A queue of one bandwidth-delay product.
    fn new(mbit: u64, rtt_ms: u64, flows: &[CongestionChoice], seconds: usize) -> Self {
        let rate = mbit * 125_000;
        let path = PathConfig::new(rate, rate * rtt_ms / 1000);
        Self { path, rtt_ms, flows: flows.to_vec(), seconds }
    }

    fn with_loss(mut self, loss: f64) -> Self {
        self.path.loss = loss;
        self
    }

    /// A queue of so many hundredths of the bandwidth-delay product.
    fn with_queue(mut self, percent: u64) -> Self {
        self.path.queue = self.path.queue * percent / 100;
        self
    }

    fn with_seed(mut self, seed: u64) -> Self {
        self.path.seed = seed;
        self
    }

    fn flow_configs(&self) -> Vec<FlowConfig> {
        let rtt = Duration::from_millis(self.rtt_ms);
        self.flows.iter().map(|choice| FlowConfig::new(*choice, rtt)).collect()
    }

    fn run(&self) -> SharedPath {
        self.run_flows(&self.flow_configs())
    }

    fn run_flows(&self, flows: &[FlowConfig]) -> SharedPath {
        let mut path = SharedPath::new(&self.path, flows);
        path.run_until(SECOND * u32::try_from(self.seconds).unwrap());
        path
    }

    /// The shares of all flows over the whole time.
    fn shares(&self) -> Vec<f64> {
        let path = self.run();
        (0..self.flows.len()).map(|flow| path.share(flow, 0..self.seconds)).collect()
    }
}

/// Jain's index: 1 if all have the same.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    sum * sum / (shares.len() as f64 * shares.iter().map(|share| share * share).sum::<f64>())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let case = Case::new(20, 40, &[Bbr, Cubic], 5).with_loss(0.005);
    let (one, other) = (case.run(), case.run());
    assert_eq!(one.seconds(0), other.seconds(0));
    assert_ne!(one.seconds(0), case.with_seed(9).run().seconds(0));
}
