//! Whether the path swallows large datagrams and lets small ones through (RFC 8899, section 4.3),
//! told apart from ordinary loss, from bursts of it and from an outage.
//!
//! An outage swallows a whole flight of large datagrams too, and the first thing to arrive after it
//! may well be a small one. So that is only a suspicion. The proof is that large datagrams vanish
//! which were sent *after* a small one that arrived, and that another small one arrives behind them:
//! the path was up before and after, and every large one between was swallowed.

/// Large datagrams in a row that vanish before a small arrival is suspicious: rare for independent
/// loss (1 in 64 million at 5 %), common for an outage.
const SUSPICIOUS: u32 = 6;
/// Large datagrams that then vanish between two small arrivals.
const PROOF: u32 = 4;

/// What is known since a large datagram last arrived.
#[derive(Debug, Default)]
pub(super) struct BlackHole {
    /// The largest number of a large datagram that arrived: what was lost before it proves nothing.
    newest_large_arrived: Option<u64>,
    vanished: u32,
    /// Numbers of the first and the last that vanished.
    first: u64,
    last: u64,
    suspicion: Option<Suspicion>,
}

#[derive(Debug)]
struct Suspicion {
    /// Number of the small datagram that arrived.
    small: u64,
    /// Large ones sent after it that vanished.
    vanished: u32,
}

impl BlackHole {
    /// A large datagram arrived.
    pub(super) fn large_arrived(&mut self, number: u64) {
        self.newest_large_arrived = self.newest_large_arrived.max(Some(number));
        self.vanished = 0;
        self.suspicion = None;
    }

    /// A large datagram was lost.
    pub(super) fn large_lost(&mut self, number: u64) {
        if self.newest_large_arrived.is_some_and(|newest| number < newest) {
            return;
        }
        if self.vanished == 0 {
            self.first = number;
        }
        self.last = self.last.max(number);
        self.vanished += 1;
        if let Some(suspicion) = &mut self.suspicion
            && number > suspicion.small
        {
            suspicion.vanished += 1;
        }
    }

    /// A small datagram arrived; says whether that is the proof.
    pub(super) fn small_arrived(&mut self, number: u64) -> bool {
        match &self.suspicion {
            Some(suspicion) => suspicion.vanished >= PROOF && number > self.last,
            None => {
                if self.vanished >= SUSPICIOUS && number > self.first {
                    self.suspicion = Some(Suspicion { small: number, vanished: 0 });
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens to datagrams, in the order in which the sender hears of it.
    enum Event {
        LargeLost(std::ops::Range<u64>),
        LargeArrived(u64),
        SmallArrived(u64),
    }
    use Event::{LargeArrived, LargeLost, SmallArrived};

    #[track_caller]
    fn check(events: &[Event], expected: bool) {
        let mut hole = BlackHole::default();
        let mut found = false;
        for event in events {
            match event {
                LargeLost(numbers) => numbers.clone().for_each(|number| hole.large_lost(number)),
                LargeArrived(number) => hole.large_arrived(*number),
                SmallArrived(number) => found |= hole.small_arrived(*number),
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn all_large_ones_between_two_small_ones_are_swallowed() {
        check(&[LargeLost(0..10), SmallArrived(10), LargeLost(11..15), SmallArrived(15)], true);
    }

    #[test]
    fn an_outage_swallows_large_and_small_alike() {
        check(&[LargeLost(0..100), SmallArrived(100), LargeArrived(101), SmallArrived(102)], false);
    }

    #[test]
    fn a_small_one_that_was_sent_before_proves_nothing() {
        check(&[LargeLost(10..20), SmallArrived(5), LargeLost(21..40), SmallArrived(7)], false);
        check(&[LargeLost(0..10), SmallArrived(10), LargeLost(11..40), SmallArrived(12)], false);
    }

    #[test]
    fn one_large_arrival_ends_the_suspicion() {
        let late_loss = [LargeLost(0..10), SmallArrived(10), LargeLost(11..14), LargeArrived(14)];
        check(&late_loss, false);
        check(
            &[
                LargeLost(0..10),
                LargeArrived(50),
                SmallArrived(51),
                LargeLost(11..40),
                SmallArrived(52),
            ],
            false,
        );
    }

    #[test]
    fn a_few_lost_ones_are_no_reason() {
        check(&[LargeLost(0..5), SmallArrived(6), LargeLost(7..12), SmallArrived(13)], false);
    }
}
