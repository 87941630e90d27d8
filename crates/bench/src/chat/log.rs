//! Messages that are on the disk and acknowledged, without the cost of delivering them to others: our server
//! alone, nobody else stores any.

use std::time::Instant;

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::contender::{Contender, Server};
use super::cores::Cores;
use super::dialect::{Heard, TEXT_BYTES, To};
use super::fan_out::COMING_MAX;
use super::session::{Door, Session, come_in_many};
use crate::record::{Metric, Record};
use crate::scope::Scope;
use crate::statistics::percentile;

pub(super) const SCENARIO: &str = "64 people, 32 messages under way each";

const PEOPLE: usize = 64;
const UNDER_WAY: usize = 32;
/// Of each person in each round.
const MESSAGES: usize = 2000;
const ROUNDS: u64 = 5;

/// Everybody writes to himself, with a fixed number of messages that are not acknowledged yet.
pub(super) async fn run(cores: Cores, scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    let server = Server::start(Contender::SimpleChat, cores)?;
    let door = Door::to(&server, true)?;
    let mut people = come_in_many(&door, 'p', PEOPLE, COMING_MAX).await?;
    for round in scope.rounds(ROUNDS) {
        let (begun, cpu_before) = (Instant::now(), server.cpu_seconds()?);
        let mut writing = JoinSet::new();
        for person in people.drain(..) {
            writing.spawn(write(person));
        }
        let mut waits = Vec::new();
        while let Some(done) = writing.join_next().await {
            let (person, of_person) = done??;
            people.push(person);
            waits.extend(of_person);
        }
        let (messages, time) = ((MESSAGES * PEOPLE) as f64, begun.elapsed().as_secs_f64());
        let cpu = server.cpu_seconds()? - cpu_before;
        let at = |share| percentile(&waits, share).context("nothing was acknowledged");
        let mut add = |metric, value| {
            record.add(SCENARIO, &Contender::SimpleChat.to_string(), round, (metric, value));
        };
        add(Metric::AcknowledgedPerSecond, messages / time);
        add(Metric::CpuSecondsPerMillion, cpu / messages * 1e6);
        add(Metric::P50Milliseconds, at(0.5)?);
        add(Metric::P99Milliseconds, at(0.99)?);
    }
    Ok(())
}

/// How many milliseconds each message waited; acknowledgements come in the order of the messages.
async fn write(mut person: Session) -> Result<(Session, Vec<f64>)> {
    let (to, text) = (To::Person(person.welcome.address.clone()), "x".repeat(TEXT_BYTES));
    let mut under_way = std::collections::VecDeque::new();
    let (mut written, mut waits) = (0, Vec::with_capacity(MESSAGES));
    while waits.len() < MESSAGES {
        while written < MESSAGES && under_way.len() < UNDER_WAY {
            written += 1;
            under_way.push_back(Instant::now());
            person.mouth.say(written as u64 + 2, &to, &text).await?;
        }
        if person.ears.next().await? == Heard::Accepted {
            let since = under_way.pop_front().context("an acknowledgement of nothing")?;
            waits.push(since.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok((person, waits))
}
