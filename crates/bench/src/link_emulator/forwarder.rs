//! The thread that moves packets between the two ends, and counts them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Link;
use super::model::{Fates, Model};
use super::port_change::{From, PortChange};

/// Packets read in a row before deliveries get their turn.
const READ_BATCH: usize = 128;
const PACKET_BYTES_MAX: usize = 1 << 16;
/// How long an idle thread waits before it looks whether it is to end.
const IDLE: Duration = Duration::from_millis(20);
/// While packets are on their way it wakes no more often, to do work in batches: the error it adds.
const TICK: Duration = Duration::from_micros(50);
/// What [`Counts::delivered`] counts together.
pub(crate) const BIN: Duration = Duration::from_millis(20);

/// What went over the link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// From the server to the client.
    pub(crate) down: Fates,
    /// Bytes of IP packets that arrived at the client, in each [`BIN`] since the start.
    pub(crate) delivered: Vec<u64>,
    /// The latest that a packet ever was. Much against the delay means: this machine was too busy.
    pub(crate) latest: Duration,
}

pub(super) struct Forwarder {
    begun: Instant,
    down: Pipe,
    up: Pipe,
    port_change: Option<PortChange>,
    buffer: Vec<u8>,
    counts: Counts,
}

struct Pipe {
    from: From,
    input: File,
    output: File,
    model: Model,
    /// Ordered by time, then by arrival.
    due: BinaryHeap<Reverse<(Duration, u64, Vec<u8>)>>,
    taken: u64,
    spare: Vec<Vec<u8>>,
}

impl Forwarder {
    pub(super) fn new(server: [File; 2], client: [File; 2], link: Link) -> Self {
        let ([server_in, server_out], [client_in, client_out]) = (server, client);
        let down = Model::new(link.down, link.seed);
        let up = Model::new(link.up, !link.seed);
        Self {
            begun: Instant::now(),
            down: Pipe::new(From::Server, server_in, client_out, down),
            up: Pipe::new(From::Client, client_in, server_out, up),
            port_change: link.port_change.map(PortChange::new),
            buffer: vec![0; PACKET_BYTES_MAX],
            counts: Counts::default(),
        }
    }

    /// Until the other end of `stopped` is gone.
    pub(super) fn run(mut self, stopped: &Receiver<()>) -> Counts {
        be_punctual();
        while stopped.try_recv() != Err(TryRecvError::Disconnected) {
            let moved = self.turn();
            let now = self.begun.elapsed();
            match [self.down.next_due(), self.up.next_due()].into_iter().flatten().min() {
                Some(due) if moved || due <= now + TICK => {
                    std::thread::sleep(due.saturating_sub(now).clamp(TICK / 2, TICK));
                }
                due if !moved => {
                    self.wait(due.map_or(IDLE, |due| due.saturating_sub(now).min(IDLE)))
                }
                _ => {}
            }
        }
        self.counts.down = self.down.model.fates;
        self.counts
    }

    /// Delivers what is due and takes what waits; false if there was nothing to do.
    fn turn(&mut self) -> bool {
        let mut moved = self.deliver();
        for from in [From::Server, From::Client] {
            for _ in 0..READ_BATCH {
                if !self.take(from) {
                    break;
                }
                moved = true;
            }
        }
        moved | self.deliver()
    }

    fn take(&mut self, from: From) -> bool {
        let pipe = match from {
            From::Server => &mut self.down,
            From::Client => &mut self.up,
        };
        let Ok(length @ 1..) = pipe.input.read(&mut self.buffer) else { return false };
        let Some(packet) = self.buffer.get_mut(..length) else { return false };
        let now = self.begun.elapsed();
        let passes = self.port_change.as_mut().is_none_or(|it| it.passes(now, from, packet));
        if passes && let Some(due) = pipe.model.admit(now, length) {
            pipe.keep(due, packet);
        }
        true
    }

    fn deliver(&mut self) -> bool {
        let mut moved = false;
        for pipe in [&mut self.down, &mut self.up] {
            while let Some(late) =
                pipe.next_due().and_then(|due| self.begun.elapsed().checked_sub(due))
            {
                let Some(bytes) = pipe.deliver_one() else { break };
                moved = true;
                self.counts.latest = self.counts.latest.max(late);
                if pipe.from == From::Server {
                    count(&mut self.counts.delivered, self.begun.elapsed(), bytes as u64);
                }
            }
        }
        moved
    }

    fn wait(&self, time: Duration) {
        let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        let mut ends = [&self.down.input, &self.up.input].map(|it| PollFd::new(it, PollFlags::IN));
        // Interrupted or not: the next turn looks again.
        let _ = poll(&mut ends, Some(&time));
    }
}

impl Pipe {
    fn new(from: From, input: File, output: File, model: Model) -> Self {
        Self { from, input, output, model, due: BinaryHeap::new(), taken: 0, spare: Vec::new() }
    }

    fn next_due(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, ..))| *due)
    }

    fn keep(&mut self, due: Duration, packet: &[u8]) {
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(packet);
        self.taken += 1;
        self.due.push(Reverse((due, self.taken, kept)));
    }

    /// Its length. What the device does not take is lost: it is not there any more.
    fn deliver_one(&mut self) -> Option<usize> {
        let Reverse((_, _, packet)) = self.due.pop()?;
        let _ = self.output.write(&packet);
        let length = packet.len();
        self.spare.push(packet);
        Some(length)
    }
}

fn count(bins: &mut Vec<u64>, at: Duration, bytes: u64) {
    let Ok(index) = usize::try_from(at.as_nanos() / BIN.as_nanos()) else { return };
    if bins.len() <= index {
        bins.resize(index + 1, 0);
    }
    if let Some(bin) = bins.get_mut(index) {
        *bin += bytes;
    }
}

/// Runs before the programs under test, which would otherwise make the link late. Best effort.
fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000));
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let _ = Command::new("chrt").args(["--rr", "--pid", "1", &thread]).status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_in_the_bin_of_their_time() {
        let mut bins = Vec::new();
        for (at, bytes) in [(0, 1), (19, 2), (20, 4), (65, 8)] {
            count(&mut bins, Duration::from_millis(at), bytes);
        }
        assert_eq!(bins, [3, 4, 0, 8]);
    }
}
