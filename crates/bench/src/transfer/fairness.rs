//! What several flows make of one link: shares against TCP CUBIC, of each other, and beside many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::contender::{Contender, Payload, Serving};
use super::flow::{Flow, Point, megabits_per_second};
use super::links::{BEGIN_MAX, QUINN_BBR, S2N_BBR, SETTLE, TCP_BBR, TCP_CUBIC, payload_bytes};
use super::loopback::SIMPLE_CHAT;
use super::path::{Bottleneck, Path};
use crate::link_emulator::LinkEmulator;
use crate::program;
use crate::record::{Metric, Record, Series};
use crate::scope::Scope;
use crate::statistics::jain;

/// Runs of each contest, with other seeds.
const RUNS: u64 = 3;

/// Flows that meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contest {
    pub(super) challenger: Contender,
    pub(super) challengers: usize,
    /// Whom they meet; `None`: only each other.
    pub(super) defender: Option<Contender>,
    pub(super) path: Path,
}

/// A minute without loss other than that of the flows' own making.
const ROAD: Path = Path { seconds: 60, ..Path::new("shared", 100, 40, 0.0) };

pub(super) const SHALLOW: Path = with_queue(Bottleneck::BdpPercent(25));
pub(super) const ORDINARY: Path = with_queue(Bottleneck::BdpPercent(100));
pub(super) const DEEP: Path = with_queue(Bottleneck::BdpPercent(400));
pub(super) const TINY: Path = with_queue(Bottleneck::BdpPercent(5));
pub(super) const CODEL: Path = with_queue(Bottleneck::CoDel);
pub(super) const POLICED: Path = with_queue(Bottleneck::Policer);

const fn with_queue(queue: Bottleneck) -> Path {
    Path { queue, ..ROAD }
}

/// One against one TCP CUBIC.
pub(super) const fn duel(challenger: Contender, path: Path) -> Contest {
    Contest { challenger, challengers: 1, defender: Some(TCP_CUBIC), path }
}

pub(super) const TWINS: Contest =
    Contest { challenger: SIMPLE_CHAT, challengers: 2, defender: None, path: ORDINARY };
pub(super) const TEN_TO_ONE: Contest =
    Contest { challenger: SIMPLE_CHAT, challengers: 10, defender: Some(TCP_CUBIC), path: ORDINARY };

/// In the order of the document.
pub(super) const CONTESTS: &[Contest] = &[
    duel(SIMPLE_CHAT, ORDINARY),
    duel(SIMPLE_CHAT, SHALLOW),
    duel(SIMPLE_CHAT, DEEP),
    TWINS,
    TEN_TO_ONE,
    duel(SIMPLE_CHAT, TINY),
    duel(SIMPLE_CHAT, CODEL),
    duel(SIMPLE_CHAT, POLICED),
    duel(TCP_BBR, ORDINARY),
    duel(TCP_BBR, SHALLOW),
    duel(TCP_BBR, DEEP),
    duel(TCP_CUBIC, ORDINARY),
    duel(QUINN_BBR, ORDINARY),
    duel(S2N_BBR, ORDINARY),
];

impl Contest {
    /// Its name in the record.
    pub(super) fn scenario(&self) -> String {
        let against = self.defender.map_or_else(String::new, |it| format!(" against {it}"));
        format!("{} × {}{against}, {}", self.challengers, self.challenger, self.path)
    }

    fn flows(&self) -> impl Iterator<Item = Contender> {
        let challengers = std::iter::repeat_n(self.challenger, self.challengers);
        challengers.chain(self.defender)
    }
}

pub(super) fn run(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    for contest in CONTESTS {
        let scenario = contest.scenario();
        if !scope.has(&scenario) {
            continue;
        }
        let length = Duration::from_secs(scope.seconds(contest.path.seconds));
        for seed in scope.rounds(RUNS) {
            let flows = meet(contest, length, seed).with_context(|| scenario.clone())?;
            keep(contest, &flows, length, seed, record);
        }
    }
    Ok(())
}

