//! How large datagrams may be (RFC 8899): starts at 1200, probes the sizes of a table, and falls back
//! when the path swallows large ones.

use std::time::{Duration, Instant};

use crate::proto::limits::{DATAGRAM_BYTES_BASE, DATAGRAM_BYTES_TABLE};

/// Probes of one size before it is given up (RFC 8899, section 5.1.2 `MAX_PROBES`).
const PROBES_MAX: u32 = 3;
/// After giving a size up it is tried again after this, twice as late each time.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// … but at least this often (RFC 8899, section 5.1.1 `PMTU_RAISE_TIMER`).
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// So many large datagrams in a row must vanish, while a later small one arrives, before the path
/// counts as a black hole. Ordinary loss is never taken for one.
const BLACK_HOLE_PACKETS: u32 = 8;

/// Search and confirmation of the datagram size.
#[derive(Debug)]
pub(super) struct PathMtu {
    current: usize,
    /// The largest size that both ends and the interface allow.
    ceiling: usize,
    probe: ProbeState,
    retry_after: Duration,
    /// Large datagrams lost since one was last acknowledged, and the first of them.
    large_lost: u32,
    first_large_lost: u64,
    /// The largest number of a large datagram that arrived: whatever was lost before it proves nothing.
    newest_large_arrived: Option<u64>,
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
            probe: ProbeState::Done,
            retry_after: RETRY_AFTER,
            large_lost: 0,
            first_large_lost: 0,
            newest_large_arrived: None,
        };
        mtu.search_on();
        mtu
    }

    /// Size of datagrams to send.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// The size to probe now, if it is time for that.
    pub(super) fn probe_due(&self, now: Instant) -> Option<usize> {
        let is_due = match self.probe {
            ProbeState::Due { .. } => true,
            ProbeState::Resting { until } => now >= until,
            ProbeState::Sent { .. } | ProbeState::Done => false,
        };
        is_due.then(|| self.next_size()).flatten()
    }

    /// A probe went out.
    pub(super) fn probe_sent(&mut self, number: u64, size: usize) {
        let lost = if let ProbeState::Due { lost } = self.probe { lost } else { 0 };
        self.probe = ProbeState::Sent { number, size, lost };
    }

    /// A probe was acknowledged; says whether the size has grown.
    pub(super) fn probe_acknowledged(&mut self, number: u64) -> bool {
        let ProbeState::Sent { number: ours, size, .. } = self.probe else { return false };
        if ours != number {
            return false;
        }
        self.current = self.current.max(size);
        self.large_lost = 0;
        self.search_on();
        true
    }

    /// A probe was lost, which says nothing about congestion.
    pub(super) fn probe_lost(&mut self, now: Instant, number: u64) {
        let ProbeState::Sent { number: ours, lost, .. } = self.probe else { return };
        if ours == number {
            let lost = lost + 1;
            self.probe = ProbeState::Due { lost };
            if lost >= PROBES_MAX {
                self.rest(now);
            }
        }
    }

    /// A datagram of `size` bytes was acknowledged.
    pub(super) fn acknowledged(&mut self, number: u64, size: usize) {
        if size > DATAGRAM_BYTES_BASE {
            self.newest_large_arrived = self.newest_large_arrived.max(Some(number));
            self.large_lost = 0;
        }
    }

    /// A datagram of `size` bytes was lost.
    pub(super) fn lost(&mut self, number: u64, size: usize) {
        let says_something = self.newest_large_arrived.is_none_or(|newest| number > newest);
        if size > DATAGRAM_BYTES_BASE && says_something {
            if self.large_lost == 0 {
                self.first_large_lost = number;
            }
            self.large_lost += 1;
        }
    }

    /// A small datagram with this number was the largest acknowledged; says whether large ones turned
    /// out to be swallowed, and the size has fallen.
    pub(super) fn small_arrived(&mut self, now: Instant, number: u64) -> bool {
        let is_black_hole = self.current > DATAGRAM_BYTES_BASE
            && self.large_lost >= BLACK_HOLE_PACKETS
            && number > self.first_large_lost;
        if is_black_hole {
            self.current = DATAGRAM_BYTES_BASE;
            self.large_lost = 0;
            self.rest(now);
        }
        is_black_hole
    }

    fn rest(&mut self, now: Instant) {
        self.probe = ProbeState::Resting { until: now + self.retry_after };
        self.retry_after = (self.retry_after * 2).min(RETRY_AFTER_MAX);
    }

    fn search_on(&mut self) {
        let more = self.next_size().is_some();
        self.probe = if more { ProbeState::Due { lost: 0 } } else { ProbeState::Done };
    }

    fn next_size(&self) -> Option<usize> {
        DATAGRAM_BYTES_TABLE.into_iter().find(|size| *size > self.current && *size <= self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown() -> PathMtu {
        let mut mtu = PathMtu::new(1452);
        let size = mtu.probe_due(Instant::now()).expect("a probe is due");
        mtu.probe_sent(7, size);
        assert!(mtu.probe_acknowledged(7));
        mtu
    }

    #[test]
    fn a_probe_that_arrives_raises_the_size_and_ends_the_search() {
        let mtu = grown();
        assert_eq!((mtu.current(), mtu.probe_due(Instant::now())), (1452, None));
    }

    #[test]
    fn three_lost_probes_end_it_for_a_while() {
        let now = Instant::now();
        let mut mtu = PathMtu::new(1452);
        for number in 0..3 {
            mtu.probe_sent(number, mtu.probe_due(now).expect("a probe is due"));
            mtu.probe_lost(now, number);
        }
        assert_eq!((mtu.current(), mtu.probe_due(now)), (1200, None));
        assert_eq!(mtu.probe_due(now + RETRY_AFTER), Some(1452));
    }

    #[test]
    fn the_ceiling_is_kept() {
        assert_eq!(PathMtu::new(1400).probe_due(Instant::now()), None);
    }

    #[test]
    fn only_the_loss_of_every_large_one_is_a_black_hole() {
        let now = Instant::now();
        let mut mtu = grown();
        for number in 10..17 {
            mtu.lost(number, 1452);
        }
        assert!(!mtu.small_arrived(now, 30), "seven are not enough");
        mtu.acknowledged(40, 1452);
        (20..40).for_each(|number| mtu.lost(number, 1452));
        assert!(!mtu.small_arrived(now, 50), "one arrived in between");
        for number in 60..70 {
            mtu.lost(number, 1452);
        }
        assert!(!mtu.small_arrived(now, 20), "the small one was earlier");
        assert!(mtu.small_arrived(now, 80));
        assert_eq!(mtu.current(), 1200);
    }
}
