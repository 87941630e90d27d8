//! A catalogue of paths, each with a bound on the *simulated* time a transfer takes: no clock, no
//! noise. A bound is what the bytes take at the path's rate, times a factor, plus some round trips for
//! the start; the reason for each stands beside it.

use std::time::Duration;

use file_transfer::proto::sender::CongestionChoice;

use crate::link::LinkConfig;
use crate::transfer;
use crate::world::{Report, Scenario, World};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;
/// 100 Mbit/s in bytes.
const HUNDRED_MBIT: u64 = 12_500_000;
const BBR: CongestionChoice = CongestionChoice::Bbr;
const CUBIC: CongestionChoice = CongestionChoice::Cubic;

/// What a transfer may take: `factor` times what its bytes take at `rate`, headers included, and so
/// many round trips.
#[derive(Clone, Copy)]
struct Bound {
    rate: u64,
    factor: f64,
    round_trips: u32,
}

/// A path of the catalogue.
struct Path {
    name: &'static str,
    size: u64,
    down: LinkConfig,
    up: LinkConfig,
}

impl Path {
    /// The same both ways.
    fn new(name: &'static str, size: u64, link: &LinkConfig) -> Self {
        Self { name, size, down: link.clone(), up: link.clone() }
    }

    fn round_trip(&self) -> Duration {
        self.down.delay + self.up.delay
    }

    #[track_caller]
    fn check(&self, congestion: CongestionChoice, bound: Bound) -> Report {
        let report = transfer(&Scenario {
            congestion,
            up: self.up.clone(),
            ..Scenario::new(self.size, 1, &self.down)
        });
        let wire = self.size as f64 * 1480.0 / 1412.0;
        let ideal = Duration::from_secs_f64(wire / bound.rate as f64);
        let most = ideal.mul_f64(bound.factor) + self.round_trip() * bound.round_trips;
        let twice = report.sender.data_bytes_sent as f64 / self.size as f64 - 1.0;
        println!(
            "{} {congestion:?}: {:?} of {most:?} (ideal {ideal:?}), {:.2} % twice, {} lost, {} late",
            self.name,
            report.time,
            twice * 100.0,
            report.sender.packets_lost,
            report.sender.spurious_losses,
        );
        assert!(report.time <= most, "{}: {:?}, at most {most:?}", self.name, report.time);
        report
    }
}

fn link(delay: Duration, rate: u64, queue_bytes: u64) -> LinkConfig {
    LinkConfig::with_delay(delay).with_rate(rate, queue_bytes)
}

/// The start takes some 12 round trips (a handshake, doubling from ten packets to the path's rate, and
/// draining what that overshot by), the end one or two; 20 leave room for a lost packet in either.
const START_AND_END: u32 = 20;

#[track_caller]
fn check_both(path: &Path, bound: Bound) {
    for congestion in [BBR, CUBIC] {
        path.check(congestion, bound);
    }
}

#[test]
fn lan() {
    let path = Path::new("LAN", 32 * MIB, &link(MS / 10, 125_000_000, 64_000));
    // Nothing is in the way: line rate, but what a start that doubles loses to the small queue, and BBR
    // paces a hundredth below it.
    path.check(BBR, Bound { rate: 125_000_000, factor: 1.04, round_trips: START_AND_END });
    path.check(CUBIC, Bound { rate: 125_000_000, factor: 1.02, round_trips: START_AND_END });
}

#[test]
fn wifi_with_bursts() {
    let burst = Some((0.002, 0.2));
    let wifi = LinkConfig { burst, ..link(2 * MS, 6_250_000, 100_000) };
    let path = Path::new("Wi-Fi", 8 * MIB, &wifi);
    // One percent is lost in bursts and sent again; a loss-based controller may take each for a full
    // queue.
    path.check(BBR, Bound { rate: 6_250_000, factor: 1.15, round_trips: START_AND_END });
    path.check(CUBIC, Bound { rate: 6_250_000, factor: 3.0, round_trips: START_AND_END });
}

#[test]
fn mobile_phone() {
    let rates: &[u64] = &[625_000, 2_500_000, 5_000_000, 1_250_000];
    let mobile = LinkConfig { rate_turns: Some((500 * MS, rates)), ..link(25 * MS, 1, 256_000) };
    let path = Path::new("4G", 16 * MIB, &mobile);
    let mean = rates.iter().sum::<u64>() / rates.len() as u64;
    // The rate changes every ten round trips, by up to eight times. BBR looks for more only every two
    // to three seconds, a whole cycle of the rates; CUBIC keeps the queue full through most of it.
    path.check(BBR, Bound { rate: mean, factor: 2.5, round_trips: START_AND_END });
    path.check(CUBIC, Bound { rate: mean, factor: 1.8, round_trips: START_AND_END });
}

#[test]
fn satellite() {
    let path = Path::new("satellite", 16 * MIB, &link(300 * MS, 2_500_000, 1_500_000));
    // Ten seconds are not twenty round trips: the start is most of it.
    check_both(&path, Bound { rate: 2_500_000, factor: 1.1, round_trips: 12 });
}

