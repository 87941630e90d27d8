//! A classroom: many clients fetch one file at once from one server over loopback, while somebody chats.

use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::conversation::Conversation;
use common::invite_link::InviteLink;
use common::wire::{SendMessage, ServerFrame, client_frame, server_frame};
use prost::Message;
use rustix::fs::{Advice, fadvise};

use super::contender::{FILE_NAME, simple_chat_client};
use super::flow::{Flow, Point, megabits_per_second};
use super::links::BEGIN_MAX;
use crate::chat_peer::{ChatPeer, connect};
use crate::idle_sessions::tls_config;
use crate::program::{self, Service};
use crate::record::{Metric, Record};
use crate::scope::Scope;
use crate::statistics::{jain, percentile};
use crate::{machine, noise};

pub(super) const SCENARIO: &str = "30 clients, one file";
pub(super) const SERVER: &str = "Simple Chat";

const CLIENTS: usize = 30;
/// Bytes of the file, and fewer for a look.
const BYTES: [u64; 2] = [256 << 20, 32 << 20];
const RUNS: u64 = 3;
/// Everybody has begun and nobody is done: what the index of fairness is about.
const COMMON: f64 = 0.8;
/// Between two messages of the one who chats.
const CHAT_INTERVAL: Duration = Duration::from_millis(50);
const DONE_MAX: Duration = Duration::from_secs(600);
/// Of the process's resident memory.
const LOOK: Duration = Duration::from_millis(100);
/// The limits on one person's messages are not what is measured.
const CONFIG: &str = "[limits]\nmessages_burst = 1000000\nmessages_per_second = 1000000\n";

pub(super) fn run(scope: &Scope<'_>, record: &mut Record) -> Result<()> {
    for round in scope.rounds(RUNS) {
        let [full, quick] = BYTES;
        let seen = one(if scope.quick { quick } else { full })?;
        let mut add = |metric, value| record.add(SCENARIO, SERVER, round, (metric, value));
        add(Metric::Jain, seen.jain);
        add(Metric::MegabitsPerSecond, seen.megabits_per_second);
        add(Metric::Megabytes, seen.memory_bytes as f64 / 1e6);
        add(Metric::DiskReadsOverSize, seen.disk_reads);
        add(Metric::ChatP99Milliseconds, seen.chat_p99.as_secs_f64() * 1e3);
    }
    Ok(())
}

struct Seen {
    jain: f64,
    /// Of all together.
    megabits_per_second: f64,
    memory_bytes: u64,
    /// Bytes from the disk for each of the file.
    disk_reads: f64,
    chat_p99: Duration,
}

fn one(bytes: u64) -> Result<Seen> {
    // On a disk, so that it can be read from there; what arrives goes to memory.
    let (disk, memory) = (tempfile::tempdir_in("/var/tmp")?, program::memory_folder()?);
    let files = disk.path().join("files");
    fs::create_dir(&files)?;
    noise::write_file(&files.join(FILE_NAME), bytes)?;
    fadvise(File::open(files.join(FILE_NAME))?, 0, None, Advice::DontNeed)?;
    let mut command = Command::new(program::path("chat-server")?);
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Service::start(program::arguments(&mut command, disk.path(), CONFIG)?)?;
    let chat = Chat::start(server.first_line.parse()?);

    let clock = Instant::now();
    let flows = (0..CLIENTS)
        .map(|number| {
            let name = format!("pupil{number}");
            let out = memory.path().join(&name);
            Flow::start(simple_chat_client(&server.first_line, &name, memory.path(), &out)?, clock)
        })
        .collect::<Result<Vec<_>>>()?;
    flows.iter().try_for_each(|flow| flow.wait_for_begin(BEGIN_MAX))?;
    let mut memory_bytes = 0;
    while flows.iter().any(Flow::is_running) {
        ensure!(clock.elapsed() < DONE_MAX, "{CLIENTS} clients are not done");
        memory_bytes = memory_bytes.max(server.memory_bytes()?);
        std::thread::sleep(LOOK);
    }
    let disk_reads = disk_bytes(server.process_id())? as f64 / bytes as f64;
    let points = flows.into_iter().map(Flow::stop).collect::<Result<Vec<_>>>()?;
    let chat_p99 = chat.stop()?;
    let rates = rates(&points, bytes)?;
    let jain = jain(&rates).context("nobody got anything")?;
    let megabits_per_second = rates.iter().sum();
    Ok(Seen { jain, megabits_per_second, memory_bytes, disk_reads, chat_p99 })
}

