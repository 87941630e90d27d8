//! The loss that is there however little is sent: a path that loses at random would otherwise look
//! congested for ever. Not part of draft-ietf-ccwg-bbr, which takes 2 % of loss for congestion on
//! every path.
//!
//! Measured among packets that went out while clearly less than the path's bandwidth-delay product
//! was in flight and round trips were those of an empty path, where no queue can be what drops them. The
//! minimum over several samples counts, so that others who fill a tiny queue now and then do not count as
//! randomness. It is given up as soon as anything says that loss comes from a queue: a router's mark, or
//! a probe that loses more without delivering more.

use std::collections::VecDeque;
use std::ops::Range;

use super::ratio::Ratio;

/// Loss per round trip that means congestion where nothing is lost at random.
const THRESHOLD: Ratio = Ratio::percent(2);
/// However much is lost at random, more than this means congestion.
const THRESHOLD_MAX: Ratio = Ratio::percent(5);
/// The floor that leads there.
const FLOOR_MAX: Ratio = Ratio::percent(3);
/// Share of the bandwidth-delay product below which a packet counts.
const LOW_FLIGHT: Ratio = Ratio::percent(85);
/// Samples whose minimum counts; fewer say nothing.
const SAMPLES: usize = 4;
/// Packets that a sample needs …
const PACKETS_MIN: u64 = 500;
/// … and separate bursts of loss among them, unless nothing at all was lost …
const BURSTS_MIN: u64 = 6;
/// … or so many packets went out that fewer bursts mean next to no loss.
const PACKETS_CERTAIN: u64 = 1500;
/// Standard deviations by which chance may exceed what is expected. A probe compares at each packet, so
/// that what is rare for one comparison is not for a probe.
const DEVIATIONS: u64 = 4;
/// Lost numbers nearer to each other are one burst: a full queue drops every other packet or so.
const BURST_GAP: u64 = 8;
/// Rounds after a sample's last packet until all of them are settled.
const SETTLING_ROUNDS: u32 = 2;
/// Separate runs of numbers that are remembered. Full: the oldest is forgotten, and its losses with
/// it, which errs on the careful side.
const RUNS_MAX: usize = 1024;

/// Measures the floor and says which loss is too much.
#[derive(Debug, Default)]
pub(super) struct LossFloor {
    /// Numbers sent with little in flight, ascending.
    low_runs: VecDeque<Range<u64>>,
    gathering: Tally,
    settling: Option<Settling>,
    /// Most bytes in flight with which a packet counts, and whether any counts now.
    flight_max: u64,
    is_quiet: bool,
    /// Loss of the last samples.
    samples: VecDeque<Ratio>,
}

#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    lost: u64,
    bursts: u64,
    last_lost: Option<u64>,
}

/// A tally to which no packet is added any more, but losses may be.
#[derive(Debug)]
struct Settling {
    tally: Tally,
    /// The first number that is not part of it.
    end: u64,
    rounds_left: u32,
}

impl LossFloor {
    /// What fills the path, in bytes, and whether nothing waits on it.
    pub(super) fn set_path(&mut self, bandwidth_delay: u64, is_quiet: bool) {
        self.flight_max = LOW_FLIGHT.of(bandwidth_delay);
        self.is_quiet = is_quiet;
    }

    /// Most bytes in flight with which loss is measured.
    pub(super) fn flight_max(&self) -> u64 {
        self.flight_max
    }

