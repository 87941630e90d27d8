//! How long a message takes to a thousand receivers: at an easy pace, and with some of them who have stopped
//! reading.

use std::time::Duration;

use anyhow::{Context, Result};

use super::contender::Contender::{self, Bare, Mumble, Ngircd, SimpleChat};
use super::contender::Server;
use super::cores::Cores;
use super::dialect::{To, Who};
use super::fan_out::{COMING_MAX, WINDOW};
use super::load::Load;
use super::session::{Door, Session, come_in_many};
use crate::record::{Metric, Record};
use crate::scope::Scope;
use crate::statistics::percentile;

pub(super) const EASY: &str = "20 messages/s to 1000";
pub(super) const ALL_READ: &str = "1000 receivers, all read";
pub(super) const SOME_STOPPED: &str = "1000 receivers, 100 of them stopped";

const RECEIVERS: usize = 1000;
const STOPPED: usize = 100;
const EASY_PER_SECOND: u32 = 20;
const EASY_SECONDS: u64 = 7;
/// Enough to see a queue grow, and no more than any of the servers manages.
const BUSY_PER_SECOND: u32 = 50;
const BUSY_SECONDS: u64 = 5;
const ROUNDS: u64 = 3;
/// Of those who stop: what they do not read has to wait in the server, not in the kernel.
const STOPPED_RECEIVE_BYTES: u32 = 4096;
/// Written at full speed before what is measured, so that whatever waits for those who stopped is full.
const FLOOD: Duration = Duration::from_secs(2);

/// The easy pace, everybody in turn.
pub(super) async fn run(cores: Cores, scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    let mut loads = Vec::new();
    for contender in [SimpleChat, Ngircd, Mumble, Bare] {
        let server = Server::start(contender, cores)?;
        let (load, _nobody) = load(&server, 0).await.with_context(|| contender.to_string())?;
        loads.push((contender, server, load));
    }
    for round in scope.rounds(ROUNDS) {
        for (contender, _server, load) in &mut loads {
            let took = load.pace(EASY_PER_SECOND, Duration::from_secs(EASY_SECONDS)).await;
            let took = took.with_context(|| contender.to_string())?;
            add(record, EASY, *contender, round, &took);
        }
    }
    Ok(())
}

/// The same pace with and without some who have stopped: each with a server of its own, whose memory tells
/// what it keeps for them.
pub(super) async fn run_stopped(
    cores: Cores,
    scope: &Scope<'_>,
    record: &mut Record,
) -> Result<()> {
    for round in scope.rounds(ROUNDS) {
        for contender in [SimpleChat, Ngircd, Mumble] {
            for (scenario, stopped) in [(ALL_READ, 0), (SOME_STOPPED, STOPPED)] {
                let (took, grown) = busy(contender, cores, stopped)
                    .await
                    .with_context(|| format!("{scenario}: {contender}"))?;
                add(record, scenario, contender, round, &took);
                let grown = (Metric::Megabytes, grown as f64 / 1e6);
                record.add(scenario, &contender.to_string(), round, grown);
            }
        }
    }
    Ok(())
}

/// What deliveries to those who read took, and by how many bytes the server grew.
async fn busy(contender: Contender, cores: Cores, stopped: usize) -> Result<(Vec<Duration>, u64)> {
    let server = Server::start(contender, cores)?;
    let (mut load, _stopped) = load(&server, stopped).await?;
    let before = server.memory_bytes()?;
    load.run(FLOOD).await?;
    let took = load.pace(BUSY_PER_SECOND, Duration::from_secs(BUSY_SECONDS)).await?;
    Ok((took, server.memory_bytes()?.saturating_sub(before)))
}

/// One who writes and all who receive, and those of them who do not read.
async fn load(server: &Server, stopped: usize) -> Result<(Load, Vec<Session>)> {
    let door = Door::to(server, true)?;
    let narrow = door.with_receive_bytes(STOPPED_RECEIVE_BYTES);
    let stopped = come_in_many(&narrow, 's', stopped, COMING_MAX).await?;
    let readers = come_in_many(&door, 'r', RECEIVERS - stopped.len(), COMING_MAX).await?;
    let writer = door.come_in(&Who::new("w")).await?;
    let ears = readers.into_iter().map(|it| it.ears).collect();
    let load = Load::new(vec![(writer.mouth, To::Room)], ears, vec![writer.ears], (1, WINDOW));
    Ok((load, stopped))
}

fn add(record: &mut Record, scenario: &str, who: Contender, round: u64, took: &[Duration]) {
    let took: Vec<f64> = took.iter().map(|it| it.as_secs_f64() * 1e3).collect();
    for (metric, share) in [(Metric::P50Milliseconds, 0.5), (Metric::P99Milliseconds, 0.99)] {
        if let Some(value) = percentile(&took, share) {
            record.add(scenario, &who.to_string(), round, (metric, value));
        }
    }
}
