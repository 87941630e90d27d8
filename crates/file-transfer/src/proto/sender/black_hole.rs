//! Whether the path swallows datagrams of one kind and lets others through, told apart from ordinary
//! loss, from bursts of it and from an outage: large ones (RFC 8899, section 4.3), and those with an
//! ECN mark (RFC 9000, section 13.4.2). The kind that may be swallowed is the suspect here.
//!
//! An outage swallows a whole flight of suspects too, and the first thing to arrive after it may well
//! be another kind. So that is only a suspicion. The proof is that suspects vanish which were sent
//! *after* another one that arrived, and that yet another one arrives behind them: the path was up
//! before and after, and every suspect between was swallowed.

/// Suspects in a row that vanish before another arrival is suspicious: rare for independent loss
/// (1 in 64 million at 5 %), common for an outage.
const SUSPICIOUS: u32 = 6;
/// Suspects that then vanish between two arrivals of others.
const PROOF: u32 = 4;

/// What is known since a suspect last arrived.
#[derive(Debug, Default)]
pub(super) struct BlackHole {
    /// The largest number of a suspect that arrived: what was lost before it proves nothing.
    newest_arrived: Option<u64>,
    vanished: u32,
    /// Numbers of the first and the last that vanished.
    first: u64,
    last: u64,
    suspicion: Option<Suspicion>,
}

#[derive(Debug)]
struct Suspicion {
    /// Number of the other datagram that arrived.
    other: u64,
    /// Suspects sent after it that vanished.
    vanished: u32,
}

impl BlackHole {
    /// A suspect arrived.
    pub(super) fn suspect_arrived(&mut self, number: u64) {
        self.newest_arrived = self.newest_arrived.max(Some(number));
        self.vanished = 0;
        self.suspicion = None;
    }

    /// A suspect was lost.
    pub(super) fn suspect_lost(&mut self, number: u64) {
        if self.newest_arrived.is_some_and(|newest| number < newest) {
            return;
        }
        if self.vanished == 0 {
            self.first = number;
        }
        self.last = self.last.max(number);
        self.vanished += 1;
        if let Some(suspicion) = &mut self.suspicion
            && number > suspicion.other
        {
            suspicion.vanished += 1;
        }
    }

    /// Another one arrived; says whether that is the proof.
    pub(super) fn other_arrived(&mut self, number: u64) -> bool {
        match &self.suspicion {
            Some(suspicion) => suspicion.vanished >= PROOF && number > self.last,
            None => {
                if self.vanished >= SUSPICIOUS && number > self.first {
                    self.suspicion = Some(Suspicion { other: number, vanished: 0 });
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
        SuspectsLost(std::ops::Range<u64>),
        SuspectArrived(u64),
        OtherArrived(u64),
    }
    use Event::{OtherArrived, SuspectArrived, SuspectsLost};

    #[track_caller]
    fn check(events: &[Event], expected: bool) {
        let mut hole = BlackHole::default();
        let mut found = false;
        for event in events {
            match event {
                SuspectsLost(numbers) => {
                    numbers.clone().for_each(|number| hole.suspect_lost(number))
                }
                SuspectArrived(number) => hole.suspect_arrived(*number),
                OtherArrived(number) => found |= hole.other_arrived(*number),
            }
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn all_suspects_between_two_others_are_swallowed() {
        check(
            &[SuspectsLost(0..10), OtherArrived(10), SuspectsLost(11..15), OtherArrived(15)],
            true,
        );
    }

    #[test]
    fn an_outage_swallows_both_alike() {
        check(
            &[SuspectsLost(0..100), OtherArrived(100), SuspectArrived(101), OtherArrived(102)],
            false,
        );
    }

    #[test]
    fn another_one_that_was_sent_before_proves_nothing() {
        check(
            &[SuspectsLost(10..20), OtherArrived(5), SuspectsLost(21..40), OtherArrived(7)],
            false,
        );
        check(
            &[SuspectsLost(0..10), OtherArrived(10), SuspectsLost(11..40), OtherArrived(12)],
            false,
        );
    }

    #[test]
    fn one_suspect_that_arrives_ends_the_suspicion() {
        let late_loss =
            [SuspectsLost(0..10), OtherArrived(10), SuspectsLost(11..14), SuspectArrived(14)];
        check(&late_loss, false);
        check(
            &[
                SuspectsLost(0..10),
                SuspectArrived(50),
                OtherArrived(51),
                SuspectsLost(11..40),
                OtherArrived(52),
            ],
            false,
        );
    }

    #[test]
    fn a_few_lost_ones_are_no_reason() {
        check(&[SuspectsLost(0..5), OtherArrived(6), SuspectsLost(7..12), OtherArrived(13)], false);
    }
}
