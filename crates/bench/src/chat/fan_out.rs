//! How much a server of one core delivers: one who writes to many, a room in which all write, people who
//! write to each other two by two.

use std::time::Duration;

use anyhow::{Context, Result};

use super::contender::{Contender, Server};
use super::cores::Cores;
use super::dialect::{To, Who};
use super::load::Load;
use super::session::{Door, Session, come_in_many};
use crate::program::cpu_seconds;
use crate::record::{Metric, Record};
use crate::scope::Scope;

/// Logins at once: below our server's limit of 64.
pub(super) const COMING_MAX: usize = 32;
/// Messages that the slowest reader may be behind: what waits for it then is less than any server's limit.
pub(super) const WINDOW: u64 = 128;
/// The same for each of the pairs.
const PAIR_WINDOW: u64 = 4;
const ROUNDS: u64 = 5;
const ROUND: Duration = Duration::from_secs(2);

/// Who writes to whom.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One to so many.
    FanOut(usize),
    /// So many, everybody to all others.
    Room(usize),
    /// So many pairs, one of each to the other.
    Pairs(usize),
}

impl Shape {
    pub(super) const FAN_OUTS: &[Self] = &[Self::FanOut(100), FAN_OUT];
    pub(super) const ROOMS: &[Self] = &[ROOM];
    pub(super) const PAIRS: &[Self] = &[PAIRS];

    pub(super) fn scenario(self) -> String {
        match self {
            Self::FanOut(receivers) => format!("one to {receivers}"),
            Self::Room(people) => format!("a room of {people} who all write"),
            Self::Pairs(pairs) => format!("{pairs} private pairs"),
        }
    }

    fn contenders(self) -> &'static [Contender] {
        use Contender::{Bare, Mumble, Ngircd, SimpleChat};
        match self {
            Self::FanOut(_) | Self::Room(_) => &[SimpleChat, Ngircd, Mumble, Bare],
            Self::Pairs(_) => &[SimpleChat, Ngircd, Mumble],
        }
    }

    async fn load(self, server: &Server) -> Result<Load> {
        let door = Door::to(server, !matches!(self, Self::Pairs(_)))?;
        let ears = |sessions: Vec<Session>| sessions.into_iter().map(|it| it.ears).collect();
        match self {
            Self::FanOut(receivers) => {
                let writer = door.come_in(&Who::new("w")).await?;
                let readers = come_in_many(&door, 'r', receivers, COMING_MAX).await?;
                let writers = vec![(writer.mouth, To::Room)];
                Ok(Load::new(writers, ears(readers), vec![writer.ears], (1, WINDOW)))
            }
            Self::Room(people) => {
                let everybody = come_in_many(&door, 'r', people, COMING_MAX).await?;
                let writers = everybody.iter().map(|it| (it.mouth.clone(), To::Room)).collect();
                let gain = people as u64 - 1;
                Ok(Load::new(writers, ears(everybody), vec![], (gain, WINDOW)))
            }
            Self::Pairs(pairs) => {
                let readers = come_in_many(&door, 'r', pairs, COMING_MAX).await?;
                let writers = come_in_many(&door, 'w', pairs, COMING_MAX).await?;
                let to = readers.iter().map(|it| To::Person(it.welcome.address.clone()));
                let mouths = writers.iter().map(|it| it.mouth.clone()).zip(to).collect();
                Ok(Load::new(mouths, ears(readers), ears(writers), (1, PAIR_WINDOW)))
            }
        }
    }
}

pub(super) const FAN_OUT: Shape = Shape::FanOut(1000);
pub(super) const ROOM: Shape = Shape::Room(100);
pub(super) const PAIRS: Shape = Shape::Pairs(1000);

/// Everybody in turn, round after round, so that a machine that grows busy is busy for all. One round before
/// the counted ones warms the caches.
pub(super) async fn run(
    shapes: &[Shape],
    cores: Cores,
    scope: &Scope<'_>,
    record: &mut Record,
) -> Result<()> {
    for shape in shapes.iter().filter(|shape| scope.has(&shape.scenario())) {
        let scenario = shape.scenario();
        let mut loads = Vec::new();
        for contender in shape.contenders() {
            let server = Server::start(*contender, cores)?;
            let load = shape.load(&server).await.with_context(|| contender.to_string())?;
            loads.push((server, load));
        }
        for round in std::iter::once(0).chain(scope.rounds(ROUNDS)) {
            for (server, load) in &mut loads {
                let name = server.contender.to_string();
                let cpu = || anyhow::Ok((server.cpu_seconds()?, cpu_seconds(std::process::id())?));
                let (server_before, load_before) = cpu()?;
                let (delivered, time) =
                    load.run(ROUND).await.with_context(|| format!("{scenario}: {name}"))?;
                if round == 0 {
                    continue;
                }
                let (server_after, load_after) = cpu()?;
                let cpu = server_after - server_before;
                let (delivered, time) = (delivered as f64, time.as_secs_f64());
                let mut add = |metric, value| record.add(&scenario, &name, round, (metric, value));
                add(Metric::DeliveriesPerSecond, delivered / time);
                add(Metric::CpuSecondsPerMillion, cpu / delivered * 1e6);
                add(Metric::ServerBusy, cpu / time);
                add(Metric::LoadBusy, (load_after - load_before) / time);
            }
        }
    }
    Ok(())
}
