//! Single behaviours of a whole transfer: what is sent, what is not, and when it is given up.

use std::time::Duration;

use file_transfer::proto::receiver::ReceiverOutcome;
use file_transfer::proto::sender::CongestionChoice;
use file_transfer::range_set::RangeSet;

use crate::link::LinkConfig;
use crate::transfer;
use crate::world::{Scenario, World};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;

#[test]
fn a_path_that_swallows_large_datagrams_gets_the_largest_it_carries() {
    let limited = LinkConfig { datagram_bytes_max: Some(1300), ..LinkConfig::with_delay(10 * MS) };
    let limited = limited.with_rate(12_500_000, 250_000);
    let report = transfer(&Scenario::new(8 * MIB, 3, &limited));
    assert_eq!(report.sender.datagram_bytes, 1232);
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
    let network = &mut world.network;
    (network.up.captured, network.down.captured) = (Some(Vec::new()), Some(Vec::new()));
    world.run_until(45 * MS);
    let network = &mut world.network;
    let (up, down) = (network.up.captured.take(), network.down.captured.take());
    for parcel in up.into_iter().flatten() {
        let mut forged = parcel.clone();
        if let Some(last) = forged.bytes.last_mut() {
            *last ^= 1;
        }
        network.up.inject(network.now, parcel);
        network.up.inject(network.now, forged);
    }
    for parcel in down.into_iter().flatten() {
        network.down.inject(network.now, parcel);
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
    let sent = world.network.up.sent;
    assert!(sent < 200, "{sent} datagrams to nobody");
}

/// CUBIC's window, in datagrams: before an outage of so long, and the smallest after it.
fn windows_around_an_outage(lasts: Duration) -> (u64, u64) {
    let begins = 600 * MS;
    let outages = vec![begins..begins + lasts];
    let link = LinkConfig { outages, ..LinkConfig::with_delay(10 * MS) };
    let link = link.with_rate(12_500_000, 250_000);
    let congestion = CongestionChoice::Cubic;
    let mut world = World::new(&Scenario { congestion, ..Scenario::new(16 * MIB, 9, &link) });
    let window = |world: &mut World| {
        let stats = world.flow().sender.as_ref().map(|sender| sender.stats()).unwrap();
        stats.congestion_window / stats.datagram_bytes as u64
    };
    world.run_until(begins);
    let (before, mut least) = (window(&mut world), u64::MAX);
    while !world.flow().receiver.as_ref().is_some_and(|receiver| receiver.is_complete()) {
        assert!(world.step());
        least = least.min(window(&mut world));
    }
    world.assert_equal();
    (before, least)
}

#[test]
fn an_outage_that_takes_what_was_on_its_way_is_persistent_congestion() {
    // More than three probe timeouts of it, and less.
    let (before, after) = windows_around_an_outage(Duration::from_secs(2));
    assert!(before > 50 && after == 2, "{before} datagrams before it, {after} after it");
    let (before, after) = windows_around_an_outage(60 * MS);
    assert!(before > 50 && after > before / 2, "{before} datagrams before it, {after} after it");
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_wall_clock_that_is_set_in_mid_transfer_changes_nothing() {
    for ahead in [DAY.as_secs() as i64, -(DAY.as_secs() as i64)] {
        let link = LinkConfig::with_delay(10 * MS).with_rate(12_500_000, 250_000);
        let mut world = World::new(&Scenario::new(4 * MIB, 7, &link));
        world.run_until(100 * MS);
        world.flow().wall_clock_ahead = ahead;
        let report = world.run();
        assert_eq!(report.client, Some(ReceiverOutcome::Done));
        assert!(report.time < Duration::from_secs(1), "{:?}", report.time);
        world.assert_equal();
    }
}

#[test]
fn with_a_wall_clock_a_day_ahead_a_ticket_starts_nothing() {
    let mut world = World::new(&Scenario::new(MIB, 8, &LinkConfig::with_delay(10 * MS)));
    world.flow().wall_clock_ahead = DAY.as_secs() as i64;
    world.run_until(Duration::from_secs(5));
    assert!(world.flow().receiver.is_none(), "no answer");
    world.flow().wall_clock_ahead = 0;
    assert_eq!(world.run().client, Some(ReceiverOutcome::Done));
}

#[test]
fn a_day_that_passes_at_once_ends_it_or_not_but_spoils_nothing() {
    for asleep in [Duration::from_secs(20), DAY] {
        for seed in 0..20 {
            let link = LinkConfig::with_delay(10 * MS).with_rate(12_500_000, 250_000);
            let scenario = Scenario { time_max: DAY * 3, ..Scenario::new(4 * MIB, seed, &link) };
            let mut world = World::new(&scenario);
            world.run_until((40 + 15 * seed as u32) * MS);
            // Both machines were suspended: what was on its way has arrived meanwhile.
            world.network.now += asleep;
            let report = world.run();
            let missing = world.flow().receiver.as_ref().map_or(0, |one| one.missing().total());
            match report.client {
                Some(ReceiverOutcome::Done) => world.assert_equal(),
                Some(ReceiverOutcome::Silent | ReceiverOutcome::ClosedByPeer(_)) => {
                    assert!(missing > 0);
                }
                other => panic!("seed {seed}: {other:?}"),
            }
        }
    }
}
