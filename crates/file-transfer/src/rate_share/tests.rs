//! Shares of simulated senders over simulated time.

use std::time::Duration;

use super::*;

const BATCH: u64 = 64_000;

/// A transfer that sends batches as fast as allowed, or as fast as the own path goes.
#[derive(Clone)]
struct Sender {
    user: Arc<str>,
    batch: u64,
    /// Bytes a second of the path.
    path: u64,
    /// When it has the next batch ready.
    ready_at: Duration,
    /// From when on it wants to send.
    from: Duration,
    sent: u64,
    last_at: Duration,
    longest_pause: Duration,
}

fn sender(user: &'static str, path: u64) -> Sender {
    Sender {
        user: user.into(),
        batch: BATCH,
        path,
        ready_at: Duration::ZERO,
        from: Duration::ZERO,
        sent: 0,
        last_at: Duration::ZERO,
        longest_pause: Duration::ZERO,
    }
}

impl Sender {
    fn sends(&mut self, now: Duration) {
        self.sent += self.batch;
        self.pauses_until(now);
        self.last_at = now;
    }

    fn pauses_until(&mut self, now: Duration) {
        self.longest_pause = self.longest_pause.max(now.saturating_sub(self.last_at));
    }
}

/// Lets them send for so long, who is ready at the same time in this order; what each sent.
fn run(limits: RateLimits, seconds: u64, senders: &mut [Sender]) -> Vec<u64> {
    let start = Instant::now();
    let mut share = RateShare::new(start, limits);
    let end = Duration::from_secs(seconds);
    senders.iter_mut().for_each(|sender| sender.ready_at = sender.from);
    loop {
        let (number, next) =
            senders.iter_mut().enumerate().min_by_key(|(_, sender)| sender.ready_at).unwrap();
        let (now, transfer) = (next.ready_at, number as u64);
        if now >= end {
            senders.iter_mut().for_each(|sender| sender.pauses_until(end));
            return senders.iter().map(|sender| sender.sent).collect();
        }
        match share.next_batch(start + now, &next.user, transfer, 0) {
            Some(at) => {
                assert!(at > start + now, "a time to ask again that is not later");
                next.ready_at = at - start;
            }
            None => {
                next.sends(now);
                let on_its_way = Duration::from_nanos(next.batch * 1_000_000_000 / next.path);
                let at = share.next_batch(start + now, &next.user, transfer, next.batch);
                next.ready_at = at.map_or(now, |at| at - start).max(now + on_its_way);
            }
        }
    }
}

const FAST: u64 = 1_000_000_000;
const TOTAL: RateLimits = RateLimits { total: Some(10_000_000), per_user: None };

#[track_caller]
fn check(limits: RateLimits, senders: &mut [Sender], megabytes: &[f64]) {
    let sent = run(limits, 10, senders);
    let shown: Vec<f64> = sent.iter().map(|sent| *sent as f64 / 1e6).collect();
    for (found, expected) in shown.iter().zip(megabytes) {
        assert!((found - expected).abs() <= expected * 0.03 + 0.3, "{shown:?}, not {megabytes:?}");
    }
}

#[test]
fn all_together_keep_the_total() {
    check(TOTAL, &mut [sender("ann", FAST)], &[100.0]);
}

#[test]
fn users_share_evenly_however_many_downloads_they_have() {
    let mut senders =
        [sender("ann", FAST), sender("ann", FAST), sender("ann", FAST), sender("bob", FAST)];
    let sent = run(TOTAL, 10, &mut senders);
    let (ann, bob) = (sent[0] + sent[1] + sent[2], sent[3]);
    let shown = format!("{sent:?}");
    assert!(ann.abs_diff(50_000_000) < 1_500_000, "{shown}");
    assert!(bob.abs_diff(50_000_000) < 1_500_000, "{shown}");
}

#[test]
fn what_a_slow_path_leaves_over_is_for_the_others() {
    let mut senders = [sender("ann", 1_000_000), sender("bob", FAST), sender("eve", FAST)];
    check(TOTAL, &mut senders, &[10.0, 45.0, 45.0]);
}

#[test]
fn who_comes_later_has_no_arrears_to_collect() {
    let late = Sender { from: Duration::from_secs(5), ..sender("bob", FAST) };
    check(TOTAL, &mut [sender("ann", FAST), late], &[75.0, 25.0]);
}

#[test]
fn each_user_keeps_the_own_limit() {
    let limits = RateLimits { total: None, per_user: Some(2_000_000) };
    let mut senders = [sender("ann", FAST), sender("bob", 1_000_000)];
    check(limits, &mut senders, &[20.0, 10.0]);
}

