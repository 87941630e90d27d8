//! Delivery-rate estimation (draft-ietf-ccwg-bbr, section 4.5): how fast the network really delivered
//! what was sent, as a sample per ACK.

use std::time::{Duration, Instant};

use super::congestion::LostPacket;

/// The connection's delivery state when a batch was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateSnapshot {
    pub(super) delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    in_flight: u64,
    lost: u64,
    pub(super) app_limited: bool,
}

/// What one ACK says about the rate of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSample {
    /// Bytes delivered over the interval.
    pub delivered: u64,
    /// The longer of the send phase and the acknowledge phase.
    pub interval: Duration,
    /// Bytes a second; `None` if the interval is shorter than the minimum RTT and says nothing.
    pub rate: Option<u64>,
    /// Whether the sender had less to send than the network could take.
    pub app_limited: bool,
    /// Bytes delivered in all when the newest packet acknowledged here was sent.
    pub prior_delivered: u64,
    /// Bytes in flight when it was sent.
    pub prior_in_flight: u64,
    /// Bytes found lost since it was sent.
    pub lost: u64,
}

/// Counts deliveries and makes samples.
#[derive(Debug)]
pub(super) struct DeliveryRate {
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    lost: u64,
    /// Deliveries up to this total are limited by the application; 0 for none.
    app_limited_until: u64,
    /// The newest packet of the ACK in hand.
    newest: Option<(RateSnapshot, Instant)>,
}

impl DeliveryRate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            delivered: 0,
            delivered_at: now,
            first_sent_at: now,
            lost: 0,
            app_limited_until: 0,
            newest: None,
        }
    }

    /// A batch is about to be sent while `in_flight` bytes are on the way.
    pub(super) fn snapshot(&mut self, now: Instant, in_flight: u64) -> RateSnapshot {
        if in_flight == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        RateSnapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            in_flight,
            lost: self.lost,
            app_limited: self.app_limited_until > 0,
        }
    }

    /// There is less to send than may be sent.
    pub(super) fn limited_by_application(&mut self, in_flight: u64) {
        self.app_limited_until = (self.delivered + in_flight).max(1);
    }

    /// A packet of `size` bytes, sent with `snapshot` at `sent_at`, was acknowledged.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        size: u64,
        snapshot: &RateSnapshot,
        sent_at: Instant,
    ) {
        self.delivered += size;
        self.delivered_at = now;
        let is_newer = self
            .newest
            .is_none_or(|(newest, at)| (snapshot.delivered, sent_at) > (newest.delivered, at));
        if is_newer {
            self.newest = Some((*snapshot, sent_at));
        }
    }

    /// Packet `number` of `bytes`, sent with `snapshot`, is lost.
    pub(super) fn lost(&mut self, number: u64, bytes: u64, snapshot: &RateSnapshot) -> LostPacket {
        self.lost += bytes;
        LostPacket {
            number,
            bytes,
            in_flight_at_send: snapshot.in_flight + bytes,
            lost_since_send: self.lost - snapshot.lost,
            app_limited: snapshot.app_limited,
        }
    }

    /// The sample of the ACK whose packets were just reported; `None` if there were none.
    pub(super) fn sample(&mut self, min_rtt: Duration) -> Option<RateSample> {
        let (snapshot, sent_at) = self.newest.take()?;
        self.first_sent_at = sent_at;
        if self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
        let send_phase = sent_at.saturating_duration_since(snapshot.first_sent_at);
        let ack_phase = self.delivered_at.saturating_duration_since(snapshot.delivered_at);
        let interval = send_phase.max(ack_phase);
        let delivered = self.delivered - snapshot.delivered;
        let is_meaningful = interval >= min_rtt && !interval.is_zero();
        Some(RateSample {
            delivered,
            interval,
            rate: is_meaningful.then(|| bytes_per_second(delivered, interval)),
            app_limited: snapshot.app_limited,
            prior_delivered: snapshot.delivered,
            prior_in_flight: snapshot.in_flight,
            lost: self.lost - snapshot.lost,
        })
    }
}

fn bytes_per_second(bytes: u64, interval: Duration) -> u64 {
    let per_second = u128::from(bytes) * 1_000_000_000 / interval.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// The largest rate of the last two periods, each at least ten round trips long.
#[derive(Debug, Default)]
pub(super) struct MaxRate {
    current: u64,
    previous: u64,
    period_began: Option<Instant>,
}

impl MaxRate {
    pub(super) fn update(&mut self, now: Instant, rate: u64, rtt: Duration) {
        let began = *self.period_began.get_or_insert(now);
        if now.saturating_duration_since(began) >= rtt * 10 {
            self.previous = std::mem::take(&mut self.current);
            self.period_began = Some(now);
        }
        self.current = self.current.max(rate);
    }

    /// Bytes a second.
    pub(super) fn get(&self) -> u64 {
        self.current.max(self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_measured_at_its_rate() {
        let start = Instant::now();
        let ms = |n: u64| start + Duration::from_millis(n);
        let mut rate = DeliveryRate::new(start);
        // A packet of 1000 bytes each ms, acknowledged 20 ms later.
        let mut sent = std::collections::VecDeque::new();
        let mut last = None;
        for now in 0..200 {
            if now >= 20 {
                let (snapshot, at): (RateSnapshot, Instant) = sent.pop_front().expect("in flight");
                rate.acknowledged(ms(now), 1000, &snapshot, at);
                last = rate.sample(Duration::from_millis(20));
            }
            let in_flight = sent.len() as u64 * 1000;
            sent.push_back((rate.snapshot(ms(now), in_flight), ms(now)));
        }
        let sample = last.expect("a sample");
        assert_eq!(sample.rate, Some(1_000_000));
        assert!(!sample.app_limited);
    }

    #[test]
    fn acknowledgements_in_a_burst_do_not_look_fast() {
        let start = Instant::now();
        let mut rate = DeliveryRate::new(start);
        let sent: Vec<_> = (0..10)
            .map(|n| {
                let at = start + Duration::from_millis(n);
                (rate.snapshot(at, n * 1000), at)
            })
            .collect();
        for (snapshot, at) in &sent {
            rate.acknowledged(start + Duration::from_millis(30), 1000, snapshot, *at);
        }
        let sample = rate.sample(Duration::from_millis(5)).expect("a sample");
        assert!(sample.rate.is_some_and(|rate| rate <= 10_000 * 1000 / 30));
    }
}
