//! What happens to a path in the middle of a transfer, and how long goodput takes to come back: an outage,
//! an MTU black hole, a client whose address translator gives it another port.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::contender::{Contender, Payload, Serving};
use super::flow::Flow;
use super::links::{BEGIN_MAX, QUINN_BBR, TCP_BBR, payload_bytes};
use super::loopback::SIMPLE_CHAT;
use super::path::Path;
use crate::link_emulator::direction::BlackHole;
use crate::link_emulator::forwarder::BIN;
use crate::link_emulator::{Link, LinkEmulator};
use crate::program;
use crate::record::{Metric, Record};
use crate::scope::Scope;

/// When it happens, since the link began: every transfer has found its rate by then.
const AT: Duration = Duration::from_secs(6);
const OUTAGE: Duration = Duration::from_secs(2);
/// How long is waited for goodput to come back.
const PATIENCE: Duration = Duration::from_secs(15);
/// An IP packet that still passes the black hole: a tunnel's, say.
const BLACK_HOLE_BYTES: usize = 1400;
const RUNS: u64 = 3;
const PATH: Path = Path { seconds: 30, ..Path::new("incident", 100, 40, 0.0) };

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Incident {
    BlackHole,
    Outage,
    PortChange,
}

impl Incident {
    pub(super) const ALL: [Self; 3] = [Self::Outage, Self::BlackHole, Self::PortChange];

    pub(super) fn scenario(self) -> &'static str {
        match self {
            Self::Outage => "2 s without a packet",
            Self::BlackHole => "packets above 1400 bytes vanish",
            Self::PortChange => "the client's port changes",
        }
    }

    fn link(self, seed: u64) -> Link {
        let mut link = PATH.link(seed);
        match self {
            Self::Outage => {
                let outage = Some((AT, AT + OUTAGE));
                link.down.outage = outage;
                link.up.outage = outage;
            }
            Self::BlackHole => {
                link.down.black_hole = Some(BlackHole { from: AT, bytes_max: BLACK_HOLE_BYTES });
            }
            Self::PortChange => link.port_change = Some(AT),
        }
        link
    }

    /// When packets pass again.
    fn over_at(self) -> Duration {
        match self {
            Self::Outage => AT + OUTAGE,
            Self::BlackHole | Self::PortChange => AT,
        }
    }

    /// TCP has no port to change: its connection would be gone.
    fn contenders(self) -> &'static [Contender] {
        match self {
            Self::Outage | Self::BlackHole => &[SIMPLE_CHAT, QUINN_BBR, TCP_BBR],
            Self::PortChange => &[SIMPLE_CHAT, QUINN_BBR],
        }
    }
}

pub(super) fn run(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    for incident in Incident::ALL {
        let scenario = incident.scenario();
        for seed in scope.rounds(RUNS).filter(|_| scope.has(scenario)) {
            for contender in incident.contenders() {
                let delivered = survive(incident, *contender, seed)
                    .with_context(|| format!("{scenario}: {contender}"))?;
                let back = recovery(&delivered, AT, incident.over_at()).unwrap_or(PATIENCE);
                let seconds = back.as_secs_f64();
                record.add(
                    scenario,
                    &contender.to_string(),
                    seed,
                    (Metric::RecoverySeconds, seconds),
                );
            }
        }
    }
    Ok(())
}

/// What arrived at the client in each [`BIN`].
fn survive(incident: Incident, contender: Contender, seed: u64) -> Result<Vec<u64>> {
    let folder = program::memory_folder()?;
    let payload = Payload::create(folder.path(), payload_bytes(&PATH))?;
    let emulator = LinkEmulator::start(incident.link(seed))?;
    let clock = Instant::now();
    let serving =
        Serving::start_behind(&emulator, contender, &payload, folder.path().join("server"))?;
    let client = serving.client("bench", &folder.path().join("out"))?;
    let flow = Flow::start(emulator.at_client(&client), clock)?;
    flow.wait_for_begin(BEGIN_MAX)?;
    std::thread::sleep((incident.over_at() + PATIENCE).saturating_sub(clock.elapsed()));
    flow.stop()?;
    Ok(emulator.stop()?.delivered)
}

/// How long behind `over_at` half of the rate before `at` is reached again; zero where it never fell below
/// a tenth of it, none where it never came back.
fn recovery(delivered: &[u64], at: Duration, over_at: Duration) -> Option<Duration> {
    let bin =
        |time: Duration| usize::try_from(time.as_nanos() / BIN.as_nanos()).unwrap_or(usize::MAX);
    let window = bin(WINDOW);
    let before = delivered.get(bin(at.saturating_sub(BASELINE))..bin(at))?;
    let usual = before.iter().sum::<u64>() as f64 / before.len() as f64 * window as f64;
    let share = |bins: &[u64]| bins.iter().sum::<u64>() as f64 / usual;
    let behind = delivered.get(bin(at)..)?;
    let Some(gap) = behind.windows(window).position(|bins| share(bins) < GAP_SHARE) else {
        return Some(Duration::ZERO);
    };
    let back = behind.windows(window).skip(gap).position(|bins| share(bins) >= BACK_SHARE)?;
    let bins = u32::try_from(gap + back + window).ok()?;
    Some((at + BIN * bins).saturating_sub(over_at))
}

/// What goodput is averaged over: two round trips and a half.
const WINDOW: Duration = Duration::from_millis(100);
/// What counts as the usual rate.
const BASELINE: Duration = Duration::from_secs(2);
const GAP_SHARE: f64 = 0.1;
const BACK_SHARE: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 s at full rate, then what `after` says of each bin.
    fn check(after: &[u64], over_bins: u32, expected_bins: Option<u32>) {
        let mut delivered = vec![100; 100];
        delivered.extend(after);
        let at = Duration::from_secs(2);
        let back = recovery(&delivered, at, at + BIN * over_bins);
        assert_eq!(back, expected_bins.map(|bins| BIN * bins));
    }

    #[test]
    fn a_rate_that_never_falls_needs_no_recovery() {
        check(&[60; 100], 0, Some(0));
    }

    #[test]
    fn what_is_on_its_way_when_it_happens_is_no_recovery() {
        // Three bins on their way, ten of nothing, then all of it again: half of a window of five.
        let after = [vec![100; 3], vec![0; 10], vec![100; 50]].concat();
        check(&after, 0, Some(16));
        check(&after, 13, Some(3));
    }

    #[test]
    fn what_never_comes_back_has_no_recovery() {
        check(&[0; 100], 0, None);
    }
}
