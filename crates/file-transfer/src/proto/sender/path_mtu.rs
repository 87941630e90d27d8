//! How large datagrams may be (RFC 8899): starts at 1200, probes the sizes of a table from the
//! largest down, and falls back when the path swallows large ones. A size that the interface refuses
//! is not probed again.

use std::time::{Duration, Instant};

use super::black_hole::BlackHole;
use crate::proto::limits::{DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_TABLE};

/// Probes of one size before it is given up (RFC 8899, section 5.1.2 `MAX_PROBES`).
const PROBES_MAX: u32 = 3;
/// After the search has ended below the ceiling it begins anew after this, twice as late each time.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// … but at least this often (RFC 8899, section 5.1.1 `PMTU_RAISE_TIMER`).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// Search and confirmation of the datagram size.
#[derive(Debug)]
pub(super) struct PathMtu {
    current: usize,
    /// The largest size that both ends and the interface allow.
    ceiling: usize,
    /// Sizes from here on have failed in this search.
    failed_from: usize,
    probe: ProbeState,
    retry_after: Duration,
    black_hole: BlackHole,
}

#[derive(Debug)]
enum ProbeState {
    /// A probe of the next size is to be sent; so many were lost before.
    Due { lost: u32 },
    /// A probe is on its way.
    Sent { number: u64, size: usize, lost: u32 },
    /// Nothing to be tried before then.
    Resting { until: Instant },
    /// The ceiling is reached.
    Done,
}

impl PathMtu {
    pub(super) fn new(ceiling: usize) -> Self {
        let mut mtu = Self {
            current: DATAGRAM_BYTES_BASE,
            ceiling,
            failed_from: usize::MAX,
            probe: ProbeState::Done,
            retry_after: RETRY_AFTER,
            black_hole: BlackHole::default(),
        };
        mtu.begin_search();
        mtu
    }

    /// Size of datagrams to send.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// The size to probe now, if it is time for that.
    pub(super) fn probe_due(&mut self, now: Instant) -> Option<usize> {
        if let ProbeState::Resting { until } = self.probe
            && now >= until
        {
            self.begin_search();
        }
        match self.probe {
            ProbeState::Due { .. } => self.next_size(),
            ProbeState::Sent { .. } | ProbeState::Resting { .. } | ProbeState::Done => None,
        }
    }

    /// A probe went out.
    pub(super) fn probe_sent(&mut self, number: u64, size: usize) {
        let lost = if let ProbeState::Due { lost } = self.probe { lost } else { 0 };
        self.probe = ProbeState::Sent { number, size, lost };
    }

    /// A probe was acknowledged.
    pub(super) fn probe_acknowledged(&mut self, now: Instant, number: u64) {
        if let ProbeState::Sent { number: ours, size, .. } = self.probe
            && ours == number
        {
            self.current = self.current.max(size);
            self.search_on(now);
        }
    }

    /// A probe was lost, which says nothing about congestion.
    pub(super) fn probe_lost(&mut self, now: Instant, number: u64) {
        let ProbeState::Sent { number: ours, size, lost } = self.probe else { return };
        if ours == number {
            let lost = lost + 1;
            self.probe = ProbeState::Due { lost };
            if lost >= PROBES_MAX {
                self.failed_from = size;
                self.search_on(now);
            }
        }
    }

    /// The interface takes no datagram of `size` bytes. (Were that one of the base size, nothing
    /// smaller could be sent: the silence then ends the session, if it lasts.)
    pub(super) fn refused(&mut self, now: Instant, size: usize) {
        self.ceiling = self.ceiling.min(size - 1).max(DATAGRAM_BYTES_BASE);
        if self.current > self.ceiling {
            self.fall();
        }
        self.search_on(now);
    }

    /// A datagram of `size` bytes was acknowledged. A small one may show that the path swallows large
    /// ones; then the size falls.
    pub(super) fn acknowledged(&mut self, now: Instant, number: u64, size: usize) {
        if size > DATAGRAM_BYTES_BASE {
            self.black_hole.suspect_arrived(number);
        } else if self.black_hole.other_arrived(number) && self.current > DATAGRAM_BYTES_BASE {
            self.failed_from = self.current;
            self.fall();
            self.search_on(now);
        }
    }

