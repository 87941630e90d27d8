//! How fast a node may send, and whose turn it is: limits for each user and for all, with what there is
//! shared evenly between the users who want it. Sans-IO: the time comes in, the time to ask again goes
//! out.
//!
//! A limit is kept by the generic cell rate algorithm (ITU-T I.371, annex A): what was sent is paid for
//! in time afterwards, so nobody has to know beforehand how large a batch will be. Where the limit for
//! all binds, start-time fairness (Goyal, Vin, Cheng 1996) decides: of those who wait, whoever was served
//! least goes first. A user with four downloads has one share, and who is slowed down by the own path
//! keeps nobody waiting.
//!
//! What holds where:
//!
//! | limits | between users |
//! |---|---|
//! | for all | even shares of it, however many downloads each has |
//! | for each user | nobody has more than that, however many downloads; who is below it is where the network puts them |
//! | both | even shares, none of more than a user's limit |
//! | none | a node cannot tell a user whom it slows down from one whom the own path slows down, so it slows nobody down: each *transfer* gets what congestion control gives a flow, and a user has as many as [`SessionLimits`](crate::node::NodeLimits) allow |
//!
//! So who wants even shares of an uplink sets the limit for all a little below what the uplink takes: then
//! the queue forms here, and not where nobody knows users.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What may be sent at once after a pause, in time. Long enough for a batch at a gigabit.
const BURST: Duration = Duration::from_millis(2);

/// How much more than the one served least somebody may have got before that one has to be let first.
const LEAD_BYTES_MAX: u64 = 128 << 10;

/// How long after the time that was named somebody who waits is still waited for.
const TARDINESS_MAX: Duration = Duration::from_millis(20);

/// How soon to ask again when it is somebody else's turn.
const TURN: Duration = Duration::from_millis(1);

/// How long a user who sends nothing is remembered. What was paid for in advance is over by then.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// File bytes a second. `None`: as fast as it goes. No slower than [`PER_PLACE_MIN`](Self::PER_PLACE_MIN)
/// times the transfers that there may be at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RateLimits {
    /// Of all transfers of a node together.
    pub total: Option<u64>,
    /// Of all transfers of one user together.
    pub per_user: Option<u64>,
}

impl RateLimits {
    /// Slowest rate of a transfer: a frame of 256 KiB over TCP takes it 16 s, and after 30 s its client
    /// takes the silence for a broken connection.
    pub const PER_PLACE_MIN: u64 = 16 << 10;

    /// Slowest rate of one user, who has four transfers at once if not told otherwise.
    pub const PER_USER_MIN: u64 = 4 * Self::PER_PLACE_MIN;

    /// Slowest rate of all: of 64 transfers.
    pub const TOTAL_MIN: u64 = 64 * Self::PER_PLACE_MIN;

    /// Whether there is no limit at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.total.is_none() && self.per_user.is_none()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RateShare {
    total: Option<Meter>,
    per_user: Option<u64>,
    users: HashMap<String, User>,
    /// What whoever was let through last had been served by then: where newcomers begin.
    served: u64,
}

#[derive(Debug)]
struct User {
    meter: Option<Meter>,
    /// File bytes, counted from where it came in.
    served: u64,
    asked_at: Instant,
    /// It was told to ask again at this time, for want of its turn or of the limit for all.
    waits_until: Option<Instant>,
}

/// Keeps one rate.
#[derive(Clone, Copy, Debug)]
struct Meter {
    bytes_per_second: u64,
    /// Until then everything that was sent is paid for.
    paid_until: Instant,
}

impl RateShare {
    pub(crate) fn new(now: Instant, limits: RateLimits) -> Self {
        let total = limits.total.map(|rate| Meter::new(now, rate));
        Self { total, per_user: limits.per_user, users: HashMap::new(), served: 0 }
    }

    /// Pays for `sent` file bytes of a transfer of `user`, and says whether it may send its next batch:
    /// `None` at once, else when to ask again.
    pub(crate) fn next_batch(&mut self, now: Instant, user: &str, sent: u64) -> Option<Instant> {
        self.let_in(now, user);
        let known = self.users.get_mut(user)?;
        known.asked_at = now;
        known.served += sent;
        if let Some(meter) = &mut known.meter {
            meter.pay(now, sent);
        }
        if let Some(total) = &mut self.total {
            total.pay(now, sent);
        }
        if let Some(at) = known.meter.and_then(|meter| meter.next_at(now)) {
            known.waits_until = None;
            return Some(at);
        }
        let at = self.turn(now, user);
        let known = self.users.get_mut(user)?;
        // Who has just sent may not want more at once; who asks without having sent does.
        known.waits_until = at.filter(|_| sent == 0);
        if at.is_none() {
            self.served = known.served;
        }
        at
    }