    /// A packet goes out while `in_flight` bytes are on the way.
    pub(super) fn sent(&mut self, number: u64, in_flight: u64) {
        if in_flight > self.flight_max || !self.is_quiet {
            return;
        }
        self.gathering.sent += 1;
        match self.low_runs.back_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => self.low_runs.push_back(number..number + 1),
        }
        if self.low_runs.len() > RUNS_MAX {
            self.low_runs.pop_front();
        }
    }

    pub(super) fn lost(&mut self, number: u64) {
        let after = self.low_runs.partition_point(|run| run.end <= number);
        if !self.low_runs.get(after).is_some_and(|run| run.contains(&number)) {
            return;
        }
        match &mut self.settling {
            Some(settling) if number < settling.end => settling.tally.lose(number),
            _ => self.gathering.lose(number),
        }
    }

    /// A round trip is over, the next packet will have `next_number`; says whether a floor is known now
    /// that was not before.
    pub(super) fn round_ended(&mut self, next_number: u64) -> bool {
        let Some(settling) = &mut self.settling else {
            self.settle(next_number);
            return false;
        };
        settling.rounds_left -= 1;
        if settling.rounds_left > 0 {
            return false;
        }
        let had_none = self.floor().is_zero();
        let Some(Settling { tally, .. }) = self.settling.take() else { return false };
        match tally.loss() {
            Some(loss) => self.push(loss),
            None => self.gathering.add(&tally),
        }
        had_none && !self.floor().is_zero()
    }

    /// Takes what was gathered for a sample, if it is enough.
    fn settle(&mut self, next_number: u64) {
        if self.gathering.sent >= PACKETS_MIN {
            let tally = std::mem::take(&mut self.gathering);
            self.settling =
                Some(Settling { tally, end: next_number, rounds_left: SETTLING_ROUNDS });
        }
    }

    /// Losses were none: what is being measured is not to be relied on.
    pub(super) fn discard_sample(&mut self) {
        self.low_runs.clear();
        self.gathering = Tally::default();
        self.settling = None;
    }

    /// Loss came from a queue: a floor that was known is to be measured anew.
    pub(super) fn give_up(&mut self) {
        if !self.floor().is_zero() {
            *self = Self { flight_max: self.flight_max, ..Self::default() };
        }
    }

    /// A router says that it has a queue: there is no floor until four samples say otherwise.
    pub(super) fn rule_out(&mut self) {
        let samples = VecDeque::from([Ratio::ZERO; SAMPLES]);
        *self = Self { flight_max: self.flight_max, samples, ..Self::default() };
    }

    /// Whether enough was measured to tell random loss from none.
    pub(super) fn is_settled(&self) -> bool {
        self.samples.len() == SAMPLES || self.samples.iter().any(|sample| sample.is_zero())
    }

    /// Loss that is there however little is sent.
    pub(super) fn floor(&self) -> Ratio {
        let is_known = self.samples.len() == SAMPLES;
        self.samples.iter().min().copied().filter(|_| is_known).unwrap_or(Ratio::ZERO)
    }

    /// The mean loss with little in flight; `None` if it was not measured.
    pub(super) fn mean(&self) -> Option<Ratio> {
        let sum = self.samples.iter().fold(Ratio::ZERO, |sum, sample| sum.plus(*sample));
        let count = u64::try_from(self.samples.len()).unwrap_or(u64::MAX);
        (count > 0).then(|| sum.divided_by(count))
    }

    /// Loss per round trip above which too much was in flight.
    pub(super) fn threshold(&self) -> Ratio {
        THRESHOLD.plus(self.floor()).min(THRESHOLD_MAX)
    }

    /// Whether so many bytes lost, of so many in flight, are too many. In a small flight a few packets
    /// lost at random are a large share: so much more than the floor as chance explains is not.
    pub(super) fn is_too_much(&self, lost: u64, in_flight: u64, packet: u64) -> bool {
        let mean = self.mean().filter(|_| !self.floor().is_zero()).unwrap_or(Ratio::ZERO);
        let chance = with_chance(mean.min(THRESHOLD_MAX), in_flight, packet);
        lost > self.threshold().of(in_flight).max(chance)
    }

    /// Whether so many bytes lost are more than any randomness that would be borne.
    pub(super) fn is_beyond_randomness(&self, lost: u64, in_flight: u64, packet: u64) -> bool {
        let chance = with_chance(FLOOR_MAX, in_flight, packet);
        lost > THRESHOLD_MAX.of(in_flight).max(chance)
    }

    fn push(&mut self, loss: Ratio) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(loss);
    }
}

/// The most bytes of so many in flight that are lost at random, if `loss` is the rate.
fn with_chance(loss: Ratio, in_flight: u64, packet: u64) -> u64 {
    let expected = loss.of(in_flight);
    // The variance of the number of packets is its mean.
    expected + (DEVIATIONS * DEVIATIONS * expected * packet).isqrt()
}

impl Tally {
    fn lose(&mut self, number: u64) {
        self.lost += 1;
        if self.last_lost.is_none_or(|last| number.abs_diff(last) >= BURST_GAP) {
            self.bursts += 1;
        }
        self.last_lost = Some(number);
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.bursts += other.bursts;
    }