#[test]
fn more_downloads_bring_a_user_no_more_than_the_own_limit() {
    let limits = RateLimits { total: None, per_user: Some(2_000_000) };
    let mut senders =
        [sender("ann", FAST), sender("ann", FAST), sender("ann", FAST), sender("bob", FAST)];
    let sent = run(limits, 10, &mut senders);
    let (ann, bob) = (sent[0] + sent[1] + sent[2], sent[3]);
    assert!(ann.abs_diff(bob) < bob / 30, "{sent:?}");
    assert!(bob.abs_diff(20_000_000) < 600_000, "{sent:?}");
}

#[test]
fn both_limits_hold_together() {
    let limits = RateLimits { total: Some(10_000_000), per_user: Some(6_000_000) };
    check(limits, &mut [sender("ann", FAST)], &[60.0]);
    check(limits, &mut [sender("ann", FAST), sender("bob", FAST)], &[50.0, 50.0]);
    let mut senders = [sender("ann", FAST), sender("ann", FAST), sender("bob", FAST)];
    let sent = run(limits, 10, &mut senders);
    assert!((sent[0] + sent[1]).abs_diff(sent[2]) < 1_500_000, "{sent:?}");
}

#[track_caller]
fn each_has(sent: &[u64], expected: u64) {
    let is_near = |sent: &u64| sent.abs_diff(expected) <= expected / 30 + 2 * BATCH;
    assert!(sent.iter().all(is_near), "{sent:?}, not {expected} each");
}

#[test]
fn the_transfers_of_a_user_share_its_limit_evenly() {
    let limits = RateLimits { total: None, per_user: Some(2_000_000) };
    let sent = run(limits, 10, &mut vec![sender("ann", FAST); 4]);
    each_has(&sent, 5_000_000);
}

#[test]
fn the_transfers_of_a_user_share_its_part_of_the_total_evenly() {
    let mut senders = vec![sender("ann", FAST); 4];
    senders.push(sender("bob", FAST));
    let sent = run(TOTAL, 10, &mut senders);
    each_has(&sent[..4], 12_500_000);
    let both = RateLimits { per_user: Some(6_000_000), ..TOTAL };
    each_has(&run(both, 10, &mut vec![sender("ann", FAST); 4]), 15_000_000);
}

#[test]
fn a_slow_transfer_leaves_its_part_to_the_users_other_ones() {
    let limits = RateLimits { total: None, per_user: Some(2_000_000) };
    let mut senders = [sender("ann", 100_000), sender("ann", FAST), sender("ann", FAST)];
    check(limits, &mut senders, &[1.0, 9.5, 9.5]);
}

/// Bytes of a batch, and of a frame over TCP where there is a limit.
const BATCHES: [u64; 3] = [2 * 1412, 45 * 1412, RateLimits::FRAME_BYTES_MAX as u64];

#[track_caller]
fn nobody_waits_longer(limits: RateLimits, rate: u64, senders: &[Sender]) {
    for batch in BATCHES {
        let mut senders = senders.to_vec();
        senders.iter_mut().for_each(|sender| sender.batch = batch);
        run(limits, 600, &mut senders);
        let longest = senders.iter().map(|sender| sender.longest_pause).max().unwrap();
        // One batch more than an even turn takes: a newcomer may come in between.
        let turns = senders.len() as u64 + 1;
        let allowed = Duration::from_secs_f64((turns * batch) as f64 / rate as f64);
        assert!(longest <= allowed, "{longest:?}, not {allowed:?} with batches of {batch}");
    }
}

#[test]
fn at_the_slowest_rate_of_a_user_no_transfer_waits_for_long() {
    let rate = RateLimits::PER_USER_MIN;
    let limits = RateLimits { total: None, per_user: Some(rate) };
    nobody_waits_longer(limits, rate, &vec![sender("ann", FAST); 4]);
}

/// The longest silence that a client takes before it gives a connection over TCP up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[test]
fn at_the_slowest_rate_of_all_no_transfer_waits_for_too_long() {
    let limits = RateLimits { total: Some(RateLimits::TOTAL_MIN), per_user: None };
    let mut senders = vec![sender("ann", FAST); 4];
    senders.extend(
        (0..60).map(|number| Sender { user: number.to_string().into(), ..sender("bob", FAST) }),
    );
    senders.iter_mut().for_each(|sender| sender.batch = RateLimits::FRAME_BYTES_MAX as u64);
    run(limits, 600, &mut senders);
    let longest = senders.iter().map(|sender| sender.longest_pause).max().unwrap();
    assert!(longest < SILENCE_MAX * 2 / 3, "{longest:?}");
}

#[test]
fn who_is_gone_is_forgotten() {
    let start = Instant::now();
    let mut share = RateShare::new(start, TOTAL);
    for number in 0..100_u64 {
        let now = start + Duration::from_secs(number);
        let _ = share.next_batch(now, &number.to_string().into(), number, 1);
    }
    assert!(share.users.len() <= 11, "{}", share.users.len());
}
