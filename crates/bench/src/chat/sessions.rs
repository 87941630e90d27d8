//! What people cost who only are there: how fast they come in, what memory they take, how long it takes them to
//! come back when the server was started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use super::contender::Contender::{self, Mumble, Ngircd, SimpleChat};
use super::contender::Server;
use super::cores::Cores;
use super::dialect::Who;
use super::fan_out::COMING_MAX;
use super::session::{Door, Ears};
use crate::record::{Metric, Record};
use crate::scope::Scope;

pub(super) const LOGINS: &str = "1000 log in, 32 at a time";
pub(super) const RESTART: &str = "1000 back after a restart";

/// Those who are in, each until its connection ends.
type Listening = JoinSet<anyhow::Error>;

const PEOPLE: usize = 1000;
const ROUNDS: u64 = 3;
/// Files beside the connections.
const FILES_BESIDE: u64 = 200;
/// A server that used so little of a second has nothing left to do.
const QUIET_CPU_SECONDS: f64 = 0.15;
const QUIET_MAX: Duration = Duration::from_secs(120);
/// Simple Chat's client dials again within this time after a loss, not before half of it, and twice as late after
/// each attempt, up to the longest. Here everybody's does.
const RETRY_MAX: Duration = Duration::from_secs(1);
const LONGEST_RETRY_MAX: Duration = Duration::from_secs(30);
/// Whether all are back.
const LOOK: Duration = Duration::from_millis(10);
const BACK_MAX: Duration = Duration::from_secs(300);

/// How many idle people are measured at whose server. Mumble tells everybody of everybody, one system call
/// each: ten thousand would take half an hour to come in.
pub(super) const IDLE: [(Contender, usize); 3] =
    [(SimpleChat, 10_000), (Ngircd, 10_000), (Mumble, 2000)];

/// As the scenario is called.
pub(super) fn idle_scenario(people: usize) -> String {
    format!("{people} idle sessions")
}

/// Memory of people who do nothing. One round: it is not a matter of speed.
pub(super) async fn run_idle(cores: Cores, scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    for (contender, people) in IDLE {
        let people = if scope.quick { people / 10 } else { people };
        allow_files(people as u64 + FILES_BESIDE)?;
        let server = Server::start(contender, cores)?;
        let before = server.memory_bytes()?;
        let mut listening = JoinSet::new();
        let door = Door::to(&server, false)?;
        come_in_listening(&door, people, &mut listening)
            .await
            .with_context(|| contender.to_string())?;
        quiet(&server).await?;
        let after = server.memory_bytes()?;
        nobody_left(&mut listening).with_context(|| contender.to_string())?;
        let (scenario, name) = (idle_scenario(people), contender.to_string());
        let each = after.saturating_sub(before) as f64 / people as f64 / 1024.0;
        record.add(&scenario, &name, 1, (Metric::KibibytesPerSession, each));
        record.add(&scenario, &name, 1, (Metric::Mebibytes, after as f64 / f64::from(1 << 20)));
    }
    Ok(())
}

/// How fast people come into the room.
pub(super) async fn run_logins(cores: Cores, scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    for round in scope.rounds(ROUNDS) {
        for contender in [SimpleChat, Ngircd, Mumble] {
            let server = Server::start(contender, cores)?;
            let mut listening = JoinSet::new();
            let (begun, cpu_before) = (Instant::now(), server.cpu_seconds()?);
            come_in_listening(&Door::to(&server, true)?, PEOPLE, &mut listening)
                .await
                .with_context(|| contender.to_string())?;
            let seconds = begun.elapsed().as_secs_f64();
            let mut add = |what| record.add(LOGINS, &contender.to_string(), round, what);
            add((Metric::LoginsPerSecond, PEOPLE as f64 / seconds));
            add((Metric::ServerBusy, (server.cpu_seconds()? - cpu_before) / seconds));
        }
    }
    Ok(())
}

