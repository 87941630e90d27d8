//! What becomes of each packet of one direction, and when it arrives. Pure: lengths and times in, times
//! of arrival out. Chance comes from a seeded generator, so the same packets meet the same fate.

use std::collections::VecDeque;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::codel::CoDel;
use super::direction::{Direction, Policer, Queue, transmission};

/// What became of the packets so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fates {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// By chance.
    pub(crate) lost: u64,
    /// For want of room, by the policer or by CoDel.
    pub(crate) dropped: u64,
    /// By the black hole or in the outage.
    pub(crate) vanished: u64,
}

#[derive(Debug)]
pub(super) struct Model {
    direction: Direction,
    chance: Pcg64Mcg,
    /// When everything that is queued now has left.
    free_at: Duration,
    /// When each packet in the queue has left, and its length.
    backlog: VecDeque<(Duration, u64)>,
    backlog_bytes: u64,
    codel: CoDel,
    tokens: Tokens,
    in_burst: bool,
    pub(super) fates: Fates,
}

impl Model {
    pub(super) fn new(direction: Direction, seed: u64) -> Self {
        let tokens = Tokens::full(direction.policer);
        Self {
            direction,
            chance: Pcg64Mcg::seed_from_u64(seed),
            free_at: Duration::ZERO,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            codel: CoDel::default(),
            tokens,
            in_burst: false,
            fates: Fates::default(),
        }
    }

    /// When a packet of `bytes` that enters at `now` arrives; `None`: never.
    pub(super) fn admit(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        let length = bytes as u64;
        self.fates.packets += 1;
        self.fates.bytes += length;
        if self.vanishes(now, bytes) {
            self.fates.vanished += 1;
            return None;
        }
        let Some(leaves) = self.queue(now, length) else {
            self.fates.dropped += 1;
            return None;
        };
        // Behind the bottleneck: a lost packet has used its share of it.
        if self.is_lost() {
            self.fates.lost += 1;
            return None;
        }
        let held_back = self.happens(self.direction.reorder);
        let extra = if held_back { self.direction.reorder_by } else { Duration::ZERO };
        Some(leaves + self.direction.delay + extra)
    }

    fn vanishes(&self, now: Duration, bytes: usize) -> bool {
        let Direction { black_hole, outage, .. } = &self.direction;
        let swallowed = black_hole.is_some_and(|it| now >= it.from && bytes > it.bytes_max);
        swallowed || outage.is_some_and(|(from, until)| (from..until).contains(&now))
    }

    /// When the packet has left the queue; `None`: it is dropped.
    fn queue(&mut self, now: Duration, length: u64) -> Option<Duration> {
        if !self.tokens.take(now, length) {
            return None;
        }
        let Some(rate) = self.direction.rate_bps else { return Some(now) };
        while self.backlog.front().is_some_and(|(leaves, _)| *leaves <= now) {
            self.backlog_bytes -= self.backlog.pop_front().map_or(0, |(_, left)| left);
        }
        let begins = self.free_at.max(now);
        let is_dropped = match self.direction.queue {
            Queue::Endless => false,
            // An empty queue takes a packet of any length: it is being sent, not queued.
            Queue::DropTail(limit) => {
                !self.backlog.is_empty() && self.backlog_bytes + length > limit
            }
            Queue::CoDel => self.codel.drops(begins, begins - now),
        };
        if is_dropped {
            return None;
        }
        self.free_at = begins + transmission(length, rate);
        self.backlog.push_back((self.free_at, length));
        self.backlog_bytes += length;
        Some(self.free_at)
    }

    /// Independent losses, or Gilbert's two states with the same mean.
    fn is_lost(&mut self) -> bool {
        let Direction { loss, burst_packets, .. } = self.direction;
        if burst_packets <= 1.0 || loss >= 1.0 {
            return self.happens(loss);
        }
        self.in_burst = if self.in_burst {
            !self.happens(1.0 / burst_packets)
        } else {
            self.happens(loss / (burst_packets * (1.0 - loss)))
        };
        self.in_burst
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.chance.random_bool(share.min(1.0))
    }
}

/// The bucket of a policer, in the form of the virtual scheduling algorithm (ITU-T I.371, annex A).
#[derive(Debug)]
struct Tokens {
    policer: Option<Policer>,
    /// When the bucket will be full again.
    full_at: Duration,
}

impl Tokens {
    fn full(policer: Option<Policer>) -> Self {
        Self { policer, full_at: Duration::ZERO }
    }