#[test]
fn uplink_of_a_two_hundredth() {
    let mut path = Path::new("asymmetric", 16 * MIB, &link(10 * MS, HUNDRED_MBIT, 250_000));
    path.up = link(10 * MS, HUNDRED_MBIT / 200, 20_000);
    // An ACK for every second packet would need six times the uplink.
    path.check(BBR, Bound { rate: HUNDRED_MBIT, factor: 1.2, round_trips: START_AND_END });
    path.check(CUBIC, Bound { rate: HUNDRED_MBIT, factor: 1.9, round_trips: START_AND_END });
}

#[test]
fn acknowledgements_lost() {
    let mut path = Path::new("ACK loss 30 %", 16 * MIB, &link(10 * MS, HUNDRED_MBIT, 250_000));
    path.up.loss = 0.3;
    // Every ACK repeats what those before it said, so only the handshake feels it: a lost HELLO and a
    // lost WANT cost half a second.
    let bound = Bound { rate: HUNDRED_MBIT, factor: 1.05, round_trips: START_AND_END + 25 };
    check_both(&path, bound);
}

#[test]
fn tiny_queue() {
    let path = Path::new("queue 0.05 BDP", 16 * MIB, &link(20 * MS, HUNDRED_MBIT, 25_000));
    // Seventeen packets of queue: every burst costs some, and CUBIC cannot grow beyond the path.
    path.check(BBR, Bound { rate: HUNDRED_MBIT, factor: 1.25, round_trips: START_AND_END });
    path.check(CUBIC, Bound { rate: HUNDRED_MBIT, factor: 2.0, round_trips: START_AND_END });
}

#[test]
fn huge_queue() {
    let path = Path::new("queue 8 BDP", 16 * MIB, &link(20 * MS, HUNDRED_MBIT, 4_000_000));
    // What is queued is sent all the same; BBR need not fill it.
    check_both(&path, Bound { rate: HUNDRED_MBIT, factor: 1.02, round_trips: START_AND_END });
}

#[test]
fn one_percent_lost() {
    let loss = LinkConfig { loss: 0.01, ..link(20 * MS, HUNDRED_MBIT, 500_000) };
    let path = Path::new("1 % loss", 32 * MIB, &loss);
    // Loss at random is no reason to slow down; CUBIC would take minutes, in every stack.
    path.check(BBR, Bound { rate: HUNDRED_MBIT, factor: 1.15, round_trips: START_AND_END });
}

#[test]
fn three_percent_lost() {
    let loss = LinkConfig { loss: 0.03, ..link(100 * MS, 2_500_000, 500_000) };
    let path = Path::new("3 % loss", 16 * MIB, &loss);
    // More than BBR's threshold of 2 %, until its loss floor is measured, which takes four cycles:
    // longer than this transfer.
    path.check(BBR, Bound { rate: 2_500_000, factor: 1.7, round_trips: START_AND_END });
}

#[test]
fn a_third_lost() {
    let loss = LinkConfig { loss: 0.3, ..link(20 * MS, HUNDRED_MBIT, 500_000) };
    let path = Path::new("30 % loss", 2 * MIB, &loss);
    // No controller takes this for anything but congestion. It arrives, some packets a round trip:
    // BBR keeps at least four in flight, CUBIC two.
    let packets = Duration::from_secs_f64(path.size as f64 / 1160.0 / 0.7 * 0.040);
    let [bbr, cubic] = [3.0, 1.5].map(|each| packets.as_secs_f64() / each / 0.040);
    let bound = |round_trips: f64| Bound {
        rate: HUNDRED_MBIT,
        factor: 1.0,
        round_trips: round_trips as u32,
    };
    path.check(BBR, bound(bbr * 1.5));
    path.check(CUBIC, bound(cubic * 1.5));
}

#[test]
fn outage_of_two_seconds() {
    let outages = vec![300 * MS..2300 * MS];
    let out = LinkConfig { outages, ..link(10 * MS, HUNDRED_MBIT, 250_000) };
    let path = Path::new("2 s outage", 16 * MIB, &out);
    for congestion in [BBR, CUBIC] {
        // The outage, half a second until the next probe is due, and growing again.
        let round_trips = START_AND_END + (2000 + 500) / 20;
        let bound = Bound { rate: HUNDRED_MBIT, factor: 1.02, round_trips };
        let report = path.check(congestion, bound);
        assert_eq!(report.sender.datagram_bytes, 1452, "an outage is no size limit");
    }
}

#[test]
fn size_limit_that_appears_in_mid_transfer() {
    // In the start, and once the path is full.
    for appears in [300 * MS, 900 * MS] {
        let shrunk =
            LinkConfig { shrinks: Some((appears, 1300)), ..link(20 * MS, HUNDRED_MBIT, 250_000) };
        let path = Path::new("MTU drop", 16 * MIB, &shrunk);
        for congestion in [BBR, CUBIC] {
            // Two probe timeouts until it is certain, then a second start, a quarter more packets
            // and the probes of the sizes between.
            let round_trips = 2 * START_AND_END + 10;
            let bound = Bound { rate: HUNDRED_MBIT, factor: 1.05, round_trips };
            let report = path.check(congestion, bound);
            assert_eq!(report.sender.datagram_bytes, 1232, "the largest below the limit");
        }
    }
}

