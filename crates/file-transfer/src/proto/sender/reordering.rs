//! How far packets overtake each other on this path (after RFC 8985, section 6.2): a packet that was
//! declared lost and arrives after all widens the window within which others are only late.
//!
//! RFC 8985 widens in steps of a quarter of the minimum RTT, to one smoothed RTT at most. Here the
//! file is the retransmission buffer and every number is sent once, so it is known exactly how late a
//! packet was: the window goes to that in a few large steps, and a path that delays half of its packets by
//! many round trips is learned from the first handful of them instead of being taken for a lossy one for ever.

use std::time::Duration;

use crate::proto::rtt::RttEstimator;

/// The window goes back to nothing after so many episodes of loss none of which proved false
/// (RFC 8985, section 6.2, step 4: 16 recoveries).
const PERSISTENCE_EPISODES: u32 = 16;
/// One packet widens the window by so many round trips at most (RFC 8985: a quarter of one): while it
/// is wide, congestion shows late, and a single stray packet must not put that off for long, …
const STEP_RTTS: u32 = 4;
/// … but by this much, where round trips are shorter than a scheduler's turn.
const STEP_MIN: Duration = Duration::from_millis(25);
/// Not wider than this, however many are late: so long a receiver that reports packets late on purpose
/// can keep its sender from noticing congestion.
const WINDOW_MAX: Duration = Duration::from_secs(1);

/// The reordering window.
#[derive(Debug, Default)]
pub(super) struct Reordering {
    window: Duration,
    /// Episodes until the window is closed again.
    persistence: u32,
}

impl Reordering {
    /// How much longer than a round trip a packet may be on its way; zero while packets keep their
    /// order.
    pub(super) fn window(&self) -> Duration {
        self.window
    }

    /// A packet arrived `age` after it was sent, and had been given up.
    pub(super) fn seen(&mut self, age: Duration, rtt: &RttEstimator) {
        let round_trip = rtt.smoothed().max(rtt.latest());
        let lateness = age.saturating_sub(round_trip) + rtt.minimum() / 4;
        let step = (rtt.smoothed() * STEP_RTTS).max(STEP_MIN);
        let most = (self.window + step).min(WINDOW_MAX);
        self.window = self.window.max(lateness.min(most));
        self.persistence = PERSISTENCE_EPISODES;
    }

    /// A new episode of loss began.
    pub(super) fn episode_began(&mut self) {
        self.persistence = self.persistence.saturating_sub(1);
        if self.persistence == 0 {
            self.window = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn rtt() -> RttEstimator {
        RttEstimator::new(Some(20 * MS))
    }

    #[test]
    fn the_window_covers_what_was_late_and_a_little_more() {
        let mut reordering = Reordering::default();
        reordering.seen(90 * MS, &rtt());
        assert_eq!(reordering.window(), 75 * MS);
        reordering.seen(30 * MS, &rtt());
        assert_eq!(reordering.window(), 75 * MS, "a smaller one takes nothing away");
    }

    /// The window after so many packets that were an hour late.
    #[track_caller]
    fn check_most(packets: u32, round_trip: Duration, most: Duration) {
        let mut reordering = Reordering::default();
        let rtt = RttEstimator::new(Some(round_trip));
        (0..packets).for_each(|_| reordering.seen(Duration::from_secs(3600), &rtt));
        assert_eq!(reordering.window(), most);
    }

    #[test]
    fn one_stray_packet_widens_it_by_four_round_trips() {
        check_most(1, 20 * MS, 80 * MS);
        check_most(1, MS / 10, STEP_MIN);
        check_most(3, 20 * MS, 240 * MS);
    }

    #[test]
    fn nobody_can_stretch_it_beyond_a_second() {
        check_most(1, 600 * MS, WINDOW_MAX);
        check_most(1000, 20 * MS, WINDOW_MAX);
    }

    #[test]
    fn it_outlives_sixteen_episodes_from_the_last_late_packet() {
        let mut reordering = Reordering::default();
        reordering.seen(90 * MS, &rtt());
        (0..10).for_each(|_| reordering.episode_began());
        reordering.seen(50 * MS, &rtt());
        (0..15).for_each(|_| reordering.episode_began());
        assert_eq!(reordering.window(), 75 * MS);
        reordering.episode_began();
        assert_eq!(reordering.window(), Duration::ZERO);
    }
}
