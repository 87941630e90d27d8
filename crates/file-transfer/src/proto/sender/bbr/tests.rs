//! BBR on paths, in virtual time: alone, beside its like, and beside CUBIC.

use std::ops::Range;
use std::time::Duration;

use self::shared_path::{FlowConfig, PathConfig, SharedPath};
use crate::proto::sender::congestion::CongestionChoice::{self, Bbr, Cubic};

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
}

/// Runs one flow and checks the share of the link that it gets in the given seconds.
#[track_caller]
fn check_share(case: &Case, seconds: Range<usize>, expected: Range<f64>) -> SharedPath {
    let path = case.run();
    let share = path.share(0, seconds);
    eprintln!("share {share:.3}, dropped {:.4}", path.drop_rate(0));
    assert!(expected.contains(&share), "{share:.3} by second: {:?}", path.seconds(0));
    path
}

#[test]
fn a_clean_path_is_filled_without_overrunning_its_queue() {
    let path = check_share(&Case::new(50, 10, &[Bbr], 20), 0..20, 0.96..1.0);
    assert!(path.drop_rate(0) < 0.005, "{}", path.drop_rate(0));
    check_share(&Case::new(5, 100, &[Bbr], 30), 2..30, 0.94..1.0);
}

#[test]
fn random_loss_costs_bbr_little_and_cubic_nearly_everything() {
    let case = |choice| Case::new(50, 40, &[choice], 20).with_loss(0.01);
    check_share(&case(Bbr), 0..20, 0.80..1.0);
    check_share(&case(Cubic), 0..20, 0.0..0.10);
}

#[test]
fn a_long_fat_path_is_filled_in_spite_of_rare_loss() {
    check_share(&Case::new(200, 80, &[Bbr], 15).with_loss(0.001), 5..15, 0.80..1.0);
}

#[test]
fn loss_above_the_threshold_is_borne_once_it_is_known_to_be_random() {
    for seed in 1..5 {
        let case = Case::new(20, 200, &[Bbr], 60).with_loss(0.03).with_seed(seed);
        check_share(&case, 30..60, 0.6..1.0);
    }
}

#[test]
fn a_queue_much_smaller_than_the_path_is_not_overrun_all_the_time() {
    let path = check_share(&Case::new(50, 40, &[Bbr], 20).with_queue(5), 5..20, 0.75..1.0);
    assert!(path.drop_rate(0) < 0.02, "{}", path.drop_rate(0));
}

#[test]
fn a_policer_is_not_fought() {
    let mut case = Case::new(20, 40, &[Bbr], 30);
    case.path.policer = Some(case.path.queue);
    let path = check_share(&case, 10..30, 0.7..1.0);
    assert!(path.drop_rate(0) < 0.05, "{}", path.drop_rate(0));
}

#[test]
fn marks_keep_the_queue_from_overflowing() {
    let mut case = Case::new(50, 40, &[Bbr], 20);
    case.path.mark_above = Some(case.path.queue / 4);
    let path = check_share(&case, 2..20, 0.85..1.0);
    assert!(path.drop_rate(0) < 0.001, "{}", path.drop_rate(0));
}

#[test]
fn ten_times_the_bandwidth_is_found_soon() {
    let mut case = Case::new(100, 40, &[Bbr], 20);
    case.path.rate_changes =
        vec![(Duration::ZERO, case.path.rate / 10), (8 * SECOND, case.path.rate)];
    check_share(&case, 14..20, 0.9..1.0);
}

#[test]
fn a_tenth_of_the_bandwidth_is_accepted_soon() {
    let mut case = Case::new(10, 40, &[Bbr], 24);
    case.path.rate_changes =
        vec![(Duration::ZERO, case.path.rate * 10), (8 * SECOND, case.path.rate)];
    let mut path = SharedPath::new(&case.path, &case.flow_configs());
    path.run_until(14 * SECOND);
    let before = path.dropped(0);
    path.run_until(24 * SECOND);
    let share = path.share(0, 14..24);
    eprintln!("share {share:.3}, dropped {} then {}", before, path.dropped(0) - before);
    assert!((0.9..1.0).contains(&share), "{share}");
    assert!(path.dropped(0) - before < 10_000 * 2 / 100, "{}", path.dropped(0) - before);
}

#[test]
fn after_a_pause_the_flow_goes_on_where_it_was() {
    let case = Case::new(50, 40, &[Bbr], 14);
    let mut flows = case.flow_configs();
    flows[0].pauses = vec![4 * SECOND..10 * SECOND];
    let path = case.run_flows(&flows);
    assert_eq!(path.goodput(0, 5..10), 0.0);
    let share = path.share(0, 11..14);
    assert!(share > 0.9, "{share:.3} by second: {:?}", path.seconds(0));
    assert!(path.drop_rate(0) < 0.01, "{}", path.drop_rate(0));
}

#[test]
fn two_flows_share_a_path_fairly() {
    for seed in 1..3 {
        let path = Case::new(50, 40, &[Bbr, Bbr], 60).with_seed(seed).run();
        let shares = [path.share(0, 0..60), path.share(1, 0..60)];
        let sum: f64 = shares.iter().sum();
        let jain = sum * sum / (2.0 * shares.iter().map(|share| share * share).sum::<f64>());
        eprintln!("jain {jain:.4} of {shares:?}");
        assert!(jain > 0.95 && sum > 0.9, "{shares:?}");
    }
}

/// Over half a minute the two trade places, so that only the mean of several runs says much.
#[test]
fn a_newcomer_gets_its_share() {
    let shares: Vec<f64> = (1..5)
        .map(|seed| {
            let case = Case::new(50, 40, &[Bbr, Bbr], 60).with_seed(seed);
            let mut flows = case.flow_configs();
            flows[1].starts_at = 10 * SECOND;
            case.run_flows(&flows).share(1, 30..60)
        })
        .collect();
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    eprintln!("newcomer {mean:.3} of {shares:.3?}");
    assert!((0.35..0.65).contains(&mean), "{mean:.3} of {shares:.3?}");
}

/// Shares of BBR beside one CUBIC flow, by queue in hundredths of the bandwidth-delay product.
#[test]
fn cubic_lives_beside_it() {
    for (queue, most) in [(25, 0.75), (100, 0.72), (400, 0.60)] {
        let path = Case::new(50, 40, &[Bbr, Cubic], 60).with_queue(queue).run();
        let (ours, theirs) = (path.share(0, 0..60), path.share(1, 0..60));
        eprintln!("queue {queue} %: BBR {ours:.3}, CUBIC {theirs:.3}");
        assert!((0.25..most).contains(&ours), "queue {queue} %: BBR {ours:.3}, CUBIC {theirs:.3}");
        assert!(ours + theirs > 0.9);
    }
}

/// It gets less than its share, as the draft makes it: each of the ten probes at its own time.
#[test]
fn ten_of_it_do_not_starve_a_cubic_flow() {
    let mut flows = vec![Bbr; 10];
    flows.push(Cubic);
    let path = Case::new(50, 40, &flows, 60).run();
    let share = path.share(10, 0..60);
    eprintln!("CUBIC beside ten: {share:.3}, fair {:.3}", 1.0 / 11.0);
    assert!(share > 0.25 / 11.0, "{share}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let case = Case::new(20, 40, &[Bbr, Cubic], 5).with_loss(0.005);
    let (one, other) = (case.run(), case.run());
    assert_eq!(one.seconds(0), other.seconds(0));
    assert_ne!(one.seconds(0), case.with_seed(9).run().seconds(0));
}
