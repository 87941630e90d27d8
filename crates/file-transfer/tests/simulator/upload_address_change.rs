//! A client that sends changes its address or port in mid-upload, and others write from addresses of
//! their own: the session goes on, and nothing that a stranger does moves it.

use std::time::Duration;

use file_transfer::proto::sender::CongestionChoice;

use crate::link::{Address, LinkConfig, Parcel};
use crate::upload::{Traffic, Upload, UploadScenario};

const MS: Duration = Duration::from_millis(1);
const MIB: u64 = 1 << 20;
/// Another port of the client's host, and another host.
const OTHER_PORT: Address = 1;
const OTHER_HOST: Address = 4;
const VICTIM: Address = 8;
const DELAY: Duration = Duration::from_millis(20);
/// With a full queue. A probe timeout is no more than two of them.
const RTT_MAX: Duration = Duration::from_millis(60);

fn link() -> LinkConfig {
    LinkConfig::with_delay(DELAY).with_rate(12_500_000, 250_000)
}

fn scenario(seed: u64) -> UploadScenario {
    let congestion = CongestionChoice::Bbr;
    UploadScenario { seed, size: 16 * MIB, up: link(), down: link(), congestion }
}

/// That the node has moved its client so often, and only once each time.
#[track_caller]
fn assert_changes(upload: &Upload, changes: u64) {
    assert_eq!(upload.node.stats().address_changes, changes);
    assert_eq!(upload.node.peer(), upload.address);
}

/// A NAT moves the client at some time; ACKs must come again within two round trips and a probe
/// timeout, and the rest as fast as it would have. The client does not know: if its window is full, only
/// the probe tells the node where it is.
#[track_caller]
fn check(to: Address, congestion: CongestionChoice) {
    let mut upload = Upload::new(&UploadScenario { congestion, ..scenario(1) });
    upload.run_until(600 * MS);
    upload.address = to;
    // What was on its way to the old address is not heard.
    let before = upload.client.file_bytes_received();
    upload.run_until(600 * MS + 4 * RTT_MAX);
    assert!(
        upload.client.file_bytes_received() > before,
        "{congestion:?}: no ACK has come to {to}"
    );
    upload.run();
    assert_changes(&upload, 1);
    let time = upload.finished_at.unwrap();
    // Without a change it takes 1.8 s.
    assert!(time < 2600 * MS, "{congestion:?} to {to}: {time:?}");
}

