//! The paths that are emulated, each by its numbers. None of them is known to the transfer engine.

use std::fmt;
use std::time::Duration;

use crate::link_emulator::Link;
use crate::link_emulator::direction::{Direction, Policer, Queue};

/// A path between two ends. Loss and delay are the same both ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    /// How the tables call it.
    pub(super) name: &'static str,
    pub(super) megabits: u64,
    /// Towards the server, where it is another.
    pub(super) megabits_up: Option<u64>,
    pub(super) rtt: Duration,
    /// Per cent.
    pub(super) loss: f64,
    /// Mean length of a burst of losses.
    pub(super) burst_packets: f64,
    /// Per cent of packets that come 3 ms late.
    pub(super) reorder: f64,
    /// What waits at the bottleneck.
    pub(super) queue: Bottleneck,
    /// How long is measured.
    pub(super) seconds: u64,
}

/// The queue in front of the slowest link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bottleneck {
    /// Drops its tail at so many hundredths of the bandwidth-delay product.
    BdpPercent(u64),
    CoDel,
    /// None: what is beyond the rate and a quarter of a bandwidth-delay product is dropped.
    Policer,
}

const HELD_BACK: Duration = Duration::from_millis(3);

impl Path {
    /// With a queue of one bandwidth-delay product, for ten seconds.
    pub(super) const fn new(name: &'static str, megabits: u64, rtt_ms: u64, loss: f64) -> Self {
        Self {
            name,
            megabits,
            megabits_up: None,
            rtt: Duration::from_millis(rtt_ms),
            loss,
            burst_packets: 1.0,
            reorder: 0.0,
            queue: Bottleneck::BdpPercent(100),
            seconds: 10,
        }
    }

    /// Bytes that fill the path.
    fn bdp_bytes(&self) -> u64 {
        let microseconds = u64::try_from(self.rtt.as_micros()).unwrap_or(u64::MAX);
        (self.megabits * microseconds) / 8
    }

    pub(super) fn link(&self, seed: u64) -> Link {
        let up = self.megabits_up.unwrap_or(self.megabits);
        let [down, up] = [self.megabits, up].map(|rate| self.direction(rate));
        Link { down, up, port_change: None, seed }
    }

    fn direction(&self, megabits: u64) -> Direction {
        let queue = match self.queue {
            Bottleneck::BdpPercent(share) => Queue::DropTail(self.bdp_bytes() * share / 100),
            Bottleneck::CoDel => Queue::CoDel,
            Bottleneck::Policer => Queue::Endless,
        };
        let rate_bps = megabits * 1_000_000;
        let policer = Policer { rate_bps, bucket_bytes: self.bdp_bytes() / 4 };
        let is_policed = self.queue == Bottleneck::Policer;
        Direction {
            // Behind a policer the line is ten times as fast: it never queues.
            rate_bps: Some(if is_policed { rate_bps * 10 } else { rate_bps }),
            policer: is_policed.then_some(policer),
            delay: self.rtt / 2,
            queue,
            loss: self.loss / 100.0,
            burst_packets: self.burst_packets,
            reorder: self.reorder / 100.0,
            reorder_by: HELD_BACK,
            ..Direction::default()
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, megabits, rtt, loss, .. } = self;
        write!(f, "{name}: {megabits} Mbit/s, {} ms, {loss} %", rtt.as_millis())?;
        if let Some(up) = self.megabits_up {
            write!(f, ", {up} Mbit/s up")?;
        }
        if self.burst_packets > 1.0 {
            write!(f, " in bursts of {}", self.burst_packets)?;
        }
        if self.reorder > 0.0 {
            write!(f, ", {} % reordered", self.reorder)?;
        }
        match self.queue {
            Bottleneck::BdpPercent(100) => Ok(()),
            Bottleneck::BdpPercent(share) => write!(f, ", queue {} BDP", share as f64 / 100.0),
            Bottleneck::CoDel => f.write_str(", CoDel"),
            Bottleneck::Policer => f.write_str(", policer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_as_long_as_the_path_is_full() {
        let path = Path { queue: Bottleneck::BdpPercent(50), ..Path::new("x", 100, 40, 1.0) };
        let link = path.link(1);
        assert_eq!(link.down.queue, Queue::DropTail(250_000));
        assert_eq!(link.down.delay, Duration::from_millis(20));
        assert_eq!(link.down, link.up);
        assert_eq!(path.to_string(), "x: 100 Mbit/s, 40 ms, 1 %, queue 0.5 BDP");
    }

    #[test]
    fn a_policer_limits_a_faster_line() {
        let link = Path { queue: Bottleneck::Policer, ..Path::new("x", 100, 40, 0.0) }.link(1);
        assert_eq!(link.down.rate_bps, Some(1_000_000_000));
        let policer = Policer { rate_bps: 100_000_000, bucket_bytes: 125_000 };
        assert_eq!(link.down.policer, Some(policer));
    }

    #[test]
    fn what_is_unlike_both_ways_is_told() {
        let path = Path {
            megabits_up: Some(2),
            burst_packets: 4.0,
            reorder: 0.5,
            ..Path::new("x", 50, 30, 0.2)
        };
        assert_eq!(path.link(1).up.rate_bps, Some(2_000_000));
        let text = "x: 50 Mbit/s, 30 ms, 0.2 %, 2 Mbit/s up in bursts of 4, 0.5 % reordered";
        assert_eq!(path.to_string(), text);
    }
}
