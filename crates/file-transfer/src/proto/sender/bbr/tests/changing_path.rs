//! One flow on a path that changes, or with pauses of its own.

use super::*;

/// Checks the first flow's share in the given seconds, and that it loses little in them. The share is of
/// the rate that the case began with.
#[track_caller]
fn check_after(case: &Case, seconds: Range<usize>, expected: Range<f64>) {
    let mut path = SharedPath::new(&case.path, &case.flow_configs());
    let at = |second| SECOND * u32::try_from(second).unwrap();
    path.run_until(at(seconds.start));
    let before = (path.sent(0), path.dropped(0));
    path.run_until(at(seconds.end));
    let (sent, dropped) = (path.sent(0) - before.0, path.dropped(0) - before.1);
    let share = path.share(0, seconds);
    eprintln!("share {share:.3}, dropped {dropped} of {sent}");
    assert!(expected.contains(&share), "{share:.3} by second: {:?}", path.seconds(0));
    assert!(dropped * 50 < sent, "dropped {dropped} of {sent}");
}

/// From 8 s on the rate is so many hundredths of what it was.
fn rate_change(percent: u64) -> Case {
    let mut case = Case::new(20, 40, &[Bbr], 20);
    case.path.rate_changes = vec![(8 * SECOND, case.path.rate * percent / 100)];
    case
}

/// What is measured in a cycle counts for the next one as well, so that two must pass.
#[test]
fn half_the_bandwidth_is_accepted_soon() {
    check_after(&rate_change(50), 12..20, 0.46..0.51);
}

/// A probe finds more bandwidth within its own few rounds; one is due every four seconds at most.
#[test]
fn twice_the_bandwidth_is_found_soon() {
    check_after(&rate_change(200), 13..20, 1.85..2.0);
}

#[test]
fn ten_times_the_bandwidth_is_found_soon() {
    let mut case = rate_change(1000);
    case.path.queue *= 10;
    check_after(&case, 14..20, 8.8..10.0);
}

#[test]
fn a_tenth_of_the_bandwidth_is_accepted_soon() {
    check_after(&rate_change(10), 15..20, 0.09..0.101);
}

/// The filter of the least round trip holds ten seconds, and the window counts with the old one until
/// then. Where it fell far below the path in the meantime, probes of a quarter each bring it back.
#[test]
fn a_longer_way_is_got_used_to() {
    for (detour_ms, from, least) in [(40, 20, 0.90), (150, 26, 0.65)] {
        let mut case = Case::new(20, 40, &[Bbr], 30);
        case.path.detours = vec![(8 * SECOND, Duration::from_millis(detour_ms))];
        check_after(&case, from..30, least..1.0);
    }
}

/// What was in flight is more than the shorter path and its queue hold: a second for that to drain.
#[test]
fn a_shorter_way_is_got_used_to_at_once() {
    let mut case = Case::new(20, 40, &[Bbr], 14);
    case.path.detours =
        vec![(Duration::ZERO, Duration::from_millis(60)), (8 * SECOND, Duration::ZERO)];
    let path = case.run();
    assert!(path.share(0, 10..14) > 0.9, "by second: {:?}", path.seconds(0));
}

/// A second after the end of it nearly everything is as before.
#[test]
fn an_outage_is_over_when_it_is_over() {
    for rtt_ms in [20, 80] {
        let mut case = Case::new(20, rtt_ms, &[Bbr], 12);
        case.path.outages = vec![5 * SECOND..7 * SECOND];
        check_after(&case, 8..12, 0.90..1.0);
    }
}

#[test]
fn after_a_pause_the_flow_goes_on_where_it_was() {
    let case = Case::new(50, 40, &[Bbr], 14);
    let mut flows = case.flow_configs();
    flows[0].pauses = vec![4 * SECOND..10 * SECOND];
    let path = case.run_flows(&flows);
    assert_eq!(path.share(0, 5..10), 0.0);
    let share = path.share(0, 11..14);
    assert!(share > 0.9, "{share:.3} by second: {:?}", path.seconds(0));
    assert!(path.drop_rate(0) < 0.01, "{}", path.drop_rate(0));
}
