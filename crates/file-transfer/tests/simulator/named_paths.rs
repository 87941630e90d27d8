//! Named paths with a bound on the *simulated* time each transfer takes: no clock, no noise.

use std::time::Duration;

use file_transfer::proto::receiver::ReceiverOutcome;
use file_transfer::range_set::RangeSet;

use crate::link::LinkConfig;
use crate::transfer;
use crate::world::{Scenario, World};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;
/// 100 Mbit/s in bytes.
const HUNDRED_MBIT: u64 = 12_500_000;

/// A transfer that must end within the given simulated time; gives the share of bytes sent twice.
#[track_caller]
fn check(name: &str, size: u64, link: &LinkConfig, most: Duration) -> f64 {
    let report = transfer(&Scenario::new(size, 1, link));
    let rate = size as f64 / report.time.as_secs_f64() / 1e6;
    let twice = report.sender.data_bytes_sent as f64 / size as f64 - 1.0;
    println!("{name}: {:?}, {rate:.2} MB/s, {:.2} % twice", report.time, twice * 100.0);
    assert!(report.time <= most, "{name} took {:?}, at most {most:?} is allowed", report.time);
    twice
}

#[test]
fn a_lan_is_filled() {
    let link = LinkConfig::with_delay(MS / 2).with_rate(HUNDRED_MBIT, 64_000);
    let twice = check("LAN", 8 * MIB, &link, 760 * MS);
    assert!(twice < 0.05);
}

#[test]
fn one_percent_of_loss_does_not_stop_it() {
    let loss = LinkConfig { loss: 0.01, ..LinkConfig::with_delay(5 * MS) };
    let link = loss.with_rate(HUNDRED_MBIT, 125_000);
    let twice = check("1 % loss", 4 * MIB, &link, Duration::from_secs(6));
    assert!(twice < 0.08, "mostly what slow start overshoots by");
}

#[test]
fn two_seconds_of_outage_cost_little_more_than_two_seconds() {
    let outages = vec![200 * MS..2200 * MS];
    let out = LinkConfig { outages, ..LinkConfig::with_delay(10 * MS) };
    let link = out.with_rate(HUNDRED_MBIT, 250_000);
    let twice = check("2 s outage", 8 * MIB, &link, 3800 * MS);
    assert!(twice < 0.15, "little more than the flight that was lost");
}

#[test]
fn everything_doubled_is_written_once() {
    let link = LinkConfig { duplicate: 1.0, ..LinkConfig::with_delay(10 * MS) };
    let twice = check("doubled", MIB, &link, Duration::from_secs(1));
    assert!(twice.abs() < f64::EPSILON, "a repeat is no reason to send again");
}

#[test]
fn reordering_by_thousands_ends_well() {
    let reorder = Some((0.5, 200 * MS));
    let late = LinkConfig { reorder, ..LinkConfig::with_delay(5 * MS) };
    let link = late.with_rate(50_000_000, 4 << 20);
    check("reordered", 8 * MIB, &link, Duration::from_secs(300));
}

#[test]
fn a_path_that_swallows_large_datagrams_gets_small_ones() {
    let limited = LinkConfig { datagram_bytes_max: Some(1300), ..LinkConfig::with_delay(10 * MS) };
    let report = transfer(&Scenario::new(MIB, 3, &limited));
    assert_eq!(report.sender.datagram_bytes, 1200);
}

#[test]
fn only_what_is_missing_is_sent() {
    let missing: RangeSet = (0..200).map(|n| n * 5000..n * 5000 + 700).collect();
    let scenario = Scenario {
        missing: Some(missing.clone()),
        ..Scenario::new(MIB, 4, &LinkConfig::with_delay(10 * MS))
    };
    assert_eq!(transfer(&scenario).sender.data_bytes_sent, missing.total());
}

#[test]
fn a_replayed_flow_and_junk_do_nothing() {
    let scenario = Scenario::new(200_000, 5, &LinkConfig::with_delay(10 * MS));
    let mut world = World::new(&scenario);
    (world.up.captured, world.down.captured) = (Some(Vec::new()), Some(Vec::new()));
    world.run_until(45 * MS);
    let (up, down) = (world.up.captured.take(), world.down.captured.take());
    let now = world.now;
    for datagram in up.iter().flatten() {
        world.up.inject(now, datagram);
        let mut forged = datagram.clone();
        if let Some(last) = forged.last_mut() {
            *last ^= 1;
        }
        world.up.inject(now, &forged);
    }
    for datagram in down.iter().flatten() {
        world.down.inject(now, datagram);
    }
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done));
    assert!(report.sender.repeats > 0 && report.receiver.repeats > 0);
    assert_eq!(report.sender.data_bytes_sent, 200_000);
    world.assert_equal();
}

#[test]
fn a_server_that_falls_silent_is_given_up_after_thirty_seconds() {
    let outages = vec![30 * MS..Duration::from_secs(9999)];
    let link = LinkConfig { outages, ..LinkConfig::with_delay(10 * MS) };
    let mut world = World::new(&Scenario::new(MIB, 6, &link));
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Silent));
    assert!(report.time < Duration::from_secs(62), "{:?}", report.time);
    assert!(world.up.sent < 200, "{} datagrams to nobody", world.up.sent);
}
