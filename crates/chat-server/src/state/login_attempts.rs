//! Wrong passwords: how often one may guess, by name and by address.
//!
//! A name that met wrong passwords has to wait longer after each; an address only runs out, because a
//! whole classroom may sit behind one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::user_name::NameKey;

use crate::state::newcomers::holder;

/// What is looked back on.
const WINDOW: Duration = Duration::from_secs(60);

/// Names and addresses that are remembered. Beyond it the ones that failed longest ago are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// Wrong passwords that pass without any delay: everybody mistypes once.
const FREE_FAILURES: u32 = 2;

/// How many wrong passwords a minute are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttemptLimits {
    /// For one name.
    pub per_name: u32,
    /// From one IPv4 address, or one IPv6 network: a machine has all addresses of its /64.
    pub per_address: u32,
}

/// Who failed how often within the last minute.
#[derive(Debug)]
pub(crate) struct LoginAttempts {
    limits: AttemptLimits,
    by_name: HashMap<NameKey, Failures>,
    /// By IPv4 address or IPv6 network.
    by_address: HashMap<IpAddr, Failures>,
}

/// Failures since `first`, forgotten when the window is over.
#[derive(Clone, Copy, Debug)]
struct Failures {
    first: Instant,
    last: Instant,
    count: u32,
}

impl LoginAttempts {
    pub(crate) fn new(limits: AttemptLimits) -> Self {
        Self { limits, by_name: HashMap::new(), by_address: HashMap::new() }
    }

    /// From now on so many; what failed already counts on.
    pub(crate) fn set_limits(&mut self, limits: AttemptLimits) {
        self.limits = limits;
    }

    /// How long this name from this address has to wait before a password is looked at, right or wrong.
    pub(crate) fn wait(&self, now: Instant, name: &NameKey, address: IpAddr) -> Option<Duration> {
        let by_name = self.by_name.get(name).map(|failures| {
            failures
                .until_free(self.limits.per_name)
                .max(failures.last + growing_delay(failures.count))
        });
        let by_address = self
            .by_address
            .get(&holder(address))
            .map(|failures| failures.until_free(self.limits.per_address));
        let free_at = by_name.max(by_address)?;
        free_at.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Counts one wrong password.
    pub(crate) fn failed(&mut self, now: Instant, name: NameKey, address: IpAddr) {
        count(&mut self.by_name, now, name);
        count(&mut self.by_address, now, holder(address));
    }

    /// The right password came: the name starts anew. Its address does not, or one known name would
    /// let it guess others.
    pub(crate) fn succeeded(&mut self, name: &NameKey) {
        self.by_name.remove(name);
    }
}

impl Failures {
    /// When the next attempt may come: at once below `allowed`, else when the window is over.
    fn until_free(&self, allowed: u32) -> Instant {
        if self.count < allowed { self.first } else { self.first + WINDOW }
    }
}

/// 1 s, 2 s, 4 s … from the third failure on.
fn growing_delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        Some(over) => Duration::from_secs(1 << over.min(5)),
        None => Duration::ZERO,
    }
}

fn count<K: Clone + Eq + Hash>(failures: &mut HashMap<K, Failures>, now: Instant, key: K) {
    let fresh = Failures { first: now, last: now, count: 0 };
    let entry = failures.entry(key).or_insert(fresh);
    if now.saturating_duration_since(entry.first) >= WINDOW {
        *entry = fresh;
    }
    entry.last = now;
    entry.count = entry.count.saturating_add(1);
    if failures.len() > REMEMBERED_MAX {
        forget_oldest(failures, now);
    }
}

/// Drops what is over; if that is nothing, the one that failed longest ago.
fn forget_oldest<K: Clone + Eq + Hash>(failures: &mut HashMap<K, Failures>, now: Instant) {
    failures.retain(|_, entry| now.saturating_duration_since(entry.first) < WINDOW);
    if failures.len() <= REMEMBERED_MAX {
        return;
    }
    let oldest = failures.iter().min_by_key(|(_, entry)| entry.last).map(|(key, _)| key.clone());
    if let Some(key) = oldest {
        failures.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits = AttemptLimits { per_name: 5, per_address: 20 };

    /// Fails at each of `failures` (ms, name, last byte of the address), then asks.
    #[track_caller]
    fn check(failures: &[(u64, &str, u8)], asked: (u64, &str, u8), wait_ms: u64) {
        let start = crate::test_clock::start();
        let at = |ms| start + Duration::from_millis(ms);
        let address = |byte| IpAddr::from([10, 0, 0, byte]);
        let mut attempts = LoginAttempts::new(LIMITS);
        for (ms, name, byte) in failures {
            attempts.failed(at(*ms), NameKey::of(name), address(*byte));
        }
        let (ms, name, byte) = asked;
        let wait = attempts.wait(at(ms), &NameKey::of(name), address(byte));
        assert_eq!(wait.unwrap_or_default(), Duration::from_millis(wait_ms));
    }

    #[test]
    fn the_first_mistake_costs_nothing() {
        check(&[(0, "ann", 1)], (0, "ann", 1), 0);
    }

    #[test]
    fn the_delay_doubles() {
        check(&[(0, "ann", 1); 2], (0, "ann", 1), 1_000);
        check(&[(0, "ann", 1); 3], (0, "ann", 1), 2_000);
        check(&[(0, "ann", 1); 4], (500, "ann", 1), 3_500);
    }

    #[test]
    fn five_a_minute_by_name_from_wherever() {
        let spread = [(0, "ann", 1), (1, "ann", 2), (2, "ann", 3), (3, "ann", 4), (4, "Ann", 5)];
        check(&spread, (20_000, "ann", 9), 40_000);
        check(&spread, (60_000, "ann", 9), 0);
        check(&spread, (20_000, "bob", 1), 0);
    }

    #[test]
    fn twenty_a_minute_by_address_under_whatever_name() {
        let names: Vec<String> = (0..20).map(|n| format!("user{n}x")).collect();
        let failures: Vec<_> = names.iter().map(|name| (0, name.as_str(), 1)).collect();
        check(&failures, (10_000, "somebody", 1), 50_000);
        check(&failures, (10_000, "somebody", 2), 0);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let mut attempts = LoginAttempts::new(LIMITS);
        let now = crate::test_clock::start();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..20 {
            let name = NameKey::of(&format!("user{n}x"));
            attempts.failed(now, name, address(&format!("fd00::{n}")));
        }
        let wait = |from| attempts.wait(now, &NameKey::of("somebody"), address(from));
        assert!(wait("fd00::ffff").is_some());
        assert!(wait("fd00:0:0:1::1").is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = LoginAttempts::new(LIMITS);
        let now = crate::test_clock::start();
        for n in 0..=REMEMBERED_MAX {
            attempts.failed(now, NameKey::of(&format!("n{n}")), IpAddr::from([10, 0, 0, 1]));
        }
        assert_eq!(attempts.by_name.len(), REMEMBERED_MAX);
    }
}
