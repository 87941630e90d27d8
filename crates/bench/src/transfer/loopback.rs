//! One large file over loopback, memory disk to memory disk: everybody in turn, several rounds, so that a
//! machine that grows busy meanwhile is busy for all.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::contender::{Congestion, Contender, Payload, Serving};
use crate::program;
use crate::record::{Metric, Record};
use crate::scope::Scope;

/// With segmentation offload, where there is any.
pub(super) const WITH_GSO: &str = "loopback";
/// One datagram a system call.
pub(super) const WITHOUT_GSO: &str = "loopback without GSO";

pub(super) const CEILING: Contender = Contender::Ceiling { gso: true };
pub(super) const SIMPLE_CHAT: Contender = Contender::SimpleChat { congestion: None, gso: true };

const QUINN_CUBIC: Contender = Contender::Quinn { congestion: Congestion::Cubic, gso: true };

/// Who runs, under which heading.
const CONTENDERS: &[(&str, Contender)] = &[
    (WITH_GSO, CEILING),
    (WITH_GSO, SIMPLE_CHAT),
    (WITH_GSO, QUINN_CUBIC),
    (WITH_GSO, Contender::Quinn { congestion: Congestion::Bbr, gso: true }),
    (WITH_GSO, Contender::S2n { congestion: Congestion::Cubic }),
    (WITH_GSO, Contender::S2n { congestion: Congestion::Bbr }),
    (WITH_GSO, Contender::Nginx { tls: true }),
    (WITH_GSO, Contender::Nginx { tls: false }),
    (WITHOUT_GSO, Contender::Ceiling { gso: false }),
    (WITHOUT_GSO, Contender::SimpleChat { congestion: None, gso: false }),
    (WITHOUT_GSO, Contender::Quinn { congestion: Congestion::Cubic, gso: false }),
    (WITHOUT_GSO, Contender::Quinn { congestion: Congestion::Bbr, gso: false }),
];

/// How large the file is, and how large for a look.
const BYTES: [u64; 2] = [1 << 30, 256 << 20];
const ROUNDS: u64 = 5;

pub(super) fn run(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    let folder = program::memory_folder()?;
    let [full, quick] = BYTES;
    let payload = Payload::create(folder.path(), if scope.quick { quick } else { full })?;
    let contenders: Vec<_> = CONTENDERS.iter().filter(|(name, _)| scope.has(name)).collect();
    let servers = contenders
        .iter()
        .zip(0..)
        .map(|((_, contender), index)| {
            let own = folder.path().join(format!("{index}"));
            Serving::start(*contender, &payload, own)
                .with_context(|| format!("{contender} does not start"))
        })
        .collect::<Result<Vec<_>>>()?;
    // Round 0 is not counted: servers hash the file, caches fill.
    for round in 0..=*scope.rounds(ROUNDS).end() {
        for ((scenario, contender), serving) in contenders.iter().zip(&servers) {
            let fetched = fetch(serving, folder.path())
                .with_context(|| format!("{scenario}: {contender}"))?;
            if round > 0 {
                let name = contender.to_string();
                let gigabytes = payload.bytes as f64 / 1e9;
                let speed = gigabytes / fetched.seconds;
                let cost = fetched.cpu_seconds / gigabytes;
                record.add(scenario, &name, round, (Metric::GigabytesPerSecond, speed));
                record.add(scenario, &name, round, (Metric::CpuSecondsPerGigabyte, cost));
            }
        }
    }
    Ok(())
}

struct Fetched {
    seconds: f64,
    /// Of both ends.
    cpu_seconds: f64,
}

fn fetch(serving: &Serving<'_>, folder: &Path) -> Result<Fetched> {
    let out = folder.join("fetched");
    let before = serving.cpu_seconds()?;
    let client = program::run(&mut serving.client("bench", &out)?)?;
    let outcome = serving.outcome(&client.stdout)?;
    let cpu_seconds = client.cpu_seconds + serving.cpu_seconds()? - before;
    fs::remove_file(&out)?;
    Ok(Fetched { seconds: outcome.seconds, cpu_seconds })
}
