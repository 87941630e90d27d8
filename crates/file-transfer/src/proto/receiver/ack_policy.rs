//! When an ACK is due: at once on a gap or when asked, and at the latest an eighth of a round trip
//! after the first packet that was not acknowledged, or when many have come. Eight ACKs a round trip
//! tell a sender all it can use; more would fill a narrow way back and delay each other there.

use std::time::{Duration, Instant};

use crate::proto::limits::{ACK_DELAY_MAX, ACK_DELAY_MIN};
use crate::proto::received_numbers::ReceivedNumbers;

/// Packets after which an ACK waits no longer …
const PACKETS_PER_ACK: u32 = 32;
/// … and the same where an eighth of a round trip is shorter than a timer (RFC 9000, section 13.2.2).
const PACKETS_PER_ACK_NEAR: u32 = 2;
/// With more separate ranges than this, packets out of order are the rule and no news: an ACK for
/// each, of a kilobyte or more, would outweigh what it acknowledges.
const RANGES_IN_ORDER_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct AckPolicy {
    /// Packets that ask for an acknowledgement since the last ACK.
    unacknowledged: u32,
    due: Option<Instant>,
    /// The largest number so far and when it came.
    largest: Option<(u64, Instant)>,
    /// The packet in hand does not follow the largest number.
    out_of_order: bool,
}

impl AckPolicy {
    /// A packet is about to be noted in `received`.
    pub(super) fn arrival(&mut self, now: Instant, number: u64, received: &ReceivedNumbers) {
        let expected = received.largest().map_or(0, |largest| largest + 1);
        let is_news = received.numbers().range_count() <= RANGES_IN_ORDER_MAX;
        self.out_of_order = number != expected && is_news;
        if number >= expected {
            self.largest = Some((number, now));
        }
    }

    /// A packet that asks for an acknowledgement was noted.
    pub(super) fn eliciting(&mut self, now: Instant, number: u64, at_once: bool, rtt: Duration) {
        if self.largest.is_none_or(|(largest, _)| number > largest) {
            self.largest = Some((number, now));
        }
        self.unacknowledged += 1;
        let wait_is_over = at_once
            || std::mem::take(&mut self.out_of_order)
            || self.unacknowledged >= packets_per_ack(rtt);
        let delay = if wait_is_over { Duration::ZERO } else { delay_of(rtt) };
        let due = now + delay;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// An ACK is wanted at once, if there is anything to acknowledge.
    pub(super) fn send_now(&mut self, now: Instant) {
        if self.largest.is_some() {
            self.due = Some(now);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// An ACK goes out; gives how long the largest number has waited for it.
    pub(super) fn sent(&mut self, now: Instant) -> Duration {
        self.unacknowledged = 0;
        self.due = None;
        self.largest.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(at))
    }
}

fn packets_per_ack(rtt: Duration) -> u32 {
    if rtt / 8 < ACK_DELAY_MIN { PACKETS_PER_ACK_NEAR } else { PACKETS_PER_ACK }
}

fn delay_of(rtt: Duration) -> Duration {
    (rtt / 8).clamp(ACK_DELAY_MIN, ACK_DELAY_MAX)
}
