//! Thousands of transfers over paths drawn from a seed: loss up to 30 %, bursts, reordering,
//! duplication and corruption together, and clients that move.

use std::time::Duration;

use file_transfer::proto::receiver::ReceiverOutcome;
use file_transfer::proto::sender::CongestionChoice;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{RngCore, SeedableRng};

use crate::link::{Address, LinkConfig};
use crate::world::{Report, Scenario, World};

const TRANSFERS: u64 = 10_000;
/// Sizes around everything that is counted in: bytes, chunks at both datagram sizes, pieces.
const ODD_SIZES: [u64; 18] = [
    0, 1, 27, 1143, 1144, 1159, 1160, 1161, 1395, 1396, 1411, 1412, 1413, 4096, 65_535, 65_536,
    65_537, 100_000,
];
const LARGE_SIZES: [u64; 6] =
    [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_017, (4 << 20) + 1411, 8 << 20];

struct Dice(Pcg64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn uniform(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// Zero in a third of the cases, else anything up to `most`, small values more often.
    fn probability(&mut self, most: f64) -> f64 {
        if self.below(3) == 0 { 0.0 } else { most * self.uniform() * self.uniform().sqrt() }
    }

    fn size(&mut self, seed: u64) -> u64 {
        match seed % 50 {
            // A sprinkling of large ones.
            0 => LARGE_SIZES[(seed / 50) as usize % LARGE_SIZES.len()],
            1..=5 => self.below(512 << 10),
            6..=30 => ODD_SIZES[self.below(18) as usize],
            _ => self.below(64 << 10),
        }
    }

    fn link(&mut self) -> LinkConfig {
        let delay =
            Duration::from_micros([50, 500, 5_000, 20_000, 100_000][self.below(5) as usize]);
        let rate = [None, Some(125_000), Some(1_250_000), Some(12_500_000)][self.below(4) as usize];
        LinkConfig {
            delay,
            rate,
            queue_bytes: 3_000 + self.below(200_000),
            loss: self.probability(0.3),
            burst: (self.below(4) == 0).then(|| (0.002, 0.1 + self.uniform() / 2.0)),
            reorder: (self.below(3) > 0).then(|| (self.probability(0.5), delay * 3)),
            duplicate: self.probability(0.3),
            corrupt: self.probability(0.1),
            datagram_bytes_max: (self.below(4) == 0).then_some(1400),
            mark_above: (self.below(4) == 0).then(|| self.below(20_000)),
            ..LinkConfig::default()
        }
    }
}

fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice(Pcg64::seed_from_u64(seed));
    let size = dice.size(seed);
    let (down, up) = (dice.link(), dice.link());
    Scenario {
        aes: dice.below(2) == 0,
        segments_max: [1, 16, 45][dice.below(3) as usize],
        congestion: [CongestionChoice::Bbr, CongestionChoice::Cubic][dice.below(2) as usize],
        window: [20_000, 200_000, 2 << 20][dice.below(3) as usize],
        down,
        up,
        ..Scenario::new(size, seed, &LinkConfig::default())
    }
}

/// Runs one seed; gives a line about it if it did not end well.
fn run(seed: u64) -> Result<Report, String> {
    let scenario = scenario(seed);
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::new(&scenario);
        if seed % 4 == 3 {
            world.run_until(Duration::from_micros(seed.wrapping_mul(7919) % 1_000_000));
            world.flow().move_if_confirmed((seed % 8) as Address);
        }
        let report = world.run();
        if report.client == Some(ReceiverOutcome::Done) {
            world.assert_equal();
        }
        report
    });
    match outcome {
        Ok(report) if report.client == Some(ReceiverOutcome::Done) => Ok(report),
        Ok(report) => Err(format!("SIM_SEED={seed}: {report:?}\n{scenario:?}")),
        Err(_) => Err(format!("SIM_SEED={seed}: panicked (above)\n{scenario:?}")),
    }
}

#[test]
fn any_path_delivers_equal_bytes() {
    let seeds = match std::env::var("SIM_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIM_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..TRANSFERS,
    };
    let halves = [seeds.clone().step_by(2), (seeds.start + 1..seeds.end).step_by(2)];
    let threads = halves.map(|half| std::thread::spawn(move || half.map(run).collect::<Vec<_>>()));
    let results = threads.into_iter().flat_map(|thread| thread.join().expect("run catches panics"));
    let (reports, failures): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    let failures: Vec<String> = failures.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    if reports.len() as u64 == TRANSFERS {
        assert_exercised(&reports.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// The paths were as bad as they were meant to be.
fn assert_exercised(reports: &[Report]) {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let lost = sum(|report| report.sender.packets_lost);
    let spurious = sum(|report| report.sender.spurious_losses);
    let repeats = sum(|report| report.receiver.repeats + report.sender.repeats);
    let forgeries = sum(|report| report.receiver.forgeries + report.sender.forgeries);
    let timeouts = sum(|report| report.sender.probe_timeouts);
    let large = sum(|report| u64::from(report.sender.datagram_bytes > 1200));
    let restarts = sum(|report| u64::from(report.starts > 1));
    let moves = sum(|report| report.sender.address_changes);
    println!(
        "{moves} moves, lost {lost}, of these late {spurious}; repeats {repeats}, forgeries {forgeries}, probe \
         timeouts {timeouts}, {large} with large datagrams, {restarts} started again"
    );
    assert!(lost > 5_000 && spurious > 500 && repeats > 5_000 && forgeries > 1_000);
    assert!(timeouts > 500 && large > 500 && moves > 500);
}
