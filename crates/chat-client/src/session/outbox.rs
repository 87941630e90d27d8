//! Messages that the server has not answered yet, in the order in which they were written.
//!
//! After a lost connection all of them are sent again under their own ids; the server recognises what
//! it has. When it says "slow down" the refused message and everything behind it wait, and go one by
//! one until the queue is empty: a person who pastes ten lines loses none and sees them in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use common::conversation::Conversation;

use crate::command::MessageId;

/// Messages kept unanswered: 4 MiB of the longest ones. Further ones are refused.
pub(crate) const UNANSWERED_MAX: usize = 256;

/// Messages under way at once while nothing slows us down.
const IN_FLIGHT_MAX: usize = 8;

/// The wait after the first "slow down"; a server refills one message in about this time.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest wait after repeated ones.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Outgoing {
    pub(crate) id: MessageId,
    pub(crate) to: Conversation,
    pub(crate) text: String,
}

#[derive(Debug)]
struct Entry {
    message: Outgoing,
    is_in_flight: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    entries: VecDeque<Entry>,
    in_flight_max: usize,
    pause: Duration,
    paused_until: Option<Instant>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            in_flight_max: IN_FLIGHT_MAX,
            pause: PAUSE_MIN,
            paused_until: None,
        }
    }
}

impl Outbox {
    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < UNANSWERED_MAX
    }

    /// Queues a message.
    pub(crate) fn push(&mut self, message: Outgoing) {
        debug_assert!(self.has_room(), "the caller asks first");
        self.entries.push_back(Entry { message, is_in_flight: false });
    }

    /// The next message to send now. It counts as under way from here on.
    pub(crate) fn next_to_send(&mut self, now: Instant) -> Option<Outgoing> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        let in_flight = self.entries.iter().filter(|entry| entry.is_in_flight).count();
        if in_flight >= self.in_flight_max {
            return None;
        }
        let next = self.entries.iter_mut().find(|entry| !entry.is_in_flight)?;
        next.is_in_flight = true;
        Some(next.message.clone())
    }

    /// Whether a message of this id is still to be answered.
    pub(crate) fn is_unanswered(&self, id: &[u8]) -> bool {
        self.entries.iter().any(|entry| entry.message.id.0 == id)
    }

    /// The server took or refused a message: it is done with. `None` for one that is unknown.
    pub(crate) fn answered(&mut self, id: MessageId) -> Option<Outgoing> {
        let position = self.entries.iter().position(|entry| entry.message.id == id)?;
        self.pause = PAUSE_MIN;
        let entry = self.entries.remove(position)?;
        if self.entries.is_empty() {
            self.in_flight_max = IN_FLIGHT_MAX;
        }
        Some(entry.message)
    }

    /// The server wants this message later.
    pub(crate) fn slow_down(&mut self, now: Instant, id: MessageId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.message.id == id) {
            entry.is_in_flight = false;
        }
        self.in_flight_max = 1;
        self.paused_until = Some(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    /// When [`next_to_send`](Self::next_to_send) has to be asked again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.paused_until
    }

    /// No answer comes any more for what is under way.
    pub(crate) fn connection_lost(&mut self) {
        for entry in &mut self.entries {
            entry.is_in_flight = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8) -> Outgoing {
        Outgoing { id: MessageId([number; 16]), to: Conversation::lobby(), text: String::new() }
    }

    fn outbox(numbers: std::ops::Range<u8>) -> Outbox {
        let mut outbox = Outbox::default();
        numbers.for_each(|number| outbox.push(message(number)));
        outbox
    }

    /// The numbers of the messages that go out at `now`.
    fn sent(outbox: &mut Outbox, now: Instant) -> Vec<u8> {
        std::iter::from_fn(|| outbox.next_to_send(now)).map(|message| message.id.0[0]).collect()
    }

    #[test]
    fn a_few_are_under_way_at_once_in_order() {
        let now = Instant::now();
        let mut outbox = outbox(0..10);
        assert_eq!(sent(&mut outbox, now), [0, 1, 2, 3, 4, 5, 6, 7]);
        outbox.answered(MessageId([3; 16]));
        assert_eq!(sent(&mut outbox, now), [8]);
    }

    #[test]
    fn a_lost_connection_sends_all_again_in_order() {
        let now = Instant::now();
        let mut outbox = outbox(0..3);
        sent(&mut outbox, now);
        outbox.answered(MessageId([1; 16]));
        outbox.connection_lost();
        assert_eq!(sent(&mut outbox, now), [0, 2]);
    }

    #[test]
    fn slow_down_keeps_order_and_goes_one_by_one() {
        let now = Instant::now();
        let mut outbox = outbox(0..3);
        assert_eq!(sent(&mut outbox, now), [0, 1, 2]);
        outbox.answered(MessageId([0; 16]));
        outbox.slow_down(now, MessageId([1; 16]));
        outbox.slow_down(now, MessageId([2; 16]));
        assert_eq!(sent(&mut outbox, now), []);
        let later = outbox.poll_timeout().unwrap();
        assert_eq!(sent(&mut outbox, later), [1]);
        outbox.answered(MessageId([1; 16]));
        assert_eq!(sent(&mut outbox, later), [2]);
    }

    #[test]
    fn repeated_slow_downs_wait_longer_but_not_for_ever() {
        let now = Instant::now();
        let mut outbox = outbox(0..1);
        let mut waits = Vec::new();
        for _ in 0..6 {
            outbox.slow_down(now, MessageId([0; 16]));
            waits.push((outbox.poll_timeout().unwrap() - now).as_millis());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000]);
    }

    #[test]
    fn room_is_bounded() {
        let mut outbox = outbox(0..255);
        assert!(outbox.has_room());
        outbox.push(message(255));
        assert!(!outbox.has_room());
        assert_eq!(outbox.answered(MessageId([7; 16])), Some(message(7)));
        assert!(outbox.has_room());
    }
}
