//! A client that is left running: what it says of its progress, and when.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;

use crate::program;

/// How far a flow was at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Since the clock's start.
    pub(super) at: Duration,
    /// File bytes.
    pub(super) bytes: u64,
}

/// A running client.
pub(super) struct Flow {
    child: Child,
    /// Hears of the first point.
    begun: Receiver<()>,
    reader: Option<JoinHandle<Vec<Point>>>,
}

/// What is heard of any client's line.
#[derive(Deserialize)]
struct Line {
    event: String,
    bytes: Option<u64>,
    /// Since it began to connect; Simple Chat's does not say it before the end.
    seconds: Option<f64>,
}

impl Flow {
    /// Starts a client; times are counted from `clock`.
    pub(super) fn start(mut command: Command, clock: Instant) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("{command:?}"))?;
        let stdout = child.stdout.take().context("the client's output was not kept")?;
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let (first, begun) = channel();
        // Nobody may listen any more.
        let lines = lines.inspect(move |_| {
            let _ = first.send(());
        });
        let reader = std::thread::spawn(move || points(lines, || clock.elapsed()));
        Ok(Self { child, begun, reader: Some(reader) })
    }

    /// Waits for its first word.
    pub(super) fn wait_for_begin(&self, longest: Duration) -> Result<()> {
        self.begun.recv_timeout(longest).context("it did not begin")
    }

    /// Whether it has not said its last word.
    pub(super) fn is_running(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| !reader.is_finished())
    }

    /// Ends it and tells its progress.
    ///
    /// # Errors
    /// Where it never got anywhere.
    pub(super) fn stop(mut self) -> Result<Vec<Point>> {
        program::end(&mut self.child);
        let reader = self.reader.take().ok_or(anyhow!("stopped twice"))?;
        let points = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
        ensure!(points.iter().any(|point| point.bytes > 0), "not a byte arrived");
        Ok(points)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.reader.is_some() {
            program::end(&mut self.child);
        }
    }
}

/// The progress that lines tell, the first point being the begin of the transfer.
fn points(lines: impl Iterator<Item = String>, now: impl Fn() -> Duration) -> Vec<Point> {
    let mut points = Vec::new();
    for line in lines {
        let Ok(Line { event, bytes: Some(bytes), seconds }) = serde_json::from_str(&line) else {
            continue;
        };
        let at = now();
        if points.is_empty() {
            let since = seconds.map_or(Duration::ZERO, Duration::from_secs_f64);
            points.push(Point { at: at.saturating_sub(since), bytes: 0 });
        }
        points.push(Point { at, bytes });
        if event == "finished" {
            break;
        }
    }
    points
}

/// File bytes that had arrived at a time, between two points in proportion.
pub(super) fn bytes_at(points: &[Point], at: Duration) -> f64 {
    let after = points.partition_point(|point| point.at <= at);
    let before = after.checked_sub(1).and_then(|index| points.get(index));
    match (before, points.get(after)) {
        (None, _) => 0.0,
        (Some(last), None) => last.bytes as f64,
        (Some(before), Some(after)) => {
            let part = (at - before.at).div_duration_f64(after.at - before.at);
            before.bytes as f64 + part * (after.bytes.saturating_sub(before.bytes)) as f64
        }
    }
}

/// Mbit/s of file bytes from `from` to `until`.
pub(super) fn megabits_per_second(points: &[Point], from: Duration, until: Duration) -> f64 {
    let bytes = bytes_at(points, until) - bytes_at(points, from);
    bytes * 8.0 / (until.saturating_sub(from)).as_secs_f64().max(f64::MIN_POSITIVE) / 1e6
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The points of lines that come a second apart, the first at 10 s.
    fn heard(lines: &[&str]) -> Vec<(u64, u64)> {
        let clock = Cell::new(9);
        let now = || {
            clock.set(clock.get() + 1);
            s(clock.get())
        };
        let points = points(lines.iter().map(|it| (*it).to_owned()), now);
        points.iter().map(|point| (point.at.as_secs(), point.bytes)).collect()
    }

    #[test]
    fn a_flow_begins_when_it_began_to_connect() {
        let line = r#"{"event":"progress","bytes":5,"seconds":3.0}"#;
        assert_eq!(heard(&[line]), [(7, 0), (10, 5)]);
    }

    #[test]
    fn a_flow_that_does_not_say_begins_with_its_first_word() {
        let lines = [r#"{"event":"connected"}"#, "noise", r#"{"event":"progress","bytes":0}"#];
        assert_eq!(heard(&lines), [(10, 0), (10, 0)]);
    }

    #[test]
    fn nothing_counts_behind_the_end() {
        let end = r#"{"event":"finished","bytes":9,"seconds":1.0}"#;
        assert_eq!(heard(&[end, end]), [(9, 0), (10, 9)]);
    }

    #[test]
    fn between_two_points_bytes_grow_evenly() {
        let points = [(1, 0), (3, 1000), (4, 1000)].map(|(at, bytes)| Point { at: s(at), bytes });
        assert_eq!(bytes_at(&points, s(0)), 0.0);
        assert_eq!(bytes_at(&points, s(2)), 500.0);
        assert_eq!(bytes_at(&points, s(9)), 1000.0);
        assert_eq!(megabits_per_second(&points, s(1), s(3)), 0.004);
    }
}