#[test]
fn where_nothing_changes_it_takes_as_long_as_the_path_wants() {
    let mut upload = Upload::new(&scenario(1));
    upload.run();
    let time = upload.finished_at.unwrap();
    // 1.4 s at line rate, and the start.
    assert!(time < 1900 * MS, "{time:?}");
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
fn a_client_that_knows_it_has_moved_says_so_and_goes_on() {
    for (to, is_other_path) in [(OTHER_PORT, false), (OTHER_HOST, true)] {
        // Nothing gets through until it has found out.
        let up = LinkConfig { outages: vec![600 * MS..1200 * MS], ..link() };
        let down = up.clone();
        let mut upload = Upload::new(&UploadScenario { up, down, ..scenario(2) });
        upload.run_until(1200 * MS);
        upload.move_client(to, is_other_path);
        let before = upload.client.file_bytes_received();
        upload.run_until(1200 * MS + 7 * DELAY);
        assert!(upload.client.file_bytes_received() > before, "{to}: nothing goes on");
        upload.run();
        assert_changes(&upload, 1);
        let time = upload.finished_at.unwrap();
        assert!(time < 3200 * MS, "to {to}: {time:?}");
    }
}

#[test]
fn a_port_that_changes_all_the_time_is_followed() {
    let mut upload = Upload::new(&scenario(3));
    for turn in 1..=6 {
        upload.run_until(turn * 200 * MS);
        upload.address = (turn % 4) as Address;
    }
    upload.run();
    assert_changes(&upload, 6);
}

#[test]
fn two_changes_in_one_round_trip_end_at_the_second() {
    for pause in [MS, DELAY, 2 * DELAY, 3 * DELAY] {
        let mut upload = Upload::new(&scenario(4));
        upload.run_until(500 * MS);
        upload.address = OTHER_HOST;
        upload.run_until(500 * MS + pause);
        upload.address = OTHER_PORT;
        upload.run();
        assert_eq!(upload.node.peer(), OTHER_PORT, "{pause:?}");
        let time = upload.finished_at.unwrap();
        assert!(time < 2600 * MS, "{pause:?}: {time:?}");
    }
}

#[test]
fn a_change_while_much_is_lost_is_followed() {
    for seed in 0..200 {
        let lossy = LinkConfig { loss: 0.05, burst: Some((0.002, 0.2)), ..link() };
        let (up, down) = (lossy.clone(), lossy);
        let mut upload = Upload::new(&UploadScenario { size: MIB, up, down, ..scenario(seed) });
        // In the middle of it, whatever the seed.
        while upload.node.file_bytes() < MIB / 2 {
            assert!(upload.step(), "seed {seed}");
        }
        upload.address = if seed % 2 == 0 { OTHER_PORT } else { OTHER_HOST };
        upload.run();
        assert_changes(&upload, 1);
    }
}

#[test]
fn packets_sent_again_from_another_address_get_no_answer() {
    let mut upload = Upload::new(&scenario(5));
    upload.up.captured = Some(Vec::new());
    upload.run_until(600 * MS);
    let captured = upload.up.captured.take().unwrap();
    assert!(captured.len() > 1000);
    // What is still on its way is to arrive before its copy.
    upload.run_until(600 * MS + 2 * DELAY);
    for packet in captured {
        let now = upload.now;
        upload.up.inject(now, Parcel { client: VICTIM, ..packet });
    }
    upload.run();
    assert_changes(&upload, 0);
    let Traffic { bytes_in, bytes_out } = upload.traffic[&VICTIM];
    assert!(bytes_in > 1_000_000 && bytes_out == 0, "{bytes_out} bytes for {bytes_in}");
}

#[test]
fn packets_diverted_to_a_victims_address_bring_it_a_few_challenges_and_move_nothing() {
    let mut upload = Upload::new(&scenario(6));
    let mut turn = 0;
    while upload.finished_at.is_none() {
        assert!(upload.step());
        turn += 1;
        // One of many packets on their way is taken over, and seems to come from the victim.
        if turn % 10 == 0
            && let Some(parcel) = upload.up.take_next()
        {
            let now = upload.now;
            upload.up.inject(now, Parcel { client: VICTIM, ..parcel });
        }
    }
    upload.run();
    assert_changes(&upload, 0);
    let Traffic { bytes_in, bytes_out } = upload.traffic[&VICTIM];
    assert!(bytes_in > 100_000 && bytes_out > 0, "{bytes_out} bytes for {bytes_in}");
    // Its client writes from where it was, which ends each suspicion.
    assert!(bytes_out < bytes_in / 10, "{bytes_out} bytes for {bytes_in}");
}

#[test]
fn an_address_that_never_answers_gets_five_challenges_and_no_more_bytes_than_it_sent() {
    let mut upload = Upload::new(&scenario(7));
    upload.run_until(500 * MS);
    // One packet seems to come from there; then its client is silent.
    upload.down.captured = Some(Vec::new());
    let newest = loop {
        match upload.up.take_next() {
            Some(newest) if upload.up.next_arrival().is_none() => break newest,
            Some(_) => {}
            None => assert!(upload.step()),
        }
    };
    let now = upload.now;
    upload.up.inject(now, Parcel { client: VICTIM, ..newest });
    upload.up.is_cut = true;
    upload.run_until(now + 10_000 * MS);
    assert_changes(&upload, 0);
    let captured = upload.down.captured.iter().flatten();
    let to_victim = captured.filter(|parcel| parcel.client == VICTIM).map(|it| it.bytes.len());
    assert_eq!(to_victim.collect::<Vec<_>>(), [40; 5]);
}

#[test]
fn a_client_that_comes_back_before_it_has_proven_anything_has_not_moved() {
    let mut upload = Upload::new(&scenario(8));
    upload.run_until(600 * MS);
    upload.address = OTHER_HOST;
    upload.run_until(600 * MS + DELAY);
    upload.address = 0;
    upload.run();
    assert_changes(&upload, 0);
    let time = upload.finished_at.unwrap();
    assert!(time < 2600 * MS, "{time:?}");
}
