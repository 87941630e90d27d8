//! The client's address or port changes in mid-transfer, and others write from addresses of their own.

use std::time::Duration;

use file_transfer::proto::receiver::{Receiver, ReceiverOutcome};
use file_transfer::proto::sender::{CongestionChoice, Sender};

use crate::link::{Address, LinkConfig, Parcel};
use crate::world::{Scenario, World};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;
/// Another port of the client's host, and another host.
const OTHER_PORT: Address = 1;
const OTHER_HOST: Address = 4;
/// Somebody else, of the same transfer as far as the simulator goes.
const VICTIM: Address = 8;
const DELAY: Duration = Duration::from_millis(20);

fn world(seed: u64, congestion: CongestionChoice) -> World {
    let link = LinkConfig::with_delay(DELAY).with_rate(12_500_000, 250_000);
    World::new(&Scenario { congestion, ..Scenario::new(16 * MIB, seed, &link) })
}

fn received(world: &mut World) -> u64 {
    world.flow().receiver.as_ref().map_or(0, Receiver::file_bytes)
}

fn changes(world: &mut World) -> u64 {
    world.flow().sender.as_ref().map_or(0, |sender| sender.stats().address_changes)
}

/// Moves the client at some time; file bytes must flow again within two round trips and a probe
/// timeout, and the rest as fast as it would have.
#[track_caller]
fn check(to: Address, congestion: CongestionChoice) {
    let mut world = world(1, congestion);
    world.run_until(600 * MS);
    world.flow().address = to;
    let before = received(&mut world);
    let probe_timeout = 3 * DELAY;
    world.run_until(600 * MS + 4 * DELAY + probe_timeout);
    assert!(received(&mut world) > before, "{congestion:?}: nothing has come to {to}");
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done));
    assert_eq!((report.sender.address_changes, report.sender.datagram_bytes), (1, 1452));
    // A second start at most.
    assert!(report.time < 2600 * MS, "{congestion:?} to {to}: {:?}", report.time);
    world.assert_equal();
}

#[test]
fn it_goes_on_from_another_port() {
    check(OTHER_PORT, CongestionChoice::Bbr);
    check(OTHER_PORT, CongestionChoice::Cubic);
}

#[test]
fn it_goes_on_from_another_host() {
    check(OTHER_HOST, CongestionChoice::Bbr);
    check(OTHER_HOST, CongestionChoice::Cubic);
}

#[test]
fn a_port_that_changes_all_the_time_is_followed() {
    let mut world = world(2, CongestionChoice::Bbr);
    for turn in 1..=8 {
        world.run_until(turn * 200 * MS);
        world.flow().address = (turn % 4) as Address;
    }
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done));
    assert!(report.sender.address_changes >= 5, "{}", report.sender.address_changes);
    world.assert_equal();
}

#[test]
fn captured_packets_from_another_address_get_no_answer() {
    let mut world = world(3, CongestionChoice::Bbr);
    world.network.up.captured = Some(Vec::new());
    world.run_until(600 * MS);
    let captured = world.network.up.captured.take().unwrap();
    assert!(captured.len() > 100);
    // What is still on its way is to arrive before its copy.
    world.run_until(600 * MS + 2 * DELAY);
    world.network.down.captured = Some(Vec::new());
    for parcel in captured {
        // HELLOs too.
        let now = world.network.now;
        world.network.up.inject(now, Parcel { client: VICTIM, ..parcel });
    }
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done));
    assert_eq!(report.sender.address_changes, 0);
    let answered = world.network.down.captured.iter().flatten();
    assert_eq!(answered.filter(|parcel| parcel.client == VICTIM).count(), 0);
}

#[test]
fn packets_diverted_to_a_victims_address_bring_it_a_few_challenges_and_move_nothing() {
    let mut world = world(4, CongestionChoice::Bbr);
    world.network.down.captured = Some(Vec::new());
    let mut diverted = 0;
    let mut turn = 0;
    while world.flow().sender.as_ref().is_none_or(|sender| sender.outcome().is_none()) {
        assert!(world.step());
        turn += 1;
        // One of ten packets on their way is taken over, and seems to come from the victim.
        if turn % 10 == 0
            && let Some(parcel) = world.network.up.take_next()
        {
            let is_of_session = parcel.bytes.first() != Some(&0x01);
            let client = if is_of_session { VICTIM } else { parcel.client };
            diverted += if is_of_session { parcel.bytes.len() } else { 0 };
            let now = world.network.now;
            world.network.up.inject(now, Parcel { client, ..parcel });
        }
    }
    assert_eq!(changes(&mut world), 0);
    assert!(diverted > 1000);
    let to_victim = world.network.down.captured.iter().flatten();
    let bytes: usize =
        to_victim.filter(|parcel| parcel.client == VICTIM).map(|parcel| parcel.bytes.len()).sum();
    assert!(bytes > 0 && bytes <= diverted, "{bytes} bytes for {diverted}");
    world.run();
    world.assert_equal();
}

#[test]
fn a_client_that_comes_back_before_it_has_proven_anything_has_not_moved() {
    let mut world = world(5, CongestionChoice::Bbr);
    world.run_until(600 * MS);
    world.flow().address = OTHER_HOST;
    world.run_until(600 * MS + DELAY);
    world.flow().address = 0;
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done));
    assert_eq!(world.flow().sender.as_ref().map(Sender::peer), Some(0));
    assert!(report.time < 2600 * MS, "{:?}", report.time);
}