    fn take(&mut self, now: Duration, length: u64) -> bool {
        let Some(Policer { rate_bps, bucket_bytes }) = self.policer else { return true };
        let full_at = self.full_at.max(now) + transmission(length, rate_bps);
        let fits = full_at <= now + transmission(bucket_bytes, rate_bps);
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::super::direction::BlackHole;
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 8 Mbit/s: 1,000 bytes take a millisecond.
    fn slow() -> Direction {
        Direction { rate_bps: Some(8_000_000), ..Direction::default() }
    }

    fn model(direction: Direction) -> Model {
        Model::new(direction, 7)
    }

    #[test]
    fn rate_and_delay_space_packets() {
        let mut model = model(Direction { delay: ms(5), ..slow() });
        assert_eq!(model.admit(ms(0), 1000), Some(ms(6)));
        assert_eq!(model.admit(ms(0), 1000), Some(ms(7)));
        assert_eq!(model.admit(ms(10), 1000), Some(ms(16)));
    }

    #[test]
    fn a_full_queue_drops_what_comes_and_drains() {
        let mut model = model(Direction { queue: Queue::DropTail(2000), ..slow() });
        assert!(model.admit(ms(0), 1000).is_some());
        assert!(model.admit(ms(0), 1000).is_some());
        assert!(model.admit(ms(0), 1000).is_none());
        assert!(model.admit(ms(1), 1000).is_some());
        assert_eq!(model.fates.dropped, 1);
    }

    #[test]
    fn a_packet_longer_than_the_queue_passes_an_idle_link() {
        let mut model = model(Direction { queue: Queue::DropTail(100), ..slow() });
        assert!(model.admit(ms(0), 1000).is_some());
        assert!(model.admit(ms(0), 1000).is_none());
    }

    #[test]
    fn codel_keeps_a_queue_short_that_would_grow_for_ever() {
        // Twice the rate for ten seconds.
        let waited = |queue| {
            let mut model = model(Direction { queue, ..slow() });
            let wait =
                |at: u64| model.admit(ms(at / 2), 1000).map(|out| out.saturating_sub(ms(at / 2)));
            (0..20_000).filter_map(wait).last().unwrap()
        };
        assert!(waited(Queue::Endless) > ms(9_000));
        assert!(waited(Queue::CoDel) < ms(5_000));
    }

    #[test]
    fn a_policer_lets_its_bucket_through_and_then_its_rate() {
        let policer = Some(Policer { rate_bps: 8_000_000, bucket_bytes: 10_000 });
        let mut model = model(Direction { policer, ..Direction::default() });
        let at_once = (0..50).filter(|_| model.admit(ms(0), 1000).is_some()).count();
        assert_eq!(at_once, 10);
        let later = (1..=1000).filter(|at| model.admit(ms(*at), 1000).is_some()).count();
        assert_eq!(later, 1000);
        let both = (1001..=2000).flat_map(|at| [at, at]);
        let half = both.filter(|at| model.admit(ms(*at), 1000).is_some()).count();
        assert_eq!(half, 1000);
    }

    #[test]
    fn losses_have_the_mean_asked_for_with_and_without_bursts() {
        for burst_packets in [1.0, 5.0] {
            let mut model = model(Direction { loss: 0.02, burst_packets, ..Direction::default() });
            let lost = (0..200_000).filter(|_| model.admit(ms(0), 100).is_none()).count();
            assert!((3_000..5_000).contains(&lost), "{lost} lost with bursts of {burst_packets}");
        }
    }

    #[test]
    fn the_same_seed_brings_the_same_fate() {
        let fates = |seed| {
            let direction =
                Direction { loss: 0.1, reorder: 0.1, reorder_by: ms(9), ..Direction::default() };
            let mut model = Model::new(direction, seed);
            (0..1000).map(|at| model.admit(ms(at), 100)).collect::<Vec<_>>()
        };
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }

    #[test]
    fn black_hole_and_outage_begin_and_end_on_time() {
        let mut model = model(Direction {
            black_hole: Some(BlackHole { from: ms(10), bytes_max: 1400 }),
            outage: Some((ms(100), ms(150))),
            ..Direction::default()
        });
        assert!(model.admit(ms(9), 1500).is_some());
        assert!(model.admit(ms(10), 1401).is_none());
        assert!(model.admit(ms(10), 1400).is_some());
        assert!(model.admit(ms(100), 100).is_none());
        assert!(model.admit(ms(150), 100).is_some());
        assert_eq!(model.fates.vanished, 2);
    }
}