/// From when a server is started again until everybody is back in the room.
pub(super) async fn run_restart(
    cores: Cores,
    scope: &Scope<'_>,
    record: &mut Record,
) -> Result<()> {
    for round in scope.rounds(ROUNDS) {
        for contender in [SimpleChat, Mumble, Ngircd] {
            if contender == Ngircd && round > 1 {
                // Takes minutes: see the document.
                continue;
            }
            let seconds = restart(contender, cores).await.with_context(|| contender.to_string())?;
            record.add(RESTART, &contender.to_string(), round, (Metric::Seconds, seconds));
        }
    }
    Ok(())
}

async fn restart(contender: Contender, cores: Cores) -> Result<f64> {
    let mut server = Server::start(contender, cores)?;
    let door = Door::to(&server, true)?;
    let mut listening = JoinSet::new();
    let people = come_in_listening(&door, PEOPLE, &mut listening).await?;
    server.stop();
    while listening.join_next().await.is_some() {}
    let begun = Instant::now();
    server.start_again()?;
    come_back(&door, people).await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Everybody; whose connection is closed again, even behind the login, tries again, too.
async fn come_back(door: &Door, people: Vec<Who>) -> Result<()> {
    let (inside, all) = (Arc::new(AtomicUsize::new(0)), people.len());
    let mut trying = JoinSet::new();
    for who in people {
        trying.spawn(keep_coming(door.clone(), who, Arc::clone(&inside)));
    }
    let begun = Instant::now();
    while inside.load(Ordering::Relaxed) < all {
        ensure!(begun.elapsed() < BACK_MAX, "only {inside:?} of {all} are back");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// As a client does that is told to stay in.
async fn keep_coming(door: Door, mut who: Who, inside: Arc<AtomicUsize>) {
    let mut longest = RETRY_MAX;
    loop {
        tokio::time::sleep(longest.mul_f64(1.0 - 0.5 * rand::random::<f64>())).await;
        longest = (longest * 2).min(LONGEST_RETRY_MAX);
        if let Ok(session) = door.come_in(&who).await {
            longest = RETRY_MAX;
            who.token = session.welcome.token;
            inside.fetch_add(1, Ordering::Relaxed);
            let _why = listen(session.ears).await;
            inside.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Has many come in, [`COMING_MAX`] at a time; who is in listens.
async fn come_in_listening(
    door: &Door,
    people: usize,
    listening: &mut Listening,
) -> Result<Vec<Who>> {
    let mut numbers = 0..people;
    let (mut coming, mut inside) = (JoinSet::new(), Vec::with_capacity(people));
    loop {
        while coming.len() < COMING_MAX
            && let Some(number) = numbers.next()
        {
            let (door, who) = (door.clone(), Who::new(format!("p{number}")));
            coming.spawn(async move { anyhow::Ok((door.come_in(&who).await?, who.name)) });
        }
        let Some(session) = coming.join_next().await else { return Ok(inside) };
        let (session, name) = session??;
        inside.push(Who { name, token: session.welcome.token });
        listening.spawn(listen(session.ears));
    }
}

/// Until the connection ends: why it did.
async fn listen(mut ears: Ears) -> anyhow::Error {
    loop {
        if let Err(error) = ears.next().await {
            return error;
        }
    }
}

/// # Errors
/// Where a connection has ended.
fn nobody_left(listening: &mut Listening) -> Result<()> {
    match listening.try_join_next() {
        Some(why) => Err(why?.context("somebody is gone")),
        None => Ok(()),
    }
}

/// Waits until the server has done what it had to do.
async fn quiet(server: &Server) -> Result<()> {
    let begun = Instant::now();
    let mut before = server.cpu_seconds()?;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = server.cpu_seconds()?;
        if now - before < QUIET_CPU_SECONDS {
            return Ok(());
        }
        before = now;
        ensure!(begun.elapsed() < QUIET_MAX, "the server does not come to rest");
    }
}

/// For this process, and for the servers that it starts from now on.
fn allow_files(count: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_some_and(|current| current < count) {
        let maximum = now.maximum.map(|maximum| maximum.max(count));
        let new = Rlimit { current: Some(count), maximum };
        setrlimit(Resource::Nofile, new)
            .with_context(|| format!("{count} open files are not allowed: ulimit -n"))?;
    }
    Ok(())
}