#[test]
fn loss_is_not_taken_for_a_size_limit() {
    for (seed, loss, burst) in
        [(1, 0.05, None), (2, 0.05, None), (3, 0.2, None), (4, 0.0, Some((0.01, 0.1)))]
    {
        let lossy = LinkConfig { loss, burst, ..link(20 * MS, HUNDRED_MBIT, 500_000) };
        let mut world = World::new(&Scenario::new(8 * MIB, seed, &lossy));
        let mut sizes = Vec::new();
        while !world.flow().receiver.as_ref().is_some_and(|receiver| receiver.is_complete()) {
            assert!(world.step());
            sizes.extend(world.flow().sender.as_ref().map(|sender| sender.stats().datagram_bytes));
        }
        assert!(sizes.is_sorted(), "{loss} {burst:?}: the size fell");
        assert!(sizes.last().is_some_and(|size| *size > 1200));
    }
}

#[test]
fn half_of_the_packets_up_to_200_ms_late() {
    let reorder = Some((0.5, 200 * MS));
    let late = LinkConfig { reorder, ..link(5 * MS, 50_000_000, 4 << 20) };
    let path = Path::new("reordered", 8 * MIB, &late);
    // A packet is overtaken by up to 7,000 others. The last one is 200 ms late, and until the window
    // is learned, as long again, some are sent twice. CUBIC pays for what it took for congestion then.
    let latest = 2 * 200 / 10;
    path.check(BBR, Bound { rate: 50_000_000, factor: 1.5, round_trips: START_AND_END + latest });
    path.check(
        CUBIC,
        Bound { rate: 50_000_000, factor: 15.0, round_trips: START_AND_END + latest },
    );
}

#[test]
fn reordered_by_ten_thousand() {
    let reorder = Some((0.01, 400 * MS));
    let late = LinkConfig { reorder, ..link(5 * MS, 50_000_000, 4 << 20) };
    let path = Path::new("1 % far behind", 32 * MIB, &late);
    let latest = 400 / 10;
    path.check(BBR, Bound { rate: 50_000_000, factor: 1.5, round_trips: START_AND_END + latest });
}

#[test]
fn everything_twice() {
    let twice = LinkConfig { duplicate: 1.0, ..link(10 * MS, HUNDRED_MBIT, 250_000) };
    let path = Path::new("twice", 8 * MIB, &twice);
    for congestion in [BBR, CUBIC] {
        // Both copies leave the queue as one: it costs nothing but a look at the number.
        let bound = Bound { rate: HUNDRED_MBIT, factor: 1.05, round_trips: START_AND_END };
        let report = path.check(congestion, bound);
        assert_eq!(report.receiver.redundant_bytes, 0, "a repeat is no reason to send again");
    }
}

#[test]
fn every_packet_marked() {
    let marked = LinkConfig { mark_above: Some(0), ..link(10 * MS, HUNDRED_MBIT, 250_000) };
    let path = Path::new("CE on all", MIB, &marked);
    // A router that marks everything asks for next to nothing, and gets it: a few packets a round
    // trip (RFC 3168, section 5).
    let round_trips = (path.size / 1412 / 2) as u32;
    check_both(&path, Bound { rate: HUNDRED_MBIT, factor: 1.0, round_trips });
}

#[test]
fn corrupted() {
    let corrupt = LinkConfig { corrupt: 0.01, ..link(10 * MS, HUNDRED_MBIT, 250_000) };
    let path = Path::new("1 % corrupt", 8 * MIB, &corrupt);
    // To the protocol it is loss.
    path.check(BBR, Bound { rate: HUNDRED_MBIT, factor: 1.15, round_trips: START_AND_END });
}

#[test]
fn modem() {
    let path = Path::new("modem", 256 << 10, &link(75 * MS, 7_000, 20_000));
    // A packet takes 0.2 s: what the queue drops in the start is sent twice.
    check_both(&path, Bound { rate: 7_000, factor: 1.1, round_trips: START_AND_END });
}

#[test]
fn two_share_a_bottleneck() {
    for (congestion, most_of_ideal) in [(BBR, 1.5), (CUBIC, 2.5)] {
        let path = link(20 * MS, HUNDRED_MBIT, 500_000);
        let one = Scenario { congestion, ..Scenario::new(32 * MIB, 1, &path) };
        let other = Scenario { seed: 2, starts_at: 200 * MS, ..one.clone() };
        let mut world = World::shared(&[one, other]);
        world.run();
        world.assert_equal();
        let times = world.reports().into_iter().map(|report| report.time).collect::<Vec<_>>();
        println!("shared {congestion:?}: {times:?}");
        // Both together cannot be faster than the path, and neither may starve.
        let both =
            Duration::from_secs_f64(64.0 * MIB as f64 * 1480.0 / 1412.0 / HUNDRED_MBIT as f64);
        assert!(times.iter().all(|time| *time <= both.mul_f64(most_of_ideal)), "{times:?}");
    }
}