/// Mbit/s of each while all of them fetched.
fn rates(points: &[Vec<Point>], bytes: u64) -> Result<Vec<f64>> {
    let whole = |it: &Vec<Point>| it.last().is_some_and(|last| last.bytes == bytes);
    ensure!(points.iter().all(whole), "somebody did not get the whole file");
    let begin = points.iter().filter_map(|it| Some(it.first()?.at)).max().unwrap_or_default();
    let end = points.iter().filter_map(|it| Some(it.last()?.at)).min().unwrap_or_default();
    ensure!(end > begin, "the first was done before the last began");
    let end = begin + (end - begin).mul_f64(COMMON);
    Ok(points.iter().map(|it| megabits_per_second(it, begin, end)).collect())
}

/// What a process has had read from disks.
fn disk_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/io");
    Ok(machine::field(&path, "read_bytes").context("no read_bytes")?.parse()?)
}

/// Somebody who writes all the time, and waits for each message to be accepted.
struct Chat {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Vec<f64>>>,
}

impl Chat {
    fn start(link: InviteLink) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(write_until(&stopped, &link))
        });
        Self { stop, thread }
    }

    /// The time that 99 of 100 messages were accepted within.
    fn stop(self) -> Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let times = self.thread.join().map_err(|_| anyhow::anyhow!("the chat panicked"))??;
        let p99 = percentile(&times, 0.99).context("not one message was accepted")?;
        Ok(Duration::from_secs_f64(p99))
    }
}

/// Seconds that each message took.
async fn write_until(stop: &AtomicBool, link: &InviteLink) -> Result<Vec<f64>> {
    let ChatPeer { mut reader, mut writer } = connect(tls_config(link)?, link, "teacher").await?;
    let mut times = Vec::new();
    for number in 1_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let message = SendMessage {
            message_id: u128::from(number).to_be_bytes().to_vec().into(),
            conversation: Some(Conversation::lobby().to_wire()),
            text: "listen".into(),
        };
        let begun = Instant::now();
        writer.send(number, client_frame::Body::SendMessage(message)).await?;
        loop {
            match ServerFrame::decode(reader.next().await?)?.body {
                Some(server_frame::Body::MessageAccepted(_)) => break,
                Some(server_frame::Body::Refused(refused)) => anyhow::bail!("{refused:?}"),
                _ => {}
            }
        }
        times.push(begun.elapsed().as_secs_f64());
        tokio::time::sleep(CHAT_INTERVAL).await;
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(begin: u64, end: u64, bytes: u64) -> Vec<Point> {
        let at = |s, bytes| Point { at: Duration::from_secs(s), bytes };
        vec![at(begin, 0), at(end, bytes)]
    }

    #[test]
    fn only_the_time_that_all_share_counts() {
        let rates = rates(&[flow(0, 10, 1_000_000), flow(5, 25, 1_000_000)], 1_000_000).unwrap();
        assert!((rates[0] - 0.8).abs() < 1e-9, "{rates:?}");
        assert!((rates[1] - 0.4).abs() < 1e-9, "{rates:?}");
    }

    #[test]
    fn a_client_that_got_less_is_an_error() {
        assert!(rates(&[flow(0, 10, 5), flow(0, 10, 6)], 6).is_err());
        assert!(rates(&[flow(0, 5, 6), flow(5, 10, 6)], 6).is_err());
    }
}
