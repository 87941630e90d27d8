//! Paths on which a datagram's ECN bits decide whether it arrives.

use std::time::Duration;

use file_transfer::proto::ecn::Ecn;
use file_transfer::proto::receiver::ReceiverOutcome;
use file_transfer::proto::sender::{CongestionChoice, Sender};

use crate::link::{Address, LinkConfig};
use crate::world::{Report, Scenario, World};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;
const FOR_EVER: Duration = Duration::from_secs(9999);
const OTHER_HOST: Address = 4;
const BOTH: [CongestionChoice; 2] = [CongestionChoice::Bbr, CongestionChoice::Cubic];

fn link() -> LinkConfig {
    LinkConfig::with_delay(10 * MS).with_rate(12_500_000, 250_000)
}

fn marks(world: &mut World) -> Option<Ecn> {
    world.flow().sender.as_ref().map(Sender::ecn)
}

/// Runs a transfer of 8 MiB that must succeed; gives what the last file bytes went out with, too.
#[track_caller]
fn run(link: &LinkConfig, congestion: CongestionChoice) -> (Report, Option<Ecn>) {
    let mut world = World::new(&Scenario { congestion, ..Scenario::new(8 * MIB, 11, link) });
    let mut last = None;
    while !world.flow().receiver.as_ref().is_some_and(|receiver| receiver.is_complete()) {
        let before = world.flow().sender.as_ref().map_or(0, |one| one.stats().data_bytes_sent);
        assert!(world.step());
        if world.flow().sender.as_ref().is_some_and(|one| one.stats().data_bytes_sent > before) {
            last = marks(&mut world);
        }
    }
    let report = world.run();
    assert_eq!(report.client, Some(ReceiverOutcome::Done), "{report:?}");
    world.assert_equal();
    (report, last)
}

/// Marked datagrams vanish from some time on: what that costs is a few probe timeouts, the first of
/// which is that of a round trip not measured often, and a start from a small window.
#[track_caller]
fn check_dropped(from: Duration) {
    for congestion in BOTH {
        let (clean, mark) = run(&link(), congestion);
        assert_eq!(mark, Some(Ecn::Ect0));
        let drops_markable = Some(from..FOR_EVER);
        let (report, mark) = run(&LinkConfig { drops_markable, ..link() }, congestion);
        assert_eq!(mark, Some(Ecn::NotEct), "{congestion:?}");
        let lost = report.time.saturating_sub(clean.time);
        assert!(lost < 1500 * MS, "{congestion:?}: {lost:?} later than {:?}", clean.time);
    }
}

#[test]
fn a_path_that_drops_marked_datagrams_gets_unmarked_ones() {
    check_dropped(Duration::ZERO);
}

#[test]
fn one_that_begins_to_drop_them_gets_unmarked_ones_from_then_on() {
    check_dropped(300 * MS);
}

#[test]
fn loss_of_everything_alike_is_no_reason_to_stop_marking() {
    let outages = vec![300 * MS..2300 * MS];
    let ways = [LinkConfig { loss: 0.1, ..link() }, LinkConfig { outages, ..link() }];
    for (way, congestion) in ways.iter().flat_map(|way| BOTH.map(|one| (way, one))) {
        assert_eq!(run(way, congestion).1, Some(Ecn::Ect0), "{congestion:?}");
    }
}

#[test]
fn on_another_path_marks_are_tried_again() {
    let (moves, drops_markable) = (700 * MS, Some(Duration::ZERO..700 * MS));
    let link = LinkConfig { drops_markable, ..link() };
    let mut world = World::new(&Scenario::new(16 * MIB, 12, &link));
    world.run_until(moves);
    let received = world.flow().receiver.as_ref().map_or(0, |receiver| receiver.file_bytes());
    assert!(received > MIB, "{received}: the old path's lesson is learned");
    assert_eq!(marks(&mut world), Some(Ecn::NotEct));
    world.flow().address = OTHER_HOST;
    world.run_until(moves + 400 * MS);
    assert_eq!(marks(&mut world), Some(Ecn::Ect0));
    assert_eq!(world.run().client, Some(ReceiverOutcome::Done));
    world.assert_equal();
}
