//! Spreads what congestion control allows over time: a token bucket in nanoseconds.

use std::time::{Duration, Instant};

use crate::proto::limits::BATCH_SEGMENTS_MAX;

/// What may be sent at once: a millisecond's worth, …
const BURST_TIME: Duration = Duration::from_millis(1);
/// … at least this many packets (more would hurt slow links), …
const BURST_PACKETS_MIN: u64 = 2;
/// … at most this many (more would overrun shallow queues), …
const BURST_PACKETS_MAX: u64 = 64;
/// … or what goes out in this time, where that is more. A thread that sleeps for a tenth of a
/// millisecond wakes up half a millisecond later now and then; what it has missed would be lost for
/// good, and a controller that paces at the measured rate would take it for the path's.
const LATENESS: Duration = Duration::from_micros(500);
const _: () = assert!(BATCH_SEGMENTS_MAX as u64 <= BURST_PACKETS_MAX);

/// Token bucket whose tokens are bytes.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Bytes a second; `None`: not paced yet.
    rate: Option<u64>,
    tokens: u64,
    capacity: u64,
    /// Less than this is not worth a system call.
    quantum: u64,
    refilled_at: Instant,
}

impl Pacer {
    pub(super) fn new(now: Instant, packet_bytes: usize) -> Self {
        let capacity = BURST_PACKETS_MIN * packet_bytes as u64;
        Self { rate: None, tokens: capacity, capacity, quantum: capacity / 2, refilled_at: now }
    }

    /// Sets the rate from here on.
    pub(super) fn set_rate(&mut self, now: Instant, rate: Option<u64>, packet_bytes: usize) {
        self.refill(now);
        self.rate = rate.map(|rate| rate.max(1));
        let packet = packet_bytes as u64;
        let wanted = bytes_in(self.rate.unwrap_or(0), BURST_TIME);
        let burst = wanted.clamp(BURST_PACKETS_MIN * packet, BURST_PACKETS_MAX * packet);
        self.quantum = burst / 2;
        self.capacity = burst.max(bytes_in(self.rate.unwrap_or(0), LATENESS));
        self.tokens = self.tokens.min(self.capacity);
    }

    /// How many bytes may go out now: nothing until half a burst has gathered, so that batches are
    /// worth their system call.
    pub(super) fn allowance(&mut self, now: Instant) -> u64 {
        if self.rate.is_none() {
            return u64::MAX;
        }
        self.refill(now);
        if self.tokens >= self.quantum { self.tokens } else { 0 }
    }

    /// Bytes went out.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }

    /// When [`allowance`](Self::allowance) will be worth something.
    pub(super) fn next_at(&self, now: Instant) -> Instant {
        let missing = self.quantum.saturating_sub(self.tokens);
        match self.rate {
            Some(rate) if missing > 0 => self.refilled_at + time_for(missing, rate),
            _ => now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let Some(rate) = self.rate else {
            self.refilled_at = now;
            return;
        };
        let gained = bytes_in(rate, now.saturating_duration_since(self.refilled_at));
        if self.tokens + gained >= self.capacity {
            self.tokens = self.capacity;
            self.refilled_at = now;
        } else {
            // Only the time that whole bytes took is used up: nothing is lost to rounding.
            self.tokens += gained;
            self.refilled_at += Duration::from_nanos(gained.saturating_mul(1_000_000_000) / rate);
        }
    }
}

fn bytes_in(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX / 4)
}

fn time_for(bytes: u64, rate: u64) -> Duration {
    let nanos = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(rate));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends whatever is allowed for a second and says how much it was.
    #[track_caller]
    fn sent_in_a_second(rate: u64) -> u64 {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 1452);
        pacer.set_rate(start, Some(rate), 1452);
        let (mut now, mut sent, mut wakes) = (start, 0, 0);
        while now < start + Duration::from_secs(1) {
            let packets = (pacer.allowance(now) / 1452).min(45);
            pacer.sent(packets * 1452);
            sent += packets * 1452;
            wakes += 1;
            now = pacer.next_at(now).max(now + Duration::from_nanos(1));
            assert!(wakes < 2_000_000, "wakes without end");
        }
        sent
    }

    #[test]
    fn the_rate_is_kept_from_modem_to_loopback() {
        for rate in [10_000, 1_250_000, 12_500_000, 125_000_000, 1_250_000_000] {
            let sent = sent_in_a_second(rate);
            assert!(sent <= rate + (64 * 1452).max(rate / 2_000), "{sent} at {rate}");
            assert!(sent + 64 * 1452 >= rate || sent * 10 >= rate * 9, "{sent} at {rate}");
        }
    }

    /// Woken up to half a millisecond late each time, it still keeps a rate of 8 Gbit/s.
    #[test]
    fn what_a_late_thread_missed_is_made_up() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 1452);
        pacer.set_rate(start, Some(1_000_000_000), 1452);
        let (mut now, mut sent, mut wakes) = (start, 0, 0_u64);
        while now < start + Duration::from_secs(1) {
            while pacer.allowance(now) >= 1452 {
                let bytes = pacer.allowance(now).min(45 * 1452) / 1452 * 1452;
                pacer.sent(bytes);
                sent += bytes;
            }
            wakes += 1;
            now = pacer.next_at(now).max(now) + Duration::from_micros(wakes * 37 % 400);
        }
        assert!(sent > 990_000_000, "{sent}");
    }

    #[test]
    fn a_pause_earns_one_burst_and_no_more() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 1000);
        pacer.set_rate(start, Some(10_000_000), 1000);
        assert_eq!(pacer.allowance(start + Duration::from_secs(60)), 10_000);
    }
}