/// The progress of each flow, challengers first.
fn meet(contest: &Contest, length: Duration, seed: u64) -> Result<Vec<Vec<Point>>> {
    let folder = program::memory_folder()?;
    let payload = Payload::create(folder.path(), payload_bytes(&contest.path))?;
    let emulator = LinkEmulator::start(contest.path.link(seed))?;
    let serve = |contender, name| {
        Serving::start_behind(&emulator, contender, &payload, folder.path().join(name))
    };
    let challenged = serve(contest.challenger, "challenger")?;
    let defended = contest.defender.map(|it| serve(it, "defender")).transpose()?;
    let clock = Instant::now();
    let mut flows = Vec::new();
    for (index, _) in contest.flows().enumerate() {
        let name = format!("flow{index}");
        let serving = match &defended {
            Some(defended) if index == contest.challengers => defended,
            _ => &challenged,
        };
        let client = serving.client(&name, &folder.path().join(&name))?;
        flows.push(Flow::start(emulator.at_client(&client), clock)?);
    }
    flows.iter().try_for_each(|flow| flow.wait_for_begin(BEGIN_MAX))?;
    std::thread::sleep(length + SETTLE);
    flows.into_iter().map(Flow::stop).collect()
}

/// Everything is counted from when the last flow had begun.
fn keep(contest: &Contest, flows: &[Vec<Point>], length: Duration, seed: u64, record: &mut Record) {
    let scenario = contest.scenario();
    let begin = flows.iter().filter_map(|it| Some(it.first()?.at)).max().unwrap_or_default();
    let got: Vec<f64> =
        flows.iter().map(|it| megabits_per_second(it, begin, begin + length)).collect();
    let all: f64 = got.iter().sum();
    let challengers: f64 = got.iter().take(contest.challengers).sum();
    let name = contest.challenger.to_string();
    record.add(&scenario, &name, seed, (Metric::MegabitsPerSecond, all));
    if let Some(defender) = contest.defender {
        let fair = all / got.len() as f64;
        record.add(&scenario, &name, seed, (Metric::Share, challengers / all));
        let kept = (all - challengers) / fair;
        record.add(&scenario, &defender.to_string(), seed, (Metric::OfFairShare, kept));
    }
    // One alone is as fair as can be.
    let several = got.get(..contest.challengers).filter(|several| several.len() > 1);
    if let Some(index) = several.and_then(jain) {
        record.add(&scenario, &name, seed, (Metric::Jain, index));
    }
    let is_drawn = seed == 1 && flows.len() == 2;
    if is_drawn {
        for ((points, contender), number) in flows.iter().zip(contest.flows()).zip(1..) {
            let flow = format!("{number}: {contender}");
            let megabits = each_second(points, begin, length);
            record.series.push(Series { scenario: scenario.clone(), flow, megabits });
        }
    }
}

/// Rounded: it is drawn.
fn each_second(points: &[Point], begin: Duration, length: Duration) -> Vec<f64> {
    let second = Duration::from_secs(1);
    std::iter::successors(Some(begin), |at| Some(*at + second))
        .take_while(|at| *at + second <= begin + length)
        .map(|at| (megabits_per_second(points, at, at + second) * 10.0).round() / 10.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    /// A flow that gets `megabits` of Mbit/s for ten seconds.
    fn steady(megabits: u64) -> Vec<Point> {
        let at = |s| Point { at: Duration::from_secs(s), bytes: s * megabits * 125_000 };
        vec![at(0), at(10)]
    }

    #[test]
    fn a_share_is_what_the_challenger_gets_of_everything() {
        let mut record = record(&[]);
        let contest = duel(SIMPLE_CHAT, ORDINARY);
        keep(&contest, &[steady(60), steady(20)], Duration::from_secs(10), 1, &mut record);
        let value = |who, metric| record.summary(&contest.scenario(), who, metric).unwrap().median;
        assert!((value("Simple Chat", Metric::Share) - 0.75).abs() < 1e-9);
        assert!((value("TCP CUBIC", Metric::OfFairShare) - 0.5).abs() < 1e-9);
        assert_eq!(record.series.len(), 2);
        assert_eq!(record.series[0].megabits, vec![60.0; 10]);
    }

    #[test]
    fn ten_flows_leave_one_its_eleventh() {
        let mut record = record(&[]);
        let flows = vec![steady(5); 11];
        keep(&TEN_TO_ONE, &flows, Duration::from_secs(10), 1, &mut record);
        let value =
            |who, metric| record.summary(&TEN_TO_ONE.scenario(), who, metric).unwrap().median;
        assert!((value("TCP CUBIC", Metric::OfFairShare) - 1.0).abs() < 1e-9);
        assert!((value("Simple Chat", Metric::Jain) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_contest_has_a_name_of_its_own() {
        let mut names: Vec<String> = CONTESTS.iter().map(Contest::scenario).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), CONTESTS.len());
    }
}
