//! One flow on a path that stays as it is.

use super::*;

/// Runs the first flow and checks its share in the given seconds.
#[track_caller]
fn check_share(case: &Case, seconds: Range<usize>, expected: Range<f64>) -> SharedPath {
    let path = case.run();
    let share = path.share(0, seconds);
    eprintln!("share {share:.3}, dropped {:.4}", path.drop_rate(0));
    assert!(expected.contains(&share), "{share:.3} by second: {:?}", path.seconds(0));
    path
}

/// 1 % goes to the pacing margin, the rest to Startup.
#[test]
fn a_clean_path_is_filled_without_overrunning_its_queue() {
    let path = check_share(&Case::new(50, 10, &[Bbr], 20), 0..20, 0.96..1.0);
    assert!(path.drop_rate(0) < 0.005, "{}", path.drop_rate(0));
    check_share(&Case::new(5, 100, &[Bbr], 30), 2..30, 0.94..1.0);
}

/// The bounds leave a tenth to Startup, the measurement of the loss, the pacing margin and the loss
/// itself; CUBIC's window is Reno's 1.22 / √loss packets or so.
#[test]
fn random_loss_costs_bbr_little_and_cubic_nearly_everything() {
    let case = |choice| Case::new(50, 40, &[choice], 16).with_loss(0.01);
    check_share(&case(Bbr), 0..16, 0.90..1.0);
    check_share(&case(Cubic), 0..16, 0.0..0.10);
    // How soon the loss is known to be random differs from seed to seed.
    let shares: Vec<f64> = (1..7)
        .map(|seed| Case::new(30, 25, &[Bbr], 16).with_loss(0.015).with_seed(seed).shares()[0])
        .collect();
    assert!(mean(&shares) > 0.88, "{shares:.3?}");
}

#[test]
fn a_long_fat_path_is_filled_in_spite_of_rare_loss() {
    check_share(&Case::new(200, 80, &[Bbr], 10).with_loss(0.001), 0..10, 0.85..1.0);
}

/// Too rare to be measured soon, and to be of consequence: a tenth less if each such loss lowered a bound.
#[test]
fn rare_random_loss_costs_next_to_nothing() {
    for per_mille in [0.5, 1.0, 2.0, 3.0] {
        let case = Case::new(100, 40, &[Bbr], 10).with_loss(per_mille / 1000.0);
        check_share(&case, 0..10, 0.94..1.0);
    }
}

/// The first minute, with all that is to be learned in it: kernel TCP with BBR gets 0.77 at most of a
/// path like the first.
#[test]
fn loss_above_the_threshold_is_borne_once_it_is_known_to_be_random() {
    for seed in 1..4 {
        let case = Case::new(20, 200, &[Bbr], 60).with_loss(0.03).with_seed(seed);
        check_share(&case, 0..60, 0.84..1.0);
    }
    check_share(&Case::new(10, 120, &[Bbr], 60).with_loss(0.025), 0..60, 0.84..1.0);
}

#[test]
fn a_queue_much_smaller_than_the_path_is_not_overrun_all_the_time() {
    let path = check_share(&Case::new(50, 40, &[Bbr], 20).with_queue(5), 5..20, 0.70..1.0);
    assert!(path.drop_rate(0) < 0.02, "{}", path.drop_rate(0));
}

#[test]
fn a_policer_is_not_fought() {
    let mut case = Case::new(20, 40, &[Bbr], 30);
    case.path.policer = Some(case.path.queue);
    let path = check_share(&case, 10..30, 0.7..1.0);
    assert!(path.drop_rate(0) < 0.05, "{}", path.drop_rate(0));
}

#[test]
fn marks_keep_the_queue_from_overflowing() {
    let mut case = Case::new(50, 40, &[Bbr], 20);
    case.path.mark_above = Some(case.path.queue / 4);
    let path = check_share(&case, 2..20, 0.80..1.0);
    assert!(path.drop_rate(0) < 0.001, "{}", path.drop_rate(0));
}

/// Wi-Fi gathers what it has for a turn: the window makes up for what is acknowledged late, unless a
/// turn is as long as the path.
#[test]
fn acknowledgements_in_lumps_slow_nothing_down() {
    for (lump_ms, rtt_ms, least) in [(10, 20, 0.90), (20, 20, 0.75), (15, 60, 0.90)] {
        let mut case = Case::new(50, rtt_ms, &[Bbr], 10);
        case.path.ack_lumps = Some(Duration::from_millis(lump_ms));
        check_share(&case, 1..10, least..1.0);
    }
}