    /// When it is the turn of `user`, as far as the limit for all goes.
    fn turn(&self, now: Instant, user: &str) -> Option<Instant> {
        let total = self.total.as_ref()?;
        if let Some(at) = total.next_at(now) {
            return Some(at);
        }
        let own = self.users.get(user)?.served;
        let waits = |it: &&User| it.waits_until.is_some_and(|at| now <= at + TARDINESS_MAX);
        let least = self.users.values().filter(waits).map(|it| it.served).min()?;
        (own > least + LEAD_BYTES_MAX).then(|| now + TURN)
    }

    fn let_in(&mut self, now: Instant, user: &str) {
        let (served, per_user) = (self.served, self.per_user);
        if let Some(known) = self.users.get_mut(user) {
            if known.waits_until.is_none() {
                // Time in which it wanted nothing is no credit.
                known.served = known.served.max(served.saturating_sub(LEAD_BYTES_MAX));
            }
            return;
        }
        self.users.retain(|_, known| now.saturating_duration_since(known.asked_at) < IDLE_MAX);
        let meter = per_user.map(|rate| Meter::new(now, rate));
        let user_is = User { meter, served, asked_at: now, waits_until: None };
        self.users.insert(user.to_owned(), user_is);
    }
}

impl Meter {
    fn new(now: Instant, bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_until: now }
    }

    fn pay(&mut self, now: Instant, bytes: u64) {
        let from = now.checked_sub(BURST).map_or(self.paid_until, |at| at.max(self.paid_until));
        self.paid_until = from + self.time_for(bytes);
    }

    fn next_at(&self, now: Instant) -> Option<Instant> {
        (self.paid_until > now).then_some(self.paid_until)
    }

    fn time_for(&self, bytes: u64) -> Duration {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: u64 = 64_000;

    /// Somebody who sends batches as fast as allowed, or as fast as the own path goes.
    struct Sender {
        user: &'static str,
        /// Bytes a second of the path.
        path: u64,
        /// When it has the next batch ready.
        ready_at: Duration,
        /// From when on it wants to send.
        from: Duration,
        sent: u64,
    }

    fn sender(user: &'static str, path: u64) -> Sender {
        let (ready_at, from) = (Duration::ZERO, Duration::ZERO);
        Sender { user, path, ready_at, from, sent: 0 }
    }

    /// Lets them send for so long; what each sent.
    fn run(limits: RateLimits, seconds: u64, senders: &mut [Sender]) -> Vec<u64> {
        let start = Instant::now();
        let mut share = RateShare::new(start, limits);
        let end = Duration::from_secs(seconds);
        senders.iter_mut().for_each(|sender| sender.ready_at = sender.from);
        loop {
            let next = senders.iter_mut().min_by_key(|sender| sender.ready_at).unwrap();
            let now = next.ready_at;
            if now >= end {
                return senders.iter().map(|sender| sender.sent).collect();
            }
            match share.next_batch(start + now, next.user, 0) {
                Some(at) => {
                    assert!(at > start + now, "a time to ask again that is not later");
                    next.ready_at = at - start;
                }
                None => {
                    next.sent += BATCH;
                    let on_its_way = Duration::from_nanos(BATCH * 1_000_000_000 / next.path);
                    let at = share.next_batch(start + now, next.user, BATCH);
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
            assert!(
                (found - expected).abs() <= expected * 0.03 + 0.3,
                "{shown:?}, not {megabytes:?}"
            );
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

    #[test]
    fn who_is_gone_is_forgotten() {
        let start = Instant::now();
        let mut share = RateShare::new(start, TOTAL);
        for number in 0..100_u64 {
            let now = start + Duration::from_secs(number);
            let _ = share.next_batch(now, &number.to_string(), 1);
        }
        assert!(share.users.len() <= 11, "{}", share.users.len());
    }
}
