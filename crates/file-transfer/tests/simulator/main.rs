//! Whole transfers in virtual time over emulated links.
//!
//! `SIM_SEED=n cargo test -p file-transfer --test simulator any_path` replays one seed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test that panics has failed, as it should; its sizes are small"
)]

mod address_change;
mod any_path;
mod catalogue;
mod ecn;
mod flow;
mod link;
mod named_paths;
mod upload;
mod upload_address_change;
mod world;

use std::time::Duration;

use file_transfer::proto::receiver::ReceiverOutcome;
use file_transfer::proto::sender::SenderOutcome;

use self::link::LinkConfig;
use self::world::{Report, Scenario, World};

const MS: Duration = Duration::from_millis(1);

/// Runs a transfer that must succeed.
#[track_caller]
fn transfer(scenario: &Scenario) -> Report {
    let mut world = World::new(scenario);
    let report = world.run();
    let seed = scenario.seed;
    assert_eq!(report.client, Some(ReceiverOutcome::Done), "seed {seed}: {report:?}");
    world.assert_equal();
    report
}

#[test]
fn a_perfect_path_carries_every_odd_size() {
    for size in [
        0,
        1,
        27,
        1159,
        1160,
        1161,
        1411,
        1412,
        1413,
        65_536,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 1,
    ] {
        for aes in [true, false] {
            let link = LinkConfig::with_delay(5 * MS);
            let report = transfer(&Scenario { aes, ..Scenario::new(size, size, &link) });
            assert_eq!(report.server, Some(SenderOutcome::Done), "size {size}");
            assert_eq!(report.sender.data_bytes_sent, size, "nothing is sent twice");
            assert_eq!(report.receiver.forgeries + report.sender.forgeries, 0);
        }
    }
}