    /// `None` if there is not enough to tell.
    fn loss(&self) -> Option<Ratio> {
        if self.bursts >= BURSTS_MIN {
            return Some(Ratio::between(self.lost, self.sent));
        }
        let is_enough = self.lost == 0 || self.sent >= PACKETS_CERTAIN;
        is_enough.then_some(Ratio::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One cycle: so many packets with little in flight, of which every `nth` is lost.
    #[derive(Clone, Copy)]
    struct Cycle {
        packets: u64,
        nth: u64,
        /// Lost ones in a row.
        row: u64,
    }

    fn cycle(packets: u64, nth: u64) -> Cycle {
        Cycle { packets, nth, row: 1 }
    }

    fn quiet() -> LossFloor {
        let mut floor = LossFloor::default();
        floor.set_path(100, true);
        floor
    }

    fn run(cycles: &[Cycle]) -> LossFloor {
        let mut floor = quiet();
        let mut number = 0;
        for Cycle { packets, nth, row } in cycles {
            let first = number;
            for _ in 0..*packets {
                floor.sent(number, 80);
                number += 1;
            }
            let lost = (first..number).filter(|n| (n - first) % nth < *row);
            lost.for_each(|lost| floor.lost(lost));
            // Packets that fill the pipe do not count, lost or not.
            for _ in 0..1000 {
                floor.sent(number, 90);
                floor.lost(number);
                number += 1;
            }
            for _ in 0..=SETTLING_ROUNDS {
                floor.round_ended(number);
            }
        }
        floor
    }

    #[track_caller]
    fn check(cycles: &[Cycle], floor_per_mille: u64, threshold_per_mille: u64) {
        let floor = run(cycles);
        assert_eq!(floor.floor(), Ratio::thousandths(floor_per_mille));
        assert_eq!(floor.threshold(), Ratio::thousandths(threshold_per_mille));
    }

    #[test]
    fn four_samples_make_a_floor() {
        check(&[cycle(1000, 100); 3], 0, 20);
        check(&[cycle(1000, 100); 4], 10, 30);
    }

    #[test]
    fn the_least_of_the_four_counts() {
        check(&[cycle(1000, 50), cycle(1000, 100), cycle(1000, 50), cycle(1000, 50)], 10, 30);
    }

    #[test]
    fn older_samples_are_forgotten() {
        let mut cycles = vec![cycle(1000, 100)];
        cycles.extend([cycle(1000, 50); 4]);
        check(&cycles, 20, 40);
    }

    #[test]
    fn a_clean_sample_ends_it() {
        let mut cycles = vec![cycle(1000, 50); 4];
        cycles.push(cycle(2000, 2000));
        check(&cycles, 0, 20);
    }

    #[test]
    fn the_threshold_is_capped() {
        check(&[cycle(1000, 10); 4], 100, 50);
    }

    #[track_caller]
    fn check_too_much(floor: &LossFloor, in_flight: u64, most: u64) {
        assert!(!floor.is_too_much(most * 1000, in_flight * 1000, 1000));
        assert!(floor.is_too_much((most + 1) * 1000, in_flight * 1000, 1000));
    }

    #[test]
    fn chance_is_allowed_for_where_loss_at_random_was_measured() {
        let (none, some) = (LossFloor::default(), run(&[cycle(1000, 40); 4]));
        check_too_much(&none, 30, 0);
        check_too_much(&none, 1000, 20);
        check_too_much(&some, 30, 4);
        check_too_much(&some, 1000, 45);
        check_too_much(&some, 400, 22);
    }

    #[test]
    fn few_packets_are_put_together_with_the_next_ones() {
        check(&[cycle(400, 50); 7], 0, 20);
        check(&[cycle(400, 50); 8], 20, 40);
    }

    #[test]
    fn a_few_bursts_are_no_randomness() {
        // 5 bursts of 10 lost in a row: as much loss as 5 %, but not at random.
        check(&[Cycle { packets: 1000, nth: 200, row: 10 }; 4], 0, 20);
    }

    #[test]
    fn what_is_sent_behind_a_queue_does_not_count() {
        let mut floor = quiet();
        floor.set_path(100, false);
        (0..10_000).for_each(|number| floor.sent(number, 1));
        assert_eq!(floor.gathering.sent, 0);
    }

    #[test]
    fn a_router_s_mark_settles_that_there_is_none() {
        let mut floor = run(&[cycle(1000, 50); 4]);
        floor.rule_out();
        assert!(floor.is_settled() && floor.floor().is_zero());
    }

    #[test]
    fn one_clean_sample_settles_that_there_is_none() {
        assert!(!run(&[cycle(1000, 50); 3]).is_settled());
        assert!(run(&[cycle(1000, 2000)]).floor().is_zero());
        let mut floor = quiet();
        (0..500).for_each(|number| floor.sent(number, 80));
        assert!((0..=SETTLING_ROUNDS).all(|_| !floor.round_ended(500)));
        assert!(floor.is_settled());
    }

    #[test]
    fn loss_that_no_randomness_explains_is_seen_without_a_floor() {
        let floor = LossFloor::default();
        assert!(!floor.is_beyond_randomness(50_000, 1_000_000, 1000));
        assert!(floor.is_beyond_randomness(60_000, 1_000_000, 1000));
        assert!(!floor.is_beyond_randomness(3000, 30_000, 1000));
    }

    #[test]
    fn what_was_given_up_is_gone() {
        let mut floor = run(&[cycle(1000, 50); 4]);
        floor.give_up();
        assert_eq!(floor.floor(), Ratio::ZERO);
        assert_eq!(floor.threshold(), Ratio::percent(2));
    }

    #[test]
    fn a_floor_is_announced_once() {
        let mut floor = run(&[cycle(1000, 50); 3]);
        let mut announced = Vec::new();
        for cycle in 10..13 {
            (cycle * 1000..cycle * 1000 + 800).for_each(|number| floor.sent(number, 1));
            (0..20).for_each(|n| floor.lost(cycle * 1000 + n * 40));
            let rounds = 0..=SETTLING_ROUNDS;
            announced.extend(rounds.map(|_| floor.round_ended(cycle * 1000 + 800)));
        }
        assert_eq!(announced, [false, false, true, false, false, false, false, false, false]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut floor = quiet();
        (0..100_000).for_each(|n| floor.sent(n * 2, 1));
        assert_eq!(floor.low_runs.len(), RUNS_MAX);
    }
}
