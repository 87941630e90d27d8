//! One download at a time through emulated links, by real programs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::contender::{Congestion, Contender, Payload, Serving};
use super::flow::{Flow, Point, bytes_at, megabits_per_second};
use super::loopback::SIMPLE_CHAT;
use super::path::{Bottleneck, Path};
use crate::link_emulator::LinkEmulator;
use crate::program;
use crate::record::{Metric, Record};
use crate::scope::Scope;

pub(super) const TCP_CUBIC: Contender = Contender::Tcp { congestion: Congestion::Cubic };
pub(super) const TCP_BBR: Contender = Contender::Tcp { congestion: Congestion::Bbr };
pub(super) const S2N_BBR: Contender = Contender::S2n { congestion: Congestion::Bbr };
pub(super) const QUINN_BBR: Contender = Contender::Quinn { congestion: Congestion::Bbr, gso: true };

const CONTENDERS: &[Contender] = &[
    SIMPLE_CHAT,
    TCP_CUBIC,
    TCP_BBR,
    Contender::Quinn { congestion: Congestion::Cubic, gso: true },
    QUINN_BBR,
    Contender::S2n { congestion: Congestion::Cubic },
    S2N_BBR,
];

/// Who is shown against loss: everybody whose congestion control is another.
pub(super) const AGAINST_LOSS: &[Contender] =
    &[SIMPLE_CHAT, TCP_CUBIC, TCP_BBR, QUINN_BBR, S2N_BBR];

pub(super) const A: Path = Path::new("A", 100, 10, 0.0);
pub(super) const B: Path = Path::new("B", 100, 40, 1.0);
pub(super) const C: Path = Path::new("C", 500, 80, 0.1);
pub(super) const D: Path = Path { seconds: 60, ..Path::new("D", 20, 200, 3.0) };

/// Clean and lossy, short and long; then what people have at home and on the way.
pub(super) const PATHS: &[Path] = &[
    A,
    B,
    C,
    D,
    Path { burst_packets: 4.0, reorder: 0.5, ..Path::new("Wi-Fi", 150, 8, 1.0) },
    Path { queue: Bottleneck::BdpPercent(400), ..Path::new("4G", 30, 70, 0.3) },
    Path {
        megabits_up: Some(2),
        queue: Bottleneck::BdpPercent(50),
        ..Path::new("DSL", 50, 30, 0.2)
    },
    Path { seconds: 30, ..Path::new("Satellite", 40, 600, 0.5) },
];

/// Per cent of loss, both ways.
pub(super) const LOSSES: &[f64] = &[0.0, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0];

/// What the sweep runs over.
pub(super) fn lossy(loss: f64) -> Path {
    Path::new("loss", 100, 40, loss)
}

/// Seeds of a link: each is a round.
const SEEDS: u64 = 3;

pub(super) fn run(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    PATHS.iter().try_for_each(|path| over(path, CONTENDERS, scope, record))
}

/// Goodput against loss.
pub(super) fn sweep(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    LOSSES.iter().try_for_each(|loss| over(&lossy(*loss), AGAINST_LOSS, scope, record))
}

fn over(
    path: &Path,
    contenders: &[Contender],
    scope: &Scope<'_>,
    record: &mut Record,
) -> Result<()> {
    let scenario = path.to_string();
    if !scope.has(&scenario) {
        return Ok(());
    }
    let path = Path { seconds: scope.seconds(path.seconds), ..*path };
    for seed in scope.rounds(SEEDS) {
        for contender in contenders {
            one(&path, *contender, seed, record)?;
        }
    }
    Ok(())
}

/// A peer that fails on a link is a result like any other: nothing arrived.
fn one(path: &Path, contender: Contender, seed: u64, record: &mut Record) -> Result<()> {
    let (scenario, name) = (path.to_string(), contender.to_string());
    match download(path, contender, seed) {
        Ok(Download { megabits_per_second, overhead, latest }) => {
            record.add(&scenario, &name, seed, (Metric::MegabitsPerSecond, megabits_per_second));
            record.add(&scenario, &name, seed, (Metric::SentOverReceived, overhead));
            let milliseconds = latest.as_secs_f64() * 1e3;
            record.add(&scenario, &name, seed, (Metric::LinkLateMilliseconds, milliseconds));
        }
        Err(error) => {
            eprintln!("{scenario}: {contender}: {error:#}");
            record.add(&scenario, &name, seed, (Metric::MegabitsPerSecond, 0.0));
        }
    }
    Ok(())
}

struct Download {
    megabits_per_second: f64,
    /// File bytes put on the link for each that arrived.
    overhead: f64,
    /// The latest the emulator was with a packet.
    latest: Duration,
}

/// File bytes in a full packet of each contender, over the packet's bytes, are near enough to this:
/// 1412 of 1480 for Simple Chat, about as many for the others.
const FILE_SHARE_OF_PACKET: f64 = 1412.0 / 1480.0;

fn download(path: &Path, contender: Contender, seed: u64) -> Result<Download> {
    let folder = program::memory_folder()?;
    let payload = Payload::create(folder.path(), payload_bytes(path))?;
    let emulator = LinkEmulator::start(path.link(seed))?;
    let serving =
        Serving::start_behind(&emulator, contender, &payload, folder.path().join("server"))?;
    let client = emulator.at_client(&serving.client("bench", &folder.path().join("out"))?);
    let points = measure(client, Duration::from_secs(path.seconds))
        .with_context(|| format!("{contender} over {path}"))?;
    drop(serving);
    let counts = emulator.stop()?;
    let begin = points.first().context("no progress")?.at;
    let end = begin + Duration::from_secs(path.seconds);
    // A file that was complete before is measured to its end.
    let end = points.last().map_or(end, |last| last.at.min(end));
    let arrived = bytes_at(&points, Duration::MAX);
    Ok(Download {
        megabits_per_second: megabits_per_second(&points, begin, end),
        overhead: counts.down.bytes as f64 * FILE_SHARE_OF_PACKET / arrived,
        latest: counts.latest,
    })
}

fn measure(client: std::process::Command, length: Duration) -> Result<Vec<Point>> {
    let flow = Flow::start(client, Instant::now())?;
    flow.wait_for_begin(BEGIN_MAX)?;
    std::thread::sleep(length + SETTLE);
    flow.stop()
}

/// A client that has not begun by then never will.
pub(super) const BEGIN_MAX: Duration = Duration::from_secs(20);
/// Behind the time that is measured: the last progress must be told.
pub(super) const SETTLE: Duration = Duration::from_millis(500);

/// More than can arrive in the time.
pub(super) fn payload_bytes(path: &Path) -> u64 {
    path.megabits * 125_000 * (path.seconds + 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_outlasts_its_measurement() {
        for path in PATHS {
            let seconds = payload_bytes(path) as f64 * 8.0 / 1e6 / path.megabits as f64;
            assert!(seconds > path.seconds as f64 + SETTLE.as_secs_f64() + 1.0, "{path}");
        }
    }
}