    fn fall(&mut self) {
        self.current = DATAGRAM_BYTES_BASE;
        self.black_hole = BlackHole::default();
    }

    /// A datagram of `size` bytes was lost.
    pub(super) fn lost(&mut self, number: u64, size: usize) {
        if size > DATAGRAM_BYTES_BASE {
            self.black_hole.suspect_lost(number);
        }
    }

    fn begin_search(&mut self) {
        self.failed_from = usize::MAX;
        let has_more = self.next_size().is_some();
        self.probe = if has_more { ProbeState::Due { lost: 0 } } else { ProbeState::Done };
    }

    /// Goes on below what has failed, or rests if that leaves nothing.
    fn search_on(&mut self, now: Instant) {
        self.probe = if self.next_size().is_some() {
            ProbeState::Due { lost: 0 }
        } else if self.failed_from <= self.ceiling {
            let until = now + self.retry_after;
            self.retry_after = (self.retry_after * 2).min(RETRY_AFTER_MAX);
            ProbeState::Resting { until }
        } else {
            ProbeState::Done
        };
    }

    /// The largest size that may work: most paths carry what the interface does.
    fn next_size(&self) -> Option<usize> {
        let may_work = |size: &usize| {
            *size > self.current && *size <= self.ceiling && *size < self.failed_from
        };
        DATAGRAM_BYTES_TABLE.into_iter().rev().find(may_work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown() -> PathMtu {
        let mut mtu = PathMtu::new(1452);
        let now = Instant::now();
        let size = mtu.probe_due(now).expect("a probe is due");
        mtu.probe_sent(7, size);
        mtu.probe_acknowledged(now, 7);
        mtu
    }

    /// Sends three probes that are lost; gives their size.
    fn fails(mtu: &mut PathMtu, now: Instant) -> usize {
        let size = mtu.probe_due(now).expect("a probe is due");
        for number in 0..3 {
            assert_eq!(mtu.probe_due(now), Some(size));
            mtu.probe_sent(number, size);
            mtu.probe_lost(now, number);
        }
        size
    }

    #[test]
    fn what_the_interface_carries_is_tried_first_and_ends_the_search() {
        let mut mtu = grown();
        assert_eq!((mtu.current(), mtu.probe_due(Instant::now())), (1452, None));
    }

    #[test]
    fn smaller_sizes_follow_where_larger_ones_fail() {
        let now = Instant::now();
        let mut mtu = PathMtu::new(1452);
        assert_eq!([fails(&mut mtu, now), fails(&mut mtu, now)], [1452, 1444]);
        let size = mtu.probe_due(now).expect("a probe is due");
        mtu.probe_sent(9, size);
        mtu.probe_acknowledged(now, 9);
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1392, None));
        assert_eq!(mtu.probe_due(now + RETRY_AFTER), Some(1452), "the path may have changed");
    }

    #[test]
    fn where_every_size_fails_it_rests() {
        let now = Instant::now();
        let mut mtu = PathMtu::new(1300);
        assert_eq!(fails(&mut mtu, now), 1232);
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1200, None));
        assert_eq!(mtu.probe_due(now + RETRY_AFTER), Some(1232));
    }

    #[test]
    fn the_ceiling_is_kept() {
        assert_eq!(PathMtu::new(1400).probe_due(Instant::now()), Some(1392));
        assert_eq!(PathMtu::new(1210).probe_due(Instant::now()), None);
    }

    #[test]
    fn a_size_that_the_interface_refuses_is_never_tried_again() {
        let now = Instant::now();
        let mut mtu = grown();
        mtu.refused(now, 1452);
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1200, Some(1444)));
        mtu.refused(now, 1444);
        assert_eq!(mtu.probe_due(now + RETRY_AFTER_MAX), Some(1392));
        mtu.refused(now, 1200);
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1200, None), "there is nothing smaller");
    }

    #[test]
    fn a_black_hole_lowers_the_size_until_a_probe_gets_through() {
        let now = Instant::now();
        let mut mtu = grown();
        (10..20).for_each(|number| mtu.lost(number, 1452));
        mtu.acknowledged(now, 20, 1200);
        assert_eq!(mtu.current(), 1452, "an outage looks the same so far");
        (21..30).for_each(|number| mtu.lost(number, 1452));
        mtu.acknowledged(now, 30, 1200);
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1200, Some(1444)));
    }
}
